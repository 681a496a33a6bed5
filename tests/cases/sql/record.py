"""Write anew what each dialect is asked: ``PYTHONPATH=plugins python tests/cases/sql/record.py``."""

from __future__ import annotations

import json
from pathlib import Path

import sqlglot

from xops.core.suite.compiler import compile_expectation
from xops.core.suite.plan import Column, Kind
from xops.core.suite.standard import planned_in
from xops.engines.sql.dialect import DIALECTS, Dialect
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
    return select(table_of('shop."Orders ""2026"""'), COLUMNS, asks, dialect), left


def shown(name: str) -> str:
    """Give the statement as it is kept: laid out by sqlglot, and what was left to Great Expectations above it."""
    made, left = statement(DIALECTS[name])
    sql = DIALECTS[name].name
    laid_out = sqlglot.parse_one(made, read=sql).sql(dialect=sql, pretty=True)
    return "".join(f"-- not decided: {one}\n" for one in left) + laid_out + "\n"


if __name__ == "__main__":
    for dialect in DIALECTS:
        (HERE / f"{dialect}.sql").write_text(shown(dialect))
