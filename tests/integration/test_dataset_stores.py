"""Parquet prefixes and SQL tables as datasets: no reader sees a row before it may, and none is lost or doubled."""

import contextlib
import json
import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg2
import pyarrow as pa
import pytest
import sqlalchemy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from xops.core.dataset.writes import Write
from xops.core.errors import Misconfigured, Refused, Unavailable
from xops.engines.streams import table_of
from xops.hooks.datasets.store import store_of
from xops.hooks.store.objects import Objects

pytestmark = pytest.mark.integration

KINDS = ["folder", "S3", "SQL"]
OVERWRITE = Write.of("overwrite", ["day"])
UPSERT = Write.of("upsert", ["id"])


class Dataset:
    """A dataset, and what a test asks of it."""

    def __init__(self, table):
        self.table, self.store = table, store_of(table, iceberg_conn_id="iceberg_default")
        self.name = table.rpartition("/")[2]

    def stage(self, batch, ids, *, day=1, ok=True, **more):
        rows = pa.table({
            "id": pa.array(ids, pa.int64()), "day": pa.array([day] * len(ids), pa.int64()), "ok": [ok] * len(ids),
        })  # fmt: skip
        return self.store.stage(rows, table=self.table, batch=batch, **more)

    def land(self, batch, ids, **more):
        return self.store.publish(self.stage(batch, ids, **more))

    def seen(self):
        """Give the ids that a reader sees, by batch."""
        version = self.store.published(self.table)
        seen = {}
        for row in self.store.rows(version).to_pylist() if version else ():
            seen.setdefault(row["batch"], []).append(row["id"])
        return {batch: sorted(ids) for batch, ids in seen.items()}

    def aside(self):
        """Give the ids in quarantine, by batch."""
        aside = {}
        for version in self.store.quarantined(self.table):
            aside.setdefault(version.batch, []).extend(self.store.rows(version)["id"].to_pylist())
        return {batch: sorted(ids) for batch, ids in aside.items()}

    def parted(self, version, failing):
        """Give rows of a version that pass and that fail."""
        rows = self.store.rows(version)
        wrong = pa.array([row in failing for row in rows["id"].to_pylist()])
        return {"passing": rows.filter(pa.compute.invert(wrong)), "failing": rows.filter(wrong)}


def new_dataset(kind, tmp_path):
    name = f"d{secrets.token_hex(6)}"
    return Dataset({"folder": f"{tmp_path}/{name}", "S3": f"s3://xops_s3@evidence/{name}"}.get(
        kind, f"sql://postgres_default/shop.{name}"
    ))  # fmt: skip


@pytest.fixture(params=KINDS)
def dataset(request, tmp_path):
    if request.param == "S3":
        request.getfixturevalue("s3_at")(request.getfixturevalue("moto"))
    if request.param == "SQL":
        request.getfixturevalue("postgres")
    return new_dataset(request.param, tmp_path)


@pytest.fixture
def in_sql(postgres, tmp_path):
    return new_dataset("SQL", tmp_path)


def test_a_staged_batch_is_seen_by_nobody_until_it_is_published(dataset):
    staged = dataset.stage("2013-01", [1, 2], source="here")
    assert dataset.store.published(dataset.table) is None
    assert dataset.store.rows(staged, columns=["id"]).to_pydict() == {"id": [1, 2]}
    assert dataset.store.rows(staged, batches=["2013-01"])["batch"].to_pylist() == ["2013-01"] * 2
    assert dataset.store.source(staged) == "here"
    published = dataset.store.publish(staged)
    assert dataset.seen() == {"2013-01": [1, 2]}
    assert (published.batch, published.branch, published.rows) == ("2013-01", "", 2)
    assert dataset.store.published(dataset.table).snapshot == published.snapshot
    assert dataset.store.schema(published).names == ["id", "day", "ok", "batch"]


def test_rows_are_read_in_pieces_and_in_the_same_order_each_time(dataset, monkeypatch):
    monkeypatch.setattr("xops.hooks.landing.sql_rows._ROWS", 2)
    monkeypatch.setattr("xops.hooks.datasets.parquet_prefixes.BATCH_ROWS", 2)
    stream = dataset.store.stream(dataset.stage("2013-01", [5, 3, 4, 1, 2]))
    assert [batch.column("id").to_pylist() for batch in stream.batches(["ok", "id"])] == [[5, 3], [4, 1], [2]]
    assert table_of(stream)["id"].to_pylist() == [5, 3, 4, 1, 2]
    assert stream.num_rows == 5


def test_publishing_again_changes_nothing(dataset):
    staged = dataset.stage("2013-01", [1, 2])
    once = dataset.store.publish(staged)
    dataset.land("2013-02", [3])
    assert dataset.store.publish(staged) == once
    assert dataset.seen() == {"2013-01": [1, 2], "2013-02": [3]}


def test_a_batch_delivered_again_takes_the_place_of_the_former(dataset):
    first = dataset.stage("2013-01", [1, 2])
    dataset.land("2013-01", [1, 3])
    with pytest.raises(Refused, match="a later delivery of batch 2013-01 was published"):
        dataset.store.publish(first)
    dataset.land("2013-02", [4])
    dataset.land("2013-01", [5])
    assert dataset.seen() == {"2013-01": [5], "2013-02": [4]}


def test_a_batch_set_aside_keeps_every_row_and_is_not_published(dataset):
    dataset.land("2013-01", [1])
    bad = dataset.stage("2013-02", [2, 3], ok=False)
    assert dataset.store.quarantine(bad) == dataset.store.quarantine(bad)
    with pytest.raises(Misconfigured, match="in quarantine"):
        dataset.store.publish(bad)
    assert dataset.seen() == {"2013-01": [1]}
    assert dataset.aside() == {"2013-02": [2, 3]}
    with pytest.raises(Refused, match="it was published"):
        dataset.store.quarantine(landed(dataset, "2013-03", [4]))


def landed(dataset, batch, ids):
    staged = dataset.stage(batch, ids)
    dataset.store.publish(staged)
    return staged


def test_failing_rows_are_set_aside_and_released_when_they_pass(dataset):
    staged = dataset.stage("2013-01", [1, 2, 3, 4])
    parts = dataset.parted(staged, {3, 4})
    kept = dataset.store.split(staged, **parts)
    assert dataset.store.split(staged, **parts) == kept
    assert dataset.store.publish(kept).rows == 2
    assert (dataset.seen(), dataset.aside()) == ({"2013-01": [1, 2]}, {"2013-01": [3, 4]})
    (waiting,) = dataset.store.quarantined(dataset.table)
    assert table_of(dataset.store.beside(waiting))["id"].to_pylist() == [1, 2]
    again = dataset.parted(waiting, {4})
    released = dataset.store.release(waiting, **again)
    assert dataset.store.release(waiting, **again) == released
    assert (dataset.seen(), dataset.aside()) == ({"2013-01": [1, 2, 3]}, {"2013-01": [4]})


def test_rows_of_an_earlier_delivery_are_not_released_over_a_later_one(dataset):
    bad = dataset.stage("2013-01", [1, 2])
    dataset.store.quarantine(bad)
    dataset.land("2013-01", [5])
    (waiting,) = dataset.store.quarantined(dataset.table)
    assert dataset.store.beside(waiting) is None
    with pytest.raises(Refused, match="a later delivery of batch 2013-01 was published"):
        dataset.store.release(waiting, **dataset.parted(waiting, set()))
    assert (dataset.seen(), dataset.aside()) == ({"2013-01": [5]}, {"2013-01": [1, 2]})


def test_an_overwrite_takes_the_place_of_the_rows_of_its_partitions(dataset):
    dataset.land("a", [1, 2], day=1, write=OVERWRITE)
    dataset.land("b", [3], day=2, write=OVERWRITE)
    dataset.land("c", [4], day=1, write=OVERWRITE)
    assert dataset.seen() == {"b": [3], "c": [4]}


def test_an_upsert_takes_the_place_of_earlier_rows_and_yields_to_later_ones(dataset):
    dataset.land("2013-01", [1, 2], write=UPSERT)
    dataset.land("2013-03", [2, 3], write=UPSERT)
    late = dataset.land("2013-02", [1, 3, 4], write=UPSERT)
    assert dataset.seen() == {"2013-02": [1, 4], "2013-03": [2, 3]}
    assert late.rows == 2


def test_rows_that_an_upsert_cannot_place_are_refused(dataset):
    for ids, unplaced in (([1, 1], 2), ([1, None], 1)):
        staged = dataset.stage("2013-01", ids, write=UPSERT)
        with pytest.raises(Refused, match=f"{unplaced} of 2 rows have no value in id or share it"):
            dataset.store.publish(staged)
    assert dataset.seen() == {}


def test_what_does_not_fit_is_refused_and_changes_nothing(dataset):
    dataset.land("2013-01", [1])
    rows = {"id": pa.array(["x"]), "day": pa.array([1]), "ok": [True]}
    for wrong, said in (
        (rows, "id is string, the"),
        ({"id": [1]}, "day is absent, the"),
        ({**rows, "id": [1], "more": [1]}, "more is int64, the .* has no such column"),
        ({**rows, "id": pa.array([], "int64"), "day": pa.array([], "int64"), "ok": pa.array([], "bool")}, "no rows"),
        ({**rows, "id": [1], "batch": ["other"]}, "that name is taken"),
    ):
        with pytest.raises(Misconfigured, match=said):
            dataset.store.stage(pa.table(wrong), table=dataset.table, batch="2013-02")
    with pytest.raises(Misconfigured, match="has no column nothing to upsert by"):
        dataset.stage("2013-02", [1], write=Write.of("upsert", "nothing"))
    with pytest.raises(Misconfigured, match="no column nothing; it has id"):
        dataset.store.rows(dataset.store.published(dataset.table), columns=["nothing"])
    assert (dataset.seen(), dataset.aside()) == ({"2013-01": [1]}, {})


def test_two_batches_that_are_published_at_once_both_land(dataset):
    batches = [f"2013-{month:02}" for month in range(1, 7)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda pair: dataset.land(pair[1], [pair[0]]), enumerate(batches)))
    assert dataset.seen() == {batch: [place] for place, batch in enumerate(batches)}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def kill_at(monkeypatch):
    """Give a function that ends the process at the n-th call that changes or asks the store, before or after it."""
    state = {"left": 0}

    def dying(original):
        def call(*given, **more):
            state["left"] -= 1
            if state["left"] == 0:
                raise Killed
            answer = original(*given, **more)
            state["left"] -= 1
            if state["left"] == 0:
                raise Killed
            return answer

        return call

    for name in ("put", "create", "delete"):
        monkeypatch.setattr(Objects, name, dying(getattr(Objects, name)))
    monkeypatch.setattr(sqlalchemy.Connection, "execute", dying(sqlalchemy.Connection.execute))

    def kill(call):
        state["left"] = call

    return kill


def test_a_process_killed_anywhere_is_finished_by_its_retry(dataset, kill_at):
    store = dataset.store
    dataset.land("2013-00", [9, 10], write=UPSERT)
    steps = {
        "stage": lambda _: dataset.stage("2013-01", [1, 2, 3, 9], write=UPSERT),
        "split": lambda made: store.split(made["stage"], **made["parts"]),
        "publish": lambda made: store.publish(made["split"]),
        "release": lambda made: (
            store.release(store.quarantined(dataset.table)[0], **made["again"])
            if store.quarantined(dataset.table)
            else None
        ),
    }
    made, killed = {}, 0
    for name, step in steps.items():
        for call in (*range(1, 20), *range(20, 400, 7)):
            kill_at(call)
            try:
                made[name] = step(made)
            except Killed:
                killed += 1
                continue
            break
        kill_at(0)
        if name == "stage":
            made["parts"] = dataset.parted(made["stage"], {3})
        if name == "publish":
            assert (dataset.seen(), dataset.aside()) == ({"2013-00": [10], "2013-01": [1, 2, 9]}, {"2013-01": [3]})
            made["again"] = dataset.parted(store.quarantined(dataset.table)[0], set())
    assert (dataset.seen(), dataset.aside()) == ({"2013-00": [10], "2013-01": [1, 2, 3, 9]}, {})
    assert killed > 4


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["land", "land", "fail", "split", "release", "again", "back"]),
        st.integers(0, 2),
        st.integers(1, 3),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(actions=ACTIONS)
@example(actions=[("land", 0, 1), ("land", 0, 1), ("back", 1, 1), ("release", 0, 1), ("again", 1, 1)])
def test_every_row_is_published_or_in_quarantine_and_no_failed_row_is_seen(tmp_path, actions):
    dataset = new_dataset("folder", tmp_path)
    seen, aside, done, number, delivery, then = {}, Counter(), [], 0, {}, {}
    for action, place, rows in actions:
        batch, ids = f"b{place}", list(range(number, number + rows + 1))
        delivery |= dict.fromkeys(ids, number)
        number += rows + 1
        if action == "land":
            staged = dataset.stage(batch, ids)
            done.append((staged, dataset.store.publish(staged)))
            seen[batch] = ids
        elif action == "fail":
            dataset.store.quarantine(dataset.stage(batch, ids, ok=False))
            aside.update(ids)
        elif action == "split":
            staged = dataset.stage(batch, ids)
            dataset.store.publish(dataset.store.split(staged, **dataset.parted(staged, {ids[-1]})))
            seen[batch] = ids[:-1]
            aside.update(ids[-1:])
        elif action == "again" and done:
            staged, published = done[place % len(done)]
            with contextlib.suppress(Refused):  # it was rolled back
                assert dataset.store.publish(staged) == published
        elif action == "release":
            for waiting in dataset.store.quarantined(dataset.table)[:1]:
                rows_of = dataset.parted(waiting, set())
                try:
                    released = dataset.store.release(waiting, **rows_of)
                except Refused:
                    continue
                done = [(one, released if one.snapshot == waiting.snapshot else was) for one, was in done]
                ids = rows_of["passing"]["id"].to_pylist()
                aside.subtract(ids)
                there = seen.get(waiting.batch, [])
                seen[waiting.batch] = [*(row for row in there if delivery[row] == delivery[ids[0]]), *ids]
        elif action == "back" and then:
            version = list(then)[-1 - place % len(then)]
            with contextlib.suppress(Misconfigured):  # it was rolled back itself
                dataset.store.roll_back(version)
                aside.update(
                    {row for ids in seen.values() for row in ids}
                    - {row for ids in then[version].values() for row in ids}
                )
                seen = dict(then[version])
        if seen:
            then[dataset.store.published(dataset.table)] = dict(seen)
        assert dataset.seen() == {batch: sorted(ids) for batch, ids in seen.items()}
        assert Counter(id_ for ids in dataset.aside().values() for id_ in ids) == +aside


def test_every_version_that_was_published_can_be_read_again(tmp_path):
    dataset = new_dataset("folder", tmp_path)
    first, second = dataset.land("2013-01", [1]), dataset.land("2013-01", [2])
    assert [version.snapshot for version in dataset.store.versions(dataset.table)] == [first.snapshot, second.snapshot]
    assert dataset.store.rows(first)["id"].to_pylist() == [1]
    assert len(first.snapshot) == 64


def test_a_column_that_a_batch_may_add_is_null_in_earlier_rows(tmp_path):
    dataset = new_dataset("folder", tmp_path)
    dataset.land("2013-01", [1])
    rows = pa.table({"id": [2], "day": [1], "ok": [True], "more": ["x"]})
    staged = dataset.store.stage(rows, table=dataset.table, batch="2013-02", write=Write.of("append", evolve=True))
    dataset.store.publish(staged)
    read = dataset.store.rows(dataset.store.published(dataset.table))
    assert dict(zip(read["id"].to_pylist(), read["more"].to_pylist(), strict=True)) == {1: None, 2: "x"}


def test_the_newest_manifest_names_the_files_for_any_reader(tmp_path):
    from pathlib import Path

    import pyarrow.parquet as pq

    dataset = new_dataset("folder", tmp_path)
    dataset.land("2013-01", [1, 2])
    dataset.store.quarantine(dataset.stage("2013-02", [3]))
    folder = Path(dataset.table)
    manifest = json.loads(max((folder / "manifests").iterdir()).read_text())
    assert [pq.read_table(folder / file)["id"].to_pylist() for file in manifest["files"]] == [[1, 2]]


def test_a_refused_put_while_staging_leaves_readers_alone_and_is_tried_again(tmp_path, monkeypatch):
    dataset = new_dataset("folder", tmp_path)
    dataset.land("2013-01", [1])

    def full(*_):
        raise Unavailable("dataset: No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Objects, "put", full)
        with pytest.raises(Unavailable, match="No space left"):
            dataset.stage("2013-02", [2])
    assert dataset.seen() == {"2013-01": [1]}
    dataset.land("2013-02", [2])
    assert dataset.seen() == {"2013-01": [1], "2013-02": [2]}


def test_a_reader_of_the_table_never_sees_half_a_batch_or_an_untested_row(in_sql, postgres):
    in_sql.land("2013-01", list(range(50)))
    address = in_sql.table.rpartition("/")[2]
    sums, stop = set(), threading.Event()

    def look():
        with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not stop.is_set():
                cursor.execute(f"select count(*), min(day), max(day), bool_and(ok) from {address}")
                sums.add(cursor.fetchone())

    reader = threading.Thread(target=look)
    reader.start()
    for day in range(2, 8):
        in_sql.store.quarantine(in_sql.stage("2013-01", [0, 1], ok=False))
        in_sql.land("2013-01", list(range(50)), day=day)
    stop.set()
    reader.join()
    assert {(count, ok) for count, _, _, ok in sums} == {(50, True)}
    assert all(least == most for _, least, most, _ in sums)
    assert len(sums) > 1


def test_a_table_that_somebody_made_is_written_with_its_own_types(in_sql, postgres):
    address = in_sql.table.rpartition("/")[2]
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(f"create schema if not exists shop; create table {address} "
                       "(id int primary key, day numeric(5, 1), ok boolean, batch varchar(20))")  # fmt: skip
    in_sql.land("2013-01", [1, 2])
    assert in_sql.seen() == {"2013-01": [1, 2]}
    with pytest.raises(Misconfigured, match="duplicate key"):
        in_sql.land("2013-02", [2, 3])
    assert in_sql.seen() == {"2013-01": [1, 2]}


def test_columns_that_a_table_makes_itself_need_not_be_delivered(in_sql, postgres):
    address = in_sql.table.rpartition("/")[2]
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"create schema if not exists shop; create table {address} (id bigint, day bigint, "
            "n bigint generated always as identity, twice bigint generated always as (day * 2) stored, "
            "ok boolean, batch text, said text not null default 'x')"
        )
    with pytest.raises(Misconfigured, match="table: said is absent, the table has TEXT"):
        in_sql.land("2013-01", [1])
    in_sql.land("2013-01", [7, 8], write=Write.of("append", evolve=True))
    rows = in_sql.store.rows(in_sql.store.published(in_sql.table)).to_pylist()
    assert [(row["n"], row["id"], row["twice"], row["said"]) for row in rows] == [(1, 7, 2, "x"), (2, 8, 2, "x")]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("numeric(10, 2)", pa.array(["1.2345"]).cast(pa.decimal128(5, 4))),
        ("real", pa.array([1.1])),
        ("real", pa.array([2**25 + 1], pa.int32())),
        ("double precision", pa.array([2**53 + 1])),
        ("timestamp(0)", pa.array([1_500_000], pa.timestamp("us"))),
        ("time(3)", pa.array([1], pa.time64("us"))),
        ("timestamp", pa.array([0], pa.timestamp("us", "UTC"))),
        ("timestamptz", pa.array([0], pa.timestamp("us"))),
        ("mood", pa.array(["a"])),
        ("uuid", pa.array(["a"])),
        ("int[]", pa.array(["{}"])),
    ],
)
def test_what_a_column_would_change_or_not_take_once_it_was_tested_is_refused_before(in_sql, postgres, column, values):
    made_in(postgres, f"create type mood as enum ('a'); create table {in_sql.name} (at {column}, batch text)")
    with pytest.raises(Misconfigured, match="does not fit the table: at is "):
        in_sql.store.stage(pa.table({"at": values}), table=in_sql.table, batch="2013-01")


def test_a_table_may_have_columns_of_types_that_arrow_has_not(in_sql, postgres):
    made_in(
        postgres,
        "create type mood as enum ('a'); create domain few as bigint check (value < 9); "
        f"create table {in_sql.name} (id few, day bigint, ok boolean, batch text, price numeric default 1.25, "
        "ids int[] default '{1,2}', mood mood default 'a', at interval default '1 day', ip inet default '::1', "
        "key uuid default '00000000-0000-0000-0000-000000000001', said jsonb default '{}', place point)",
    )
    version = in_sql.land("2013-01", [1], write=Write.of("append", evolve=True))
    (row,) = in_sql.store.rows(in_sql.store.published(in_sql.table)).to_pylist()
    assert in_sql.store.schema(version).names == list(row)
    assert row == {
        "id": 1, "day": 1, "ok": True, "batch": "2013-01", "price": Decimal("1.25"), "ids": "{1,2}", "mood": "a",
        "at": "1 day", "ip": "::1/128", "key": "00000000-0000-0000-0000-000000000001", "said": "{}", "place": None,
    }  # fmt: skip


def test_a_row_that_the_table_refuses_is_not_in_what_is_said(in_sql, postgres):
    made_in(postgres, f"create table {in_sql.name} (id bigint check (id < 9), day bigint, ok boolean, batch text)")
    with pytest.raises(Misconfigured, match="violates check constraint") as refused:
        in_sql.land("2013-01", [1, 4711])
    assert "4711" not in str(refused.value)
    assert in_sql.seen() == {}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"n" * 64: [1]}, "a column's name of at most 63 bytes, none of them zero, was wanted; found"),
        ({"a\0b": [1]}, "none of them zero"),
        ({f"c{place}": [1] for place in range(1700)}, "at most 1600 columns"),
        (
            {"x": pa.array([1]).cast(pa.decimal256(50, 2))},
            r"column x is decimal256\(50, 2\), which an SQL table has no",
        ),
    ],
)
def test_columns_that_no_table_holds_are_a_mistake_and_not_an_outage(in_sql, columns, said):
    with pytest.raises(Misconfigured, match=said):
        in_sql.store.stage(pa.table(columns), table=in_sql.table, batch="2013-01")


def made_in(postgres, statements):
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(f"create schema if not exists shop; {statements}")


@pytest.mark.parametrize("values", [pa.array([1], pa.timestamp("ns")), pa.array([1], pa.time64("ns"))])
def test_a_moment_that_a_table_of_a_database_cannot_hold_is_refused_and_not_cut(in_sql, values):
    with pytest.raises(Misconfigured, match=r"column at: .* would lose data"):
        in_sql.store.stage(pa.table({"at": values}), table=in_sql.table, batch="2013-01")
    whole = pa.table({"at": pa.array([3000], values.type)})
    staged = in_sql.store.stage(whole, table=in_sql.table, batch="2013-01")
    assert in_sql.store.rows(staged, columns=["at"])["at"].cast(values.type).to_pylist() == whole["at"].to_pylist()


def test_an_address_of_no_dataset_is_named():
    for address in ("sql://postgres_default", "sql://c/a.b.c"):
        with pytest.raises(Misconfigured, match="an address of the form sql://conn_id/"):
            Dataset(address).stage("2013-01", [1])
    with pytest.raises(Misconfigured, match="nonsense"):
        Dataset("nonsense://here").stage("2013-01", [1])


def test_the_operators_set_bad_rows_aside_and_release_them_whatever_the_dataset_is_made_of(dataset, tmp_path):
    from types import SimpleNamespace

    from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator
    from xops.operators.quarantine import ReleaseQuarantineOperator

    def run(operator):
        ti = SimpleNamespace(
            dag_id="shop", run_id="r", task_id=operator.task_id, map_index=-1, try_number=1, xcom_push=lambda **_: None
        )
        return operator.execute({"ti": ti})

    def suite(most):
        between = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "id", "max_value": most}}
        (tmp_path / "suite.json").write_text(json.dumps({"name": "ids", "expectations": [between]}))
        return str(tmp_path / "suite.json")

    (tmp_path / "landed.csv").write_text("id,name\n1,a\n2,b\n30,c\n")
    where = {"source": str(tmp_path / "landed.csv"), "table": dataset.table, "batch": "2013-01"}
    staged = run(StageDataOperator(task_id="stage", types={"id": "int64"}, **where))
    tested = run(DataTestOperator(task_id="test", version=staged, suite=suite(9), gate="record"))
    publish = PublishDataOperator(task_id="publish", version=staged, verdicts=[tested], on_fail="quarantine_rows")
    assert run(publish)["rows"] == 2
    assert (dataset.seen(), dataset.aside()) == ({"2013-01": [1, 2]}, {"2013-01": [30]})
    (waiting,) = dataset.store.quarantined(dataset.table)
    assert json.loads(dataset.store.source(waiting))["files"][0]["bytes"] == 21
    released = run(ReleaseQuarantineOperator(task_id="release", table=dataset.table, suite=suite(99)))
    assert (released["released_rows"], released["kept_rows"]) == (1, 0)
    assert (dataset.seen(), dataset.aside()) == ({"2013-01": [1, 2, 30]}, {})


@pytest.fixture(params=["Iceberg", "folder", "SQL"])
def any_kind(request, tmp_path):
    if request.param == "SQL":
        request.getfixturevalue("postgres")
    return Dataset("shop.orders") if request.param == "Iceberg" else new_dataset(request.param, tmp_path)


def test_a_batch_for_a_given_partition_overwrites_that_one_and_has_no_row_of_another(any_kind):
    monday, tuesday = (Write.of("overwrite", {"day": day}) for day in (1, 2))
    any_kind.land("a", [1, 2], day=1, write=monday)
    any_kind.land("b", [3], day=2, write=tuesday)
    any_kind.land("c", [4], day=1, write=monday)
    assert any_kind.seen() == {"b": [3], "c": [4]}
    with pytest.raises(Misconfigured, match="it is for the partition day 2, and has rows of another"):
        any_kind.stage("d", [5], day=1, write=tuesday)
    with pytest.raises(Misconfigured, match="day is int64, and Monday is none"):
        any_kind.stage("d", [5], day=1, write=Write.of("overwrite", {"day": "Monday"}))
    rows = pa.table({"id": [6], "ok": [True]})
    any_kind.store.publish(any_kind.store.stage(rows, table=any_kind.table, batch="e", write=tuesday))
    assert any_kind.seen() == {"c": [4], "e": [6]}
