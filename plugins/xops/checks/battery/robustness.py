"""Whether a model's answers hold when its rows are not quite what they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery.answers import BadAnswer, Kind, Unmeasured
from xops.checks.battery.disturbances import (
    DISTURBANCES,
    NEEDS_NUMBERS,
    SEED,
    Strength,
    numbers,
    others,
    plausible,
    values_of,
    with_values,
)
from xops.checks.battery.measure import gain_of
from xops.checks.battery.metric import named_metric
from xops.core.errors import Misconfigured
from xops.core.model.fairness import rate
from xops.core.model.intervals import Interval, correct
from xops.core.model.limits import judge_limit
from xops.core.model.slices import Slice, mean_loss
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xops.checks.battery.answers import Answers
    from xops.checks.battery.exam import Exam

    Flips = Callable[[Answers], NDArray[np.bool_]]

_KNOWN = (*DISTURBANCES, "row_order", "column_order", "search")
_CURVE = (0.25, 0.5, 1.0, 2.0)  # of the strength asked for
_ALONE = 5  # rows that are also asked for one by one
_METRICS = {Kind.BINARY: "roc_auc", Kind.MULTICLASS: "accuracy", Kind.REGRESSION: "r2", Kind.RANKING: "ndcg"}


@dataclass(frozen=True, slots=True)
class Robustness:
    """The share of predictions that flip when rows are disturbed, and the worst loss of a metric.

    Disturbances are ``noise`` on numbers, cells that are ``missing``, wrong ``units``, ``categories`` taken from other
    rows, one number ``out_of_range``, another ``row_order`` (and rows alone), another ``column_order``, and ``search``:
    a random search within plausible bounds for a change of a row that flips its prediction (what it finds is a lower
    bound of what there is). A class flips when it becomes another, a number when it moves by more than ``moved``. A
    model that gives no answer to disturbed rows, or one that cannot be, fails; one that refuses another order of
    columns is right to do so. Orders are judged without an interval: no prediction may depend on them by chance.

    :param flips: by disturbance the largest share of predictions that may flip, inclusive, in [0, 1].
    :param max_loss: how much the metric may lose under any of the disturbances but orders and search, inclusive; not
        judged when None.
    :param metric: of the loss, by scikit-learn's name; ``roc_auc``, ``accuracy``, ``r2`` or ``ndcg`` by the kind when
        None.
    :param more_than_champion: by how much a share of flips may exceed the champion's, inclusive; not judged when None.
    :param noise: standard deviation of the noise, as a share of the column's own.
    :param share: of cells that are missing, of categories that are changed, and of rows out of range, in [0, 1].
    :param units: by column the factor of a wrong unit.
    :param moved: of a regression, as a share of the target's standard deviation; of a ranking, of the predictions'.
    :param reach: how far the search may move a number, as a share of its column's standard deviation.
    :param search_rows: how many rows the search tries, drawn at random.
    :param search_steps: how many changes it tries of each.
    :param confidence: of all intervals of a kind together, in (0, 1).
    :raises Misconfigured: when a disturbance is not known, or units are asked for and none is given.
    """

    flips: Mapping[str, float] = field(
        default_factory=lambda: {"noise": 0.1, "missing": 0.2, "row_order": 0.0, "column_order": 0.0}
    )
    max_loss: float | None = None
    metric: str | None = None
    more_than_champion: float | None = None
    noise: float = 0.1
    share: float = 0.1
    units: Mapping[str, float] = field(default_factory=dict)
    moved: float = 0.1
    reach: float = 0.25
    search_rows: int = 500
    search_steps: int = 30
    confidence: float = 0.95
    name: ClassVar[str] = "robustness"

    def __post_init__(self) -> None:
        correct(self.confidence, 1)
        strange = [one for one in self.flips if one not in _KNOWN]
        if strange or not self.flips:
            raise Misconfigured(f"robustness: disturbances of {_KNOWN} were wanted, found {strange or 'none'}")
        if "units" in self.flips and not self.units:
            raise Misconfigured("robustness: units were asked for, but by no column's factor; fill units")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each disturbance, for the metric's loss, and for the champion's flips."""
        _ = exam.truth
        absent = [one for one in exam.candidate.columns if one not in exam.frame.columns]
        if absent:
            raise BadAnswer(exam.candidate.name, f"needs the columns {', '.join(map(str, absent))}, the rows lack them")
        found: list[Finding] = []
        losses: list[tuple[str, Interval]] = []
        for name, limit in self.flips.items():
            try:
                found += self._judged(exam, name, limit, losses)
            except BadAnswer as error:
                found.append(self._finding(exam, name, error.outcome, limit, f"disturbed rows: {error}"))
            except Unmeasured as error:
                found.append(self._finding(exam, name, error.outcome, limit, str(error)))
        return found + self._lost(exam, losses)

    def _judged(self, exam: Exam, name: str, limit: float, losses: list[tuple[str, Interval]]) -> list[Finding]:
        if name in NEEDS_NUMBERS and not numbers(exam.frame, exam.candidate.columns):
            raise Unmeasured("the model reads no column of numbers")
        if name == "categories" and not others(exam.frame, exam.candidate.columns):
            raise Unmeasured("the model reads nothing but numbers")
        if name == "units" and not numbers(exam.frame, tuple(set(self.units) & set(exam.candidate.columns))):
            raise Unmeasured(f"the model reads no numbers of the columns {', '.join(map(str, self.units))}")
        if name in ("row_order", "column_order"):
            return [self._order(exam, name, limit)]
        if name == "search":
            rows = np.random.default_rng(SEED).permutation(exam.rows)[: self.search_rows]
            own = self._searched(exam, exam.answers, rows)
            groups = None if exam.groups is None else exam.groups[rows]
            other = self._champions(exam, lambda rival: self._searched(exam, rival, rows))
            return self._shares(exam, name, (own, other), groups, {"reach": self.reach, "steps": self.search_steps})
        after = exam.answers.on(self._disturbed(exam, name, exam.answers, 1.0))
        if hasattr(exam.candidate.model, "predict_proba"):
            _ = after.probabilities  # a class may be given where its chance is not finite
        own = self._flipped(exam, exam.answers, after)
        if self.max_loss is not None:
            losses.append((name, self._loss(exam, after)))
        curve = [
            {"strength": one, "flipped": float(self._flipped(exam, exam.answers, answers).mean())}
            for one, answers in self._weaker(exam, name, after)
        ]
        other = self._champions(
            exam, lambda rival: self._flipped(exam, rival, rival.on(self._disturbed(exam, name, rival, 1.0)))
        )
        return self._shares(exam, name, (own, other), exam.groups, {"curve": curve})

    def _weaker(self, exam: Exam, name: str, after: Answers) -> list[tuple[float, Answers]]:
        if name == "units":
            return []
        others = {one: exam.answers.on(self._disturbed(exam, name, exam.answers, one)) for one in _CURVE if one != 1}
        return sorted((others | {1.0: after}).items())

    def _disturbed(self, exam: Exam, name: str, answers: Answers, times: float) -> pd.DataFrame:
        strength = Strength(self.noise, self.share, self.share, self.share, self.units).times(times)
        return DISTURBANCES[name](exam.frame, answers.contender.columns, strength)

    def _champions(self, exam: Exam, flips: Flips) -> NDArray[np.bool_] | BadAnswer | None:
        """Give which of the champion's answers flip, or why it has none; None where nobody asks."""
        rival = exam.champion_answers
        if self.more_than_champion is None or rival is None:
            return None
        try:
            return flips(rival)
        except BadAnswer as error:
            return error

    def _flipped(self, exam: Exam, before: Answers, after: Answers) -> NDArray[np.bool_]:
        if exam.kind.classifies:
            return np.asarray(before.labels != after.labels)
        return np.abs(before.predicted - after.predicted) > self._far(exam, before)

    def _far(self, exam: Exam, answers: Answers) -> float:
        """Give how far a number may move; the scores of a ranking have a scale of their own."""
        of = answers.predicted if exam.kind is Kind.RANKING else exam.truth
        return self.moved * float(of.std())

    def _shares(
        self,
        exam: Exam,
        name: str,
        flipped: tuple[NDArray[np.bool_], NDArray[np.bool_] | BadAnswer | None],
        groups: NDArray[Any] | None,
        detail: dict[str, Any],
    ) -> list[Finding]:
        own, other = flipped
        everything, confidence = np.ones(len(own), dtype=bool), correct(self.confidence, len(self.flips))
        share = rate(own, everything, groups, confidence=confidence)
        subject, check = exam.candidate.name, f"flips_{name}"
        found = [judge_limit(check, subject, share, self.flips[name], least=False, rows=len(own), detail=detail)]
        if other is None or self.more_than_champion is None:
            return found
        if isinstance(other, BadAnswer):
            why = f"disturbed rows: {other}"
            return [
                *found,
                Finding(f"{check}_more", subject, Outcome.UNKNOWN, limit=self.more_than_champion, reason=why),
            ]
        more = mean_loss(Slice(name, everything), own.astype(float) - other, groups, confidence=confidence)
        told = {"candidate": float(own.mean()), "champion": float(other.mean())}
        return [
            *found,
            judge_limit(
                f"{check}_more", subject, more, self.more_than_champion, least=False, rows=len(own), detail=told
            ),
        ]

    def _order(self, exam: Exam, name: str, limit: float) -> Finding:
        contender = exam.candidate
        if name == "column_order":
            _ = exam.answers.labels if exam.kind.classifies else exam.answers.predicted
            turned = replace(exam.answers, contender=replace(contender, columns=contender.columns[::-1]))
            try:
                flipped = self._flipped(exam, exam.answers, turned)
            except BadAnswer as error:
                return self._finding(exam, name, Outcome.PASS, limit, f"it refuses another order: {error}")
        else:
            order = np.random.default_rng(SEED).permutation(exam.rows)
            flipped = self._flipped(exam, exam.answers, _back(exam, order))
            for row in range(min(_ALONE, exam.rows)):
                alone = exam.answers.on(exam.frame.iloc[[row]])
                flipped[row] |= self._moved_alone(exam, alone, row)
        share = float(flipped.mean())
        outcome = Outcome.PASS if share <= limit else Outcome.FAIL
        return self._finding(exam, name, outcome, limit, f"{share:.4g} of the predictions depend on it", share=share)

    def _moved_alone(self, exam: Exam, alone: Answers, row: int) -> bool:
        if exam.kind.classifies:
            return bool(alone.labels[0] != exam.answers.labels[row])
        return bool(abs(alone.predicted[0] - exam.answers.predicted[row]) > self._far(exam, exam.answers))

    def _searched(self, exam: Exam, answers: Answers, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell of which rows the search found a change that flips the prediction.

        Each step moves some numbers of each row at random within reach and bounds, and keeps what brings the answer
        nearer to a flip; where there are no probabilities, it keeps nothing and tries anew.
        """
        frame = exam.frame.iloc[rows].reset_index(drop=True)
        there = numbers(frame, answers.contender.columns)
        chance, start = np.random.default_rng(SEED), values_of(frame, there)
        low, high = plausible(exam.frame, there)
        span = self.reach * np.nanstd(values_of(exam.frame, there), axis=0)
        bounds = np.minimum(start, np.maximum(start - span, low)), np.maximum(start, np.minimum(start + span, high))
        before = answers.on(frame)
        best, kept, flipped = self._distance(exam, before, before), start, np.zeros(len(rows), dtype=bool)
        for _step in range(self.search_steps):
            moved = chance.random(start.shape) < 1 / 2
            tried = np.where(moved, bounds[0] + (bounds[1] - bounds[0]) * chance.random(start.shape), kept)
            after = before.on(with_values(frame, there, np.where(np.isnan(start), start, tried)))
            flipped |= self._flipped(exam, before, after)
            distance = self._distance(exam, before, after)
            nearer = distance > best
            kept, best = np.where(nearer[:, None], tried, kept), np.maximum(best, distance)
        return flipped

    @staticmethod
    def _distance(exam: Exam, before: Answers, after: Answers) -> NDArray[np.float64]:
        """Give how far each answer moved towards a flip: away from the class that was predicted, or from the number."""
        if not exam.kind.classifies:
            return np.abs(after.predicted - before.predicted)
        try:
            return 1 - after.probabilities[np.arange(len(before.labels)), before.labels]
        except BadAnswer:
            return np.zeros(len(before.labels))

    def _loss(self, exam: Exam, after: Answers) -> Interval:
        """Give by how much the metric is worse on disturbed rows."""
        metric = named_metric(self.metric or _METRICS[exam.kind], exam, {})
        both = getattr(exam.answers, metric.of), getattr(after, metric.of)
        return gain_of(exam, metric, both, confidence=correct(self.confidence, len(self.flips)))

    def _lost(self, exam: Exam, losses: list[tuple[str, Interval]]) -> list[Finding]:
        if self.max_loss is None:
            return []
        metric = self.metric or _METRICS[exam.kind]
        if not losses:
            why = "no disturbance was measured"
            return [Finding(f"{metric}_loss", exam.candidate.name, Outcome.UNKNOWN, limit=self.max_loss, reason=why)]
        name, lost = max(losses, key=lambda one: one[1].value)
        each = [{"disturbance": one, "loss": loss.value, "interval": loss.ends} for one, loss in losses]
        detail = {"worst": name, "disturbances": each}
        subject = exam.candidate.name
        return [judge_limit(f"{metric}_loss", subject, lost, self.max_loss, least=False, rows=exam.rows, detail=detail)]

    @staticmethod
    def _finding(
        exam: Exam, name: str, outcome: Outcome, limit: float, why: str, *, share: float | None = None
    ) -> Finding:
        return Finding(f"flips_{name}", exam.candidate.name, outcome, share, limit, size=exam.rows, reason=why)


def _back(exam: Exam, order: NDArray[np.intp]) -> Answers:
    """Give answers to the rows in another order, put back into theirs."""
    shuffled = exam.answers.on(exam.frame.iloc[order].reset_index(drop=True))
    answers = exam.answers.on(exam.frame)
    of = "labels" if exam.kind.classifies else "predicted"
    given = getattr(shuffled, of)
    back = np.empty_like(given)
    back[order] = given
    answers.__dict__[of] = back  # where a cached_property keeps what it read
    return answers
