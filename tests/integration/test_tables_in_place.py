"""DataTestOperator on tables of a real PostgreSQL: what it finds, within which bounds, and how it fails."""

import json
import os
import socket
import sys
import threading
import time
from types import SimpleNamespace

import psycopg
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.checks.expectation_suite import validate
from xops.checks.table_suite import validate_table
from xops.core.errors import Misconfigured, Unavailable
from xops.core.verdict import Verdict
from xops.engines.sql.scan import SqlScan
from xops.hooks.sql.tables import SqlTablesHook
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.profiles import ProfileStore
from xops.operators.datasets import DataTestOperator

pytestmark = pytest.mark.integration

SUITE = [
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}},
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "country", "mostly": 0.6}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "country", "regex": "^[A-Z]{2}$"}},
]
ORDERS = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint, amount double precision, country text);
INSERT INTO shop.orders VALUES (1, 9.5, 'DE'), (2, 1.0, 'NO'), (3, 3.0, NULL);
"""


@pytest.fixture
def database(postgres):
    """Give a connection to the warehouse, for a test to change it."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(ORDERS)
        yield connection


@pytest.fixture
def test_table(tmp_path):
    """Give a function that tests a table and gives the verdict and the evidence."""

    def run(table="shop.orders", suite=SUITE, **arguments):
        path = tmp_path / "suite.json"
        path.write_text(json.dumps({"name": "orders", "expectations": suite}))
        asked = {"table": table, "sql_conn_id": "postgres_default", "suite": str(path), "gate": "record", **arguments}
        operator = DataTestOperator(task_id="test", **asked)
        ti = SimpleNamespace(dag_id="d", run_id="r", task_id="test", map_index=-1, xcom_push=lambda **_: None)
        evidence = operator.execute({"ti": ti})
        json.dumps(evidence, allow_nan=False)
        return Verdict.from_json(evidence["verdict"]), evidence

    return run


def test_a_table_that_is_as_expected_passes_and_says_what_was_seen(database, test_table):
    verdict, evidence = test_table(batch="2026-01-05")
    assert (str(verdict.outcome), len(verdict.findings), verdict.facts["rows"]) == ("pass", 4, 3)
    assert evidence["about"] == verdict.subject == "postgres_default/shop.orders"
    assert evidence["batch"] == "2026-01-05"
    version = verdict.facts["version"]
    (now,) = database.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert version == {"table": "shop.orders", "snapshot": now, "rows": 3, "columns": version["columns"]}
    assert "DE" not in json.dumps(evidence)


def test_a_retry_rewrites_the_evidence_although_the_database_moved_on(database, test_table):
    first = test_table()[1]
    database.execute("INSERT INTO shop.orders VALUES (1, -1, 'de')")
    second = test_table()[1]
    assert first["id"] == second["id"]
    assert first["verdict"]["facts"]["version"] != second["verdict"]["facts"]["version"]
    assert [f["outcome"] for f in second["verdict"]["findings"]] == ["fail", "fail", "pass", "fail"]


def test_the_gate_fails_the_task(database, test_table):
    database.execute("INSERT INTO shop.orders VALUES (1, -1, 'de')")
    with pytest.raises(AirflowFailException, match="2 of 4 values are unexpected"):
        test_table(gate="fail")


def test_a_table_without_rows_is_unknown(database, test_table):
    database.execute("DELETE FROM shop.orders")
    assert test_table()[0].outcome == "unknown"


def test_a_column_that_is_missing_is_a_finding(database, test_table):
    database.execute("ALTER TABLE shop.orders DROP COLUMN amount")
    finding = test_table()[0].findings[1]
    assert (finding.outcome, finding.reason) == ("fail", "no column amount; the batch has id, country")


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_is_a_table(database, test_table, kind):
    database.execute(f'CREATE {kind} shop."Good ""orders"" v1.0" AS SELECT * FROM shop.orders WHERE id < 3')
    verdict, _ = test_table(table='shop."Good ""orders"" v1.0"')
    assert (verdict.outcome, verdict.facts["rows"]) == ("pass", 2)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("shop.order", "no such table"),
        ("shops.orders", "no such table"),
        ("", "either a version, or a table"),
        ("a.b.c.d", "schema.table was wanted"),
        ('shop."orders', "schema.table was wanted"),
        ("shop.orders; DROP SCHEMA shop CASCADE", "no such table"),
    ],
)
def test_a_table_that_is_not_there_is_named(database, test_table, table, says):
    with pytest.raises(AirflowFailException, match=says):
        test_table(table=table)
    assert database.execute("SELECT count(*) FROM shop.orders").fetchone() == (3,)


def test_a_table_that_may_not_be_read_is_named(database, postgres, test_table, monkeypatch):
    database.execute("DROP ROLE IF EXISTS xops_reader")
    database.execute("CREATE ROLE xops_reader LOGIN; GRANT USAGE ON SCHEMA shop TO xops_reader")
    connection = json.loads(os.environ["AIRFLOW_CONN_POSTGRES_DEFAULT"]) | {"login": "xops_reader"}
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(connection))
    with pytest.raises(AirflowFailException, match="permission denied for table orders"):
        test_table()
    database.execute("DROP OWNED BY xops_reader; DROP ROLE xops_reader")


def test_a_statement_past_its_limit_is_cancelled_by_the_server_and_what_it_was_for_is_unknown(database, test_table):
    database.execute("CREATE VIEW shop.slow AS SELECT *, pg_sleep(5)::text AS pause FROM shop.orders")
    started = time.monotonic()
    exists = {"type": "expect_column_to_exist", "kwargs": {"column": "id"}}
    paused = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "pause"}}
    verdict, _ = test_table(table="shop.slow", suite=[exists, paused, *SUITE], time_limit=0.5)
    assert time.monotonic() - started < 4
    assert [str(finding.outcome) for finding in verdict.findings] == ["pass"] + 5 * ["unknown"]
    assert "statement timeout" in verdict.findings[1].reason
    assert verdict.facts["rows"] is None
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'xops' AND state = 'active'"
    assert database.execute(running).fetchone() == (0,)


def test_a_table_locked_past_the_limit_is_unknown(database, postgres, test_table):
    with psycopg.connect(postgres) as other:
        other.execute("LOCK TABLE shop.orders IN ACCESS EXCLUSIVE MODE")
        verdict, _ = test_table(time_limit=0.5)
    assert {str(finding.outcome) for finding in verdict.findings} == {"unknown"}


def test_a_value_that_the_database_cannot_compute_with_is_unknown(database, test_table):
    database.execute("CREATE VIEW shop.broken AS SELECT id, amount / (id - 2) AS amount, country FROM shop.orders")
    verdict, _ = test_table(table="shop.broken")
    assert {str(finding.outcome) for finding in verdict.findings} == {"unknown"}
    assert "division by zero" in verdict.findings[0].reason


def test_nothing_can_be_written(database, test_table):
    database.execute(
        "CREATE FUNCTION shop.spoil() RETURNS text LANGUAGE sql AS "
        "'INSERT INTO shop.orders VALUES (9) RETURNING country'"
    )
    database.execute("CREATE VIEW shop.spoiling AS SELECT *, shop.spoil() AS spoilt FROM shop.orders")
    spoilt = {"type": "expect_column_values_to_be_null", "kwargs": {"column": "spoilt"}}
    with pytest.raises(AirflowFailException, match="read-only transaction"):
        test_table(table="shop.spoiling", suite=[spoilt])


def test_a_table_that_changes_meanwhile_is_read_in_one_state(database):
    with SqlTablesHook("postgres_default").session(10) as session:
        before = session.fetch("SELECT count(*) FROM shop.orders")
        database.execute("INSERT INTO shop.orders VALUES (4, 1, 'DE')")
        assert session.fetch("SELECT count(*) FROM shop.orders") == before == [(3,)]


def test_great_expectations_decides_the_rest_on_the_columns_that_it_names(database, test_table):
    parsed = {"type": "expect_column_values_to_be_json_parseable", "kwargs": {"column": "country"}}
    foreign = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "country", "regex": r"^\w+$"}}
    database.execute("INSERT INTO shop.orders VALUES (4, 1, 'Österreich')")
    verdict, _ = test_table(suite=[parsed, foreign])
    assert [str(finding.outcome) for finding in verdict.findings] == ["fail", "pass"]
    verdict, _ = test_table(suite=[parsed, foreign], fetch_rows=3)
    assert [str(finding.outcome) for finding in verdict.findings] == ["unknown", "unknown"]
    assert "4 rows are more than the 3 that may be fetched" in verdict.findings[0].reason


def in_gx(postgres, table, asked):
    """Give what Great Expectations itself says of a table of PostgreSQL."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql(
        "there", connection_string=postgres.replace("postgresql:", "postgresql+psycopg2:")
    )
    asset = source.add_table_asset("rows", table_name=table.partition(".")[2], schema_name=table.partition(".")[0])
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    numbered = [{**one, "meta": {"place": place}} for place, one in enumerate(asked)]
    suite = gx.ExpectationSuite(name="s", expectations=numbered)
    found = batch.validate(suite, result_format="BASIC").to_json_dict()["results"]
    return sorted(found, key=lambda entry: entry["expectation_config"]["meta"]["place"])


OTHERS = "CREATE TABLE shop.{0} AS SELECT * FROM shop.orders WHERE id <= {1}"


def test_the_rows_of_another_table_are_counted_in_the_same_state(database, postgres, test_table):
    database.execute(OTHERS.format("same", 3))
    database.execute(OTHERS.format('"Half.1"', 1))
    kind = "expect_table_row_count_to_equal_other_table"
    names = ["same", "shop.same", 'shop."Half.1"', "nowhere", "public.same"]
    asked = [{"type": kind, "kwargs": {"other_table_name": name}} for name in names]
    verdict, _ = test_table(suite=asked, fetch_rows=0)
    assert [str(finding.outcome) for finding in verdict.findings] == ["pass", "pass", "fail", "unknown", "unknown"]
    assert "table nowhere: no such table" in verdict.findings[3].reason
    with SqlTablesHook("postgres_default").session(10) as session:
        ours = validate_table(SqlScan(session, "shop.orders", version="v"), {"expectations": asked}).entries
    (theirs,) = in_gx(postgres, "shop.orders", asked[:1])
    assert {name: ours[0][name] for name in ("success", "result")} == {
        name: theirs[name] for name in ("success", "result")
    }


QUERIES = [
    "SELECT * FROM {batch} WHERE amount > 2",
    "SELECT * FROM {batch} WHERE id NOT IN (SELECT s.id FROM shop.same s)",
    "SELECT country, count(*) FROM {batch} GROUP BY country HAVING count(*) > 1 ORDER BY 2",
]


def test_a_query_of_the_suite_is_run_by_the_database_once_a_person_has_reviewed_it(database, postgres, test_table):
    database.execute(OTHERS.format("same", 2))
    asked = [{"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}} for query in QUERIES]
    findings = test_table(suite=asked)[0].findings
    assert {str(finding.outcome) for finding in findings} == {"unknown"}
    assert "its query is code" in findings[0].reason
    trusted = {"name": "s", "meta": {"xops": {"trusted": True}}, "expectations": asked}
    with SqlTablesHook("postgres_default").session(10) as session:
        ours = validate_table(SqlScan(session, "shop.orders", version="v"), trusted, fetch_rows=0).entries
    theirs = in_gx(postgres, "shop.orders", asked)
    assert [entry["result"]["observed_value"] for entry in ours] == [2, 1, 0]
    assert [(entry["success"], entry["result"]) for entry in ours] == [
        (entry["success"], entry["result"]) for entry in theirs
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("DELETE FROM {batch}", "one SELECT was wanted"),
        ("WITH gone AS (DELETE FROM {batch} RETURNING *) SELECT * FROM gone", "one SELECT was wanted"),
        ("SELECT 1; COMMIT; DROP TABLE shop.orders", "one SELECT was wanted"),
        ("SELECT gone FROM {batch}", '"gone" does not exist'),
    ],
)
def test_a_query_that_is_none_changes_nothing_and_is_named(database, query, says):
    asked = [{"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}}]
    trusted = {"name": "s", "meta": {"xops": {"trusted": True}}, "expectations": asked}
    with SqlTablesHook("postgres_default").session(10) as session:
        scan = SqlScan(session, "shop.orders", version="v")
        with pytest.raises(Misconfigured, match=says):
            validate_table(scan, trusted)
    assert database.execute("SELECT count(*) FROM shop.orders").fetchone() == (3,)


LIKES = [
    {"type": f"expect_column_values_to_{word}match_like_pattern", "kwargs": {"column": "country", "like_pattern": like}}
    for word in ("", "not_")
    for like in ("D_", "%", "", "d%", "%ü_", "it's%", "50%%", "_")
] + [
    {
        "type": f"expect_column_values_to_{word}match_like_pattern_list",
        "kwargs": {"column": "country", "like_pattern_list": ["D%", "%ü%"], **more},
    }
    for word, more in (("", {}), ("", {"match_on": "all"}), ("not_", {}), ("", {"mostly": 0.2}))
]


def test_like_patterns_on_files_are_decided_as_great_expectations_decides_them_in_a_database(database, postgres):
    countries = ["DE", "dE", "NO", None, "Dür", "ü", "it's", "", "50%", "D\nE", "Ελ"]
    database.execute("CREATE TABLE shop.likes (country text)")
    database.cursor().executemany("INSERT INTO shop.likes VALUES (%s)", [(country,) for country in countries])
    theirs = in_gx(postgres, "shop.likes", LIKES)
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        ours = validate(pa.table({"country": pa.array(countries, kind)}), {"name": "s", "expectations": LIKES})
        for asked, entry, other in zip(LIKES, ours, theirs, strict=True):
            assert entry["success"] == other["success"], asked
            for name in ("element_count", "unexpected_count", "missing_count", "unexpected_percent"):
                assert entry["result"][name] == pytest.approx(other["result"][name]), asked


def test_like_patterns_are_decided_by_the_database(database, test_table):
    asked = [
        {
            "type": f"expect_column_values_to_{word}match_like_pattern",
            "kwargs": {"column": "country", "like_pattern": "D_"},
        }
        for word in ("", "not_")
    ]
    findings = test_table(suite=asked)[0].findings
    assert [(str(finding.outcome), finding.observed) for finding in findings] == [("fail", 1), ("fail", 1)]


def test_the_profile_is_made_by_the_same_select_and_profiles_of_a_table_add_up(database, test_table):
    made = [test_table(profile=True)[0].facts]
    database.execute("INSERT INTO shop.orders VALUES (4, 12.5, 'SE')")
    database.execute("ALTER TABLE shop.orders ADD COLUMN late boolean")
    made.append(test_table(profile=True)[0].facts)
    store = ProfileStore(EvidenceStore().objects)
    first, second = (store.get(facts["profile"]) for facts in made)
    assert (first + second).rows == 7
    assert [facts["not_profiled"] for facts in made] == [[], ["late"]]


def test_a_server_that_never_answers_is_unavailable_in_seconds(monkeypatch, test_table):
    monkeypatch.setattr("xops.hooks.sql.tables._POSTGRES_BOUNDS", {"connect_timeout": 2})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listening.accept, daemon=True).start()
        for port in (listening.getsockname()[1], 1):
            connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": "x", "schema": "x"}
            monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(connection))
            started = time.monotonic()
            with pytest.raises(Unavailable, match="postgres_default"):
                test_table()
            assert time.monotonic() - started < 8


def test_a_database_that_goes_away_is_unavailable(database, postgres):
    with SqlTablesHook("postgres_default").session(10) as session:
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'xops'")
        with pytest.raises(Unavailable, match="postgres_default"):
            session.fetch("SELECT 1")


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ({"conn_type": "postgres", "schema": "nowhere"}, "does not exist"),
        ({"conn_type": "sqlite"}, "tables of sqlite cannot be tested in place|install its provider"),
        ({"conn_type": "aws"}, "one to a database was wanted"),
        ({"conn_type": "snowflake"}, "install its provider"),
    ],
)
def test_a_connection_to_no_database_is_named(database, test_table, monkeypatch, connection, says):
    here = json.loads(os.environ["AIRFLOW_CONN_POSTGRES_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(here | connection))
    with pytest.raises(AirflowFailException, match=says):
        test_table()


def test_a_connection_that_there_is_not_is_named(test_table):
    with pytest.raises(AirflowFailException, match="warehouse"):
        test_table(sql_conn_id="warehouse")


def test_a_driver_that_is_missing_is_named_with_its_extra(postgres, test_table, monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.providers.postgres.hooks.postgres", None)
    with pytest.raises(AirflowFailException, match=r"install xops\[postgres\]"):
        test_table()


@pytest.mark.parametrize(
    "wrong", [{"time_limit": 0}, {"time_limit": "1"}, {"fetch_rows": -1}, {"fetch_rows": 1.5}, {"version": {}}]
)
def test_bounds_that_are_none_are_refused(database, test_table, wrong):
    with pytest.raises(AirflowFailException, match="wanted"):
        test_table(**wrong)
