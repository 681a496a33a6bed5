"""A DAG of the operators and sensors that no example DAG uses; it is parsed, never run."""

from __future__ import annotations

from airflow.sdk import DAG

from xops.checks.battery.fairness import Fairness
from xops.checks.battery.security import Security
from xops.operators.anomalies import AnomalyCheckOperator
from xops.operators.evaluation import CheckModelOperator
from xops.operators.profiling import ProfileOperator
from xops.operators.promotion import ReconcileModelOperator
from xops.operators.schema import SchemaCheckOperator
from xops.operators.sweeps import ChooseTrialOperator, PlanSweepOperator
from xops.operators.tidying import TidyModelsOperator
from xops.operators.trials import RunTrialOperator
from xops.operators.versions import (
    DiffVersionsOperator,
    ExpireVersionsOperator,
    RollbackDatasetOperator,
    TagVersionOperator,
)
from xops.sensors.anomalies import AnomalySensor
from xops.sensors.datasets import DataVersionSensor, FreshnessSensor
from xops.sensors.models import ModelAliasSensor

with DAG("others", schedule=None):
    staged, table, model = "{{ ti.xcom_pull(task_ids='stage') }}", "nyc.flights", "flights_delay"
    AnomalySensor(task_id="unusual", table=table)
    FreshnessSensor(task_id="fresh", table=table, within_minutes=60)
    DataVersionSensor(task_id="published", version=f"{table}@1")
    ModelAliasSensor(task_id="champion", model=model)
    SchemaCheckOperator(task_id="schema", version=staged)
    AnomalyCheckOperator(task_id="anomalies", version=staged)
    ProfileOperator(task_id="profile", table=table)
    TagVersionOperator(task_id="tag", version=staged, tag="closed")
    DiffVersionsOperator(task_id="diff", before=f"{table}@closed", after=table, key=["flight"])
    RollbackDatasetOperator(task_id="roll_back", version=f"{table}@closed", reason="a wrong delivery")
    ExpireVersionsOperator(task_id="expire", table=table)
    planned = PlanSweepOperator(
        task_id="plan", model=model, train=max, features=table, on="flight", target="late", columns=["hour"],
        holdout={"by": "day"}, metric="roc_auc",
    )  # fmt: skip
    RunTrialOperator.partial(task_id="trial", train=max).expand(trial=planned.output)
    ChooseTrialOperator(task_id="choose", sweep=planned.output)
    CheckModelOperator(task_id="fairness", candidate=staged, check=Fairness(["sex"], ratios={"selection_rate": 0.8}))
    CheckModelOperator(task_id="security", candidate=staged, check=Security())
    ReconcileModelOperator(task_id="reconcile", model=model)
    TidyModelsOperator(task_id="tidy")
