"""One throw-away Airflow for a test session: its home is set before anything imports Airflow."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOME = Path(tempfile.mkdtemp(prefix="xops-tests-"))
OWNER = os.getpid()


@atexit.register
def _remove_home():
    """Remove the session's Airflow, unless it is a fork of the session that ends."""
    if os.getpid() == OWNER:
        shutil.rmtree(HOME, ignore_errors=True)


os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__FERNET_KEY": "",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT / "dags"))),
    "DO_NOT_TRACK": "true",
    "OMP_NUM_THREADS": "1",  # tests run beside each other: threads that wait for one another cost more than they give
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
for name in [name for name in os.environ if name.startswith(("AIRFLOW_CONN_", "AIRFLOW__XOPS__"))]:
    del os.environ[name]


@pytest.fixture
def environment_as_it_was():
    """Fail a test that leaves another Airflow behind it: those after it would run in that one."""
    before = _airflow()
    yield
    assert _airflow() == before


def _airflow():
    theirs = "AIRFLOW_CTX_"  # Airflow says there which task ran last
    return {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW") and theirs not in name}


@pytest.fixture(autouse=True)
def _a_home_of_its_own(environment_as_it_was, request, tmp_path, monkeypatch):
    """Give each test folders for evidence, models and tables of its own; Airflow's database stays the session's."""
    if request.node.get_closest_marker("unit") is None and "story" not in request.fixturenames:
        monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path / "xops")


@pytest.fixture(scope="session")
def airflow_db():
    """Give a migrated Airflow database."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return HOME / "airflow.db"


@pytest.fixture(scope="session")
def dag_bag(airflow_db):
    """Give the example DAGs, known to the database as well."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(ROOT / "dags"))
    assert not bag.import_errors
    with contextlib.redirect_stdout(io.StringIO()):
        sync_bag_to_db(bag, "dags-folder", None)
    return bag
