import math
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.model.ranking import auc, auc_difference, auc_interval

pytestmark = pytest.mark.unit

SMALL = st.integers(0, 8).map(lambda eighths: eighths / 8)  # nine values only, so that ties abound


@st.composite
def compared(draw, least=1):
    """Draw labels with at least ``least`` rows of each class, and two models' scores."""
    score = draw(st.sampled_from([SMALL, st.floats(0, 1)]))
    sides = [draw(st.lists(st.tuples(score, score), min_size=least, max_size=12)) for _ in (True, False)]
    rows = [(True, *scores) for scores in sides[0]] + [(False, *scores) for scores in sides[1]]
    draw(st.randoms()).shuffle(rows)
    labels, first, second = zip(*rows, strict=True)
    return np.array(labels), np.array(first), np.array(second)


def beats(positive, negative):
    return 0.5 if positive == negative else float(positive > negative)


def delong(labels, first, second, confidence):
    """Give DeLong's interval as the paper defines it, by comparing every positive row with every negative one."""
    placements = []
    for scores in (first, second):
        positives, negatives = scores[labels].tolist(), scores[~labels].tolist()
        placements.append(
            (
                [sum(beats(x, y) for y in negatives) / len(negatives) for x in positives],
                [sum(beats(x, y) for x in positives) / len(positives) for y in negatives],
            )
        )
    areas = [sum(on_positives) / len(on_positives) for on_positives, _ in placements]
    variance = 0.0
    for one, two in product((0, 1), repeat=2):
        sign = 1 if one == two else -1
        for side in (0, 1):
            pairs = list(zip(placements[one][side], placements[two][side], strict=True))
            covariance = sum((a - areas[one]) * (b - areas[two]) for a, b in pairs) / (len(pairs) - 1)
            variance += sign * covariance / len(pairs)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(max(variance, 0.0))
    gain = areas[0] - areas[1]
    return areas[0], areas[1], gain - reach, gain + reach


@given(compared())
def test_the_area_equals_scikit_learns(drawn):
    from sklearn.metrics import roc_auc_score

    labels, scores, _ = drawn
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "area"),
    [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5), ([0.1, 0.5, 0.5, 0.9], 0.875)],
    ids=["perfect", "reversed", "constant", "one tie"],
)
def test_the_area_is_the_chance_that_a_positive_row_scores_above_a_negative_one(scores, area):
    assert auc(np.array([False, False, True, True]), np.array(scores)) == area


@given(compared())
def test_only_the_order_of_scores_matters(drawn):
    labels, scores, _ = drawn
    ranks = np.unique(scores, return_inverse=True)[1]
    assert auc(labels, np.exp(ranks) - 7.0) == auc(labels, scores)


@given(compared())
def test_turning_the_scores_round_turns_the_area_round(drawn):
    labels, scores, _ = drawn
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)
    assert auc(~labels, -scores) == pytest.approx(auc(labels, scores), abs=1e-12)


@given(compared(least=2), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_of_a_difference_equals_delongs(drawn, confidence):
    labels, first, second = drawn
    found = auc_difference(labels, first, second, confidence=confidence)
    wanted = delong(labels, first, second, confidence)
    # both take the root of a variance that is exact to 1e-16 at best, so ends agree to 1e-8
    assert (found.first, found.second, found.low, found.high) == pytest.approx(wanted, abs=2e-7)


@given(compared(least=2))
def test_swapping_the_models_turns_the_interval_round(drawn):
    labels, first, second = drawn
    one, other = auc_difference(labels, first, second), auc_difference(labels, second, first)
    assert (one.first, one.second) == (other.second, other.first)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=2e-7)


@given(compared(least=2))
def test_the_interval_holds_the_gain_and_grows_with_confidence(drawn):
    labels, first, second = drawn
    narrow, wide = (auc_difference(labels, first, second, confidence=c) for c in (0.5, 0.99))
    assert wide.low <= narrow.low <= narrow.first - narrow.second <= narrow.high <= wide.high


@given(compared())
def test_the_areas_compared_are_the_areas_of_each_model(drawn):
    labels, first, second = drawn
    found = auc_difference(labels, first, second)
    assert (found.first, found.second) == pytest.approx((auc(labels, first), auc(labels, second)), abs=1e-12)


@given(compared(least=2))
def test_a_model_is_no_better_than_itself(drawn):
    labels, scores, _ = drawn
    found = auc_difference(labels, scores, scores)
    assert found.low == found.high == 0


def test_the_confidence_is_95_percent_unless_told_otherwise():
    labels, first, second = np.arange(40) % 2 == 0, np.arange(40) % 7, np.arange(40) % 5
    assert auc_difference(labels, first, second) == auc_difference(labels, first, second, confidence=0.95)


@pytest.mark.parametrize("confidence", [1e-9, 1 - 1e-9])
def test_every_confidence_between_0_and_1_has_an_interval(confidence):
    labels, first, second = np.arange(40) % 2 == 0, np.arange(40) % 7, np.arange(40) % 5
    found = auc_difference(labels, first, second, confidence=confidence)
    assert found.low <= found.first - found.second <= found.high
    assert math.isfinite(found.high - found.low)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, math.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    labels, scores = np.arange(4) < 2, np.arange(4.0)
    with pytest.raises(ValueError, match=rf"a confidence in \(0, 1\) was wanted, found {confidence}"):
        auc_difference(labels, scores, scores, confidence=confidence)


@pytest.mark.parametrize("positive", [1, 3], ids=["one positive row", "one negative row"])
def test_a_class_of_one_row_has_no_spread_so_the_interval_is_without_end(positive):
    labels = np.arange(4) < positive
    found = auc_difference(labels, np.where(labels, 0.9, 0.1), np.where(labels, 0.1, 0.9))
    assert (found.first, found.second, found.low, found.high) == (1, 0, -math.inf, math.inf)


@pytest.mark.parametrize("labels", [[], [True, True], [False]], ids=["no rows", "all positive", "all negative"])
def test_an_area_needs_both_classes(labels):
    labels = np.array(labels, dtype=bool)
    scores = np.zeros(len(labels))
    counts = f"found {labels.sum()} positive and {(~labels).sum()} negative rows"
    with pytest.raises(ValueError, match=counts):
        auc(labels, scores)
    with pytest.raises(ValueError, match=counts):
        auc_difference(labels, scores, scores)


def test_rows_that_are_each_their_own_group_are_as_good_as_independent():
    random = np.random.default_rng(3)
    labels = random.random(4000) < 0.3
    first, second = labels + random.normal(size=4000), labels + random.normal(size=4000)
    plain = auc_difference(labels, first, second)
    grouped = auc_difference(labels, first, second, groups=np.arange(4000))
    assert (grouped.first, grouped.second) == (plain.first, plain.second)
    assert grouped.high - grouped.low == pytest.approx(plain.high - plain.low, rel=0.02)


def test_copies_of_rows_do_not_narrow_an_interval_that_knows_its_groups():
    random = np.random.default_rng(4)
    labels = random.random(300) < 0.4
    first, second = labels + random.normal(size=300), labels + random.normal(size=300)
    groups = np.arange(300)
    once = auc_difference(labels, first, second, groups=groups)
    often = [np.tile(values, 20) for values in (labels, first, second, groups)]
    again = auc_difference(*often[:3], groups=often[3])
    assert again.high - again.low == pytest.approx(once.high - once.low, rel=1e-6)
    unknowing = auc_difference(*often[:3])
    assert unknowing.high - unknowing.low < (once.high - once.low) / 3


def test_with_one_group_nothing_can_be_told():
    labels = np.array([True, False] * 50)
    scores = np.linspace(0, 1, 100)
    compared = auc_difference(labels, scores, -scores, groups=np.zeros(100))
    assert (compared.low, compared.high) == (-math.inf, math.inf)


def test_where_days_differ_an_equal_candidate_is_admitted_seldom_by_the_grouped_interval_and_often_by_the_other():
    """Two models that are each better on some days: neither is better, and 20 days must not make it look so."""
    random = np.random.default_rng(5)
    admitted = {"grouped": 0, "plain": 0}
    for _ in range(300):
        days = np.repeat(np.arange(20), 60)
        labels = random.random(1200) < 0.4
        tilt = random.normal(scale=1.0, size=20)[days]
        first = labels * (1 + tilt) + random.normal(size=1200)
        second = labels * (1 - tilt) + random.normal(size=1200)
        admitted["grouped"] += auc_difference(labels, first, second, groups=days).low > 0
        admitted["plain"] += auc_difference(labels, first, second).low > 0
    assert admitted["grouped"] / 300 < 0.06
    assert admitted["plain"] / 300 > 0.12


def simulated(rows=600, seed=5):
    chance = np.random.default_rng(seed)
    labels = chance.random(rows) < 0.4
    return labels, labels + chance.normal(size=rows)


def test_the_interval_of_one_area_is_that_of_a_bootstrap():
    labels, scores = simulated()
    chance = np.random.default_rng(6)
    drawn = [auc(labels[places], scores[places]) for places in chance.integers(600, size=(400, 600))]
    found = auc_interval(labels, scores)
    assert found.value == auc(labels, scores)
    assert found.error == pytest.approx(np.std(drawn), rel=0.15)
    assert found.ends == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)
    assert found.units == 600


def test_the_interval_of_an_area_by_groups_is_wider_where_groups_differ():
    labels, scores = simulated()
    days = np.arange(600) // 50
    scores += 2 * np.random.default_rng(7).normal(size=12)[days] * (2 * labels - 1)
    found = auc_interval(labels, scores, groups=days)
    assert found.units == 12
    assert found.high - found.low > 1.5 * np.subtract(*auc_interval(labels, scores).ends[::-1])


def test_a_perfect_area_may_still_be_by_chance():
    labels = np.arange(60) >= 30
    found = auc_interval(labels, labels.astype(float))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(1 + np.log(0.025) / 30)


def test_an_area_of_one_group_tells_nothing():
    labels, scores = simulated()
    assert auc_interval(labels, scores, groups=np.zeros(600)).ends == (0, 1)
