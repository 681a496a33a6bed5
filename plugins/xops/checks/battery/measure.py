"""Metrics measured on one exam: of the candidate, and what it gains on the champion, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.checks.battery.answers import BadAnswer, Kind, Unmeasured
from xops.checks.battery.exam import Exam
from xops.checks.battery.metric import Metric, NamedMetric, named_metric
from xops.core.errors import FOREIGN, bounded
from xops.core.model.intervals import (
    Interval,
    OfSums,
    Units,
    intervals_of_rows,
    intervals_of_sums,
    mcnemar,
    paired_shares,
    wilson,
)
from xops.core.model.metrics import additive, ndcg
from xops.core.model.ranking import auc_difference, auc_interval
from xops.core.numerics import np
from xops.core.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one metric.

    :param value: of the candidate; the reason where it could not be measured.
    :param champion: of the champion, None without an interval asked for or a champion.
    :param gain: of the candidate on the champion, above zero when it is better; the reason where there is none.
    :param chance: of an exact test, how likely the gain is of a candidate no better.
    :param greater_is_better: whether a larger value is better.
    :param outcome: of a finding where the value could not be measured.
    """

    value: Interval | str
    greater_is_better: bool
    gain: Interval | str
    champion: float | None = None
    chance: float | None = None
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class _Pair:
    """What both models answer; without a champion's answers, why there are none."""

    metric: NamedMetric
    given: Any
    rival: Any = None
    why: str = "there is no champion"

    @property
    def both(self) -> list[Any]:
        return [self.given] if self.rival is None else [self.given, self.rival]

    def measured(self, values: list[Interval], chance: float | None = None) -> Measured:
        """Put the intervals of value, gain and the champion's value together; the latter two where there are any."""
        greater = self.metric.sign > 0
        if self.rival is None:
            return Measured(values[0], greater, self.why)
        return Measured(values[0], greater, values[1], values[2].value, chance)


def measure(
    exam: Exam, names: Mapping[str, bool], own: Mapping[str, Metric], *, confidence: float
) -> dict[str, Measured]:
    """Measure metrics of the candidate, and what it gains on the champion on the same rows.

    A metric of answers that the candidate cannot give hides no other. Areas under the ROC curve by DeLong's intervals
    (Obuchowski's for groups); accuracy of independent rows by Wilson's and by Bonett and Price's, with McNemar's exact
    test; functions of sums by a bootstrap whose resamples are counts; whatever else by resampling rows.

    :param names: by metric, whether it is compared with the champion; ``neg_`` before a name changes its sign.
    :param own: metrics of a user's own, by name.
    :param confidence: of each interval.
    :raises Misconfigured: for a name that is no metric of this kind of model.
    """
    _ = exam.truth  # says what is wrong with the rows before anything else
    units = Units.of(exam.rows, exam.groups)
    found: dict[str, Measured] = {}
    waiting: dict[str, tuple[_Pair, list[OfSums]]] = {}
    for name, compared in names.items():
        metric = named_metric(name, exam, own)
        try:
            pair = _pair(exam, metric, compared=compared)
        except Unmeasured as error:
            found[name] = Measured(str(error), metric.sign > 0, str(error), outcome=error.outcome)
            continue
        exact = _exact(pair, exam, confidence)
        if exact is not None:
            found[name] = exact
        elif statistics := _of_sums(pair, exam, units):
            waiting[name] = (pair, statistics)
        else:
            found[name] = _by_rows(pair, exam, units, confidence)
    together = [statistic for _, statistics in waiting.values() for statistic in statistics]
    measured = iter(intervals_of_sums(together, confidence=confidence) if together else ())
    for name, (pair, statistics) in waiting.items():
        found[name] = pair.measured([next(measured) for _ in statistics])
    return found


def score(exam: Exam, name: str) -> float:
    """Give the candidate's value of one metric, without an interval.

    :raises Unmeasured: when the rows or the answers give none. :raises Misconfigured: for a name that is no metric.
    """
    truth, metric = exam.truth, named_metric(name, exam, {})
    given = getattr(exam.answers, metric.of)
    if exam.kind is Kind.RANKING:
        return float(ndcg(truth, given, Units.of(exam.rows, exam.groups).codes).mean())
    try:
        return float(metric.function(truth, given))
    except ValueError as error:
        raise Unmeasured(f"the metric raised {bounded(repr(error), 200)}") from error


def query_losses(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Give for each row of a ranking what its query's NDCG lacks of 1, shape (rows,)."""
    codes = Units.of(len(truth), groups).codes
    lost: NDArray[np.float64] = (1 - ndcg(truth, predicted, codes))[codes]
    return lost


def gain_of(exam: Exam, metric: NamedMetric, answers: tuple[Any, Any], *, confidence: float) -> Interval:
    """Give by how much one kind of answers is better than another on the exam's rows, above zero when it is.

    :param answers: what ``metric`` is given, the ones and the others.
    :raises Unmeasured: when the metric cannot be computed of them.
    """
    pair, units = _Pair(metric, *answers), Units.of(exam.rows, exam.groups)
    measured = _exact(pair, exam, confidence)
    if measured is None and (statistics := _of_sums(pair, exam, units)):
        measured = pair.measured(intervals_of_sums(statistics, confidence=confidence))
    gain = (measured or _by_rows(pair, exam, units, confidence)).gain
    if not isinstance(gain, Interval):
        raise Unmeasured(gain)
    return gain


def _pair(exam: Exam, metric: NamedMetric, *, compared: bool) -> _Pair:
    given = getattr(exam.answers, metric.of)
    if not compared or exam.champion_answers is None:
        return _Pair(metric, given)
    try:
        return _Pair(metric, given, getattr(exam.champion_answers, metric.of))
    except BadAnswer as error:
        return _Pair(metric, given, why=str(error))


def _exact(pair: _Pair, exam: Exam, confidence: float) -> Measured | None:
    """Measure what has a form of its own: the area under the ROC curve, and accuracy of independent rows."""
    if pair.metric.bare == "roc_auc" and exam.kind is Kind.BINARY:
        late = exam.truth.astype(bool)
        areas = [auc_interval(late, one, groups=exam.groups, confidence=confidence) for one in pair.both]
        if pair.rival is None:
            return pair.measured(areas)
        gain = auc_difference(late, pair.given, pair.rival, groups=exam.groups, confidence=confidence)
        between = Interval(
            gain.first - gain.second, gain.low, gain.high, gain.error, areas[0].units, confidence, "delong"
        )
        return pair.measured([areas[0], between, areas[1]])
    if pair.metric.bare == "accuracy" and exam.groups is None:
        right = [one == exam.truth for one in pair.both]
        shares = [wilson(int(one.sum()), exam.rows, confidence=confidence) for one in right]
        if pair.rival is None:
            return pair.measured(shares)
        gained, lost = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        between = paired_shares(gained, lost, exam.rows, confidence=confidence)
        return pair.measured([shares[0], between, shares[1]], mcnemar(gained, lost))
    return None


def _of_sums(pair: _Pair, exam: Exam, units: Units) -> list[OfSums]:
    """Give value, gain and the champion's value as functions of sums; nothing where the metric is none."""
    metric, flip = pair.metric, pair.metric.flip
    if exam.kind is Kind.RANKING and metric.bare:
        sums = [np.column_stack([np.ones(units.number), ndcg(exam.truth, one, units.codes)]) for one in pair.both]
        value: Any = _second_of_first
    else:
        sums_of = additive(metric.bare, len(exam.classes))
        if sums_of is None:
            return []
        sums = [units.sums(sums_of.columns(exam.truth, one, len(exam.classes))) for one in pair.both]
        value = sums_of.value
    own = [OfSums(each, lambda total: flip * value(total)) for each in sums]
    if pair.rival is None:
        return own
    width = sums[0].shape[1]

    def gain(total: NDArray[np.float64]) -> NDArray[np.float64]:
        better: NDArray[np.float64] = metric.sign * flip * (value(total[..., :width]) - value(total[..., width:]))
        return better

    return [own[0], OfSums(np.hstack(sums), gain), own[1]]


def _second_of_first(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = sums[..., 1] / sums[..., 0]
    return mean


def _by_rows(pair: _Pair, exam: Exam, units: Units, confidence: float) -> Measured:
    """Measure whatever else: the function is called on resampled rows. One that raises leaves the reason."""
    metric = pair.metric
    own_labels = not metric.bare and metric.of == "labels"
    answers = [exam.classes[one] if own_labels else one for one in pair.both]
    truth = exam.truth if metric.bare else exam.target

    def values(places: NDArray[np.intp]) -> NDArray[np.float64]:
        given = [float(metric.function(truth[places], one[places])) for one in answers]
        return np.array(given if len(given) == 1 else [given[0], metric.sign * (given[0] - given[1]), given[1]])

    def resampled(places: NDArray[np.intp]) -> NDArray[np.float64]:
        try:
            return values(places)
        except FOREIGN:  # a resample of one class has no such metric; of all rows it is said below
            return np.full(2 * len(answers) - 1, np.nan)

    try:
        values(np.arange(exam.rows))
    except FOREIGN as error:  # whatever a metric raises, it was not measured
        broken = f"the metric raised {bounded(repr(error), 200)}"
        return Measured(broken, metric.sign > 0, broken)
    return pair.measured(intervals_of_rows(resampled, units, confidence=confidence))
