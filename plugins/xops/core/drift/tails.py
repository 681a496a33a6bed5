"""Tails of distributions, without scipy, which takes longer to load than all columns of a file to judge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPSILON = 1e-15
_TINY = 1e-300
_CROSSING = 1.0  # below it the one series of Kolmogorov's distribution needs few terms, above it the other
_TERMS = 20


def chi_square_tail(freedom: int, value: float) -> float:
    """Give how often a chi-square of ``freedom`` degrees is ``value`` or more, to 1e-11 of itself or of 1.

    It is the upper incomplete gamma function over the whole one, Q(freedom / 2, value / 2): by its series (DLMF 8.11.4)
    up to about where the mean is, above it by its continued fraction (8.9.2), as Lentz evaluates it.

    :param freedom: 1 or more.
    """
    order, at = freedom / 2, value / 2
    if math.isnan(at) or at <= 0:
        return math.nan if math.isnan(at) else 1.0
    scale = math.exp(order * math.log(at) - at - math.lgamma(order)) if math.isfinite(at) else 0.0
    if at < order + 1:
        return max(1.0 - scale * _series(order, at), 0.0)
    return scale * _fraction(order, at) if scale else 0.0


def _series(order: float, at: float) -> float:
    term = total = 1 / order
    step = order
    while term > total * _EPSILON:
        step += 1
        term *= at / step
        total += term
    return total


def _fraction(order: float, at: float) -> float:
    even = at + 1 - order
    ratio, under = 1 / _TINY, 1 / even
    total, step, change = under, 0, 0.0
    while abs(change - 1) > _EPSILON:
        step += 1
        odd = -step * (step - order)
        even += 2
        under = 1 / _apart(odd * under + even)
        ratio = _apart(even + odd / ratio)
        change = under * ratio
        total *= change
    return total


def _apart(number: float) -> float:
    return number if abs(number) > _TINY else _TINY


def binomial_tail(trials: NDArray[np.int64], hits: NDArray[np.int64], odds: float) -> NDArray[np.float64]:
    """Give how often so many trials hit ``hits`` times or more, to 1e-8 of itself or of 1 for up to ten million.

    It is the incomplete beta function's I(odds; hits, trials - hits + 1), by its continued fraction (DLMF 8.17.22) on
    the side of its mean where that converges fast.

    :param trials: 0 or more each.
    :param hits: 0 to ``trials`` each.
    :param odds: of one trial to hit, 0 to 1.
    """
    pairs, place = np.unique(np.stack([trials, hits]), axis=1, return_inverse=True)
    tails = [_beta(float(hit), float(many - hit + 1), odds) if hit else 1.0 for many, hit in pairs.T.tolist()]
    return np.asarray(tails, float)[place.reshape(-1)]


def _beta(first: float, second: float, at: float) -> float:
    if not 0 < at < 1:
        return float(at > 0)
    if at > (first + 1) / (first + second + 2):
        return 1.0 - _beta(second, first, 1 - at)
    log = first * math.log(at) + second * math.log1p(-at) - math.log(first)
    front = math.exp(log + math.lgamma(first + second) - math.lgamma(first) - math.lgamma(second))
    under = 1 / _apart(1 - (first + second) * at / (first + 1))
    ratio, total, step, change = 1.0, under, 0, 0.0
    while abs(change - 1) > _EPSILON:
        step += 1
        place = first + 2 * step
        for weight in (
            step * (second - step) * at / ((place - 1) * place),
            -(first + step) * (first + second + step) * at / (place * (place + 1)),
        ):
            under = 1 / _apart(1 + weight * under)
            ratio = _apart(1 + weight / ratio)
            change = under * ratio
            total *= change
    return min(max(front * total, 0.0), 1.0)


def kolmogorov_tail(value: float) -> float:
    """Give how often Kolmogorov's statistic, the distance times the root of the size, is ``value`` or more.

    Its two series (Kolmogorov 1933, and by Jacobi's theta function), each where a few terms are exact.
    """
    if value <= 0:
        return 1.0
    if value < _CROSSING:
        odd = [(2 * step - 1) ** 2 for step in range(1, _TERMS)]
        below = sum(math.exp(-term * math.pi**2 / (8 * value**2)) for term in odd)
        return 1.0 - math.sqrt(2 * math.pi) / value * below
    terms = [math.exp(-2 * step**2 * value**2) for step in range(1, _TERMS)]
    return min(2 * (sum(terms[::2]) - sum(terms[1::2])), 1.0)
