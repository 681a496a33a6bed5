"""Whether two samples of one distribution would be as far apart as two profiles of a column are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xops.core.drift.distances import binned, chi_square, kolmogorov_smirnov
from xops.core.drift.tails import binomial_tail, chi_square_tail, kolmogorov_tail
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.core.profile.profiles import ColumnProfile

_SURE = 1e-12  # below it one test tells all
_TESTS = 4
_FILLED = 5  # expected values from which on a cell's chi-square can be trusted (Cochran 1954)


def chance(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Give how often samples of one distribution are as far apart, at most: a p-value for a size already found large.

    The smallest of these, times their number (Bonferroni):

    - the contingency chi-square over the well-filled cells and one cell of all the rest (Cochran 1954). Categories that
      have no count of their own are of the rest: which ones have was learned from the reference, so that their few
      rows there are no fair sample;
    - the same over the buckets of those categories, by themselves;
    - of every cell that is not well filled, the exact binomial test, times the number of cells;
    - on the number line Kolmogorov and Smirnov's, with its large-sample distribution.

    :returns: 0 to 1; 1 where nothing can be told.
    """
    first, second = binned(reference, current)
    named = len(first)
    if not reference.spec.kind.on_a_line:
        named = int(np.count_nonzero((reference.counts + current.counts)[: len(reference.spec.names)]))
    filled = _filled(first, second)
    filled[named:] = False
    cells = [side[filled] for side in (first, second)]
    sparse = [side[:named][~filled[:named]] for side in (first, second)]
    rest = [int(side[~filled].sum()) for side in (first, second)]
    totals = int(first.sum()), int(second.sum())
    if any(rest):
        well = sum(rest) * min(totals) >= _FILLED * sum(totals)
        into = cells if well else sparse
        into[:] = [np.append(side, other) for side, other in zip(into, rest, strict=True)]
    found = [_chi_square(*cells)]
    if found[0] < _SURE:
        return _TESTS * found[0]
    if len(first) > named:
        full = _filled(first[named:], second[named:])
        found.append(_chi_square(first[named:][full], second[named:][full]))
    if len(sparse[0]):
        found.append(_binomial(sparse[0], sparse[1], totals, max(named, int(reference.distinct or 0))))
    if reference.spec.kind.on_a_line:
        found.append(_kolmogorov(reference, current))
    return min(1.0, min(found) * len(found))


def share_chance(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Give how often two samples with one share of something are as far apart: a p-value.

    :param first: how many of how many on one side.
    :param second: the same on the other.
    """
    sides = [np.array([hit, rows - hit]) for hit, rows in (first, second)]
    if _filled(*sides).all():
        return _chi_square(*sides)
    return _binomial(sides[0], sides[1], (int(sides[0].sum()), int(sides[1].sum())), 2)


def _filled(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which cells are expected to hold enough on either side."""
    totals = int(first.sum()), int(second.sum())
    return np.asarray((first + second) * min(totals) >= _FILLED * sum(totals))


def _chi_square(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    freedom = int(np.count_nonzero(first + second)) - 1
    if freedom < 1 or not (first.any() and second.any()):
        return 1.0
    return chi_square_tail(freedom, chi_square(first, second))


def _binomial(first: NDArray[np.int64], second: NDArray[np.int64], totals: tuple[int, int], cells: int) -> float:
    """Give the smaller tail of the rarest cell, twice, times ``cells``: how a cell's values fall on the two sides."""
    both, odds = first + second, totals[1] / sum(totals)
    tails = binomial_tail(both, second, odds), binomial_tail(both, first, 1 - odds)
    return min(1.0, 2 * cells * float(np.minimum(*tails).min(initial=1.0)))


def _kolmogorov(reference: ColumnProfile, current: ColumnProfile) -> float:
    size = reference.values * current.values / (reference.values + current.values)
    return kolmogorov_tail(kolmogorov_smirnov(reference, current) * math.sqrt(size))
