"""Whether a model behaves as whoever knows the subject says that it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from xops.checks.battery.answers import Kind, Unmeasured
from xops.checks.battery.cases import Case, read_cases
from xops.checks.battery.disturbances import SEED, numbers, plausible, values_of, with_columns, with_values
from xops.core.errors import Misconfigured
from xops.core.model.fairness import rate
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xops.checks.battery.answers import Answers
    from xops.checks.battery.exam import Exam

Then = Literal["same", "not_lower", "not_higher"]
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_POINTS = 8  # places between its plausible ends that a feature is moved to


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an answer when a row is changed: "with 5 mm more rain a delay is no less likely".

    :param name: to quote.
    :param then: ``same`` (invariance), ``not_lower`` or ``not_higher`` (directional).
    :param to: by column the value that it is given.
    :param add: by column what is added to it.
    :param tolerance: by how much the answer may move all the same: of a chance, or in the target's unit.
    """

    name: str
    then: Then
    to: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if not (self.to or self.add) or self.then not in ("same", "not_lower", "not_higher"):
            raise Misconfigured(
                f"behaviour: {self.name}: a column in to or add, and then as same, not_lower or not_higher were wanted"
            )


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Invariance, directions, monotone features, and cases with answers that are known (CheckList; Ribeiro 2020).

    The answer of a binary model is the positive class's chance, of a regression or a ranking what it predicts; of more
    classes a ``same`` compares the predicted class, and directions need ``of``. Where a classifier gives no
    probabilities a ``same`` compares the predicted class, and directions are unknown. The share of rows that go
    against what is expected is counted on the exam's rows and judged as it is, because nobody allows for chance in
    what must hold; its interval says how common such rows are elsewhere.

    :param changes: what becomes of an answer when a row is changed.
    :param rising: features with which the answer never falls, all else equal; each row is tried at several values
        between the feature's 1st and 99th percentile.
    :param falling: features with which it never rises.
    :param cases: a CSV or JSON file of rows whose answers are known; see
        :func:`~xops.checks.battery.cases.read_cases`.
    :param of: the class whose chance is the answer; of two the positive one when None.
    :param max_share: the largest share of rows, or of a case's, that may go against it, inclusive, in [0, 1].
    :param rows: how many rows are changed at most, drawn at random.
    :param tolerance: by how much an answer may fall or rise along a feature all the same.
    :param confidence: of each interval, in (0, 1).
    :raises Misconfigured: when nothing is asked for.
    """

    changes: Sequence[Change] = ()
    rising: Sequence[str] = ()
    falling: Sequence[str] = ()
    cases: str | None = None
    of: Any = None
    max_share: float = 0.0
    rows: int = 2000
    tolerance: float = 1e-6
    confidence: float = 0.95
    name: ClassVar[str] = "behaviour"

    def __post_init__(self) -> None:
        if not (self.changes or self.rising or self.falling or self.cases):
            raise Misconfigured("behaviour: a change, a feature or a file of cases was wanted, found none")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each change, each feature, and each case by its name."""
        if not exam.rows:
            raise Unmeasured("the exam has no rows")
        rows = np.sort(np.random.default_rng(SEED).permutation(exam.rows)[: self.rows])
        before = exam.answers.on(exam.frame.iloc[rows].reset_index(drop=True))
        found = [
            self._judged(exam, rows, "behaviour", one.name, lambda one=one: self._changed(exam, before, one))
            for one in self.changes
        ]
        for check, features, sign in (("never_falls_with", self.rising, 1), ("never_rises_with", self.falling, -1)):
            found += [
                self._judged(exam, rows, check, one, lambda one=one, sign=sign: self._along(exam, before, one, sign))
                for one in features
            ]
        return found + self._cases(exam)

    def _judged(self, exam: Exam, rows: NDArray[np.intp], check: str, subject: str, of: Any) -> Finding:
        """Judge the share of rows that go against an expectation."""
        try:
            against = of()
        except Unmeasured as error:
            return Finding(check, subject, error.outcome, limit=self.max_share, reason=str(error))
        groups = None if exam.groups is None else exam.groups[rows]
        share = rate(against, np.ones(len(against), dtype=bool), groups, confidence=self.confidence)
        outcome = Outcome.PASS if share.value <= self.max_share else Outcome.FAIL
        why = f"{int(against.sum())} of {len(against)} rows go against it; a share of at most {self.max_share} wanted"
        return Finding(
            check, subject, outcome, share.value, self.max_share, size=len(against), reason=why, interval=share.ends
        )

    def _changed(self, exam: Exam, before: Answers, change: Change) -> NDArray[np.bool_]:
        frame = before.frame
        absent = [one for one in (*change.to, *change.add) if one not in frame.columns]
        if absent:
            raise Unmeasured(f"the rows lack the column {absent[0]}")
        if not {*change.to, *change.add} & set(exam.candidate.columns) and change.then != "same":
            raise Unmeasured("the model reads no column of the change")
        texts = [one for one in change.add if not numbers(frame, (one,))]
        if texts:
            raise Unmeasured(f"the rows hold no numbers of {texts[0]}, to which something is to be added")
        added = {one: frame[one] + more for one, more in change.add.items()}
        given = {one: _in_type(frame[one], value) for one, value in change.to.items()}
        after = before.on(with_columns(frame, {**given, **added}))
        if change.then == "same" and self.of is None and (exam.kind is Kind.MULTICLASS or _classes_alone(exam)):
            return np.asarray(before.labels != after.labels)
        moved = self._answer(exam, after) - self._answer(exam, before)
        moved = {"same": -np.abs(moved), "not_lower": moved, "not_higher": -moved}[change.then]
        return np.asarray(moved < -change.tolerance)

    def _along(self, exam: Exam, before: Answers, feature: str, sign: int) -> NDArray[np.bool_]:
        """Tell for which rows the answer falls (of -1: rises) somewhere along a feature."""
        if feature not in exam.candidate.columns:
            raise Unmeasured("the model does not read it")
        if feature not in before.frame.columns or not numbers(before.frame, (feature,)):
            raise Unmeasured("the rows hold no numbers of it")
        if not np.isfinite(values_of(exam.frame, [feature])).any():
            raise Unmeasured("every value is missing")
        (low,), (high,) = plausible(exam.frame, [feature])
        answers = []
        for value in np.linspace(low, high, _POINTS):
            there = np.full((len(before.frame), 1), value)
            answers.append(sign * self._answer(exam, before.on(with_values(before.frame, [feature], there))))
        return np.asarray((np.diff(answers, axis=0) < -self.tolerance).any(axis=0))

    def _answer(self, exam: Exam, answers: Answers) -> NDArray[np.float64]:
        if not exam.kind.classifies:
            return answers.predicted
        if _classes_alone(exam):
            raise Unmeasured("the model gives no probabilities, and it is a chance that rises or falls")
        if self.of is None:
            if exam.kind is Kind.MULTICLASS:
                raise Unmeasured("of several classes it has to be said which one's chance it is; name it in of")
            return answers.probabilities[:, 1]
        classes = exam.classes.tolist()
        if self.of not in classes:
            raise Unmeasured(f"the candidate has no class {self.of}")
        return answers.probabilities[:, classes.index(self.of)]

    def _cases(self, exam: Exam) -> list[Finding]:
        if self.cases is None:
            return []
        by_name: dict[str, list[Case]] = {}
        for case in read_cases(self.cases):
            by_name.setdefault(case.name, []).append(case)
        return [self._case(exam, name, cases) for name, cases in by_name.items()]

    def _case(self, exam: Exam, name: str, cases: list[Case]) -> Finding:
        frame = _frame(exam, cases)
        answers = exam.answers.on(frame)
        try:
            wrong = [not self._as_known(exam, answers, place, case) for place, case in enumerate(cases)]
        except Unmeasured as error:
            return Finding("case", name, error.outcome, limit=self.max_share, size=len(cases), reason=str(error))
        share = sum(wrong) / len(wrong)
        outcome = Outcome.PASS if share <= self.max_share else Outcome.FAIL
        why = f"{sum(wrong)} of {len(wrong)} rows have another answer; a share of at most {self.max_share} wanted"
        return Finding("case", name, outcome, share, self.max_share, size=len(wrong), reason=why)

    def _as_known(self, exam: Exam, answers: Answers, place: int, case: Case) -> bool:
        known = True
        if case.expected is not None:
            if exam.kind.classifies:
                known = str(exam.classes[answers.labels[place]]) == str(case.expected)
            else:
                known = bool(np.isclose(answers.predicted[place], float(case.expected), atol=self.tolerance))
        if case.at_least is not None or case.at_most is not None:
            value = float(self._answer(exam, answers)[place])
            known &= (case.at_least is None or value >= case.at_least) and (
                case.at_most is None or value <= case.at_most
            )
        return known


def _in_type(column: pd.Series, value: Any) -> Any:
    """Give a value for every row of a column, in the column's own type: a category stays one, nothing becomes NaN."""
    import pandas as pd

    kept = column.dtype
    if not pd.api.types.is_extension_array_dtype(kept) and kept.kind not in "mM":
        return np.nan if value is None and kept.kind in "iufb" else value
    if isinstance(kept, pd.CategoricalDtype) and not (pd.isna(value) or value in kept.categories):
        return value
    try:
        return pd.Series([value] * len(column), index=column.index).astype(kept)
    except (TypeError, ValueError):
        return value


def _classes_alone(exam: Exam) -> bool:
    """Tell whether the candidate gives classes without their chances."""
    return exam.kind.classifies and not exam.answers.gives_probabilities


def _frame(exam: Exam, cases: list[Case]) -> pd.DataFrame:
    """Give the rows of cases, in the types of the exam's columns."""
    import pandas as pd

    frame = pd.DataFrame([case.row for case in cases])
    for column in frame.columns:
        if column in exam.frame.columns:
            wanted = exam.frame[column].dtype
            try:
                if wanted.kind == "b":
                    frame[column] = [_TRUTH[str(value).lower()] for value in frame[column]]
                frame[column] = frame[column].astype(float if wanted.kind in "iuf" else wanted)
                if wanted.kind in "iu" and frame[column].notna().all():
                    frame[column] = frame[column].astype(wanted)
            except (KeyError, TypeError, ValueError) as error:
                raise Misconfigured(f"behaviour: column {column} of the cases is not of the type {wanted}") from error
    return frame
