"""The rows of a dataset by the deliveries they came with, and what may be done with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from xops.core.dataset.writes import APPEND, Write
from xops.core.errors import Misconfigured, Refused


class State(StrEnum):
    """Where the rows of a part are."""

    STAGED = "staged"
    PUBLISHED = "published"
    QUARANTINED = "quarantined"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one delivery of a batch: all of them, those that passed, or those that did not.

    :param id: names the part for good.
    :param batch: the batch.
    :param order: the place of its delivery among those of the dataset; equal for the parts of one delivery.
    :param state: where its rows are now.
    :param rows: how many there are.
    :param of: the parts whose rows these are.
    :param write: how it enters the dataset.
    :param source: where the rows came from.
    :param unkeyed: how many rows ``write`` cannot place.
    :param shown: the version that showed it first; empty before.
    :param files: its data files, where the dataset is made of files.
    """

    id: str
    batch: str
    order: int
    state: State
    rows: int
    of: tuple[str, ...] = ()
    write: Write = APPEND
    source: str = ""
    unkeyed: int = 0
    shown: str = ""
    files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        plain = {
            "state": str(self.state),
            "write": self.write.to_json(),
            "of": list(self.of),
            "files": list(self.files),
        }
        return asdict(self) | plain

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Part:
        """Read what :meth:`to_json` wrote."""
        parsed = {"state": State(document["state"]), "write": Write.from_json(document["write"])}
        return cls(**{**document, **parsed, "of": tuple(document["of"]), "files": tuple(document["files"])})


def part_named(parts: Sequence[Part], identity: str) -> Part | None:
    """Give a part by its id; None without."""
    return next((part for part in parts if part.id == identity), None)


def made_of(parts: Sequence[Part], identity: str, *states: State) -> Part | None:
    """Give the newest part that has the rows of another and is in one of some states; None without."""
    return next((part for part in reversed(parts) if identity in part.of and part.state in states), None)


def shown_in(parts: Sequence[Part], identity: str) -> str:
    """Give the version that showed the rows of a part first; empty when none did."""
    mine = (part for part in parts if identity in (part.id, *part.of) and part.shown)
    return next((part.shown for part in mine), "")


def is_shown_in_part(parts: Sequence[Part], identity: str) -> bool:
    """Whether readers see other rows of the delivery that a part is of."""
    part = part_named(parts, identity)
    return part is not None and any(one.state is State.PUBLISHED and one.order == part.order for one in parts)


def publishable(parts: Sequence[Part], identity: str, name: str) -> Part:
    """Give a part that may be shown to readers.

    :param name: the version, as an error names it.
    :raises Refused: when a later delivery of its batch was published, or its mode cannot place its rows.
    :raises Misconfigured: when it is not staged.
    """
    part = part_named(parts, identity)
    if part is None:
        raise Misconfigured(f"{name}: this version is not staged, so there is nothing to publish; stage the batch")
    if part.state is State.QUARANTINED:
        raise Misconfigured(f"{name}: it is in quarantine, and not published")
    if part.state is State.REPLACED:
        raise Misconfigured(f"{name}: another delivery of batch {part.batch} was staged in its place")
    refuse_late(parts, part, name)
    return part


def refuse_late(parts: Sequence[Part], part: Part, name: str) -> None:
    """Refuse a delivery when a later one of its batch is published, or its mode cannot place its rows."""
    if any(one.shown and one.batch == part.batch and one.order > part.order for one in parts):
        raise Refused(f"{name}: a later delivery of batch {part.batch} was published")
    if part.unkeyed:
        raise Refused(
            f"{name}: {part.unkeyed} rows of batch {part.batch} have no value in {', '.join(part.write.by)}, or one "
            f"that another row has, so {part.write.mode} cannot place them"
        )
