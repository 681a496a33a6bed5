"""Columns of Arrow as those of an SQL table, and rows into it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from sqlalchemy import Column, Connection, MetaData, Table

_ROWS = 5_000
_WIDENS = {(int, float), (int, Decimal)}


def table_like(rows: pa.Schema, name: str, *, schema: str | None, metadata: MetaData) -> Table:
    """Describe an SQL table for rows of a schema.

    :raises Misconfigured: for a column of a type that SQL tables do not hold.
    """
    from sqlalchemy import Column, Table

    return Table(name, metadata, *(Column(field.name, _type(field)) for field in rows), schema=schema)


def refuse_misfit(rows: pa.Schema, target: Table, what: str, *, evolve: bool) -> None:
    """Refuse rows whose columns are not those of a table; what the table computes or counts itself may be absent.

    :param evolve: whether columns may be new, or absent where the table can do without.
    :raises Misconfigured: naming each column that does not fit.
    """
    kinds: dict[str, type] = {field.name: _type(field).python_type for field in rows}
    wanted = {column.name: column.type.python_type for column in target.columns}
    wrong = []
    for name in dict.fromkeys((*kinds, *wanted)):
        has, wants = kinds.get(name), wanted.get(name)
        grows = evolve and (wants is None or (has is None and _can_be_absent(target.columns[name])))
        if has != wants and (has, wants) not in _WIDENS and not grows and not (has is None and _is_made(target, name)):
            found = bounded(rows.field(name).type) if has else "absent"
            wrong.append(f"{name} is {found}, the table has {target.columns[name].type if wants else 'no such column'}")
    if wrong:
        raise Misconfigured(f"{what} does not fit the table: {bounded('; '.join(wrong))}")


def _is_made(target: Table, name: str) -> bool:
    """Whether the table computes or counts the values of a column."""
    return target.columns[name].computed is not None or target.columns[name].identity is not None


def _can_be_absent(column: Column[Any]) -> bool:
    return bool(column.nullable) or column.server_default is not None


def add_columns(connection: Connection, target: Table, columns: Sequence[Column[Any]]) -> None:
    """Add columns to a table, null in the rows that it has."""
    import sqlalchemy as sa

    quoted = connection.dialect.identifier_preparer.format_table(target)
    for column in columns:
        added = sa.schema.CreateColumn(sa.Column(column.name, column.type)).compile(dialect=connection.dialect)
        connection.execute(sa.DDL(f"ALTER TABLE {quoted} ADD COLUMN {added}"))


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
