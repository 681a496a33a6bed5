"""Suites and profiles of tables in a real PostgreSQL, beside what DuckDB says of the same rows."""

import copy
import datetime as dt
import decimal
import json
import math
from dataclasses import replace

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from tests.integration.test_suite_compiler import CASES, COLUMNS, RECORDS, close, of_column, tables_and_suites
from xops.checks.table_suite import validate_table
from xops.core.errors import Misconfigured, Unmeasured
from xops.engines.duckdb_scan import DuckdbScan, profiler
from xops.engines.one_select import decide
from xops.engines.sql.scan import SqlScan
from xops.hooks.sql.tables import SqlTablesHook

pytestmark = pytest.mark.integration

TYPES = {
    "int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint", "uint64": "numeric(20)",
    "float": "real", "double": "double precision", "bool": "boolean", "string": "text", "large_string": "text",
    "date32[day]": "date", "binary": "bytea", "null": "text", "time64[us]": "time", "list<item: int64>": "bigint[]",
    "list<element: int64>": "bigint[]",
}  # fmt: skip


CANNOT = "the database cannot decide it"
EVIL = '"; drop table x; --'


def type_of(field):
    of_type = field.type
    if pa.types.is_decimal(of_type):
        return f"numeric({of_type.precision},{of_type.scale})"
    if pa.types.is_timestamp(of_type):
        return "timestamptz" if of_type.tz else "timestamp"
    return "text" if pa.types.is_dictionary(of_type) else TYPES[str(of_type)]


def quoted(name):
    return '"{}"'.format(name.replace('"', '""'))


def put(address, rows, table="rows"):
    """Make a table of the rows."""
    with psycopg.connect(address) as connection:
        columns = ", ".join(f"{quoted(field.name)} {type_of(field)}" for field in rows.schema)
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(f"CREATE TABLE {table} ({columns})")
        places = ", ".join(["%s"] * rows.num_columns)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} VALUES ({places})", list(zip(*rows.to_pydict().values(), strict=True))
            )


class Spied:
    """A session that remembers its statements."""

    def __init__(self, session):
        self.dialect, self.snapshot, self._session, self.statements = session.dialect, session.snapshot, session, []

    def fetch(self, statement):
        self.statements.append(statement)
        return self._session.fetch(statement)


@pytest.fixture
def scanned(postgres):
    """Give a function that opens a table of the rows."""
    open_sessions = []

    def scan(rows):
        put(postgres, rows, table := f"rows{len(open_sessions)}")
        session = SqlTablesHook("postgres_default").session(20)
        open_sessions.append(session)
        return SqlScan(Spied(session.__enter__()), table, version="v")

    yield scan
    for session in open_sessions:
        session.__exit__(None, None, None)


def in_place(scan, asked):
    """Decide what the database can; None for the rest."""
    entries = validate_table(scan, {"name": "both", "expectations": asked}, fetch_rows=-1).entries
    left = [str(entry["exception_info"]["exception_message"]).startswith(CANNOT) for entry in entries]
    return [None if undecided else entry for undecided, entry in zip(left, entries, strict=True)]


def differing(scan, rows, asked):
    """Give what PostgreSQL answers otherwise than DuckDB, of what both decide; and how many PostgreSQL decides."""
    theirs, ours = decide(rows, {"name": "both", "expectations": asked}), in_place(scan, asked)
    pairs = [(one, a, b) for one, a, b in zip(asked, ours, theirs, strict=True) if a is not None and b is not None]
    return [(one, a, b) for one, a, b in pairs if not close(a, b)], len(pairs), sum(b is not None for b in theirs)


LEFT = {
    "text_and_nulls": 3,  # expressions with classes, on texts beyond ASCII
    "huge": 2,  # sums past the greatest double
    "unsigned": 15,  # a numeric there
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_judged_in_postgresql_as_duckdb_judges_it(name, scanned):
    kind, of_type, values = COLUMNS[name]
    rows = pa.table({"other": pa.array(range(len(values)), pa.int64()), name: pa.array(values, of_type)})
    scan = scanned(rows)
    typed = of_type not in (pa.int8(), pa.uint64())  # PostgreSQL has no such types
    left = 0
    for cases in of_column(name, kind):
        asked = [one for one in cases if typed or "type" not in one["type"]]
        found, decided, there = differing(scan, rows, copy.deepcopy(asked))
        assert found == []
        left += there - decided
    assert left == LEFT.get(name, 0)


@pytest.mark.parametrize("name", RECORDS)
def test_a_table_is_judged_in_postgresql_as_duckdb_judges_it(name, scanned):
    rows = pa.table(RECORDS[name])
    asked = [case for cases in ("records", "table", "conditions") for case in CASES[cases]]
    found, decided, there = differing(scanned(rows), rows, copy.deepcopy(asked))
    assert found == []
    assert decided == there


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(tables_and_suites())
def test_any_table_is_judged_in_postgresql_as_duckdb_judges_it(postgres, both):
    rows, asked = both
    strings = {name: pa.array([v and v.replace("\0", "") for v in rows[name].to_pylist()]) for name in ("s", "t")}
    rows = pa.table({name: strings.get(name, rows[name]) for name in rows.column_names})  # PostgreSQL has no U+0000
    put(postgres, rows)
    with SqlTablesHook("postgres_default").session(20) as session:
        scan = SqlScan(session, "rows", version="v")
        found, decided, _ = differing(scan, rows, copy.deepcopy(asked))
    assert found == []
    assert decided


def statements_that_read(scan):
    return [statement for statement in scan.session.statements if f'FROM "{scan.name}"' in statement]


def test_suite_and_profile_of_a_table_are_one_select_with_one_scan(scanned, postgres):
    scan = scanned(rows_of_every_kind())
    spec = scan.spec()
    scan.session.statements.clear()
    asked = [
        case for name, kind in (("i", "number"), ("s", "text"), ("d", "moment")) for case in of_column(name, kind)[0]
    ]
    tested = validate_table(scan, {"name": "x", "expectations": asked}, profile=lambda: spec, fetch_rows=0)
    assert sum(not entry["exception_info"]["raised_exception"] for entry in tested.entries) > 100
    assert tested.profile.rows == tested.rows == SIZE
    (statement,) = scan.session.statements
    (plan,) = scan.session.fetch("EXPLAIN (FORMAT JSON) " + statement)
    assert json.dumps(plan[0]).count('"Relation Name"') == 1


def test_bins_are_decided_by_two_statements(scanned):
    scan = scanned(rows_of_every_kind())
    scan.spec()
    assert len(statements_that_read(scan)) == 2


SIZE = 3000
MONEY = pa.decimal128(8, 2)


def rows_of_every_kind(seed=0):
    random = np.random.default_rng(seed)
    days = [dt.date(2013, 1, 1) + dt.timedelta(int(day)) for day in random.integers(0, 31, SIZE)]
    real = random.normal(size=SIZE)
    real[:6] = [math.nan, math.inf, -math.inf, math.inf, 0.0, -0.0]
    names = random.choice(["JFK", "EWR", "LGA'; --", "<script>", "ü", "", "\\"], SIZE)
    return pa.table(
        {
            "i": random.integers(0, 5000, SIZE),
            "small": pa.array(random.integers(0, 300, SIZE), pa.int16()),
            "f": pa.array(real, mask=random.random(SIZE) < 0.1),
            "g": pa.array(random.random(SIZE), pa.float32()),
            "money": pa.array([decimal.Decimal(int(n)) / 100 for n in random.integers(0, 9999, SIZE)]).cast(MONEY),
            "d": pa.array(days),
            "moment": pa.array(random.integers(0, 10**15, SIZE), pa.timestamp("us")),
            "zoned": pa.array(random.integers(0, 10**15, SIZE), pa.timestamp("us", "Europe/Berlin")),
            "late": pa.array(random.random(SIZE) < 0.3, mask=random.random(SIZE) < 0.01),
            "s": pa.array(names, mask=random.random(SIZE) < 0.05),
            "many": pa.array([str(n) for n in random.integers(0, 2000, SIZE)]),
            EVIL: random.gamma(2, 1, SIZE),
            "constant": [2.5] * SIZE,
            "nothing": pa.array([None] * SIZE, pa.float64()),
        }
    )  # fmt: skip


def profiles_of(scanned, rows, reference):
    """Profile rows in PostgreSQL and in DuckDB by the same bins, those that PostgreSQL chose for the reference."""
    spec = scanned(reference).spec()
    here = scanned(rows).scan(profile=spec).profile
    engine = DuckdbScan(rows, version="v")
    return here, engine.scan(profile=replace(spec, profiler=profiler())).profile


def assert_equal(here, there):
    assert (here.rows, [column.spec.name for column in here.columns]) == (
        there.rows,
        [column.spec.name for column in there.columns],
    )
    for ours, theirs in zip(here.columns, there.columns, strict=True):
        for field in ("nulls", "nan", "above_all", "below_all", "values", "low", "high"):
            assert (ours.spec.name, field, getattr(ours, field)) == (theirs.spec.name, field, getattr(theirs, field))
        own = len(ours.spec.names) or len(ours.counts)  # the others' buckets go by another hash
        assert ours.counts[:own].tolist() == theirs.counts[:own].tolist(), ours.spec.name
        assert ours.counts[own:].sum() == theirs.counts[own:].sum(), ours.spec.name
        assert ours.at_edges.tolist() == theirs.at_edges.tolist()
        width = theirs.spec.grid.top - theirs.spec.grid.low if theirs.spec.grid else 0
        for field, unit in (("first", width), ("second", width**2), ("beyond", width)):
            value, digits = getattr(theirs, field), 1e-9 * here.rows * unit  # of sums in another order
            assert getattr(ours, field) == pytest.approx(value, rel=1e-9, abs=digits), (ours.spec.name, field)
        assert (ours.distinct is None) == (theirs.distinct is None)
        if ours.distinct is not None:  # sketches of other hashes
            assert ours.distinct == pytest.approx(theirs.distinct, rel=0.1, abs=0.01), ours.spec.name


def test_a_profile_from_postgresql_is_that_from_duckdb(scanned):
    rows = rows_of_every_kind()
    assert_equal(*profiles_of(scanned, rows, rows))


def test_rows_beyond_the_bins_of_the_reference_are_counted_alike(scanned):
    rows = rows_of_every_kind(1)
    for name, strange in (("f", [1e300, -1e308, 5e-324]), ("i", [10**12, -(10**12), 0]), ("s", ["new", "newer", None])):
        column = pa.chunked_array([pa.array(strange, rows[name].type), rows[name].slice(3)])
        rows = rows.set_column(rows.column_names.index(name), name, column)
    here, there = profiles_of(scanned, rows, rows_of_every_kind())
    for profile in (here, there):  # squares of such numbers are infinite in one, and nearly so in the other
        strange = profile.column("f")
        for name in ("first", "second", "beyond"):
            object.__setattr__(strange, name, 0.0)
    assert_equal(here, there)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_profiles_of_few_rows_are_alike(scanned, size):
    rows = rows_of_every_kind().slice(0, size)
    assert_equal(*profiles_of(scanned, rows, rows_of_every_kind()))
    assert_equal(*profiles_of(scanned, rows, rows))


def test_profiles_count_at_the_further_edges_of_a_reference(scanned):
    rows = rows_of_every_kind()
    spec = scanned(rows).spec(["i"])
    edges = tuple(np.quantile(rows["i"].to_numpy(), [0, 0.1, 0.5, 0.9, 1]).tolist())
    spec = replace(spec, columns=(replace(spec.columns[0], edges=edges),))
    found = scanned(rows).scan(profile=spec).profile
    assert_equal(found, DuckdbScan(rows, version="v").scan(profile=replace(spec, profiler=profiler())).profile)
    assert found.columns[0].at_edges.sum() == SIZE


def test_bins_from_another_engine_are_refused_before_anything_is_read(scanned):
    rows = rows_of_every_kind()
    scan, foreign = scanned(rows), DuckdbScan(rows, version="v").spec(["i"])
    with pytest.raises(Misconfigured, match="pin a reference that was profiled in this database"):
        scan.scan(profile=foreign)
    assert statements_that_read(scan) == []


def test_more_figures_than_a_row_may_have_are_refused_before_anything_is_read(scanned):
    scan = scanned(pa.table({f"c{place}": [1.0, 2.0] for place in range(200)}))
    spec = scan.spec(distinct=False)
    before = len(statements_that_read(scan))
    with pytest.raises(Misconfigured, match="profile fewer columns"):
        scan.scan(profile=spec)
    assert len(statements_that_read(scan)) == before


STRANGE = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN percent AS integer CHECK (VALUE <= 100);
CREATE TABLE strange (
    n numeric, d date, m timestamp, word text, feeling mood, share percent, code character(4), u uuid
);
INSERT INTO strange VALUES
    (1.5, '2020-01-01', '2020-01-01 12:00', 'a', 'sad', 50, 'ab', '00000000-0000-0000-0000-000000000001'),
    ('NaN', 'infinity', '-infinity', 'A', 'glad', 60, 'cd', '00000000-0000-0000-0000-000000000002'),
    ('Infinity', '0044-03-15 BC', '2020-01-02', 'Z', 'sad', NULL, 'ab', NULL);
"""


@pytest.fixture
def strange(postgres):
    with psycopg.connect(postgres) as connection:
        connection.execute(STRANGE)
    with SqlTablesHook("postgres_default").session(20) as session:
        yield SqlScan(Spied(session), "strange", version="v")


def asked_of(scan, kind, fetch_rows=0, **kwargs):
    (entry,) = validate_table(
        scan, {"expectations": [{"type": f"expect_column_{kind}", "kwargs": kwargs}]}, fetch_rows=fetch_rows
    ).entries
    message = entry["exception_info"]["exception_message"]
    return (
        message[: len(CANNOT)]
        if message
        else entry["result"].get("unexpected_count", entry["result"].get("observed_value"))
    )


@pytest.mark.parametrize(
    ("kind", "kwargs", "answer"),
    [
        ("values_to_not_be_null", {"column": "n"}, 1),  # NaN is missing
        ("values_to_be_between", {"column": "n", "max_value": 10}, 1),
        ("max_to_be_between", {"column": "n", "max_value": 10}, math.inf),
        ("mean_to_be_between", {"column": "n", "max_value": 10}, CANNOT),
        ("max_to_be_between", {"column": "d", "max_value": "2021-01-01"}, CANNOT),
        ("min_to_be_between", {"column": "d", "max_value": "2021-01-01"}, CANNOT),
        ("max_to_be_between", {"column": "m", "max_value": "2021-01-01"}, "2020-01-02T00:00:00"),
        ("values_to_be_between", {"column": "d", "max_value": "2021-01-01"}, 1),
        ("values_to_be_unique", {"column": "word"}, 0),
        ("values_to_be_in_set", {"column": "word", "value_set": ["a", "z"]}, 2),
        ("values_to_be_between", {"column": "word", "max_value": "a"}, 0),
        ("unique_value_count_to_be_between", {"column": "word", "min_value": 1}, 3),
        ("values_to_be_in_set", {"column": "feeling", "value_set": ["glad"]}, 2),
        ("max_to_be_between", {"column": "share", "max_value": 100}, 60),
        ("values_to_be_between", {"column": "share", "max_value": 50}, 1),
        ("values_to_not_be_null", {"column": "u"}, 1),
        ("value_lengths_to_equal", {"column": "code", "value": 2}, CANNOT),  # padded or not?
    ],
)
def test_values_and_types_that_postgresql_alone_has(strange, kind, kwargs, answer):
    found = asked_of(strange, kind, **kwargs)
    assert found == ("Infinity" if answer == math.inf else answer)


def test_strange_values_are_counted_apart(strange):
    found = strange.scan(profile=strange.spec()).profile
    counted = {
        column.spec.name: (column.nulls, column.nan, column.above_all, column.below_all, column.values)
        for column in found.columns
    }
    assert counted == {
        "n": (0, 1, 1, 0, 1), "d": (0, 0, 1, 0, 2), "m": (0, 0, 0, 1, 2), "word": (0, 0, 0, 0, 3),
        "feeling": (0, 0, 0, 0, 3), "share": (1, 0, 0, 0, 2), "code": (0, 0, 0, 0, 3), "u": (1, 0, 0, 0, 2),
    }  # fmt: skip
    assert (found.column("word").spec.names, found.column("word").distinct) == (("A", "Z", "a"), 3.0)


def test_the_older_driver_of_postgresql_will_do_as_well(postgres, monkeypatch):
    monkeypatch.setattr("airflow.providers.postgres.hooks.postgres.USE_PSYCOPG3", False)
    rows = rows_of_every_kind()
    put(postgres, rows)
    with SqlTablesHook("postgres_default").session(2) as session:
        assert type(session.connection).__module__.startswith("psycopg2")
        scan = SqlScan(session, "rows", version="v")
        asked = [case for name, kind in (("i", "number"), ("moment", "moment")) for case in of_column(name, kind)[0]]
        found, decided, there = differing(scan, rows, copy.deepcopy(asked))
        assert (found, decided) == ([], there)
        assert scan.scan(profile=scan.spec()).profile.rows == SIZE
        with pytest.raises(Unmeasured, match="statement timeout"):
            session.fetch("SELECT pg_sleep(5)")


@pytest.mark.parametrize("expression", ["'anna@example.org'::text::integer", "'anna@example.org'::text::date"])
def test_a_value_that_postgresql_cannot_compute_with_is_not_quoted(postgres, expression):
    with SqlTablesHook("postgres_default").session(10) as session, pytest.raises(Unmeasured) as unmeasured:
        session.fetch(f"SELECT {expression}")
    assert "anna" not in str(unmeasured.value)
    assert "SQLSTATE 22" in str(unmeasured.value)
