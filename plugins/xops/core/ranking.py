"""How well scores rank: the area under the ROC curve, and whether one model's is larger than another's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xops.core.errors import Misconfigured

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AucDifference:
    """Two areas under the ROC curve on the same rows, and the interval of their difference.

    :param first: area of the first model, in [0, 1].
    :param second: area of the second.
    :param low: lower end of the interval of ``first - second``.
    :param high: upper end.
    """

    first: float
    second: float
    low: float
    high: float


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
    confidence: float = 0.95,
) -> AucDifference:
    """Compare two models' areas on the same rows by DeLong's test.

    Source: DeLong, DeLong, Clarke-Pearson (1988), in the form of Sun and Xu (2014), O(n log n).

    :param confidence: coverage of the two-sided interval, in (0, 1).
    :raises ValueError: when one of the two classes is missing.
    :raises Misconfigured: when ``confidence`` is outside (0, 1).
    """
    from scipy.stats import norm

    if not 0 < confidence < 1:
        raise Misconfigured(f"a confidence in (0, 1) was wanted, found {confidence}")
    positive, negative = _two_classes(labels)
    areas, on_positive, on_negative = [], [], []
    for scores in (first, second):
        ranks = _midranks(scores)
        within_positive = _midranks(scores[labels])
        within_negative = _midranks(scores[~labels])
        on_positive.append((ranks[labels] - within_positive) / negative)
        on_negative.append(1 - (ranks[~labels] - within_negative) / positive)
        areas.append(float(on_positive[-1].mean()))
    if positive > 1 and negative > 1:
        spread = np.cov(np.array(on_positive)) / positive + np.cov(np.array(on_negative)) / negative
        error = float(np.sqrt(max(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1], 0.0)))
    else:
        error = float("inf")
    reach = float(norm.ppf(0.5 + confidence / 2)) * error
    gain = areas[0] - areas[1]
    return AucDifference(areas[0], areas[1], gain - reach, gain + reach)


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
