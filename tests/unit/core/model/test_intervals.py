"""Intervals by resampling units: scipy's bootstrap is the oracle."""

from math import inf, isnan, nan

import numpy as np
import pytest
from scipy import stats

from xops.core.errors import Misconfigured
from xops.core.model.intervals import (
    BLOCKS,
    FEW,
    Interval,
    OfSums,
    Units,
    correct,
    interval_from,
    intervals_of_rows,
    intervals_of_sums,
    mcnemar,
    needed_rows,
    paired_shares,
    rule_of_three,
    wilson,
)

pytestmark = pytest.mark.unit

CHANCE = np.random.default_rng(1)
SKEWED = CHANCE.exponential(size=200)


def mean(sums):
    return sums[..., 1] / sums[..., 0]


def mean_of(values, units=None):
    units = units or Units.of(len(values))
    return OfSums(units.sums([np.ones(len(values)), values]), mean)


def of_rows(values):
    return lambda places: np.array([values[places].mean()])


def test_an_interval_of_sums_is_scipys_bca_within_the_noise_of_resampling():
    (found,) = intervals_of_sums([mean_of(SKEWED)], confidence=0.95)
    wanted = stats.bootstrap((SKEWED,), np.mean, n_resamples=20_000, rng=np.random.default_rng(2))
    noise = 4 * wanted.standard_error / np.sqrt(2_000 * 0.025) * 0.5
    assert found.value == pytest.approx(SKEWED.mean())
    assert found.ends == pytest.approx(tuple(wanted.confidence_interval), abs=noise)
    assert found.error == pytest.approx(stats.sem(SKEWED))
    assert (found.units, found.method) == (200, "bca")


def test_an_interval_over_copies_is_the_one_over_counts_within_the_noise_of_resampling():
    (counted,) = intervals_of_sums([mean_of(SKEWED)], confidence=0.95)
    (copied,) = intervals_of_rows(of_rows(SKEWED), Units.of(200), confidence=0.95)
    assert copied.ends == pytest.approx(counted.ends, abs=counted.error * 0.2)
    assert copied.method == "bca"


def test_many_rows_are_resampled_in_blocks_of_equal_size():
    units = Units.of(2 * BLOCKS + 7)
    assert set(np.bincount(units.codes)) == {2, 3}
    assert (units.number, units.grouped) == (BLOCKS, False)
    values = CHANCE.normal(size=2 * BLOCKS + 7)
    (found,) = intervals_of_rows(of_rows(values), units, confidence=0.95)
    assert found.method == "jackknife"
    assert found.error == pytest.approx(stats.sem(values), rel=0.4)


@pytest.mark.parametrize("number", [2, FEW - 1, FEW])
def test_few_groups_have_students_interval_and_it_is_the_one_of_their_means(number):
    means = CHANCE.normal(size=number)
    groups = np.repeat([f"day {day}" for day in range(number)], 4)
    units = Units.of(4 * number, groups)
    statistic = mean_of(np.repeat(means, 4)[np.argsort(np.argsort(groups, kind="stable"))], units)
    (found,) = intervals_of_sums([statistic], confidence=0.9)
    assert (found.units, units.grouped) == (number, True)
    assert found.method == ("bca" if number >= FEW else "jackknife")
    if number < FEW:
        wanted = stats.t.interval(0.9, number - 1, statistic.sums[:, 1].mean() / 4, stats.sem(statistic.sums[:, 1] / 4))
        assert found.ends == pytest.approx(wanted)


def test_rows_of_groups_are_left_out_group_by_group():
    means = CHANCE.normal(size=20)
    values, groups = np.repeat(means, 5), np.repeat(np.arange(20), 5)
    (found,) = intervals_of_rows(of_rows(values), Units.of(100, groups), confidence=0.95)
    assert found.error == pytest.approx(stats.sem(means))
    assert (found.units, found.method) == (20, "jackknife")


def test_one_unit_tells_nothing():
    (found,) = intervals_of_sums([mean_of(np.ones(5), Units.of(5, np.zeros(5)))], confidence=0.95)
    assert found.ends == (-inf, inf)


def test_what_is_the_same_in_every_resample_has_no_width():
    same = np.full(FEW, 0.1)
    found, _ = intervals_of_sums([mean_of(same), mean_of(SKEWED[:FEW])], confidence=0.95)
    assert found.ends == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize(
    ("value", "left_out", "drawn"),
    [
        (nan, np.ones(60), np.ones(60)),
        (1.0, np.r_[nan, np.ones(59)], np.ones(60)),
        (9.0, np.ones(60), np.ones(60)),
        (1.0, np.ones(60), np.full(60, nan)),
    ],
)
def test_a_statistic_that_is_not_defined_may_be_anything(value, left_out, drawn):
    assert interval_from(value, left_out, drawn, confidence=0.95).ends == (-inf, inf)


@pytest.mark.parametrize(("number", "each"), [(0, 0.95), (1, 0.95), (5, 0.99)])
def test_intervals_that_hold_together_are_each_more_certain(number, each):
    assert correct(0.95, number) == pytest.approx(each)


@pytest.mark.parametrize("confidence", [0, 1, -1, nan])
def test_a_confidence_outside_0_and_1_is_a_mistake(confidence):
    with pytest.raises(Misconfigured, match=r"a confidence in \(0, 1\) was wanted"):
        correct(confidence, 1)


@pytest.mark.parametrize(("count", "rows"), [(0, 7), (7, 7), (3, 40)])
def test_the_interval_of_a_share_is_wilsons(count, rows):
    wanted = stats.binomtest(count, rows).proportion_ci(0.9, "wilson")
    assert wilson(count, rows, confidence=0.9).ends == pytest.approx(tuple(wanted))


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 5), (5, 0), (9, 3)])
def test_mcnemars_chance_is_that_of_the_sign_test(gained, lost):
    wanted = stats.binomtest(gained, gained + lost, alternative="greater").pvalue if gained + lost else 1
    assert mcnemar(gained, lost) == pytest.approx(wanted)


def test_models_that_agree_on_few_rows_may_still_differ():
    assert paired_shares(0, 0, 50, confidence=0.95).ends == pytest.approx((-0.0533, 0.0533), abs=1e-4)
    assert paired_shares(50, 0, 50, confidence=0.95).high == 1
    large = paired_shares(600, 400, 10_000, confidence=0.95)
    reach = 1.96 * np.sqrt(1000 - 200**2 / 10_000) / 10_000
    assert large.value == 0.02
    assert large.ends == pytest.approx((0.02 - reach, 0.02 + reach), abs=1e-4)


def test_what_never_happened_in_n_rows_has_a_share_of_at_most_about_three_in_n():
    assert rule_of_three(300, confidence=0.9) == pytest.approx(3 / 300, rel=0.01)
    assert rule_of_three(0, confidence=0.9) == 1


def test_twice_as_close_to_a_limit_takes_four_times_the_rows():
    found = Interval(0.5, 0.4, 0.6, 0.05, 100, 0.95, "bca")
    assert needed_rows(found, 100, 0.1) == pytest.approx(100 * (1.95996 + 1.28155) ** 2 * 0.25, abs=1)
    assert needed_rows(found, 100, 0.05) == pytest.approx(4 * needed_rows(found, 100, 0.1), abs=4)


@pytest.mark.parametrize("distance", [0, -1, nan])
def test_no_number_of_rows_tells_what_is_not_there(distance):
    assert needed_rows(Interval(0.5, 0.4, 0.6, 0.05, 100, 0.95, "bca"), 100, distance) is None


def test_no_number_of_rows_is_known_without_an_error():
    assert needed_rows(Interval(0.5, -inf, inf, inf, 1, 0.95, "bca"), 1, 0.1) is None


def test_an_interval_says_itself():
    assert str(Interval(0.5, 0.4, 0.61, 0.05, 100, 0.95, "bca")) == "0.5, between 0.4 and 0.61 at 0.95"
    assert isnan(interval_from(nan, np.zeros(0), None, confidence=0.9).value)
