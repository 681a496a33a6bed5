"""Explanation: what answers rest on is found, forbidden features are caught, and the time is kept."""

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

from xops.checks.battery.exam import Contender, Exam
from xops.checks.battery.explanation import Explanation
from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

ROWS = 1000
CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame(CHANCE.normal(size=(ROWS, 4)), columns=["rain", "wind", "hour", "sex"])
LATE = (2 * FRAME["rain"] + FRAME["wind"] + 0.5 * FRAME["hour"] + CHANCE.normal(size=ROWS) > 0).to_numpy()
COLUMNS = tuple(FRAME.columns)


class Model:
    """A linear rule of a binary model."""

    classes_ = np.array([False, True])

    def __init__(self, seconds=0.0, **weights):
        self.seconds, self.weights = seconds, weights

    def predict_proba(self, frame):
        time.sleep(self.seconds)
        late = 1 / (1 + np.exp(-sum(weight * frame[name].to_numpy() for name, weight in self.weights.items())))
        return np.column_stack([1 - late, late])


FINE = {"rain": 2, "wind": 1, "hour": 0.5}


def judged(candidate, check, champion=None, columns=COLUMNS):
    rival = None if champion is None else Contender("m/1", champion, COLUMNS)
    found = check(Exam(FRAME, LATE, "binary", Contender("m/2", candidate, columns), rival))
    return {f"{finding.check} {finding.subject}": finding for finding in found}


ALL = Explanation(forbidden=["sex"], max_share=0.95, min_rank_correlation=0.5)


def test_a_fine_model_passes_and_its_features_are_in_order():
    found = judged(Model(**FINE), ALL, Model(**FINE))
    assert {finding.outcome for finding in found.values()} == {Outcome.PASS}
    features = found["importance m/2"].detail["features"]
    assert [one["feature"] for one in features] == list(COLUMNS)
    assert features[0]["interval"][0] > 0
    assert features[3]["value"] == 0
    assert judged(Model(**FINE), ALL, columns=COLUMNS[:3])["forbidden_feature sex"].outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("candidate", "caught"),
    [
        (Model(**FINE, sex=0.01), "forbidden_feature sex"),
        (Model(rain=3, wind=0.2, hour=0.1), "importance m/2"),
        (Model(rain=0.01, wind=0.1, hour=1), "importance_rank_correlation m/2"),
    ],
    ids=["forbidden", "suspicious", "unlike the champion"],
)
def test_a_model_that_rests_on_the_wrong_thing_is_caught(candidate, caught):
    found = judged(candidate, ALL, Model(**FINE))
    assert {name for name, finding in found.items() if finding.outcome is Outcome.FAIL} == {caught}


@pytest.mark.parametrize(
    ("fitted", "kind", "method"),
    [
        (RandomForestClassifier(20, max_depth=4, random_state=0), "binary", "tree"),
        (LogisticRegression(), "binary", "linear"),
        (LinearRegression(), "regression", "linear"),
        (KNeighborsRegressor(), "regression", "kernel"),
    ],
)
def test_shap_values_agree_on_what_matters_most(fitted, kind, method):
    target = LATE if kind == "binary" else 2 * FRAME["rain"].to_numpy() + FRAME["wind"].to_numpy()
    exam = Exam(FRAME, target, kind, Contender("m/2", fitted.fit(FRAME, target), COLUMNS))
    (finding,) = Explanation(shap=True, rows=30)(exam)
    shap = finding.detail["shap"]
    assert (shap["method"], shap["rows"], shap["asked"]) == (method, 30, 30)
    assert [one["feature"] for one in shap["features"][:2]] == ["rain", "wind"]


def test_the_time_is_kept_and_what_is_left_is_unknown():
    start = time.monotonic()
    found = judged(Model(seconds=0.3, **FINE), Explanation(["sex"], shap=True, budget=0.5))
    assert time.monotonic() - start < 4
    assert found["forbidden_feature sex"].outcome is Outcome.UNKNOWN
    assert found["importance m/2"].outcome is Outcome.UNKNOWN
    assert found["importance m/2"].reason.endswith("of 4 features in 0.5 s")
    assert "too slow" in found["importance m/2"].detail["shap"]["why"]


def test_what_cannot_be_compared_or_explained_says_so():
    few = judged(Model(rain=1), ALL, Model(**FINE), columns=("rain",))
    assert few["importance_rank_correlation m/2"].outcome is Outcome.UNKNOWN
    broken = judged(Model(**FINE), ALL, SimpleNamespace(predict_proba=lambda frame: frame["snow"]))
    assert broken["importance_rank_correlation m/2"].reason.startswith("m/1 cannot answer")
    texts = FRAME.assign(sex="f")
    exam = Exam(texts, LATE, "binary", Contender("m/2", Model(**FINE), COLUMNS))
    (finding,) = Explanation(shap=True)(exam)
    assert finding.outcome is Outcome.PASS
    assert finding.detail["shap"]["why"] == "SHAP values are computed of numbers, and not all features are"
    with pytest.raises(Misconfigured, match="a budget above 0"):
        Explanation(budget=0)
