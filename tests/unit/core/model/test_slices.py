"""Slices of the rows: how columns are cut, and that the worst are found."""

import numpy as np
import pytest

from xops.core.model.slices import MISSING, Slice, cut, halves, mean_loss, slices_of, worst_slices

pytestmark = pytest.mark.unit

CHANCE = np.random.default_rng(0)
ROWS = 2000
EVERY = np.ones(ROWS, dtype=bool)


def sizes(values, bins=4, least=0):
    one = cut("x", np.asarray(values), bins=bins, least=least)
    assert len(one.codes) == len(values)
    return {found.name: int(found.rows.sum()) for found in slices_of(one, least=1)}


def test_numbers_are_cut_at_their_quantiles_and_missing_ones_are_a_slice():
    assert sizes([*range(1, 101), np.nan, np.inf]) == {
        "x up to 25.75": 25, "x above 25.75, up to 50.5": 25, "x above 50.5, up to 75.25": 25, "x above 75.25": 25,
        "x missing": 2,
    }  # fmt: skip


def test_few_numbers_and_words_are_cut_by_value():
    assert sizes([1, 1, 2]) == {"x = 1": 2, "x = 2": 1}
    assert sizes(np.array(["a", "b", "a", None, np.nan], dtype=object)) == {"x = a": 2, "x = b": 1, "x missing": 2}


@pytest.mark.parametrize("values", [np.full(7, np.nan), np.ones(7)])
def test_every_row_is_no_slice(values):
    assert sizes(values) == {}


def test_times_are_cut_as_numbers():
    days = np.r_[np.datetime64("2013-01-01", "s") + np.arange(100), np.datetime64("NaT")]
    found = sizes(days)
    assert sorted(found.values()) == [1, 25, 25, 25, 25]
    assert "x up to 2013-01-01T00:00:24" in found


def test_numbers_that_lie_close_are_told_apart():
    assert len(sizes(1e9 + np.arange(100))) == 4


def test_mostly_one_number_leaves_fewer_slices():
    assert sum(sizes(np.r_[np.zeros(95), np.arange(1, 6)], bins=4).values()) == 100


def test_values_of_few_people_are_not_named():
    assert sizes(["a"] * 5 + ["b", "c"], least=3) == {"x = a": 5, "x any rare value": 2}


def test_halves_are_of_whole_groups():
    groups = np.arange(ROWS) // 10
    side = halves(ROWS, groups)
    assert side.sum() == ROWS / 2
    assert all(len(set(side[groups == one])) == 1 for one in range(200))


def columns():
    return {name: CHANCE.integers(3, size=ROWS) for name in "abc"}


def test_a_slice_of_two_columns_that_is_worse_is_found_first_and_once():
    found = columns()
    bad = (found["a"] == 1) & (found["b"] == 2)
    loss = CHANCE.normal(size=ROWS) - 0.3 + 2 * bad
    cuts = [cut(name, values, bins=4, least=100) for name, values in found.items()]
    chosen = worst_slices(cuts, loss, EVERY, least=100, number=3)
    assert chosen[0].name == "a = 1 and b = 2"
    np.testing.assert_array_equal(chosen[0].rows, bad)
    assert all((one.rows & bad).sum() < 0.5 * (one.rows | bad).sum() for one in chosen[1:])


def test_rows_that_are_not_looked_at_and_rare_values_find_nothing():
    cuts = [cut(name, values, bins=4, least=100) for name, values in columns().items()]
    loss = np.where(EVERY, -1.0, 0)
    assert worst_slices(cuts, loss, EVERY, least=100, number=3) == []
    rare = cut("x", np.arange(ROWS).astype(str).astype(object), bins=4, least=100)
    assert worst_slices([rare], -loss, EVERY, least=100, number=3) == []
    one_half = np.arange(ROWS) < 1000
    loss = np.where(one_half, -1.0, 1.0) + 0.01 * CHANCE.normal(size=ROWS)
    assert worst_slices(cuts, loss, one_half, least=10, number=1) == []


def test_the_mean_loss_of_a_slice_has_students_interval_by_groups_where_there_are_any():
    loss, rows = CHANCE.normal(size=ROWS), np.arange(ROWS) % 2 == 0
    apart = mean_loss(Slice(MISSING, rows), loss, None, confidence=0.95)
    days = mean_loss(Slice(MISSING, rows), loss, np.arange(ROWS) // 100, confidence=0.95)
    assert [apart.value, days.value] == pytest.approx([loss[rows].mean()] * 2)
    assert (apart.units, days.units) == (1000, 20)
    assert apart.error == pytest.approx(loss[rows].std(ddof=1) / np.sqrt(1000))


def test_slices_of_mostly_the_same_rows_count_once_and_no_more_are_given_than_asked_for():
    bad = np.arange(ROWS) < 500
    cuts = [cut(name, np.where(bad, "late", "in time").astype(object), bins=4, least=100) for name in "ab"]
    loss = np.where(bad, 1.0, -1.0) + 0.1 * CHANCE.normal(size=ROWS)
    assert len(worst_slices(cuts, loss, EVERY, least=100, number=3)) == 1
    assert len(worst_slices(cuts, loss + 2, EVERY, least=100, number=1)) == 1
