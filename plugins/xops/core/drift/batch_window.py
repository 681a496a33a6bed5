"""Which of a table's batches make one side of a drift check: the last so many days or batches."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from xops.core.errors import Misconfigured

_LENGTH = re.compile(r"([1-9][0-9]{0,5}) (day|week|batch)(?:s|es)?")
_DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class BatchWindow:
    """The newest batches of a table; exactly one of the two is set.

    :param days: how long before the newest batch the oldest may begin, exclusive: of daily batches, so many.
    :param batches: how many.
    """

    days: int = 0
    batches: int = 0

    def __str__(self) -> str:
        """Say it as :func:`window` reads it."""
        return f"{self.days} days" if self.days else f"{self.batches} batches"

    def of(self, names: Iterable[str]) -> list[str]:
        """Give those of the batches that are in the window, in the order of their names.

        :raises Misconfigured: for a window of days, when a name is not of a day, week, month, year or moment.
        """
        ordered = sorted(names)
        if self.batches or not ordered:
            return ordered[-self.batches :]
        begins = {name: begin_of(name) for name in ordered}
        newest = max(begins.values())
        return [name for name in ordered if newest - begins[name] < dt.timedelta(self.days)]


def window(length: str) -> BatchWindow:
    """Name a table's newest batches, of which the profiles are merged: ``30 days``, ``4 weeks`` or ``10 batches``.

    :raises Misconfigured: for another text.
    """
    found = _LENGTH.fullmatch(length) if isinstance(length, str) else None
    if found is None:
        raise Misconfigured(f"a window such as '30 days', '4 weeks' or '10 batches' was wanted, found {length!r:.100}")
    number, unit = int(found[1]), found[2]
    return BatchWindow(batches=number) if unit == "batch" else BatchWindow(days=number * _DAYS[unit])


def begin_of(batch: str) -> dt.datetime:
    """Give the moment at which a batch begins, from its name, in UTC where the name has no zone.

    :raises Misconfigured: when the name is not ``2026``, ``2026-01``, ``2026-01-05``, ``2026-W02`` or a moment.
    """
    full = {4: "-01-01", 7: "-01"}.get(len(batch), "") if re.fullmatch(r"\d{4}(-\d\d)?", batch) else ""
    try:
        begin = dt.datetime.fromisoformat(batch + full)
    except ValueError as error:
        raise Misconfigured(
            f"batch {batch!r:.120} is not named after a day, week, month, year or moment, as a window of days needs; "
            "take a window of batches"
        ) from error
    return begin if begin.tzinfo else begin.replace(tzinfo=dt.UTC)
