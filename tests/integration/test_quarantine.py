"""Batches that do not pass: set aside whole or by rows, tested again, released; each row is in one place at a time."""

import contextlib
import json
import random

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.cases.shop import KNOWN, MANY, POSITIVE, UNIQUE, Lake, Shop
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Refused
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.objects import Objects

pytestmark = pytest.mark.integration


@pytest.fixture
def lake(request, tmp_path):
    kind = getattr(request, "param", "Iceberg")
    if kind == "SQL":
        request.getfixturevalue("postgres")
    return Lake(
        {"Iceberg": "shop.orders", "folder": f"{tmp_path}/orders"}.get(kind, "sql://postgres_default/shop.orders")
    )


every_kind = pytest.mark.parametrize("lake", ["Iceberg", "folder", "SQL"], indirect=True)
versioned = pytest.mark.parametrize("lake", ["Iceberg", "folder"], indirect=True)  # an SQL table keeps its newest only


@pytest.fixture
def shop(tmp_path, lake):
    return Shop(tmp_path, lake.table)


def on_main(lake):
    version = lake.published()
    return sorted(lake.rows(version)["amount"].to_pylist(), key=str) if version else []


def aside(lake):
    """Give the amounts in quarantine."""
    rows = [lake.rows(version) for version in lake.quarantined()]
    return sorted((amount for table in rows for amount in table["amount"].to_pylist()), key=str)


def record():
    (found,) = Objects.configured().all_json("batches/")
    return found


@every_kind
def test_only_the_failing_rows_are_set_aside_and_the_others_published(shop, lake):
    published = shop.deliver(1.0, -2.0, 3.0, None, 5.0)
    assert on_main(lake) == [1.0, 3.0, 5.0]
    assert aside(lake) == [-2.0, None]
    assert published["rows"] == 3
    (kept,) = lake.quarantined()
    assert kept.rows == 2
    said = record()
    counts = [said[f"{what}_rows"] for what in ("published", "superseded", "quarantined")]
    assert (said["outcome"], said["rows"], counts) == ("published", 5, [3, 0, 2])
    assert json.loads(said["source"])["name"].endswith("batch.parquet")
    (suite,) = said["suites"]
    assert EvidenceStore().suite(suite)["name"] == "orders"
    assert [verdict.verdict.outcome for verdict in EvidenceStore().about("data_test", lake.table)] == ["fail", "pass"]


def test_rows_that_share_a_value_are_all_set_aside(shop, lake):
    shop.deliver(1.0, 2.0, 3.0, 4.0, ids=[7, 8, 7, 9])
    assert (on_main(lake), aside(lake)) == ([2.0, 4.0], [1.0, 3.0])


def test_the_rows_that_a_lenient_expectation_bears_are_published(shop, lake):
    lenient = {**POSITIVE, "kwargs": {**POSITIVE["kwargs"], "mostly": 0.5}}
    warning = {**KNOWN, "severity": "warning"}
    shop.deliver(1.0, -2.0, 3.0, None, suite=[lenient, warning])
    assert (on_main(lake), aside(lake)) == ([-2.0, 1.0, 3.0, None], [])


@pytest.mark.parametrize(
    ("amounts", "suite"),
    [
        pytest.param([1.0, -2.0], [POSITIVE, MANY], id="the table fails"),
        pytest.param([1.0, 2.0, -3.0], [POSITIVE, MANY], id="the table fails without the rows that fail"),
        pytest.param([-1.0, -2.0], [POSITIVE], id="each row fails"),
        pytest.param([None, None], [POSITIVE], id="nothing could be measured"),
        pytest.param(
            [1.0, -2.0], [{"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}],
            id="a figure fails",
        ),
        pytest.param(
            [1.0, -2.0], [{"type": "expect_column_values_to_be_increasing", "kwargs": {"column": "amount"}}],
            id="Great Expectations decides",
        ),
    ],
)  # fmt: skip
def test_where_it_is_not_single_rows_that_fail_the_batch_is_set_aside_whole(shop, lake, amounts, suite):
    said = shop.deliver(*amounts, suite=suite)
    assert f"is quarantined on branch quarantine-01-{record()['staged']} ({len(amounts)} rows)" in said
    assert (on_main(lake), len(aside(lake))) == ([], len(amounts))
    assert (record()["published_rows"], record()["quarantined_rows"]) == (0, len(amounts))


def test_a_batch_that_fails_stays_staged_where_that_is_wanted(shop, lake):
    said = shop.deliver(1.0, -2.0, on_fail="fail")
    assert "is not published (2 rows), main did not move" in said
    assert (on_main(lake), aside(lake), record()["outcome"]) == ([], [], "refused")
    assert "audit-01" in lake.store.table(lake.table).refs()


@every_kind
def test_a_batch_that_fails_is_published_where_failing_is_only_recorded_but_not_untested(shop, lake):
    staged = shop.stage(1.0, -2.0)
    with pytest.raises(AirflowFailException, match="check 1 of 1 left no verdict"):
        shop.publish(staged, None, on_fail="record")
    assert on_main(lake) == []
    shop.deliver(1.0, -2.0, batch="02", on_fail="record")
    assert on_main(lake) == [-2.0, 1.0]


def test_what_is_to_happen_to_a_batch_that_fails_has_a_name(shop, lake):
    assert "on_fail: quarantine_batch, quarantine_rows, fail, record was wanted, found 'drop'" in shop.deliver(
        1.0, on_fail="drop"
    )
    assert (on_main(lake), aside(lake)) == ([], [])


@every_kind
def test_an_earlier_delivery_of_a_batch_is_set_aside_when_a_later_one_was_published(shop, lake):
    first = shop.stage(1.0)
    tested = shop.test(first, POSITIVE)
    shop.deliver(2.0)
    with pytest.raises(AirflowFailException, match=r"is quarantined.*a later delivery of batch 01 was published"):
        shop.publish(first, tested)
    assert (on_main(lake), aside(lake)) == ([2.0], [1.0])


@every_kind
def test_an_upsert_that_shares_keys_is_set_aside(shop, lake):
    said = shop.deliver(1.0, 2.0, ids=[7, 7], mode="upsert", by=["id"], suite=[POSITIVE])
    assert "2 of 2 rows have no value in id or share it" in said
    assert (on_main(lake), aside(lake)) == ([], [1.0, 2.0])


@every_kind
def test_a_task_that_is_cleared_finds_what_it_did(shop, lake):
    staged = shop.stage(1.0, -2.0, 3.0)
    tested = shop.test(staged, POSITIVE)
    first = shop.publish(staged, tested, on_fail="quarantine_rows")
    assert shop.publish(staged, tested, on_fail="quarantine_rows") == first
    shop.release({**POSITIVE, "kwargs": {"column": "amount", "min_value": -5}})
    shop.publish(staged, tested, on_fail="quarantine_rows")
    assert (on_main(lake), aside(lake)) == ([-2.0, 1.0, 3.0], [])


@every_kind
@pytest.mark.parametrize("step", ["split", "publish"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_publication_in_part_that_is_killed_is_finished_by_its_retry(shop, lake, monkeypatch, step, moment):
    staged = shop.stage(1.0, -2.0, 3.0)
    tested = shop.test(staged, POSITIVE)
    whole = getattr(type(lake.store), step)

    def killed(*arguments, **named):
        if moment == "after":
            whole(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(type(lake.store), step, killed)
        shop.publish(staged, tested, on_fail="quarantine_rows")
    shop.publish(staged, tested, on_fail="quarantine_rows")
    assert (on_main(lake), aside(lake)) == ([1.0, 3.0], [-2.0])
    assert record()["quarantined_rows"] == 1


# Released


@every_kind
def test_rows_that_pass_todays_suite_join_the_rest_of_their_batch(shop, lake):
    shop.deliver(1.0, -2.0, -30.0, 4.0)
    done = shop.release({**POSITIVE, "kwargs": {"column": "amount", "min_value": -5}}, UNIQUE, MANY)
    assert (done["released_rows"], done["kept_rows"]) == (1, 1)
    assert (on_main(lake), aside(lake)) == ([-2.0, 1.0, 4.0], [-30.0])
    done = shop.release(UNIQUE, MANY, run_id="run 2")
    assert (done["released_rows"], done["kept_rows"]) == (1, 0)
    assert (on_main(lake), aside(lake)) == ([-2.0, -30.0, 1.0, 4.0], [])
    with pytest.raises(AirflowSkipException, match=r"nothing of .*orders is in quarantine"):
        shop.release(UNIQUE, run_id="run 3")


@every_kind
def test_a_batch_set_aside_whole_is_released_whole_or_in_part(shop, lake):
    shop.deliver(1.0, -2.0, batch="01", on_fail="quarantine_batch")
    shop.deliver(3.0, -4.0, batch="02", on_fail="quarantine_batch")
    shop.release(POSITIVE, batch="01")
    assert (on_main(lake), aside(lake)) == ([1.0], [-2.0, -4.0, 3.0])
    shop.release(UNIQUE, run_id="run 2")
    assert (on_main(lake), aside(lake)) == ([-2.0, -4.0, 1.0, 3.0], [])


@every_kind
def test_rows_that_would_break_the_published_ones_stay(shop, lake):
    shop.deliver(1.0, -2.0, 3.0, ids=[7, 7, 8], suite=[POSITIVE])
    with pytest.raises(AirflowFailException, match=r"no row in quarantine passes: .*be_unique on id: 2 of 3"):
        shop.release(UNIQUE)
    assert (on_main(lake), aside(lake)) == ([1.0, 3.0], [-2.0])


@every_kind
def test_rows_of_a_delivery_that_was_replaced_stay(shop, lake):
    shop.deliver(1.0, -2.0)
    shop.deliver(1.0, 2.0)
    with pytest.raises(AirflowFailException, match="a later delivery of batch 01 was published"):
        shop.release(UNIQUE)
    assert (on_main(lake), aside(lake)) == ([1.0, 2.0], [-2.0])


@every_kind
def test_rows_of_a_delivery_that_was_replaced_take_the_place_of_the_later_one_where_that_is_wanted(shop, lake):
    shop.deliver(1.0, -2.0, -30.0, on_fail="quarantine_batch")
    shop.deliver(7.0, -8.0)
    lenient = {**POSITIVE, "kwargs": {"column": "amount", "min_value": -5}}
    with pytest.raises(AirflowFailException, match="in_place_of_later: the batch was wanted"):
        shop.release(lenient, in_place_of_later=True)
    with pytest.raises(AirflowFailException, match="stage it again, or release it from quarantine with in_place_of_la"):
        shop.release(POSITIVE, batch="01", run_id="run 2")
    assert (on_main(lake), aside(lake)) == ([7.0], [-2.0, -30.0, -8.0, 1.0])
    aside_first, _ = lake.quarantined()
    rows = lake.rows(aside_first)
    keep = pa.compute.greater(rows["amount"], -5)
    parts = {"passing": rows.filter(keep), "failing": rows.filter(pa.compute.invert(keep))}
    lake.store.release(aside_first, **parts, in_place_of_later=True)
    assert (on_main(lake), aside(lake)) == ([-2.0, 1.0], [-30.0, -8.0])
    with pytest.raises(AirflowFailException, match="a later delivery of batch 01 was published"):
        shop.release({**POSITIVE, "kwargs": {"column": "amount", "min_value": -10}}, batch="01", run_id="run 3")
    shop.release(UNIQUE, batch="01", run_id="run 4")
    assert (on_main(lake), aside(lake)) == ([-2.0, -30.0, 1.0], [-8.0])
    shop.release(UNIQUE, batch="01", run_id="run 5", in_place_of_later=True)
    assert (on_main(lake), aside(lake)) == ([-8.0], [])


@every_kind
def test_a_batch_that_was_released_is_not_set_aside_again_by_the_task_that_did(shop, lake):
    staged = shop.stage(1.0, -2.0)
    tested = shop.test(staged, POSITIVE)
    with pytest.raises(AirflowFailException, match="is quarantined"):
        shop.publish(staged, tested)
    shop.release(UNIQUE)
    with pytest.raises(AirflowFailException, match=r"it (is|was) published.*, and (is )?not set aside"):
        shop.publish(staged, tested)
    assert (on_main(lake), aside(lake)) == ([-2.0, 1.0], [])


@every_kind
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_release_that_is_killed_releases_each_row_once(shop, lake, monkeypatch, moment):
    shop.deliver(1.0, -2.0, -3.0)
    whole = type(lake.store).release

    def killed(*arguments, **named):
        if moment == "after":
            whole(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(type(lake.store), "release", killed)
        shop.release(UNIQUE)
    done = shop.release(UNIQUE)
    assert (done["released_rows"], done["kept_rows"]) == (2, 0)
    assert done["releases"][0]["version"] == lake.published().name
    assert (on_main(lake), aside(lake)) == ([-2.0, -3.0, 1.0], [])


def test_a_suite_that_was_kept_may_have_no_code_in_it(shop):
    store = EvidenceStore()
    name = store.keep_suite({"name": "s", "meta": {"xops": {"trusted": True}}, "expectations": []})
    assert store.suite(name)["meta"] == {}


# Rolled back


@versioned
def test_readers_go_back_and_what_came_since_is_set_aside(shop, lake):
    for batch, amount in (("01", 1.0), ("02", 2.0), ("03", 3.0)):
        shop.deliver(amount, batch=batch)
    to = lake.versions()[-3]
    again = lake.store.roll_back(to)
    assert sorted(version.rows for version in again) == [1, 1]
    assert all(map(lake.store.source, again))
    assert lake.published().snapshot == to.snapshot
    assert (on_main(lake), aside(lake)) == ([1.0], [2.0, 3.0])
    assert lake.store.roll_back(to) == []
    shop.release(POSITIVE)
    assert (on_main(lake), aside(lake)) == ([1.0, 2.0, 3.0], [])


@versioned
def test_a_publication_that_was_rolled_back_is_not_done_again_by_its_task(shop, lake):
    shop.deliver(1.0)
    first = lake.published()
    staged = shop.stage(2.0, -3.0, batch="02")
    tested = shop.test(staged, POSITIVE)
    shop.publish(staged, tested, on_fail="quarantine_rows")
    lake.store.roll_back(first)
    with pytest.raises(AirflowFailException, match="is quarantined on branch"):
        shop.publish(staged, tested, on_fail="quarantine_rows")
    assert (on_main(lake), aside(lake)) == ([1.0], [-3.0, 2.0])
    shop.release(UNIQUE)
    shop.publish(staged, tested, on_fail="quarantine_rows")
    assert (on_main(lake), aside(lake)) == ([-3.0, 1.0, 2.0], [])
    lake.store.roll_back(first)
    assert (on_main(lake), aside(lake)) == ([1.0], [-3.0, 2.0])
    with pytest.raises(AirflowFailException, match="is quarantined on branch"):
        shop.publish(staged, tested, on_fail="quarantine_rows")


@versioned
def test_a_delivery_that_took_the_place_of_another_is_rolled_back_to_it(shop, lake):
    shop.deliver(1.0, 5.0)
    first = lake.published()
    shop.deliver(2.0, -1.0)
    lake.store.roll_back(first)
    assert (on_main(lake), aside(lake)) == ([1.0, 5.0], [-1.0, 2.0])
    shop.deliver(3.0)
    assert (on_main(lake), aside(lake)) == ([3.0], [-1.0, 2.0])


@versioned
def test_rows_that_a_later_batch_took_the_place_of_are_back_once_it_is_rolled_back(shop, lake):
    upsert = {"mode": "upsert", "by": ["id"], "suite": [UNIQUE]}
    shop.deliver(1.0, 2.0, 3.0, **upsert)
    first = lake.published()
    shop.deliver(9.0, batch="02", **upsert)
    assert on_main(lake) == [2.0, 3.0, 9.0]
    lake.store.roll_back(first)
    assert (on_main(lake), aside(lake)) == ([1.0, 2.0, 3.0], [9.0])
    shop.release(UNIQUE)
    assert (on_main(lake), aside(lake)) == ([2.0, 3.0, 9.0], [])


@versioned
def test_readers_go_back_only_to_what_they_saw_and_was_not_rolled_back(shop, lake):
    shop.deliver(1.0)
    first = lake.published()
    staged = DataVersion.from_json(shop.stage(2.0, batch="02"))
    with pytest.raises(ValueError, match="does not stand on it"):
        lake.store.roll_back(staged)
    shop.deliver(3.0, batch="03")
    third = lake.published()
    lake.store.roll_back(first)
    for _ in range(2):
        with pytest.raises(ValueError, match="does not stand on it"):
            lake.store.roll_back(third)
        shop.release(POSITIVE) if aside(lake) else None
    assert (on_main(lake), aside(lake)) == ([1.0, 3.0], [])


def test_a_table_of_a_database_keeps_no_rows_to_go_back_to_and_says_so(postgres, tmp_path):
    lake = Lake("sql://postgres_default/shop.orders")
    shop = Shop(tmp_path, lake.table)
    shop.deliver(1.0)
    first = lake.published()
    shop.deliver(2.0, batch="02")
    with pytest.raises(Refused, match=r"an SQL table keeps its newest version only, .* stage the earlier deliveries"):
        lake.store.roll_back(first)
    assert lake.store.roll_back(lake.published()) == []
    assert (on_main(lake), aside(lake)) == ([1.0, 2.0], [])


# In any order; with kills at any moment: test_killed_batches.py


@every_kind
def test_two_hundred_runs_clears_and_deliveries_in_random_order_leave_exactly_the_right_rows(lake):
    dice, staged, newest = random.Random(0), [], {}
    for number in range(200):
        if not staged or dice.random() < 0.3:
            rows = pa.table({"id": pa.array([number, number + 1000], pa.int64())})
            batch = f"0{dice.randint(1, 5)}"
            staged.append((number, lake.store.stage(rows, table=lake.table, batch=batch)))
        else:
            delivery, version = dice.choice(staged)
            if delivery < newest.get(version.batch, delivery):
                with contextlib.suppress(Refused):
                    lake.store.publish(version)
            else:
                lake.store.publish(version)
                newest[version.batch] = delivery
    seen = sorted(lake.rows(lake.published())["id"].to_pylist())
    assert seen == sorted(identity for number in newest.values() for identity in (number, number + 1000))
