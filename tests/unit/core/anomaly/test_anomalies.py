import datetime as dt
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from xops.core.anomaly.judge import judge_anomalies
from xops.core.anomaly.measurements import QUANTILES, ColumnFigures, Measurements, measure
from xops.core.anomaly.surprise import ADAPTS, LEARNING, expect, limit
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import BINS, OTHERS, ColumnSpec, Grid, ProfileSpec
from xops.core.strict_json import dumps
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

MONDAY = dt.date(2026, 1, 5)


def numbers(values, name="a", kind="INTEGER", nulls=0):
    """Give the profile of whole numbers from 0 on."""
    grid = Grid.over(0, max(values, default=0), "integer") if values else None
    counts = np.zeros(BINS + 2 if grid else 0, np.int64)
    for value in values:
        counts[value + 1] += 1
    spec = ColumnSpec(name, kind, grid)
    first = sum(value - spec.origin for value in values)
    second = sum((value - spec.origin) ** 2 for value in values)
    return ColumnProfile(spec, len(values) + nulls, nulls, counts, first=first, second=second)


def texts(shares, name="k"):
    spec = ColumnSpec(name, "VARCHAR", names=tuple(shares))
    return ColumnProfile(spec, sum(shares.values()), 0, np.array([*shares.values(), *[0] * OTHERS]))


def of(*columns):
    rows = columns[0].rows if columns else 0
    spec = ProfileSpec(tuple(column.spec for column in columns))
    return measure(Profile(("v",), spec, rows, columns), batch="2026-01-05", lag=1.5)


def test_figures_are_taken_from_a_profile():
    found = of(numbers([grade for grade in range(100) for _ in range(2)], nulls=50))
    figures = found.columns["a"].figures
    assert figures["null_share"] == 0.2
    assert figures["distinct"] == 100
    assert figures["mean"] == pytest.approx(49.5)
    assert figures["quantile_0.5"] == pytest.approx(49.5)
    assert found.columns["a"].error == pytest.approx(np.std(range(100)) / math.sqrt(200))
    assert found.columns["a"].spread == pytest.approx(50 / 1.349)
    assert (found.rows, found.lag, found.weekday) == (250, 1.5, 0)
    assert Measurements.from_json(found.to_json()) == found


def test_a_quantile_moves_with_the_shares_and_does_not_jump():
    before = of(numbers([*range(60), *[0] * 101])).columns["a"].figures["quantile_0.5"]
    after = of(numbers([*range(60), *[0] * 99])).columns["a"].figures["quantile_0.5"]
    assert 0 < after - before < 0.1


def test_a_column_of_few_values_has_no_quantiles():
    assert set(of(numbers([0, 1, 1])).columns["a"].figures) == {"null_share", "distinct", "mean"}


def test_a_column_without_a_value_has_a_share_of_nulls_only():
    assert of(numbers([], nulls=5)).columns["a"].figures == {"null_share": 1.0}
    assert of(numbers([])).columns["a"].figures == {}


def test_categories_are_kept_by_a_digest():
    found = of(texts({"secret": 3, "other": 1, "never": 0})).columns["k"]
    assert sorted(found.shares.values()) == [0.25, 0.75]
    assert "secret" not in str(found)


@pytest.mark.parametrize(("batch", "weekday"), [("2026-01-06T05", 1), ("2026-13-01", None), ("b7", None)])
def test_a_weekday_is_that_of_the_date_a_batch_is_named_after(batch, weekday):
    assert Measurements(batch, 1, {}).weekday == weekday


def history(days, seed=0, rows=1000, weekly=1.0, **columns):
    """Give ordinary days; a column is a function of the dice."""
    dice = np.random.default_rng(seed)
    found = []
    for day in range(days):
        date = MONDAY + dt.timedelta(days=day)
        share = weekly if date.weekday() > 4 else 1.0
        found.append(
            Measurements(
                date.isoformat(),
                int(rows * share * math.exp(dice.normal() * 0.05)),
                {name: make(dice) for name, make in columns.items()},
                lag=2 + dice.random(),
            )
        )
    return found


def figures(mean=0.0):
    def make(dice):
        quantiles = {f"quantile_{share}": mean + place + dice.normal() * 0.05 for place, share in enumerate(QUANTILES)}
        given = {"null_share": 0.01, "distinct": 900.0, "mean": mean + dice.normal() * 0.05, **quantiles}
        return ColumnFigures(given, 0.03, 1.0)

    return make


def kinds(**shares):
    def make(dice):
        return ColumnFigures({"null_share": 0.0, "distinct": float(len(shares))}, shares=shares)

    return make


def judged(past, now):
    return judge_anomalies(past, now, subject="s", facts={})


def failed(verdict):
    return {(finding.check, finding.subject) for finding in verdict.failed}


def test_an_ordinary_day_passes_and_each_figure_has_a_finding():
    *past, now = history(40, a=figures(), k=kinds(x=0.5, y=0.5))
    verdict = judged(past, now)
    assert verdict.outcome is Outcome.PASS
    assert len([finding for finding in verdict.findings if finding.subject == "a"]) == 8
    assert {finding.check for finding in verdict.findings if finding.subject == "k"} == {
        "null_share", "distinct", "category_share", "new_categories"
    }  # fmt: skip


@pytest.mark.parametrize("days", [30, 60])
def test_what_moved_is_found_on_its_first_day(days):
    *past, now = history(days + 1, a=figures(), k=kinds(x=0.5, y=0.45, z=0.05))
    worse = replace(now.columns["a"], figures={**now.columns["a"].figures, "null_share": 0.2, "mean": 1.0})
    other = kinds(x=0.5, y=0.45, new=0.05)(None)
    now = replace(now, rows=now.rows // 3, lag=9.0, columns={"a": worse, "k": other})
    assert failed(judged(past, now)) == {
        ("volume", "dataset"), ("lag", "dataset"), ("null_share", "a"), ("mean", "a"), ("category_share", "k"),
        ("new_categories", "k"),
    }  # fmt: skip


def test_a_finding_says_what_was_usual_and_what_would_be():
    *past, now = history(40)
    finding = next(one for one in judged(past, replace(now, rows=300)).failed)
    assert finding.reason.startswith("rows 300, usually about ")
    assert "in 39 batches; " in finding.reason
    assert finding.limit[0] < 1000 < finding.limit[1]
    late = next(one for one in judged(past, replace(now, lag=30.0)).failed)
    assert late.limit[0] is None
    assert judged(past, replace(now, lag=0.1)).outcome is Outcome.PASS


def test_with_too_little_history_a_figure_is_being_learnt():
    past = history(LEARNING, a=figures())
    assert judged(past, past[-1]).outcome is Outcome.PASS
    verdict = judged(past[1:], replace(past[-1], rows=1))
    assert verdict.outcome is Outcome.WARN
    assert all("learning: 13 batches" in finding.reason for finding in verdict.findings)
    assert judged([], past[0]).outcome is Outcome.WARN


def test_a_column_that_is_new_is_being_learnt_beside_those_that_are_known():
    past = history(40, a=figures())
    now = history(41, a=figures(), k=kinds(x=1.0))[-1]
    verdict = judged(past, now)
    assert verdict.outcome is Outcome.WARN
    assert {finding.subject for finding in verdict.findings if finding.outcome is Outcome.WARN} == {"k"}


def test_a_column_that_is_gone_or_empty_is_unknown():
    past = history(40, a=figures(), b=figures(), c=lambda _: ColumnFigures({"null_share": 1.0}))
    empty = ColumnFigures({"null_share": 1.0})
    verdict = judged(past, replace(past[-1], columns={"a": empty, "c": empty}))
    unknown = {(one.check, one.subject) for one in verdict.findings if one.outcome is Outcome.UNKNOWN}
    assert unknown == {("column", "b"), ("values", "a")}


def test_a_lag_that_was_not_asked_for_has_no_finding():
    past = [replace(one, lag=None) for one in history(40)]
    assert [finding.check for finding in judged(past, past[-1]).findings] == ["volume"]


def test_a_column_that_never_varies_may_not_vary_by_a_category_that_is_rare():
    past = history(40, k=kinds(x=0.6, y=0.395, seldom=0.005))
    rare = replace(past[-1], columns={"k": kinds(x=0.6, y=0.395, never=0.005)(None)})
    assert judged(past, rare).outcome is Outcome.PASS


def test_past_anomalies_do_not_spoil_the_history():
    past = history(40, a=figures())
    for day in (5, 17, 30):
        past[day] = replace(past[day], rows=10, columns={"a": figures(mean=50)(np.random.default_rng(day))})
    assert judged(past[:-1], past[-1]).outcome is Outcome.PASS
    assert ("volume", "dataset") in failed(judged(past[:-1], replace(past[-1], rows=333)))


def test_saturdays_are_compared_with_saturdays():
    past = history(33, weekly=0.2)
    saturday, monday = past[-1], past[-5]
    assert (saturday.weekday, monday.weekday) == (4, 0)
    now = replace(history(34, weekly=0.2)[-1], batch="2026-02-07")
    assert now.weekday == 5
    verdict = judged(past, now)
    assert verdict.outcome is Outcome.PASS
    assert "(on this weekday)" in verdict.findings[0].reason
    assert failed(judged(past, replace(now, rows=1000))) == {("volume", "dataset")}
    assert failed(judged(past[3:], replace(now, batch="2026-02-09", rows=200))) == {("volume", "dataset")}


def test_a_weekly_rhythm_that_is_not_known_yet_raises_no_alarm():
    days = history(28, weekly=0.2)
    for day in range(LEARNING, 28):
        assert judged(days[:day], days[day]).outcome is Outcome.PASS


def test_a_level_that_was_published_for_some_days_is_the_new_one():
    before, after = history(30), history(60, seed=1, rows=4000)[30:]
    days = [*before, *after]
    outcomes = [judged(days[:day], days[day]).outcome for day in range(30, 60)]
    assert outcomes[0] is Outcome.FAIL
    assert set(outcomes[ADAPTS : ADAPTS + 1]) == {Outcome.WARN}
    assert set(outcomes[2 * LEARNING :]) == {Outcome.PASS}
    learning = judged(days[: 30 + ADAPTS], days[30 + ADAPTS]).findings[0]
    assert "its level moved 7 batches ago" in learning.reason
    assert failed(judged(days[:58], before[0])) == {("volume", "dataset")}


def test_the_expectation_is_that_of_a_normal_distribution():
    past = np.random.default_rng(0).normal(5, 2, (60, 200))
    expected = expect(past, [None] * 60, None)
    assert np.mean(expected.center) == pytest.approx(5, abs=0.1)
    assert np.mean(expected.scale) == pytest.approx(2, rel=0.08)
    odd = expect(past[1:], [None] * 59, None)
    assert np.mean(odd.scale) == pytest.approx(2, rel=0.08)


def test_a_limit_is_wider_the_more_is_judged_and_the_less_is_known():
    sizes = np.array([14, 60])
    few, many = limit(sizes, 2, 1 / 60), limit(sizes, 400, 1 / 60)
    assert (few < many).all()
    assert few[0] > few[1]
    assert limit(sizes, 1, 1 / 60)[1] / (1 + 3 / 60) == pytest.approx(3.0, abs=0.1)


def test_figures_that_are_not_finite_are_the_same_once_they_were_kept():
    kept = Measurements("b", 1, {"x": ColumnFigures({"mean": math.inf, "null_share": 0.0})})
    assert Measurements.from_json(json.loads(dumps(kept.to_json()))) == kept
