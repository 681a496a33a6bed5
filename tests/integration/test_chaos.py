"""Trainings, promotions and rollbacks killed at random calls and started again: what is written down stays whole.

``XOPS_KILLS`` is the number of kills; ``make chaos`` sets a thousand. The seed is printed; ``XOPS_SEED`` repeats it.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import uuid
from datetime import timedelta
from multiprocessing import forkserver
from pathlib import Path

import pyarrow as pa
import pytest

from xops.core.dataset.versions import DataVersion
from xops.core.gate import Rule
from xops.core.model.holdout import Holdout
from xops.core.model.training import AskedBy, TrainingRecord
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks import settings
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.promotions import Asker, Promotions
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.tidying import tidy
from xops.hooks.models.versions import KEY, MANIFEST
from xops.hooks.store.objects import Objects

KILLS = int(os.environ.get("XOPS_KILLS", "100"))
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600 + 10 * KILLS)]

SEED = int(os.environ.get("XOPS_SEED", time.time_ns() % 2**32))
PRELOADED = [
    "sklearn.linear_model", "skops.io", "mlflow.sklearn", "mlflow.models", "mlflow.pyfunc", "pandas",
    "mlflow.tracing.processor.base_mlflow", "narwhals._pandas_like.dataframe", "obstore.store", "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow", __name__,
]  # fmt: skip
PATIENCE = 120


RECORD = TrainingRecord(
    features=DataVersion("nyc.flights", "1"), labels=DataVersion("nyc.flights", "1"), batches=("2013-01",), on="id",
    target="late", columns=("distance",), holdout=Holdout("day", 0.2), rows=20, asked_by=AskedBy.MANUAL, code="fit@1",
)  # fmt: skip


def is_rollback(task):
    """Tell which tasks go back to the champion before: one of four."""
    return task % 4 == 2


def act(home, host, model, task, attempt, fatal, calls):
    """Do in a process of its own what a DAG's task does; die at call ``fatal``, as ``calls`` counts."""
    import requests

    settings.home = lambda: Path(home)
    os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({"conn_type": "mlflow", "host": host})

    def mortal(function):
        def call(*given, **named):
            for moment in ("before", "after"):
                calls.value += 1
                if calls.value == fatal:
                    os.kill(os.getpid(), signal.SIGKILL)
                if moment == "before":
                    answer = function(*given, **named)
            return answer

        return call

    requests.Session.send = mortal(requests.Session.send)
    Objects.put, Objects.create = mortal(Objects.put), mortal(Objects.create)
    if is_rollback(task):
        Promotions(model).roll_back("previous", Asker(f"task {task}", attempt, "chaos"), reason="it is worse")
    else:
        train_and_promote(model, f"task {task}", attempt)


def train_and_promote(model, key, attempt):
    """Train a version and make it champion, as two tasks of a training DAG do."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5})
    fitted = LogisticRegression().fit(frame, [False, False, True, True] * 5)
    hook = MlflowHook()
    version = hook.trained_before(model, key) or hook.train_version(
        Training(model, key, {"c": 1}, RECORD.to_tags(), {"rows": 20.0}, {}),
        fitted,
        frame,
        requirements=["scikit-learn"],
    )
    name, manifest = f"models:/{model}/{version}", hook.version(model, version).tags[MANIFEST]
    promotions = Promotions(model)
    mine = [entry for entry in promotions.log.read() if entry.key == key]
    facts = {"champion": mine[0].previous if mine else champion_of(promotions), "manifest": manifest}
    verdict = Verdict("evaluation", name, (Finding("auc", name, Outcome.PASS, 0.8, 0.7),), facts)
    promotions.promote(version, [("evidence", verdict)], Asker(key, attempt, key), reason="", rule=Rule())


def champion_of(promotions):
    log = promotions.log.read()
    return log[-1].version if log else None


@pytest.fixture
def start():
    """Give a function that runs a call in a new process, forked from one that has loaded the libraries."""
    forkserver._forkserver._stop()  # one that another test started has loaded other libraries
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)

    def run(*given):
        calls = context.Value("i", 0)
        process = context.Process(target=act, args=(*given, calls))
        process.start()
        process.join(PATIENCE)
        return process.exitcode, calls.value

    return run


@pytest.fixture
def world(mlflow, tmp_path):
    """Give what a task needs to find its services, and its model's name; a table has rows for the model."""
    lake = IcebergHook()
    lake.publish(lake.stage(pa.table({"distance": [100.0, 200.0]}), table="nyc.flights", batch="2013-01"))
    return str(tmp_path / "xops"), mlflow.proxy.url, f"model {uuid.uuid4().hex}"


def test_whatever_call_a_task_dies_at_its_retry_ends_as_if_nothing_had_happened(start, world, mlflow):
    sys.stdout.write(f"seed {SEED}, {KILLS} kills\n")
    chance, model, killed = random.Random(SEED), world[2], 0
    calls, moments = {}, {True: [], False: []}
    for task in itertools.count():
        back = is_rollback(task)
        for attempt in itertools.count(1):
            if back in calls:  # each moment comes once before any comes again: no pair of steps is left out
                moments[back] = moments[back] or chance.sample(range(1, calls[back] + 1), calls[back])
            fatal = moments[back].pop() if moments[back] and killed < KILLS and chance.random() < 0.7 else 0
            code, counted = start(*world, task, attempt, fatal)
            if code == 0:
                calls.setdefault(back, counted)
                break
            assert code == -signal.SIGKILL, f"seed {SEED}: attempt {attempt} of task {task} failed by itself"
            killed += 1
        check_what_is_written_down(model, task + 1, mlflow)
        if killed >= KILLS:
            break
    check_what_is_left_over(model, mlflow)


def check_what_is_written_down(model, tasks, mlflow):
    """See that the log, the aliases, the versions and the runs tell one story of ``tasks`` tasks."""
    log = PromotionLog(model).read()  # contiguous, or it raises
    assert [entry.key for entry in log] == [f"task {task}" for task in range(tasks)], f"seed {SEED}"
    versions = {str(version.version): version for version in mlflow.versions(model)}
    canonical: dict[str, str] = {}
    for version in versions.values():
        canonical.setdefault(version.tags[KEY], str(version.version))
    for task, entry in enumerate(log):
        meant = log[task - 1].previous if is_rollback(task) else canonical[entry.key]
        assert entry.version == meant, f"seed {SEED}"
        assert entry.previous == (log[task - 1].version if task else None), f"seed {SEED}"
    assert all(versions[entry.version].tags[MANIFEST] == entry.manifest for entry in log), f"seed {SEED}"
    assert MlflowHook().aliases(model)["champion"] == log[-1].version, f"seed {SEED}"
    trained = [entry.key for task, entry in enumerate(log) if not is_rollback(task)]
    statuses = {run.data.tags[KEY]: run.info.status for run in mlflow.runs(model)}
    assert statuses == dict.fromkeys(trained, "FINISHED"), f"seed {SEED}"
    assert len(mlflow.runs(model)) == len(trained), f"seed {SEED}"


def check_what_is_left_over(model, mlflow):
    """See that after one pass of the janitor nothing runs, nothing is half made, and nothing belongs to nobody."""
    tidy([model], older_than=timedelta(0))
    assert tidy([model], older_than=timedelta(0)).outcome is Outcome.PASS, f"seed {SEED}"
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    found, token = [], None
    while page := mlflow.direct.search_logged_models([experiment], page_token=token):
        found, token = [*found, *page], page.token
        if not token:
            break
    assert {str(one.status) for one in found} == {"READY"}, f"seed {SEED}"
    assert {one.model_uri for one in found} == {version.source for version in mlflow.versions(model)}, f"seed {SEED}"
