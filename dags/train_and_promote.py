"""Train a candidate, judge it, and ask a person before it becomes champion."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from flights.assets import FLIGHTS_TABLE, LABELS_TABLE, RETRIES, REVIEWED_CHAMPION, REVIEWED_MODEL
from flights.delay import FEATURES, TARGET
from xops.operators.approval import ApproveModelOperator
from xops.operators.evaluation import EvaluateModelOperator
from xops.operators.promotion import PromoteModelOperator
from xops.operators.training import TrainModelOperator


@dag(
    schedule=None,
    params={
        "learning_rate": Param(0.08, type="number", exclusiveMinimum=0, maximum=1, title="Learning rate"),
        "max_iter": Param(150, type="integer", minimum=1, maximum=2000, title="Trees"),
        "seed": Param(0, type="integer", title="Seed"),
    },
    render_template_as_native_obj=True,
    max_active_runs=1,
    default_args=RETRIES,
    tags=["xops", "training"],
)
def train_and_promote():
    """Train on the newest three months; promote when the checks pass and a person agrees within two days."""
    candidate = TrainModelOperator(
        task_id="train",
        model=REVIEWED_MODEL,
        train="flights.delay.fit",
        features=FLIGHTS_TABLE,
        labels=LABELS_TABLE,
        on="flight_id",
        target=TARGET,
        columns=FEATURES,
        holdout={"by": "day", "share": 0.2},
        hyperparameters="{{ params }}",
    )
    judged = EvaluateModelOperator(task_id="evaluate", candidate=candidate.output, min_auc=0.6, gate="skip")
    approved = ApproveModelOperator(
        task_id="approve",
        candidate=candidate.output,
        verdicts=[judged.output],
        response_timeout=timedelta(days=2),
        params={"remark": Param("", type="string", title="Remark", description="Kept with the answer")},
    )
    PromoteModelOperator(
        task_id="promote",
        candidate=candidate.output,
        verdicts=[judged.output, approved.output],
        rule="person_agrees",
        reason="approved",
        outlets=[REVIEWED_CHAMPION],
    )


train_and_promote()
