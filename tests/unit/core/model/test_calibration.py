"""The calibration error and its interval, against models whose error is known."""

import numpy as np
import pytest
from scipy import stats

from xops.core.model.calibration import calibration_error, reliability

pytestmark = pytest.mark.unit


def simulated(rows, slope=1.0, shift=0.0, seed=0):
    chance = np.random.default_rng(seed)
    odds = chance.normal(size=rows)
    return chance.random(rows) < 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-slope * odds - shift))


def test_the_curve_is_that_of_bins_with_as_many_rows():
    came, chance = simulated(1000)
    curve = reliability(came, chance, bins=4)
    order = np.array_split(np.argsort(chance), 4)
    assert curve.rows.tolist() == [250] * 4
    np.testing.assert_allclose(curve.predicted, [chance[part].mean() for part in order])
    np.testing.assert_allclose(curve.happened, [came[part].mean() for part in order])
    wanted = [stats.sem(came[part] - chance[part]) for part in order]
    np.testing.assert_allclose(np.sqrt(np.diag(curve.covariance)), wanted)
    assert curve.plain_error == pytest.approx(np.abs(curve.happened - curve.predicted).mean())
    assert curve.to_json().keys() == {"predicted", "happened", "rows"}


def test_equal_chances_share_a_bin():
    curve = reliability(np.arange(100) < 30, np.full(100, 0.3), bins=10)
    assert curve.rows.tolist() == [100]
    assert calibration_error(curve, confidence=0.95).value == 0
    assert 0 < calibration_error(curve, confidence=0.95).high < 0.1


def test_the_parts_of_the_brier_score_make_up_the_score():
    came, chance = simulated(700, slope=2)
    parts = reliability(came, chance, bins=7).brier
    assert parts["score"] == pytest.approx(np.square(chance - came).mean())
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within"]
    assert total == pytest.approx(parts["score"])


def test_the_value_is_free_of_the_noise_that_the_plain_error_has():
    curves = [reliability(*simulated(500, seed=seed), bins=10) for seed in range(30)]
    plain = np.mean([curve.plain_error for curve in curves])
    freed = np.median([calibration_error(curve, confidence=0.95).value for curve in curves])
    assert plain > 0.03
    assert freed < 0.015


def test_rows_of_a_day_that_err_together_make_the_interval_wider():
    chance = np.random.default_rng(3)
    days = np.arange(2000) // 100
    odds = chance.normal(size=2000)
    came = chance.random(2000) < 1 / (1 + np.exp(-(odds + chance.normal(size=20)[days])))
    given = 1 / (1 + np.exp(-odds))
    apart, together = (
        calibration_error(reliability(came, given, bins=5, groups=groups), confidence=0.95) for groups in (None, days)
    )
    assert together.units == 20
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
