"""Models that are worse on one slice are caught, given or found; fine ones pass."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from xops.checks.battery.check import findings_of
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.slices import Slices
from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
COLUMNS = ("x", "carrier", "distance")


class Blind:
    """A model of the true log odds, with some noise, which knows nothing of some carriers."""

    def __init__(self, noise, *blind):
        self.noise, self.blind, self.classes_ = noise, blind, np.array([False, True])

    def predict_proba(self, frame):
        odds = frame["x"] + self.noise * np.random.default_rng(len(frame)).normal(size=len(frame))
        chance = 1 / (1 + np.exp(-np.where(frame["carrier"].isin(self.blind), -2 * odds, odds)))
        return np.column_stack([1 - chance, chance])

    def predict(self, frame):
        return self.predict_proba(frame)[:, 1] > 0.5


def exam_of(candidate, champion=None, rows=6000, seed=0, **columns):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": 2 * chance.normal(size=rows),
            "carrier": chance.choice(list("ABCDEFGH"), size=rows),
            "distance": chance.normal(size=rows),
        }
    ).assign(**columns)
    late = chance.random(rows) < 1 / (1 + np.exp(-frame["x"]))
    rival = champion and Contender("m/1", champion, COLUMNS)
    return Exam(frame, late.to_numpy(), "binary", Contender("m/2", candidate, COLUMNS), rival)


def outcome(findings):
    return {finding.outcome for finding in findings}


BETTER_BUT_BLIND = (Blind(0.1, "C"), Blind(2.0))


def test_a_candidate_that_is_better_overall_and_much_worse_on_a_slice_fails_by_the_column_given():
    exam = exam_of(*BETTER_BUT_BLIND)
    (finding,) = Slices(columns=["carrier"], search=())(exam)
    assert (finding.outcome, finding.subject) == (FAIL, "carrier")
    assert finding.reason.startswith("carrier = C: ")
    assert [one["name"] for one in finding.detail["slices"] if one["outcome"] == "fail"] == ["carrier = C"]


def test_slices_of_people_are_numbered_unless_their_values_may_be_told():
    exam = dataclasses.replace(exam_of(*BETTER_BUT_BLIND), sensitive=("carrier",))
    hidden = Slices(columns=["carrier"])(exam)
    assert hidden[0].reason.startswith("carrier group 3: ")
    assert not re.search(r"carrier = [A-H]", str([one.to_json() for one in hidden]))
    told = Slices(columns=["carrier"])(exam_of(*BETTER_BUT_BLIND))
    assert [one.outcome for one in hidden] == [one.outcome for one in told]
    assert Slices(columns=["carrier"], shown=["carrier"])(exam)[0].reason.startswith("carrier = C: ")


def test_a_slice_that_nobody_named_is_found_and_tested_on_other_rows():
    found = Slices()(exam_of(*BETTER_BUT_BLIND))
    failed = [finding for finding in found if finding.outcome is FAIL]
    assert failed
    assert "carrier = C" in failed[0].subject
    assert failed[0].size < 6000 / 8 * 0.7


def test_a_fine_candidate_passes_with_and_without_a_champion():
    for champion in (Blind(0.5), Blind(2.0)):
        exam = exam_of(Blind(0.5), champion)
        assert outcome(Slices(columns=["carrier", "distance"], max_worse=0.5)(exam)) <= {PASS, WARN}
    assert FAIL not in outcome(Slices(columns=["carrier"], max_worse=0.5)(exam_of(Blind(0.1))))


def test_without_a_champion_a_slice_is_compared_with_the_mean():
    exam = exam_of(Blind(0.1, "C"))
    (finding,) = Slices(columns=["carrier"], search=(), max_worse=0.5, loss="error")(exam)
    assert finding.outcome is FAIL


def test_equal_candidates_seldom_fail_on_a_slice_that_was_searched_for():
    failed = 0
    for seed in range(60):
        failed += FAIL in outcome(Slices(max_worse=0.001)(exam_of(Blind(0.6), Blind(0.60001), 1500, seed)))
        exam = exam_of(Blind(0.6), rows=1500, seed=seed)
        noisy = Exam(exam.frame, np.random.default_rng(seed).permutation(exam.target), "binary", exam.candidate)
        failed += FAIL in outcome(Slices(max_worse=0.001, search=["carrier", "distance"])(noisy))
    assert failed <= 0.05 * 120


def test_too_few_rows_are_unknown_for_a_given_column_and_for_the_search():
    given = Slices(columns=["carrier", "wind"], search=(), min_rows=500)(exam_of(Blind(0.1), rows=1000))
    assert [finding.reason for finding in given] == ["no slice is large enough", "the rows lack this column"]
    (finding,) = Slices(min_rows=500)(exam_of(Blind(0.1), rows=1000))
    assert finding.outcome is UNKNOWN


def test_a_feature_without_a_value_hides_no_other():
    exam = exam_of(*BETTER_BUT_BLIND, distance=np.nan)
    found = Slices(columns=["distance"])(exam)
    assert (found[0].outcome, found[0].reason) == (UNKNOWN, "no slice is large enough")
    assert FAIL in outcome(found[1:])


def test_a_regression_is_judged_by_its_absolute_error():
    frame, target = load_diabetes(return_X_y=True, as_frame=True)
    fitted = LinearRegression().fit(frame, target)
    exam = Exam(frame, target.to_numpy(), "regression", Contender("m/2", fitted, tuple(frame.columns)))
    assert FAIL not in outcome(Slices(columns=["sex"], max_worse=0.5)(exam))

    class Off:
        def predict(self, rows):
            return fitted.predict(rows) + 150 * (rows["sex"] > 0)

    off = Exam(frame, target.to_numpy(), "regression", Contender("m/3", Off(), tuple(frame.columns)), exam.candidate)
    assert outcome(Slices(columns=["sex"], search=(), loss="squared_error")(off)) == {FAIL}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"loss": "cost"}, "slices: a loss of"),
        ({"min_share": 0}, "a min_share in"),
        ({"loss": "absolute_error"}, "absolute_error is no loss of a model of the kind binary"),
    ],
)
def test_what_cannot_be_asked_is_a_mistake(asked, said):
    with pytest.raises(Misconfigured, match=said):
        Slices(**asked)(exam_of(Blind(0.1), rows=300))


def test_a_classifier_without_probabilities_is_judged_by_its_errors():
    from sklearn.datasets import load_wine
    from sklearn.svm import SVC

    frame, target = load_wine(return_X_y=True, as_frame=True)
    exam = Exam(frame, target.to_numpy(), "multiclass", Contender("m", SVC().fit(frame, target), tuple(frame.columns)))
    (finding,) = Slices(columns=["hue"], search=[], max_worse=5, min_rows=20)(exam)
    assert finding.observed is not None


class Ranker:
    """Scores that follow the gain but for the queries of some place."""

    def __init__(self, *blind):
        self.blind = blind

    def predict(self, frame):
        return np.where(frame["place"].isin(self.blind), -1, 1) * frame["x"]


def ranking_of(candidate):
    chance, query = np.random.default_rng(0), np.repeat(np.arange(400), 10)
    frame = pd.DataFrame({"x": chance.normal(size=4000), "place": np.array(["here", "there"])[query // 10 % 2]})
    gain = np.clip(np.round(frame["x"] + 1 + 0.3 * chance.normal(size=4000)), 0, 4)
    contenders = (Contender(name, one, ("x", "place")) for name, one in (("m/2", candidate), ("m/1", Ranker())))
    return Exam(frame, gain, "ranking", *contenders, groups=query)


def test_a_ranking_that_is_worse_for_queries_of_one_kind_is_caught_by_what_they_lack_of_the_best_order():
    found = findings_of(Slices(columns=["place"]), ranking_of(Ranker("there")))
    assert found[0].outcome is FAIL
    assert found[0].reason.startswith("place = there: ")
    assert {one.outcome for one in findings_of(Slices(columns=["place"]), ranking_of(Ranker()))} == {PASS}


def test_a_row_of_a_ranking_has_no_other_loss_than_its_querys():
    with pytest.raises(Misconfigured, match="absolute_error is no loss of a ranking"):
        findings_of(Slices(loss="absolute_error"), ranking_of(Ranker()))
