"""Columns of Arrow as those of an SQL table, and rows into it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from sqlalchemy import Column, Connection, Dialect, MetaData, Table

_ROWS = 5_000
_WIDENS = {(int, float), (int, Decimal)}
_DIGITS = 6  # of the microseconds that rows have
SCALE = 18  # of a decimal whose column does not say
_ARROW_HAS = {bool, int, float, Decimal, str, bytes, dt.date, dt.time, dt.datetime, UUID}
PRECISION = 38  # digits of decimal128, which is what is read back


def readable(column: Column[Any]) -> Any:
    """Give a column as it can be read: as text what Arrow has no column for."""
    import sqlalchemy as sa

    plain = isinstance(column.type, sa.JSON) or _python_type(column) in _ARROW_HAS
    return column if plain else sa.cast(column, sa.Text).label(column.name)


def read_as(columns: Iterable[Column[Any]]) -> dict[str, pa.DataType]:
    """Give the Arrow types of columns that the database does not tell: of decimals without a number of digits."""
    import pyarrow as pa
    import sqlalchemy as sa

    return {
        column.name: pa.decimal128(PRECISION, SCALE)
        for column in columns
        if isinstance(column.type, sa.Numeric) and column.type.precision is None and column.type.asdecimal
    }


def table_like(rows: pa.Schema, name: str, *, schema: str | None, metadata: MetaData) -> Table:
    """Describe an SQL table for rows of a schema.

    :raises Misconfigured: for a column of a type that SQL tables do not hold.
    """
    from sqlalchemy import Column, Table

    return Table(name, metadata, *(Column(field.name, _type(field)) for field in rows), schema=schema)


def refuse_names(rows: pa.Schema, what: str, dialect: Dialect) -> None:
    """Refuse names of columns that a database would cut."""
    most = dialect.max_identifier_length
    wrong = [name for name in rows.names if len(name.encode()) > most or "\0" in name]
    if wrong:
        raise Misconfigured(
            f"{what}: a column's name of at most {most} bytes, none of them zero, was wanted; found {bounded(wrong)}"
        )


def refuse_misfit(rows: pa.Schema, target: Table, what: str, *, evolve: bool, dialect: Dialect) -> None:
    """Refuse rows whose columns are not those of a table; what the table computes or counts itself may be absent.

    :param evolve: whether columns may be new, or absent where the table can do without.
    :param dialect: of the database, whose words for types a message has.
    :raises Misconfigured: naming each column that does not fit.
    """
    kinds: dict[str, type] = {field.name: _type(field).python_type for field in rows}
    wanted = {column.name: _python_type(column) for column in target.columns}
    wrong = []
    for name in dict.fromkeys((*kinds, *wanted)):
        has, wants = kinds.get(name), wanted.get(name)
        grows = evolve and (wants is None or (has is None and _can_be_absent(target.columns[name])))
        fits = has == wants or (has, wants) in _WIDENS or (has is None and _is_made(target, name))
        taken = not (has and wants) or _takes(target.columns[name], rows.field(name).type)
        if not (fits or grows) or not taken:
            found = bounded(rows.field(name).type) if has else "absent"
            there = _said(target.columns[name], dialect) if wants else "no such column"
            wrong.append(f"{name} is {found}, the table has {there}")
    if wrong:
        raise Misconfigured(f"{what} does not fit the table: {bounded('; '.join(wrong))}")


def _python_type(column: Column[Any]) -> type:
    """Give the type of a column's values; ``object`` where no other column's can be inserted into it."""
    import sqlalchemy as sa

    return object if isinstance(column.type, sa.Enum) else column.type.python_type


def _said(column: Column[Any], dialect: Dialect) -> str:
    from sqlalchemy.types import NullType

    if isinstance(column.type, NullType):
        return "a type that is not known"
    made = "" if _may_come(column) else ", which it makes itself"
    return str(column.type.compile(dialect=dialect)) + made


def _takes(column: Column[Any], kind: pa.DataType) -> bool:
    return _may_come(column) and not _would_change(kind, column.type)


def _may_come(column: Column[Any]) -> bool:
    """Whether a table leaves the values of a column to who inserts rows."""
    return column.computed is None and not (column.identity is not None and column.identity.always)


def _would_change(kind: pa.DataType, into: Any) -> bool:
    """Whether a column would round values of a type or move them to another zone once tested, or could not be read."""
    import sqlalchemy as sa
    from pyarrow import types
    from sqlalchemy.dialects.postgresql import TIME, TIMESTAMP

    if type(into) is sa.String:  # such as PostgreSQL's "name" and "char", which cut what is longer without a word
        return True
    if isinstance(into, sa.Numeric) and into.asdecimal:
        scale = SCALE if into.scale is None else into.scale
        return bool(getattr(kind, "scale", 0) > scale) or (into.precision or 0) > PRECISION
    if isinstance(into, (TIME, TIMESTAMP)):
        moves = bool(getattr(kind, "tz", None)) != into.timezone
        return moves or (into.precision is not None and into.precision < _DIGITS)
    if types.is_integer(kind) and isinstance(into, sa.Float):  # a double holds the digits of 32 bits, a real of 16
        return bool(kind.bit_width > (16 if isinstance(into, sa.REAL) else 32))
    return bool(types.is_float64(kind)) and isinstance(into, sa.REAL)


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
    """Insert rows, some at a time; into PostgreSQL by COPY, which takes a quarter of the time."""
    if connection.dialect.driver == "psycopg":
        _copy(connection, target, rows)
        return
    for batch in rows.to_batches(_ROWS):
        connection.execute(target.insert(), batch.to_pylist())


def _copy(connection: Connection, target: Table, rows: pa.Table) -> None:
    from psycopg import Error
    from psycopg.sql import SQL, Identifier
    from sqlalchemy.exc import DBAPIError

    named = SQL(".").join(Identifier(name) for name in (target.schema, target.name) if name)
    columns = SQL(", ").join(map(Identifier, rows.schema.names))
    statement = SQL("COPY {} ({}) FROM STDIN").format(named, columns)
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            for batch in rows.to_batches(_ROWS):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    copy.write_row(row)
    except Error as error:
        raise DBAPIError.instance(statement.as_string(), None, error, Error) from error
    finally:
        cursor.close()


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
    if types.is_decimal(kind) and kind.precision <= PRECISION:
        return sa.Numeric(kind.precision, kind.scale)
    found = next((made for holds, made in known if holds(kind)), None)
    if found is None:
        raise Misconfigured(f"column {field.name} is {kind}, which an SQL table has no column for; convert it before")
    return found
