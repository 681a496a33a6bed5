"""A verdict as recorded for good, and the name it is kept under."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xops.core.strict_json import dumps
from xops.core.verdict import Verdict

_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Origin:
    """The task that did something, in Airflow's terms. Equal for every retry of it, so results are not doubled."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def key(self) -> str:
        """The idempotency key: 32 hexadecimal digits."""
        return digest(asdict(self))[:32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verdict, what it was about in time, who asked for it, and when it was recorded.

    :param verdict: the answer.
    :param about: the name under which a policy looks for it: a dataset or a model.
    :param batch: the batch that was judged; empty when the subject is not a batch.
    :param origin: the task that judged.
    :param recorded_at: ISO 8601, UTC.
    :param report: the id of the HTML report beside it, if any.
    """

    verdict: Verdict
    about: str
    batch: str
    origin: Origin
    recorded_at: str
    report: str | None = None

    @property
    def id(self) -> str:
        """The path-safe identity: the same for a retry of the same task on the same subject."""
        return digest([asdict(self.origin), self.verdict.check, self.verdict.subject])[:32]

    @property
    def path(self) -> str:
        """Where it lies in the store."""
        return f"{folder(self.verdict.check, self.about)}{slug(self.batch) or '~'}/{self.id}.json"

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return {
            "id": self.id,
            "verdict": self.verdict.to_json(),
            "about": self.about,
            "batch": self.batch,
            "origin": asdict(self.origin),
            "recorded_at": self.recorded_at,
            "report": self.report,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evidence:
        """Read what :meth:`to_json` wrote."""
        return cls(
            verdict=Verdict.from_json(document["verdict"]),
            about=document["about"],
            batch=document["batch"],
            origin=Origin(**document["origin"]),
            recorded_at=document["recorded_at"],
            report=document.get("report"),
        )


def folder(check: str, about: str) -> str:
    """Give the prefix under which all evidence of ``check`` about ``about`` lies."""
    return f"evidence/{slug(check)}/{slug(about)}/"


def slug(text: str) -> str:
    """Give ``text`` as one path segment of at most 80 characters; two different texts never share one.

    A text that is a plain short name stays as it is; any other keeps its safe characters and gains a digest after a
    ``~``, which no plain name has.
    """
    safe = _UNSAFE.sub("-", text).strip(".")
    if safe == text and len(text) <= _LONGEST:
        return text
    return f"{safe[:40]}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"


def digest(value: Any) -> str:
    """Give the SHA-256 of ``value``'s canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(dumps(value)).hexdigest()
