"""The figures of one batch that are compared with those of the batches before it."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from xops.core.evidence import digest
from xops.core.numerics import np
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import Kind

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CATEGORIES = 50  # the most frequent ones, whose shares are kept
_FEW = 50  # with fewer different values a quantile jumps from one to the next


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """What is measured of one column.

    :param figures: by name, as ``null_share``, ``distinct``, ``mean``, ``quantile_0.05``; what cannot be is left out.
    :param error: the standard error of the mean; 0 where there is none.
    :param spread: the distance of the quartiles over 1.349: of a normal distribution the standard deviation.
    :param shares: of the most frequent categories, each by a digest of its name: no value is kept.
    """

    figures: Mapping[str, float]
    error: float = 0.0
    spread: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurements:
    """What is measured of one batch.

    :param batch: its name; where that begins with a date, its weekday is known.
    :param rows: how many it has.
    :param columns: by name.
    :param lag: hours from its newest value of time to its staging; None when it was not asked for.
    """

    batch: str
    rows: int
    columns: Mapping[str, ColumnFigures]
    lag: float | None = None

    @property
    def weekday(self) -> int | None:
        """The day of the week, Monday 0, of the date that the batch is named after; None without one."""
        found = re.match(r"\d{4}-\d\d-\d\d", self.batch)
        try:
            return dt.date.fromisoformat(found[0]).weekday() if found else None
        except ValueError:
            return None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Measurements:
        """Read what :meth:`to_json` wrote."""
        columns = {
            name: ColumnFigures(**{**given, "figures": {key: float(value) for key, value in given["figures"].items()}})
            for name, given in document["columns"].items()
        }
        return cls(document["batch"], document["rows"], columns, document["lag"])


def measure(profile: Profile, *, batch: str, lag: float | None = None) -> Measurements:
    """Take the figures from a batch's profile, which was made with bins of its own and counts of different values."""
    return Measurements(batch, profile.rows, {one.spec.name: _figures(one) for one in profile.columns}, lag)


def _figures(column: ColumnProfile) -> ColumnFigures:
    figures = {"null_share": column.nulls / column.rows} if column.rows else {}
    distinct = column.distinct
    if distinct is not None and column.values:
        figures["distinct"] = distinct
    shares: dict[str, float] = {}
    if column.spec.kind in (Kind.CATEGORY, Kind.BOOLEAN) and column.values:
        named = zip(column.spec.names, column.counts[: len(column.spec.names)] / column.values, strict=True)
        ranked = sorted(named, key=lambda item: -item[1])[:_CATEGORIES]
        shares = {digest([column.spec.name, name])[:16]: float(share) for name, share in ranked if share}
    if not column.spec.kind.on_a_line or column.spec.grid is None or not column.values:
        return ColumnFigures(figures, shares=shares)
    quantiles = _quantiles(column)
    figures["mean"] = column.mean
    if distinct is None or distinct >= _FEW:
        figures |= {f"quantile_{share}": value for share, value in zip(QUANTILES, quantiles, strict=True)}
    error, spread = column.deviation / math.sqrt(column.values), (quantiles[3] - quantiles[1]) / 1.349
    # sums of the greatest numbers are infinite; that says nothing of what is usual
    return ColumnFigures(
        figures, error if math.isfinite(error) else 0.0, spread if math.isfinite(spread) else 0.0, shares
    )


def _quantiles(column: ColumnProfile) -> list[float]:
    """Give the quantiles, as if the values of a bin lay evenly within it.

    Whole numbers have bins of their own, so what moves a quantile is the shares of the values beside it: it does not
    jump from one value to the next.
    """
    edges = column.spec.grid.edges if column.spec.grid else np.zeros(0)
    below = np.concatenate([[0], column.counts[1:-1].cumsum()])
    return [float(value) for value in np.interp(np.array(QUANTILES) * below[-1], below, edges)]
