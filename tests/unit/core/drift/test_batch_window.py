import datetime as dt

import numpy as np
import pytest

from tests.unit.core.profile.test_profile import DELAY, ORIGIN, of_categories, of_numbers
from xops.core.drift.batch_window import BatchWindow, begin_of, window
from xops.core.drift.judge import compare
from xops.core.errors import Misconfigured
from xops.core.profile.merging import figures, merged, outgrown
from xops.core.profile.profiles import ColumnProfile, Profile, together
from xops.core.profile.spec import ColumnSpec, ProfileSpec

DAYS = [f"2026-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 29)]
SPEC = ProfileSpec((DELAY, ORIGIN))


@pytest.mark.parametrize(
    ("length", "wanted"),
    [
        ("30 days", DAYS[-28:]),  # January's 30th and 31st are not there
        ("1 day", DAYS[-1:]),
        ("2 weeks", DAYS[-14:]),
        ("10 batches", DAYS[-10:]),
        ("1 batch", DAYS[-1:]),
        ("9000 days", DAYS),
        ("9000 batches", DAYS),
    ],
)
def test_a_window_holds_the_newest_batches(length, wanted):
    assert window(length).of(reversed(DAYS)) == wanted
    assert window(length).of([]) == []


@pytest.mark.parametrize(
    "length", ["", "30", "0 days", "-3 days", "3 months", "3  days", "3 days ", "many days", None, 30]
)
def test_what_is_no_window_is_refused(length):
    with pytest.raises(Misconfigured, match="a window such as '30 days'"):
        window(length)


def test_a_window_is_said_as_it_is_read():
    assert [str(window(length)) for length in ("30 days", "4 weeks", "1 batch")] == ["30 days", "28 days", "1 batches"]
    assert window("4 weeks") == BatchWindow(days=28)


@pytest.mark.parametrize(
    ("batch", "begin"),
    [
        ("2026", "2026-01-01T00:00:00+00:00"),
        ("2026-03", "2026-03-01T00:00:00+00:00"),
        ("2026-03-04", "2026-03-04T00:00:00+00:00"),
        ("2026-W02", "2026-01-05T00:00:00+00:00"),
        ("2026-03-04T05:06", "2026-03-04T05:06:00+00:00"),
        ("2026-03-04T05:06:00+02:00", "2026-03-04T05:06:00+02:00"),
    ],
)
def test_a_batch_begins_when_its_name_says(batch, begin):
    assert begin_of(batch) == dt.datetime.fromisoformat(begin)


@pytest.mark.parametrize("batch", ["", "monday", "2026-13", "2026-02-30", "20"])
def test_a_name_without_a_time_is_refused_for_days_and_not_for_batches(batch):
    with pytest.raises(Misconfigured, match="take a window of batches"):
        window("2 days").of([batch, "2026-01-01"])
    assert len(window("2 batches").of([batch, "2026-01-01"])) == 2


def day(version, numbers, categories, spec=SPEC):
    columns = of_numbers(numbers), of_categories(categories)
    return Profile((version,), spec, len(numbers), columns)


def test_batches_of_one_spec_add_up():
    days = [day(f"d{place}", [1.0, 2.0, place], ["JFK", "EWR", "LGA"]) for place in range(3)]
    assert merged(days, SPEC) == together(days)
    nothing = merged([], SPEC)
    assert (nothing.rows, nothing.columns, nothing.spec.columns) == (0, (), ())


def test_a_column_that_changed_its_type_within_a_window_is_not_measured_and_the_others_are():
    texts = ColumnProfile(ColumnSpec("delay", "VARCHAR"), 2, 1)
    changed = Profile(("d1",), ProfileSpec((texts.spec, ORIGIN)), 2, (texts, of_categories(["JFK", "EWR"])))
    lacking = Profile(("d2",), ProfileSpec((DELAY,)), 1, (of_numbers([3.0]),))
    old = merged([day("d0", [1.0, 2.0], ["JFK", "JFK"])], SPEC)
    found = merged([old, changed], SPEC)
    assert (found.rows, found.column("delay").nulls, found.column("origin").values) == (4, 1, 4)
    drift = compare(old, found, ["delay", "origin"])
    assert drift.missing == {
        "delay": "it is DOUBLE in the reference and DOUBLE, then VARCHAR now; numbers, dates, texts or booleans of "
        "one kind were wanted"
    }
    found = merged([old, lacking], SPEC)
    assert found.column("origin").spec.type == "VARCHAR, then missing"
    assert found.column("origin").nulls == 1
    assert merged([lacking], SPEC).column("origin") is None


def test_bins_are_outgrown_when_a_column_leaves_them():
    inside, outside = np.full(95, 50.0), np.full(6, 500.0)
    assert not outgrown(Profile(("v",), SPEC, 95, (of_numbers(inside), of_categories([]))))
    assert not outgrown(Profile(("v",), SPEC, 100, (of_numbers([*inside, *outside[:5]]),)))
    assert outgrown(Profile(("v",), SPEC, 101, (of_numbers([*inside, *outside]),)))
    unbinned = ColumnProfile(ColumnSpec("delay", "DOUBLE"), 3, 1)
    assert outgrown(Profile(("v",), SPEC, 3, (unbinned,)))
    assert not outgrown(Profile(("v",), SPEC, 3, (ColumnProfile(ColumnSpec("delay", "DOUBLE"), 3, 3),)))


def test_figures_hold_no_raw_value_unless_allowed():
    profile = day("v", [1.0, 3.0], ["JFK", "EWR"])
    told = figures(profile)
    counts = {"type": "DOUBLE", "nulls": 0, "nan": 0, "infinite": 0, "distinct": None}
    assert told["delay"] == counts | {"mean": 2.0, "deviation": pytest.approx(1)}
    assert set(told["origin"]) == {"type", "nulls", "nan", "infinite", "distinct"}
    assert figures(profile, raw_values=True)["delay"]["high"] == 3.0
