"""Whether a chance of 30 % comes true in 30 of 100 cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.model.intervals import Interval, Units
from xops.core.numerics import np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_TINY = 1e-12
_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability curve: rows in bins of like chances, as many in each.

    :param predicted: the mean chance in each bin, shape (bins,).
    :param happened: the share of rows in each bin that it came true for.
    :param rows: how many rows are in each bin.
    :param covariance: of the gaps ``happened - predicted``, shape (bins, bins).
    :param units: how many independent units it rests on.
    :param grouped: whether these are groups of rows.
    :param brier: the Brier score and its parts: ``score = reliability - resolution + uncertainty + within``, where
        ``within`` is what the bins hide (Stephenson, Coelho, Jolliffe 2008).
    """

    predicted: NDArray[np.float64]
    happened: NDArray[np.float64]
    rows: NDArray[np.intp]
    covariance: NDArray[np.float64]
    units: int
    grouped: bool
    brier: dict[str, float]

    @property
    def plain_error(self) -> float:
        """The expected calibration error as it is usually given: too large, the more so the fewer rows there are."""
        return float(np.average(np.abs(self.happened - self.predicted), weights=self.rows))

    def to_json(self) -> dict[str, Any]:
        """Give the curve as plain JSON."""
        return {"predicted": self.predicted, "happened": self.happened, "rows": self.rows}


def reliability(
    happened: NDArray[np.bool_], chance: NDArray[np.float64], *, bins: int, groups: NDArray[Any] | None = None
) -> Reliability:
    """Measure the curve.

    :param happened: shape (rows,).
    :param chance: what the model gave, in [0, 1], shape (rows,).
    :param bins: how many bins at most; equal chances share one.
    :param groups: one group's name a row; None where rows are independent.
    """
    came = happened.astype(float)
    edges = np.unique(np.quantile(chance, np.arange(1, bins) / bins, method="inverted_cdf"))
    _, place = np.unique(np.searchsorted(edges, chance, side="left"), return_inverse=True)
    rows = np.bincount(place)
    predicted, mean = (np.bincount(place, weights=one) / rows for one in (chance, came))
    residual = (came - chance - (mean - predicted)[place]) / rows[place]
    units = Units.of(len(chance), groups)
    if units.grouped:
        parts = np.column_stack(
            [np.bincount(units.codes, weights=residual * (place == one), minlength=units.number)
             for one in range(len(rows))]
        )  # fmt: skip
        covariance = parts.T @ parts * units.number / max(units.number - 1, 1)
    else:
        covariance = np.diag(np.bincount(place, weights=np.square(residual)) * rows / np.maximum(rows - 1, 1))
    least = predicted * (1 - predicted) / rows  # a bin in which nothing ever happened is not known without error
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), np.maximum(least, _TINY**2)))
    number = units.number if units.grouped else len(chance)
    return Reliability(predicted, mean, rows, covariance, number, units.grouped, _brier(came, chance, place))


def calibration_error(curve: Reliability, *, confidence: float) -> Interval:
    """Give the expected calibration error, freed of its bias, with its interval.

    The plain error is a sum of absolute values: noise alone makes it positive. Here the true gaps are taken to be the
    measured ones times a factor, and the value is the error under the factor at which the plain error is what is to
    be expected; the ends are those at which it would be surprising. Gaps are taken for normal, so their absolute values
    are folded normals (Leone, Nelson, Nottingham 1961). It is the error of the bins' means, and no more than that of
    single rows.

    :param confidence: coverage of the two-sided interval.
    """
    from scipy.stats import norm, t

    tail = (1 - confidence) / 2
    reach = float(t.isf(tail, max(curve.units - 1, 1))) if curve.grouped else float(norm.isf(tail))
    weight = curve.rows / curve.rows.sum()
    gap, plain = np.abs(curve.happened - curve.predicted), curve.plain_error
    error = float(np.sqrt(weight @ curve.covariance @ weight))
    if plain <= _TINY:
        return Interval(0.0, 0.0, reach * error, error, curve.units, confidence, "folded-normal")

    def surprise(factor: float) -> float:
        mean, deviation = _folded(factor * gap, curve.covariance, weight)
        return (mean - plain) / max(deviation, _TINY)

    value, low, high = (plain * _rises_to(surprise, level) for level in (0.0, -reach, reach))
    return Interval(value, low, high, error, curve.units, confidence, "folded-normal")


def _folded(
    gap: NDArray[np.float64], covariance: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, float]:
    """Give mean and standard deviation of the weighted sum of the absolute values of normals with mean ``gap``.

    Covariances of different bins follow from the first two terms of the expansion in Hermite polynomials.
    """
    from scipy.special import ndtr

    deviation = np.sqrt(np.diag(covariance))
    ratio = gap / deviation
    density, slope = np.exp(-np.square(ratio) / 2) / np.sqrt(2 * np.pi), 2 * ndtr(ratio) - 1
    mean = deviation * 2 * density + gap * slope
    curvature = 2 * density / deviation
    between = np.outer(slope, slope) * covariance + np.outer(curvature, curvature) * np.square(covariance) / 2
    np.fill_diagonal(between, np.square(gap) + np.square(deviation) - np.square(mean))
    return float(weight @ mean), max(float(weight @ between @ weight), 0.0) ** 0.5


def _rises_to(surprise: Callable[[float], float], level: float) -> float:
    """Give the factor at which a rising function reaches ``level``; 0 when it starts above."""
    if surprise(0.0) >= level:
        return 0.0
    low, high = 0.0, 1.0
    while surprise(high) < level:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if surprise(middle) < level else (low, middle)
    return high


def _brier(came: NDArray[np.float64], chance: NDArray[np.float64], place: NDArray[np.intp]) -> dict[str, float]:
    rows = np.bincount(place)
    predicted, mean = (np.bincount(place, weights=one) / rows for one in (chance, came))
    weight, base = rows / rows.sum(), float(came.mean())
    inside = chance - predicted[place]
    return {
        "score": float(np.square(chance - came).mean()),
        "reliability": float(weight @ np.square(mean - predicted)),
        "resolution": float(weight @ np.square(mean - base)),
        "uncertainty": base * (1 - base),
        "within": float((np.square(inside) - 2 * inside * (came - mean[place])).mean()),
    }
