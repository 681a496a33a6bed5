"""Versions of Iceberg tables by name: found again, tagged, compared, and kept as long as anybody needs them."""

import datetime as dt
import json
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Transaction

from xops.core.dataset.diff import Change
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Unavailable
from xops.core.evidence import Origin
from xops.core.verdict import Finding, Verdict
from xops.engines.row_diff import compare_rows
from xops.hooks.datasets.expiry import VersionExpiry
from xops.hooks.iceberg.expiry import TableExpiry
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.iceberg.versions import TableVersions
from xops.hooks.models.registry import MlflowHook
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.objects import Objects
from xops.hooks.store.profiles import ProfileStore
from xops.operators.versions import DiffVersionsOperator, ExpireVersionsOperator, TagVersionOperator

pytestmark = pytest.mark.integration

TABLE = "nyc.flights"
HOUR = dt.timedelta(hours=1)
CONTEXT = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)}


@pytest.fixture
def lake():
    return IcebergHook()


@pytest.fixture
def versions(lake):
    return TableVersions(lake)


def flights(first=0, rows=5, **columns):
    table = pa.table({"id": pa.array(range(first, first + rows), pa.int64()), "fare": [1.5] * rows})
    for name, values in columns.items():
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table.append_column(name, pa.array(values))
    return table


def publish(lake, batch, rows=None):
    return lake.publish(lake.stage(flights() if rows is None else rows, table=TABLE, batch=batch))


def later(days=100):
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


@pytest.fixture
def expire(lake):
    """Give a function that expires what readers have not seen for an hour, a hundred days from now."""

    def run(*registries, days=100, **more):
        given = {"older_than": HOUR, "evidence_of": HOUR, "grace": dt.timedelta(days=3), "now": later(days), **more}
        return VersionExpiry(TableExpiry(lake), registries, Objects.configured()).expire(TABLE, **given)

    return run


def snapshots(lake):
    return {str(snapshot.snapshot_id) for snapshot in lake.table(TABLE).snapshots()}


def test_a_version_is_found_by_snapshot_tag_moment_and_as_the_newest(lake, versions):
    first = publish(lake, "1")
    time.sleep(0.01)
    between = dt.datetime.now(dt.UTC)
    time.sleep(0.01)
    second = publish(lake, "2", flights(5))
    versions.tag(first, "closed")
    names = {versions.find(name).name for name in (first.name, f"{TABLE}@closed", f"{TABLE}@{between.isoformat()}")}
    assert names == {first.name}
    assert versions.find(TABLE).name == second.name
    assert versions.find(first.to_json()) == first
    assert lake.rows(versions.find(f"{TABLE}@closed")).num_rows == 5


def test_a_name_without_a_version_is_refused_with_what_there_is(lake, versions):
    versions.tag(publish(lake, "1"), "closed")
    with pytest.raises(Misconfigured, match="no tag open; its tags are closed"):
        versions.find(f"{TABLE}@open")
    with pytest.raises(Misconfigured, match="has expired or never was"):
        versions.find(f"{TABLE}@7")
    with pytest.raises(Misconfigured, match="the earliest is of 20"):
        versions.find(f"{TABLE}@1999-01-01T00:00:00Z")
    with pytest.raises(Misconfigured, match="does not exist"):
        versions.find("nyc.trains@closed")
    with pytest.raises(Misconfigured, match="nothing was published"):
        versions.find("nyc.trains")
    with pytest.raises(Misconfigured, match="has expired or never was"):
        versions.tag(DataVersion(TABLE, "7"), "seven")


def test_a_tag_never_moves_and_can_be_set_again_and_taken_away(lake, versions):
    first, second = publish(lake, "1"), publish(lake, "2", flights(5))
    versions.tag(first, "closed")
    assert versions.tag(first, "closed").name == first.name
    with pytest.raises(Misconfigured, match=f"tag closed names snapshot {first.snapshot}, and a tag does not move"):
        versions.tag(second, "closed")
    versions.tag(second, "b")
    assert {tag: version.name for tag, version in versions.tags(TABLE).items()} == {
        "b": second.name,
        "closed": first.name,
    }
    versions.untag(TABLE, "closed")
    versions.untag(TABLE, "closed")
    assert list(versions.tags(TABLE)) == ["b"]
    with pytest.raises(Misconfigured, match="as branches do"):
        versions.untag(TABLE, "main")


def test_of_two_who_set_one_tag_at_once_the_second_is_told(lake, versions, monkeypatch):
    first, second = publish(lake, "1"), publish(lake, "2", flights(5))
    commit, waiting = Transaction.commit_transaction, [second]

    def commit_after_another(transaction):
        if waiting:
            TableVersions(IcebergHook()).tag(waiting.pop(), "closed")
        return commit(transaction)

    monkeypatch.setattr(Transaction, "commit_transaction", commit_after_another)
    with pytest.raises(Misconfigured, match=f"names snapshot {second.snapshot}"):
        versions.tag(first, "closed")


def test_a_difference_counts_rows_added_removed_and_changed_by_column(lake, versions):
    publish(lake, "other", flights(100))
    before = publish(lake, "1", flights(0, 4))
    after = publish(lake, "1", flights(1, 4, fare=[1.5, 9.0, None, 1.5]))
    found = versions.diff(before, after, key=["id"], profiles=ProfileStore(Objects.configured()))
    assert (found.rows_before, found.rows_after) == (9, 9)
    assert (found.added, found.removed, found.changed, found.by_column) == (1, 1, 2, {"fare": 2})
    assert ("fare", "null_share", 0.0, 1 / 9) in {(m.column, m.figure, m.before, m.after) for m in found.profile}
    assert "9.0" not in json.dumps(found.to_json())
    assert found.keys == {}


def test_keys_are_shown_only_where_that_is_allowed(lake, versions):
    before = publish(lake, "1", flights(0, 3))
    after = publish(lake, "1", flights(1, 3, fare=[1.5, 2.5, 1.5]))
    found = versions.diff(before, after, key=["id"], show_keys=True)
    assert found.keys == {"added": ({"id": 3},), "removed": ({"id": 0},), "changed": ({"id": 2},)}


def test_files_that_both_versions_have_are_not_read(lake, versions, monkeypatch):
    before = publish(lake, "1")
    after = publish(lake, "2", flights(5))
    for file in lake.files(before):
        Path(file.removeprefix("file://")).unlink()
    found = versions.diff(before, after, key=["id"])
    assert (found.rows_before, found.rows_after, found.added, found.removed) == (5, 10, 5, 0)


def test_a_redelivery_of_the_same_rows_is_no_difference(lake, versions):
    assert versions.diff(publish(lake, "1"), publish(lake, "1"), key=["id"]).same


def test_columns_that_came_and_changed_type_are_told_and_compared_where_they_can_be(lake, versions):
    rows = flights(0, 3, n=pa.array([1, 2, 3], pa.int32()))
    before = publish(lake, "1", rows)
    target = lake.table(TABLE)
    from pyiceberg.types import LongType, StringType

    with target.update_schema() as update:
        update.update_column("n", LongType())
        update.add_column("note", StringType())
    after = publish(lake, "1", flights(0, 3, n=pa.array([1, 2, 4], pa.int64()), note=["a", None, "b"]))
    found = versions.diff(before, after, key=["id"])
    assert [(change.column, change.change) for change in found.schema] == [
        ("note", Change.ADDED),
        ("n", Change.RETYPED),
    ]
    assert (found.changed, found.by_column) == (1, {"n": 1})


def test_a_key_that_identifies_no_row_and_versions_of_two_tables_are_refused(lake, versions):
    before, after = publish(lake, "1"), publish(lake, "1", flights(3))
    with pytest.raises(Misconfigured, match="1 values of the key fare are shared by more than one row"):
        versions.diff(before, after, key=["fare"])
    with pytest.raises(Misconfigured, match="has no column nonsense to be the key"):
        versions.diff(before, after, key=["nonsense"])
    with pytest.raises(Misconfigured, match="two versions of one table"):
        versions.diff(before, DataVersion("nyc.labels", "1"), key=["id"])
    with pytest.raises(Misconfigured, match="compare another version"):
        versions.diff(before, DataVersion(TABLE, "7"), key=["id"])


VALUE = st.one_of(st.none(), st.integers(0, 3).map(float), st.just(float("nan")))
ROWS = st.dictionaries(st.integers(0, 8), st.tuples(VALUE, st.sampled_from(["a", 'b"; drop', None])), max_size=8)


@given(ROWS, ROWS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_the_counts_are_those_of_a_comparison_row_by_row(before, after):
    def reader(rows):
        ids, values = list(rows), list(rows.values())
        columns = [pa.array(ids, pa.int64())]
        columns += [pa.array([v[0] for v in values], pa.float64()), pa.array([v[1] for v in values], pa.string())]
        return pa.table(columns, names=["id", 'x"y', "select"]).to_reader()

    def same(one, other):
        return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN

    found = compare_rows(reader(before), reader(after), key=["id"])
    both = before.keys() & after.keys()
    changed = [[not same(*pair) for pair in zip(before[key], after[key], strict=True)] for key in both]
    assert (found.added, found.removed) == (len(after.keys() - both), len(before.keys() - both))
    assert found.changed == sum(map(any, changed))
    assert dict(found.changed_in) == {
        name: count for place, name in enumerate(['x"y', "select"]) if (count := sum(row[place] for row in changed))
    }


def test_what_branches_tags_and_readers_need_stays_and_the_rest_goes(lake, versions, expire):
    first, second, third = (publish(lake, batch, flights(int(batch) * 10)) for batch in "123")
    versions.tag(first, "closed")
    waiting = lake.stage(flights(50), table=TABLE, batch="4")
    broken = lake.stage(flights(60), table=TABLE, batch="5")
    branch = lake.quarantine(broken)
    made = snapshots(lake)
    dry = expire(dry_run=True)
    assert snapshots(lake) == made
    done = expire()
    assert done.plan == dry.plan
    assert set(done.plan.kept) | set(done.plan.expired) == made
    assert second.snapshot in done.plan.expired
    assert done.plan.kept[first.snapshot] == ("tag closed",)
    assert done.plan.kept[third.snapshot] == ("branch main",)
    assert done.plan.kept[waiting.snapshot] == (f"branch {waiting.branch}",)
    assert done.plan.kept[broken.snapshot] == (f"branch {branch}",)
    assert snapshots(lake) == {first.snapshot, third.snapshot, waiting.snapshot, broken.snapshot}
    assert [lake.rows(one).num_rows for one in (first, third, waiting, broken)] == [5, 15, 20, 20]
    assert lake.batches(lake.publish(waiting)) == {"1": 5, "2": 5, "3": 5, "4": 5}


def test_a_version_stays_for_the_time_since_main_moved_on_not_since_it_was_made(lake, expire, monkeypatch):
    first = publish(lake, "1")
    time.sleep(1.2)
    publish(lake, "2", flights(5))
    done = expire(older_than=dt.timedelta(seconds=1.1), now=dt.datetime.now(dt.UTC))
    assert "readers saw it until" in done.plan.kept[first.snapshot][0]


def test_recent_evidence_keeps_the_version_it_names(lake, expire):
    first, _ = publish(lake, "1"), publish(lake, "2", flights(5))
    verdict = Verdict("drift", "models:/delay/3", (Finding("psi", "fare", "pass", 0.0, 0.1),), {"current": first.name})
    kept = EvidenceStore().record(verdict, origin=Origin("d", "r", "t"), about="delay")
    done = expire(evidence_of=dt.timedelta(days=101))
    assert done.plan.kept[first.snapshot] == (f"evidence {kept.id}",)
    assert first.snapshot in expire(evidence_of=dt.timedelta(days=99)).plan.expired


def test_a_version_that_any_registered_model_was_trained_on_stays(lake, expire, mlflow):
    first, second, _ = (publish(lake, batch, flights(int(batch) * 10)) for batch in "123")
    for model, tags in (("by_hand", {}), ("delay", {"xops.features": first.name}), ("delay", {"xops.labels": "x.y@1"})):
        if not mlflow.direct.search_registered_models(f"name = '{model}'"):
            mlflow.direct.create_registered_model(model)
        mlflow.direct.create_model_version(model, "s3://nowhere/model", tags=tags)
    done = expire(MlflowHook())
    assert done.plan.kept[first.snapshot] == ("models:/delay/1 was trained on it",)
    assert second.snapshot in done.plan.expired
    for model in ("by_hand", "delay"):
        mlflow.direct.delete_registered_model(model)


def test_while_mlflow_is_down_nothing_expires(lake, expire, mlflow_down):
    publish(lake, "1")
    publish(lake, "2", flights(5))
    made = snapshots(lake)
    mlflow_down()
    with pytest.raises(Unavailable, match="MLflow"):
        expire(MlflowHook())
    assert snapshots(lake) == made


def test_a_tag_that_is_set_while_versions_expire_is_kept(lake, expire, monkeypatch):
    first, second = publish(lake, "1"), publish(lake, "2", flights(5))
    publish(lake, "3", flights(10))
    commit, waiting = SqlCatalog.commit_table, [first]

    def commit_after_another(*given, **more):
        if waiting:
            TableVersions(IcebergHook()).tag(waiting.pop(), "closed")
        return commit(*given, **more)

    monkeypatch.setattr(SqlCatalog, "commit_table", commit_after_another)
    done = expire()
    assert done.plan.kept[first.snapshot] == ("tag closed",)
    assert second.snapshot in done.plan.expired
    assert lake.rows(TableVersions(lake).find(f"{TABLE}@closed")).num_rows == 5


def data_files():
    from xops.hooks import settings as places

    return {path.name for path in (places.home() / "warehouse").rglob("*.parquet")}


def test_files_go_when_no_version_has_had_them_for_longer_than_the_grace_period(lake, expire):
    publish(lake, "1")
    second = publish(lake, "1", flights(20))
    before = data_files()
    first_run = expire(days=100)
    assert (first_run.files, data_files()) == ((), before)
    assert first_run.waiting > 0
    early = expire(days=102.9)
    assert early.files == ()
    assert early.waiting >= first_run.waiting
    done = expire(days=103)
    assert len(done.files) == first_run.waiting
    needed = {file.rsplit("/", 1)[-1] for file in lake.files(second)}
    assert data_files() == needed
    assert lake.rows(second)["id"].to_pylist() == list(range(20, 25))
    again = expire(days=200)
    assert (again.files, again.plan.expired) == ((), ())
    publish(lake, "2", flights(50))


def test_a_dry_run_removes_no_file(lake, expire):
    publish(lake, "1")
    publish(lake, "1", flights(20))
    expire(days=100)
    before = data_files()
    assert len(expire(days=104, dry_run=True).files) > 0
    assert data_files() == before


def test_files_are_left_alone_when_the_list_of_them_cannot_be_trusted(lake, expire, monkeypatch):
    publish(lake, "1")
    publish(lake, "1", flights(20))
    expire(days=100)
    before = data_files()
    monkeypatch.setattr("xops.hooks.iceberg.expiry._place", lambda location: f"another form of {location}")
    with pytest.raises(Misconfigured, match="manifest lists are not among the"):
        expire(days=104)
    assert data_files() == before


def expire_and_die(home, step):
    """Expire in a process that kills itself at a step: before or after the commit, or after a file was removed."""
    import os

    from pyiceberg.io.pyarrow import PyArrowFileIO

    from xops.hooks import settings as places

    places.home = lambda: Path(home)

    def dying(owner, name, when):
        real = getattr(owner, name)

        def once(*given, **more):
            if when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            real(*given, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, name, once)

    if step != "none":
        owner = {"commit": SqlCatalog, "file": PyArrowFileIO, "mark": Objects}[step.split()[1]]
        name = {"commit": "commit_table", "file": "delete", "mark": "put_json"}[step.split()[1]]
        dying(owner, name, step.split()[0])
    lake = IcebergHook()
    VersionExpiry(TableExpiry(lake), (), Objects.configured()).expire(
        TABLE, older_than=HOUR, evidence_of=HOUR, grace=dt.timedelta(days=3), now=later(104)
    )
    return "lived"


@pytest.mark.parametrize(
    "step", ["before commit", "after commit", "before mark", "after mark", "before file", "after file"]
)
def test_an_expiry_that_is_killed_leaves_every_kept_version_whole(lake, expire, versions, tmp_path, step):
    import multiprocessing

    first, _ = publish(lake, "1"), publish(lake, "1", flights(20))
    third = publish(lake, "2", flights(30))
    versions.tag(first, "closed")
    expire(days=100)
    publish(lake, "1", flights(40))
    dying = multiprocessing.get_context("spawn").Process(target=expire_and_die, args=(str(tmp_path / "xops"), step))
    dying.start()
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    assert lake.rows(first)["id"].to_pylist() == list(range(5))
    assert lake.rows(lake.published(TABLE)).num_rows == 10
    expire(days=104)
    expire(days=108)
    assert snapshots(lake) == {first.snapshot, lake.published(TABLE).snapshot}
    assert third.snapshot not in snapshots(lake)
    kept = {file.rsplit("/", 1)[-1] for one in (first, lake.published(TABLE)) for file in lake.files(one)}
    assert data_files() == kept


def test_the_operators_tag_compare_and_expire(lake, mlflow):
    first, second = publish(lake, "1"), publish(lake, "1", flights(20))
    tagged = TagVersionOperator(task_id="tag", version=first.to_json(), tag="closed").execute(CONTEXT)
    assert tagged["snapshot"] == first.snapshot
    diff = DiffVersionsOperator(task_id="diff", before=f"{TABLE}@closed", after=TABLE, key=["id"], profile=True)
    assert json.loads(json.dumps(diff.execute(CONTEXT), allow_nan=False))["added"] == 5
    done = ExpireVersionsOperator(task_id="expire", table=TABLE, older_than_days=0, evidence_days=0, dry_run="True")
    assert done.execute(CONTEXT)["kept"][second.snapshot] == ["branch main"]
    with pytest.raises(AirflowFailException, match="dry_run true or false"):
        ExpireVersionsOperator(task_id="expire", table=TABLE, dry_run="maybe").execute(CONTEXT)
    with pytest.raises(AirflowFailException, match="days of 0 or more"):
        ExpireVersionsOperator(task_id="expire", table=TABLE, grace_days=-1).execute(CONTEXT)
