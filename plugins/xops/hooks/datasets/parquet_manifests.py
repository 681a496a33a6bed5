"""Manifests: numbered objects, the newest of which says which files of a prefix are the dataset."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from xops.core.dataset.parts import Part, columns_of, shown
from xops.core.errors import Misconfigured, Unavailable
from xops.core.evidence import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xops.core.dataset.parts import Parts
    from xops.hooks.store.objects import Objects

_MANIFESTS = "manifests/"
_RACES = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A version that readers see or have seen.

    :param version: its digest.
    :param number: the manifest that showed it.
    :param at: since when; ISO 8601, UTC.
    """

    version: str
    number: int
    at: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One state of a dataset.

    :param number: its place in the log, from 1; 0 while there is none.
    :param parts: every part there ever was, oldest first; those that are replaced have no files.
    :param history: the versions that can be read, oldest first.
    :param tags: versions by the names that people gave them.
    :param nonce: tells two writers of the same state apart.
    """

    number: int = 0
    parts: Parts = ()
    history: tuple[Shown, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""

    @property
    def version(self) -> str:
        """Give the digest of what readers see; empty while they see nothing."""
        return version_of(self.parts)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON; ``files`` and ``columns`` are what a reader of the plain files needs."""
        return {
            "number": self.number,
            "version": self.version,
            "files": [file for part in shown(self.parts) for file in part.files],
            "columns": columns_of(self.parts),
            "parts": [part.to_json() for part in self.parts],
            "history": [asdict(one) for one in self.history],
            "tags": dict(self.tags),
            "nonce": self.nonce,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Manifest:
        """Read what :meth:`to_json` wrote."""
        parts = tuple(map(Part.from_json, document["parts"]))
        history = tuple(Shown(**one) for one in document["history"])
        return cls(document["number"], parts, history, document["tags"], document["nonce"])

    def shows(self, version: str) -> Shown | None:
        """Give what the history has of a version; None when it is not there."""
        return next((one for one in self.history if one.version == version), None)

    def followed_by(
        self,
        *,
        parts: Parts | None = None,
        history: tuple[Shown, ...] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Give the next state, of which the rest is as in this; readers' new version enters the history."""
        parts = self.parts if parts is None else parts
        history = self.history if history is None else history
        number, version = self.number + 1, version_of(parts)
        if version and version != (history[-1].version if history else ""):
            now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
            history = (*history, Shown(version, number, now))
        return Manifest(number, parts, history, self.tags if tags is None else tags, uuid.uuid4().hex)


def version_of(parts: Sequence[Part]) -> str:
    """Give the digest of the files that readers see; empty for none."""
    seen = shown(parts)
    return digest([[part.batch, list(part.files)] for part in seen]) if seen else ""


class Manifests:
    """The manifests of one dataset. Each is made by create-if-absent: of several writers one gets each number.

    :param objects: the prefix.
    :param name: the dataset, as an error names it.
    """

    def __init__(self, objects: Objects, name: str) -> None:
        self.objects = objects
        self.name = name

    def newest(self) -> Manifest:
        """Give what holds now."""
        paths = self.objects.paths(_MANIFESTS)
        return Manifest.from_json(self.objects.get_json(paths[-1])) if paths else Manifest()

    def numbered(self, number: int) -> Manifest:
        """Give one state.

        :raises Misconfigured: when it has expired.
        """
        document = self.objects.get_json(path_of(number))
        if document is None:
            raise Misconfigured(f"dataset {self.name}: manifest {number} is gone")
        return Manifest.from_json(document)

    def append(self, propose: Callable[[Manifest], Manifest | None]) -> Manifest:
        """Append a manifest; give the newest.

        :param propose: from what holds to what is to hold; None when that is the same. Called again when another
            writer was faster.
        """
        for _ in range(_RACES):
            now = self.newest()
            then = propose(now)
            if then is None:
                return now
            path = path_of(then.number)
            if self.objects.create_json(path, then.to_json()) or self.numbered(then.number).nonce == then.nonce:
                return then
        raise Unavailable(f"dataset {self.name}: others were faster {_RACES} times; try again later")


def path_of(number: int) -> str:
    """Give the path of a manifest."""
    return f"{_MANIFESTS}{number:08d}.json"
