"""Train a candidate, judge it on days that nobody trained on, and promote it if it is better."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, dag

from flights.assets import CHAMPION, FLIGHTS_TABLE, LABELS_TABLE, MODEL, RETRAIN, RETRIES
from flights.delay import FALLING, FEATURES, RISING, TARGET
from xops.checks.battery.behaviour import Behaviour
from xops.checks.battery.calibration import Calibration
from xops.checks.battery.explanation import Explanation
from xops.checks.battery.leakage import Leakage
from xops.checks.battery.performance import Performance
from xops.checks.battery.resources import Resources
from xops.checks.battery.robustness import Robustness
from xops.checks.battery.slices import Slices
from xops.checks.battery.training_data import TrainingData
from xops.operators.evaluation import EvaluateModelOperator
from xops.operators.promotion import PromoteModelOperator
from xops.operators.training import TrainModelOperator

# Some 15 to 20 days are held out, and days differ: limits leave room for what so few cannot tell.
BATTERY = (
    Performance(limits={"roc_auc": 0.6}, better={"roc_auc": 0}, not_worse={"log_loss": 0.05, "brier_score": 0.02}),
    Slices(columns=["origin"], max_worse=0.5),
    Calibration(max_error=0.2),
    Robustness(
        flips={"noise": 0.15, "missing": 0.2, "categories": 0.15, "row_order": 0, "column_order": 0}, max_loss=0.1
    ),
    Leakage(max_alone=0.8),
    Behaviour(rising=RISING, falling=FALLING),
    Explanation(max_share=0.8),
    Resources(limits={"load_seconds": 60, "peak_megabytes": 1000, "size_megabytes": 20}, rounds=3),
    TrainingData(min_rows=10_000),
)


@dag(
    start_date=datetime(2013, 4, 1),
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 4 1 * *", timezone="UTC"), assets=[RETRAIN]),
    params={
        "learning_rate": Param(0.08, type="number", exclusiveMinimum=0, maximum=1, title="Learning rate"),
        "max_iter": Param(150, type="integer", minimum=1, maximum=2000, title="Trees"),
        "seed": Param(0, type="integer", title="Seed"),
        "shuffle_labels": Param(False, type="boolean", title="Shuffle the labels", description="To see it refused"),
    },
    render_template_as_native_obj=True,
    max_active_runs=1,
    default_args=RETRIES,
    tags=["xops", "training"],
)
def flights_training():
    """Each month, by hand, or when the monitoring asks: train on the newest three months, judge, promote."""
    candidate = TrainModelOperator(
        task_id="train",
        model=MODEL,
        train="flights.delay.fit",
        features=FLIGHTS_TABLE,
        labels=LABELS_TABLE,
        on="flight_id",
        target=TARGET,
        columns=FEATURES,
        holdout={"by": "day", "share": 0.2},
        window=3,
        hyperparameters="{{ params }}",
    )
    judged = EvaluateModelOperator(task_id="evaluate", candidate=candidate.output, checks=BATTERY, gate="skip")
    PromoteModelOperator(
        task_id="promote",
        candidate=candidate.output,
        verdicts=[judged.output],
        reason="better on the held-out days",
        outlets=[CHAMPION],
    )


flights_training()
