"""Batches on their way into Iceberg tables: no reader sees one before it may, and none is lost or doubled."""

import contextlib
import dataclasses
import json
import os
import sqlite3
import time
from collections import Counter

import pyarrow as pa
import pytest
from pyiceberg.expressions.visitors import _ManifestEvalVisitor

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.iceberg.commits import OneStep
from xops.hooks.iceberg.tables import IcebergHook

pytestmark = pytest.mark.integration

TABLE = "nyc.flights"


@pytest.fixture
def lake():
    return IcebergHook()


def flights(rows, first=0, distance=1.5):
    """Give ``rows`` flights with ids from ``first`` on."""
    ids = pa.array(range(first, first + rows), pa.int64())
    return pa.table({"id": ids, "distance": pa.array([distance] * rows)})


def published(lake, rows, batch, first=0):
    return lake.publish(lake.stage(flights(rows, first), table=TABLE, batch=batch))


def on_main(lake):
    """Give how many rows of each batch a reader sees, counted row by row."""
    version = lake.published(TABLE)
    return dict(Counter(lake.rows(version)["batch"].to_pylist())) if version else {}


def branches(lake):
    return sorted(set(lake.table(TABLE).refs()) - {"main"})


def expire_all_but_the_newest(lake):
    newest = lake.table(TABLE).current_snapshot().snapshot_id
    older = [snapshot.snapshot_id for snapshot in lake.table(TABLE).snapshots() if snapshot.snapshot_id != newest]
    lake.table(TABLE).maintenance.expire_snapshots().by_ids(older).commit()


@pytest.fixture
def overtaken(monkeypatch):
    """Give a function that lets others land their batches, one just before each of the next commits."""
    commit, waiting = OneStep.commit_transaction, []

    def commit_after_another(transaction):
        if waiting:
            batch, rows = waiting.pop()
            published(IcebergHook(), rows, batch)
        return commit(transaction)

    monkeypatch.setattr(OneStep, "commit_transaction", commit_after_another)
    return waiting.extend


def test_a_staged_batch_is_seen_by_nobody_who_reads_the_table(lake):
    staged = lake.stage(flights(5), table=TABLE, batch="2013-01")
    assert lake.published(TABLE) is None
    assert lake.rows(staged)["batch"].to_pylist() == ["2013-01"] * 5
    lake.publish(staged)
    second = lake.stage(flights(7, 5), table=TABLE, batch="2013-02")
    assert on_main(lake) == {"2013-01": 5}
    assert lake.batches(second) == {"2013-01": 5, "2013-02": 7}
    assert (second.branch, second.rows) == ("audit-2013-02", 7)


def test_main_moves_to_a_published_batch_in_one_step(lake):
    published(lake, 5, "2013-01")
    before = lake.versions(TABLE)
    staged = lake.stage(flights(7), table=TABLE, batch="2013-01")  # a delete and an append on the branch
    version = lake.publish(staged)
    log = [entry.snapshot_id for entry in lake.table(TABLE).history()]
    assert [str(snapshot) for snapshot in log[-2:]] == [before[-1].snapshot, version.snapshot]
    assert on_main(lake) == {"2013-01": 7}
    assert version.branch == ""
    assert branches(lake) == []


def test_publishing_twice_changes_nothing(lake):
    staged = lake.stage(flights(5), table=TABLE, batch="2013-01")
    once = lake.publish(staged)
    metadata = lake.table(TABLE).metadata_location
    assert lake.publish(staged) == once == lake.publish(once)
    assert lake.table(TABLE).metadata_location == metadata


def test_a_version_that_later_batches_stand_on_is_published_still(lake):
    first = lake.stage(flights(5), table=TABLE, batch="2013-01")
    lake.publish(first)
    published(lake, 7, "2013-02", 5)
    lake.publish(first)
    assert on_main(lake) == {"2013-01": 5, "2013-02": 7}


def test_a_batch_delivered_again_takes_the_place_of_the_former(lake):
    lake.stage(flights(5), table=TABLE, batch="2013-01")
    again = lake.stage(flights(5), table=TABLE, batch="2013-01")
    assert lake.batches(again) == {"2013-01": 5}
    lake.publish(again)
    corrected = lake.stage(flights(4, distance=9.0), table=TABLE, batch="2013-01")
    assert on_main(lake) == {"2013-01": 5}
    lake.publish(corrected)
    assert on_main(lake) == {"2013-01": 4}
    assert set(lake.rows(lake.published(TABLE))["distance"].to_pylist()) == {9.0}


def test_a_batch_among_many_is_delivered_again_while_threads_take_turns_at_the_manifests(lake, monkeypatch):
    equal = _ManifestEvalVisitor.visit_equal
    batches = [f"{number:02}" for number in range(6)]
    for batch in batches:
        published(lake, 1, batch)
    monkeypatch.setattr(_ManifestEvalVisitor, "visit_equal", lambda *of, **by: time.sleep(0.001) or equal(*of, **by))
    published(lake, 2, "03")
    assert on_main(lake) == dict.fromkeys(batches, 1) | {"03": 2}


def test_two_batches_staged_from_the_same_main_both_land(lake):
    published(lake, 1, "2012-12")
    first = lake.stage(flights(5), table=TABLE, batch="2013-01")
    second = lake.stage(flights(7, 5), table=TABLE, batch="2013-02")
    lake.publish(second)
    lake.publish(first)
    assert on_main(lake) == {"2012-12": 1, "2013-01": 5, "2013-02": 7}
    assert branches(lake) == []


def test_a_column_batch_that_the_rows_bring_must_say_the_same(lake):
    rows = flights(2).append_column("batch", pa.array(["2013-01", "2013-02"]))
    with pytest.raises(Misconfigured, match=r"the rows of batch 2013-01 have a column 'batch' of their own.*2013-02"):
        lake.stage(rows, table=TABLE, batch="2013-01")
    agreeing = flights(2).append_column("batch", pa.array(["2013-03"] * 2))
    assert lake.batches(lake.publish(lake.stage(agreeing, table=TABLE, batch="2013-03"))) == {"2013-03": 2}


def test_a_batch_may_have_any_name(lake):
    for name in ("a/b", "2013-01 (late)", "é'\";--", "../x", "x" * 200):
        published(lake, 2, name)
    assert on_main(lake) == dict.fromkeys(["a/b", "2013-01 (late)", "é'\";--", "../x", "x" * 200], 2)


def test_quarantine_keeps_every_row_and_leaves_main_alone(lake):
    published(lake, 5, "2013-01")
    head = lake.published(TABLE)
    staged = lake.stage(flights(6, 5, distance=-1.0), table=TABLE, batch="2013-02")
    branch = lake.quarantine(staged)
    assert branch == f"quarantine-2013-02-{staged.snapshot}" == lake.quarantine(staged)
    assert lake.published(TABLE) == head
    assert branches(lake) == [branch]
    kept = lake.table(TABLE).scan().use_ref(branch).to_arrow()
    assert Counter(kept["batch"].to_pylist()) == {"2013-01": 5, "2013-02": 6}


def test_each_broken_delivery_of_a_batch_is_kept_and_the_sound_one_is_published(lake):
    for rows in (6, 8):
        lake.quarantine(lake.stage(flights(rows), table=TABLE, batch="2013-01"))
    published(lake, 7, "2013-01")
    assert on_main(lake) == {"2013-01": 7}
    aside = [lake.table(TABLE).scan().use_ref(branch).to_arrow().num_rows for branch in branches(lake)]
    assert sorted(aside) == [6, 8]


def test_what_came_in_is_published_or_quarantined(lake):
    came, aside = {f"2013-{month:02}": month for month in range(1, 10)}, {}
    for place, (batch, rows) in enumerate(came.items()):
        staged = lake.stage(flights(rows, 100 * place), table=TABLE, batch=batch)
        if rows % 3:
            lake.publish(staged)
        else:
            aside[batch] = lake.quarantine(staged)
    kept = {batch: lake.table(TABLE).scan(f"batch = '{batch}'").use_ref(aside[batch]).count() for batch in aside}
    assert on_main(lake) | kept == came
    assert sorted(kept) == ["2013-03", "2013-06", "2013-09"]
    ids = lake.rows(lake.published(TABLE))["id"].to_pylist()
    assert len(set(ids)) == len(ids)


def test_a_batch_is_never_both_published_and_set_aside(lake):
    staged = lake.stage(flights(6), table=TABLE, batch="2013-02")
    lake.quarantine(staged)
    with contextlib.suppress(Misconfigured):
        lake.publish(staged)
    assert (on_main(lake), len(branches(lake))) in [({}, 1), ({"2013-02": 6}, 0)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (flights(0), "nyc.flights: batch 2013-02 has no rows; at least one was wanted"),
        (
            pa.table({"id": ["1"], "distance": [1.0]}),
            "nyc.flights: batch 2013-02 does not fit the table: id is string, the table has int64",
        ),
        (
            pa.table({"id": [1], "distnce": [1.0]}),
            "nyc.flights: batch 2013-02 does not fit the table: distnce is double, the table has no such column",
        ),
        (
            pa.table({"id": [1.0], "distance": pa.nulls(1)}),
            "id is double, the table has int64; distance is null, the table has double",
        ),
    ],
    ids=["no rows", "another type", "another name", "two columns"],
)
def test_a_batch_that_does_not_fit_is_refused_and_leaves_nothing_behind(lake, rows, said):
    head = published(lake, 5, "2013-01")
    with pytest.raises(Misconfigured) as refused:
        lake.stage(rows, table=TABLE, batch="2013-02")
    assert said in str(refused.value)
    assert branches(lake) == []
    assert lake.published(TABLE).snapshot == head.snapshot


def test_types_that_hold_the_values_as_they_are_fit(lake):
    published(lake, 5, "2013-01")
    narrow = pa.table({"distance": pa.array([2.5], pa.float32()), "id": pa.array([7], pa.int16())})
    assert lake.batches(lake.publish(lake.stage(narrow, table=TABLE, batch="2013-02"))) == {"2013-01": 5, "2013-02": 1}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.timestamp("ns"), id="nanoseconds, as pandas has them"),
        pytest.param(pa.timestamp("ns", "Europe/Berlin"), id="nanoseconds with a zone"),
        pytest.param(pa.timestamp("s", "Europe/Berlin"), id="seconds with a zone"),
    ],
)
def test_timestamps_keep_their_moment(lake, kind):
    moment = 1_357_000_000 * {"ns": 10**9, "s": 1}[kind.unit]
    came = pa.table({"at": pa.array([moment, None], pa.int64()).cast(kind)})
    kept = lake.rows(lake.stage(came, table=TABLE, batch="2013-01"))["at"]
    assert kept.type == pa.timestamp("us", "UTC" if kind.tz else None)
    assert kept.cast(pa.int64()).to_pylist() == [1_357_000_000 * 10**6, None]


def test_a_timestamp_finer_than_iceberg_keeps_is_named(lake):
    came = pa.table({"at": pa.array([1_000_000_001], pa.timestamp("ns"))})
    with pytest.raises(Misconfigured, match=r"nyc\.flights: batch 2013-01, column at: .*would lose data"):
        lake.stage(came, table=TABLE, batch="2013-01")


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.date64(), pa.decimal256(60), pa.null()], ids=str)
def test_a_type_that_iceberg_lacks_is_named(lake, kind):
    with pytest.raises(Misconfigured, match=r"nyc\.flights.*(Column 'x'|Field: x)"):
        lake.stage(pa.table({"id": [1], "x": pa.nulls(1, kind)}), table=TABLE, batch="2013-01")
    assert lake.published(TABLE) is None


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.array([[1, 2], None]), id="a list"),
        pytest.param(pa.array([{"a": 1}, None]), id="a struct"),
        pytest.param(pa.array([b"x", None]), id="bytes"),
        pytest.param(pa.array([1, None], pa.uint8()), id="an unsigned integer"),
        pytest.param(pa.array(["a", None]).dictionary_encode(), id="a dictionary"),
        pytest.param(pa.array([True, None]), id="a boolean"),
    ],
)
def test_a_table_made_for_a_batch_holds_it_and_the_next(lake, values):
    for batch in ("2013-01", "2013-02"):
        staged = lake.stage(pa.table({"id": [1, 2], "x": values}), table=TABLE, batch=batch)
        assert lake.rows(lake.publish(staged), batches=[batch])["x"].to_pylist() == values.to_pylist()


def test_columns_of_one_name_are_refused(lake):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(Misconfigured, match="batch 2013-01 has more than one column id"):
        lake.stage(twice, table=TABLE, batch="2013-01")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("nyc.flight", "Iceberg table nyc.flight does not exist; its namespace has nyc.flights"),
        ("paris.flights", "Iceberg table paris.flights does not exist, nor does its namespace"),
    ],
)
def test_a_table_that_does_not_exist_is_named_with_those_that_do(lake, table, said):
    version = published(lake, 5, "2013-01")
    with pytest.raises(Misconfigured, match=f"^{said}$"):
        lake.rows(dataclasses.replace(version, table=table))
    assert lake.published(table) is None


def test_a_name_without_a_namespace_is_refused(lake):
    with pytest.raises(Misconfigured, match=r"Iceberg table flights: a name of the form namespace\.table was wanted"):
        lake.stage(flights(1), table="flights", batch="2013-01")


def test_a_column_that_a_version_lacks_is_named_with_those_it_has(lake):
    version = published(lake, 5, "2013-01")
    with pytest.raises(Misconfigured, match=rf"^{version.name}: no column temp; it has id, distance, batch$"):
        lake.rows(version, columns=["id", "temp"])


def test_an_expired_version_is_named(lake):
    first = published(lake, 5, "2013-01")
    published(lake, 7, "2013-02")
    expire_all_but_the_newest(lake)
    with pytest.raises(Misconfigured, match=rf"^{first.name}: this snapshot has expired or never was"):
        lake.rows(first)


def test_a_table_stays_published_when_its_older_versions_expire(lake):
    published(lake, 5, "2013-01")
    published(lake, 7, "2013-02")
    expire_all_but_the_newest(lake)
    assert on_main(lake) == {"2013-01": 5, "2013-02": 7}
    published(lake, 3, "2013-03")
    assert on_main(lake) == {"2013-01": 5, "2013-02": 7, "2013-03": 3}


def test_a_catalog_that_is_down_is_unavailable(lake, monkeypatch, nobody_listens):
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", f'{{"conn_type": "iceberg", "host": "{nobody_listens}"}}')
    with pytest.raises(Unavailable, match="Iceberg catalog down"):
        IcebergHook("down").published(TABLE)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda lake, staged: lake.publish(staged), id="publish"),
        pytest.param(lambda lake, staged: lake.quarantine(staged), id="quarantine"),
        pytest.param(lambda lake, _: lake.stage(flights(1), table=TABLE, batch="2013-02"), id="stage"),
    ],
)
def test_a_catalog_that_cannot_write_is_unavailable(tmp_path, monkeypatch, act):
    host = f"sqlite:///{tmp_path}/catalog.db?timeout=0.1"
    extra = {"type": "sql", "warehouse": f"file://{tmp_path}/warehouse"}
    monkeypatch.setenv("AIRFLOW_CONN_BUSY", json.dumps({"conn_type": "iceberg", "host": host, "extra": extra}))
    lake = IcebergHook("busy")
    staged = lake.stage(flights(5), table=TABLE, batch="2013-01")
    with contextlib.closing(sqlite3.connect(tmp_path / "catalog.db")) as other:
        other.execute("begin immediate")  # as another program that writes and does not end
        with pytest.raises(Unavailable, match=r"Iceberg catalog busy: .*locked"):
            act(lake, staged)
    assert lake.published(TABLE) is None
    assert branches(lake) == ["audit-2013-01"]


def test_a_connection_without_a_uri_is_not_taken_for_an_empty_catalog(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", '{"conn_type": "iceberg"}')
    with pytest.raises(Misconfigured, match="the catalog's URI was wanted as host"):
        IcebergHook("empty").published(TABLE)


def test_the_embedded_catalog_is_refused_where_tasks_run_on_several_machines(lake, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(Misconfigured, match=r"connection iceberg_default does not exist.*make the connection"):
        lake.stage(flights(1), table=TABLE, batch="2013-01")


def land(home, batches):
    """Stage and publish some batches, as one of several processes does."""
    os.environ["AIRFLOW_HOME"] = str(home)
    lake = IcebergHook()
    for batch, rows in batches:
        lake.publish(lake.stage(flights(rows), table=TABLE, batch=batch))
    return "landed"


def test_batches_that_three_processes_land_at_the_same_moment_all_land(tmp_path, in_processes, lake):
    work = [[(f"2013-{2 * worker + place:02}", 10 * worker + place + 1) for place in (1, 2)] for worker in range(3)]
    assert in_processes(land, [(tmp_path, batches) for batches in work]) == ["landed"] * 3
    assert on_main(lake) == dict(batch for batches in work for batch in batches)
    assert branches(lake) == []


@pytest.mark.parametrize("batch", ["2013-01", "2012-12"], ids=["a new batch", "a batch delivered again"])
def test_a_batch_is_staged_although_others_land_meanwhile(lake, overtaken, batch):
    published(lake, 1, "2012-12")
    others = {"2013-02": 20, "2013-03": 30}
    overtaken(others.items())
    staged = lake.stage(flights(10), table=TABLE, batch=batch)
    assert lake.rows(staged, batches=[batch]).num_rows == staged.rows == 10
    lake.publish(staged)
    landed = {name: rows for name, rows in others.items() if name in on_main(lake)}
    assert landed
    assert on_main(lake) == {"2012-12": 1, batch: 10, **landed}
    assert branches(lake) == []


@pytest.mark.parametrize(
    "known",
    [
        pytest.param("2013-01", id="a batch delivered again"),
        pytest.param("2012-12", id="a new batch"),
    ],
)
def test_a_batch_that_is_staged_elsewhere_meanwhile_is_there_once(lake, monkeypatch, known):
    published(lake, 1, known)
    commit, rivals = OneStep.commit_transaction, [20, 30, 40]

    def commit_after_another(transaction):
        if rivals:
            rows = rivals.pop()
            IcebergHook().stage(flights(rows), table=TABLE, batch="2013-01")
        return commit(transaction)

    monkeypatch.setattr(OneStep, "commit_transaction", commit_after_another)
    staged = lake.stage(flights(10), table=TABLE, batch="2013-01")
    assert rivals == []
    assert lake.rows(staged, batches=["2013-01"]).num_rows == 10
    lake.publish(staged)
    assert on_main(lake) == {known: 1, "2013-01": 10}


def test_a_batch_is_published_although_others_land_meanwhile(lake, overtaken):
    published(lake, 1, "2012-12")
    staged = lake.stage(flights(10), table=TABLE, batch="2013-01")
    overtaken([("2013-02", 20)])
    lake.publish(staged)
    assert on_main(lake) == {"2012-12": 1, "2013-01": 10, "2013-02": 20}


def test_a_batch_that_three_processes_land_at_the_same_moment_is_there_once(tmp_path, in_processes, lake):
    published(lake, 5, "2013-01")
    landed = in_processes(land, [(tmp_path, [("2013-02", 7)])] * 3)
    assert "landed" in landed
    assert on_main(lake) == {"2013-01": 5, "2013-02": 7}
