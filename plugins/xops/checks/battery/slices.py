"""Whether a candidate that is better overall is much worse for some of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from xops.checks.battery.answers import Kind
from xops.checks.battery.contender import hashable
from xops.checks.battery.measure import query_losses
from xops.core.errors import Misconfigured
from xops.core.model.intervals import Interval, correct
from xops.core.model.limits import judge_limit
from xops.core.model.slices import MISSING, RARE, Cut, Slice, cut, halves, mean_loss, slices_of, worst_slices
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome, worst

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.checks.battery.answers import Answers
    from xops.checks.battery.exam import Exam

Loss = Literal["error", "brier_score", "log_loss", "absolute_error", "squared_error"]
_OF_CLASSES = ("error", "brier_score", "log_loss")
_OF_NUMBERS = ("absolute_error", "squared_error")


@dataclass(frozen=True, slots=True)
class Slices:
    """The loss of slices of the rows: of the candidate on the champion, or of itself on its mean.

    Slices of the columns that are given are all judged: each has to be shown to be within the limit, and is unknown
    when its rows are too few for that. Others are searched for: the worst are found on one half of the rows (whole
    groups), and tested on the other half; such a slice fails when it is shown to be beyond the limit, and warns when
    it looks so, or its rows are of too few groups to tell.

    :param columns: the columns whose slices are all judged.
    :param search: the columns that are searched, alone and in pairs; all features when None, none when empty.
    :param max_worse: how much worse than the champion's the mean loss on a slice may be, as a share of the champion's
        mean loss on all rows, inclusive. While there is no champion: than the candidate's own mean loss on all rows.
    :param loss: of a row: ``error`` (1 for a wrong class), ``brier_score`` or ``log_loss`` of a classifier,
        ``absolute_error`` or ``squared_error`` of a regression; the first that gives more than right or wrong when
        None. A row of a ranking has what its query lacks of an NDCG of 1.
    :param min_share: the share of rows that a slice has to have, in (0, 1).
    :param min_rows: the rows that a slice has to have.
    :param bins: into how many slices of as many rows each a column of numbers is cut.
    :param found: how many slices are tested at most.
    :param shown: of the exam's sensitive columns those whose values may be told; slices of others are told by number.
    :param confidence: of all intervals of a kind together, in (0, 1).
    :raises Misconfigured: when an argument is out of its range.
    """

    columns: Sequence[str] = ()
    search: Sequence[str] | None = None
    max_worse: float = 0.2
    loss: Loss | None = None
    min_share: float = 0.05
    min_rows: int = 50
    bins: int = 4
    found: int = 5
    shown: Sequence[str] = ()
    confidence: float = 0.95
    name: ClassVar[str] = "slices"

    def __post_init__(self) -> None:
        correct(self.confidence, 1)
        if self.loss not in (None, *_OF_CLASSES, *_OF_NUMBERS):
            raise Misconfigured(f"slices: a loss of {_OF_CLASSES + _OF_NUMBERS} was wanted, found {self.loss!r}")
        if not (0 < self.min_share < 1 and self.bins >= 2 and self.found >= 1):  # noqa: PLR2004
            raise Misconfigured("slices: a min_share in (0, 1), bins from 2 and found from 1 on were wanted")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each given column, and for each slice that was found."""
        _ = exam.truth
        loss = self._worse(exam)
        least = max(self.min_share * exam.rows, self.min_rows)
        return [*self._given(exam, loss, least), *self._found(exam, loss, least)]

    def _worse(self, exam: Exam) -> NDArray[np.float64]:
        """Give by how much each row's loss is worse, as a share of the mean loss that it is compared with."""
        own = self._losses(exam, exam.answers)
        other = None if exam.champion_answers is None else self._losses(exam, exam.champion_answers)
        mean = float((own if other is None else other).mean()) or 1.0
        worse: NDArray[np.float64] = (own - (mean if other is None else other)) / mean
        return worse

    def _losses(self, exam: Exam, answers: Answers) -> NDArray[np.float64]:
        if exam.kind is Kind.RANKING:
            if self.loss:
                raise Misconfigured(f"slices: {self.loss} is no loss of a ranking; its rows have that of their query")
            return query_losses(exam.truth, answers.predicted, exam.groups)
        loss = self.loss or (self._of_chances(exam) if exam.kind.classifies else "absolute_error")
        if (loss in _OF_CLASSES) is not exam.kind.classifies:
            raise Misconfigured(f"slices: {loss} is no loss of a model of the kind {exam.kind}")
        if loss == "error":
            return (answers.labels != exam.truth).astype(float)
        if loss in _OF_NUMBERS:
            off = np.abs(answers.predicted - exam.truth)
            return off if loss == "absolute_error" else np.square(off)
        own = answers.probabilities[np.arange(exam.rows), exam.truth]
        if loss == "log_loss":
            return -np.log(np.clip(own, np.finfo(float).eps, 1))
        return (np.square(answers.probabilities).sum(axis=1) - 2 * own + 1) / 2

    @staticmethod
    def _of_chances(exam: Exam) -> Loss:
        both = [one for one in (exam.answers, exam.champion_answers) if one is not None]
        return "brier_score" if all(one.gives_probabilities for one in both) else "error"

    def _given(self, exam: Exam, loss: NDArray[np.float64], least: float) -> list[Finding]:
        cuts = {column: self._cut(exam, column, least) for column in self.columns}
        parts = {column: slices_of(one, least=least) if one else [] for column, one in cuts.items()}
        confidence = correct(self.confidence, sum(map(len, parts.values())))
        return [self._of_column(exam, column, parts[column], loss, confidence) for column in self.columns]

    def _of_column(
        self, exam: Exam, column: str, parts: list[Slice], loss: NDArray[np.float64], confidence: float
    ) -> Finding:
        if not parts:
            there = "no slice is large enough" if column in exam.frame.columns else "the rows lack this column"
            return Finding(self.name, column, Outcome.UNKNOWN, limit=self.max_worse, reason=there)
        judged = [
            self._judged(one, mean_loss(one, loss, exam.groups, confidence=confidence), int(one.rows.sum()))
            for one in parts
        ]
        outcome = worst(finding.outcome for finding in judged)
        last = max((one for one in judged if one.outcome is outcome), key=lambda one: float(one.observed))
        detail = {"slices": [_told(one) for one in judged]}
        return Finding(
            self.name, column, outcome, last.observed, self.max_worse, size=last.size,
            reason=f"{last.subject}: {last.reason}", interval=last.interval, detail=detail,
        )  # fmt: skip

    def _found(self, exam: Exam, loss: NDArray[np.float64], least: float) -> list[Finding]:
        features = exam.candidate.columns if self.search is None else self.search
        cuts = [one for column in features if (one := self._cut(exam, column, least)) is not None]
        if not features:
            return []
        subject, searched = exam.candidate.name, halves(exam.rows, exam.groups)
        if not cuts or least > exam.rows / 4:
            why = f"{exam.rows} rows are too few to search for slices of {least:.0f}, half of which are tested"
            return [Finding(self.name, subject, Outcome.UNKNOWN, limit=self.max_worse, reason=why)]
        chosen = worst_slices(cuts, loss, searched, least=least / 2, number=self.found)
        if not chosen:
            why = f"of {len(cuts)} columns and their pairs, no slice of {least:.0f} rows looked worse"
            return [Finding(self.name, subject, Outcome.PASS, limit=self.max_worse, size=exam.rows, reason=why)]
        confidence = correct(self.confidence, len(chosen))
        tested = [Slice(one.name, one.rows & ~searched) for one in chosen]
        return [
            self._shown(one, mean_loss(one, loss, exam.groups, confidence=confidence))
            for one in tested
            if one.rows.any()
        ]

    def _cut(self, exam: Exam, column: str, least: float) -> Cut | None:
        if column not in exam.frame.columns:
            return None
        found = cut(column, _array(exam.frame[column]), bins=self.bins, least=least)
        hidden = column in exam.sensitive and column not in self.shown
        return replace(found, names=_numbered(found)) if hidden else found

    def _judged(self, one: Slice, found: Interval, rows: int) -> Finding:
        return judge_limit(self.name, one.name, found, self.max_worse, least=False, rows=rows)

    def _shown(self, one: Slice, found: Interval) -> Finding:
        """Judge a slice that was searched for: what is not shown to be beyond the limit passes, or warns."""
        told = found.value <= self.max_worse and np.isfinite(found.high)
        outcome = Outcome.PASS if told else Outcome.WARN
        if found.low > self.max_worse:
            outcome = Outcome.FAIL
        reason = f"found on one half, on the other {found}; at most {self.max_worse} wanted"
        rows = int(one.rows.sum())
        return Finding(
            self.name, one.name, outcome, found.value, self.max_worse, size=rows, reason=reason, interval=found.ends
        )


def _numbered(one: Cut) -> tuple[str, ...]:
    """Name slices by their number instead of by what they have in common, but for missing and rare values."""
    told = {f"{one.column} {name}" for name in (MISSING, RARE)}
    return tuple(name if name in told else f"{one.column} group {at}" for at, name in enumerate(one.names, 1))


def _array(column: Any) -> NDArray[Any]:
    """Give a pandas column as numbers, times or objects."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    if is_datetime64_any_dtype(column):
        times: NDArray[Any] = column.to_numpy(dtype="datetime64[ns]")
        return times
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        numbers: NDArray[Any] = column.to_numpy(dtype=float, na_value=np.nan)
        return numbers
    told = hashable(column)
    gone = told.isna()
    return np.array([None if no else value for value, no in zip(told.tolist(), gone, strict=True)], dtype=object)


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.subject,
        "rows": finding.size,
        "observed": finding.observed,
        "interval": finding.interval,
        "outcome": finding.outcome,
    }
