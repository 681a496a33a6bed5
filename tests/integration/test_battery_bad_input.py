"""The whole battery given what cannot be judged: unknown or fail with the reason, never a pass, never a traceback."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

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


ASKING = {"performance", "calibration", "explanation"}  # checks that fail as a whole when there are no chances
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


def test_the_same_battery_passes_where_nothing_is_wrong():
    verdict = judge(exam_of(), battery(performance=Performance(limits={"roc_auc": 0.5})), facts={})
    assert {str(one) for one in verdict.failed if one.check != "overlap"} == set()
