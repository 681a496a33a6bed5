"""Airflow's REST API, as far as the demo needs it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

ENDED = ("success", "failed")


class Airflow:
    """One Airflow.

    :param url: where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._token = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and give the answer's JSON; a server that is busy for a moment is asked again."""
        for attempt in range(6):
            try:
                return self._send(method, f"{self.url}{path}", body)
            except urllib.error.HTTPError as error:
                if error.code < HTTPStatus.INTERNAL_SERVER_ERROR and error.code != HTTPStatus.UNAUTHORIZED:
                    raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from error
                self._token = ""
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.5 * 2**attempt)
        raise TimeoutError(f"{method} {path}: Airflow does not answer")

    def wait_for_dags(self, dag_ids: list[str], seconds: float) -> None:
        """Wait until Airflow has parsed these DAGs.

        :raises TimeoutError: when it has not, with the import errors.
        """
        until = time.monotonic() + seconds
        while True:
            known = {dag["dag_id"] for dag in self.call("GET", "/api/v2/dags?limit=100")["dags"]}
            if known >= set(dag_ids):
                return
            if time.monotonic() > until:
                errors = self.call("GET", "/api/v2/importErrors")["import_errors"]
                raise TimeoutError(f"Airflow does not know {sorted(set(dag_ids) - known)}; import errors: {errors}")
            time.sleep(0.5)

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run by hand; give its id."""
        body = {"logical_date": None, "conf": conf}
        return str(self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Give the runs of a DAG, oldest first."""
        found = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=id")["dag_runs"]
        return list(found)

    def wait(self, dag_id: str, run_id: str, seconds: float = 300) -> str:
        """Wait until a run has ended; give its state.

        :raises TimeoutError: when it has not.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])
            if state in ENDED:
                return state
            time.sleep(0.3)
        raise TimeoutError(f"{dag_id} {run_id} has not ended after {seconds:.0f} s")

    def wait_for_new(self, dag_id: str, known: int, seconds: float = 60) -> str | None:
        """Wait for a run that somebody else starts; give its id, or None when none came.

        :param known: how many runs there were.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            runs = self.runs(dag_id)
            if len(runs) > known:
                return str(runs[-1]["dag_run_id"])
            time.sleep(0.3)
        return None

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Give the state of each task of a run."""
        found = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: str(task["state"]) for task in found}

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Give the end of a task's log, for a message."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        return json.dumps(self.call("GET", path))[-1500:]

    def _send(self, method: str, url: str, body: Any) -> Any:
        if not self._token:
            with urllib.request.urlopen(f"{self.url}/auth/token", timeout=10) as response:
                self._token = json.load(response)["access_token"]
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)
