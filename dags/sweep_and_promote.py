"""Sweep the parameters of a LightGBM model, train the best, and promote it if it is better."""

from __future__ import annotations

from airflow.sdk import Param, dag

from flights.assets import FLIGHTS_TABLE, LABELS_TABLE, RETRIES, SWEPT_CHAMPION, SWEPT_MODEL
from flights.delay import NUMBERS, TARGET
from xops.operators.evaluation import EvaluateModelOperator
from xops.operators.promotion import PromoteModelOperator
from xops.operators.sweeps import sweep_model


@dag(
    schedule=None,
    params={"trials": Param(12, type="integer", minimum=1, maximum=200, title="Trials")},
    max_active_runs=1,
    default_args=RETRIES,
    tags=["xops", "training"],
)
def sweep_and_promote():
    """Try parameters that Optuna samples, four trials at once; train the simplest of the best, judge, promote."""
    candidate = sweep_model(
        model=SWEPT_MODEL,
        train="flights.delay.fit_boosted",
        features=FLIGHTS_TABLE,
        labels=LABELS_TABLE,
        on="flight_id",
        target=TARGET,
        columns=NUMBERS,
        holdout={"by": "day", "share": 0.2},
        space={
            "learning_rate": {"low": 0.02, "high": 0.3, "log": True},
            "num_leaves": {"low": 7, "high": 63, "step": 8},
            "min_child_samples": [20, 100, 500],
        },
        trials="{{ params.trials }}",
        metric="log_loss",
        simplest=["num_leaves"],
        folds=3,
        prune=True,
        seed=0,
        at_once=4,
    )
    judged = EvaluateModelOperator(task_id="evaluate", candidate=candidate, min_auc=0.6, gate="skip")
    PromoteModelOperator(
        task_id="promote",
        candidate=candidate,
        verdicts=[judged.output],
        reason="the best of the sweep",
        outlets=[SWEPT_CHAMPION],
    )


sweep_and_promote()
