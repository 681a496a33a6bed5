"""Behaviour: a model that breaks one rule of the subject is caught by that rule; a fine one keeps all."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from xops.checks.battery.behaviour import Behaviour, Change
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

ROWS = 500
CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "rain": CHANCE.gamma(1, 5, ROWS),
        "hour": CHANCE.integers(0, 24, ROWS),
        "carrier": CHANCE.choice(["AA", "UA"], ROWS),
    }
)
COLUMNS = tuple(FRAME.columns)
LATE = FRAME["rain"].to_numpy() > 4
CASES = """case,rain,hour,carrier,expected,at_least,at_most
a storm,60,12,AA,True,0.9,
a storm,80,3,UA,True,,
a dry morning,0,6,AA,False,,0.2
"""


class Model:
    """Odds of a rule of the user's own."""

    classes_ = np.array([False, True])

    def __init__(self, odds):
        self.odds = odds

    def predict_proba(self, frame):
        late = 1 / (1 + np.exp(-np.asarray(self.odds(frame), dtype=float)))
        return np.column_stack([1 - late, late])

    def predict(self, frame):
        return self.predict_proba(frame)[:, 1] > 0.5


def fine(frame):
    return 0.5 * frame["rain"] - 2 + 0.01 * (frame["hour"] - 12)


MODELS = {
    "behaviour another carrier": lambda frame: fine(frame) + (frame["carrier"] == "UA"),
    "behaviour more rain": lambda frame: (
        fine(frame) * np.where((frame["rain"] * 50) % 10 > 9.5, 0.8, 1) + 3 * (frame["rain"] > 100)
    ),
    "never_falls_with hour": lambda frame: fine(frame) - 0.5 * (frame["hour"] > 20),
    "case a storm": lambda frame: np.where(frame["rain"] > 59.5, fine(frame).clip(upper=2), fine(frame)),
    "case a dry morning": lambda frame: fine(frame) + 2 * (frame["rain"] == 0) * (frame["hour"] == 6),
}


def exam_of(odds):
    return Exam(FRAME, LATE, "binary", Contender("m/2", Model(odds), COLUMNS))


@pytest.fixture
def check(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text(CASES, encoding="utf-8")
    return Behaviour(
        changes=[
            Change("another carrier", "same", to={"carrier": "UA"}),
            Change("more rain", "not_lower", add={"rain": 0.1}, tolerance=0.01),
        ],
        rising=["hour"],
        cases=str(path),
    )


def against(found):
    return {f"{finding.check} {finding.subject}" for finding in found if finding.outcome is not Outcome.PASS}


def test_a_fine_model_keeps_every_rule(check):
    found = check(exam_of(fine))
    assert against(found) == set()
    assert len(found) == 5


@pytest.mark.parametrize("rule", MODELS)
def test_a_model_that_breaks_one_rule_is_caught_by_it(check, rule):
    found = check(exam_of(MODELS[rule]))
    assert against(found) == {rule}
    (finding,) = [one for one in found if one.outcome is Outcome.FAIL]
    assert 0 < finding.observed <= 1


def test_a_falling_feature_and_a_share_that_is_allowed():
    exam = exam_of(lambda frame: -fine(frame))
    assert against(Behaviour(falling=["rain"])(exam)) == set()
    assert against(Behaviour(rising=["rain"])(exam)) == {"never_falls_with rain"}
    some = Change("more rain", "not_higher", add={"rain": 0.1})
    share = Behaviour([some])(exam_of(MODELS["behaviour more rain"]))[0].observed
    exam = exam_of(MODELS["behaviour more rain"])
    assert Behaviour([some], max_share=share)(exam)[0].outcome is Outcome.PASS
    assert Behaviour([some], max_share=share - 0.001)(exam)[0].outcome is Outcome.FAIL


def test_numbers_and_several_classes_are_judged_too(tmp_path):
    path = tmp_path / "cases.json"
    path.write_text(
        json.dumps([{"case": "none", "rain": 0, "at_most": 1}, {"case": "ten", "rain": 10, "expected": 20}])
    )
    target = 2 * FRAME["rain"].to_numpy()
    fitted = LinearRegression().fit(FRAME[["rain"]], target)
    exam = Exam(FRAME, target, "regression", Contender("m/2", fitted, ("rain",)))
    assert against(Behaviour(rising=["rain"], cases=str(path))(exam)) == set()
    classes = np.where(FRAME["rain"] > 8, "heavy", np.where(FRAME["rain"] > 3, "some", "none"))
    fitted = LogisticRegression(max_iter=500).fit(FRAME[["rain"]], classes)
    exam = Exam(FRAME, classes, "multiclass", Contender("m/2", fitted, ("rain",)))
    hour = Change("another hour", "same", to={"hour": 3})
    assert against(Behaviour([hour], rising=["rain"], of="heavy")(exam)) == set()
    (finding,) = Behaviour(rising=["rain"])(exam)
    assert (finding.outcome, finding.reason.split(";")[1]) == (Outcome.UNKNOWN, " name it in of")


def test_true_and_false_of_a_file_are_what_they_say(tmp_path):
    (tmp_path / "a.csv").write_text("case,wet,expected\nno,False,False\nyes,true,True\n")
    frame = pd.DataFrame({"wet": LATE})
    exam = Exam(frame, LATE, "binary", Contender("m/2", Model(lambda rows: 9.0 * rows["wet"] - 4), ("wet",)))
    assert against(Behaviour(cases=str(tmp_path / "a.csv"))(exam)) == set()


def test_what_cannot_be_asked_of_the_rows_is_unknown():
    changes = [Change("snow", "not_lower", add={"snow": 1})]
    found = Behaviour(changes, rising=["snow", "carrier"])(exam_of(fine))
    assert [finding.reason for finding in found] == [
        "the rows lack the column snow", "the model does not read it", "the rows hold no numbers of it",
    ]  # fmt: skip
    assert {finding.outcome for finding in found} == {Outcome.UNKNOWN}


def test_a_model_that_cannot_answer_a_changed_row_fails():
    def odds(frame):
        return np.where(frame["carrier"] == "ZZ", np.nan, fine(frame))

    (finding,) = Behaviour([Change("new carrier", "same", to={"carrier": "ZZ"})])(exam_of(odds))
    assert (finding.outcome, finding.reason) == (Outcome.FAIL, "m/2 gave 500 rows an answer that is not finite")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "case,rain\nstorm,3\n", "row 1: the name of its case, and expected, at_least or at_most were wanted"),
        ("a.csv", "case,rain,at_least\nstorm,3,much\n", "row 1: at_least: a number was wanted"),
        ("a.csv", "case,rain,expected\nstorm,3,True,9\n", "row 1: one value for each column was wanted"),
        ("a.csv", "case,rain,expected\n", "has none"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "[3]", "row 1: one value for each column was wanted"),
        ("a.json", "3", "cannot be read"),
        ("a.csv", "case,rain,expected\nstorm,much,True\n", "column rain of the cases is not of the type float64"),
    ],
)
def test_a_file_of_cases_that_cannot_be_used_says_where(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match=said):
        Behaviour(cases=str(tmp_path / name))(exam_of(fine))


def test_what_makes_no_sense_is_a_mistake():
    with pytest.raises(Misconfigured, match="cannot be read"):
        Behaviour(cases="nowhere.csv")(exam_of(fine))
    with pytest.raises(Misconfigured, match="was wanted, found none"):
        Behaviour()
    with pytest.raises(Misconfigured, match="more rain: a column in to or add"):
        Change("more rain", "not_lower")


@pytest.mark.parametrize(
    ("values", "kind", "value", "kept", "given"),
    [
        (["a", "b"], "category", "a", "category", "a"),
        (["a", "b"], "category", None, "category", None),
        (["a", "b"], "category", "new", "object", "new"),
        ([1, 2], "int64", None, "float64", None),
        ([1, 2], "int64", 0.5, "float64", 0.5),
        ([1, 2], "Int64", None, "Int64", None),
        ([1, 2], "Int64", 0.5, "float64", 0.5),
        (["2013-01-01", "2013-02-01"], "datetime64[ns]", "2014-01-01", "datetime64[ns]", pd.Timestamp("2014-01-01")),
        (["a", "b"], "object", None, "object", None),
    ],
)
def test_a_column_that_is_changed_keeps_its_type(values, kind, value, kept, given):
    asked, seen = FRAME.head(2).assign(column=pd.Series(values, dtype=kind)), []
    model = Model(lambda frame: seen.append(frame["column"]) or np.zeros(len(frame)))
    exam = Exam(asked, np.array([True, False]), "binary", Contender("m/2", model, (*COLUMNS, "column")))
    Behaviour(changes=[Change("given", "same", to={"column": value})])(exam)
    assert seen[0].dtype == kept
    assert seen[0].isna().all() if given is None else (seen[0] == given).all()
