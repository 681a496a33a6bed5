"""Train and promote, each waiting in the middle until the test that watches lets it go on."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

from airflow.sdk import dag

from xops.operators.evaluation import EvaluateModelOperator
from xops.operators.promotion import PromoteModelOperator
from xops.operators.training import TrainModelOperator

MARKS = Path(os.environ.get("XOPS_MARKS", "/nowhere"))


def attend(step):
    """Say which process is at a step, of which supervisor, and wait until it may go on."""
    (MARKS / f"{step} {os.getpid()} {os.getppid()}").touch()
    while not (MARKS / f"go on with {step}").exists():
        time.sleep(0.1)


def fit(frame, params):
    """Fit while the test watches."""
    from sklearn.linear_model import LogisticRegression

    attend("train")
    return LogisticRegression().fit(frame[["distance"]], frame["late"])


class Told:
    """Leave a mark of how the work of this process ended, whoever still listens to it."""

    def act(self, context):
        ended = MARKS / f"{self.task_id} of {os.getpid()}"
        try:
            answer = super().act(context)
        except BaseException as error:
            ended.write_text(repr(error))
            raise
        ended.write_text("done")
        return answer


class Train(Told, TrainModelOperator):
    """Train, and tell."""


class Promote(Told, PromoteModelOperator):
    """Promote after a wait, and tell."""

    def act(self, context):
        attend("promote")
        return super().act(context)


@dag(
    schedule="@once",
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"retries": 5, "retry_delay": dt.timedelta(seconds=0)},
)
def orphans():
    """Train, evaluate, promote."""
    candidate = Train(
        task_id="trained", model="delay", train=fit, features="nyc.flights", on="id", target="late",
        columns=["distance"], holdout={"by": "day", "share": 0.5}, requirements=["scikit-learn"],
    )  # fmt: skip
    judged = EvaluateModelOperator(task_id="evaluate", candidate=candidate.output, min_auc=0.5)
    Promote(task_id="promoted", candidate=candidate.output, verdicts=[judged.output], reason="better")


orphans()
