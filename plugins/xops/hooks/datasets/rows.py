"""Rows of a batch as a dataset of files or of a database takes them, and the rows that they take the place of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xops.core.dataset.writes import BATCH, Mode
from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import pyarrow as pa

    from xops.core.dataset.writes import Write


def with_batch(rows: pa.Table, *, table: str, batch: str, write: Write) -> pa.Table:
    """Give the rows with the column ``batch``.

    :raises Misconfigured: when there are none, two columns share a name, the column ``batch`` says something else, or
        a column to write by is absent.
    """
    import pyarrow as pa

    if not rows.num_rows:
        raise Misconfigured(f"{table}: batch {batch} has no rows; at least one was wanted")
    doubled = sorted({name for name in rows.column_names if rows.column_names.count(name) > 1})
    if doubled:
        raise Misconfigured(f"{table}: batch {batch} has more than one column {bounded(', '.join(doubled))}")
    if BATCH in rows.column_names:
        if set(rows[BATCH].unique().to_pylist()) != {batch}:
            raise Misconfigured(
                f"{table}: the rows of batch {batch} have a column {BATCH!r} of their own; that name is taken by the "
                "batch a row came with, so rename the source's column"
            )
        rows = rows.drop_columns([BATCH])
    absent = [column for column in write.by if column not in rows.column_names]
    if absent:
        raise Misconfigured(
            f"{table}: batch {batch} has no column {', '.join(absent)} to {write.mode} by; "
            f"it has {bounded(', '.join(rows.column_names))}"
        )
    return rows.append_column(BATCH, pa.repeat(pa.scalar(batch, pa.string()), rows.num_rows))


def unkeyed(rows: pa.Table, write: Write) -> int:
    """Count the rows that a mode cannot place: keys with a null, and for ``upsert`` those beyond the first of a key."""
    import pyarrow.compute as pc

    if not write.by:
        return 0
    whole = rows.select(list(write.by)).drop_null()
    missing = rows.num_rows - whole.num_rows
    if write.mode is not Mode.UPSERT:
        return missing
    counts = whole.group_by(list(write.by)).aggregate([([], "count_all")])["count_all"]
    return missing + int(pc.sum(pc.subtract(counts, 1)).as_py() or 0)


def without(rows: pa.Table, other: pa.Table, write: Write) -> pa.Table:
    """Give the rows that have no key of another table, in their order.

    :param write: its columns ``by`` are the key; a null is like no other.
    """
    import numpy as np
    import pyarrow as pa

    by = list(write.by)
    keys = rows.select(by).append_column("place of the row", pa.array(np.arange(rows.num_rows)))
    others = other.select(by).cast(keys.select(by).schema)
    left = keys.join(others, keys=by, join_type="left anti")["place of the row"]
    return rows if len(left) == rows.num_rows else rows.take(np.sort(left.to_numpy()))
