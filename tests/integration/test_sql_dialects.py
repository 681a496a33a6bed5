"""What each database is asked, and that it means the same in all of them as far as sqlglot knows them."""

import datetime as dt
import decimal
import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
import sqlglot

from xops.core.drift.judge import compare
from xops.core.errors import Misconfigured
from xops.core.suite.plan import Kind, columns_of
from xops.engines.duckdb_scan import DuckdbScan, profiler
from xops.engines.sql.columns import described, describing
from xops.engines.sql.dialect import DIALECTS, Dialect, dialect_of
from xops.engines.sql.scan import SqlScan
from xops.engines.sql.statement import select, table_of

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
def test_a_profile_is_asked_for_as_was_reviewed_and_reads_back(name):
    kept = (CASES / f"profile_{name}.sql").read_text()
    assert recorded.shown_profile(name) == kept
    assert sqlglot.parse_one(kept, read=DIALECTS[name].name).sql(DIALECTS[name].name, pretty=True) + "\n" == kept


@pytest.mark.parametrize("name", [*DIALECTS, *(f"profile_{name}" for name in DIALECTS)])
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


@pytest.fixture(scope="module")
def timed():
    """Give a table with every type, and what answers statements about it in a dialect by DuckDB."""
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute("CREATE SCHEMA shop")
        names = [column.name.replace('"', '""') for column in recorded.WITH_TIMES]
        columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, recorded.TYPES, strict=True))
        connection.execute(f'CREATE TABLE shop."Orders ""2026""" ({columns})')
        for function in ("FARM_FINGERPRINT", "M_D5_NUMBER_LOWER64", "XXHASH64"):
            connection.execute(f"CREATE MACRO {function}(x) AS CAST(hash(x) >> 1 AS BIGINT) - 4611686018427387904")
        connection.execute("CREATE MACRO FROM_BIG_ENDIAN_64(x) AS x")
        connection.execute("CREATE MACRO BITWISE_LEFT_SHIFT(x, n) AS x << n")
        connection.execute("CREATE MACRO BITWISE_RIGHT_SHIFT(x, n) AS x >> n")

        def answering(dialect):
            def answer(statement):
                back = sqlglot.transpile(statement, read=dialect.name, write="duckdb")[0]
                return connection.execute(back.replace("XXHASH64(ENCODE(", "XXHASH64((")).fetchall()

            return answer

        yield connection, answering


def scan_of(name, answering):
    return SqlScan(recorded.Asked(DIALECTS[name], answering(DIALECTS[name])), recorded.TABLE, version="v")


def fill(connection, rows):
    top = recorded.spec("").columns[1].grid.top
    odd = [top, 1.5, -0.0, 0.0, math.nan, None, 9e9, math.inf, -math.inf, 2.0]
    texts = ["it's", "a\\b", "AB1", "a", None]
    connection.execute('DELETE FROM shop."Orders ""2026"""')
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for n in range(rows):
        connection.execute(
            'INSERT INTO shop."Orders ""2026""" VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
            [n % 7 or None, odd[n % 10], texts[n % 5], decimal.Decimal(n) / 4, moment.date() + dt.timedelta(n),
             [True, False, None][n % 3], moment.replace(tzinfo=None, microsecond=n), moment + dt.timedelta(seconds=n)],
        )  # fmt: skip


@pytest.mark.parametrize("rows", [40, 0])
@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "postgresql"])
def test_every_dialect_counts_what_a_scan_of_the_rows_counts(name, rows, timed):
    connection, answering = timed
    fill(connection, rows)
    scan = scan_of(name, answering)
    found = scan.scan({"sum": "sum(c0)"}, recorded.spec(scan.profiler))
    rows_there = connection.sql('FROM shop."Orders ""2026"""').to_arrow_table()
    theirs = DuckdbScan(rows_there, version="v").scan(profile=recorded.spec(profiler())).profile
    assert found.values["sum"] == connection.execute('SELECT sum(id) FROM shop."Orders ""2026"""').fetchone()[0]
    assert found.profile.rows == rows
    for mine, other in zip(found.profile.columns, theirs.columns, strict=True):
        named = len(mine.spec.names) or None
        assert np.array_equal(mine.counts[:named], other.counts[:named])
        assert mine.counts.sum() == other.counts.sum()
        assert np.array_equal(mine.at_edges, other.at_edges)
        for what in ("rows", "nulls", "nan", "above_all", "below_all", "low", "high"):
            assert getattr(mine, what) == getattr(other, what), (mine.spec.name, what)
        for what in ("first", "second", "beyond"):
            assert getattr(mine, what) == pytest.approx(getattr(other, what)), (mine.spec.name, what)
        assert (mine.distinct is None) == (other.distinct is None)
        assert mine.distinct == pytest.approx(other.distinct, abs=2)


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "postgresql"])
def test_every_dialect_decides_the_bins_that_a_scan_of_the_rows_decides(name, timed):
    connection, answering = timed
    fill(connection, 40)
    scan = scan_of(name, answering)
    there = DuckdbScan(connection.sql('FROM shop."Orders ""2026"""').to_arrow_table(), version="v").spec()
    for mine, other in zip(scan.spec().columns, there.columns, strict=True):
        assert (mine.name, mine.type, mine.names) == (other.name, other.type, other.names)
        assert (mine.grid and (mine.grid.low, mine.grid.step)) == (other.grid and (other.grid.low, other.grid.step))


def test_profiles_of_two_states_of_a_table_add_up_and_those_of_another_database_are_refused(timed):
    connection, answering = timed
    scan, other = (scan_of(name, answering) for name in ("trino", "spark"))
    fill(connection, 40)
    spec = scan.spec()
    made = scan.scan(profile=spec).profile
    whole = made + made
    assert (whole.rows, whole.column("day").distinct, whole.column("s").distinct) == (80, 40, made.column("s").distinct)
    found = compare(made, whole, [column.name for column in recorded.WITH_TIMES]).found
    assert len(found) == len(recorded.WITH_TIMES)
    assert all(distance < limit for _, distance, limit in found.values())
    with pytest.raises(Misconfigured, match=r"made by profiler .*trino.*, here counts .*spark"):
        other.scan(profile=spec)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(("column", "zone"), [("c0", ""), ("c1", "+02:00")])
def test_a_moment_keeps_its_microseconds_in_every_dialect(name, column, zone):
    columns = columns_of([("at", "timestamp[us]"), ("zoned", "timestamp[us, tz=UTC]")])
    kind = "TIMESTAMPTZ" if zone else "TIMESTAMP"
    asked = f"count(CASE WHEN {column} >= {kind} '2021-01-01 12:00:00.000001{zone}' THEN 1 END)"
    made = select(table_of("shop.orders"), columns, [asked], DIALECTS[name])
    (moment,) = sqlglot.parse_one(made, read=DIALECTS[name].name).find_all(sqlglot.exp.Cast)
    assert moment.this.this == f"2021-01-01 12:00:00.000001{zone}"
    digits = [part.this.to_py() for part in moment.to.expressions]
    assert digits == ([6] if name == "trino" else []), "only Trino's have three digits where nothing is said"


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
