"""The promotion log: who is champion, who was, and why. The log is the truth; MLflow's alias is its projection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from xops.core.errors import Misconfigured
from xops.core.evidence import slug


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
    :param at: ISO 8601, UTC.
    :param evidence: ids of the verdicts that allowed it.
    :param overrode: what stood against it and was overruled by whoever gave the reason; empty as a rule.
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
    overrode: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        lists = {"evidence": list(self.evidence), "overrode": list(self.overrode)}
        return asdict(self) | {"kind": str(self.kind)} | lists

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Entry:
        """Read what :meth:`to_json` wrote."""
        lists = {name: tuple(document.get(name, ())) for name in ("evidence", "overrode")}
        return cls(**{**document, "kind": Kind(document["kind"]), **lists})


def log_folder(model: str) -> str:
    """Give the prefix under which a model's promotion log lies."""
    return f"promotions/{slug(model)}/"


def entry_path(model: str, number: int) -> str:
    """Give the path of entry ``number``; names sort as numbers do."""
    return f"{log_folder(model)}{number:08d}.json"


def checkpoint_folder(model: str) -> str:
    """Give the prefix under which copies of a model's promotion log lie, each of all entries up to a number."""
    return f"checkpoints/{slug(model)}/"


def checkpoint_path(model: str, number: int) -> str:
    """Give the path of the copy of entries 1 to ``number``; names sort as numbers do."""
    return f"{checkpoint_folder(model)}{number:08d}.json"


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


def challenger(log: Sequence[Entry], versions: Iterable[str]) -> str | None:
    """Give the newest of ``versions`` if it is newer than every champion there was: it waits for the gate."""
    newest = max(versions, key=int, default=None)
    champions = [int(entry.version) for entry in log]
    return newest if newest is not None and all(int(newest) > number for number in champions) else None


def previous_champion(log: Sequence[Entry]) -> str | None:
    """Give the version that was champion before the present one, or None."""
    return log[-1].previous if log else None


def withdrawal_of(log: Sequence[Entry], version: str) -> Entry | None:
    """Give the rollback by which ``version`` ceased to be champion, or None when it did not, or came back since."""
    last = next((entry for entry in reversed(log) if version in (entry.version, entry.previous)), None)
    return last if last is not None and last.previous == version and last.kind is Kind.ROLLBACK else None


def entry_of(log: Sequence[Entry], key: str) -> Entry | None:
    """Give the entry that a task with idempotency key ``key`` appended before, or None."""
    return next((entry for entry in log if entry.key == key), None)


def manifest_of(log: Sequence[Entry], version: str) -> str | None:
    """Give the manifest digest under which ``version`` was promoted last, or None when it never was."""
    return next((entry.manifest for entry in reversed(log) if entry.version == version), None)


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
