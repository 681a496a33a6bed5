"""What it costs to log, register and promote a model, beyond its training, on an MLflow server that is warm."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

WARM, TIMES = 2, 5


def promote() -> str:
    """Log, register and promote several versions, each with its card; give the median of wall and of CPU seconds."""
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5_000, 16))).rename(columns="c{}".format)
    fitted = HistGradientBoostingClassifier(max_iter=150).fit(frame, frame["c0"] > 0)
    with _server() as url, tempfile.TemporaryDirectory() as home:
        os.environ |= {"AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": url})}
        os.environ |= {"AIRFLOW_HOME": home}
        taken = [_one(f"key {number}", fitted, frame.head(100)) for number in range(WARM + TIMES)][WARM:]
    wall, cpu = (sorted(figures)[TIMES // 2] for figures in zip(*taken, strict=True))
    return json.dumps({"promote_seconds": wall, "promote_client_cpu_seconds": cpu})


def _one(key: str, fitted: object, example: object) -> tuple[float, float]:
    from xops.core.gate import Rule
    from xops.core.verdict import Finding, Outcome, Verdict
    from xops.hooks.models.cards import write_card
    from xops.hooks.models.promotions import Asker, Promotions
    from xops.hooks.models.registry import Training
    from xops.hooks.models.versions import MANIFEST

    began, cpu = time.perf_counter(), time.process_time()
    promotions = Promotions("bench")
    training = Training("bench", key, {"seed": 1}, {}, {"rows": 100.0}, {"features": ("bench.rows@1", "1")})
    version = promotions.hook.train_version(training, fitted, example, requirements=["scikit-learn"])
    log, name = promotions.log.read(), f"models:/bench/{version}"
    facts = {"champion": log[-1].version if log else None}
    facts["manifest"] = promotions.hook.version("bench", version).tags[MANIFEST]
    verdict = Verdict("evaluation", name, (Finding("auc", name, Outcome.PASS, 0.8, 0.7),), facts)
    promotions.promote(version, [(key, verdict)], Asker(key, 1, "bench"), reason="", rule=Rule())
    write_card(promotions.hook, "bench", version)
    return time.perf_counter() - began, time.process_time() - cpu


@contextmanager
def _server() -> Iterator[str]:
    """Start an MLflow server on SQLite, and give its URL."""
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
                yield url
            finally:
                server.terminate()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/health") as answer:  # noqa: S310 - loopback
        return int(answer.status) == 200  # noqa: PLR2004
    return False


def measure(run: Callable[..., tuple[float, float, str]]) -> dict[str, float]:
    """Give the seconds of one version."""
    return dict(json.loads(run("promotion.promote")[2]))
