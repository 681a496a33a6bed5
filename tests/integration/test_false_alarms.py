"""How often the anomaly check is wrong, and how often it finds what happened: simulated days of a table of 20 columns.

The days are independent and stationary but for a weekly rhythm: 14 numeric columns (normal, t with 3 degrees of freedom
and log-normal values; the level of each strays from day to day, by a normal or a Laplace distribution) and 6 of
categories, 1,000 rows a day, give or take 10 %.
"""

import datetime as dt
from collections import Counter

import numpy as np
import pytest

from xops.core.anomaly.judge import judge_anomalies
from xops.core.anomaly.measurements import QUANTILES, ColumnFigures, Measurements

pytestmark = pytest.mark.integration

MONDAY = dt.date(2026, 1, 5)
ROWS = 1000
CATEGORIES = (3, 5, 8, 12, 20, 40)
SETTINGS = [
    pytest.param(heavy, weekly, id=f"{'heavy' if heavy else 'normal'}-{'weekly' if weekly else 'even'}")
    for heavy in (False, True)
    for weekly in (False, True)
]


def a_day(dice, day, *, heavy, weekly, volume=1.0, nulls=0.01, shift=0.0, vanished=None):
    """Give the figures of one day; what is unusual is in columns n1, n2 and c3."""
    date = MONDAY + dt.timedelta(days=day)
    weekend = weekly and date.weekday() > 4
    rows = max(int(ROWS * (0.45 if weekend else 1.0) * np.exp(dice.normal() * 0.1) * volume), 10)
    columns = {}
    for number in range(14):
        null_count = dice.binomial(rows, (nulls if number == 1 else 0.01) * (number > 0))
        kind = number % 3 if heavy else 0
        size = rows - null_count
        values = (dice.normal(size=size), dice.standard_t(3, size), dice.lognormal(size=size))[kind] if size else []
        spread = (1.0, 1.73, 2.16)[kind]
        strayed = (dice.laplace() / 2**0.5 if heavy else dice.normal()) * 0.05 * spread
        values = values + strayed + 0.5 * (weekend and number % 5 == 0) + shift * spread * (number == 2)
        columns[f"n{number}"] = numeric(values, null_count / rows)
    for count in CATEGORIES:
        shares = np.exp(dice.normal(size=count) * 0.05) / np.arange(1, count + 1)
        shares[vanished if count == 3 and vanished else count :] = 0
        counts = dice.multinomial(rows, shares / shares.sum()) / rows
        named = {f"{count}-{place}": float(share) for place, share in enumerate(counts) if share}
        columns[f"c{count}"] = ColumnFigures({"null_share": 0.0, "distinct": float(len(named))}, shares=named)
    return Measurements(date.isoformat(), rows, columns, lag=2 + float(dice.gamma(4)) / 2)


def numeric(values, null_share):
    quantiles = np.quantile(values, QUANTILES)
    figures = {f"quantile_{share}": float(value) for share, value in zip(QUANTILES, quantiles, strict=True)}
    figures |= {"null_share": null_share, "distinct": float(len(values)), "mean": float(values.mean())}
    return ColumnFigures(figures, float(values.std() / len(values) ** 0.5), float(quantiles[3] - quantiles[1]) / 1.349)


def failed(past, now):
    return {(one.check, one.subject) for one in judge_anomalies(past, now, subject="s", facts={}).failed}


@pytest.mark.parametrize(("heavy", "weekly"), SETTINGS)
def test_stationary_days_raise_at_most_one_false_alarm_a_month(heavy, weekly):
    dice = np.random.default_rng(1)
    days = [a_day(dice, day, heavy=heavy, weekly=weekly) for day in range(120)]
    alarms = Counter()
    for day in range(14, 120):
        alarms[bool(failed(days[max(day - 60, 0) : day], days[day]))] += 1
    assert alarms[True] / alarms.total() * 30 <= 1


@pytest.mark.parametrize(("heavy", "weekly"), SETTINGS)
def test_what_happens_after_a_month_is_found_on_its_first_day(heavy, weekly):
    unusual = {
        ("volume", "dataset"): {"volume": 1 / 3},
        ("null_share", "n1"): {"nulls": 0.2},
        ("mean", "n2"): {"shift": 1.0},
        ("category_share", "c3"): {"vanished": 2},
    }
    missed = Counter()
    for seed in range(10):
        dice = np.random.default_rng(seed)
        days = [a_day(dice, day, heavy=heavy, weekly=weekly) for day in range(seed, seed + 30)]
        for what, happened in unusual.items():
            missed[what] += what not in failed(days, a_day(dice, seed + 30, heavy=heavy, weekly=weekly, **happened))
    assert max(missed.values()) <= 1, missed
