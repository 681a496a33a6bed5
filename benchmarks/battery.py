"""Paired intervals of five metrics on a million rows: the battery's own share of judging a candidate."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

ROWS = 1_000_000


class Column:
    """A model whose probability is a column, so that no scoring is timed."""

    def __init__(self, name: str, classes: Any) -> None:
        self.name, self.classes_ = name, classes

    def predict_proba(self, frame: Any) -> Any:
        """Give both classes' probabilities."""
        import numpy as np

        return np.column_stack([1 - frame[self.name], frame[self.name]])

    def predict(self, frame: Any) -> Any:
        """Give the likelier class."""
        return (frame[self.name] > 0.5).to_numpy()  # noqa: PLR2004 - of two


def metrics() -> str:
    """Compare two models of a million rows by five metrics, each with its interval."""
    import numpy as np
    import pandas as pd

    from xops.checks.battery.exam import Contender, Exam, Kind
    from xops.checks.battery.performance import Performance

    chance = np.random.default_rng(0)
    odds = chance.normal(size=ROWS)
    late = chance.random(ROWS) < 1 / (1 + np.exp(-odds))
    frame = pd.DataFrame(
        {name: 1 / (1 + np.exp(-odds - scale * chance.normal(size=ROWS))) for name, scale in (("a", 0.3), ("b", 0.5))}
    )
    candidate, champion = (Contender(name, Column(name, np.array([False, True])), (name,)) for name in "ab")
    exam = Exam(frame, late, Kind.BINARY, candidate, champion)
    check = Performance(better=dict.fromkeys(["roc_auc", "log_loss", "brier_score", "f1", "accuracy"], 0.0))
    start = time.process_time()
    found = check(exam)
    seconds = time.process_time() - start
    assert all(finding.interval for finding in found)  # noqa: S101 - a figure of nothing is none
    return json.dumps({"five_paired_metrics_1m_cpu_seconds": seconds})


def measure(run: Callable[..., tuple[float, float, str]], runs: int) -> dict[str, float]:
    """Give CPU seconds and peak memory in MB, each the median of several fresh processes."""
    sides = [run("battery.metrics") for _ in range(runs)]
    seconds = [json.loads(printed)["five_paired_metrics_1m_cpu_seconds"] for _, _, printed in sides]
    return {
        "five_paired_metrics_1m_cpu_seconds": statistics.median(seconds),
        "five_paired_metrics_1m_rss_mb": statistics.median(rss for _, rss, _ in sides),
    }
