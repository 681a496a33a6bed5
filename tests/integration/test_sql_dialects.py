"""What each database is asked, and that it means the same in all of them as far as sqlglot knows them."""

import datetime as dt
import decimal
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import sqlglot

from xops.core.errors import Misconfigured
from xops.core.suite.plan import Kind
from xops.engines.sql.columns import described, describing
from xops.engines.sql.dialect import DIALECTS, Dialect, dialect_of
from xops.engines.sql.statement import table_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "sql"
SPEC = importlib.util.spec_from_file_location("record", CASES / "record.py")
recorded = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(recorded)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_asked_what_was_reviewed(name):
    assert recorded.shown(name) == (CASES / f"{name}.sql").read_text()


@pytest.mark.parametrize("name", DIALECTS)
def test_the_table_is_read_once(name):
    assert len(re.findall(r"Orders ", (CASES / f"{name}.sql").read_text())) == 1


@pytest.fixture(scope="module")
def measured():
    """Give what a dialect's statement finds, brought back to DuckDB's SQL and run there."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute(
            'CREATE TABLE shop."Orders ""2026""" (id BIGINT, "Größe" DOUBLE, s VARCHAR, '
            '"""; drop table x; --" DECIMAL(8, 2), "day" DATE, ok BOOLEAN)'
        )
        rows = [
            (n % 7 or None, [1.5, -0.0, 0.0, float("nan"), None, 9e9][n % 6], ["it's", "a\\b", "AB1", "a", None][n % 5],
             decimal.Decimal(n) / 4, dt.date(2026, 1, 1) + dt.timedelta(n), n % 2 == 0)
            for n in range(40)
        ]  # fmt: skip
        connection.executemany('INSERT INTO shop."Orders ""2026""" VALUES (?, ?, ?, ?, ?, ?)', rows)

        def run(dialect):
            made, left = recorded.statement(dialect)
            # sqlglot cannot read back Spark's own COLLECT_LIST(DISTINCT ...)
            made = made.replace("COLLECT_LIST(DISTINCT", "LIST(DISTINCT")
            back = sqlglot.transpile(made, read=dialect.name, write="duckdb")[0]
            return list(map(comparable, connection.execute(back).fetchone())), left

        yield run


def comparable(value):
    if isinstance(value, list):
        return sorted(value)
    return pytest.approx(float(value)) if isinstance(value, (float, decimal.Decimal)) else value


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "postgresql"])
def test_every_dialect_finds_what_duckdb_finds(name, measured):
    (here, left), (there, _) = measured(DIALECTS[name]), measured(Dialect("duckdb"))
    if left:  # its regular expressions
        assert left == ["expect_column_values_to_match_regex"]
        there = there[:10] + there[12:]
    plain = [getattr(value, "expected", value) for value in there]
    assert here == plain
    assert len(set(map(str, plain))) > 10


def test_a_database_whose_sql_is_not_made_is_named():
    with pytest.raises(Misconfigured, match="tables of oracle cannot be tested in place; that is done for postgresql"):
        dialect_of("oracle")


@pytest.mark.parametrize(
    ("name", "table", "says"),
    [
        ("postgresql", "shop.orders", "to_regclass('\"shop\".\"orders\"')"),
        ("postgresql", '"it\'s"', "to_regclass('\"it''s\"')"),
        ("snowflake", "DB.SHOP.ORDERS", "FROM \"DB\".INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'ORDERS' AND"),
        ("bigquery", "p.shop.orders", "FROM `p`.`shop`.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'orders'"),
        ("trino", "shop.orders", "WHERE table_name = 'orders' AND table_schema = 'shop' ORDER BY ordinal_position"),
        ("spark", "shop.orders", "DESCRIBE TABLE `shop`.`orders`"),
    ],
)  # fmt: skip
def test_the_columns_of_a_table_are_asked_for(name, table, says):
    assert says in " ".join(describing(table_of(table), DIALECTS[name]).split())


@pytest.mark.parametrize(
    ("name", "written", "kind", "duckdb_type"),
    [
        ("postgresql", "real", Kind.FLOAT32, "FLOAT"),
        ("postgresql", "character varying(10)", Kind.STRING, "VARCHAR"),
        ("postgresql", "character(3)", Kind.OTHER, "CHARACTER(3)"),
        ("postgresql", "timestamp(3) with time zone", Kind.INSTANT, "TIMESTAMP WITH TIME ZONE"),
        ("postgresql", "numeric", Kind.DECIMAL, "DECIMAL(38,10)"),
        ("postgresql", "integer[]", Kind.OTHER, "INTEGER[]"),
        ("postgresql", 'public."my mood"', Kind.OTHER, 'PUBLIC."MY MOOD"'),
        ("snowflake", "NUMBER(38,0)", Kind.INTEGER, "BIGINT"),
        ("snowflake", "FLOAT", Kind.FLOAT, "DOUBLE"),
        ("snowflake", "TIMESTAMP_NTZ", Kind.TIMESTAMP, "TIMESTAMP"),
        ("bigquery", "INT64", Kind.INTEGER, "BIGINT"),
        ("bigquery", "FLOAT64", Kind.FLOAT, "DOUBLE"),
        ("bigquery", "DATETIME", Kind.TIMESTAMP, "TIMESTAMP"),
        ("bigquery", "TIMESTAMP", Kind.INSTANT, "TIMESTAMP WITH TIME ZONE"),
        ("trino", "decimal(8,2)", Kind.DECIMAL, "DECIMAL(8,2)"),
        ("trino", "real", Kind.FLOAT32, "FLOAT"),
        ("spark", "string", Kind.STRING, "VARCHAR"),
        ("spark", "timestamp", Kind.INSTANT, "TIMESTAMP WITH TIME ZONE"),
        ("databricks", "timestamp_ntz", Kind.TIMESTAMP, "TIMESTAMP"),
    ],
)
def test_a_type_is_taken_for_what_it_is(name, written, kind, duckdb_type):
    columns, types = described([("c", written), ("# Partitioning", ""), ("d", "int")], DIALECTS[name])
    assert ([column.kind for column in columns], types) == ([kind], {"c": duckdb_type})


def test_what_is_not_of_a_database_does_without_sqlglot():
    code = """
import sys
import pyarrow as pa
from xops.checks.expectation_suite import validate
import xops.checks.table_suite, xops.engines.sql.scan, xops.hooks.sql.tables
from xops.operators.datasets import DataTestOperator
DataTestOperator(task_id="t", suite="x", table="shop.orders", sql_conn_id="warehouse")
asked = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "i", "max_value": 3}}
validate(pa.table({"i": [1, 2]}), {"expectations": [asked]})
print([name for name in ("sqlglot", "psycopg", "psycopg2", "great_expectations") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT / "plugins"
    )
    assert (done.stdout.splitlines()[-1:], done.returncode) == (["[]"], 0), done.stderr
