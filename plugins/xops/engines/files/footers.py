"""What the footers of Parquet files prove of a column without a row being read."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.suite.plan import NUMBERS, Column, Kind

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


def stated(footers: Sequence[pq.FileMetaData], columns: Sequence[Column]) -> Mapping[str, Any]:
    """Give the aggregates that footers tell: rows, values that are there, least and greatest.

    How many values of a column of floating-point numbers are there no footer tells, for NaN counts as missing.

    :returns: values by the aggregates' SQL.
    """
    found: dict[str, Any] = {"count(*)": sum(footer.num_rows for footer in footers)}
    if any(footer.num_columns != len(columns) for footer in footers):
        return found  # nested columns have places of their own
    for column in columns:
        chunks = [
            footer.row_group(group).column(column.place).statistics
            for footer in footers
            for group in range(footer.num_row_groups)
        ]
        if any(chunk is None or not chunk.has_null_count for chunk in chunks):
            continue
        if column.kind not in (Kind.FLOAT, Kind.FLOAT32):
            found[f"count({column.sql})"] = found["count(*)"] - sum(chunk.null_count for chunk in chunks)
        full = [chunk for chunk in chunks if chunk.num_values]
        if column.kind in NUMBERS and full and all(chunk.has_min_max for chunk in full):
            ends = min(chunk.min for chunk in full), max(chunk.max for chunk in full)
            signed = column.kind is Kind.FLOAT and 0 in ends  # some writers give zero a sign it has not
            if not signed and not any(map(math.isnan, ends)):
                found |= {f"min({column.sql})": ends[0], f"max({column.sql})": ends[1]}
    return found


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
