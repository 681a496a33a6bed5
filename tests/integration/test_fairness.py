"""Models that are unfair to a group are caught, fair ones pass, small groups are unknown; fairlearn is the oracle."""

import re
import sys

import fairlearn.metrics as oracle
import numpy as np
import pandas as pd
import pytest

from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.fairness import Fairness, four_fifths
from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


class Said:
    """A model whose answers are a column."""

    def __init__(self, classes=(0, 1)):
        if classes:
            self.classes_ = np.array(classes)

    def predict(self, frame):
        return frame["said"].to_numpy()


def exam_of(rates, rows=6000, seed=0, **columns):
    """Give an exam of a model that selects men and women at the given rates."""
    chance = np.random.default_rng(seed)
    sex = chance.choice(list(rates), size=rows)
    said = (chance.random(rows) < np.vectorize(rates.get)(sex)).astype(int)
    frame = pd.DataFrame({"said": said, "sex": sex, "age": chance.choice(["old", "young"], size=rows)})
    target = np.where(chance.random(rows) < 0.8, said, 1 - said)
    return Exam(frame.assign(**columns), target, "binary", Contender("m/2", Said(), ("said",)))


FAIR, UNFAIR = {"f": 0.5, "m": 0.5}, {"f": 0.3, "m": 0.6}


def outcomes(findings):
    return {(finding.check, finding.subject): finding.outcome for finding in findings}


def test_the_four_fifths_rule_catches_an_unfair_model_and_passes_a_fair_one():
    caught = outcomes(four_fifths(["sex", "age"])(exam_of(UNFAIR)))
    assert caught == {
        ("selection_rate_ratio", "sex"): FAIL,
        ("selection_rate_ratio", "age"): PASS,
        ("selection_rate_ratio", "sex x age"): FAIL,
    }
    assert set(outcomes(four_fifths(["sex", "age"])(exam_of(FAIR))).values()) == {PASS}


def test_what_is_observed_is_fairlearns():
    exam = exam_of(UNFAIR)
    rates = ["selection_rate", "true_positive_rate", "false_positive_rate"]
    found = Fairness(["sex"], ratios=dict.fromkeys(rates, 0.8), differences=dict.fromkeys(rates, 0.1), shown=["sex"])(
        exam
    )
    given = {"y_true": exam.target, "y_pred": exam.frame["said"], "sensitive_features": exam.frame["sex"]}
    for finding in found:
        assert finding.observed == pytest.approx(getattr(oracle, finding.check)(**given))
        low, high = finding.interval
        assert low < finding.observed < high
    assert {finding.detail["lowest"] for finding in found} == {"f"}


def test_a_model_that_is_unfair_to_an_intersection_alone_is_caught_there():
    exam = exam_of(FAIR, rows=8000)
    said = np.where((exam.frame["sex"] == "f") == (exam.frame["age"] == "old"), 1, exam.frame["said"])
    both = Exam(exam.frame.assign(said=said), exam.target, "binary", exam.candidate)
    caught = outcomes(four_fifths(["sex", "age"])(both))
    assert caught["selection_rate_ratio", "sex"] == caught["selection_rate_ratio", "age"] == PASS
    assert caught["selection_rate_ratio", "sex x age"] == FAIL


def test_few_rows_cannot_tell():
    (finding,) = Fairness(["sex"], ratios={"selection_rate": 0.8})(exam_of({"f": 0.4, "m": 0.5}, rows=300))
    assert finding.outcome is UNKNOWN
    assert "too few rows to tell" in finding.reason


def test_a_group_too_small_is_unknown_and_one_below_the_share_is_left_out():
    rates = {"f": 0.5, "m": 0.5}
    sex = np.array(["d"] * 40 + ["x"] * 5 + ["f", "m"] * 478 + ["f"])
    exam = exam_of(rates, rows=1002, sex=sex)
    found = outcomes(Fairness(["sex"], ratios={"selection_rate": 0.5})(exam))
    assert found == {("selection_rate_ratio", "sex"): PASS, ("selection_rate", "sex"): UNKNOWN}
    lone = exam_of(rates, rows=200, sex="f")
    (finding,) = Fairness(["sex"], ratios={"selection_rate": 0.5})(lone)
    assert (finding.outcome, finding.reason.split(" ")[0]) == (UNKNOWN, "1")


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("origin", None, "the rows lack the column origin"),
        ("name", np.arange(12_000).astype(str), "name has 12000 groups, at most 50 can be judged"),
    ],
)
def test_a_column_that_is_missing_or_of_ten_thousand_groups_is_unknown(column, values, said):
    exam = exam_of(FAIR, rows=12_000, **({} if values is None else {column: values}))
    found = four_fifths([column, "sex"])(exam)
    assert [finding.outcome for finding in found] == [UNKNOWN, PASS, UNKNOWN]
    assert found[0].reason == said


def test_people_of_whom_nothing_is_known_are_a_group():
    exam = exam_of(FAIR)
    frame = exam.frame.assign(sex=exam.frame["sex"].where(exam.frame["age"] == "old", None))
    (finding, *_) = four_fifths(["sex"])(Exam(frame, exam.target, "binary", exam.candidate))
    assert "missing" in {group["group"] for group in finding.detail["groups"]}


def test_a_single_row_is_a_single_group():
    one = Exam(
        pd.DataFrame({"said": [1.0], "sex": ["f"]}),
        np.array([2.0]),
        "regression",
        Contender("m/2", Said(()), ("said",)),
    )
    (finding,) = Fairness(["sex"], differences={"mean_absolute_error": 1})(one)
    assert (finding.outcome, finding.reason) == (UNKNOWN, "1 group, group 1; two are needed")


def test_values_of_people_are_told_only_where_they_may_be():
    exam = exam_of(UNFAIR, sex=np.array(["Jo" if at % 3 else "Kim" for at in range(4000)]), rows=4000)
    hidden = four_fifths(["sex", "age"])(exam)
    assert not {"Jo", "Kim", "old", "young"} & set(re.findall(r"\w+", str([one.to_json() for one in hidden])))
    assert [(one["group"], one["rows"]) for one in hidden[0].detail["groups"]] == [("group 1", 2666), ("group 2", 1334)]
    half = four_fifths(["sex", "age"], shown=["age"])(exam)
    assert {one["group"] for one in half[2].detail["groups"]} >= {"group 1 x old", "group 2 x old"}
    assert [one.observed for one in half] == [one.observed for one in hidden]


def test_rows_of_a_household_make_intervals_wider():
    exam = exam_of(UNFAIR, rows=2000)
    homes = Exam(exam.frame, exam.target, "binary", exam.candidate, groups=np.arange(2000) // 100)
    check = Fairness(["sex"], differences={"selection_rate": 0.1, "accuracy": 0.1})
    assert {finding.outcome for finding in check(homes)} <= {PASS, FAIL, UNKNOWN}


def test_a_regression_and_several_classes_are_judged_by_scikit_learns_metrics():
    exam = exam_of(FAIR, rows=600)
    said = exam.frame["said"] + np.where(exam.frame["sex"] == "f", 5.0, 0)
    numbers = Exam(exam.frame.assign(said=said), exam.target, "regression", Contender("m/2", Said(()), ("said",)))
    (finding,) = Fairness(["sex"], differences={"mean_absolute_error": 1}, shown=["sex"])(numbers)
    assert (finding.outcome, finding.detail["highest"]) == (FAIL, "f")
    several = Exam(exam.frame, exam.target, "multiclass", Contender("m/2", Said((0, 1, 2)), ("said",)))
    (finding,) = Fairness(["sex"], differences={"accuracy": 0.2})(several)
    assert finding.outcome is PASS
    with pytest.raises(Misconfigured, match="selection_rate is one of binary models"):
        four_fifths(["sex"])(numbers)


def test_of_several_classes_a_rate_is_judged_class_by_class_against_the_rest():
    chance = np.random.default_rng(3)
    sex = chance.choice(["f", "m"], size=6000)
    said = np.where(
        sex == "f", chance.choice([0, 0, 0, 1, 2, 2], size=6000), chance.choice([0, 0, 1, 1, 2, 2], size=6000)
    )
    frame = pd.DataFrame({"said": said, "sex": sex})
    exam = Exam(frame, said, "multiclass", Contender("m/2", Said((0, 1, 2)), ("said",)))
    found = {finding.subject: finding for finding in four_fifths(["sex"])(exam)}
    assert {name: finding.outcome for name, finding in found.items()} == {
        "sex, class 0": FAIL,
        "sex, class 1": FAIL,
        "sex, class 2": PASS,
    }
    one = found["sex, class 1"]
    wanted = oracle.demographic_parity_ratio(said == 1, said == 1, sensitive_features=sex)
    assert one.observed == pytest.approx(wanted)


def test_what_cannot_be_asked_is_a_mistake(monkeypatch):
    with pytest.raises(Misconfigured, match="at least one column, and a limit"):
        Fairness(["sex"])
    with pytest.raises(Misconfigured, match="a metric of fairlearn or scikit-learn was wanted, found cost"):
        Fairness(["sex"], ratios={"cost": 0.8})(exam_of(FAIR, rows=300))
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    with pytest.raises(Misconfigured, match=r"fairlearn is missing; install it with pip install 'xops\[battery\]'"):
        four_fifths(["sex"])(exam_of(FAIR, rows=300))
