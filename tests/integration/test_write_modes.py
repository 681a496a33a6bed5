"""Batches that append, overwrite or upsert: what a reader then sees is what the rules say, in any order."""

import random
from collections import Counter
from itertools import product

import pyarrow as pa
import pytest

from xops.core.dataset.writes import APPEND, Mode, Write
from xops.core.errors import Misconfigured, Refused
from xops.hooks.iceberg.commits import OneStep
from xops.hooks.iceberg.tables import IcebergHook

pytestmark = pytest.mark.integration

TABLE = "shop.orders"
BY_DAY, BY_ID = Write(Mode.OVERWRITE, ("day",)), Write(Mode.UPSERT, ("id",))
BY_AMOUNT = Write(Mode.UPSERT, ("amount",))


@pytest.fixture
def lake():
    return IcebergHook()


def orders(*rows):
    """Give orders by id, day and amount."""
    ids, days, amounts = zip(*rows, strict=True)
    return pa.table({"id": pa.array(ids, pa.int64()), "day": list(days), "amount": pa.array(amounts, pa.float64())})


def on_main(lake):
    """Give how often a reader sees each row, as batch, id, day and amount."""
    version = lake.published(TABLE)
    rows = lake.rows(version, columns=["batch", "id", "day", "amount"]).to_pylist() if version else []
    return Counter(tuple(row.values()) for row in rows)


def land(lake, batch, write, *rows):
    return lake.publish(lake.stage(orders(*rows), table=TABLE, batch=batch, write=write))


class Model:
    """A table of which each row is known: the rules in a few lines."""

    def __init__(self):
        self.rows = []

    def land(self, batch, write, rows):
        place = {"id": 0, "day": 1}
        key = lambda row: tuple(row[place[column]] for column in write.by)  # noqa: E731
        keys = {key(row) for row in rows} if write.by else set()
        later = {key(row) for other, row in self.rows if other > batch} if write.by else set()
        self.rows = [
            (other, row)
            for other, row in self.rows
            if other != batch and not (write.by and other < batch and key(row) in keys)
        ]
        self.rows += [(batch, row) for row in rows if not write.by or key(row) not in later]

    def seen(self):
        return Counter((batch, *row) for batch, row in self.rows)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_delivered_in_whatever_order_a_reader_sees_what_the_rules_say(lake, seed):
    dice, model, waiting, newest = random.Random(seed), Model(), [], Counter()
    write = [APPEND, BY_DAY, BY_ID][seed % 3]
    for delivery in range(1, 9):
        batch = f"2026-01-{dice.randint(1, 4):02}"
        mode = dice.choice([APPEND, BY_DAY, BY_ID]) if seed > 2 else write
        rows = [
            (number, f"day {dice.randint(1, 3)}", float(delivery))
            for number in dice.sample(range(8), dice.randint(1, 5))
        ]
        staged = lake.stage(orders(*rows), table=TABLE, batch=batch, write=mode)
        waiting.append((delivery, staged, mode, rows))
        while waiting and dice.random() < 0.6:
            order, staged, mode, rows = waiting.pop(dice.randrange(len(waiting)))
            if order < newest[staged.batch]:
                with pytest.raises(Refused, match="a later delivery of batch"):
                    lake.publish(staged)
                continue
            newest[staged.batch] = order
            model.land(staged.batch, mode, rows)
            lake.publish(staged)
            lake.publish(staged)
            assert on_main(lake) == model.seen()


def test_a_batch_overwrites_the_partitions_that_it_has_rows_of_and_no_other(lake):
    land(lake, "01", BY_DAY, (1, "mon", 1.0), (2, "mon", 1.0), (3, "tue", 1.0))
    before = lake.files(lake.published(TABLE))
    land(lake, "02", BY_DAY, (9, "mon", 2.0))
    assert on_main(lake) == Counter([("01", 3, "tue", 1.0), ("02", 9, "mon", 2.0)])
    assert len(before & lake.files(lake.published(TABLE))) == 1  # the other partition's file is not written again


def test_the_later_batch_has_a_key_whichever_comes_first(lake):
    land(lake, "02", BY_ID, (1, "tue", 2.0))
    version = land(lake, "01", BY_ID, (1, "mon", 1.0), (2, "mon", 1.0))
    assert on_main(lake) == Counter([("02", 1, "tue", 2.0), ("01", 2, "mon", 1.0)])
    assert version.rows == 1


def test_a_batch_of_which_later_ones_have_each_key_is_published_with_no_row(lake):
    land(lake, "02", BY_ID, (1, "tue", 2.0))
    assert land(lake, "01", BY_ID, (1, "mon", 1.0)).rows == 0
    assert on_main(lake) == Counter([("02", 1, "tue", 2.0)])


def test_a_batch_delivered_again_takes_all_of_its_former_rows_with_it(lake):
    land(lake, "01", BY_ID, (1, "mon", 1.0), (2, "mon", 1.0))
    land(lake, "01", BY_ID, (1, "mon", 5.0))
    assert on_main(lake) == Counter([("01", 1, "mon", 5.0)])


def test_a_key_of_several_columns_is_one_key(lake):
    write = Write(Mode.UPSERT, ("id", "day"))
    land(lake, "01", write, (1, "mon", 1.0), (1, "tue", 1.0))
    land(lake, "02", write, (1, "tue", 2.0), (2, "mon", 2.0))
    assert on_main(lake) == Counter([("01", 1, "mon", 1.0), ("02", 1, "tue", 2.0), ("02", 2, "mon", 2.0)])


@pytest.mark.parametrize(
    "rows", [[(1, "mon", 1.0), (1, "tue", 2.0)], [(None, "mon", 1.0), (None, "mon", 1.0)]], ids=["one twice", "nulls"]
)
def test_rows_that_share_a_key_or_have_none_can_be_tested_and_not_published(lake, rows):
    staged = lake.stage(orders(*rows), table=TABLE, batch="01", write=BY_ID)
    assert lake.rows(staged).num_rows == 2
    with pytest.raises(Refused, match="2 of 2 rows have no value in id or share it"):
        lake.publish(staged)
    assert lake.published(TABLE) is None


def test_zero_is_one_key_whatever_its_sign(lake):
    staged = lake.stage(orders((1, "mon", 0.0), (2, "mon", -0.0)), table=TABLE, batch="01", write=BY_AMOUNT)
    with pytest.raises(Refused, match="2 of 2 rows have no value in amount or share it"):
        lake.publish(staged)


def test_a_mode_by_a_column_that_the_batch_lacks_is_refused(lake):
    with pytest.raises(Misconfigured, match="batch 01 has no column week to overwrite by; it has id, day, amount"):
        land(lake, "01", Write(Mode.OVERWRITE, ("week",)), (1, "mon", 1.0))


@pytest.mark.parametrize(("ours", "theirs"), product([APPEND, BY_DAY, BY_ID], repeat=2), ids=lambda write: write.mode)
def test_two_batches_that_land_at_the_same_moment_both_land(lake, monkeypatch, ours, theirs):
    first = [(1, "mon", 0.0), (2, "tue", 0.0), (3, "wed", 0.0)]
    mine, other = [(1, "mon", 2.0), (4, "tue", 2.0)], [(1, "tue", 1.0), (5, "wed", 1.0)]
    land(lake, "00", BY_ID, *first)
    staged = lake.stage(orders(*mine), table=TABLE, batch="02", write=ours)
    commit, rivals = OneStep.commit_transaction, [("01", theirs, other)]

    def commit_after_another(step):
        if rivals:
            batch, write, rows = rivals.pop()
            land(IcebergHook(), batch, write, *rows)
        return commit(step)

    monkeypatch.setattr(OneStep, "commit_transaction", commit_after_another)
    lake.publish(staged)
    model = Model()
    for batch, write, rows in (("00", BY_ID, first), ("01", theirs, other), ("02", ours, mine)):
        model.land(batch, write, rows)
    assert rivals == []
    assert on_main(lake) == model.seen()


def test_publishing_on_a_main_that_moved_writes_no_row_again(lake):
    land(lake, "00", APPEND, (1, "mon", 0.0))
    staged = lake.stage(orders((2, "mon", 0.0)), table=TABLE, batch="02")
    land(lake, "01", APPEND, (3, "mon", 0.0))
    files = lake.files(staged) | lake.files(lake.published(TABLE))
    assert lake.files(lake.publish(staged)) == files


# A schema that grows


def wider(rows=2, **columns):
    return pa.table({"id": pa.array(range(rows), pa.int64()), **columns})


def evolving(write=APPEND):
    return Write(write.mode, write.by, evolve=True)


@pytest.mark.parametrize("write", [APPEND, BY_ID])
def test_a_column_is_added_only_where_that_is_allowed_and_seen_once_published(lake, write):
    lake.publish(lake.stage(wider(3), table=TABLE, batch="01", write=write))
    more = wider(2, colour=["red", "blue"])
    with pytest.raises(Misconfigured, match="does not fit the table: colour is string, the table has no such column"):
        lake.stage(more, table=TABLE, batch="02", write=write)
    staged = lake.stage(more, table=TABLE, batch="02", write=evolving(write))
    assert lake.rows(staged, batches=["02"])["colour"].to_pylist() == ["red", "blue"]
    assert lake.columns(TABLE) == ["id", "batch"]
    lake.publish(staged)
    seen = lake.rows(lake.published(TABLE)).sort_by([("batch", "ascending"), ("id", "ascending")])
    assert seen["colour"].to_pylist() == ([None] * 3 if write is APPEND else [None]) + ["red", "blue"]


def test_a_batch_that_is_set_aside_leaves_the_schema_alone(lake):
    lake.publish(lake.stage(wider(3), table=TABLE, batch="01"))
    staged = lake.stage(wider(2, colour=["red", "blue"]), table=TABLE, batch="02", write=evolving())
    lake.quarantine(staged)
    assert lake.columns(TABLE) == ["id", "batch"]
    (aside,) = lake.quarantined(TABLE)
    assert lake.rows(aside, batches=["02"])["colour"].to_pylist() == ["red", "blue"]


def test_a_type_is_widened_and_never_narrowed(lake):
    narrow, wide = pa.array([1, 2], pa.int32()), pa.array([2**40, 3], pa.int64())
    lake.publish(lake.stage(pa.table({"n": narrow}), table=TABLE, batch="01"))
    with pytest.raises(Misconfigured, match="n is int64, the table has int32"):
        lake.stage(pa.table({"n": wide}), table=TABLE, batch="02")
    lake.publish(lake.stage(pa.table({"n": wide}), table=TABLE, batch="02", write=evolving()))
    lake.publish(lake.stage(pa.table({"n": narrow}), table=TABLE, batch="03", write=evolving()))
    assert sorted(lake.rows(lake.published(TABLE))["n"].to_pylist()) == [1, 1, 2, 2, 3, 2**40]


@pytest.mark.parametrize("column", [pa.array(["a", "b"]), pa.array([1.5, 2.5])], ids=["text", "a fraction"])
def test_a_type_that_is_no_wider_one_does_not_fit_though_the_schema_may_grow(lake, column):
    lake.publish(lake.stage(pa.table({"n": [1, 2]}), table=TABLE, batch="01"))
    with pytest.raises(Misconfigured, match=r"does not fit the table: n is (string|double), the table has int64"):
        lake.stage(pa.table({"n": column}), table=TABLE, batch="02", write=evolving())


@pytest.mark.parametrize("others", [{"size": [1.0, 2.0]}, {"colour": ["x", "y"]}], ids=["another", "the same"])
def test_two_batches_that_add_columns_at_the_same_time_both_land_whole(lake, others):
    lake.publish(lake.stage(wider(2), table=TABLE, batch="01"))
    first = lake.stage(wider(2, colour=["red", "blue"]), table=TABLE, batch="02", write=evolving())
    second = lake.stage(wider(2, **others), table=TABLE, batch="03", write=evolving())
    lake.publish(second)
    lake.publish(first)
    seen = lake.rows(lake.published(TABLE))
    by_batch = {batch: seen.filter(pa.compute.equal(seen["batch"], batch)).to_pydict() for batch in ("01", "02", "03")}
    assert by_batch["02"]["colour"] == ["red", "blue"]
    assert {name: by_batch["03"][name] for name in others} == others
    assert by_batch["01"]["colour"] == [None, None]
