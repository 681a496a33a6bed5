"""The upper tail of chi-square's distribution, without scipy, which takes longer to load than all columns to judge."""

from __future__ import annotations

import math

_EPSILON = 1e-15
_TINY = 1e-300


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
