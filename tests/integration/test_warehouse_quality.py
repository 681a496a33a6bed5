"""The example of a warehouse on a real PostgreSQL, run to its end: announced when it passes, and only then."""

import json
import os
from dataclasses import replace
from pathlib import Path

import psycopg
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from xops.engines.duckdb_scan import DuckdbScan
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.profiles import ProfileStore

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[2] / "include" / "data"
MONTH = "2013-03"
TYPES = {"string": "text", "bool": "boolean", "date32[day]": "date", "double": "double precision", "float": "real"}
TYPES |= {"int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint"}


def month(table):
    rows = pq.read_table(DATA / table / f"{MONTH}.parquet")
    return rows.append_column("batch", [[MONTH] * len(rows)])


@pytest.fixture
def warehouse(postgres, monkeypatch):
    """Load the sample month, and give a connection to change it."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", os.environ["AIRFLOW_CONN_POSTGRES_DEFAULT"])
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA nyc")
        for table in ("flights", "labels"):
            rows = month(table)
            columns = ", ".join(f"{field.name} {TYPES.get(str(field.type), 'timestamp')}" for field in rows.schema)
            connection.execute(f"CREATE TABLE nyc.{table} ({columns})")
            sink = pyarrow.BufferOutputStream()
            pyarrow.csv.write_csv(rows, sink)
            with connection.cursor().copy(f"COPY nyc.{table} FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
                copy.write(sink.getvalue().to_pybytes())
        yield connection


@pytest.fixture
def play(dag_bag):
    def run():
        done = dag_bag.dags["warehouse_quality"].test(run_conf={"month": MONTH})
        return {ti.task_id: str(ti.state) for ti in done.get_task_instances()}

    return run


def scans(warehouse):
    warehouse.execute("SELECT pg_stat_force_next_flush()")
    found = warehouse.execute("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE schemaname = 'nyc'")
    return dict(found.fetchall())


def test_a_warehouse_that_is_as_expected_is_announced_and_then_scanned_once_a_run(warehouse, play):
    assert play() == {"test_flights": "success", "test_labels": "success", "announce": "success"}
    before = scans(warehouse)
    assert play() == {"test_flights": "success", "test_labels": "success", "announce": "success"}
    assert {table: times - before[table] for table, times in scans(warehouse).items()} == {"flights": 1, "labels": 1}
    store = EvidenceStore()
    (first, second) = store.about("data_test", "warehouse/nyc.flights", MONTH)
    suite = json.loads((DATA.parent / "suites" / "flights.json").read_text())
    assert len(second.verdict.findings) == len(suite["expectations"])
    rows = month("flights")
    (here, _) = (ProfileStore(store.objects).get(found.verdict.facts["profile"]) for found in (first, second))
    there = DuckdbScan(rows, version="v")
    for ours, theirs in zip(here.columns, there.scan(profile=there.spec()).profile.columns, strict=True):
        assert (ours.spec.name, ours.nulls, ours.low, ours.high) == (
            theirs.spec.name,
            theirs.nulls,
            theirs.low,
            theirs.high,
        )
        if ours.spec.grid:
            grids = [replace(found.spec.grid, centre=0) for found in (ours, theirs)]  # where it is finer, samples say
            assert grids[0] == grids[1]
            assert ours.counts.tolist() == theirs.counts.tolist()


def test_a_warehouse_that_is_not_as_expected_is_not_announced(warehouse, play):
    warehouse.execute(
        "UPDATE nyc.flights SET flight_id = (SELECT min(flight_id) FROM nyc.flights) WHERE day = '2013-03-07'"
    )
    assert play() == {"test_flights": "failed", "test_labels": "success", "announce": "upstream_failed"}
    (found,) = EvidenceStore().about("data_test", "warehouse/nyc.flights", MONTH)
    assert [finding.check for finding in found.verdict.failed] == ["expect_column_values_to_be_unique"]
