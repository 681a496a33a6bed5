"""Rows on their way into a dataset, some at a time, and the rows that they take the place of."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from xops.core.contract.column_types import from_arrow
from xops.core.dataset.writes import BATCH, Mode
from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from xops.core.dataset.writes import Write
    from xops.engines.sources import Batches

Portion: TypeAlias = "pa.Table | Batches"  # rows that can be read again
_WORD = 32  # bits
PIECE = 64 << 20  # bytes of rows that are held at a time, and written into one file


class Incoming:
    """Rows that come once, with the column ``batch``, in pieces of at most :data:`PIECE` bytes.

    :param rows: a table, or a stream of record batches.
    :param table: the dataset.
    :param batch: the batch.
    :param write: how it enters the dataset.
    :param stored: gives the type that the dataset stores for one of the rows'.
    :raises Misconfigured: when there are no rows, two columns share a name, the column ``batch`` says something else, a
        column to write by is absent, a row is of another partition than the given one, or a value would be lost in the
        type that is stored.
    """

    def __init__(
        self,
        rows: Portion | pa.RecordBatchReader,
        *,
        table: str,
        batch: str,
        write: Write,
        stored: Callable[[pa.DataType], pa.DataType] | None = None,
    ) -> None:
        import pyarrow as pa

        self.what, self.batch, self.write = f"{table}: batch {batch}", batch, write
        self.rows = 0
        self._stored = stored or _plain
        names = rows.schema.names
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise Misconfigured(f"{self.what} has more than one column {bounded(', '.join(doubled))}")
        columns = [field.with_type(self._stored(field.type)) for field in rows.schema if field.name != BATCH]
        self._given = dict(zip(write.by, map(pa.scalar, write.values), strict=False))
        columns += [pa.field(name, value.type) for name, value in self._given.items() if name not in names]
        self.schema = pa.schema([*columns, pa.field(BATCH, pa.string())])
        absent = [column for column in write.by if column not in self.schema.names[:-1]]
        if absent:
            raise Misconfigured(
                f"{self.what} has no column {', '.join(absent)} to {write.mode} by; "
                f"it has {bounded(', '.join(self.schema.names[:-1]))}"
            )
        self._keys: list[pa.RecordBatch] = []
        batches = iter(rows if isinstance(rows, pa.RecordBatchReader) else batches_of(rows))
        self._first = next((found for found in batches if found.num_rows), None)
        self._others = batches
        if self._first is None:
            raise Misconfigured(f"{self.what} has no rows; at least one was wanted")

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns of the source with their types, as :mod:`xops.core.contract.column_types` names them."""
        return tuple((field.name, from_arrow(str(field.type))) for field in self.schema if field.name != BATCH)

    def pieces(self) -> Iterator[pa.Table]:
        """Give the rows, once; each of them is counted, and its key noted."""
        return gathered(self._batches(), self.schema, PIECE)

    @cached_property
    def unkeyed(self) -> int:
        """How many of the rows given so far the mode cannot place; see :func:`unkeyed`."""
        import pyarrow as pa

        return unkeyed(pa.Table.from_batches(self._keys), self.write) if self._keys else 0

    def _batches(self) -> Iterator[pa.RecordBatch]:
        first, self._first = self._first, None
        if first is None:
            raise AssertionError("rows that come once were asked for twice")
        yield self._whole(first)
        for batch in self._others:
            if batch.num_rows:
                yield self._whole(batch)

    def _whole(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give a record batch with the types that are stored, and the column ``batch``."""
        import pyarrow as pa

        if BATCH in batch.schema.names:
            others = set(batch.column(BATCH).unique().to_pylist()) - {self.batch}
            if others:
                found = bounded(sorted(others, key=str))
                raise Misconfigured(
                    f"{self.what}: the rows of batch {self.batch} have a column {BATCH!r} of their own, with {found}; "
                    "that name is taken by the batch a row came with, so rename the source's column"
                )
        columns = []
        for field in list(self.schema)[:-1]:
            there = field.name in batch.schema.names
            column = batch.column(field.name) if there else pa.repeat(self._given[field.name], batch.num_rows)
            try:
                columns.append(column if column.type == field.type else column.cast(field.type))
            except pa.ArrowInvalid as error:
                raise Misconfigured(f"{self.what}, column {field.name}: {bounded(error)}") from error
            if self._stored is as_in_tables and not _within_years(columns[-1]):
                raise Misconfigured(f"{self.what}, column {field.name}: a date is not of the years 1 to 9999")
        self._refuse_others(columns)
        columns.append(pa.repeat(pa.scalar(self.batch, pa.string()), batch.num_rows))
        whole = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        self.rows += whole.num_rows
        if self.write.by:
            self._keys.append(whole.select(list(self.write.by)))
        return whole

    def _refuse_others(self, columns: Sequence[pa.Array]) -> None:
        """Refuse rows of another partition than the one that is given."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for name, value in self._given.items():
            column = columns[self.schema.get_field_index(name)]
            try:
                others = column.null_count or not pc.all(pc.equal(column, value.cast(column.type))).as_py()
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise Misconfigured(f"{self.what}: {name} is {column.type}, and {value} is none") from error
            if others:
                raise Misconfigured(
                    f"{self.what}: it is for the partition {name} {value}, and has rows of another; take the columns "
                    "alone for what they are in, or deliver the others as a batch of their own"
                )


def batches_of(rows: Portion, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Give rows in pieces.

    :param columns: only these; None for all.
    """
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        yield from (rows if columns is None else rows.select(list(columns))).to_batches()
    else:
        yield from rows.batches(rows.schema.names if columns is None else columns)


def pieces_of(rows: Portion) -> Iterator[pa.Table]:
    """Give rows in tables of about :data:`PIECE` bytes."""
    return gathered(batches_of(rows), rows.schema, PIECE)


def gathered(batches: Iterable[pa.RecordBatch], schema: pa.Schema, most: int) -> Iterator[pa.Table]:
    """Put record batches together to tables of about ``most`` bytes, and cut what is larger."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    size = 0
    for whole in batches:
        rows = max(1, whole.num_rows * most // max(whole.nbytes, 1))
        for start in range(0, whole.num_rows, rows):
            batch = whole.slice(start, rows)
            if held and size + batch.nbytes > most:
                yield pa.Table.from_batches(held, schema)
                held, size = [], 0
            held.append(batch)
            size += batch.nbytes
    if held:
        yield pa.Table.from_batches(held, schema)


def unkeyed(rows: Portion, write: Write) -> int:
    """Count the rows of a batch that its mode cannot place: without a value in ``by``, or in an upsert with one twice.

    Of rows that share a key each is counted; 0.0 and -0.0 are one key, as they are to a database.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if write.mode is Mode.APPEND:
        return 0
    every = pa.Table.from_batches(batches_of(rows, write.by), pa.schema([rows.schema.field(key) for key in write.by]))
    keys = every.drop_null()
    missing = int(every.num_rows - keys.num_rows)
    if write.mode is Mode.OVERWRITE:
        return missing
    for place, field in enumerate(keys.schema):
        if pa.types.is_floating(field.type):
            keys = keys.set_column(place, field, pc.add(keys.column(place), pa.scalar(0.0, field.type)))
    sizes = keys.group_by(list(write.by)).aggregate([([], "count_all")])["count_all"]
    return missing + int(pc.sum(sizes.filter(pc.greater(sizes, 1))).as_py() or 0)


def among(rows: pa.Table, keys: pa.Table) -> pa.Array:
    """Tell of each row whether it is one of the keys; a row with a null is none.

    :param rows: of the same columns as ``keys``.
    """
    import numpy as np
    import pyarrow as pa

    placed = rows.append_column("", pa.array(np.arange(rows.num_rows)))
    met = placed.join(keys.cast(rows.schema), keys=rows.column_names, join_type="left semi")
    found = np.zeros(rows.num_rows, dtype=bool)
    found[met[""].to_numpy()] = True
    return pa.array(found)


def _within_years(column: pa.Array) -> bool:
    """Whether dates and times are ones that Python has; other values are not looked at."""
    import pyarrow.compute as pc
    from pyarrow import types

    if not (types.is_date(column.type) or types.is_timestamp(column.type)):
        return True
    try:
        pc.min_max(column).as_py()
    except (OverflowError, ValueError):
        return False
    return True


def as_in_tables(kind: pa.DataType) -> pa.DataType:
    """Give the type that tables store: integers with a sign, times in microseconds, those with a zone in UTC."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_unsigned_integer(kind):
        return pa.int32() if kind.bit_width < _WORD else pa.int64()
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return pa.time64("us") if types.is_time(kind) else _plain(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind
