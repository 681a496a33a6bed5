"""What a model's answers rest on: the importance of its features, and features that it must not use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery.answers import BadAnswer, Kind, Unmeasured
from xops.checks.battery.attribution import Attribution, attribution
from xops.checks.battery.disturbances import SEED, with_columns
from xops.checks.battery.measure import query_losses
from xops.checks.battery.process_tree import limit_of
from xops.core.errors import Misconfigured
from xops.core.model.intervals import Interval, Units, correct
from xops.core.model.slices import Slice, mean_loss
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.checks.battery.answers import Answers
    from xops.checks.battery.exam import Exam

_SHARED = 3  # features that two models need in common for a rank correlation
_TRIED = (16, 64, 256)  # rows that a model is asked first, to tell how long all would take
_GROWTH = 4
_MOVED = 1e-9  # of a chance, or of the target's standard deviation: rounding


@dataclass(frozen=True, slots=True)
class Explanation:
    """Permutation importance, SHAP values where they are asked for, and what is made of them.

    The importance of a feature is by how much the mean loss grows when its values are dealt anew among the rows
    (Breiman 2001; Fisher, Rudin and Dominici 2019): the Brier score of chances, the share of wrong classes where there
    are none, the squared error of numbers, and of a ranking what the row's query lacks of an NDCG of 1. A forbidden
    feature is used when that moves a single answer.

    :param forbidden: features that no answer may rest on, read or not.
    :param max_share: the largest share of all importance that one feature may have, inclusive; not judged when None.
        A feature of more is suspicious: it may leak the target.
    :param min_rank_correlation: the least Spearman correlation of the importances with the champion's, of the features
        that both read, inclusive; not judged when None.
    :param shap: whether SHAP values are computed too, of trees, linear models, or any other by sampling; they are in
        the finding's detail. Needs ``pip install 'xops[battery]'``.
    :param shown: features whose values may be told of the single rows that SHAP explains: the most confident of wrong
        answers, the median one, the least certain one. Of others the value's share is told and not the value.
    :param rows: the rows that are used at most, drawn at random; of a ranking whole queries of about as many.
    :param budget: seconds for everything, shared evenly by the candidate's permutations, the champion's, and SHAP
        values; what one leaves is the next one's. What would take longer is not begun, and not measured. SHAP runs in a
        process of its own, which is killed when the time is over.
    :param allowed_megabytes: of memory, of SHAP's process; when it wants 256 more, it is stopped.
    :param confidence: of the importances' intervals together, in (0, 1).
    :raises Misconfigured: when shap is asked for and missing.
    """

    forbidden: Sequence[str] = ()
    max_share: float | None = None
    min_rank_correlation: float | None = None
    shap: bool = False
    shown: Sequence[str] = ()
    rows: int = 5000
    budget: float = 60
    allowed_megabytes: float = 2000
    confidence: float = 0.95
    name: ClassVar[str] = "explanation"

    def __post_init__(self) -> None:
        correct(self.confidence, 1)
        if self.rows < 2 or not self.budget > 0:  # noqa: PLR2004
            raise Misconfigured("explanation: rows from 2 on and a budget above 0 were wanted")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each forbidden feature, for the importances, and for the champion's."""
        _ = exam.truth
        end, rows = time.monotonic() + self.budget, _drawn(exam, self.rows)
        rival = exam.champion_answers if self.min_rank_correlation is not None else None
        waiting = (rival is not None) + self.shap
        own = _Importance.of(exam, exam.answers, rows, _share(end, waiting), self.confidence)
        found = [self._forbidden(exam, own, feature) for feature in self.forbidden]
        alike = [] if rival is None else [self._alike(exam, own, (rival, rows), _share(end, waiting - 1))]
        return [*found, self._importance(exam, own, rows, end), *alike]

    @staticmethod
    def _forbidden(exam: Exam, own: _Importance, feature: str) -> Finding:
        if feature not in exam.candidate.columns:
            why = "the model does not read it"
            return Finding("forbidden_feature", feature, Outcome.PASS, 0, 0, size=own.rows, reason=why)
        if feature not in own.moved:
            return Finding("forbidden_feature", feature, Outcome.UNKNOWN, limit=0, reason=own.why)
        share = own.moved[feature]
        outcome = Outcome.FAIL if share > 0 else Outcome.PASS
        why = f"{share:.4g} of the answers rest on it"
        return Finding("forbidden_feature", feature, outcome, share, 0, size=own.rows, reason=why)

    def _importance(self, exam: Exam, own: _Importance, rows: NDArray[np.intp], end: float) -> Finding:
        subject = exam.candidate.name
        detail: dict[str, Any] = {"features": own.told()}
        if self.shap:
            detail |= self._shap(exam, own, rows, end)
        if not own.complete or not own.loss:
            why = own.why or "the model reads no features"
            return Finding("importance", subject, Outcome.UNKNOWN, limit=self.max_share, reason=why, detail=detail)
        positive = {one: max(loss.value, 0.0) for one, loss in own.loss.items()}
        total, first = sum(positive.values()), max(positive, key=lambda one: positive[one])
        share = positive[first] / total if total else 0.0
        outcome = Outcome.PASS if self.max_share is None or share <= self.max_share else Outcome.FAIL
        why = f"{first} has {share:.4g} of all importance" if total else "no feature has any importance"
        return Finding("importance", subject, outcome, share, self.max_share, size=own.rows, reason=why, detail=detail)

    def _shap(self, exam: Exam, own: _Importance, rows: NDArray[np.intp], end: float) -> dict[str, Any]:
        try:
            found: Attribution = attribution(
                exam, rows, own.before, end=end, shown=self.shown, allowed=limit_of(self.allowed_megabytes)
            )
        except Unmeasured as error:
            return {"shap_by": {"why": str(error)}}
        return found.to_json()

    def _alike(self, exam: Exam, own: _Importance, asked: tuple[Answers, NDArray[np.intp]], deadline: float) -> Finding:
        from scipy.stats import spearmanr

        check, subject, limit = "importance_rank_correlation", exam.candidate.name, self.min_rank_correlation
        try:
            other = _Importance.of(exam, *asked, deadline, self.confidence)
        except BadAnswer as error:
            return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=str(error))
        if not (own.complete and other.complete):
            return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=own.why or other.why)
        both = [one for one in own.loss if one in other.loss]
        pairs = np.array([[one.loss[feature].value for feature in both] for one in (own, other)])
        if len(both) < _SHARED or (np.ptp(pairs, axis=1) == 0).any():
            why = f"{len(both)} features in common, at least {_SHARED} of different importance are needed"
            return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=why)
        correlation = float(spearmanr(*pairs).statistic)
        outcome = Outcome.PASS if correlation >= float(limit or 0) else Outcome.FAIL
        why = f"{correlation:.4g} with the champion's, of {len(both)} features; at least {limit} wanted"
        detail = {"candidate": own.told(), "champion": other.told()}
        return Finding(check, subject, outcome, correlation, limit, size=own.rows, reason=why, detail=detail)


@dataclass(frozen=True, slots=True)
class _Importance:
    """What permutations tell of the features that there was time for.

    :param loss: by feature what the mean loss grows by.
    :param moved: by feature the share of answers that moved.
    :param why: why there are not all features; empty when there are.
    :param before: what the model answers on the rows as they are; None when there was no time for it.
    """

    rows: int
    loss: dict[str, Interval]
    moved: dict[str, float]
    why: str
    before: Answers | None = None

    @classmethod
    def of(
        cls, exam: Exam, answers: Answers, rows: NDArray[np.intp], deadline: float, confidence: float
    ) -> _Importance:
        start, chance = time.monotonic(), np.random.default_rng(SEED)
        frame = exam.frame.iloc[rows].reset_index(drop=True)
        truth, groups = exam.truth[rows], None if exam.groups is None else exam.groups[rows]
        before, features = answers.on(frame), answers.contender.columns
        late = f"of {len(features)} features in {deadline - start:.3g} s"
        if _longer(exam, before, deadline):
            return cls(len(rows), {}, {}, f"0 {late}")
        own = _answer(exam, before)
        everything, scale = Slice("all", np.ones(len(rows), dtype=bool)), _scale(exam, own)
        found, took = cls(len(rows), {}, {}, "", before), 0.0
        for place, feature in enumerate(features):
            begun = time.monotonic()
            if begun + took > deadline:
                return replace(found, why=f"{place} {late}")
            dealt = with_columns(frame, {feature: frame[feature].array[chance.permutation(len(rows))]})
            other = _answer(exam, before.on(dealt))
            more = _loss(exam, other, truth, groups) - _loss(exam, own, truth, groups)
            found.loss[feature] = mean_loss(everything, more, groups, confidence=correct(confidence, len(features)))
            moved = np.abs(other - own) > _MOVED * max(float(scale), _MOVED)
            found.moved[feature] = float(moved.reshape(len(rows), -1).any(axis=1).mean())
            took = time.monotonic() - begun
        return found

    @property
    def complete(self) -> bool:
        return not self.why

    def told(self) -> list[dict[str, Any]]:
        """Give the features by their importance, the largest first."""
        ordered = sorted(self.loss.items(), key=lambda one: -one[1].value)
        return [{"feature": str(name), "value": one.value, "interval": one.ends} for name, one in ordered]


def _share(end: float, waiting: int) -> float:
    """Give the moment until which one has time, when so many others wait for theirs."""
    now = time.monotonic()
    return now + (end - now) / (1 + waiting)


def _longer(exam: Exam, answers: Answers, deadline: float) -> bool:
    """Tell whether a model needs longer for the rows than there is time, by what it takes for a few and for more."""
    took = [0.0]
    tried = [rows for rows in _TRIED if rows < len(answers.frame)]
    for rows in tried:
        begun = time.monotonic()
        if begun + _GROWTH * took[-1] > deadline:
            return True
        _answer(exam, answers.on(answers.frame.head(rows)))
        took.append(time.monotonic() - begun)
    if len(tried) < 2:  # noqa: PLR2004
        return time.monotonic() + _GROWTH * took[-1] > deadline
    each = max(took[-1] - took[-2], 0.0) / (tried[-1] - tried[-2])
    return time.monotonic() + took[-1] + each * (len(answers.frame) - tried[-1]) > deadline


def _answer(exam: Exam, answers: Answers) -> NDArray[np.float64]:
    """Give chances of shape (rows, classes), of which a class alone is certain, or numbers of shape (rows,)."""
    if exam.kind in (Kind.REGRESSION, Kind.RANKING):
        return answers.predicted
    if hasattr(answers.contender.model, "predict_proba"):
        return answers.probabilities
    return np.eye(len(exam.classes))[answers.labels]


def _drawn(exam: Exam, number: int) -> NDArray[np.intp]:
    """Draw rows; of a ranking whole queries, because a part of one has another order."""
    chance = np.random.default_rng(SEED)
    if exam.kind is not Kind.RANKING:
        return np.sort(chance.permutation(exam.rows)[:number])
    units = Units.of(exam.rows, exam.groups)
    order = chance.permutation(units.number)
    within = np.cumsum(np.bincount(units.codes)[order]) <= number
    within[0] = True
    return np.flatnonzero(np.isin(units.codes, order[within]))


def _scale(exam: Exam, answer: NDArray[np.float64]) -> float:
    """Give of what an answer's move is a part: of 1, of the target's deviation, or of the scores' of a ranking."""
    if exam.kind.classifies:
        return 1.0
    return float(answer.std() if exam.kind is Kind.RANKING else exam.truth.std())


def _loss(
    exam: Exam, answer: NDArray[np.float64], truth: NDArray[Any], groups: NDArray[Any] | None
) -> NDArray[np.float64]:
    if exam.kind is Kind.RANKING:
        return query_losses(truth, answer, groups)
    if answer.ndim == 1:
        return np.square(answer - truth)
    own = answer[np.arange(len(truth)), truth]
    loss: NDArray[np.float64] = (np.square(answer).sum(axis=1) - 2 * own + 1) / 2
    return loss
