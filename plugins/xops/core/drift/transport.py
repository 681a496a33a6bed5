"""The area between two distribution functions, from counts and sums by cell, with bounds of what these leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from xops.core.numerics import np
from xops.core.profile.profiles import ColumnProfile
from xops.core.profile.spec import BINS, CELLS, NEAR, Grid, cell_edges

if TYPE_CHECKING:
    from numpy.typing import NDArray

Reals: TypeAlias = "NDArray[np.float64]"
_SAME = 1e-9  # of a cell between two means that are of one value


@dataclass(frozen=True, slots=True)
class Area:
    """An area between two distribution functions, in units of the values.

    :param about: what is most likely.
    :param least: no values of these counts and sums have less between them.
    :param most: none have more.
    """

    about: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class _Cells:
    """One side's values: the share of them in each cell, and how far into it their mean lies, 0 to 1."""

    share: Reals
    place: Reals


def area(first: ColumnProfile, second: ColumnProfile) -> Area:
    """Give the area between the distribution functions of two profiles with sums.

    In a cell the difference of the functions has a known start, end and integral. Where it cannot change its sign the
    integral is exact; else it may turn back no further than the cell's values and their mean let it.
    """
    grid = first.spec.grid or Grid(0.0, 1.0)
    below, above = np.maximum(_outside(first, grid), _outside(second, grid)).tolist()
    near = _near(first.spec.whole, grid)
    edges = _edges(grid, near)
    widths = np.concatenate([[below], np.diff(edges) * grid.step, [above]])
    one, other = (_cells(side, grid, near, edges, (below, above)) for side in (first, second))
    change = one.share - other.share
    end = change.cumsum()
    start = end - change
    integral = start + one.share * (1 - one.place) - other.share * (1 - other.place)
    least = np.abs(integral)
    most = least + 2 * np.maximum(_turned(one, other, start, end), 0.0)
    about = np.clip(_at_means(one, other, start, end), least, most)
    counts = np.rint(one.share * first.values), np.rint(other.share * second.values)
    several = (np.maximum(*counts) > 1) & ~_heaped(counts[0], widths) & ~_heaped(counts[1], widths)
    spread = np.flatnonzero(
        (not first.spec.whole) & (most > least) & several & (np.abs(one.place - other.place) > _SAME)
    )
    noise = one.share[spread] / first.values + other.share[spread] / second.values
    whole = integral[spread]
    about[spread] = np.clip(_bridged(start[spread], end[spread], whole, noise), least[spread], most[spread])
    return Area(*(float(widths @ height) for height in (about, least, most)))


def _heaped(counts: Reals, widths: Reals) -> NDArray[np.bool_]:
    """Tell in which cells there are so many more values than beside them that most must be one and the same."""
    held, wide = (np.concatenate([[0.0], each, [0.0]]) for each in (counts, widths))
    usual = widths * (held[:-2] + held[2:]) / np.maximum(wide[:-2] + wide[2:], 1e-300)
    return np.asarray(counts > 3 * usual + 4 * np.sqrt(usual) + 1)


def _at_means(one: _Cells, other: _Cells, start: Reals, end: Reals) -> Reals:
    """Give the area by cell with the values of each side at their mean: exact where they are all the same."""
    near, far = np.minimum(one.place, other.place), np.maximum(one.place, other.place)
    between = np.where(one.place < other.place, start + one.share, start - other.share)
    return np.asarray(np.abs(start) * near + np.abs(between) * (far - near) + np.abs(end) * (1 - far))


def _bridged(start: Reals, end: Reals, whole: Reals, noise: Reals) -> Reals:
    """Expect the area by cell where values are many: the difference is a Brownian bridge with a known integral.

    Given the integral, a bridge of variance v t (1 - t) has at t the mean 6 t (1 - t) times what the integral is above
    that of the straight line, and the variance v (t (1 - t) - 3 t^2 (1 - t)^2).

    :param whole: the integral.
    :param noise: v, the variance of the difference's change over the cell.
    """
    t, weights = np.polynomial.legendre.leggauss(8)
    t = (t + 1) / 2
    bend = t * (1 - t)
    mean = start[:, None] + np.outer(end - start, t) + np.outer(6 * (whole - (start + end) / 2), bend)
    deviation = np.sqrt(np.outer(noise, bend - 3 * bend * bend))
    z = mean / deviation / math.sqrt(2)
    erf = np.tanh(2 / math.sqrt(math.pi) * (z + 11 / 123 * z**3))  # to 4e-4
    height = deviation * math.sqrt(2 / math.pi) * np.exp(-z * z) + mean * erf
    return np.asarray(height @ weights / 2)


def _turned(one: _Cells, other: _Cells, start: Reals, end: Reals) -> Reals:
    """Bound what of the difference may lie on the other side of 0 than the greater part."""
    risen, fallen = one.share * (1 - one.place), other.share * (1 - other.place)
    under = np.minimum(
        np.where(start >= 0, (1 - other.place) * np.maximum(other.share - start, 0), fallen - start),
        np.where(end >= 0, one.place * np.maximum(one.share - end, 0), one.share * one.place - end),
    )
    over = np.minimum(
        np.where(start <= 0, (1 - one.place) * np.maximum(one.share + start, 0), risen + start),
        np.where(end <= 0, other.place * np.maximum(other.share + end, 0), other.share * other.place + end),
    )
    return np.minimum(under, over)


def _near(whole: bool, grid: Grid) -> tuple[int, int]:
    """Give the bins that are counted in finer cells: from, to."""
    return (0, 0) if whole else (max(grid.centre - NEAR, 0), min(grid.centre + NEAR, BINS))


def _edges(grid: Grid, near: tuple[int, int]) -> Reals:
    """Give the edges of the bins, and of the finer cells in the place of some, in bins from the grid's start."""
    start, end = near
    if start == end:
        return np.arange(BINS + 1.0)
    left, right = grid.centre - cell_edges()[::-1], grid.centre + cell_edges()[1:]
    fine = np.concatenate([left, right])
    fine = fine[(fine >= start) & (fine <= end)]
    return np.concatenate([np.arange(start), fine, np.arange(end + 1, BINS + 1)])


def _cells(
    side: ColumnProfile, grid: Grid, near: tuple[int, int], edges: Reals, outside: tuple[float, float]
) -> _Cells:
    """Give a side's cells: below the grid, those of :func:`_edges`, and above."""
    start, end = near
    inside = slice(CELLS, CELLS)
    if start < end:
        inside = slice(CELLS - _side(grid.centre - start), CELLS + _side(end - grid.centre))
    fine, apart = (np.concatenate([held[:CELLS][::-1], held[CELLS:]])[inside] for held in (side.near, side.near_sums))
    bins, sums = side.counts[1:-1], side.sums + side.counts[1:-1] * np.arange(BINS)
    counts = np.concatenate([bins[:start], fine, bins[end:]])
    totals = np.concatenate([sums[:start], apart + fine * grid.centre, sums[end:]])
    place = (totals / np.maximum(counts, 1) - edges[:-1]) / np.diff(edges)
    below, above = _outside_sums(side, grid)
    ends = [1 - below / (outside[0] or 1) / max(side.counts[0], 1), above / (outside[1] or 1) / max(side.counts[-1], 1)]
    counts = np.concatenate([side.counts[:1], counts, side.counts[-1:]])
    return _Cells(counts / side.values, np.clip(np.concatenate([ends[:1], place, ends[1:]]), 0.0, 1.0))


def _side(bins: int) -> int:
    """Give how many finer cells there are in the ``bins`` next to the centre on one side."""
    return int(np.searchsorted(cell_edges(), bins))


def _outside(side: ColumnProfile, grid: Grid) -> tuple[float, float]:
    """Give how far the values reach below and above the grid."""
    low = grid.low if side.low is None else side.low
    high = grid.top if side.high is None else side.high
    return max(grid.low - low, 0.0), max(high - grid.top, 0.0)


def _outside_sums(side: ColumnProfile, grid: Grid) -> tuple[float, float]:
    """Sum how far the values outside lie from the grid; those below from what the other sums leave over."""
    if not side.counts[0]:
        return 0.0, side.beyond
    start, end = grid.low - side.spec.origin, grid.top - side.spec.origin
    bins = side.counts[1:-1]
    held = float(bins.sum()) * start + grid.step * float((side.sums + bins * np.arange(BINS)).sum())
    held += side.beyond + float(side.counts[-1]) * end
    return max(float(side.counts[0]) * start - (side.first - held), 0.0), side.beyond
