"""A supervisor is killed under a real Airflow: its task lives on beside the retry, and nothing is doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from unittest import mock

import psutil
import pytest

from demo.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

PUBLISHED = """
import numpy as np, pyarrow as pa
from xops.hooks.iceberg.tables import IcebergHook
distance = np.random.default_rng(0).normal(size=2000)
days = [f"day {n % 40}" for n in range(2000)]
rows = {"id": np.arange(2000), "day": days, "distance": distance, "late": distance > 0}
lake = IcebergHook()
lake.publish(lake.stage(pa.table(rows), table="nyc.flights", batch="2013-01"))
"""
LONGEST = 300  # seconds that a step may take on a busy machine


class Watched(Stack):
    """Airflow and MLflow, with a short patience for supervisors that are silent."""

    def environment(self):
        (marks := self.folder / "marks").mkdir(exist_ok=True)
        lake = {"conn_type": "iceberg", "host": f"sqlite:///{self.folder}/lake.db"}
        return super().environment() | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent / "orphans"),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW_CONN_ICEBERG_DEFAULT": json.dumps(lake | {"extra": {"warehouse": f"file://{self.folder}/lake"}}),
            "XOPS_MARKS": str(marks),
        }


@pytest.fixture
def stack(tmp_path):
    """Give a running Airflow whose DAG has data to learn from."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with mock.patch.dict(os.environ, environment, clear=True), Watched(tmp_path / "stack") as running:
        subprocess.run([sys.executable, "-c", PUBLISHED], check=True, cwd=tmp_path, capture_output=True)
        running.wait_until_up(LONGEST)
        yield running


def eventually(what, stack):
    """Give what a question finds as soon as it finds anything."""
    until = time.monotonic() + LONGEST
    while not (found := what()):
        if time.monotonic() > until:
            log = (stack.folder / "logs" / "airflow.log").read_text(errors="replace")[-3000:]
            pytest.fail(f"{sorted(path.name for path in (stack.folder / 'marks').iterdir())}\n{log}")
        time.sleep(0.3)
    return found


def orphaned(step, stack):
    """Kill the supervisor of a step, and wait until the retry is beside the orphan; give both processes."""
    marks = stack.folder / "marks"

    def there():
        return sorted((path for path in marks.glob(f"{step} *")), key=lambda path: path.stat().st_mtime)

    first = eventually(there, stack)[0]
    orphan, supervisor = map(int, first.name.split()[1:])
    os.kill(supervisor, signal.SIGKILL)
    retry = int(eventually(lambda: there()[1:], stack)[0].name.split()[1])
    assert psutil.pid_exists(orphan)
    assert psutil.pid_exists(retry)
    (marks / f"go on with {step}").touch()
    return orphan, retry


def ending(task, process, stack):
    """Give how the work of a process ended, or that it is gone without a word."""
    mark = stack.folder / "marks" / f"{task} of {process}"
    return eventually(lambda: mark.read_text() if mark.exists() else not psutil.pid_exists(process) and "gone", stack)


def test_a_task_whose_supervisor_was_killed_doubles_nothing_beside_its_retry(stack):
    orphan, retry = orphaned("train", stack)
    assert ending("trained", retry, stack) == "done"
    ending("trained", orphan, stack)
    orphan, retry = orphaned("promote", stack)
    assert ending("promoted", retry, stack) == "done"
    ending("promoted", orphan, stack)
    from mlflow import MlflowClient

    from xops.hooks.models.promotion_log import PromotionLog
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.models.tidying import tidy
    from xops.hooks.models.versions import KEY

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xops.hooks.settings.home", lambda: stack.folder / "airflow" / "xops")
        client = MlflowClient(stack.mlflow_url, stack.mlflow_url)
        versions = sorted(client.search_model_versions("name = 'delay'"), key=lambda one: int(one.version))
        (entry,) = PromotionLog("delay").read()
        assert entry.version == versions[0].version
        assert len({version.tags[KEY] for version in versions}) == 1
        tidy(["delay"], older_than=timedelta(0))
        assert tidy(["delay"], older_than=timedelta(0)).outcome.passes
        assert MlflowHook().aliases("delay") == {"champion": entry.version}
        experiment = client.get_experiment_by_name("delay").experiment_id
        assert [run.info.status for run in client.search_runs([experiment])] == ["FINISHED"]
        assert {str(model.status) for model in client.search_logged_models([experiment])} == {"READY"}
