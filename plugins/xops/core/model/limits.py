"""A measured interval held against a limit: it passes, it fails, or the rows are too few to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.model.intervals import Interval, needed_rows
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping


def judge_limit(
    check: str,
    subject: str,
    interval: Interval,
    limit: float,
    *,
    least: bool,
    rows: int,
    detail: Mapping[str, Any] | None = None,
) -> Finding:
    """Judge a value that is to be at least, or at most, ``limit``, inclusive.

    It passes when the whole interval does, fails when none of it does, and is unknown in between.

    :param least: whether ``limit`` is the least value allowed, and not the largest.
    :param rows: how many rows it was measured on.
    """
    sign = 1 if least else -1
    low, high = sorted((sign * interval.low, sign * interval.high))
    wanted = f"{interval}; at {'least' if least else 'most'} {limit} wanted"
    outcome = Outcome.PASS if low >= sign * limit else Outcome.FAIL if high < sign * limit else Outcome.UNKNOWN
    if outcome is Outcome.UNKNOWN:
        wanted += _too_few(needed_rows(interval, rows, abs(interval.value - limit)))
    return Finding(check, subject, outcome, interval.value, limit, size=rows, reason=wanted, **_told(interval, detail))


def judge_gain(
    check: str,
    subject: str,
    gain: Interval,
    min_gain: float,
    *,
    rows: int,
    chance: float | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Finding:
    """Judge what a candidate gains on the champion, on the same rows; above zero is better.

    It passes when the whole interval is above ``min_gain``, fails when none of it is, and is unknown in between. With
    ``min_gain`` below zero this is the test of non-inferiority: by chance a candidate that is worse by just as much
    passes in (1 - confidence) / 2 of cases. The number of rows stated is the one at which a candidate equal to the
    champion would pass in four of five cases or more; where it is to be better, one that gains what was measured.

    :param chance: of an exact test, how likely such a gain is of a candidate that is no better; None without one.
    """
    significant = chance is None or chance < (1 - gain.confidence) / 2
    outcome = Outcome.UNKNOWN
    if gain.low > min_gain and significant:
        outcome = Outcome.PASS
    elif gain.high <= min_gain:
        outcome = Outcome.FAIL
    wanted = f"gain {gain}; more than {min_gain} wanted"
    if outcome is Outcome.UNKNOWN:
        wanted += _too_few(needed_rows(gain, rows, -min_gain if min_gain < 0 else gain.value - min_gain))
    return Finding(check, subject, outcome, gain.value, min_gain, size=rows, reason=wanted, **_told(gain, detail))


def _told(interval: Interval, detail: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give what a finding says of its interval."""
    rests = {"method": interval.method, "units": interval.units, "confidence": interval.confidence}
    return {"interval": interval.ends, "detail": {**rests, **(detail or {})}}


def _too_few(needed: int | None) -> str:
    if needed is None:
        return "; it cannot be told, and more rows alike would not help"
    return f"; too few rows to tell, about {needed} would do"
