"""What the footers of Parquet files prove of a column without a row being read."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def bounds(footers: Sequence[pq.FileMetaData]) -> Mapping[str, tuple[float, float]]:
    """Give least and greatest finite value of each column for which every row group states them."""
    found: dict[str, tuple[float, float]] = {}
    unproven: set[str] = set()
    for footer in footers:
        for group in range(footer.num_row_groups):
            for place in range(footer.num_columns):
                _widen(footer.row_group(group).column(place), found, unproven)
    return {name: ends for name, ends in found.items() if name not in unproven}


def _widen(chunk: pq.ColumnChunkMetaData, found: dict[str, tuple[float, float]], unproven: set[str]) -> None:
    name, stated = chunk.path_in_schema, chunk.statistics
    if stated is not None and stated.null_count == chunk.num_values:
        return
    ends = (_number(stated.min), _number(stated.max)) if stated is not None and stated.has_min_max else (None, None)
    if ends[0] is None or ends[1] is None:
        unproven.add(name)
        return
    low, high = found.get(name, (math.inf, -math.inf))
    found[name] = min(low, ends[0]), max(high, ends[1])


def _number(value: Any) -> float | None:
    """Give a statistic as the number that a profile counts; None for what is not on the number line or not finite."""
    if isinstance(value, dt.datetime):
        return float((value.replace(tzinfo=value.tzinfo or dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(value, dt.date):
        return float((value - _EPOCH.date()).days)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, (str, bytes, bool)) else None
