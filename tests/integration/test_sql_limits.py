"""What a table that somebody made does not take is said when rows are staged, not once they passed their tests."""

from decimal import Decimal

import psycopg2
import pyarrow as pa
import pytest
import sqlalchemy

from xops.core.dataset.writes import Write
from xops.core.errors import Misconfigured
from xops.engines.streams import chosen
from xops.hooks.datasets.store import store_of

pytestmark = pytest.mark.integration

TABLE = "sql://postgres_default/shop.orders"


@pytest.fixture
def store(postgres):
    return store_of(TABLE, iceberg_conn_id="iceberg_default")


@pytest.fixture
def made(postgres):
    """Give a function that makes the table with one column ``x`` of a type, beside the column ``batch``."""

    def make(kind, before=""):
        with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
            cursor.execute(f"create schema shop; {before}; create table shop.orders (x {kind}, batch text)")

    return make


def staged(store, values, **more):
    return store.stage(pa.table({"x": values}), table=TABLE, batch="2013-01", **more)


def decimals(*values):
    return pa.array([Decimal(value) for value in values], pa.decimal128(20, 2))


def wide(*values):
    return pa.array([Decimal(value) for value in values], pa.decimal128(38, 0))


DOMAINS = "create domain code as varchar(3); create domain money2 as numeric(5, 1); create domain dear as money2"


@pytest.mark.parametrize(
    ("kind", "fits", "misfits", "said"),
    [
        ("varchar(3)", ["abc", "", "öää", None], ["abcd", "abc ", "ab"], "x: 2 rows are of more than 3 characters"),
        ("char(2)", ["de", "a ", None], ["d", "", "de", "dee"], "x: 3 rows are not of 2 characters"),
        ("code", ["abc"], ["abcd"], "x: 1 rows are of more than 3 characters"),
        ("smallint", [32767, -32768, None], [32768, -32769, 5], r"x: 2 rows are beyond SMALLINT"),
        ("integer", [2**31 - 1, -(2**31)], [2**31], r"x: 1 rows are beyond INTEGER"),
        ("numeric(3, 0)", [999, -999, None], [1000, -1000, 5], r"x: 2 rows are beyond NUMERIC\(3, 0\)"),
        ("numeric(30, 0)", [2**63 - 1, -(2**63)], None, ""),
        ("numeric(5, 2)", decimals("999.99", "-999.99"), decimals("1000", "-1000.00", "1"), "x: 2 rows are beyond"),
        ("numeric(2, 4)", decimals("0", "0"), decimals("0.01", "-0.01"), "x: 2 rows are beyond"),
        ("numeric", decimals(10**18 - 1), None, ""),
        ("numeric", wide(10**20 - 1), wide(10**20, 5), "x: 1 rows are beyond NUMERIC"),
        ("bigint not null", [1], [1, None, None], "x: 2 rows are null, and the column may not be"),
        ("text not null", ["a"], ["a", None], "x: 1 rows are null, and the column may not be"),
    ],
)
def test_values_that_a_column_does_not_take_are_counted_when_they_are_staged(store, made, kind, fits, misfits, said):
    made(kind, DOMAINS)
    if misfits is not None:
        with pytest.raises(Misconfigured, match=f"batch 2013-01 does not fit the table: .*{said}"):
            staged(store, misfits)
    store.publish(staged(store, fits))
    assert store.rows(store.published(TABLE))["x"].to_pylist() == pa.array(fits).to_pylist()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric(3, -2)", [1250]),
        ("numeric(3, -2)", decimals("1250")),
        ("money2", decimals("1.25")),
        ("numeric(40, 2)", [1]),
        ("numeric", pa.array([Decimal("0.1")], pa.decimal128(20, 19))),
        ("dear", decimals("1.25")),
        ("timetz", pa.array([1], pa.time64("us"))),
        ("name", ["a"]),
        ('"char"', ["a"]),
        ("bigint generated always as identity", [1]),
        ("bigint generated always as (1) stored", [1]),
    ],
)
def test_a_column_that_would_change_values_or_makes_them_itself_takes_none(store, made, kind, values):
    made(kind, DOMAINS)
    with pytest.raises(Misconfigured, match="does not fit the table: x is "):
        staged(store, values)


def test_rows_that_do_not_fit_are_counted_in_every_piece_and_leave_nothing(store, made, postgres, monkeypatch):
    monkeypatch.setattr("xops.hooks.datasets.rows.PIECE", 1)
    made("varchar(2)")
    with pytest.raises(Misconfigured, match="x: 3 rows are of more than 2 characters") as refused:
        staged(store, ["abc", "a", "secret", None, "bcd"])
    assert "secret" not in str(refused.value)
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_tables where schemaname = 'xops_staging' and tablename like 'part_%'")
        assert cursor.fetchone() == (0,)


def test_a_zero_byte_in_text_is_refused_with_its_column_and_the_number_of_rows(store):
    rows = pa.table({"a": ["x", "y"], "b": ["x\0", "y"], "c": ["\0", "y\0z"], "d": pa.array([b"\0", b""])})
    with pytest.raises(Misconfigured, match=r"b: 1 rows have a zero byte, .*; c: 2 rows have a zero byte"):
        store.stage(rows, table=TABLE, batch="2013-01")


def test_what_a_batch_adds_to_a_table_has_no_limit(store, made):
    made("varchar(2)")
    rows = pa.table({"x": ["a"], "more": ["abcdef"]})
    store.publish(store.stage(rows, table=TABLE, batch="2013-01", write=Write.of("append", evolve=True)))
    assert store.rows(store.published(TABLE))["more"].to_pylist() == ["abcdef"]


def test_rows_are_set_aside_in_a_few_statements_however_many_they_are(store):
    sent = []

    def count(connection, cursor, statement, parameters, context, executemany):
        sent.extend(parameters if executemany else [parameters])

    version = staged(store, list(range(20_000)))
    rows = store.stream(version, batches=["2013-01"])
    choice = pa.array([place % 10 > 0 for place in range(20_000)])
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", count)
    try:
        good = store.split(version, passing=chosen(rows, choice), failing=chosen(rows, pa.compute.invert(choice)))
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", count)
    assert good.rows == 18_000
    assert [one.rows for one in store.quarantined(TABLE)] == [2_000]
    assert len(sent) < 200


def test_what_a_server_says_while_rows_are_copied_is_one_of_our_errors(store, monkeypatch):
    import psycopg

    def gone(*_):
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(psycopg.Copy, "write_row", gone)
    from xops.core.errors import Unavailable

    with pytest.raises(Unavailable, match="server closed the connection"):
        staged(store, [1])


def test_text_is_copied_as_it_is(store):
    values = ["", None, "\\N", "\\.", "a\\.\nb", "\n\\.\n", "tab\there", '"quoted",', "\r\n", "ö😀", "NULL", " a "]
    store.publish(staged(store, values))
    assert store.rows(store.published(TABLE))["x"].to_pylist() == values
