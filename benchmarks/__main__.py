"""Measure, print, and write .bench/results.json. Each figure is the median of several fresh processes' CPU seconds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import battery, drift, everything, suites

ROOT = Path(__file__).parents[1]
RUNS = 3

EMPTY_DAG = "from airflow.sdk import dag\n\n@dag(schedule=None)\ndef empty():\n    pass\n\nempty()\n"


def main() -> None:
    """Run every benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT / "dags"), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY_DAG)
        full = Path(folder) / "full.py"
        full.write_text("".join(path.read_text() for path in sorted((ROOT / "dags").glob("flights_*.py")))
                        .replace("from __future__ import annotations\n", ""))  # fmt: skip
        steps: list[Callable[[], dict[str, float]]] = [
            lambda: parse(empty, full),
            lambda: json.loads(_run("publish")[2]),
            lambda: suites.compare(_run, statistics.median, folder, RUNS),
            lambda: everything.measure(_run, folder, RUNS),
            lambda: drift.measure(_run, folder, RUNS),
            lambda: battery.measure(_run, RUNS),
        ]
        results: dict[str, float] = {}
        for step in steps:
            found = step()
            for name, value in found.items():
                print(f"{name:<32} {value:.3f}", flush=True)
            results |= found
            (ROOT / ".bench").mkdir(exist_ok=True)
            (ROOT / ".bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def parse(empty: Path, full: Path) -> dict[str, float]:
    """Compare parsing a file that uses every operator with parsing an empty DAG."""
    sides = {name: [_run("parse", str(path)) for _ in range(RUNS)] for name, path in (("empty", empty), ("full", full))}
    cpu = {name: statistics.median(run[0] for run in runs) for name, runs in sides.items()}
    rss = {name: statistics.median(run[1] for run in runs) for name, runs in sides.items()}
    return {
        "parse_cpu_seconds": cpu["full"],
        "parse_ratio": cpu["full"] / cpu["empty"],
        "parse_rss_mb": rss["full"],
        "parse_rss_ratio": rss["full"] / rss["empty"],
    }


def _run(task: str, *arguments: str) -> tuple[float, float, str]:
    """Run a task in a fresh process; give its CPU seconds, its peak memory in MB, and what it printed last."""
    command = [sys.executable, "-m", "benchmarks.tasks", task, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        printed = process.stdout.read().decode() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
