"""The battery's cost: paired intervals of five metrics on a million rows, and every check but SHAP on a wide exam."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

ROWS = 1_000_000
EXAM, COLUMNS = 100_000, 20
SECONDS, MEGABYTES = 60, 1500  # that the whole battery may take of two CPUs, and with its children


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

    from xops.checks.battery.answers import Kind
    from xops.checks.battery.contender import Contender
    from xops.checks.battery.exam import Exam
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


def wide_exam(rows: int, columns: int) -> Any:
    """Give an exam of two gradient-boosted models of scikit-learn's, with as many rows again to learn from."""
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    from xops.checks.battery.contender import Contender, Learned, row_hashes
    from xops.checks.battery.exam import Exam

    chance = np.random.default_rng(0)
    features = tuple(f"x{place}" for place in range(columns))
    frame = pd.DataFrame(chance.normal(size=(2 * rows, columns)), columns=list(features))
    frame.iloc[:, -1] = chance.integers(8, size=2 * rows).astype(float)
    odds = frame["x0"] + frame["x1"] * frame["x2"] + 0.5 * frame.iloc[:, -1]
    late = (chance.random(2 * rows) < 1 / (1 + np.exp(-(odds - odds.mean())))).to_numpy()
    frame = frame.assign(id=np.arange(2 * rows), sex=chance.choice(["f", "m"], size=2 * rows))
    learned, held_out = frame[:rows], frame[rows:].reset_index(drop=True)
    candidate, champion = (
        HistGradientBoostingClassifier(max_iter=trees, random_state=0).fit(learned[list(features)], late[:rows])
        for trees in (100, 20)
    )
    seen = row_hashes(learned, ["id"])
    return Exam(
        frame=held_out, target=late[rows:], kind="binary", key=("id",), sensitive=("sex",),
        candidate=Contender("m/2", candidate, features, seen, Learned(learned, late[:rows])),
        champion=Contender("m/1", champion, features, seen),
    )  # fmt: skip


def checks() -> list[Any]:
    """Give every check that is not about stored files or data, with all that it can be asked, but SHAP."""
    from xops.checks.battery.behaviour import Behaviour, Change
    from xops.checks.battery.calibration import Calibration
    from xops.checks.battery.explanation import Explanation
    from xops.checks.battery.fairness import Fairness
    from xops.checks.battery.leakage import Leakage
    from xops.checks.battery.performance import Performance
    from xops.checks.battery.resources import Resources
    from xops.checks.battery.robustness import Robustness
    from xops.checks.battery.slices import Slices

    disturbances = ("noise", "missing", "units", "out_of_range", "row_order", "column_order", "search")
    return [
        Performance(
            limits={"roc_auc": 0.6, "average_precision": 0.5, "log_loss": 0.7},
            better={"roc_auc": 0, "log_loss": 0},
            not_worse={"accuracy": 0.01, "f1": 0.01, "brier_score": 0.01},
        ),
        Slices(columns=["sex", "x0"]),
        Calibration(),
        Fairness(["sex"], ratios={"selection_rate": 0.8}, differences={"accuracy": 0.05}),
        Explanation(forbidden=["x5"], max_share=0.9, min_rank_correlation=0.1),
        Robustness(dict.fromkeys(disturbances, 0.5), units={"x3": 10.0}, max_loss=0.5, more_than_champion=0.2),
        Leakage(),
        Behaviour([Change("more", "not_lower", add={"x0": 1.0})], rising=["x0"], max_share=0.5),
        Resources(limits={"row_seconds": 1, "peak_megabytes": 500}, ratios={"batch_seconds": 20}),
    ]


def whole(rows: str = "") -> str:
    """Put the whole battery to an exam: seconds by the clock and of CPUs, memory with that of the children.

    :param rows: how many; :data:`EXAM` when empty.
    """
    from benchmarks.memory import peak_of_tree
    from xops.checks.battery.check import judge

    exam, asked = wide_exam(int(rows or EXAM), COLUMNS), checks()
    start, used = time.perf_counter(), _used()
    with peak_of_tree() as peak:
        verdict = judge(exam, asked, facts={})
    seconds, cpu = time.perf_counter() - start, _used() - used
    broken = [str(one) for one in verdict.findings if "broke" in one.reason]
    assert not broken, broken  # noqa: S101 - a check that was not done costs nothing
    assert cpu < SECONDS, f"{cpu} CPU seconds"  # noqa: S101 - by the clock a busy machine takes longer
    assert peak.megabytes < MEGABYTES, f"{peak.megabytes} MB"  # noqa: S101
    return json.dumps({"battery_seconds": seconds, "battery_cpu_seconds": cpu, "battery_megabytes": peak.megabytes})


def _used() -> float:
    import resource

    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def measure(run: Callable[..., tuple[float, float, str]], runs: int) -> dict[str, float]:
    """Give seconds and peak memory in MB, each the median of several fresh processes; of the whole battery one."""
    sides = [run("battery.metrics") for _ in range(runs)]
    seconds = [json.loads(printed)["five_paired_metrics_1m_cpu_seconds"] for _, _, printed in sides]
    _, _, printed = run("battery.whole")
    found = json.loads(printed)
    return {
        "five_paired_metrics_1m_cpu_seconds": statistics.median(seconds),
        "five_paired_metrics_1m_rss_mb": statistics.median(rss for _, rss, _ in sides),
        "battery_seconds_100k20": found["battery_seconds"],
        "battery_cpu_seconds_100k20": found["battery_cpu_seconds"],
        "battery_rss_mb": found["battery_megabytes"],
    }
