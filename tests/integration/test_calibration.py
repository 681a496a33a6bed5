"""Calibration of binary and multiclass models; the miscalibrated ones are caught."""

import numpy as np
import pandas as pd
import pytest

from xops.checks.battery.calibration import Calibration
from xops.checks.battery.check import findings_of
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.core.errors import Misconfigured
from xops.core.model.calibration import calibration_error, reliability
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration


class Softmax:
    """A model that is as sure as ``slope`` says; with 1 it is right."""

    def __init__(self, classes, slope):
        self.classes_, self.slope = np.array(classes), slope

    def predict_proba(self, frame):
        odds = np.exp(self.slope * frame.to_numpy())
        return odds / odds.sum(axis=1, keepdims=True)


def exam_of(slope, classes=("a", "b"), rows=4000):
    chance = np.random.default_rng(0)
    frame = pd.DataFrame(chance.normal(size=(rows, len(classes))), columns=list(classes))
    true = Softmax(classes, 1).predict_proba(frame).cumsum(axis=1)
    target = np.array(classes)[(chance.random((rows, 1)) > true).sum(axis=1)]
    kind = "binary" if len(classes) == 2 else "multiclass"
    return Exam(frame, target, kind, Contender("m/2", Softmax(classes, slope), tuple(classes)))


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
@pytest.mark.parametrize(("slope", "outcome"), [(1, "pass"), (3, "fail"), (0.2, "fail")])
def test_a_miscalibrated_model_is_caught_and_a_calibrated_one_passes(classes, slope, outcome):
    found = Calibration(max_error=0.05)(exam_of(slope, classes))
    assert {finding.outcome for finding in found} == {Outcome(outcome)}
    assert len(found) == (1 if len(classes) == 2 else 4)
    assert found[-1].subject == ("m/2" if len(classes) == 2 else "m/2 class c")
    assert sum(found[0].detail["curve"]["rows"]) == 4000


def test_few_rows_cannot_tell_and_say_so():
    (finding,) = Calibration(max_error=0.05)(exam_of(1, rows=250))
    assert finding.outcome is Outcome.UNKNOWN
    assert "would do" in finding.reason
    (finding,) = findings_of(Calibration(), exam_of(1, rows=150))
    assert (finding.outcome, finding.reason) == ("unknown", "150 rows, at least 200 are needed for 10 bins")


def test_what_cannot_be_asked_is_a_mistake():
    exam = exam_of(1)
    numbers = Exam(exam.frame, np.zeros(4000), "regression", exam.candidate)
    with pytest.raises(Misconfigured, match="a classifier was wanted, found a model of the kind regression"):
        Calibration()(numbers)
    with pytest.raises(Misconfigured, match="a max_error in"):
        Calibration(max_error=2)


def simulated(rows, slope=1.0, shift=0.0, seed=0):
    chance = np.random.default_rng(seed)
    odds = chance.normal(size=rows)
    return chance.random(rows) < 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-slope * odds - shift))


@pytest.mark.parametrize(("slope", "shift"), [(1, 0), (1.1, 0), (1.5, 0), (1, 0.3)])
def test_the_interval_covers_the_error_93_to_97_times_in_100(slope, shift):
    true = reliability(*simulated(400_000, slope, shift, 99), bins=10).plain_error if (slope, shift) != (1, 0) else 0
    found = [
        calibration_error(reliability(*simulated(1000, slope, shift, seed), bins=10), confidence=0.95)
        for seed in range(150)
    ]
    hits = sum(one.low <= true <= one.high for one in found)
    assert 0.93 - 0.035 <= hits / 150 <= 0.97 + 0.03  # within two standard errors of so few trials
