"""Airflow and MLflow as processes of this machine, every one of which ends when the demo does, however it ends."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
MARK = "XOPS_DEMO"


@dataclass
class Stack:
    """The processes of one demo.

    :param folder: where everything that they write goes.
    """

    folder: Path
    airflow_port: int = 0
    mlflow_port: int = 0
    _watchdog: subprocess.Popen[bytes] | None = None
    _servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def __enter__(self) -> Self:
        """Make a fresh folder and start both servers; they come up while the caller does other things."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("airflow", "mlflow/artifacts", "landing/flights", "landing/labels", "logs"):
            (self.folder / name).mkdir(parents=True)
        self.airflow_port, self.mlflow_port = _free_port(8080), _free_port(5000)
        os.environ.update(self.environment())
        self._watchdog = subprocess.Popen(
            [sys.executable, "-m", "demo.watchdog", self._mark], stdin=subprocess.PIPE, start_new_session=True, cwd=ROOT
        )
        self._start("airflow", sys.executable, "-m", "airflow", "standalone")
        self._start(
            "mlflow", sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.mlflow_port),
            "--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow/mlflow.db",
            "--artifacts-destination", str(self.folder / "mlflow" / "artifacts"),
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """End every process of this demo; the watchdog does it, as it would if this process were killed."""
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
            self._watchdog.wait()

    @property
    def airflow_url(self) -> str:
        """Airflow's UI; it asks for no password, because it listens on this machine only."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """MLflow's UI."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    def environment(self) -> dict[str, str]:
        """Give what the processes are told: Airflow on SQLite with the LocalExecutor, MLflow by connection."""
        home = self.folder / "airflow"
        return {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.airflow_port),
            "AIRFLOW__API__BASE_URL": self.airflow_url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self._mark,
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW_CONN_MLFLOW_DEFAULT": f'{{"conn_type": "mlflow", "host": "{self.mlflow_url}"}}',
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "XOPS_LANDING": str(self.folder / "landing"),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
            "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT / "dags"))),
            "PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "pycache"),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONWARNINGS": "ignore",
            "NO_COLOR": "1",
            "SPT_NOENV": "1",  # let no process name itself where its environment stands: the watchdog reads that
            MARK: self._mark,
        }

    def wait_until_up(self, seconds: float) -> None:
        """Wait until both servers answer.

        :raises TimeoutError: when one does not, or has ended, with the end of its log.
        """
        until = time.monotonic() + seconds
        for name, url in (
            ("airflow", f"{self.airflow_url}/api/v2/monitor/health"),
            ("mlflow", f"{self.mlflow_url}/health"),
        ):
            while not _answers(url):
                if time.monotonic() > until or self._servers[name].poll() is not None:
                    log = (self.folder / "logs" / f"{name}.log").read_text(errors="replace")[-2000:]
                    raise TimeoutError(f"{name} is not up; its log ends:\n{log}")
                time.sleep(0.5)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "logs" / f"{name}.log").open("wb") as log:
            self._servers[name] = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


def _free_port(wanted: int = 0) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")
