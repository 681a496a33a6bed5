"""Watch the champion: what it is given, how well it does, and whether to train anew."""

from __future__ import annotations

from airflow.sdk import Param, dag

from flights.assets import FLIGHTS_TABLE, LABELS_TABLE, MODEL, RETRAIN, RETRIES, SCORES, SCORES_TABLE
from flights.delay import TARGET
from xops.operators.drift import DriftCheckOperator
from xops.operators.performance import PerformanceCheckOperator
from xops.operators.retraining import RetrainDecisionOperator

BATCH = Param("", type="string", title="Month", description="Which month to look at; empty for the newest")
POLICY = {"k": 2, "n": 3, "cooldown": 1, "min_new_rows": 10_000}


@dag(schedule=[SCORES], params={"batch": BATCH}, tags=["xops", "monitoring"], max_active_runs=1, default_args=RETRIES)
def flights_monitoring():
    """Compare the newest flights with what the champion learned from, and ask for retraining when it is stale."""
    drift = DriftCheckOperator(task_id="drift", model=MODEL, features=FLIGHTS_TABLE, current="{{ params.batch }}")
    performance = PerformanceCheckOperator(
        task_id="performance", model=MODEL, scores=SCORES_TABLE, labels=LABELS_TABLE, on="flight_id", target=TARGET
    )
    decision = RetrainDecisionOperator(
        task_id="decide",
        model=MODEL,
        features=FLIGHTS_TABLE,
        labels=LABELS_TABLE,
        batch="{{ params.batch }}",
        policy=POLICY,
        asks=RETRAIN,
        trigger_rule="none_failed",
    )
    [drift, performance] >> decision


flights_monitoring()
