"""Whether a classifier's probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery.answers import Kind, Unmeasured
from xops.core.errors import Misconfigured
from xops.core.model.calibration import calibration_error, reliability
from xops.core.model.intervals import correct
from xops.core.model.limits import judge_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.checks.battery.exam import Exam
    from xops.core.verdict import Finding

_MANY_CLASSES = 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """The expected calibration error against a limit, with the reliability curve and the parts of the Brier score.

    Of two classes it is that of the positive one. Of more it is that of the predicted class, and of up to 20 that of
    each class against the rest as well.

    :param max_error: the largest expected calibration error allowed, inclusive, in [0, 1].
    :param bins: into how many bins of as many rows each the chances are put, at most.
    :param confidence: of all intervals together, in (0, 1).
    :param min_rows: rows that a bin needs on average; with fewer nothing is measured.
    :raises Misconfigured: when an argument is out of its range.
    """

    max_error: float = 0.05
    bins: int = 10
    confidence: float = 0.95
    min_rows: int = 20
    name: ClassVar[str] = "calibration"

    def __post_init__(self) -> None:
        correct(self.confidence, 1)
        if not (0 <= self.max_error <= 1 and self.bins >= 1):
            raise Misconfigured(
                f"calibration: a max_error in [0, 1] and bins from 1 on were wanted, found {self.max_error} and "
                f"{self.bins}"
            )

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each curve."""
        if not exam.kind.classifies:
            raise Misconfigured(f"calibration: a classifier was wanted, found a model of the kind {exam.kind}")
        truth, name = exam.truth, exam.candidate.name
        if exam.rows < self.bins * self.min_rows:
            raise Unmeasured(f"{exam.rows} rows, at least {self.bins * self.min_rows} are needed for {self.bins} bins")
        chances = exam.answers.probabilities
        if exam.kind is Kind.BINARY:
            return [self._finding(exam, name, truth == 1, chances[:, 1], 1)]
        classes = list(enumerate(exam.classes.tolist())) if len(exam.classes) <= _MANY_CLASSES else []
        number = len(classes) + 1
        found = [self._finding(exam, name, chances.argmax(axis=1) == truth, chances.max(axis=1), number)]
        return found + [
            self._finding(exam, f"{name} class {one}", truth == place, chances[:, place], number)
            for place, one in classes
        ]

    def _finding(self, exam: Exam, subject: str, came: NDArray[Any], chance: NDArray[Any], number: int) -> Finding:
        curve = reliability(came, chance, bins=self.bins, groups=exam.groups)
        error = calibration_error(curve, confidence=correct(self.confidence, number))
        detail = {"plain_error": curve.plain_error, "curve": curve.to_json(), "brier": curve.brier}
        return judge_limit(
            "calibration_error", subject, error, self.max_error, least=False, rows=exam.rows, detail=detail
        )
