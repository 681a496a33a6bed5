"""Which versions of a dataset may go, and why the others stay."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shown:
    """A snapshot and when it was last of use to a reader.

    :param snapshot: its number, as text.
    :param until: when ``main`` moved on from it, or when it was made if ``main`` never showed it; UTC.
    """

    snapshot: str
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class ExpiryPlan:
    """What an expiry removes and what it keeps.

    :param table: the dataset.
    :param expired: the snapshots that go, oldest first.
    :param kept: for each snapshot that stays, every reason.
    """

    table: str
    expired: tuple[str, ...]
    kept: Mapping[str, tuple[str, ...]]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return {
            "table": self.table,
            "expired": list(self.expired),
            "kept": {snapshot: list(reasons) for snapshot, reasons in self.kept.items()},
        }


def plan_expiry(
    table: str, snapshots: Sequence[Shown], holds: Mapping[str, Iterable[str]], *, before: dt.datetime
) -> ExpiryPlan:
    """Let go of every snapshot that nobody holds and that was of no use to a reader since ``before``.

    :param snapshots: every snapshot of the table.
    :param holds: by snapshot, the reasons why it has to stay.
    """
    kept, expired = {}, []
    for shown in sorted(snapshots, key=lambda one: (one.until, one.snapshot)):
        reasons = sorted(holds.get(shown.snapshot, ()))
        if shown.until >= before:
            reasons.append(f"readers saw it until {shown.until.isoformat(timespec='seconds')}")
        if reasons:
            kept[shown.snapshot] = tuple(reasons)
        else:
            expired.append(shown.snapshot)
    return ExpiryPlan(table, tuple(expired), kept)


def snapshots_named(table: str, text: str) -> set[str]:
    """Give the snapshots of ``table`` that a text names as ``table@123`` or by a digest, wherever in it."""
    return {found[1] for found in re.finditer(rf"(?<![\w./]){re.escape(table)}@([0-9a-f]{{64}}|\d+)", text)}


def due(
    unreferenced: Mapping[str, str], found: Iterable[str], *, now: dt.datetime, grace: dt.timedelta
) -> tuple[dict[str, str], list[str]]:
    """Tell which files no snapshot refers to, and since when; and which of them have been so for longer than ``grace``.

    :param unreferenced: what an earlier call gave first: file and ISO moment. A file that is referred to again is
        forgotten.
    :param found: the files that no snapshot refers to now.
    """
    since = {file: unreferenced.get(file, now.isoformat()) for file in sorted(found)}
    return since, [file for file, moment in since.items() if now - dt.datetime.fromisoformat(moment) >= grace]
