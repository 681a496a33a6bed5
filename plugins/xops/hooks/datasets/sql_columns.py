"""Columns of Arrow as those of an SQL table, and rows into it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, MetaData, Table

_ROWS = 5_000
_WIDENS = {(int, float), (int, Decimal)}


def table_like(rows: pa.Schema, name: str, *, schema: str | None, metadata: MetaData) -> Table:
    """Describe an SQL table for rows of a schema.

    :raises Misconfigured: for a column of a type that SQL tables do not hold.
    """
    from sqlalchemy import Column, Table

    return Table(name, metadata, *(Column(field.name, _type(field)) for field in rows), schema=schema)


def refuse_misfit(rows: pa.Schema, target: Table, what: str) -> None:
    """Refuse rows whose columns are not those of a table.

    :raises Misconfigured: naming each column that is absent or of another type.
    """
    kinds: dict[str, type] = {field.name: _type(field).python_type for field in rows}
    wanted = {column.name: column.type.python_type for column in target.columns}
    wrong = [
        f"{name} is {bounded(rows.field(name).type) if name in kinds else 'absent'}, the table has "
        f"{target.columns[name].type if name in wanted else 'no such column'}"
        for name in dict.fromkeys((*kinds, *wanted))
        if kinds.get(name) != wanted.get(name) and (kinds.get(name), wanted.get(name)) not in _WIDENS
    ]
    if wrong:
        raise Misconfigured(f"{what} does not fit the table: {bounded('; '.join(wrong))}")


def insert(connection: Connection, target: Table, rows: pa.Table) -> None:
    """Insert rows, some at a time."""
    for batch in rows.to_batches(_ROWS):
        connection.execute(target.insert(), batch.to_pylist())


def _type(field: pa.Field) -> Any:
    import sqlalchemy as sa
    from pyarrow import types

    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    known = (
        (types.is_boolean, sa.Boolean()),
        (types.is_integer, sa.BigInteger()),
        (types.is_floating, sa.Double()),
        (types.is_string, sa.Text()),
        (types.is_large_string, sa.Text()),
        (types.is_date, sa.Date()),
        (types.is_time, sa.Time()),
        (types.is_timestamp, sa.DateTime(timezone=bool(getattr(kind, "tz", None)))),
        (types.is_binary, sa.LargeBinary()),
    )
    if types.is_decimal(kind):
        return sa.Numeric(kind.precision, kind.scale)
    found = next((made for holds, made in known if holds(kind)), None)
    if found is None:
        raise Misconfigured(f"column {field.name} is {kind}, which an SQL table has no column for; convert it before")
    return found
