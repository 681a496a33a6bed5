"""A watcher in a real triggerer: what lands while it is down is announced when it is back, and nothing twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

WATCHED = """
import sys
from airflow.sdk import DAG, Asset, AssetWatcher
from xops.triggers.watching import FileTrigger

LANDED = Asset("landed_files", watchers=[
    AssetWatcher(name="landing", trigger=FileTrigger(url={landing!r}, settled_seconds=0, poll_interval=0.5))
])
with DAG("watch_landing", schedule=[LANDED]):
    pass
if __name__ == "__main__":
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models import DagModel
    from airflow.utils.session import create_session

    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(__file__), "dags-folder", None)
    with create_session() as session:  # only of a DAG that is switched on the assets are watched
        session.get(DagModel, "watch_landing").is_paused = False
    sync_bag_to_db(DagBag(__file__), "dags-folder", None)
"""
PATIENCE = 90


@pytest.fixture
def landing(tmp_path):
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(airflow_db, tmp_path, landing):
    """Let Airflow's database know of a DAG that waits for files; give the environment of its processes."""
    (tmp_path / "watch.py").write_text(WATCHED.format(landing=str(landing)))
    environment = os.environ | {"AIRFLOW__XOPS__STORE": str(tmp_path / "store")}
    command = [sys.executable, str(tmp_path / "watch.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-3000:]
    return environment


@contextlib.contextmanager
def triggerer(environment, folder):
    """Run a triggerer for a while, and kill it with what it started."""
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"], env=environment, stdout=said,
            stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
            assert process.poll() is None, (folder / "said").read_text()[-3000:]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def announced(database):
    """Give the paths of the events that Airflow has stored, oldest first."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        query = "SELECT e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id WHERE a.name = ? ORDER BY e.id"
        rows = connection.execute(query, ("landed_files",)).fetchall()
    return [json.loads(extra)["payload"]["path"] for (extra,) in rows]


def eventually(condition):
    until = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < until:
        time.sleep(0.2)
    return condition()


def test_a_file_is_announced_once_however_often_the_triggerer_is_killed(watched, airflow_db, landing, tmp_path):
    kept = tmp_path / "store" / "seen"
    with triggerer(watched, tmp_path):
        (landing / "a.csv").write_text("1")
        assert eventually(lambda: announced(airflow_db) == ["a.csv"]), (tmp_path / "said").read_text()[-3000:]
        assert eventually(lambda: any(kept.glob("*.json")))
    (landing / "b.csv").write_text("2")
    with triggerer(watched, tmp_path):
        assert eventually(lambda: len(announced(airflow_db)) > 1)
        time.sleep(2)
        assert announced(airflow_db) == ["a.csv", "b.csv"]
