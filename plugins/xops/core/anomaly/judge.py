"""What is unusual about a batch, by the figures of the batches before it; nobody wrote a rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xops.core.anomaly.measurements import ColumnFigures, Measurements
from xops.core.anomaly.surprise import ADAPTS, LEARNING, Expected, Floats, expect, limit
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome, Verdict

ALARMS_PER_BATCH = 1 / 60  # false ones, at most; at one batch a day one in two months
_NOTHING = ColumnFigures({})
_COMMON = 0.01  # a share of the values below which a category may come and go


@dataclass(frozen=True, slots=True)
class Scale:
    """On which scale a kind of figure is compared, and how far it may move whatever its history.

    :param to: to the scale on which it strays evenly.
    :param back: from there.
    :param ratio: it may be that many times greater or smaller than expected.
    :param by: and differ by as much, in units of the series.
    :param only_above: whether a small one is never unusual.
    :param least: no figure is smaller.
    """

    to: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]
    ratio: float = 1.0
    by: float = 0.0
    only_above: bool = False
    least: float = 0.0


def _angle(share: Floats) -> Floats:
    return np.asarray(np.arcsin(np.sqrt(np.clip(share, 0, 1))), float)


def _share(angle: Floats) -> Floats:
    return np.asarray(np.sin(np.clip(angle, 0, np.pi / 2)) ** 2, float)


def _log(value: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(value, 0.5)), float)


def _exp(value: Floats) -> Floats:
    return np.asarray(np.exp(value), float)


def _same(value: Floats) -> Floats:
    return value


_SCALES: Mapping[str, Scale] = {
    "volume": Scale(_log, _exp, ratio=1.25),
    "lag": Scale(_log, _exp, ratio=1.5, by=0.5, only_above=True),
    "null_share": Scale(_angle, _share, by=_COMMON),
    "distinct": Scale(_log, _exp, ratio=1.25, by=5),
    "mean": Scale(_same, _same, by=0.25, least=-math.inf),
    "quantile": Scale(_same, _same, by=0.25, least=-math.inf),
    "category_share": Scale(_angle, _share, by=_COMMON),
    "new_categories": Scale(_angle, _share, by=_COMMON, only_above=True),
}


@dataclass(frozen=True, slots=True)
class Series:
    """One figure through the history, and now.

    :param check: the figure, as ``mean`` or ``quantile_0.5``.
    :param subject: the column, or ``dataset``.
    :param before: its values, oldest first; NaN where a batch has none.
    :param now: the batch's.
    :param error: its sampling error, on the scale it is compared on: its history may have been lucky.
    :param unit: what ``Scale.by`` counts in: the spread of the column's values for what moves with them.
    :param category: a digest of the category's name, for its share.
    """

    check: str
    subject: str
    before: Floats
    now: float
    error: float
    unit: float = 1.0
    category: str = ""

    @property
    def scale(self) -> Scale:
        """On which scale it is compared."""
        return _SCALES[self.check.partition("_0.")[0]]


def judge_anomalies(
    history: Sequence[Measurements],
    now: Measurements,
    *,
    subject: str,
    alarms_per_batch: float = ALARMS_PER_BATCH,
    facts: Mapping[str, Any],
) -> Verdict:
    """Judge the figures of a batch by those of the batches before it.

    A figure fails when it is further from what is expected than chance explains, with all figures judged at once, *and*
    far enough to matter. One with fewer than :data:`~xops.core.anomaly.surprise.LEARNING` batches to compare with is a
    warning: nothing is known yet that could fail it.

    :param history: of published batches, oldest first.
    :param alarms_per_batch: the share of batches in which chance alone may fail any figure; see
        :func:`~xops.core.anomaly.surprise.limit`.
    """
    series = list(_series(history, now))
    weekdays = [one.weekday for one in history]
    findings = []
    for one, expected in zip(series, _expectations(series, weekdays, now.weekday), strict=True):
        # half of the false alarms are allowed to the few figures of the whole, so that these stay sharp beside hundreds
        alike = sum((other.subject == "dataset") == (one.subject == "dataset") for other in series)
        findings.append(_finding(one, expected, now, tests=2 * alike, alarms=alarms_per_batch))
    findings = [*_worst_of_categories(findings, series), *_not_measured(history, now)]
    return Verdict("anomaly", subject, tuple(findings), {**facts, "batches": len(history), "figures": len(series)})


def _series(history: Sequence[Measurements], now: Measurements) -> Iterator[Series]:
    rows = max(now.rows, 1)
    coin = 0.5 / rows**0.5  # the sampling error of any share, as an angle
    yield Series("volume", "dataset", np.array([one.rows for one in history], float), now.rows, rows**-0.5)
    if now.lag is not None:
        lags = [np.nan if one.lag is None else one.lag for one in history]
        yield Series("lag", "dataset", np.array(lags, float), now.lag, 0.0)
    for name, column in sorted(now.columns.items()):
        past = [one.columns.get(name) for one in history]
        spreads = [one.spread or one.error * batch.rows**0.5 for one, batch in zip(past, history, strict=True) if one]
        unit = float(np.median(spreads)) if spreads else 0.0
        errors = {"mean": column.error, "quantile": 2 * unit / rows**0.5, "distinct": 0.02, "null_share": coin}
        for figure, value in sorted(column.figures.items()):
            before = np.array([np.nan if one is None else one.figures.get(figure, np.nan) for one in past], float)
            kind = figure.partition("_0.")[0]
            yield Series(figure, name, before, value, errors[kind], unit if kind in ("mean", "quantile") else 1.0)
        shares = [one.shares for one in past if one is not None]
        if not column.shares and not any(shares):
            continue
        common = sorted({key for each in shares for key in each})
        seen = {key: np.array([each.get(key, 0.0) for each in shares], float) for key in common}
        for key, before in seen.items():
            if np.median(before) >= _COMMON or column.shares.get(key, 0.0) >= _COMMON:
                yield Series("category_share", name, before, column.shares.get(key, 0.0), coin, category=key)
        times = {key: int(np.count_nonzero(before)) for key, before in seen.items()}
        alone = [sum(share for key, share in each.items() if times[key] == 1) for each in shares]
        new = sum(share for key, share in column.shares.items() if key not in seen)
        yield Series("new_categories", name, np.array(alone, float), new, coin)


def _expectations(
    series: Sequence[Series], weekdays: Sequence[int | None], weekday: int | None
) -> list[tuple[float, float, int, bool]]:
    """Give for each series center and scale, the batches they rest on, and whether these are of one weekday."""
    found: list[tuple[float, float, int, bool]] = [(np.nan, np.nan, 0, False)] * len(series)
    masks = [tuple(np.isfinite(one.before)) for one in series]
    for mask in set(masks):
        if sum(mask) < LEARNING:
            continue
        places = [place for place, other in enumerate(masks) if other == mask]
        kept = np.array([series[place].scale.to(series[place].before[list(mask)]) for place in places]).T
        days = [day for day, there in zip(weekdays[-len(mask) :], mask, strict=True) if there]
        expected: Expected = expect(kept, days, weekday)
        for row, place in enumerate(places):
            center, scale = float(expected.center[row]), float(expected.scale[row])
            found[place] = (center, scale, int(expected.size[row]), bool(expected.by_weekday[row]))
    return found


def _finding(
    one: Series, expected: tuple[float, float, int, bool], now: Measurements, *, tests: int, alarms: float
) -> Finding:
    center, scale, size, by_weekday = expected
    if size < LEARNING:
        known = size or int(np.count_nonzero(np.isfinite(one.before)))
        why = f"learning: {known} batches to compare with, {LEARNING} are needed"
        if size:
            why = (
                f"learning: its level moved {size} batches ago, {LEARNING} are needed; it counts as new after {ADAPTS}"
            )
        return Finding(one.check, one.subject, Outcome.WARN, one.now, size=now.rows, reason=why)
    far = float(limit(np.array([size]), tests, alarms)[0]) * max(scale, one.error)
    usual, low, high = (float(one.scale.back(np.array(end))) for end in (center, center - far, center + far))
    margin = one.scale.by * one.unit
    if one.scale.ratio > 1:  # about what is never negative; a ratio says nothing of a mean that may be 0
        low, high = min(low, usual / one.scale.ratio), max(high, usual * one.scale.ratio)
    low, high = max(min(low, usual - margin), one.scale.least), max(high, usual + margin)
    ends = [None if one.scale.only_above else low, high]
    outcome = Outcome.PASS if (one.scale.only_above or low <= one.now) and one.now <= high else Outcome.FAIL
    return Finding(
        one.check,
        one.subject,
        outcome,
        one.now,
        ends,
        size=now.rows,
        reason=_sentence(one, usual, ends, size, by_weekday),
    )


def _sentence(one: Series, usual: float, ends: Sequence[float | None], size: int, by_weekday: bool) -> str:
    what = {"volume": "rows", "lag": "hours late"}.get(one.check, one.check.replace("_", " "))
    what = f"share of category {one.category}" if one.category else what
    since = f"about {usual:.6g} in {size} batches" + (" (on this weekday)" if by_weekday else "")
    low = "" if ends[0] is None else f"{ends[0]:.6g} to "
    return f"{what} {one.now:.6g}, usually {since}; {low or 'up to '}{ends[1]:.6g} would not be unusual"


_ORDER = {Outcome.FAIL: 0, Outcome.WARN: 1, Outcome.PASS: 2}


def _worst_of_categories(findings: Sequence[Finding], series: Sequence[Series]) -> list[Finding]:
    """Keep of the shares of a column's categories the one finding that says most; the others say the same of others."""
    kept: list[Finding] = []
    by_column: dict[str, Finding] = {}
    for finding, one in zip(findings, series, strict=True):
        if not one.category:
            kept.append(finding)
        elif one.subject not in by_column or _ORDER[finding.outcome] < _ORDER[by_column[one.subject].outcome]:
            by_column[one.subject] = finding
    return [*kept, *by_column.values()]


def _not_measured(history: Sequence[Measurements], now: Measurements) -> list[Finding]:
    """Give the columns that the batches before had, or had values in, and this one has not."""
    findings = []
    for name in sorted({name for one in history for name in one.columns}):
        column = now.columns.get(name)
        filled = [one for one in history if len(one.columns.get(name, _NOTHING).figures) > 1]
        if column is None:
            findings.append(Finding("column", name, Outcome.UNKNOWN, reason="batches before had it, this one has not"))
        elif len(column.figures) < 2 and 2 * len(filled) > len(history):  # noqa: PLR2004 - more than the share of nulls
            findings.append(Finding("values", name, Outcome.UNKNOWN, reason="there is no value to measure"))
    return findings
