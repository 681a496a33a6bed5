"""Rates of groups and how far they are apart, with intervals that cover the truth."""

from math import isnan

import numpy as np
import pytest
from scipy import stats

from xops.core.model.fairness import difference, rate, ratio
from xops.core.model.intervals import Interval, wilson

pytestmark = pytest.mark.unit

CHANCE = np.random.default_rng(0)


def test_a_rate_of_independent_rows_has_wilsons_interval():
    counted, among = np.arange(100) < 30, np.arange(100) % 2 == 0
    wanted = stats.binomtest(15, 50).proportion_ci(0.95, "wilson")
    assert rate(counted, among, None, confidence=0.95).ends == pytest.approx(tuple(wanted))


def test_a_rate_of_rows_that_are_copies_is_known_as_well_as_from_one_of_each():
    once = CHANCE.random(80) < 0.4
    many, people = np.repeat(once, 10), np.repeat(np.arange(80), 10)
    found = rate(many, np.ones(800, bool), people, confidence=0.95)
    assert found.ends == pytest.approx(rate(once, np.ones(80, bool), None, confidence=0.95).ends, abs=0.005)


@pytest.mark.parametrize("counted", [np.zeros(40, bool), np.ones(40, bool)])
def test_a_rate_of_0_or_1_is_known_from_as_many_as_there_are_groups(counted):
    found = rate(counted, np.ones(40, bool), np.arange(40) // 10, confidence=0.95)
    assert found.ends == wilson(4 * counted[0], 4, confidence=0.95).ends


def test_one_group_is_known_from_one():
    found = rate(np.arange(40) < 20, np.ones(40, bool), np.zeros(40), confidence=0.95)
    assert found.units == 1


@pytest.mark.parametrize(("high", "low", "rows"), [(0.5, 0.4, 200), (0.3, 0.1, 150), (0.9, 0.6, 100)])
def test_intervals_of_difference_and_ratio_cover_the_truth_93_to_97_times_in_100(high, low, rows):
    hits = np.zeros(2)
    for one, other in zip(*CHANCE.binomial(rows, [[high], [low]], size=(2, 1000)), strict=True):
        first, second = (wilson(count, rows, confidence=0.95) for count in (one, other))
        apart, part = difference(first, second), ratio(second, first)
        hits += [apart.low <= high - low <= apart.high, part.low <= low / high <= part.high]
    assert (hits >= 930).all()
    assert (hits <= 970).all()


def between(value, low, high):
    return Interval(value, low, high, 0.1, 10, 0.95, "wilson")


def test_a_ratio_to_nothing_may_be_anything():
    found = ratio(between(0, 0, 0.1), between(0, 0, 0.1))
    assert isnan(found.value)
    assert found.ends == (0, 1)


def test_a_ratio_of_nothing_is_0_and_may_be_more():
    assert ratio(between(0, 0, 0.1), between(0.5, 0.4, 0.6)).ends == pytest.approx((0, 0.25))
    assert ratio(between(0, 0, 0.1), between(0.05, 0, 0.6)).ends == (0, 1)


def test_values_that_may_be_0_leave_the_ratio_open():
    assert ratio(between(0.1, 0, 0.3), between(0.2, 0, 0.4)).ends == (0, 1)
