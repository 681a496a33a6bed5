"""How far a figure is from what its own history lets one expect, in robust units, many figures at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

LEARNING = 14  # figures with a shorter history are not judged
ADAPTS = 7  # batches after which a new level counts as one
_WEEKDAYS = 4  # of each weekday, so many are needed to expect a Monday from Mondays
_WORTH = 0.7  # of the plain scale: a weekday's is used where it is smaller than that
_SHIFT = 4.0  # scales between the levels before and after
_TAIL = 8  # degrees of freedom: what is left of a figure after its level has tails heavier than a normal's


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of figures; arrays have one entry a figure.

    :param center: the value.
    :param scale: how far it strays: for a normal distribution the standard deviation.
    :param size: how many batches that rests on; below :data:`LEARNING` nothing is to be judged.
    :param by_weekday: whether these are batches of the same weekday.
    """

    center: Floats
    scale: Floats
    size: NDArray[np.int64]
    by_weekday: NDArray[np.bool_]


def expect(history: Floats, weekdays: Sequence[int | None], weekday: int | None) -> Expected:
    """Expect figures from their history.

    The center is a median. The scale is that of the residuals of each figure from the median of the *others*, so it
    holds the error of the center too: the mean of the median absolute residual and the 90 % quantile, each over what it
    is for a normal distribution. Up to a tenth of the history may be anomalous, and the weekends of a weekly rhythm
    that is not known yet are not called so. Where batches of the same weekday resemble each other more than others
    do, they alone are looked at. Where the level shifted, and :data:`ADAPTS` batches or more lie at the new one, the
    history begins there.

    :param history: shape (batches, figures), oldest first; finite.
    :param weekdays: of each batch of the history.
    :param weekday: of the batch to come.
    """
    batches, figures = history.shape
    begins = _begins(history)
    center, scale = np.zeros(figures), np.zeros(figures)
    by_weekday = np.zeros(figures, bool)
    for begin in np.unique(begins):
        these = begins == begin
        part = history[begin:, these]
        center[these], scale[these] = np.median(part, axis=0), _scale(_residuals(part))
        days = np.array([-1 if day is None else day for day in weekdays[begin:]])
        counts = np.bincount(days[days >= 0], minlength=7)
        present = counts[counts > 0]
        if weekday is None or (days < 0).any() or counts[weekday] < _WEEKDAYS or present.min() < _WEEKDAYS:
            continue
        left = np.concatenate([_residuals(part[days == day]) for day in np.flatnonzero(counts)])
        better = _scale(left) < _WORTH * scale[these]
        chosen = np.flatnonzero(these)[better]
        center[chosen] = np.median(part[days == weekday][:, better], axis=0)
        scale[chosen], by_weekday[chosen] = _scale(left)[better], True
    return Expected(center, scale, batches - begins, by_weekday)


def limit(size: NDArray[np.int64], tests: int, alarms_per_batch: float) -> Floats:
    """Give how many scales a figure may be from its center.

    By Bonferroni's inequality all figures together raise a false alarm in at most ``alarms_per_batch`` of the batches,
    if what is left of them is distributed like Student's t with 8 degrees of freedom or has lighter tails. The
    factor 1 + 3 / size is for scales from few batches; simulation chose it, with normal, Laplace and t distributions.

    :param size: batches of the history.
    :param tests: how many figures are judged at once.
    """
    return np.asarray(_quantile(alarms_per_batch / (2 * max(tests, 1))) * (1 + 3 / np.maximum(size, 1)), float)


@cache
def _quantile(probability: float) -> float:
    from scipy.stats import t

    return float(t.isf(probability, _TAIL))


def _residuals(history: Floats) -> Floats:
    """Give the residual of each row from the median of the others."""
    size = len(history)
    ordered, middle = np.sort(history, axis=0), size // 2
    if size % 2:
        low, mid, high = ordered[middle - 1], ordered[middle], ordered[middle + 1]
        without = np.where(history < mid, (mid + high) / 2, np.where(history > mid, (low + mid) / 2, (low + high) / 2))
    else:
        without = np.where(history <= ordered[middle - 1], ordered[middle], ordered[middle - 1])
    return np.asarray(history - without, float)


def _scale(residuals: Floats) -> Floats:
    half, most = np.quantile(np.abs(residuals), [0.5, 0.9], axis=0)
    return np.asarray((half / 0.6745 + most / 1.6449) / 2, float)


def _begins(history: Floats) -> NDArray[np.int64]:
    """Give for each figure the place where its present level begins: 0, or after the clearest of its shifts."""
    batches, figures = history.shape
    begins, clearest = np.zeros(figures, np.int64), np.full(figures, _SHIFT)
    for place in range(batches - ADAPTS, LEARNING - 1, -ADAPTS):
        before, after = history[:place], history[place:]
        levels = np.median(before, axis=0), np.median(after, axis=0)
        scale = _scale(np.concatenate([before - levels[0], after - levels[1]]))
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.abs(levels[1] - levels[0]) / scale  # NaN where nothing moves at all
        begins = np.where(shift > clearest, place, begins)
        clearest = np.fmax(clearest, shift)
    return begins
