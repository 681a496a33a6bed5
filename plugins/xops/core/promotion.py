"""The promotion log: who is champion, who was, and why. The log is the truth; MLflow's alias is its projection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from xops.core.errors import Misconfigured, Refused
from xops.core.evidence import slug
from xops.core.verdict import Verdict


class Kind(StrEnum):
    """How a model version came to be champion."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a model's promotion log.

    :param number: its place in the log, from 1, without gaps.
    :param model: the registered model.
    :param previous: the champion before it; None for the first.
    :param version: the champion from here on.
    :param kind: promotion or rollback.
    :param manifest: SHA-256 digest of the model directory's manifest.
    :param key: idempotency key of the task that asked; one entry per key.
    :param by: who or what asked.
    :param reason: why, for a person.
    :param evidence: ids of the verdicts that allowed it.
    :param at: ISO 8601, UTC.
    """

    number: int
    model: str
    previous: str | None
    version: str
    kind: Kind
    manifest: str
    key: str
    by: str
    reason: str
    at: str
    evidence: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return asdict(self) | {"kind": str(self.kind), "evidence": list(self.evidence)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Entry:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**document, "kind": Kind(document["kind"]), "evidence": tuple(document["evidence"])})


def log_folder(model: str) -> str:
    """Give the prefix under which a model's promotion log lies."""
    return f"promotions/{slug(model)}/"


def entry_path(model: str, number: int) -> str:
    """Give the path of entry ``number``; names sort as numbers do."""
    return f"{log_folder(model)}{number:08d}.json"


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Give a log's entries from first to last.

    :raises ValueError: when a number is missing or doubled: the log was tampered with or is half copied.
    """
    log = tuple(sorted(entries, key=lambda entry: entry.number))
    numbers = [entry.number for entry in log]
    if numbers != list(range(1, len(log) + 1)):
        raise ValueError(f"promotion log of {log[0].model}: entries 1 to {len(log)} were wanted, found {numbers}")
    return log


def champion(log: Sequence[Entry]) -> str | None:
    """Give the champion's version, or None while nothing was promoted."""
    return log[-1].version if log else None


def previous_champion(log: Sequence[Entry]) -> str | None:
    """Give the version that was champion before the present one, or None."""
    return log[-1].previous if log else None


def entry_of(log: Sequence[Entry], key: str) -> Entry | None:
    """Give the entry that a task with idempotency key ``key`` appended before, or None."""
    return next((entry for entry in log if entry.key == key), None)


def manifest_of(log: Sequence[Entry], version: str) -> str | None:
    """Give the manifest digest under which ``version`` was promoted last, or None when it never was."""
    return next((entry.manifest for entry in reversed(log) if entry.version == version), None)


def admit(verdicts: Sequence[Verdict], subject: str) -> None:
    """Let ``subject`` through, or refuse it with the findings that stand against it.

    :raises Refused: when there is no verdict, when one is about another subject, or when one does not pass.
    """
    if not verdicts:
        raise Refused(f"{subject}: a verdict on it was wanted, none was given; nothing unjudged is promoted")
    for verdict in verdicts:
        if verdict.subject != subject:
            raise Refused(f"{subject}: the verdict given is about {verdict.subject}")
    against = [verdict for verdict in verdicts if not verdict.outcome.passes]
    if against:
        raise Refused(f"{subject} is not promoted: {'; '.join(map(str, against))}")


def rollback_target(log: Sequence[Entry], to: str, model: str) -> str:
    """Give the version that a rollback to ``to`` makes champion.

    :param to: ``previous``, or the number of a version that was champion before.
    :raises Misconfigured: when there is none, when it never was champion, or when it is champion already.
    """
    if not log:
        raise Misconfigured(f"{model}: nothing was ever promoted, so there is nothing to roll back to")
    target = previous_champion(log) if to == "previous" else to
    if target is None:
        raise Misconfigured(f"{model}: version {champion(log)} is the first champion; there is no previous one")
    if target == champion(log):
        raise Misconfigured(f"{model}: version {target} is champion already")
    if manifest_of(log, target) is None:
        known = sorted({entry.version for entry in log}, key=int)
        raise Misconfigured(f"{model}: version {target} never was champion; versions that were: {', '.join(known)}")
    return target
