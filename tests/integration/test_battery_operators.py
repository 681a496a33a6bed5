"""The battery by its operators, from training to verdict: every kind of model, every check alone and all together."""

import json
import pickle
import shutil
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors

from xops.checks.battery.behaviour import Behaviour
from xops.checks.battery.calibration import Calibration
from xops.checks.battery.explanation import Explanation
from xops.checks.battery.fairness import Fairness, four_fifths
from xops.checks.battery.leakage import Leakage
from xops.checks.battery.performance import Performance
from xops.checks.battery.resources import Resources
from xops.checks.battery.robustness import Robustness
from xops.checks.battery.security import Security
from xops.checks.battery.slices import Slices
from xops.checks.battery.training_data import TrainingData
from xops.core.verdict import Verdict
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.registry import MlflowHook
from xops.hooks.store.evidence import EvidenceStore
from xops.operators.evaluation import CheckModelOperator, EvaluateModelOperator
from xops.operators.training import TrainModelOperator

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TABLE, ROWS, QUERIES = "shop.orders", 4000, 200
COLUMNS = ["amount", "items", "place"]
TARGETS = {"binary": "back", "multiclass": "which", "regression": "days", "ranking": "relevance"}


def fit(frame, params):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    target = frame.columns[-1]
    trees = HistGradientBoostingRegressor if target in ("days", "relevance") else HistGradientBoostingClassifier
    coded = make_column_transformer((OrdinalEncoder(), ["place"]), remainder="passthrough")
    return make_pipeline(coded, trees(max_iter=30, random_state=0)).fit(frame[COLUMNS], frame[target])


def fit_lightgbm(frame, params):
    import lightgbm

    target = frame[frame.columns[-1]]
    model = lightgbm.LGBMRegressor if target.dtype.kind == "f" else lightgbm.LGBMClassifier
    return model(n_estimators=20, verbose=-1, n_jobs=1).fit(frame[COLUMNS[:2]], target)


def fit_xgboost(frame, params):
    import xgboost

    return xgboost.XGBRanker(n_estimators=20, n_jobs=1).fit(
        frame[COLUMNS[:2]], frame["relevance"], qid=np.zeros(len(frame), dtype=int)
    )


class TaskInstance:
    map_index, try_number, dag_id, run_id = -1, 1, "shop", "run 1"

    def __init__(self, task_id):
        self.task_id = task_id

    def xcom_push(self, key, value):  # noqa: ARG002 - as Airflow calls it
        assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.fixture
def run(mlflow):
    """Give a function that executes an operator as a task."""
    chance, ids = np.random.default_rng(0), np.arange(ROWS)
    amount, items = chance.normal(size=(2, ROWS))
    score = amount + 0.5 * items + 0.7 * chance.normal(size=ROWS)
    rows = {
        "id": ids, "query": [f"q{number}" for number in ids % QUERIES], "amount": amount, "items": items,
        "place": chance.choice(["web", "shop", "phone"], size=ROWS), "sex": chance.choice(["f", "m"], size=ROWS),
        "back": score > 0, "which": np.array(["none", "some", "all"])[np.digitize(score, [-0.5, 0.5])],
        "days": 10 + 3 * score, "relevance": np.digitize(score, [-0.5, 0.5, 1.5]),
    }  # fmt: skip
    lake = IcebergHook()
    lake.publish(lake.stage(pa.table(rows), table=TABLE, batch="2013-01"))

    def execute(operator):
        return operator.execute(
            {
                "ti": TaskInstance(operator.task_id), "params": {}, "outlet_events": OutletEventAccessors(),
                "dag_run": SimpleNamespace(run_type="manual"),
            }
        )  # fmt: skip

    return execute


@pytest.fixture
def trained(run):
    """Give a function that trains a model of a kind."""

    def train(kind, function=fit, columns=COLUMNS):
        return run(
            TrainModelOperator(
                task_id=f"train_{kind}", model=f"{kind} {uuid.uuid4().hex}", train=function, features=TABLE, on="id",
                target=TARGETS[kind], columns=columns, holdout={"by": "query", "share": 0.4},
                requirements=["numpy==2.1.0"],
            )
        )  # fmt: skip

    return train


def checks_of(kind, tmp_path):
    """Give every check that can be put to a model of a kind."""
    (tmp_path / "cases.json").write_text(
        json.dumps([{"case": "nothing odd", "amount": 0.0, "items": 0.0, "place": "web", "at_most": 1e6}])
    )
    metric = {"binary": "accuracy", "multiclass": "accuracy", "regression": "mean_absolute_error"}.get(kind)
    checks = [
        Performance(limits={"ndcg": 0.5} if kind == "ranking" else {metric: 0.5 if "acc" in metric else 5.0}),
        Explanation(rows=300),
        Robustness(flips={"noise": 1, "categories": 1, "row_order": 0}, moved=0.5),
        Leakage(max_alone=0.99),
        Behaviour(cases=str(tmp_path / "cases.json"), of="all" if kind == "multiclass" else None),
        Resources(limits={"size_megabytes": 10}, rounds=3, batch_rows=50),
        Security(),
        TrainingData(min_rows=100, max_age=timedelta(days=1)),
    ]
    if kind != "ranking":
        checks += [
            Slices(columns=["sex"], search=[], max_worse=0.5),
            Fairness(["sex"], differences={metric: 0.5 if "acc" in metric else 2.0}),
        ]
    if kind in ("binary", "multiclass"):
        checks.append(Calibration(max_error=0.3))
    if kind == "binary":
        checks.append(four_fifths(["sex"]))
    return checks


UNTOLD = {
    "no advisory database is given", "no evidence of any test of its batches",
    "nothing is known of the data that it learned from",
}  # fmt: skip


@pytest.mark.parametrize("kind", TARGETS)
def test_a_model_of_each_kind_is_trained_and_put_to_the_whole_battery(run, trained, kind, tmp_path):
    candidate, checks = trained(kind), checks_of(kind, tmp_path)
    answer = run(
        EvaluateModelOperator(
            task_id="evaluate", candidate=candidate, checks=checks, kind=kind, sensitive=["sex"], gate="record"
        )
    )
    verdict = Verdict.from_json(answer["verdict"])
    assert {str(one) for one in verdict.failed if one.reason not in UNTOLD} == set()
    assert len(verdict.findings) > len(checks)
    titles = {
        "binary": {"roc", "precision and recall", "classes that the candidate gives"},
        "multiclass": {"roc by class", "precision and recall by class", "classes that the candidate gives"},
        "regression": {"residuals of the candidate"},
        "ranking": {"gain of the first places"},
    }[kind]
    assert set(verdict.facts["curves"]) == titles
    page = EvidenceStore().report(answer["report"])[1].decode()
    for title in titles:
        assert f"<figcaption>{title}" in page


def test_every_check_is_usable_alone_and_filed_under_its_own_name(run, trained, tmp_path):
    candidate = trained("binary")
    for check in checks_of("binary", tmp_path):
        operator = CheckModelOperator(
            task_id=f"check_{check.name}", candidate=candidate, check=check, sensitive=["sex"], gate="record"
        )
        verdict = Verdict.from_json(run(operator)["verdict"])
        assert verdict.check == check.name
        assert {one.reason for one in verdict.failed} <= UNTOLD
        assert verdict.findings
        kept = EvidenceStore().latest(check.name, candidate["model"], candidate["version"])
        assert kept.verdict.to_json() == verdict.to_json()
        assert kept.report


@pytest.mark.parametrize(
    ("kind", "function", "limits"),
    [
        ("regression", fit_lightgbm, {"r2": 0.3}),
        ("multiclass", fit_lightgbm, {"accuracy": 0.5}),
        ("ranking", fit_xgboost, {"ndcg": 0.5}),
    ],
)
def test_models_of_other_libraries_are_judged_as_they_come_back_from_their_formats(
    run, trained, kind, function, limits
):
    checks = [
        Performance(limits=limits),
        Explanation(rows=200, shap=True),
        Robustness(flips={"noise": 1, "row_order": 0}, moved=0.5),
    ]
    candidate = trained(kind, function, COLUMNS[:2])
    operator = EvaluateModelOperator(task_id="evaluate", candidate=candidate, checks=checks, kind=kind, gate="record")
    verdict = Verdict.from_json(run(operator)["verdict"])
    assert verdict.outcome.passes, str(verdict)
    (importance,) = [one for one in verdict.findings if one.check == "importance"]
    assert importance.detail["shap_by"]["method"] == "tree"
    assert importance.detail["shap"][0]["feature"] == "amount"


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/hostile-model-ran",)


@pytest.fixture
def swapped(run, trained, mlflow, tmp_path):
    """Give a candidate whose files somebody changed behind MLflow's back."""
    candidate = trained("binary")
    with MlflowHook().files(candidate["model"], candidate["version"]) as folder:
        changed = tmp_path / "changed"
        shutil.copytree(folder, changed)
        (changed / "model.skops").write_bytes(pickle.dumps(Hostile()))
        version = mlflow.direct.get_model_version(candidate["model"], candidate["version"])
        mlflow.direct.log_model_artifacts(version.source.removeprefix("models:/"), str(changed))
    return candidate


def test_a_hostile_file_is_a_verdict_where_it_is_asked_for_and_an_error_where_not(run, swapped, tmp_path):
    with pytest.raises(AirflowFailException) as refused:
        run(EvaluateModelOperator(task_id="evaluate", candidate=swapped, checks=checks_of("binary", tmp_path)[:1]))
    assert "files changed after they were recorded" in str(refused.value)
    operator = EvaluateModelOperator(
        task_id="evaluate", candidate=swapped, checks=checks_of("binary", tmp_path), sensitive=["sex"], gate="record"
    )
    verdict = Verdict.from_json(run(operator)["verdict"])
    against = {one.check for one in verdict.findings if one.outcome == "fail"}
    assert {"file_manifest", "file_format", "accuracy", "explanation", "resources", "calibration"} <= against
    assert not any("broke" in one.reason or "Traceback" in one.reason for one in verdict.findings)
    assert not Path("/tmp/hostile-model-ran").exists()
