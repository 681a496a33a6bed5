"""Measure, print, and write .bench/results.json. Each figure is the median of several fresh processes' CPU seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import battery, drift, everything, lake, parsing, promotion, suites

ROOT = Path(__file__).parents[1]
RUNS = 3


def main() -> None:
    """Run every benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT / "dags"), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        results: dict[str, float] = {}
        for found in measured(_run, folder, RUNS):
            for name, value in found.items():
                print(f"{name:<36} {value:.3f}", flush=True)
            results |= found
            (ROOT / ".bench").mkdir(exist_ok=True)
            (ROOT / ".bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def measured(run: Callable[..., tuple[float, float, str]], folder: str, runs: int) -> Iterator[dict[str, float]]:
    """Give the figures of one subject after the other.

    :param run: runs a task of :mod:`benchmarks.tasks`; gives CPU seconds, peak memory in MB, and what it printed last.
    :param folder: where data are generated.
    :param runs: of how many runs a figure is the median.
    """
    yield parsing.measure(run, folder, runs)
    yield lake.measure(run)
    yield suites.measure(run, folder, runs)
    yield everything.measure(run, folder, runs)
    yield drift.measure(run, folder, runs)
    yield battery.measure(run, runs)
    yield promotion.measure(run)


def _run(task: str, *arguments: str) -> tuple[float, float, str]:
    """Run a task in a fresh process."""
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
