import numpy as np
import pytest

from tests.unit.core.profile.test_profile import of_numbers
from xops.core.drift.judge import DriftRules, compare
from xops.core.drift.separation import Separation, separated, sort_of
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import ColumnSpec, ProfileSpec


def strings(names, values=100):
    """Make a column of strings; where it has no sketch its different values are those with names."""
    spec = ColumnSpec("said", "VARCHAR", None, tuple(names))
    counts = np.zeros(spec.slots, int)
    counts[: len(names)] = values // max(len(names), 1)
    return ColumnProfile(spec, int(counts.sum()), 0, counts)


SENTENCES = [f"flight number {place} is late again today" for place in range(60)]


@pytest.mark.parametrize(
    ("column", "sort"),
    [
        (strings(SENTENCES, 60), "text"),
        (strings(SENTENCES, 6000), ""),
        (strings([f"N{place}" for place in range(60)], 60), ""),
        (strings([f"{place:036x}" for place in range(60)], 60), ""),
        (ColumnProfile(ColumnSpec("v", "LIST<ELEMENT: DOUBLE>"), 9, 0), "embedding"),
        (ColumnProfile(ColumnSpec("v", "FIXED_SIZE_LIST<ITEM: FLOAT NOT NULL>[8]"), 9, 0), "embedding"),
        (ColumnProfile(ColumnSpec("v", "LIST<ELEMENT: STRING>"), 9, 0), ""),
        (of_numbers([1.0, 2.0]), ""),
    ],
)
def test_the_sort_of_a_column_is_told_from_its_profile(column, sort):
    assert sort_of(column) == sort


def test_the_interval_of_an_area_is_hanley_and_mcneils():
    low, high = Separation(0.7, (200, 200)).interval(0.05)
    assert (low, high) == (pytest.approx(0.628, abs=0.001), pytest.approx(0.772, abs=0.001))
    assert Separation(1.0, (200, 200)).interval(0.05) == (1.0, 1.0)
    assert Separation(0.01, (20, 20)).interval(0.001)[0] == 0
    wide, narrow = (Separation(0.6, (size, size)).interval(0.05) for size in (200, 2000))
    assert wide[0] < narrow[0] < 0.6 < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("told", "limits", "drifted", "by_chance"),
    [
        (Separation(0.9, (500, 500)), {}, True, False),
        (Separation(0.9, (500, 500)), {"embedding": 0.95}, False, False),
        (Separation(0.9, (500, 500)), {"v": 0.95}, False, False),
        (Separation(0.56, (200, 200)), {}, False, True),
        (Separation(0.56, (2000, 2000)), {}, True, False),
        (Separation(0.52, (2000, 2000)), {}, False, False),
    ],
)
def test_an_area_counts_from_its_limit_on_unless_chance_gives_it(told, limits, drifted, by_chance):
    column = ColumnProfile(ColumnSpec("v", "LIST<ELEMENT: DOUBLE>"), 9, 0)
    side = Profile(("v",), ProfileSpec((column.spec,)), 9, (column,))
    rules = DriftRules(limits=limits)
    drift = separated(compare(side, side, ["v"], rules), {"v": ("embedding", told)}, rules)
    assert drift.found["v"][:2] == ("domain_classifier", told.area)
    assert ("v" in drift.moves, "v" in drift.chance) == (drifted, by_chance)
    assert not drift.missing
    assert drift.movements["v"]["rows"] == list(told.rows)


def test_what_no_classifier_told_is_not_measured():
    column = strings(SENTENCES, 60)
    side = Profile(("v",), ProfileSpec((column.spec,)), 60, (column,))
    drift = separated(compare(side, side, ["said"]), {"said": ("text", "too few")}, DriftRules())
    assert (dict(drift.found), dict(drift.missing)) == ({}, {"said": "too few"})
