"""What the footers of Parquet files prove of a column without a row being read."""

from __future__ import annotations

import datetime as dt
import glob
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def local_files(paths: Sequence[str]) -> list[str] | None:
    """Give the files that paths and globs name, or None when one of them is not on this machine.

    :raises Misconfigured: when a path names none.
    """
    files: list[str] = []
    for path in paths:
        if "://" in path and not path.startswith("file://"):
            return None
        plain = path.removeprefix("file://")
        found = [plain] if Path(plain).is_file() else sorted(glob.glob(plain, recursive=True))  # noqa: PTH207
        if not found:
            raise Misconfigured(f"{path}: a Parquet file was wanted, there is none")
        files += found
    return files


def bounds(files: Sequence[str]) -> Mapping[str, tuple[float, float]]:
    """Give least and greatest finite value of each column for which every row group states them.

    :raises Misconfigured: when a file is not Parquet, or is cut short.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, tuple[float, float]] = {}
    unproven: set[str] = set()
    for path in files:
        try:
            footer = pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise Misconfigured(f"{path}: a whole Parquet file was wanted: {bounded(error)}") from error
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
