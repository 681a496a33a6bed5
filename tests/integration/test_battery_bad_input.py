"""The whole battery given what cannot be judged: unknown or fail with the reason, never a pass, never a traceback."""

import dataclasses
import os
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from xops.checks.battery.behaviour import Behaviour, Change
from xops.checks.battery.calibration import Calibration
from xops.checks.battery.check import judge
from xops.checks.battery.contender import Contender, Learned
from xops.checks.battery.exam import Exam
from xops.checks.battery.explanation import Explanation
from xops.checks.battery.fairness import Fairness
from xops.checks.battery.leakage import Leakage
from xops.checks.battery.metric import Metric
from xops.checks.battery.performance import Performance
from xops.checks.battery.resources import Resources
from xops.checks.battery.robustness import Robustness
from xops.checks.battery.slices import Slices
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

ROWS = 1200
CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame(CHANCE.normal(size=(ROWS, 3)), columns=["rain", "wind", "hour"]).assign(
    sex=CHANCE.choice(["f", "m"], size=ROWS),
    day=pd.Timestamp("2013-02-01") + pd.to_timedelta(np.arange(ROWS), unit="h"),
)
COLUMNS = ("rain", "wind", "hour")
LATE = (FRAME["rain"] + CHANCE.normal(size=ROWS) > 0).to_numpy()


class Model:
    """A rule whose answers are changed in one way."""

    classes_ = np.array([False, True])

    def __init__(self, change=None, takes=0):
        self.change, self.takes = change, takes

    def predict_proba(self, frame):
        np.ones(self.takes, dtype=np.uint8)
        late = 1 / (1 + np.exp(-np.nan_to_num(frame["rain"].to_numpy(dtype=float))))
        both = np.column_stack([1 - late, late])
        return both if self.change is None else self.change(both)

    def predict(self, frame):
        return self.predict_proba(frame)[:, 1] > 0.5


def nan(both):
    return np.where(both > 0.9, np.nan, both)


def three(both):
    return np.column_stack([both, both[:, 0]])


def above_one(both):
    return both * [[-1, 1]] + [[1, 0.5]]


def breaks(_truth, _given):
    raise ZeroDivisionError("no such rows")


def battery(**changed):
    checks = {
        "performance": Performance(limits={"roc_auc": 0.5}, better={"accuracy": 0}),
        "slices": Slices(columns=["sex"], max_worse=0.9),
        "calibration": Calibration(max_error=0.3),
        "fairness": Fairness(["sex"], differences={"accuracy": 0.5}),
        "explanation": Explanation(rows=300, min_rank_correlation=0.1),
        "robustness": Robustness(flips={"noise": 0.9, "missing": 0.9, "row_order": 0}),
        "leakage": Leakage(),
        "behaviour": Behaviour(rising=["rain"], changes=[Change("sex", "same", to={"sex": "f"})]),
        "resources": Resources(limits={"peak_megabytes": 200}, rounds=3, batch_rows=10, allowed_megabytes=200),
    }
    return list((checks | changed).values())


def exam_of(model=None, *, frame=FRAME, late=LATE, columns=COLUMNS, champion=COLUMNS, **changed):
    rival = Contender("models:/m/1", LogisticRegression().fit(FRAME[list(COLUMNS)], LATE), champion)
    learned = Learned(FRAME.assign(day=FRAME["day"] - pd.Timedelta(days=100), rain=-9.0), LATE)
    candidate = Contender("models:/m/2", model or Model(), columns, learned=learned)
    return Exam(frame, late, "binary", candidate, rival, **changed)


def made(**columns):
    return FRAME.assign(**columns)


ASKING = {"roc_auc", "calibration", "explanation"}  # what fails when there are no chances
BY_SEX = {"accuracy_difference sex", "slices sex", "behaviour sex"}


def of_strange_groups():
    frame = pd.concat([made(sex=[f"group {at}" for at in range(at, at + ROWS)]) for at in range(0, 10 * ROWS, ROWS)])
    return exam_of(frame=frame.reset_index(drop=True), late=np.tile(LATE, 10))


def shuffled_in_time():
    days = FRAME["day"].to_numpy()[np.random.default_rng(1).permutation(ROWS)]
    return exam_of(frame=made(day=days - pd.Timedelta(days=100) * (np.arange(ROWS) % 2)))


# by what is wrong: the exam, the checks that are other ones, and the findings that can tell nothing, or all
BAD = {
    "one class": (lambda: exam_of(late=np.ones(ROWS, dtype=bool)), {}, "all"),
    "no rows": (lambda: exam_of(frame=FRAME.head(0), late=LATE[:0]), {}, "all"),
    "an all-NaN feature": (lambda: exam_of(frame=made(rain=np.nan)), {}, {"roc_auc_alone rain"}),
    "predictions with NaN": (lambda: exam_of(Model(nan)), {}, ASKING),
    "predictions of the wrong shape": (lambda: exam_of(Model(three)), {}, ASKING),
    "probabilities outside [0, 1]": (lambda: exam_of(Model(above_one)), {}, ASKING),
    "a champion with other features": (
        lambda: exam_of(champion=("rain", "snow", "hour")),
        {},
        {"accuracy_gain", "slices", "importance_rank_correlation"},
    ),
    "a sensitive column missing": (lambda: exam_of(frame=FRAME.drop(columns="sex")), {}, BY_SEX),
    "a sensitive column with 10,000 groups": (of_strange_groups, {}, {"accuracy_difference sex", "slices sex"}),
    "a metric that raises": (
        exam_of,
        {"performance": Performance(limits={"own": 1, "roc_auc": 0.5}, functions={"own": Metric(breaks)})},
        {"own"},
    ),
    "ten times the memory allowed": (lambda: exam_of(Model(takes=2_000_000_000)), "resources", {"resources"}),
    "time-ordered data given shuffled": (
        shuffled_in_time,
        {"leakage": Leakage(time="day", max_near=None)},
        {"learned_from_later_rows"},
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_judged_is_unknown_or_fails_with_its_reason_and_never_passes(bad):
    exam, other, untold = BAD[bad]
    checks = [one for one in battery() if one.name == other] if isinstance(other, str) else battery(**other)
    verdict = judge(exam(), checks, facts={})
    assert verdict.outcome in (Outcome.FAIL, Outcome.UNKNOWN)
    against = [one for one in verdict.findings if not one.outcome.passes]
    assert all(one.reason for one in against)
    said = " ".join(one.reason for one in verdict.findings)
    assert "Traceback" not in said
    assert "broke" not in said, said
    if untold == "all":
        judged = {one.check for one in verdict.findings if one.outcome is Outcome.PASS}
        assert judged <= {"peak_megabytes", "never_falls_with", "behaviour"}  # of these no truth is needed
    else:
        for name in untold:
            assert any(f"{one.check} {one.subject}".startswith(name) for one in against), (
                name,
                list(map(str, against)),
            )
    json_of = verdict.to_json()
    assert type(verdict).from_json(json_of).outcome is verdict.outcome


class Hanging(Model):
    """A model that never answers."""

    def predict_proba(self, _frame):
        time.sleep(3600)


class Ending(Model):
    """A model that ends the process which asks it."""

    def predict_proba(self, _frame):
        os._exit(9)


class Silent(Model):
    """A model that cannot answer at all."""

    def predict_proba(self, frame):
        raise RuntimeError(f"{len(frame)} rows")


COSTS = Resources(
    {"peak_megabytes": 200}, {"row_seconds": 2}, rounds=3, batch_rows=10, allowed_megabytes=200, timeout=6
)


@pytest.mark.parametrize(
    ("model", "why"),
    [(Model(takes=2_000_000_000), "more memory"), (Hanging(), "no answer in 6 s"), (Ending(), "ended its process")],
    ids=["memory", "time", "end"],
)
def test_a_model_that_would_end_this_process_is_stopped_in_one_of_its_own_before_anybody_asks_it_here(model, why):
    verdict = judge(exam_of(model), battery(resources=COSTS), facts={})
    found = {f"{one.check} {one.subject}": one for one in verdict.findings}
    assert list(found)[-1] == "resources models:/m/2"
    assert found.pop("resources models:/m/2").outcome is Outcome.FAIL
    of_rows = {"roc_auc_alone rain", "roc_auc_alone wind", "roc_auc_alone hour", "near_duplicates models:/m/2"}
    assert {name for name, one in found.items() if one.outcome.passes} == of_rows
    for name in set(found) - of_rows - {"overlap models:/m/2"}:
        assert found[name].outcome is Outcome.UNKNOWN
        assert "models:/m/2 was not asked: in a process of its own it " in found[name].reason
        assert why in found[name].reason


def test_a_model_that_cannot_be_handed_over_and_hangs_holds_nobody_up():
    held, begun = Hanging(), time.monotonic()
    held.lock = threading.Lock()
    verdict = judge(exam_of(held), battery(resources=COSTS), facts={})
    assert time.monotonic() - begun < 30
    assert not {one for one in verdict.findings if one.outcome is Outcome.FAIL}
    found = {one.check: one for one in verdict.findings}
    why = "models:/m/2 was not asked: it cannot be pickled for a process of its own: TypeError"
    assert found["roc_auc"].reason.startswith(why)
    assert found["resources"].outcome is found["roc_auc"].outcome is Outcome.UNKNOWN


def leaves(*_):
    sys.exit(0)


class Leaving(Model):
    """A model that ends whoever asks it."""

    predict_proba = predict = leaves


def test_code_that_ends_its_process_ends_no_battery():
    leaving = [Performance(limits={"own": 1, "roc_auc": 0.5}, functions={"own": Metric(leaves)}), leaves]
    found = {one.check: one for one in judge(exam_of(), leaving, facts={}).findings}
    assert {name: one.outcome for name, one in found.items()} == {
        "own": Outcome.UNKNOWN, "roc_auc": Outcome.PASS, "leaves": Outcome.UNKNOWN,
    }  # fmt: skip
    assert found["own"].reason == "the metric raised SystemExit(0)"
    assert found["leaves"].reason == "the check broke: SystemExit(0)"
    (asked,) = judge(exam_of(Leaving()), [Performance(limits={"roc_auc": 0.5})], facts={}).findings
    assert (asked.outcome, asked.reason) == (Outcome.FAIL, "models:/m/2 cannot answer: SystemExit(0)")


def test_a_champion_that_never_answers_leaves_comparisons_unknown_and_the_candidate_judged():
    exam = dataclasses.replace(exam_of(), champion=Contender("models:/m/1", Hanging(), COLUMNS))
    verdict = judge(exam, battery(resources=COSTS), facts={})
    untold = {one.check for one in verdict.findings if one.outcome is Outcome.UNKNOWN}
    assert untold == {"accuracy_gain", "slices", "importance_rank_correlation", "row_seconds_ratio", "overlap"}
    assert not {one for one in verdict.findings if one.outcome is Outcome.FAIL}


def test_no_order_of_columns_is_fine_for_a_model_that_cannot_answer():
    verdict = judge(exam_of(Silent()), [Robustness(flips={"column_order": 0, "row_order": 0})], facts={})
    assert [one.outcome for one in verdict.findings] == [Outcome.FAIL] * 2


@pytest.mark.parametrize("target", [LATE, LATE.astype(int), np.where(LATE, "late", "no")], ids=["bool", "int", "text"])
def test_a_classifier_without_chances_is_judged_by_its_classes_and_unknown_of_the_rest(target):
    fitted = LinearSVC().fit(FRAME[list(COLUMNS)], target)
    asked = Performance({"neg_log_loss": -0.7, "accuracy": 0.5, "roc_auc": 0.5}, functions={"own": Metric(breaks)})
    exam = Exam(FRAME, target, "binary", Contender("models:/m/2", fitted, COLUMNS))
    found = {one.check: one.outcome for one in judge(exam, [asked, Calibration()], facts={}).findings}
    assert found == {
        "neg_log_loss": Outcome.UNKNOWN,
        "accuracy": Outcome.PASS,
        "roc_auc": Outcome.PASS,
        "calibration": Outcome.UNKNOWN,
    }


def test_the_same_battery_passes_where_nothing_is_wrong():
    verdict = judge(exam_of(), battery(performance=Performance(limits={"roc_auc": 0.5})), facts={})
    assert {str(one) for one in verdict.failed if one.check != "overlap"} == set()
