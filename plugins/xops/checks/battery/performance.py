"""How good a candidate is: metrics with intervals against limits, and against the champion on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from xops.checks.battery.answers import Unmeasured
from xops.checks.battery.measure import Measured, measure
from xops.checks.battery.metric import Metric
from xops.core.errors import Misconfigured
from xops.core.model.intervals import Interval, correct
from xops.core.model.limits import judge_gain, judge_limit
from xops.core.verdict import Finding

if TYPE_CHECKING:
    from xops.checks.battery.exam import Exam


@dataclass(frozen=True, slots=True)
class Performance:
    """Metrics against limits, and against the champion's.

    Metrics have scikit-learn's names, as of its scorers (``roc_auc``, ``neg_log_loss``) or of its functions
    (``log_loss``). Each finding passes when its whole interval is on the right side, fails when none of it is, and is
    unknown in between: it then says how many rows it would take. The intervals of ``limits`` hold together with
    ``confidence``, and so do those of ``better`` and those of ``not_worse``: each kind has to hold as a whole.

    While there is no champion, ``limits`` alone decide.

    :param limits: by metric the worst value allowed, inclusive.
    :param better: by metric by how much more than the champion's it is to be better, in the metric's own unit; 0 for
        any gain.
    :param not_worse: by metric by how much it may be worse than the champion's (non-inferiority), above 0.
    :param functions: metrics of your own, by the name that the other arguments use.
    :param confidence: of all intervals of a kind together, in (0, 1).
    :param min_rows: with fewer rows nothing is measured.
    :raises Misconfigured: when nothing is asked for, or a margin is not above zero.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    better: Mapping[str, float] = field(default_factory=dict)
    not_worse: Mapping[str, float] = field(default_factory=dict)
    functions: Mapping[str, Metric] = field(default_factory=dict)
    confidence: float = 0.95
    min_rows: int = 100
    name: ClassVar[str] = "performance"

    def __post_init__(self) -> None:
        if not (self.limits or self.better or self.not_worse):
            raise Misconfigured("performance: at least one metric was wanted, found none")
        margins = {name: margin for name, margin in self.not_worse.items() if not margin > 0}
        if margins:
            raise Misconfigured(f"performance: margins above 0 were wanted in not_worse, found {margins}")
        correct(self.confidence, 1)

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each metric and what is asked of it."""
        if exam.rows < self.min_rows:
            raise Unmeasured(f"{exam.rows} rows, at least {self.min_rows} are needed")
        gains = {} if exam.champion is None else {"better": self.better, "not_worse": self.not_worse}
        found: list[Finding] = []
        for kind, asked in {"limits": self.limits, **gains}.items():
            names = dict.fromkeys(asked, kind != "limits")
            measured = measure(exam, names, self.functions, confidence=correct(self.confidence, len(asked)))
            for name, limit in asked.items():
                if kind == "limits":
                    found.append(self._limit(exam, name, limit, measured[name]))
                elif kind == "better":
                    found.append(_gain(exam, f"{name}_gain", limit, measured[name]))
                else:
                    found.append(_gain(exam, f"{name}_not_worse", -limit, measured[name]))
        return found

    @staticmethod
    def _limit(exam: Exam, name: str, limit: float, measured: Measured) -> Finding:
        if not isinstance(measured.value, Interval):
            return Finding(name, exam.candidate.name, measured.outcome, limit=limit, reason=measured.value)
        return judge_limit(
            name, exam.candidate.name, measured.value, limit, least=measured.greater_is_better, rows=exam.rows
        )


def _gain(exam: Exam, check: str, min_gain: float, measured: Measured) -> Finding:
    if not isinstance(measured.gain, Interval) or not isinstance(measured.value, Interval):
        return Finding(check, exam.candidate.name, measured.outcome, limit=min_gain, reason=str(measured.gain))
    return judge_gain(
        check,
        exam.candidate.name,
        measured.gain,
        min_gain,
        rows=exam.rows,
        chance=measured.chance if min_gain == 0 else None,
        detail={"candidate": measured.value.value, "champion": measured.champion, "chance": measured.chance},
    )
