"""How far rates of groups of people are apart, with intervals."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import TYPE_CHECKING, Any

from xops.core.model.intervals import Interval, Units, wilson
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rate(
    counted: NDArray[np.bool_], among: NDArray[np.bool_], groups: NDArray[Any] | None, *, confidence: float
) -> Interval:
    """Give the share of ``among`` that is ``counted``, with Wilson's interval.

    Where rows come in groups the number of rows is that of as many independent ones as hold as much (Kish's effective
    size, from the variance between groups).

    :param counted: shape (rows,); what is not ``among`` does not count.
    :param among: shape (rows,), at least one of them.
    :param groups: one group's name a row; None where rows are independent.
    """
    rows, hits = int(among.sum()), int((counted & among).sum())
    if groups is None:
        return wilson(hits, rows, confidence=confidence)
    share, units = hits / rows, Units.of(rows, np.asarray(groups)[among])
    if units.number < 2 or hits in (0, rows):  # noqa: PLR2004 - then there is no variance between groups to be seen
        return wilson(share * units.number, units.number, confidence=confidence)
    between = np.bincount(units.codes, weights=counted[among] - share, minlength=units.number)
    variance = float(np.square(between).sum()) * units.number / (units.number - 1) / rows**2
    effective = min(max(share * (1 - share) / max(variance, 1e-300), 1.0), rows)
    return wilson(share * effective, effective, confidence=confidence)


def difference(highest: Interval, lowest: Interval) -> Interval:
    """Give the interval of a difference of two independent values by those of each (MOVER; Zou and Donner 2008)."""
    value = highest.value - lowest.value
    low = value - sqrt((highest.value - highest.low) ** 2 + (lowest.high - lowest.value) ** 2)
    high = value + sqrt((highest.high - highest.value) ** 2 + (lowest.value - lowest.low) ** 2)
    return _of_two(highest, lowest, value, low, high)


def ratio(lowest: Interval, highest: Interval) -> Interval:
    """Give the interval of the ratio of the lower of two values to the higher, in [0, 1].

    MOVER on the scale of logarithms (Zou and Donner 2008). A value of 0 has none: the lower end is 0 then.
    """
    if highest.value <= 0:
        return _of_two(highest, lowest, float("nan"), 0.0, 1.0)
    value = lowest.value / highest.value
    if lowest.value <= 0:
        return _of_two(highest, lowest, value, 0.0, min(lowest.high / max(highest.low, lowest.high), 1.0))
    low, high = 0.0, 1.0
    if lowest.low > 0:
        low = exp(log(value) - sqrt(log(lowest.value / lowest.low) ** 2 + log(highest.high / highest.value) ** 2))
    if highest.low > 0:
        high = exp(log(value) + sqrt(log(lowest.high / lowest.value) ** 2 + log(highest.value / highest.low) ** 2))
    return _of_two(highest, lowest, value, low, min(high, 1.0))


def _of_two(one: Interval, other: Interval, value: float, low: float, high: float) -> Interval:
    error = sqrt(one.error**2 + other.error**2)
    return Interval(value, low, high, error, one.units + other.units, one.confidence, "mover")
