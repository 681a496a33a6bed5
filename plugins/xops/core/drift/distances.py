"""How far two profiles of a column are apart: sizes of effects."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from xops.core.drift.transport import area
from xops.core.numerics import np
from xops.core.profile.profiles import ColumnProfile
from xops.core.profile.spec import BINS, Grid, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COARSE = 64  # bins of the grid that make one where few bins are wanted: 32 of them
_FEW = 5  # different values up to which Evidently takes a number for a category
_APART = ("jensenshannon", "total_variation")  # which are less where categories share a bucket
_LEAST_STD = 0.001  # below it Evidently divides by it

Shares: TypeAlias = "NDArray[np.float64]"


def wasserstein(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give the first Wasserstein distance over the reference's standard deviation (at least 0.001), from 0 on.

    As Evidently's ``wasserstein``, scipy's distance over numpy's std. See :func:`wasserstein_within` for its error.
    """
    return wasserstein_within(reference, current)[0]


def wasserstein_within(reference: ColumnProfile, current: ColumnProfile) -> tuple[float, float, float]:
    """Give :func:`wasserstein`, and the least and the greatest that it may be, given all that the profiles hold.

    A profile without sums has no bounds (they are the distance itself): between the edges of a bin its values are
    taken as spread evenly, and below and above the grid they count by their sums.
    """
    if reference.spec.grid is None:
        return math.nan, math.nan, math.nan
    deviation = max(reference.deviation, _LEAST_STD)
    if len(reference.sums) and len(current.sums):
        with np.errstate(all="ignore"):  # of numbers near the greatest there is
            found = area(reference, current)
        if math.isfinite(found.most):
            return found.about / deviation, found.least / deviation, found.most / deviation
    apart = _spread_evenly(reference, current, reference.spec.grid) / deviation
    return apart, apart, apart


def measured(method: str, reference: ColumnProfile, current: ColumnProfile) -> tuple[float, float, float]:
    """Give a distance of :data:`MEASURES`, and the least and the greatest that rows of these profiles may have.

    Of categories that share a bucket the profiles do not tell whether both sides have the same ones.
    """
    if method == "wasserstein":
        return wasserstein_within(reference, current)
    distance = MEASURES[method](reference, current)
    named = len(reference.spec.names)
    others = [int(side.counts[named:].sum()) / max(side.values, 1) for side in (reference, current)]
    if reference.spec.kind is not Kind.CATEGORY or not all(others) or method not in _APART:
        return distance, distance, distance
    apart = [
        replace(side, counts=_without_common(side, named, place)) for place, side in enumerate((reference, current))
    ]
    return distance, distance, MEASURES[method](*apart)


def _without_common(side: ColumnProfile, named: int, place: int) -> NDArray[np.int64]:
    """Give the counts of a side as if no category without a count of its own were on both sides."""
    counts = side.counts.copy()
    rest = int(counts[named:].sum())
    counts[named:] = 0
    counts[named + place] = rest
    return counts


def _spread_evenly(reference: ColumnProfile, current: ColumnProfile, grid: Grid) -> float:
    steps = [side.counts.cumsum()[:-1] / side.values for side in (current, reference)]
    ahead = steps[0] - steps[1]
    left, right = np.abs(ahead[:-1]), np.abs(ahead[1:])
    total = np.maximum(left + right, 1e-300)
    crosses = (ahead[:-1] * ahead[1:] < 0) & (not (_is_whole(reference) and _is_whole(current)))
    inside = grid.step * np.where(crosses, (left * left + right * right) / (2 * total), (left + right) / 2).sum()
    above = current.beyond / current.values - reference.beyond / reference.values
    below = [_below(side, grid) / side.values for side in (current, reference)]
    return float(inside + abs(above) + abs(below[0] - below[1]))


def _is_whole(side: ColumnProfile) -> bool:
    """Tell whether each bin holds one whole number; a sum that is no whole number tells of others among them."""
    return side.spec.whole and float(side.first + side.values * side.spec.origin).is_integer()


def _below(side: ColumnProfile, grid: Grid) -> float:
    """Give how far the values below the grid are from its start, summed; from what the other sums leave over."""
    if not side.counts[0]:
        return 0.0
    middles = grid.low + grid.step * (np.arange(BINS) + 0.5) - side.spec.origin
    held = float(side.counts[1:-1] @ middles) + side.beyond + float(side.counts[-1]) * (grid.top - side.spec.origin)
    return max(float(side.counts[0]) * (grid.low - side.spec.origin) - (side.first - held), 0.0)


def shares(reference: ColumnProfile, current: ColumnProfile) -> tuple[Shares, Shares]:
    """Give what share of the values each side has in the same few bins.

    These are the further edges of the spec where it has some, each value where there are few, each category and the
    buckets of the others, or else 32 bins with one below and one above.
    """
    pair = binned(reference, current)
    return pair[0] / max(pair[0].sum(), 1), pair[1] / max(pair[1].sum(), 1)


def binned(reference: ColumnProfile, current: ColumnProfile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count both sides in the bins of :func:`shares`; bins that are empty on both are left out."""
    if reference.spec.edges:
        return reference.at_edges, current.at_edges
    counts = reference.counts, current.counts
    if reference.spec.kind.on_a_line and not has_few_values(reference):
        starts = [0, *range(1, BINS + 1, _COARSE), BINS + 1]
        counts = np.add.reduceat(counts[0], starts), np.add.reduceat(counts[1], starts)
    seen = (counts[0] + counts[1]) > 0
    return counts[0][seen], counts[1][seen]


def has_few_values(side: ColumnProfile) -> bool:
    """Tell whether a column has so few different values that they are compared one by one."""
    return int(np.count_nonzero(side.counts)) <= _FEW and (side.distinct or 0) <= _FEW


def jensenshannon(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give Jensen and Shannon's distance, the root of their divergence with natural logarithms: 0 to 0.833."""
    first, second = shares(reference, current)
    between = (first + second) / 2
    halves = [
        float((side[side > 0] * np.log(side[side > 0] / between[side > 0])).sum()) / 2 for side in (first, second)
    ]
    return math.sqrt(max(sum(halves), 0.0))


def psi(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give the population stability index, from 0 on; an empty bin is filled as Evidently fills it."""
    first, second = (_filled(side) for side in shares(reference, current))
    return float(((first - second) * np.log(first / second)).sum())


def _filled(side: Shares) -> Shares:
    least = float(side[side > 0].min())
    return np.where(side > 0, side, least / 10**6 if least <= 0.0001 else 0.0001)  # noqa: PLR2004 - Evidently's


def kolmogorov_smirnov(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give the greatest difference of the two distribution functions at the grid's edges: 0 to 1."""
    steps = [side.counts.cumsum() / side.values for side in (reference, current)]
    return float(np.abs(steps[0] - steps[1]).max())


def total_variation(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give the share of values that would have to move to another bin: 0 to 1."""
    first, second = shares(reference, current)
    return float(np.abs(first - second).sum() / 2)


def cramers_v(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give the size of the contingency chi-square of side by bin: 0 to 1."""
    first, second = binned(reference, current)
    return math.sqrt(chi_square(first, second) / max(float(first.sum() + second.sum()), 1.0))


def chi_square(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Give Pearson's statistic of the contingency table of side by cell."""
    table = np.array([first, second], float)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / max(float(table.sum()), 1.0)
    return float(((table - expected) ** 2 / np.maximum(expected, 1e-300)).sum())


MEASURES = {
    "wasserstein": wasserstein,
    "jensenshannon": jensenshannon,
    "psi": psi,
    "kolmogorov_smirnov": kolmogorov_smirnov,
    "total_variation": total_variation,
    "cramers_v": cramers_v,
}
