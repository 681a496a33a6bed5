"""Robustness: a model that is brittle in one way is caught by that disturbance, a fine one passes all."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from xops.checks.battery.check import findings_of
from xops.checks.battery.contender import Contender
from xops.checks.battery.disturbances import DISTURBANCES, Strength
from xops.checks.battery.exam import Exam
from xops.checks.battery.robustness import Robustness
from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

ALL = {"noise": 0.1, "missing": 0.15, "units": 0.15, "categories": 0.02, "out_of_range": 0.1, "row_order": 0.0,
       "column_order": 0.0, "search": 0.3}  # fmt: skip
ROWS = 3000
COLUMNS = ("rain", "wind", "distance", "carrier")


def rows():
    chance = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "rain": chance.normal(size=ROWS),
            "wind": chance.normal(size=ROWS),
            "distance": chance.integers(100, 3000, ROWS),
            "carrier": chance.choice(["AA", "B6", "UA"], ROWS),
        }
    )
    return frame, (2 * frame["rain"] + frame["wind"] + 0.3 * chance.normal(size=ROWS) > 0).to_numpy()


FRAME, LATE = rows()


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
    return 4 * (2 * frame["rain"].fillna(0) + frame["wind"].fillna(0)).clip(-9, 9)


BRITTLE = {
    "noise": lambda frame: fine(frame) * np.where((frame["wind"] * 20).fillna(0).round() % 4 == 1, -1, 1),
    "missing": lambda frame: np.where(frame.isna().any(axis=1), -9, fine(frame)),
    "units": lambda frame: np.where(frame["distance"] > 3050, -9, fine(frame)),
    "categories": lambda frame: fine(frame) * np.where(frame["carrier"] == "B6", -1, 1),
    "out_of_range": lambda frame: np.where((frame["distance"].abs() > 9000), np.nan, fine(frame)),
    "row_order": lambda frame: fine(frame) + np.where(np.arange(len(frame)) % 2, 9, -9),
    "column_order": lambda frame: 4 * frame.iloc[:, 0].map(lambda one: one if isinstance(one, float) else 0),
    "search": lambda frame: fine(frame) / 50 + np.sin(30 * frame["wind"].fillna(0)) * 0.5,
}


def exam_of(odds, **changed):
    return Exam(FRAME, LATE, "binary", Contender("m/2", Model(odds), COLUMNS), **changed)


def by_check(found):
    return {finding.check: finding for finding in found}


def test_a_feature_without_a_value_has_no_range_to_leave():
    frame = pd.DataFrame({"x": [1.0, 2.0], "gone": [np.nan, np.nan]})
    for columns in (("x", "gone"), ("gone",)):
        changed = DISTURBANCES["out_of_range"](frame, columns, Strength(0.1, 0.1, 0.1, 1.0, {}))
        assert changed["gone"].isna().all()
        assert (changed["x"] == frame["x"]).all() == (columns == ("gone",))


def test_a_fine_model_holds_under_every_disturbance():
    found = Robustness(ALL, units={"distance": 1.609}, max_loss=0.1)(exam_of(fine))
    assert {str(finding) for finding in found if finding.outcome is not Outcome.PASS} == set()
    assert [finding.check for finding in found] == [*(f"flips_{name}" for name in ALL), "roc_auc_loss"]
    assert [point["strength"] for point in found[0].detail["curve"]] == [0.25, 0.5, 1.0, 2.0]
    shares = [point["flipped"] for point in found[0].detail["curve"]]
    assert shares == sorted(shares)
    assert shares[2] == found[0].observed


@pytest.mark.parametrize("name", ALL)
def test_a_model_brittle_in_one_way_is_caught_by_that_disturbance(name):
    check = Robustness({name: ALL[name]}, units={"distance": 1.609})
    (finding,) = check(exam_of(BRITTLE[name]))
    assert finding.outcome is Outcome.FAIL, finding
    assert check(exam_of(BRITTLE[name])) == [finding]


def test_the_search_finds_what_noise_as_large_does_not():
    found = by_check(Robustness({"noise": 0.3, "search": 0.3}, noise=0.05, reach=0.25)(exam_of(fine)))
    assert found["flips_search"].observed > found["flips_noise"].observed


def test_the_worst_loss_of_the_metric_is_named():
    check = Robustness({"noise": 1.0, "missing": 1.0}, max_loss=0.05, metric="accuracy")
    found = by_check(check(exam_of(BRITTLE["missing"])))
    assert found["accuracy_loss"].outcome is Outcome.FAIL
    assert found["accuracy_loss"].detail["worst"] == "missing"


def test_a_candidate_more_brittle_than_the_champion_fails():
    champion = Contender("m/1", Model(fine), COLUMNS)
    check = Robustness({"missing": 1.0, "search": 1.0}, more_than_champion=0.05)
    found = by_check(check(exam_of(BRITTLE["missing"], champion=champion)))
    assert found["flips_missing"].outcome is Outcome.PASS
    assert found["flips_missing_more"].outcome is Outcome.FAIL
    assert found["flips_search_more"].outcome is Outcome.PASS


def test_a_real_model_without_gaps_fails_where_a_boosted_one_passes():
    numbers = ("rain", "wind", "distance")
    frame = FRAME[list(numbers)]
    check = Robustness({"missing": 0.25, "column_order": 0.0})
    for model, outcome in ((LogisticRegression(), "fail"), (HistGradientBoostingClassifier(max_iter=20), "pass")):
        exam = Exam(FRAME, LATE, "binary", Contender("m/2", model.fit(frame, LATE), numbers))
        found = by_check(check(exam))
        assert found["flips_missing"].outcome == outcome
        assert found["flips_column_order"].outcome is Outcome.PASS
        assert found["flips_column_order"].reason.startswith("it refuses another order")


def test_a_number_flips_when_it_moves():
    target = 2 * FRAME["rain"] + FRAME["wind"]
    fitted = LinearRegression().fit(FRAME[["rain", "wind"]], target)
    exam = Exam(FRAME, target.to_numpy(), "regression", Contender("m/2", fitted, ("rain", "wind")))
    limits = {"noise": 0.05, "row_order": 0.0, "search": 0.05}
    found = Robustness(limits, noise=0.01, reach=0.05, moved=0.1, max_loss=0.1)(exam)
    assert {finding.outcome for finding in found} == {Outcome.PASS}
    found = by_check(Robustness({"noise": 0.05}, noise=1, max_loss=0.1)(exam))
    assert {finding.outcome for finding in found.values()} == {Outcome.FAIL}


def test_missing_cells_keep_a_columns_type():
    import lightgbm

    chance = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(chance.choice(["x", "y"], 600)),
            "text": chance.choice(np.array(["a", "b", None], dtype=object), 600),
            "flag": chance.random(600) < 0.5,
            "when": pd.Timestamp("2020") + pd.to_timedelta(np.arange(600), unit="h"),
            "whole": pd.array(chance.integers(9, size=600), dtype="Int64"),
            "number": chance.normal(size=600),
        }
    )
    gappy = DISTURBANCES["missing"](frame, tuple(frame.columns), Strength(0, 0.3, 0, 0, {}))
    assert gappy.isna().mean().between(0.2, 0.6).all()
    assert gappy.drop(columns="flag").dtypes.to_dict() == frame.drop(columns="flag").dtypes.to_dict()
    assert gappy["text"][gappy["text"].isna()].map(lambda one: one is None).all()
    late = (frame["number"] + (frame["kind"] == "x") > 0).to_numpy()
    columns = ("kind", "number")
    fitted = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(frame[list(columns)], late)
    (finding,) = Robustness(flips={"missing": 0.9})(Exam(frame, late, "binary", Contender("m", fitted, columns)))
    assert finding.outcome is Outcome.PASS


def test_what_cannot_be_measured_or_asked_says_so():
    texts = Exam(
        FRAME, LATE, "binary", Contender("m/2", Model(lambda frame: (frame["carrier"] == "AA") * 2), ("carrier",))
    )
    (finding,) = Robustness({"noise": 0.1})(texts)
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, "the model reads no column of numbers")
    (finding,) = findings_of(
        Robustness(), Exam(FRAME[["rain"]], LATE, "binary", Contender("m/2", Model(fine), COLUMNS))
    )
    assert finding.outcome is Outcome.FAIL
    plain = Exam(FRAME, LATE, "binary", Contender("m/2", Model(fine), ("rain", "wind")))
    found = by_check(Robustness({"units": 0.1, "categories": 0.1}, units={"distance": 3})(plain))
    assert found["flips_units"].reason == "the model reads no numbers of the columns distance"
    assert found["flips_categories"].reason == "the model reads nothing but numbers"
    with pytest.raises(Misconfigured, match=r"disturbances of .* were wanted, found \['rain'\]"):
        Robustness({"rain": 0.1})
    with pytest.raises(Misconfigured, match="fill units"):
        Robustness({"units": 0.1})
