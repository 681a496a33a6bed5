"""The tasks of a sweep, killed at random calls and started again: the sweep ends as if nobody had been killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
import uuid
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from xops.hooks import settings
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.sweeps import Sweeps
from xops.hooks.store.objects import Objects

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

KILLS = int(os.environ.get("XOPS_KILLS", "100")) // 10
SEED = int(os.environ.get("XOPS_SEED", time.time_ns() % 2**32))
TRIALS = 3
PRELOADED = [
    "mlflow",
    "optuna.storages._rdb.storage",
    "pandas",
    "pyiceberg.catalog.sql",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.metrics",
    "xops.hooks.models.registry",
    "xops.operators.sweeps",
    __name__,
]
LEARNING = {
    "features": "nyc.flights", "on": "id", "target": "late", "columns": ["distance"], "holdout": {"by": "day"},
    "space": {"C": {"low": 1e-4, "high": 10.0, "log": True}, "fit_intercept": [True, False]}, "trials": TRIALS,
    "metric": "log_loss", "folds": 3,
}  # fmt: skip


def fit(frame, params):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**params).fit(frame[["distance"]], frame["late"])


def do(home, host, model, run_id, step, fatal, calls):
    """Do one task of a sweep in a process of its own; die at call ``fatal``, as ``calls`` counts."""
    import requests
    from optuna.storages import RDBStorage

    from xops.operators.sweeps import ChooseTrialOperator, PlanSweepOperator
    from xops.operators.trials import RunTrialOperator

    settings.home = lambda: Path(home)
    os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({"conn_type": "mlflow", "host": host})

    def mortal(owner, name):
        function = getattr(owner, name)

        def call(*given, **named):
            for moment in ("before", "after"):
                calls.value += 1
                if calls.value == fatal:
                    os.kill(os.getpid(), signal.SIGKILL)
                if moment == "before":
                    answer = function(*given, **named)
            return answer

        setattr(owner, name, call)

    for owner, name in (
        (requests.Session, "send"), (Objects, "put"), (Objects, "create"), (RDBStorage, "create_new_trial"),
        (RDBStorage, "create_new_study"), (RDBStorage, "set_trial_state_values"),
    ):  # fmt: skip
        mortal(owner, name)
    task, number = step
    ti = SimpleNamespace(
        dag_id="d", run_id=run_id, task_id=task, map_index=number, try_number=1, xcom_push=lambda **_: None
    )
    plan = Path(home) / f"{run_id}.json"
    if task == "plan":
        operator = PlanSweepOperator(task_id=task, model=model, train=f"{__name__}.fit", **LEARNING)
    else:
        trials = json.loads(plan.read_text())
        operator = (
            RunTrialOperator(task_id=task, trial=trials[number], train=f"{__name__}.fit")
            if task == "trial"
            else ChooseTrialOperator(task_id=task, sweep=trials)
        )
    answer = operator.execute({"ti": ti, "dag_run": SimpleNamespace(run_type="manual")})
    if task == "plan":
        plan.write_text(json.dumps(answer))


STEPS = [("plan", -1), *(("trial", number) for number in range(TRIALS)), ("choose", -1)]


@pytest.fixture
def start():
    """Give a function that does a task in a new process, forked from one that has loaded the libraries."""
    forkserver._forkserver._stop()  # one that another test started has loaded other libraries
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)

    def run(*given):
        calls = context.Value("i", 0)
        process = context.Process(target=do, args=(*given, calls))
        process.start()
        process.join(120)
        return process.exitcode, calls.value

    return run


@pytest.fixture
def world(mlflow, tmp_path):
    """Give what a task needs to find its services, and its model's name; rows are published."""
    chance, ids = np.random.default_rng(0), np.arange(300)
    distance = chance.normal(size=300)
    rows = {"id": ids, "day": [f"day {number}" for number in ids % 30], "distance": distance}
    lake = IcebergHook()
    late = distance + chance.normal(size=300) > 0
    lake.publish(lake.stage(pa.table(rows | {"late": late}), table="nyc.flights", batch="2013-01"))
    return str(tmp_path / "xops"), mlflow.proxy.url, f"model {uuid.uuid4().hex}"


def test_whatever_call_a_task_of_a_sweep_dies_at_the_sweep_is_the_same(start, world, mlflow):
    sys.stdout.write(f"seed {SEED}, {KILLS} kills\n")
    chance, killed, lengths = random.Random(SEED), 0, {}
    for step in STEPS:
        code, lengths[step] = start(*world, "calm", step, 0)
        assert code == 0, step
    calm, *_ = trials_of(world, mlflow, 1)
    sweeps = 1
    while killed < KILLS:
        run_id, sweeps = f"run {sweeps}", sweeps + 1
        for step in STEPS:
            for _ in range(3):
                fatal = chance.randint(1, lengths[step]) if killed < KILLS and chance.random() < 0.8 else 0
                code, _ = start(*world, run_id, step, fatal)
                if code == 0:
                    break
                assert code == -signal.SIGKILL, f"seed {SEED}: {step} failed by itself"
                killed += 1
            else:
                assert start(*world, run_id, step, 0)[0] == 0, f"seed {SEED}: {step}"
        assert trials_of(world, mlflow, sweeps) == [calm] * sweeps, f"seed {SEED}"


def trials_of(world, mlflow, sweeps):
    """See that store, MLflow and Optuna tell one story of each sweep; give the trials of each."""
    import optuna

    home, _, model = world
    runs = mlflow.runs(model)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == sweeps * (TRIALS + 1)
    parents = [run for run in runs if "xops.trial" not in run.data.tags]
    found = []
    for parent in parents:
        beneath = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert sorted(run.data.tags["xops.trial"] for run in beneath) == [str(number) for number in range(TRIALS)]
        store = Sweeps(Objects(f"{home}/store"))
        sweep = store.planned(parent.data.tags["xops.sweep"])
        study = optuna.load_study(study_name=f"{model} {sweep.key}", storage=f"sqlite:///{home}/studies.db")
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * TRIALS
        trials = store.trials(sweep)
        assert [trial.value for trial in study.trials] == [trial.score for trial in trials]
        assert [trial.params for trial in study.trials] == [trial.params for trial in trials]
        assert parent.data.params["best.C"] == str(min(trials, key=lambda trial: trial.score).params["C"])
        found.append(trials)
    return found
