"""One SELECT over a table for aggregates written in DuckDB's SQL, in the SQL of the table's database.

A column goes by its place in what callers hand in: ``r0`` is the raw column, ``c0`` its values with NaN as NULL. The
table's and the columns' own names are identifiers that sqlglot quotes; nothing is ever pasted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured, bounded
from xops.core.suite.plan import Column, Kind
from xops.engines.sql import tallies
from xops.engines.sql.dialect import Dialect, lowered

if TYPE_CHECKING:
    from sqlglot import exp

    from xops.engines.sql.tallies import Tally

_PLACE = re.compile(r"[rcv](\d+)")
_PART = r'"(?:[^"]|"")+"|[^".]+'
_NAME = re.compile(rf"(?:{_PART})(?:\.(?:{_PART})){{0,2}}")


def table_of(name: str) -> exp.Table:
    """Give the table of a name as it is written in the database: ``schema.table``, parts in double quotes if need be.

    :raises Misconfigured: when it is no name of one to three parts.
    """
    from sqlglot import exp

    if not _NAME.fullmatch(name) or "\0" in name:
        raise Misconfigured(
            f"table {bounded(repr(name), 200)}: schema.table was wanted, parts with dots in double quotes"
        )
    parts = [part[1:-1].replace('""', '"') if part[0] == '"' else part for part in re.findall(_PART, name)]
    return exp.table_(*reversed([exp.to_identifier(part, quoted=True) for part in parts]))


def select(
    table: exp.Table,
    columns: Sequence[Column],
    asks: Sequence[str | exp.Expr],
    dialect: Dialect,
    further: Mapping[str, exp.Expr] | None = None,
) -> str:
    """Give the statement: the table, then its values, then windows, then the aggregates.

    :param asks: aggregates as DuckDB's SQL, or as expressions of the dialect; a window function may stand inside one.
    :param further: values made of the raw columns, by name.
    """
    return _selected(table, columns, asks, dialect, further).sql(dialect=dialect.name)


def select_counted(
    table: exp.Table,
    columns: Sequence[Column],
    asks: Sequence[str | exp.Expr],
    dialect: Dialect,
    *,
    further: Mapping[str, exp.Expr],
    counted: Sequence[Tally],
) -> str:
    """Give the statement that counts rows by tally and slot, and all that :func:`select` asks beside them.

    Its rows are those of :data:`~xops.engines.sql.tallies.FIELDS`; that of no slot has the aggregates too.
    """
    from sqlglot import exp

    placed = tallies.placed(counted)
    figures = _selected(table, columns, asks, dialect, further, also=[placed])
    made = exp.select(*tallies.FIELDS, *(f"m{place}" for place in range(len(asks)))).from_("counted")
    made = made.join("figures", on=f"tally = {tallies.NO_SLOT}", join_type="left")
    made.set("with_", figures.args["with_"].pop())
    steps = {"tallies": tallies.numbers(counted), "placed": placed, "counted": tallies.counted()}
    for name, step in (steps | {"figures": figures}).items():
        made.with_(name, as_=step, copy=False)
    return made.sql(dialect=dialect.name)


def _selected(
    table: exp.Table,
    columns: Sequence[Column],
    asks: Sequence[str | exp.Expr],
    dialect: Dialect,
    further: Mapping[str, exp.Expr] | None = None,
    *,
    also: Sequence[exp.Expr] = (),
) -> exp.Select:
    """Give the statement of :func:`select`.

    :param also: what else will read ``batch``.
    """
    import sqlglot
    from sqlglot import exp

    by_name = {column.sql: column for column in columns}
    trees = [
        lowered(sqlglot.parse_one(ask, read="duckdb"), by_name, dialect) if isinstance(ask, str) else ask
        for ask in asks
    ]
    known = {column.sql: value_of(column, dialect) for column in columns} | dict(further or {})
    used = {column.name for tree in (*trees, *also) for column in tree.find_all(exp.Column)}
    used = {name for name in used if _PLACE.fullmatch(name)}
    steps, trees = _windows(trees)
    made = exp.select(*(exp.alias_(tree, f"m{place}", copy=False) for place, tree in enumerate(trees)), copy=False)
    made = _with_batch(made, table, columns, {name: known.get(name) for name in sorted(used)})
    last = "batch"
    for place, step in enumerate(steps):
        windows = exp.select("*", *(one.as_(name) for name, one in step.items())).from_(last)
        last = f"step{place}"
        made.with_(last, as_=windows, copy=False)
    return made.from_(last, copy=False)


def batch_of(table: exp.Table, columns: Sequence[Column], values: Mapping[str, exp.Expr], dialect: Dialect) -> str:
    """Give the beginning of a statement that reads ``batch``, the table's rows with some values."""
    from sqlglot import exp

    return _with_batch(exp.select("1"), table, columns, values).sql(dialect=dialect.name).removesuffix("SELECT 1")


def _with_batch(
    made: exp.Select, table: exp.Table, columns: Sequence[Column], values: Mapping[str, exp.Expr | None]
) -> exp.Select:
    """Put ``batch`` before a SELECT: only the columns that are read, first raw by place, then their values."""
    from sqlglot import exp

    raw = sorted({int(name[1:]) for name in values if _PLACE.fullmatch(name)})
    nothing: list[exp.Expr] = [exp.Literal.number(1)]
    source = exp.select(*([exp.column(columns[at].name, quoted=True).as_(f"r{at}") for at in raw] or nothing))
    batch = exp.select(*([(value or exp.column(name)).as_(name) for name, value in values.items()] or nothing))
    made.with_("source", as_=source.from_(table), copy=False)
    return made.with_("batch", as_=batch.from_("source"), copy=False)


def value_of(column: Column, dialect: Dialect) -> exp.Expr:
    """Give a column's values, with NaN as NULL and text that orders by code points."""
    import sqlglot
    from sqlglot import exp

    raw: exp.Expr = exp.column(f"r{column.place}")
    if column.kind in (Kind.FLOAT, Kind.FLOAT32):
        double = f"CAST(r{column.place} AS DOUBLE)"
        words = (
            f"nullif({double}, CAST('NaN' AS DOUBLE))" if dialect.nan_equals else f"if(isnan({double}), NULL, {double})"
        )
        return sqlglot.parse_one(words, read="duckdb")
    if dialect.name != "postgres":
        return exp.cast(raw, "TEXT") if column.kind is Kind.CATEGORY else raw
    if column.kind is Kind.DECIMAL:
        return sqlglot.parse_one(f"nullif(r{column.place}, CAST('NaN' AS DECIMAL))", read="postgres")
    if column.kind in (Kind.STRING, Kind.CATEGORY):
        words = f"r{column.place}::text" if column.kind is Kind.CATEGORY else f"r{column.place}"
        return sqlglot.parse_one(f'{words} COLLATE "C"', read="postgres")
    return raw


def _windows(
    trees: Sequence[exp.Expr],
) -> tuple[list[dict[str, exp.Expr]], list[exp.Expr]]:
    """Take the window functions out of aggregates, innermost first: a list of steps, each by name."""
    from sqlglot import exp

    whole = exp.Tuple(expressions=list(trees))
    steps: list[dict[str, exp.Expr]] = []
    count = 0
    while inner := [window for window in whole.find_all(exp.Window) if not any(_inside(window))]:
        step: dict[str, exp.Expr] = {}
        names: dict[str, str] = {}
        for window in inner:
            text = window.sql("duckdb")
            if text not in names:
                names[text] = f"w{count}"
                step[names[text]] = window.copy()
                count += 1
            window.replace(exp.column(names[text]))
        steps.append(step)
    return steps, list(whole.expressions)


def _inside(window: exp.Window) -> list[exp.Window]:
    from sqlglot import exp

    return [found for found in window.find_all(exp.Window) if found is not window]
