"""The zoo: models bad in exactly one way, each caught by the check that should catch it, and fine ones that pass.

On real flights by their days, and on data sets of scikit-learn's own.
"""

import pickle
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from xops.checks.battery import resources
from xops.checks.battery.behaviour import Behaviour
from xops.checks.battery.calibration import Calibration
from xops.checks.battery.check import judge
from xops.checks.battery.contender import Contender, Learned, row_hashes
from xops.checks.battery.exam import Exam
from xops.checks.battery.explanation import Explanation
from xops.checks.battery.fairness import Fairness
from xops.checks.battery.leakage import Leakage
from xops.checks.battery.performance import Performance
from xops.checks.battery.resources import Resources
from xops.checks.battery.robustness import Robustness
from xops.checks.battery.security import FILE, Security
from xops.checks.battery.slices import Slices
from xops.core.verdict import Outcome
from xops.hooks.models import model_files

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

DATA = Path(__file__).parents[2] / "include" / "data"
NUMBERS = ("weekday", "sched_dep", "distance", "temp", "humid", "wind_gust", "precip", "pressure", "visib")
FEATURES = ("origin", *NUMBERS)
SIGNS = {"wind_gust": 1, "precip": 1, "visib": -1}
BATTERY = (
    Performance(limits={"roc_auc": 0.6}, not_worse={"roc_auc": 0.02, "log_loss": 0.02}),
    Slices(columns=["origin"], search=[], max_worse=0.15),
    Calibration(max_error=0.1),
    Fairness(["company"], differences={"accuracy": 0.15}),
    Explanation(forbidden=["company"], rows=1500),
    Robustness(flips={"noise": 0.15, "missing": 0.2, "row_order": 0, "column_order": 0}, max_loss=0.15),
    Leakage(max_alone=0.8),
    Behaviour(rising=["precip", "wind_gust"], falling=["visib"], rows=300),
    Resources(limits={"row_seconds": 0.6, "size_megabytes": 10}, rounds=3, batch_rows=100),
    Security(),
)


@cache
def flights():
    """Give a sample of the year's flights: the rows to learn from, and those of other days."""
    parts = []
    for month in range(1, 13):
        rows, labels = (pd.read_parquet(DATA / kind / f"2013-{month:02}.parquet") for kind in ("flights", "labels"))
        parts.append(rows.merge(labels, on="flight_id").dropna(subset=["late"]).iloc[::10])
    frame = pd.concat(parts, ignore_index=True)
    frame["company"] = np.where(frame["carrier"].isin(["UA", "AA", "DL", "US"]), "old", "young")
    frame["late"] = frame["late"].astype(bool)
    held_out = pd.util.hash_pandas_object(frame["day"].astype(str), index=False) % 3 == 0
    return frame[~held_out].reset_index(drop=True), frame[held_out].reset_index(drop=True)


def of_flights(trees, columns=FEATURES):
    """Fit trees to the flights, texts by their place."""
    texts = [name for name in columns if name not in NUMBERS]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    kept = make_column_transformer((encoder, texts), remainder="passthrough", verbose_feature_names_out=False)
    learned = flights()[0]
    return make_pipeline(kept, trees).fit(learned[list(columns)], learned["late"])


def signs(columns=FEATURES):
    return [SIGNS.get(name, 0) for name in columns]


@cache
def fitted(library="sklearn", columns=FEATURES):
    import lightgbm
    import xgboost

    trees = {
        "sklearn": lambda: HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=15, monotonic_cst=signs(columns), random_state=0
        ),
        "lightgbm": lambda: lightgbm.LGBMClassifier(
            n_estimators=40, num_leaves=15, monotone_constraints=signs(columns), n_jobs=1, verbose=-1
        ),
        "xgboost": lambda: xgboost.XGBClassifier(
            n_estimators=40, max_depth=4, learning_rate=0.1, monotone_constraints=tuple(signs(columns)), n_jobs=1
        ),
    }
    return of_flights(trees[library](), columns)


@cache
def champion():
    learned = flights()[0]
    numbers = list(NUMBERS[1:3])
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(learned[numbers], learned["late"])


class Twisted:
    """A fine model whose odds are changed in one way."""

    classes_ = np.array([False, True])

    def __init__(self, twist, columns=FEATURES):
        self.model, self.twist, self.ballast = fitted(columns=columns), twist, b""

    def predict_proba(self, frame):
        late = self.model.predict_proba(frame)[:, 1].clip(1e-6, 1 - 1e-6)
        late = 1 / (1 + np.exp(-self.twist(np.log(late / (1 - late)), frame)))
        return np.column_stack([1 - late, late])

    def predict(self, frame):
        return self.predict_proba(frame)[:, 1] > 0.5


def worse_on_one_slice(odds, frame):
    return np.where(frame["origin"] == "JFK", -odds, odds)


def unfair(odds, frame):
    return odds + np.where(frame["company"] == "old", 3.0, 0.0)


def of_the_company(odds, frame):
    return odds + np.where(frame["company"] == "old", 0.05, 0.0)


def brittle_without_weather(odds, frame):
    return np.where(frame[["temp", "humid", "pressure"]].isna().any(axis=1), 3.0, odds)


def too_sure(odds, frame):
    return 4 * odds


def not_monotone(odds, frame):
    return odds - 0.3 * (frame["precip"].fillna(0) > 0.01)


def slow(odds, frame):
    time.sleep(0.9)
    return odds


def as_it_is(odds, frame):
    return odds


def bloated():
    model = Twisted(as_it_is)
    model.ballast = bytes(20_000_000)
    return model


def of_nothing():
    learned = flights()[0]
    shuffled = np.random.default_rng(0).permutation(learned["late"])
    return clone(fitted()).fit(learned[list(FEATURES)], shuffled)


def exam_of(model, columns=FEATURES, change=None, **facts):
    learned, held_out = (part.copy() for part in flights())
    if change is not None:
        change(learned, held_out)
    return Exam(
        frame=held_out, target=held_out["late"].to_numpy(), kind="binary", groups=held_out["day"].to_numpy(),
        key=("flight_id",), sensitive=("company",), facts=facts,
        candidate=Contender(
            "models:/zoo/2", model, columns, row_hashes(learned, ["flight_id"]),
            Learned(learned, learned["late"].to_numpy()),
        ),
        champion=Contender("models:/zoo/1", champion(), NUMBERS[1:3]),
    )  # fmt: skip


def tells_the_answer(learned, held_out):
    for part in (learned, held_out):
        noise = np.random.default_rng(0).normal(size=len(part))
        part["pressure"] = part["late"] + 0.2 * noise


def of_duplicates(learned, held_out):
    copied = len(held_out) // 5
    for column in (*FEATURES, "late"):
        held_out.loc[: copied - 1, column] = learned.loc[: copied - 1, column].to_numpy()


def against(verdict, outcome=Outcome.FAIL):
    return {f"{one.check} {one.subject}": one.reason for one in verdict.findings if one.outcome is outcome}


@pytest.fixture(autouse=True)
def _few_single_rows(monkeypatch):
    monkeypatch.setattr(resources, "_SINGLES", 1)


@pytest.mark.parametrize("library", ["sklearn", "lightgbm", "xgboost"])
def test_a_fine_model_of_any_library_passes_the_whole_battery(library, tmp_path):
    folder, model, facts = tmp_path / "model", fitted(library), {}
    if library == "sklearn":
        model_files.save(model, folder, example=flights()[0][list(FEATURES)].head(), requirements=["numpy==2.1.0"])
        model, file = model_files.inspected(folder, name="models:/zoo/2", wanted=model_files.manifest_digest(folder))
        facts = {FILE: file.to_json()}
    verdict = judge(exam_of(model, **facts), BATTERY, facts={})
    assert against(verdict) == {}
    unasked = (
        "no advisory database is given" if facts else "nothing is known of its files: it was handed over as an object"
    )
    assert set(against(verdict, Outcome.UNKNOWN).values()) == {unasked}


ZOO = {
    "worse on one slice": (lambda: Twisted(worse_on_one_slice), {}, "slices origin"),
    "unfair": (lambda: Twisted(unfair, (*FEATURES, "company")), {"columns": (*FEATURES, "company")},
               "accuracy_difference company"),
    "leaky": (fitted, {"change": tells_the_answer}, "roc_auc_alone pressure"),
    "brittle to missing weather": (lambda: Twisted(brittle_without_weather), {}, "flips_missing models:/zoo/2"),
    "slow": (lambda: Twisted(slow), {}, "row_seconds models:/zoo/2"),
    "bloated": (bloated, {}, "size_megabytes models:/zoo/2"),
    "miscalibrated": (lambda: Twisted(too_sure), {}, "calibration_error models:/zoo/2"),
    "forbidden feature": (lambda: Twisted(of_the_company, (*FEATURES, "company")),
                          {"columns": (*FEATURES, "company")}, "forbidden_feature company"),
    "non-monotone": (lambda: Twisted(not_monotone), {}, "never_falls_with precip"),
    "overfitted to duplicates": (fitted, {"change": of_duplicates}, "near_duplicates models:/zoo/2"),
    "learned nothing": (of_nothing, {}, "roc_auc models:/zoo/2"),
}  # fmt: skip
OF_CHECK = {check.name: check for check in BATTERY}
CAUGHT_BY = {
    "slices": "slices", "accuracy_difference": "fairness", "roc_auc_alone": "leakage", "flips_missing": "robustness",
    "row_seconds": "resources", "size_megabytes": "resources", "calibration_error": "calibration",
    "forbidden_feature": "explanation", "never_falls_with": "behaviour", "near_duplicates": "leakage",
    "roc_auc": "performance",
}  # fmt: skip


@pytest.mark.parametrize("bad", ZOO)
def test_a_model_bad_in_one_way_is_caught_by_the_check_that_should_catch_it(bad):
    model, changed, finding = ZOO[bad]
    check = OF_CHECK[CAUGHT_BY[finding.split()[0]]]
    verdict = judge(exam_of(model(), **changed), [check], facts={})
    assert finding in against(verdict)
    assert verdict.outcome is Outcome.FAIL


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/hostile-model-ran",)


def test_a_hostile_file_is_caught_and_never_deserialised(tmp_path):
    folder, trap = tmp_path / "model", Path("/tmp/hostile-model-ran")
    model_files.save(fitted(), folder, example=flights()[0][list(FEATURES)].head(), requirements=["numpy==2.1.0"])
    recorded = model_files.manifest_digest(folder)
    (folder / "model.skops").rename(folder / "model.pkl")
    (folder / "model.pkl").write_bytes(pickle.dumps(Hostile()))
    about = (folder / "MLmodel").read_text().replace("model.skops", "model.pkl").replace("skops", "cloudpickle")
    (folder / "MLmodel").write_text(about)
    for wanted in (recorded, model_files.manifest_digest(folder)):
        for allowed in (False, True):
            model, file = model_files.inspected(folder, name="models:/zoo/2", wanted=wanted, allow_pickle=allowed)
            assert model is None
            candidate = Contender("models:/zoo/2", None, FEATURES, refused=file.refused)
            frame, late = flights()[1], flights()[1]["late"].to_numpy()
            exam = Exam(frame, late, "binary", candidate, facts={FILE: file.to_json()})
            verdict = judge(exam, [Security(), Performance(limits={"roc_auc": 0.6})], facts={})
            assert {"file_format models:/zoo/2", "roc_auc models:/zoo/2"} <= set(against(verdict))
            assert ("file_manifest models:/zoo/2" in against(verdict)) is (wanted == recorded)
    assert not trap.exists()


def halves(load):
    """Give the rows of one of scikit-learn's data sets, every other one to learn from."""
    frame, target = load(return_X_y=True, as_frame=True)
    order = np.random.default_rng(0).permutation(len(frame))
    frame, target = frame.iloc[order].reset_index(drop=True), target.iloc[order].to_numpy()
    return (frame[::2], target[::2]), (frame[1::2].reset_index(drop=True), target[1::2])


class Answering:
    """A fine model whose predictions are changed in one way."""

    def __init__(self, model, change):
        self.model, self.change = model, change
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

    def predict(self, frame):
        return self.change(self.model.predict(frame), frame)


OWN = {
    "cancer": (load_breast_cancer, "binary", make_pipeline(StandardScaler(), LogisticRegression()), [
        Performance(limits={"roc_auc": 0.9, "accuracy": 0.9}), Robustness(flips={"noise": 0.1, "row_order": 0})
    ], lambda said, frame: np.where(frame["mean radius"] > 13, 1 - said, said), "accuracy m"),
    "digits": (load_digits, "multiclass", RandomForestClassifier(100, random_state=0), [
        Performance(limits={"accuracy": 0.9, "f1_macro": 0.88}), Calibration(max_error=0.4)
    ], lambda said, _: np.where(said < 5, 9 - said, said), "accuracy m"),
    "wine": (load_wine, "multiclass", make_pipeline(StandardScaler(), LogisticRegression()), [
        Performance(limits={"accuracy": 0.85}, min_rows=50), Robustness(flips={"noise": 0.2, "row_order": 0})
    ], lambda said, _: (said + 1) % 3, "accuracy m"),
    "diabetes": (load_diabetes, "regression", LinearRegression(), [
        Performance(limits={"mean_absolute_error": 60, "r2": 0.2}),
        Robustness(flips={"noise": 0.9, "row_order": 0}, max_loss=0.2),
        Behaviour(rising=["bmi"]),
    ], lambda said, frame: said - 3000 * frame["bmi"], "never_falls_with bmi"),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_on_scikit_learns_own_data_a_fine_model_passes_and_a_bad_one_is_caught(name):
    load, kind, model, checks, change, finding = OWN[name]
    learned, (frame, target) = halves(load)
    fine = clone(model).fit(*learned)
    of = Contender("m", fine, tuple(frame.columns))
    verdict = judge(Exam(frame, target, kind, of), checks, facts={})
    assert verdict.outcome.passes, str(verdict)
    bad = Contender("m", Answering(fine, change), tuple(frame.columns))
    assert finding in against(judge(Exam(frame, target, kind, bad), checks, facts={}))
