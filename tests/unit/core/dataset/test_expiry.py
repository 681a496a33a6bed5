import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.expiry import Shown, due, plan_expiry, snapshots_named

pytestmark = pytest.mark.unit

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
SNAPSHOTS = st.lists(st.integers(0, 99), unique=True).map(
    lambda found: [Shown(str(one), NOON + dt.timedelta(hours=one - 50)) for one in found]
)
HOLDS = st.dictionaries(st.integers(0, 99).map(str), st.lists(st.sampled_from(["tag a", "branch main"]), min_size=1))


@given(SNAPSHOTS, HOLDS)
def test_every_snapshot_goes_or_stays_and_none_that_is_held_or_recent_goes(snapshots, holds):
    plan = plan_expiry("nyc.flights", snapshots, holds, before=NOON)
    assert sorted([*plan.expired, *plan.kept]) == sorted(one.snapshot for one in snapshots)
    assert not set(plan.expired) & set(holds)
    assert all(one.until < NOON for one in snapshots if one.snapshot in plan.expired)
    assert all(plan.kept.values())
    assert all(set(holds.get(snapshot, ())) <= set(reasons) for snapshot, reasons in plan.kept.items())
    assert set(plan.kept) == {one.snapshot for one in snapshots if one.snapshot in holds or one.until >= NOON}


def test_a_plan_is_strict_json_with_every_reason():
    snapshots = [Shown("1", NOON - dt.timedelta(days=2)), Shown("2", NOON), Shown("3", NOON - dt.timedelta(seconds=1))]
    plan = plan_expiry("nyc.flights", snapshots, {"1": ["tag closed", "branch main"]}, before=NOON)
    assert json.loads(json.dumps(plan.to_json())) == {
        "table": "nyc.flights",
        "expired": ["3"],
        "kept": {"1": ["branch main", "tag closed"], "2": ["readers saw it until 2026-01-31T12:00:00+00:00"]},
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nyc.flights@12", {"12"}),
        ('{"features": "nyc.flights@12", "labels": "nyc.flights@34"}', {"12", "34"}),
        ("old_nyc.flights@12, eu.nyc.flights@13", set()),
        ("nyc.flights2@12", set()),
        ("nycxflights@12", set()),
        ("nyc.flights@closed", set()),
    ],
)
def test_a_text_names_snapshots_of_this_table_alone(text, found):
    assert snapshots_named("nyc.flights", text) == found


def test_a_file_is_due_when_its_grace_period_is_over_and_not_before():
    since, gone = due({}, ["b", "a"], now=NOON, grace=dt.timedelta(hours=1))
    assert (list(since), gone) == (["a", "b"], [])
    later = NOON + dt.timedelta(minutes=59, seconds=59)
    assert due(since, ["a", "b"], now=later, grace=dt.timedelta(hours=1)) == (since, [])
    assert due(since, ["a", "b"], now=NOON + dt.timedelta(hours=1), grace=dt.timedelta(hours=1)) == (since, ["a", "b"])


def test_a_file_that_is_needed_again_is_forgotten_and_begins_anew():
    since, _ = due({}, ["a"], now=NOON, grace=dt.timedelta(hours=1))
    forgotten, _ = due(since, [], now=NOON, grace=dt.timedelta(hours=1))
    assert forgotten == {}
    assert due(forgotten, ["a"], now=NOON + dt.timedelta(hours=2), grace=dt.timedelta(hours=1))[1] == []
