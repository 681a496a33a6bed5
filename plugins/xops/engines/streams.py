"""Rows made of other rows while they are read: some of them, numbered ones, those of several sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from xops.engines.sources import ArrowRows, Batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

Counted: TypeAlias = "ArrowRows | Batches"


def chosen(rows: Counted, choice: pa.BooleanArray) -> Batches:
    """Give the rows that are chosen.

    :param rows: in the same order at each reading.
    :param choice: for each row whether it is; more of them are not looked at.
    """

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in rows.batches(names or rows.schema.names[:1]):
            some = choice.slice(at, batch.num_rows)
            at += batch.num_rows
            if some.true_count:
                yield batch.filter(some)

    many = choice.slice(0, rows.num_rows).true_count
    return Batches(rows.schema, read, many)


def numbered(rows: Counted, name: str) -> Batches:
    """Give rows with a column of their places, from 0."""
    import numpy as np
    import pyarrow as pa

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in rows.batches([column for column in names if column != name] or rows.schema.names[:1]):
            places = pa.array(np.arange(at, at + batch.num_rows))
            at += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, places], [*batch.schema.names, name])

    return Batches(rows.schema.append(pa.field(name, pa.int64())), read, rows.num_rows)


def together(first: Counted, second: Counted) -> Batches:
    """Give the rows of two sources, one after the other; a column that one of them lacks is null there."""
    import pyarrow as pa

    schema = pa.unify_schemas([first.schema, second.schema], promote_options="permissive")

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for rows in (first, second):
            yield from aligned(rows.batches, rows.schema.names, schema, names or schema.names[:1])

    return Batches(schema, read, (first.num_rows or 0) + (second.num_rows or 0))


def aligned(
    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]],
    there: Sequence[str],
    schema: pa.Schema,
    names: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Read columns in the types of a schema; a column that is not there is null.

    :param read: gives the batches of some of the columns that are ``there``, at least one.
    """
    import pyarrow as pa

    wanted = pa.schema([schema.field(name) for name in names])
    known = [name for name in names if name in there]
    for batch in read(known or there[:1]):
        columns = [
            batch.column(field.name).cast(field.type) if field.name in known else pa.nulls(batch.num_rows, field.type)
            for field in wanted
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=wanted)


def table_of(rows: Counted) -> pa.Table:
    """Give all rows at once."""
    import pyarrow as pa

    return pa.Table.from_batches(rows.batches(rows.schema.names), rows.schema)
