"""How well scores rank: the area under the ROC curve, and whether one model's is larger than another's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.model.intervals import Interval, rule_of_three
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AucDifference:
    """Two areas under the ROC curve on the same rows, and the interval of their difference.

    :param first: area of the first model, in [0, 1].
    :param second: area of the second.
    :param low: lower end of the interval of ``first - second``.
    :param high: upper end.
    :param error: standard error of the difference.
    """

    first: float
    second: float
    low: float
    high: float
    error: float


def auc(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Give the area under the ROC curve: the chance that a positive row scores above a negative one.

    Ties count half (Mann-Whitney). Equal to scikit-learn's ``roc_auc_score``.

    :raises ValueError: when one of the two classes is missing.
    """
    positive, negative = _two_classes(labels)
    ranks = _midranks(scores)
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auc_difference(
    labels: NDArray[np.bool_],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    groups: NDArray[Any] | None = None,
    confidence: float = 0.95,
) -> AucDifference:
    """Compare two models' areas on the same rows by DeLong's test, or its form for rows that come in groups.

    Rows of one group (a day, a customer) resemble each other. Taken for independent they promise more than they hold;
    given ``groups``, the interval rests on how the groups differ, with Student's t for their number.

    Sources: DeLong, DeLong, Clarke-Pearson (1988); Obuchowski (1997) for groups. O(n log n).

    :param groups: one group's name a row, shape (rows,); None where rows are independent.
    :param confidence: coverage of the two-sided interval, in (0, 1).
    :raises ValueError: when one of the two classes is missing.
    :raises Misconfigured: when ``confidence`` is outside (0, 1).
    """
    from scipy.stats import t

    if not 0 < confidence < 1:
        raise Misconfigured(f"a confidence in (0, 1) was wanted, found {confidence}")
    areas, parts = zip(*(_placements(labels, scores) for scores in (first, second)), strict=True)
    gain = areas[0] - areas[1]
    error, freedom = _error(labels, parts[0] - parts[1], gain, groups)
    reach = float(t.ppf(0.5 + confidence / 2, freedom)) * error if freedom else float("inf")
    return AucDifference(areas[0], areas[1], gain - reach, gain + reach, error)


def auc_interval(
    labels: NDArray[np.bool_],
    scores: NDArray[np.float64],
    *,
    groups: NDArray[Any] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Give one model's area with DeLong's interval, or Obuchowski's for groups, on the scale of its log odds.

    An area of 0 or 1 has no such interval: it reaches as far as a mistake that occurred in none of the rarer class's
    rows may.

    :param groups: as :func:`auc_difference` takes them.
    :raises ValueError: when one of the two classes is missing.
    """
    from scipy.stats import t

    area, part = _placements(labels, scores)
    error, freedom = _error(labels, part, area, groups)
    units = len(labels) if groups is None else int(freedom) + 1
    if not freedom:
        return Interval(area, 0.0, 1.0, float("inf"), units, confidence, "delong")
    if area in (0.0, 1.0):
        reach = rule_of_three(min(_two_classes(labels)), confidence=confidence)
        return Interval(area, max(area - reach, 0.0), min(area + reach, 1.0), reach, units, confidence, "delong")
    reach = float(t.ppf(0.5 + confidence / 2, freedom)) * error / (area * (1 - area))
    low, high = (1 / (1 + (1 - area) / area * np.exp(-side)) for side in (-reach, reach))
    return Interval(area, float(low), float(high), error, units, confidence, "delong")


def _placements(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Give the area, and for each row the share of the other class that it is ranked rightly against."""
    positive, negative = _two_classes(labels)
    ranks = _midranks(scores)
    part = np.empty(len(labels))
    part[labels] = (ranks[labels] - _midranks(scores[labels])) / negative
    part[~labels] = 1 - (ranks[~labels] - _midranks(scores[~labels])) / positive
    return float(part[labels].mean()), part


def _error(
    labels: NDArray[np.bool_], part: NDArray[np.float64], mean: float, groups: NDArray[Any] | None
) -> tuple[float, float]:
    """Give the standard error of an area, or of a difference of two, and its degrees of freedom."""
    positive, negative = _two_classes(labels)
    variance, freedom = _variance((part - mean) / np.where(labels, positive, negative), labels, groups)
    return float(np.sqrt(variance)), freedom


def _variance(
    deviation: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[Any] | None
) -> tuple[float, float]:
    """Give the variance of a sum of deviations, and its degrees of freedom; 0 of these when it cannot be told."""
    sides = (deviation[labels], deviation[~labels])
    if groups is None:
        if min(map(len, sides)) < 2:  # noqa: PLR2004 - a variance needs two
            return 0.0, 0.0
        return sum(float(np.square(side).sum()) * len(side) / (len(side) - 1) for side in sides), float("inf")
    _, place = np.unique(groups, return_inverse=True)
    number = int(place.max()) + 1
    sums = np.bincount(place, weights=deviation, minlength=number)
    return float(np.square(sums).sum()) * number / max(number - 1, 1), float(number - 1)


def _two_classes(labels: NDArray[np.bool_]) -> tuple[int, int]:
    positive = int(np.count_nonzero(labels))
    negative = len(labels) - positive
    if not positive or not negative:
        raise ValueError(f"both classes were wanted, found {positive} positive and {negative} negative rows")
    return positive, negative


def _midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each value's rank from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return middle
