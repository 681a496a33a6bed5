"""Write anew what each dialect is asked: ``PYTHONPATH=plugins python tests/cases/sql/record.py``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from xops.core.profile.spec import ColumnSpec, ProfileSpec
from xops.core.suite.compiler import compile_expectation
from xops.core.suite.plan import Column, Kind
from xops.core.suite.standard import planned_in
from xops.engines.sql.column_counts import SAMPLE
from xops.engines.sql.dialect import DIALECTS, Dialect
from xops.engines.sql.scan import SqlScan
from xops.engines.sql.statement import select, table_of

HERE = Path(__file__).parent
COLUMNS = [
    Column("id", 0, Kind.INTEGER, "int64"), Column("Größe", 1, Kind.FLOAT, "float64"), Column("s", 2, Kind.STRING),
    Column('"; drop table x; --', 3, Kind.DECIMAL), Column("day", 4, Kind.DATE, "datetime64[ms]"),
    Column("ok", 5, Kind.BOOLEAN, "bool"),
]  # fmt: skip


def statement(dialect: Dialect) -> tuple[str, list[str]]:
    """Give the SELECT of the suite beside this file, and the types of expectations that the dialect leaves."""
    asked = json.loads((HERE / "suite.json").read_text())
    plans = [compile_expectation(one, COLUMNS, planned_in(dialect.end_of_text)) for one in asked]
    asks = list(dict.fromkeys(ask for plan in plans if plan for ask in plan.asks))
    left = [one["type"] for one, plan in zip(asked, plans, strict=True) if plan is None]
    return select(table_of(TABLE), COLUMNS, asks, dialect), left


TABLE = 'shop."Orders ""2026"""'
WITH_TIMES = [*COLUMNS, Column("at", 6, Kind.TIMESTAMP), Column("zoned", 7, Kind.INSTANT)]
TYPES = ["BIGINT", "DOUBLE", "VARCHAR", "DECIMAL(8,2)", "DATE", "BOOLEAN", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"]
_FOUND = [(2, 6), (0, 2), ("it's", "a\\b", "AB1"), (1, 9), (20_454, 20_493), ("false", "true")]
_FOUND += [(1.7672256e15, 1.767225639e15)] * 2


class Asked:
    """A session that keeps what it is asked, and first of all tells the columns of the table.

    :param answer: gives the rows of every further statement.
    """

    def __init__(self, dialect: Dialect, answer: Callable[[str], list[tuple[Any, ...]]]) -> None:
        self.dialect, self.answer = dialect, answer
        self.statements: list[str] = []

    def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        """Answer."""
        self.statements.append(statement)
        if len(self.statements) > 1:
            return self.answer(statement)
        kinds = (exp.DataType.build(kind, dialect="duckdb").sql(self.dialect.name) for kind in TYPES)
        return [(column.name, kind) for column, kind in zip(WITH_TIMES, kinds, strict=True)]


def spec(profiler: str) -> ProfileSpec:
    """Give bins for the columns; one has further edges."""
    bins = [
        ColumnSpec.of(column.name, kind, found) for column, kind, found in zip(WITH_TIMES, TYPES, _FOUND, strict=True)
    ]
    bins[1] = replace(bins[1], edges=(0.0, 1.5, 2.0))
    return ProfileSpec(tuple(bins), profiler=profiler)


def profile_statement(name: str) -> str:
    """Give the statement of a profile of the table and one aggregate beside it."""
    dialect = DIALECTS[name]

    def answer(statement: str) -> list[tuple[Any, ...]]:
        if statement == SAMPLE:
            return [(1, 2)]
        raise LookupError(statement)

    session = Asked(dialect, answer)
    scan = SqlScan(session, TABLE, version="v")
    with contextlib.suppress(LookupError):
        scan.scan({"sum": "sum(c0)"}, spec(scan.profiler))
    return session.statements[-1]


def shown(name: str) -> str:
    """Give the statement as it is kept: laid out by sqlglot, and what was left to Great Expectations above it."""
    made, left = statement(DIALECTS[name])
    sql = DIALECTS[name].name
    laid_out = sqlglot.parse_one(made, read=sql).sql(dialect=sql, pretty=True)
    return "".join(f"-- not decided: {one}\n" for one in left) + laid_out + "\n"


def shown_profile(name: str) -> str:
    """Give the statement of a profile as it is kept."""
    sql = DIALECTS[name].name
    return sqlglot.parse_one(profile_statement(name), read=sql).sql(dialect=sql, pretty=True) + "\n"


if __name__ == "__main__":
    for dialect in DIALECTS:
        (HERE / f"{dialect}.sql").write_text(shown(dialect))
        (HERE / f"profile_{dialect}.sql").write_text(shown_profile(dialect))
