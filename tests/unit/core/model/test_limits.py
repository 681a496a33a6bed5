"""An interval held against a limit: below, at and above it."""

from math import inf

import pytest

from xops.core.model.intervals import Interval, wilson
from xops.core.model.limits import judge_gain, judge_limit
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def between(low, high):
    return Interval((low + high) / 2, low, high, (high - low) / 4, 100, 0.95, "bca")


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most"),
    [
        (0.61, 0.7, PASS, FAIL),
        (0.6, 0.7, PASS, UNKNOWN),
        (0.59, 0.7, UNKNOWN, UNKNOWN),
        (0.5, 0.6, UNKNOWN, PASS),
        (0.5, 0.59, FAIL, PASS),
    ],
)
def test_a_value_passes_when_its_whole_interval_does(low, high, at_least, at_most):
    for least, wanted in ((True, at_least), (False, at_most)):
        found = judge_limit("auc", "m", between(low, high), 0.6, least=least, rows=100)
        assert found.outcome is wanted
        assert found.interval == [low, high]
        assert ("would do" in found.reason) == (wanted is UNKNOWN)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.01, 0.1, PASS), (0, 0.1, UNKNOWN), (-0.1, 0.1, UNKNOWN), (-0.1, 0, FAIL), (-0.2, -0.1, FAIL)],
)
def test_a_gain_passes_when_its_whole_interval_is_above(low, high, outcome):
    assert judge_gain("auc_gain", "m", between(low, high), 0, rows=100).outcome is outcome
    shifted = between(low - 0.02, high - 0.02)
    assert judge_gain("auc_gain", "m", shifted, -0.02, rows=100).outcome is outcome


@pytest.mark.parametrize(("chance", "outcome"), [(0.02, PASS), (0.0251, UNKNOWN), (None, PASS)])
def test_an_exact_test_has_its_say(chance, outcome):
    found = judge_gain("g", "m", between(0.01, 0.1), 0, rows=100, chance=chance, detail={"champion": 0.5})
    assert found.outcome is outcome
    assert found.detail == {"method": "bca", "units": 100, "confidence": 0.95, "champion": 0.5}


def test_where_it_cannot_be_told_the_finding_says_what_it_would_take():
    equal = judge_gain("g", "m", between(-0.1, 0.1), -0.05, rows=100)
    better = judge_gain("g", "m", between(-0.05, 0.15), 0, rows=100)
    assert equal.reason.endswith("too few rows to tell, about 1051 would do")
    assert better.reason.endswith("too few rows to tell, about 1051 would do")
    worse = judge_gain("g", "m", between(-0.15, 0.05), 0, rows=100)
    assert worse.reason.endswith("it cannot be told, and more rows alike would not help")
    nothing = judge_limit("g", "m", Interval(0.5, -inf, inf, inf, 1, 0.95, "bca"), 0.4, least=True, rows=1)
    assert nothing.outcome is UNKNOWN


def test_a_share_of_none_says_how_many_rows_it_takes_although_it_has_no_standard_error():
    none = judge_limit("flips", "m", wilson(0, 19, confidence=0.95), 0.1, least=False, rows=19)
    assert none.outcome is UNKNOWN
    needed = int(none.reason.split("about ")[1].split()[0])
    assert needed > 19
    assert judge_limit("flips", "m", wilson(0, needed, confidence=0.95), 0.1, least=False, rows=needed).outcome is PASS
