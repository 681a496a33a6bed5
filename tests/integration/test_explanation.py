"""Explanation: what answers rest on is found, forbidden features are caught, and the time is kept."""

import os
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

from xops.checks.battery.check import judge
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.explanation import Explanation
from xops.checks.battery.performance import Performance
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
    assert finding.detail["shap_by"] == {"method": method, "rows": 30, "asked": 30}
    assert [one["feature"] for one in finding.detail["shap"][:2]] == ["rain", "wind"]


def test_the_time_is_kept_and_what_is_left_is_unknown():
    start = time.monotonic()
    found = judged(Model(seconds=0.3, **FINE), Explanation(["sex"], shap=True, budget=0.5))
    assert time.monotonic() - start < 5
    assert found["forbidden_feature sex"].outcome is Outcome.UNKNOWN
    assert found["importance m/2"].outcome is Outcome.UNKNOWN
    assert found["importance m/2"].reason.endswith("of 4 features in 0.25 s")
    assert found["importance m/2"].detail["shap_by"]["why"].startswith("no row could be explained in 0.")


class Hanging(Model):
    """A model that answers in this process, and never in another."""

    def __reduce__(self):
        return time.sleep, (3600,)


def test_a_process_that_hangs_is_killed_when_its_time_is_over():
    start = time.monotonic()
    found = judged(Hanging(**FINE), Explanation(shap=True, rows=50, budget=4))
    assert 3.9 < time.monotonic() - start < 5.5
    assert re.fullmatch(r"no row could be explained in (4|3\.9\d*) s", found["importance m/2"].detail["shap_by"]["why"])


class Slow(Model):
    """A model that takes its time for each row."""

    def predict_proba(self, frame):
        time.sleep(0.004 * len(frame))
        return super().predict_proba(frame)


@pytest.mark.parametrize(("candidate", "champion"), [(Slow, Slow), (Model, Slow), (Slow, Model)])
def test_permutations_of_both_models_and_shap_values_share_one_budget(candidate, champion):
    start = time.monotonic()
    judged(candidate(**FINE), Explanation(shap=True, budget=5, min_rank_correlation=0), champion(**FINE))
    assert time.monotonic() - start < 6.5


def test_rows_that_there_was_time_for_count_when_it_is_over():
    found = judged(Model(seconds=0.05, **FINE), Explanation(shap=True, rows=900, budget=25))
    told = found["importance m/2"].detail["shap_by"]
    assert told["method"] == "kernel"
    assert 0 < told["rows"] < told["asked"] == 900


def test_single_rows_are_explained_and_their_values_are_told_only_where_that_is_allowed():
    frame = FRAME.assign(sex=np.where(FRAME["sex"] > 0, "f", None), hour=FRAME["hour"].where(FRAME["wind"] < 1))
    late = LATE.copy()

    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    fitted = make_pipeline(
        make_column_transformer((OrdinalEncoder(), ["sex"]), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=20),
    ).fit(frame, late)
    check = Explanation(shap=True, rows=40, shown=["rain", "sex"])
    (finding,) = check(Exam(frame, late, "binary", Contender("m/2", fitted, COLUMNS)))
    assert finding.detail["shap_by"]["method"] == "kernel"
    single = {name: bars for name, bars in finding.detail.items() if name.startswith("shap of")}
    assert {*single} <= {
        "shap of the most confident of wrong answers", "shap of the median answer", "shap of the least certain answer",
    }  # fmt: skip
    assert len(single) >= 2
    for bars in single.values():
        assert {one["feature"].split(" = ")[0] for one in bars} == set(COLUMNS)
        assert {one["feature"].split(" = ")[0] for one in bars if " = " in one["feature"]} == {"rain", "sex"}


def test_what_single_rows_are_told_adds_up_to_their_answer():
    exam = Exam(FRAME, (2 * FRAME["rain"]).to_numpy(), "regression", Contender("m/2", LinearRegression(), COLUMNS))
    exam.candidate.model.fit(FRAME, exam.target + CHANCE.normal(size=ROWS))
    (finding,) = Explanation(shap=True, rows=60)(exam)
    rows = np.sort(np.random.default_rng(20130101).permutation(ROWS)[:60])
    off = np.abs(exam.answers.predicted - exam.truth)[rows]
    bars = finding.detail["shap of the answer that is furthest off"]
    row = rows[off.argmax()]
    mean = next(one["value"] for one in bars if one["feature"] == "rain")
    rest = exam.candidate.model.coef_[0] * FRAME["rain"].iloc[row] - mean  # the background's mean, times the weight
    assert abs(rest) < 2


class Hungry(Model):
    """A model that takes memory, for itself or in processes that it starts, when it is asked of many rows elsewhere."""

    def __init__(self, takes, forks=0):
        super().__init__(**FINE)
        self.takes, self.forks, self.here = takes, forks, os.getpid()

    def predict_proba(self, frame):
        if os.getpid() != self.here and len(frame) > 100:
            for _ in range(self.forks):
                if os.fork() == 0:
                    kept = np.ones(self.takes, dtype=np.uint8)
                    time.sleep(60)
                    os._exit(int(kept[0]))
            np.ones(0 if self.forks else self.takes, dtype=np.uint8)
            time.sleep(60 if self.forks else 0)
        return super().predict_proba(frame)


@pytest.mark.parametrize(("takes", "forks"), [(1_000_000_000, 0), (150_000_000, 5)], ids=["itself", "beneath"])
def test_shap_takes_no_more_memory_than_it_may(takes, forks):
    check, begun = Explanation(shap=True, rows=100, budget=50, allowed_megabytes=200), time.monotonic()
    (finding,) = check(Exam(FRAME, LATE, "binary", Contender("m/2", Hungry(takes, forks), COLUMNS)))
    why = "what SHAP started took more memory than it is allowed" if forks else "SHAP cannot explain it.*MemoryError"
    assert re.match(why, finding.detail["shap_by"]["why"])
    assert time.monotonic() - begun < 30


def test_nothing_is_drawn_beyond_the_time_that_the_checks_were_given():
    exam = Exam(FRAME, LATE, "binary", Contender("m/2", Model(**FINE), COLUMNS))
    seen, ask = [], Model.predict_proba
    exam.candidate.model.predict_proba = lambda frame: seen.append(len(frame)) or ask(exam.candidate.model, frame)
    assert "curves" not in judge(exam, [Explanation(rows=50)], facts={}).facts
    assert max(seen) == 50
    assert "roc" in judge(exam, [Explanation(rows=50), Performance(limits={"roc_auc": 0.5})], facts={}).facts["curves"]


def test_what_cannot_be_compared_or_explained_says_so():
    few = judged(Model(rain=1), ALL, Model(**FINE), columns=("rain",))
    assert few["importance_rank_correlation m/2"].outcome is Outcome.UNKNOWN
    broken = judged(Model(**FINE), ALL, SimpleNamespace(predict_proba=lambda frame: frame["snow"]))
    assert broken["importance_rank_correlation m/2"].reason.startswith("m/1 cannot answer")
    held = Model(**FINE)
    held.open = threading.Lock()
    (finding,) = Explanation(shap=True, rows=20)(Exam(FRAME, LATE, "binary", Contender("m/2", held, COLUMNS)))
    assert finding.outcome is Outcome.PASS
    assert finding.detail["shap_by"]["why"].startswith("it cannot be pickled for a process of its own")
    with pytest.raises(Misconfigured, match="a budget above 0"):
        Explanation(budget=0)
