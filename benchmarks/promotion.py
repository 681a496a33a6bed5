"""What it costs to log, register and promote a model, beyond its training, and to roll one back, on a warm server."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from xops.core.verdict import Verdict

WARM, TIMES = 2, 5
TASKS = 3
_MODEL, _TABLE = "bench_tasks", "bench.learned"  # of the tasks


def promote() -> str:
    """Log, register and promote several versions, each with its card; give the median of wall and of CPU seconds."""
    fitted, frame = _trained()
    with _server():
        taken = [_one(f"key {number}", fitted, frame.head(100)) for number in range(WARM + TIMES)][WARM:]
    wall, cpu = (sorted(figures)[TIMES // 2] for figures in zip(*taken, strict=True))
    return json.dumps({"promote_seconds": wall, "promote_client_cpu_seconds": cpu})


def tasks() -> str:
    """Promote and roll back by tasks, each a process of its own; give the medians of their CPU seconds."""
    taken: dict[str, list[float]] = {"promote": [], "roll_back": []}
    with _server():
        _register(2 * TASKS)
        for number in range(TASKS):
            for kind, version in (("promote", 2 * number + 1), ("promote", 2 * number + 2), ("roll_back", number)):
                taken[kind].append(_fresh(f"promotion.task_{kind}", str(version)))
    cpu = {kind: statistics.median(seconds) for kind, seconds in taken.items()}
    return json.dumps(
        {
            "promote_task_cpu_seconds": cpu["promote"],
            "rollback_task_cpu_seconds": cpu["roll_back"],
            "rollback_vs_promote_task": cpu["roll_back"] / cpu["promote"],
        }
    )


def task_promote(version: str) -> str:
    """Do what the task does that makes a version champion."""
    from xops.core.evidence import Evidence, Origin
    from xops.hooks.models.champions import champion_version
    from xops.operators.promotion import PromoteModelOperator

    verdict = _passed(_MODEL, version, champion_version(_MODEL))
    judged = Evidence(verdict, _MODEL, version, Origin("bench", "run", "evaluate"), "2026-01-06T05:00:00+00:00")
    candidate = {"model": _MODEL, "version": version}
    operator = PromoteModelOperator(task_id="promote", candidate=candidate, verdicts=[judged.to_json()])
    return str(operator.execute(_context(f"promote {version}")))


def task_roll_back(number: str) -> str:
    """Do what the task does that puts the former champion back."""
    from xops.operators.promotion import RollbackModelOperator

    operator = RollbackModelOperator(task_id="roll_back", model=_MODEL, reason="to see how long it takes")
    return str(operator.execute(_context(f"roll back {number}")))


def _context(run_id: str) -> Any:
    ti = SimpleNamespace(dag_id="bench", run_id=run_id, task_id="task", map_index=-1, try_number=1)
    return {"ti": ti, "outlet_events": {}, "dag_run": SimpleNamespace(run_type="manual")}


def _fresh(*words: str) -> float:
    with subprocess.Popen([sys.executable, "-m", "benchmarks.tasks", *words], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _trained() -> tuple[Any, Any]:
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5_000, 16))).rename(columns="c{}".format)
    return HistGradientBoostingClassifier(max_iter=150).fit(frame, frame["c0"] > 0), frame


def _register(versions: int) -> None:
    """Publish a table, and register versions of a model as if they had been trained on it."""
    import pyarrow as pa

    from xops.core.dataset.versions import DataVersion
    from xops.core.model.holdout import Holdout
    from xops.core.model.training import AskedBy, TrainingRecord
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.registry import MlflowHook, Training

    fitted, frame = _trained()
    lake, table = IcebergHook(), DataVersion(_TABLE, "1")
    lake.publish(lake.stage(pa.Table.from_pandas(frame, preserve_index=False), table=_TABLE, batch="1"))
    record = TrainingRecord(
        features=table, labels=table, batches=("1",), on="c1", target="c0", columns=tuple(frame.columns),
        holdout=Holdout("c2", 0.2), rows=len(frame), asked_by=AskedBy.MANUAL, code="benchmarks.promotion@0",
    )  # fmt: skip
    for number in range(versions):
        training = Training(_MODEL, f"key {number}", {"seed": number}, record.to_tags(), {}, {})
        MlflowHook().train_version(training, fitted, frame.head(100), requirements=["scikit-learn"])


def _passed(model: str, version: str, champion: str | None) -> Verdict:
    from xops.core.verdict import Finding, Outcome, Verdict
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.models.versions import MANIFEST

    name = f"models:/{model}/{version}"
    facts = {"champion": champion, "manifest": MlflowHook().version(model, version).tags[MANIFEST]}
    return Verdict("evaluation", name, (Finding("auc", name, Outcome.PASS, 0.8, 0.7),), facts)


def _one(key: str, fitted: object, example: object) -> tuple[float, float]:
    from xops.core.gate import Rule
    from xops.hooks.models.cards import write_card
    from xops.hooks.models.promotions import Asker, Promotions
    from xops.hooks.models.registry import Training

    began, cpu = time.perf_counter(), time.process_time()
    promotions = Promotions("bench")
    training = Training("bench", key, {"seed": 1}, {}, {"rows": 100.0}, {"features": ("bench.rows@1", "1")})
    version = promotions.hook.train_version(training, fitted, example, requirements=["scikit-learn"])
    log = promotions.log.read()
    verdict = _passed("bench", version, log[-1].version if log else None)
    promotions.promote(version, [(key, verdict)], Asker(key, 1, "bench"), reason="", rule=Rule())
    write_card(promotions.hook, "bench", version)
    return time.perf_counter() - began, time.process_time() - cpu


@contextmanager
def _server() -> Iterator[None]:
    """Start an MLflow server on SQLite, and let the connection point to it; with a home of its own for all else."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", f"{home}/files"]
        quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
                while time.monotonic() < deadline and not _answers(url):
                    time.sleep(0.1)
                connection = json.dumps({"conn_type": "mlflow", "host": url})
                with patch.dict(os.environ, AIRFLOW_CONN_MLFLOW_DEFAULT=connection, AIRFLOW_HOME=home):
                    yield
            finally:
                server.terminate()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/health") as answer:  # noqa: S310 - loopback
        return int(answer.status) == 200  # noqa: PLR2004
    return False


def measure(run: Callable[..., tuple[float, float, str]]) -> dict[str, float]:
    """Give the seconds of one version, and those of a task that promotes and of one that rolls back."""
    return dict(json.loads(run("promotion.promote")[2])) | dict(json.loads(run("promotion.tasks")[2]))
