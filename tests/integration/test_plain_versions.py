"""Versions of Parquet prefixes and SQL tables: found, tagged, compared, told of, as far as either keeps them."""

import datetime as dt
import json
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from xops.cli import MISTAKE, main
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import Write
from xops.core.errors import Misconfigured
from xops.core.evidence import Origin
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.datasets.expiry import VersionExpiry, expirable
from xops.hooks.datasets.plain_expiry import PrefixExpiry
from xops.hooks.datasets.store import store_of
from xops.hooks.datasets.versions import versions_of
from xops.hooks.questions import fresh_data, version_there
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.objects import Objects
from xops.hooks.traced import tracing

pytestmark = pytest.mark.integration

EVOLVING = Write.of("append", evolve=True)


class Dataset:
    """A dataset, and what a test does to it."""

    def __init__(self, table):
        self.table, self.store = table, store_of(table, iceberg_conn_id="iceberg_default")
        self.versions = versions_of(table, iceberg_conn_id="iceberg_default")

    def stage(self, batch, ids, amounts=None, write=EVOLVING, **more):
        amounts = pa.array(amounts or [1.0] * len(ids), pa.float64())
        rows = pa.table({"id": pa.array(ids, pa.int64()), "amount": amounts, **more})
        return self.store.stage(rows, table=self.table, batch=batch, write=write, source="/landing/a.csv")

    def land(self, batch, ids, amounts=None, **more):
        return self.store.publish(self.stage(batch, ids, amounts, **more))

    def diff(self, before, after, **how):
        return self.versions.diff(self.versions.find(before), self.versions.find(after), key=["id"], **how)


@pytest.fixture
def folder(tmp_path):
    return Dataset(f"{tmp_path}/orders")


@pytest.fixture
def in_sql(postgres):
    return Dataset("sql://postgres_default/shop.orders")


@pytest.fixture(params=["folder", "in_sql"])
def dataset(request):
    """Give a dataset of either kind."""
    return request.getfixturevalue(request.param)


def test_a_version_of_a_prefix_is_found_by_digest_tag_and_moment(folder):
    first = folder.land("01", [1])
    between = dt.datetime.now(dt.UTC)
    second = folder.land("02", [2])
    table = folder.table
    assert folder.versions.find(table).snapshot == second.snapshot
    assert folder.versions.find(f"{table}@{first.snapshot}").snapshot == first.snapshot
    assert folder.versions.find(f"{table}@{between.isoformat()}").snapshot == first.snapshot
    folder.versions.tag(first, "closed")
    assert folder.versions.tag(first, "closed").snapshot == first.snapshot
    assert folder.store.rows(folder.versions.find(f"{table}@closed"))["id"].to_pylist() == [1]
    with pytest.raises(Misconfigured, match=r"tag closed names version .*, and a tag does not move"):
        folder.versions.tag(second, "closed")
    with pytest.raises(Misconfigured, match="no tag open; its tags are closed"):
        folder.versions.find(f"{table}@open")
    with pytest.raises(Misconfigured, match="no version is known that readers saw then; the earliest is of 20"):
        folder.versions.find(f"{table}@2001-01-01T00:00:00Z")
    with pytest.raises(Misconfigured, match="no version that readers have seen; tag one of those"):
        folder.versions.tag(folder.stage("03", [3]), "staged")
    folder.versions.untag(table, "closed")
    assert folder.versions.tags(table) == {}


def test_a_table_of_a_database_keeps_its_newest_version_and_says_so(in_sql):
    first, second = in_sql.land("01", [1]), in_sql.land("02", [2])
    assert in_sql.versions.find(in_sql.table).snapshot == second.snapshot
    for ask in (
        lambda: in_sql.versions.tag(second, "closed"),
        lambda: in_sql.versions.find(f"{in_sql.table}@closed"),
        lambda: in_sql.versions.find(f"{in_sql.table}@2026-01-01T00:00:00Z"),
        lambda: in_sql.versions.find(f"{in_sql.table}@{first.snapshot}"),
    ):
        with pytest.raises(Misconfigured, match=r"keeps its newest (version )?only|no tag closed; its tags are none"):
            ask()


@pytest.mark.parametrize("kind", ["folder", "Iceberg"])
def test_from_a_shell_versions_are_listed_and_readers_go_back_to_one_with_a_reason(kind, folder, capsys):
    dataset = folder if kind == "folder" else Dataset("shop.orders")
    first, second = dataset.land("01", [1, 2]), dataset.land("02", [3])
    dataset.versions.tag(first, "closed")
    assert main(["rollback-data", f"{dataset.table}@closed", "--reason", " "]) == MISTAKE
    assert "a reason was wanted" in capsys.readouterr().err
    assert main(["rollback-data", f"{dataset.table}@closed", "--reason", "wrong prices", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    (kept,) = Objects.configured().all_json("rollbacks/")
    assert kept == done
    assert (done["before"], done["version"], done["reason"], done["done"]) == (
        f"{dataset.table}@{second.snapshot}", f"{dataset.table}@{first.snapshot}", "wrong prices", True,
    )  # fmt: skip
    assert main(["versions", dataset.table, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["version"], one["tags"], one["seen"]) for one in told["versions"]] == [
        (done["version"], ["closed"], True), (done["before"], [], False),
    ]  # fmt: skip
    assert [(one["batch"], one["rows"]) for one in told["quarantined"]] == [("02", 1)]
    assert main(["rollback-data", done["before"], "--reason", "forward"]) == MISTAKE
    assert main(["versions", dataset.table]) == main(["rollback-data", done["version"], "--reason", "again"]) == 0
    assert "in quarantine: batch 02, 1 rows" in capsys.readouterr().out


def test_a_table_of_a_database_tells_of_its_one_version(in_sql, capsys):
    in_sql.land("01", [1])
    newest = in_sql.land("02", [2])
    assert main(["versions", in_sql.table, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["versions"]
    assert (told["version"], told["tags"], told["seen"]) == (f"{in_sql.table}@{newest.snapshot}", [], True)


def test_the_operator_goes_back_and_is_finished_by_its_retry(folder, monkeypatch):
    from types import SimpleNamespace

    from airflow.sdk.execution_time.context import OutletEventAccessors

    from xops.operators.versions import RollbackDatasetOperator

    first = folder.land("01", [1])
    folder.land("02", [2])
    ti = SimpleNamespace(dag_id="shop", run_id="r", task_id="back", map_index=-1, try_number=1)
    context = {"ti": ti, "outlet_events": OutletEventAccessors(), "params": {}}
    back = RollbackDatasetOperator(task_id="back", version=first.to_json(), reason="wrong prices")
    whole = type(folder.store).roll_back

    def killed(*given):
        whole(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(type(folder.store), "roll_back", killed)
        back.execute(context)
    done = back.execute(context)
    assert (done["by"], done["done"], done["before"] != done["version"]) == ("shop/r/back", True, True)
    assert [one.batch for one in folder.store.quarantined(folder.table)] == ["02"]


def test_a_version_that_readers_went_back_to_does_not_expire_by_the_day_they_left_it(folder):
    first = folder.land("01", [1])
    folder.land("02", [2])
    folder.store.roll_back(first)
    folder.land("03", [3])
    look = PrefixExpiry().look(folder.table)
    until = {one.snapshot: one.until for one in look.versions}
    assert len(until) == len(look.versions)
    left = folder.versions.shown_since(folder.store.published(folder.table))
    assert abs((until[first.snapshot] - left).total_seconds()) < 1


def test_two_versions_of_a_prefix_are_compared_and_files_of_both_are_not_read(folder, monkeypatch):
    first = folder.land("01", [1, 2], [1.0, 2.0])
    folder.land("02", [3])
    read = folder.store.rows
    folder.land("02", [4, 5], note=["x", None])
    monkeypatch.setattr(type(folder.store), "rows", lambda *_, **__: pytest.fail("read as a whole"))
    found = folder.diff(f"{folder.table}@{first.snapshot}", folder.table)
    monkeypatch.undo()
    assert (found.rows_before, found.rows_after, found.added, found.removed, found.changed) == (2, 4, 2, 0, 0)
    assert [(change.column, change.change) for change in found.schema] == [("note", "added")]
    folder.land("01", [1, 7], [9.0, 2.0])
    found = folder.diff(f"{folder.table}@{first.snapshot}", folder.table)
    assert (found.added, found.removed, found.changed, dict(found.by_column)) == (3, 1, 1, {"amount": 1})
    assert read(folder.versions.find(folder.table)).num_rows == 4


def test_what_waits_is_compared_with_what_readers_see_of_its_batch(dataset):
    dataset.land("01", [1, 2, 3])
    dataset.land("02", [9])
    staged = dataset.stage("01", [1, 2, 4], [1.0, 5.0, 1.0])
    found = dataset.diff(dataset.table, f"{dataset.table}@{staged.snapshot}")
    assert (found.rows_before, found.added, found.removed, found.changed) == (3, 1, 1, 1)


def test_a_shell_compares_two_versions(folder, capsys):
    first = folder.land("01", [1, 2])
    folder.land("02", [3])
    names = [f"{folder.table}@{first.snapshot}", folder.table]
    assert main(["diff", *names, "--key", "id", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows_before"], said["added"], said["rows_after"], said["keys"]) == (2, 1, 3, {})
    assert main(["diff", *names, "--key", "id", "--profile", "--show-keys"]) == 0
    shown = capsys.readouterr().out
    assert "added: id 3" in shown
    assert "distinct" in shown
    assert main(["diff", *names, "--key", "no"]) == MISTAKE
    assert "has no column no to be the key; it has id, amount, batch" in capsys.readouterr().err


def test_the_sensors_find_versions_and_their_age(dataset):
    where = {"iceberg_conn_id": "iceberg_default"}
    assert version_there(version=dataset.table, batch="", after=None, **where) is None
    assert fresh_data(table=dataset.table, within=60, **where) is None
    version = dataset.land("01", [1])
    found = version_there(version=dataset.table, batch="01", after=None, **where)
    assert found["snapshot"] == version.snapshot
    assert version_there(version=dataset.table, batch="02", after=None, **where) is None
    assert version_there(version=dataset.table, batch="", after=found, **where) is None
    fresh = fresh_data(table=dataset.table, within=60, **where)
    assert dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(fresh["published_at"]) < dt.timedelta(seconds=60)
    assert fresh_data(table=dataset.table, within=0, **where) is None


def test_what_is_staged_read_and_published_is_told_with_its_columns(dataset, request):
    with tracing() as trace:
        staged = dataset.stage("01", [1, 2], [1.0, None])
        dataset.store.rows(staged)
        published = dataset.store.publish(staged)
    landed, read, *_ = trace.inputs
    wrote, shown = trace.outputs
    assert (landed.place.namespace, landed.place.name) == ("file", "/landing/a.csv")
    assert (wrote.version, shown.version) == (staged.snapshot, published.snapshot)
    assert wrote.made_from["amount"][0].column == "amount"
    assert (read.rows, read.nulls["amount"]) == (2, 1)
    if "postgres" in request.fixturenames:
        assert wrote.place.namespace.startswith("postgres://")
        assert wrote.place.name.endswith("shop.orders")
    else:
        assert wrote.place.uri == f"file://{dataset.table}"


def test_a_batch_may_add_a_column_to_a_table_where_that_is_allowed(in_sql, postgres):
    in_sql.land("01", [1])
    for write, said in ((Write.of("append"), "note is string, the table has no such column"), (EVOLVING, "")):
        if said:
            with pytest.raises(Misconfigured, match=said):
                in_sql.land("02", [2], note=["x"], write=write)
        else:
            in_sql.land("02", [2], note=["x"], write=write)
    in_sql.land("03", [3])
    seen = in_sql.store.rows(in_sql.store.published(in_sql.table)).sort_by("id")
    assert seen["note"].to_pylist() == [None, "x", None]
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select is_nullable from information_schema.columns where column_name = 'note'"
                       " and table_schema = 'shop'")  # fmt: skip
        assert cursor.fetchall() == [("YES",)]


def test_a_prefix_widens_a_type_where_that_is_allowed_and_never_changes_it(folder):
    def land(batch, kind, write=EVOLVING, values=(1, 2)):
        rows = pa.table({"n": pa.array(values, kind)})
        return folder.store.publish(folder.store.stage(rows, table=folder.table, batch=batch, write=write))

    land("01", pa.int32())
    with pytest.raises(Misconfigured, match="n is int64, the dataset has int32"):
        land("02", pa.int64(), Write.of("append"))
    land("02", pa.int64())
    land("03", pa.int16(), Write.of("append"))
    seen = folder.store.rows(folder.store.published(folder.table))
    assert (str(seen.schema.field("n").type), sorted(seen["n"].to_pylist())) == ("int64", [1, 1, 1, 2, 2, 2])
    with pytest.raises(Misconfigured, match="n is string, the dataset has int64"):
        land("04", pa.string(), values=["a", "b"])


def test_a_name_with_a_quote_or_a_percent_is_a_column_like_any_other(in_sql):
    in_sql.land("01", [1])
    in_sql.land("02", [2], **{'a "b" %(c)s :d': ["x"]})
    seen = in_sql.store.rows(in_sql.store.published(in_sql.table)).sort_by("id")
    assert seen['a "b" %(c)s :d'].to_pylist() == [None, "x"]


# Let go of


@pytest.fixture
def expire(dataset):
    """Give a function that expires what readers have not seen for an hour, some days from now."""

    def run(days, **more):
        now, hour = dt.datetime.now(dt.UTC) + dt.timedelta(days=days), dt.timedelta(hours=1)
        given = {"older_than": hour, "evidence_of": hour, "grace": dt.timedelta(days=3), "now": now} | more
        kind = expirable(dataset.table, iceberg_conn_id="iceberg_default")
        return VersionExpiry(kind, (), Objects.configured()).expire(dataset.table, **given)

    return run


def files_of(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*.*") if path.is_file()}


@pytest.mark.parametrize("dataset", ["folder"], indirect=True)
def test_of_a_prefix_what_readers_tags_and_quarantine_need_stays_and_the_rest_goes(dataset, expire):
    tagged, gone, newest = dataset.land("01", [1]), dataset.land("01", [2]), dataset.land("01", [3])
    dataset.versions.tag(tagged, "closed")
    dataset.store.quarantine(dataset.stage("02", [4]))
    dataset.stage("03", [5])
    waits = dataset.stage("03", [6])
    orphan = Path(dataset.table, "data", "04", "killed.parquet")
    orphan.parent.mkdir()
    orphan.write_bytes(b"PAR1")
    assert expire(100, dry_run=True).plan.expired == expire(100, dry_run=True).plan.expired != ()
    done = expire(100)
    assert gone.snapshot in done.plan.expired
    assert len(done.plan.expired) == 2  # and the delivery that another one of its batch overtook
    assert (len(done.files), done.waiting > 0) == (0, True)
    assert len(expire(104).files) == done.waiting
    assert not orphan.exists()
    for version, ids in ((tagged, [1]), (newest, [3]), (waits, [6]), *((one, [4]) for one in aside(dataset))):
        assert dataset.store.rows(version)["id"].to_pylist() == ids
    with pytest.raises(Misconfigured, match="there is no such version, or it has expired"):
        dataset.store.rows(gone)
    assert dataset.store.versions(dataset.table) == [
        DataVersion(dataset.table, one.snapshot) for one in (tagged, newest)
    ]
    assert sum(name.startswith("data") for name in files_of(dataset.table)) == 4
    dataset.land("01", [7])
    assert dataset.store.rows(dataset.versions.find(f"{dataset.table}@closed"))["id"].to_pylist() == [1]
    assert expire(104).files == ()


def aside(dataset):
    return dataset.store.quarantined(dataset.table)


@pytest.mark.parametrize("dataset", ["folder"], indirect=True)
def test_a_version_of_a_prefix_that_evidence_names_or_that_comes_while_others_go_stays(dataset, expire, monkeypatch):
    first, second, third = (dataset.land("01", [number]) for number in (1, 2, 3))
    finding = Finding("rows", "dataset", Outcome.PASS, 1)
    EvidenceStore().record(Verdict("data_test", first.name, (finding,)), origin=Origin("d", "r", "t"), about="a")
    landed, forget = [], PrefixExpiry.forget

    def overtaken(*given):
        if not landed:
            landed.append(dataset.land("02", [4]))
        return forget(*given)

    monkeypatch.setattr(PrefixExpiry, "forget", overtaken)
    done = expire(100, evidence_of=dt.timedelta(days=101))
    assert done.plan.expired == (second.snapshot, third.snapshot)
    assert dataset.store.rows(first).num_rows == 1
    assert dataset.store.rows(DataVersion(dataset.table, landed[0].snapshot)).num_rows == 2


@pytest.mark.parametrize("dataset", ["in_sql"], indirect=True)
def test_of_a_table_deliveries_go_that_were_overtaken(dataset, expire, postgres):
    overtaken, waits = dataset.stage("01", [1]), dataset.stage("01", [2])
    dataset.store.quarantine(dataset.stage("02", [3]))
    assert expire(100).plan.expired == (overtaken.snapshot,)
    assert dataset.store.rows(waits)["id"].to_pylist() == [2]
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from information_schema.tables where table_name like 'part!_%' escape '!'")
        assert cursor.fetchall() == [(2,)]
    dataset.store.publish(waits)
    assert expire(100).plan.expired == ()
