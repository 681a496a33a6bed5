"""What a task finds gone that an earlier one has seen: each time it is named, and nothing is promoted."""

from __future__ import annotations

import shutil
import uuid
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.champions import load_champion
from xops.hooks.models.promotion_log import PromotionLog
from xops.operators.evaluation import EvaluateModelOperator
from xops.operators.promotion import PromoteModelOperator, ReconcileModelOperator, RollbackModelOperator
from xops.operators.scoring import ScoreBatchOperator
from xops.operators.sweeps import PlanSweepOperator
from xops.operators.training import TrainModelOperator
from xops.operators.trials import RunTrialOperator

pytestmark = pytest.mark.integration

FLIGHTS = "nyc.flights"
FIT = f"{__name__}.fit"
LEARNING = {
    "features": FLIGHTS, "on": "id", "target": "late", "columns": ["distance"], "holdout": {"by": "day", "share": 0.5},
}  # fmt: skip


def fit(frame, params):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**params).fit(frame[["distance"]], frame["late"])


def run(operator, run_id="r"):
    """Execute an operator as a task."""
    ti = SimpleNamespace(
        dag_id="d", run_id=run_id, task_id=operator.task_id, map_index=-1, try_number=1, xcom_push=lambda **_: None
    )
    return operator.execute({"ti": ti, "dag_run": SimpleNamespace(run_type="manual"), "outlet_events": {}})


@pytest.fixture
def lake():
    chance, ids = np.random.default_rng(0), np.arange(400)
    distance = chance.normal(size=400)
    rows = {"id": ids, "day": [f"day {number}" for number in ids % 40], "distance": distance}
    hook = IcebergHook()
    late = distance + chance.normal(size=400) > 0
    hook.publish(hook.stage(pa.table(rows | {"late": late}), table=FLIGHTS, batch="2013-01"))
    return hook


@pytest.fixture
def candidate(mlflow, lake):
    """Give a candidate that was trained."""
    return run(training(f"model {uuid.uuid4().hex}"))


def training(model):
    return TrainModelOperator(task_id="train", model=model, train=FIT, requirements=["scikit-learn"], **LEARNING)


def evaluation(candidate):
    return EvaluateModelOperator(task_id="evaluate", candidate=candidate, min_rows=50)


@pytest.fixture
def champion(candidate):
    """Give the model of a champion."""
    judged = run(evaluation(candidate))
    run(PromoteModelOperator(task_id="promote", candidate=candidate, verdicts=[judged]))
    return candidate["model"]


def scoring(model):
    return ScoreBatchOperator(task_id="score", model=model, features=FLIGHTS, scores="nyc.scores", on="id")


def test_a_registered_model_that_was_deleted_is_named_and_not_promoted(mlflow, candidate):
    judged, model = run(evaluation(candidate)), candidate["model"]
    mlflow.direct.delete_registered_model(model)
    for operator in (
        evaluation(candidate), PromoteModelOperator(task_id="promote", candidate=candidate, verdicts=[judged])
    ):  # fmt: skip
        with pytest.raises(AirflowFailException, match=model):
            run(operator)
    assert PromotionLog(model).read() == ()


def test_a_champion_whose_registered_model_was_deleted_is_named_by_whoever_needs_it(mlflow, champion):
    mlflow.direct.delete_registered_model(champion)
    for operator in (
        scoring(champion), RollbackModelOperator(task_id="rollback", model=champion, reason="gone"),
        ReconcileModelOperator(task_id="reconcile", model=champion),
    ):  # fmt: skip
        with pytest.raises(AirflowFailException, match=champion):
            run(operator)
    with pytest.raises(Misconfigured, match=champion):
        load_champion(champion)


def test_a_champion_that_was_deleted_is_left_behind_by_a_rollback(mlflow, candidate):
    model = candidate["model"]
    second = run(training(model), run_id="r 2")
    judged = [run(evaluation(candidate)), run(evaluation(second), run_id="r 2")]
    judged[1]["verdict"]["facts"]["champion"] = "1"  # as if compared with it
    for one, verdict, run_id in zip((candidate, second), judged, ("r", "r 2"), strict=True):
        run(PromoteModelOperator(task_id="promote", candidate=one, verdicts=[verdict]), run_id=run_id)
    mlflow.direct.delete_model_version(model, "2")
    run(RollbackModelOperator(task_id="rollback", model=model, reason="gone"))
    assert [(entry.version, str(entry.kind)) for entry in PromotionLog(model).read()] == [
        ("1", "promote"), ("2", "promote"), ("1", "rollback"),
    ]  # fmt: skip


def test_a_champion_whose_files_are_gone_or_changed_is_not_loaded(mlflow, champion):
    files = mlflow.files(champion, "1")
    (weights,) = files.glob("model.skops")
    content = weights.read_bytes()
    for change in (content[:-1] + bytes([content[-1] ^ 1]), None):
        if change is None:
            shutil.rmtree(files)
        else:
            weights.write_bytes(change)
        with pytest.raises((Misconfigured, Unavailable)):
            load_champion(champion)
        with pytest.raises((AirflowFailException, Unavailable)):
            run(scoring(champion))


def expire(lake):
    """Publish a second batch, and let the version before it expire as its table's owner may by other tools."""
    before = lake.published(FLIGHTS)
    rows = lake.rows(before, columns=["id", "day", "distance", "late"]).slice(0, 40)
    lake.publish(lake.stage(rows, table=FLIGHTS, batch="2013-02"))
    lake.table(FLIGHTS).maintenance.expire_snapshots().by_id(int(before.snapshot)).commit()
    return before.snapshot


def test_a_data_version_that_expired_is_named(lake, candidate):
    plan = run(PlanSweepOperator(
        task_id="plan", model=candidate["model"], train=FIT, metric="log_loss", folds=2, points=[{"C": 1.0}],
        **LEARNING,
    ))  # fmt: skip
    gone = expire(lake)
    for operator in (evaluation(candidate), RunTrialOperator(task_id="trial", trial=plan[0], train=FIT)):
        with pytest.raises(AirflowFailException, match=gone):
            run(operator)
