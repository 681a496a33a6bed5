"""What the columns of an SQL table that somebody made take, and how many rows are beyond it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.hooks.datasets.sql_columns import PRECISION, SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Column, Connection, Dialect, Table

_LONGEST = 63  # bits of a number in Arrow, without its sign


@dataclass(frozen=True, slots=True)
class Limit:
    """What one column does not take.

    :param column: its name.
    :param said: what is wrong with rows beyond it, as an error says it.
    :param beyond: tells of each value whether it is; null is no.
    """

    column: str
    said: str
    beyond: Callable[[pa.Array], pa.BooleanArray]


def limits_of(rows: pa.Schema, target: Table | None, dialect: Dialect) -> list[Limit]:
    """Give what a table does not take of rows whose columns fit it by their types.

    :param target: None where there is none, and what the database takes nowhere is left.
    """
    limits = []
    for field in rows:
        if dialect.name == "postgresql":
            limits += _of_text(field)
        if target is not None and field.name in target.c:
            limits += _of_column(field, target.c[field.name], dialect)
    return limits


def within(pieces: Iterable[pa.Table], limits: Sequence[Limit], what: str) -> Iterator[pa.Table]:
    """Give pieces of rows until one is beyond a limit; then the others are counted only.

    :raises Misconfigured: in the end, with the rows beyond each limit.
    """
    import pyarrow.compute as pc

    found: Counter[Limit] = Counter()
    for piece in pieces:
        for limit in limits:
            many = pc.sum(limit.beyond(piece.column(limit.column)), min_count=0).as_py()
            found += Counter({limit: many})
        if not found:
            yield piece
    if found:
        said = "; ".join(f"{limit.column}: {many} rows {limit.said}" for limit, many in found.items())
        raise Misconfigured(f"{what} does not fit the table: {bounded(said)}")


def without_domains(connection: Connection, table: Table) -> Table:
    """Give the columns of domains the types that those restrict, which alone tell lengths and digits."""
    import sqlalchemy as sa

    if any(hasattr(column.type, "data_type") for column in table.c):
        answer = connection.execute(sa.select(*table.c).limit(0))
        for column, described in zip(table.c, answer.cursor.description, strict=True):  # type: ignore[union-attr]
            if hasattr(column.type, "data_type"):
                column.type = _described(described) or column.type.data_type
        answer.close()
    return table


def _described(column: Sequence[Any]) -> Any:
    """Give the type of a column of PostgreSQL's answer where it may have a length or digits; else None."""
    import sqlalchemy as sa
    from sqlalchemy.dialects.postgresql import TIME, TIMESTAMP

    length, digits, scale = column[2] or column[3], column[4], column[5]
    return {
        21: sa.SMALLINT(),
        23: sa.INTEGER(),
        1042: sa.CHAR(length),
        1043: sa.VARCHAR(length),
        1083: TIME(precision=digits),
        1114: TIMESTAMP(precision=digits),
        1184: TIMESTAMP(timezone=True, precision=digits),
        1700: sa.NUMERIC(digits, scale),
    }.get(column[1])


def _of_text(field: pa.Field) -> Iterator[Limit]:
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_string(field.type) or types.is_large_string(field.type):
        zero = "have a zero byte, which text of PostgreSQL cannot"
        yield Limit(field.name, zero, lambda values: pc.match_substring(values, "\0"))


def _of_column(field: pa.Field, column: Column[Any], dialect: Dialect) -> Iterator[Limit]:
    import pyarrow.compute as pc
    import sqlalchemy as sa
    from pyarrow import types

    kind, name = column.type, field.name
    if not column.nullable:
        yield Limit(name, "are null, and the column may not be", pc.is_null)
    if isinstance(kind, sa.CHAR) and kind.length:
        padded = f"are not of {kind.length} characters, to which {kind.compile(dialect=dialect)} pads"
        yield Limit(name, padded, lambda values: pc.not_equal(pc.utf8_length(values), kind.length))
    elif isinstance(kind, sa.String) and kind.length:
        longer = f"are of more than {kind.length} characters"
        yield Limit(name, longer, lambda values: pc.greater(pc.utf8_length(values), kind.length))
    if types.is_integer(field.type) or types.is_decimal(field.type):
        ends = _ends(field.type, kind)
        if ends:
            least, most = ends
            yield Limit(
                name,
                f"are beyond {kind.compile(dialect=dialect)}",
                lambda values: pc.or_(pc.less(values, least), pc.greater(values, most)),
            )


def _ends(kind: pa.DataType, into: Any) -> tuple[pa.Scalar, pa.Scalar] | None:
    """Give the least and the greatest number that a column takes, of the type of those that come; None for any."""
    import pyarrow as pa
    import sqlalchemy as sa

    if isinstance(into, sa.Integer) and not isinstance(into, sa.BigInteger):
        bits = 15 if isinstance(into, sa.SmallInteger) else 31
        return None if kind.bit_width <= bits + 1 else (pa.scalar(-(2**bits), kind), pa.scalar(2**bits - 1, kind))
    if not isinstance(into, sa.Numeric) or not into.asdecimal:
        return None
    said = into.precision is not None
    # digits before the point, which may be fewer than none; where nothing is said, as many as can be read again
    whole = into.precision - (into.scale or 0) if said else PRECISION - SCALE
    if pa.types.is_integer(kind):
        most = 10 ** max(whole, 0) - 1
        return None if most.bit_length() >= min(kind.bit_width, _LONGEST + 1) else _both(most, kind)
    if kind.precision - kind.scale <= whole:
        return None
    step = Decimal(1).scaleb(-kind.scale)
    return _both(max(Decimal(1).scaleb(whole) - step, Decimal(0)), kind)


def _both(most: Any, kind: pa.DataType) -> tuple[pa.Scalar, pa.Scalar]:
    import pyarrow as pa

    return pa.scalar(-most, kind), pa.scalar(most, kind)
