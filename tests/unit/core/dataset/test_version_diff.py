import json

import numpy as np
import pytest

from xops.core.dataset.diff import Change, ColumnChange, Moved, VersionDiff, moved_figures, schema_changes
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import ColumnSpec, ProfileSpec

pytestmark = pytest.mark.unit


def diff(**more):
    given = {"rows_before": 10, "rows_after": 11, "added": 3, "removed": 2, "changed": 1, **more}
    return VersionDiff("a.b@1", "a.b@2", ("id",), **given)


def test_a_difference_adds_up_or_is_none():
    with pytest.raises(ValueError, match="10 rows less 2 and 3 more do not make 12"):
        diff(rows_after=12)


def test_a_difference_is_strict_json_and_one_line():
    found = diff(by_column={"fare": 1}, schema=(ColumnChange("fare", Change.RETYPED, "int", "long"),))
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["schema"] == [
        {"column": "fare", "change": "retyped", "before": "int", "after": "long"}
    ]
    assert str(found) == "a.b@1 to a.b@2: 3 rows added, 2 removed, 1 changed; columns: fare retyped"
    assert str(diff()).endswith("columns: the same")


@pytest.mark.parametrize("more", [{"rows_after": 10, "removed": 3}, {"rows_after": 13, "removed": 0}])
def test_versions_that_differ_in_anything_are_not_the_same(more):
    assert not diff(**more).same


def test_versions_without_a_difference_are_the_same():
    assert diff(rows_after=10, added=0, removed=0, changed=0).same
    assert not diff(rows_after=10, added=0, removed=0, changed=0, schema=(ColumnChange("x", Change.ADDED),)).same


def test_columns_come_go_and_change_type():
    found = schema_changes({"id": "int", "gone": "string", "fare": "int"}, {"fare": "long", "id": "int", "new": "date"})
    assert found == (
        ColumnChange("gone", Change.REMOVED, before="string"),
        ColumnChange("new", Change.ADDED, after="date"),
        ColumnChange("fare", Change.RETYPED, "int", "long"),
    )


def profile(version, *columns):
    spec = ProfileSpec(tuple(column.spec for column in columns))
    return Profile((version,), spec, 10, columns)


def column(name, *, rows=10, nulls=0, first=0.0, second=0.0):
    return ColumnProfile(ColumnSpec(name, "DOUBLE"), rows, nulls, first=first, second=second)


def test_only_figures_that_moved_are_told_of_columns_that_both_have():
    before = profile("1", column("fare", nulls=2), column("gone"))
    after = profile("2", column("fare", nulls=5), column("new"))
    assert Moved("fare", "null_share", 0.2, 0.5) in moved_figures(before, after)
    assert {moved.column for moved in moved_figures(before, after)} == {"fare"}
    assert moved_figures(before, before) == ()


def test_what_cannot_be_told_is_none():
    empty = profile("1", column("fare", rows=0))
    found = {moved.figure: (moved.before, moved.after) for moved in moved_figures(empty, profile("2", column("fare")))}
    assert found["null_share"] == (None, 0.0)
    assert found["mean"][0] is None
    assert np.isfinite(found["mean"][1])
