"""The benchmarks run, on little data and in this process: no name in them has rotted.

Nothing is measured but the battery, whose cost is bounded.
"""

from __future__ import annotations

import os

import pytest

from benchmarks import __main__ as bench
from benchmarks import battery, drift, lake, promotion, suites
from benchmarks.tasks import call

pytestmark = pytest.mark.integration

PROMISED = {
    "drift_cpu_vs_evidently_1m20",
    "drift_cpu_vs_scan_1m20",
    "drift_rss_mb_10m20",
    "drift_cpu_vs_scan_10m20",
    "suite_cpu_vs_gx_1m20",
    "suite_cpu_vs_gx_100",
    "footer_ms",
    "all_in_one_cpu_vs_scan_1m20",
    "window30_ms",
    "report_seconds",
    "parse_ratio",
    "battery_seconds_100k20",
    "battery_rss_mb",
    "promote_seconds",
    "rollback_vs_promote_task",
}


def test_every_figure_that_is_promised_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(suites, "ROWS", {"1m20": 300, "100": 100})
    monkeypatch.setattr(drift, "ROWS", {"1m20": "300", "10m20": "600"})
    monkeypatch.setattr(lake, "ROWS", 100)
    monkeypatch.setattr(battery, "ROWS", 2_000)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(bench.ROOT / one) for one in ("plugins", "dags", "")))
    monkeypatch.setattr(promotion, "WARM", 0)
    monkeypatch.setattr(promotion, "TIMES", 1)
    monkeypatch.setattr(promotion, "TASKS", 1)
    monkeypatch.setattr(promotion, "_fresh", lambda *words: bool(call(*words)))
    ran = set()

    def here(task, *arguments):
        ran.add(task)
        if task == "battery.whole":  # a twentieth of its rows, in a process of its own: what it costs is measured
            return bench._run(task, "5000")
        return 1.0, 1.0, call(task, *arguments)

    found = {}
    for figures in bench.measured(here, str(tmp_path), 1):
        found |= figures
    assert found.keys() >= PROMISED
    assert all(isinstance(value, (int, float)) for value in found.values())
    assert len(ran) == 19, sorted(ran)
    assert 100 < found["battery_rss_mb"] < 700, "the whole battery's memory, with its children's"
    assert 1 < found["battery_cpu_seconds_100k20"] < 40
