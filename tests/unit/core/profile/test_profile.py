import json
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xops.core.errors import Misconfigured
from xops.core.profile import distinct
from xops.core.profile.binary import from_bytes, to_bytes
from xops.core.profile.profiles import ColumnProfile, Profile, profile_digest, together
from xops.core.profile.spec import (
    BINS,
    CELLS,
    NEAR,
    OTHERS,
    ColumnSpec,
    Grid,
    Kind,
    ProfileSpec,
    cell_edges,
    cells_of,
    comparable,
    kind_of,
)
from xops.core.profile.value_hash import hash_strings
from xops.core.strict_json import dumps

DELAY = ColumnSpec.of("delay", "DOUBLE", [0.0, 100.0])
ORIGIN = ColumnSpec.of("origin", "VARCHAR", ["JFK", "EWR"])
SPEC = ProfileSpec((DELAY, ORIGIN))


def of_numbers(values, spec=DELAY, *, nulls=0, nan=0, infinite=(0, 0), sketch=None):
    """Count values as an engine would."""
    values = np.asarray(values, float)
    places = np.clip(np.floor((values - spec.grid.low) / spec.grid.step), -1, BINS).astype(int) + 1
    start = (values - spec.grid.low) / spec.grid.step
    inside = (places > 0) & (places <= BINS)
    apart = (start - spec.grid.centre)[inside & (np.abs(start - spec.grid.centre) < NEAR)]
    ends = [*np.nextafter(spec.edges[:-1], -np.inf), *spec.edges[-1:]]
    return ColumnProfile(
        spec,
        len(values) + nulls + nan + sum(infinite),
        nulls,
        np.bincount(places, minlength=BINS + 2),
        nan,
        *infinite,
        low=float(values.min()) if len(values) else None,
        high=float(values.max()) if len(values) else None,
        first=float((values - spec.origin).sum()),
        second=float(((values - spec.origin) ** 2).sum()),
        beyond=float(np.maximum(values - spec.grid.top, 0).sum()),
        at_edges=np.diff([np.count_nonzero(values <= end) for end in ends]) if ends else np.zeros(0, int),
        sketch=sketch,
        sums=np.bincount(places[inside] - 1, (start - places + 1)[inside], BINS),
        near=np.bincount(cells_of(apart), minlength=2 * CELLS),
        near_sums=np.bincount(cells_of(apart), apart, 2 * CELLS),
    )


def of_categories(values, spec=ORIGIN, *, nulls=0):
    counts = np.zeros(spec.slots, int)
    for value in values:
        slot = spec.names.index(value) if value in spec.names else len(spec.names) + sum(value.encode()) % OTHERS
        counts[slot] += 1
    return ColumnProfile(spec, len(values) + nulls, nulls, counts)


def profile(numbers, categories, version="nyc.flights@1"):
    rows = max(len(numbers), len(categories))
    columns = (
        of_numbers(numbers, nulls=rows - len(numbers)),
        of_categories(categories, nulls=rows - len(categories)),
    )
    return Profile((version,), SPEC, rows, columns)


def sketch_of(values):
    bitmaps = distinct.nothing()
    distinct.mark(bitmaps, hash_strings([str(value) for value in values]))
    return distinct.packed(bitmaps)


PROFILES = st.builds(
    profile,
    st.lists(st.floats(-50, 150), max_size=20),
    st.lists(st.sampled_from(["JFK", "EWR", "LGA", ""]), max_size=20),
    st.text(min_size=1, max_size=5),
)


@settings(max_examples=50, deadline=None)
@given(PROFILES, PROFILES, PROFILES)
def test_profiles_add_up_in_any_order(first, second, third):
    one, other = (first + second) + third, third + (second + first)
    assert (one.versions, one.rows, one.digest) == (other.versions, other.rows, other.digest)
    for mine, theirs in zip(one.columns, other.columns, strict=True):
        assert np.array_equal(mine.counts, theirs.counts)
        assert np.array_equal(mine.near, theirs.near)
        assert mine.sums == pytest.approx(theirs.sums, abs=1e-9)
        assert mine.near_sums == pytest.approx(theirs.near_sums, abs=1e-9)
        assert (mine.rows, mine.nulls, mine.values, mine.low, mine.high) == (
            theirs.rows, theirs.nulls, theirs.values, theirs.low, theirs.high,
        )  # fmt: skip
        assert mine.first == pytest.approx(theirs.first, rel=1e-12, abs=1e-9)
        assert mine.second == pytest.approx(theirs.second, rel=1e-12, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(PROFILES)
def test_a_profile_survives_strict_json_and_bytes(given_profile):
    for again in (
        Profile.from_json(json.loads(dumps(given_profile.to_json()))),
        from_bytes(to_bytes(given_profile)),
    ):
        assert again == given_profile
        assert hash(again) == hash(given_profile)


def test_bytes_keep_sketches_and_sums_that_no_double_holds():
    column = replace(of_numbers([1.0, 2.0], sketch=sketch_of(range(9))), first=math.inf, second=math.nan)
    kept = Profile(("a",), ProfileSpec((DELAY, ORIGIN)), 2, (column, of_categories([], nulls=2)))
    again = from_bytes(to_bytes(kept))
    assert again == kept
    assert [column.sketch for column in again.columns] == [column.sketch, None]
    assert to_bytes(again) == to_bytes(kept)
    with pytest.raises(ValueError, match="read-only"):
        again.columns[0].counts[0] = 1


@pytest.mark.parametrize("part", [slice(0), slice(40), slice(-1), slice(1, None)])
def test_bytes_that_are_not_a_whole_profile_are_refused(part):
    whole = to_bytes(profile([1.0], ["JFK"]))
    with pytest.raises(Misconfigured, match="a kept profile was wanted"):
        from_bytes(whole[part])
    with pytest.raises(Misconfigured, match="bytes are none"):
        from_bytes(whole + b"\0")
    longer = whole[4:] + b"\0"  # as another release may have written it
    with pytest.raises(Misconfigured, match="bytes were wanted"):
        from_bytes(zlib.crc32(longer).to_bytes(4, "little") + longer)


def test_bytes_of_which_one_bit_is_another_are_refused_wherever_it_is():
    whole = to_bytes(profile([1.0, 2.5], ["JFK"]))
    for place in {*range(300), *range(300, len(whole), 97)}:
        with pytest.raises(Misconfigured, match="a kept profile was wanted"):
            from_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])


@given(st.lists(st.floats(-50, 150), min_size=1), st.lists(st.floats(-50, 150), min_size=1))
def test_a_sum_knows_the_mean_and_the_deviation_of_both(first, second):
    both = of_numbers(first) + of_numbers(second)
    assert both.mean == pytest.approx(np.mean(first + second), abs=1e-9)
    assert both.deviation == pytest.approx(np.std(first + second), abs=1e-6)


def test_what_is_no_number_is_counted_apart():
    column = of_numbers([1.0], nulls=2, nan=3, infinite=(4, 5))
    assert (column.rows, column.nulls, column.nan, column.above_all, column.below_all) == (15, 2, 3, 4, 5)
    assert column.values == 1
    assert (column + column).values == 2


def test_a_column_without_values_has_no_mean():
    assert math.isnan(of_numbers([], nulls=3).mean)
    assert math.isnan(of_numbers([], nulls=3).deviation)
    assert math.isnan(of_categories(["JFK"]).mean)
    assert math.isnan(of_numbers([], nulls=3).quantiles(np.array([0.5]))[0])


def test_counts_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        of_numbers([1.0]).counts[0] = 1


def test_profiles_by_different_bins_do_not_add_up():
    other = ColumnSpec.of("delay", "DOUBLE", [0.0, 1.0])
    with pytest.raises(Misconfigured, match="different bins"):
        of_numbers([1.0]) + of_numbers([1.0], other)
    with pytest.raises(Misconfigured, match="pin one reference"):
        profile([1.0], []) + Profile(("b",), ProfileSpec((other,)), 1, (of_numbers([1.0], other),))


def test_a_window_is_the_sum_of_its_days():
    days = [profile([float(day)], ["JFK"], f"nyc.flights@{day}") for day in range(30)]
    window = together(days)
    assert window.rows == 30
    assert window.column("delay").mean == pytest.approx(14.5)
    assert window.column("altitude") is None
    with pytest.raises(Misconfigured, match="at least one profile"):
        together([])


def test_a_profile_is_named_by_what_was_counted_and_how():
    assert profile([1.0], []).digest == profile_digest(["nyc.flights@1"], SPEC) == profile([2.0], []).digest
    assert profile([1.0], [], "nyc.flights@2").digest != profile([1.0], []).digest
    assert profile_digest(["nyc.flights@1"], ProfileSpec((DELAY,))) != profile_digest(["nyc.flights@1"], SPEC)
    assert profile([1.0], []) != "a profile"


def test_a_column_takes_at_most_64_kib_whatever_the_data():
    names = ["\x00" * 40 + str(place) for place in range(9_999)] + ["x" * 100_000]
    text = ColumnSpec.of("text", "VARCHAR", names)
    most = np.full(text.slots, 10**12)
    column = ColumnProfile(text, 10**15, 0, most, sketch=sketch_of(range(9)))
    assert len(dumps(column.to_json())) + len(dumps(ProfileSpec((text,)).to_json())) <= 65_536
    assert len(to_bytes(Profile(("a",), ProfileSpec((text,)), 10**15, (column,)))) <= 65_536
    random = np.random.default_rng(0)
    counts, near = (random.integers(0, 10**9, size) for size in (DELAY.slots, 2 * CELLS))
    sums = {"sums": random.random(BINS), "near_sums": random.random(2 * CELLS)}
    line = ColumnProfile(DELAY, 10**15, 0, counts, sketch=sketch_of(range(60_000)), near=near, **sums)
    assert len(dumps(line.to_json())) <= 65_536
    assert len(to_bytes(Profile(("a",), ProfileSpec((DELAY,)), 10**15, (line,)))) <= 65_536
    assert "x" * 100_000 not in text.names


def test_a_column_whose_name_alone_is_too_long_has_no_profile():
    with pytest.raises(Misconfigured, match="at most 6000 bytes as JSON; of 1 they take more: xxxx") as refused:
        ProfileSpec((DELAY, ColumnSpec("x" * 50_000, "DOUBLE")))
    assert len(str(refused.value)) < 300
    (longest,) = ProfileSpec((ColumnSpec("\x00" * 999, "DOUBLE", DELAY.grid),)).columns
    random = np.random.default_rng(0)
    counts, near = (random.integers(0, 10**15, size) for size in (longest.slots, 2 * CELLS))
    sums = {"sums": random.random(BINS), "near_sums": random.random(2 * CELLS)}
    line = ColumnProfile(longest, 10**15, 0, counts, sketch=sketch_of(range(60_000)), near=near, **sums)
    assert len(dumps(Profile(("a",), ProfileSpec((longest,)), 10**15, (line,)).to_json())) <= 65_536


@pytest.mark.parametrize(
    ("type_name", "kind"),
    [
        ("DOUBLE", Kind.NUMBER),
        ("FLOAT", Kind.NUMBER),
        ("BIGINT", Kind.INTEGER),
        ("UTINYINT", Kind.INTEGER),
        ("INTEGER", Kind.INTEGER),
        ("DECIMAL(18,3)", Kind.DECIMAL),
        ("DATE", Kind.DATE),
        ("TIMESTAMP_NS", Kind.TIMESTAMP),
        ("TIMESTAMP WITH TIME ZONE", Kind.TIMESTAMP),
        ("BOOLEAN", Kind.BOOLEAN),
        ("VARCHAR", Kind.CATEGORY),
        ("ENUM('a\n', 'b')", Kind.CATEGORY),
        ("VARCHAR[]", Kind.OTHER),
        ("STRUCT(a DOUBLE)", Kind.OTHER),
        ("BLOB", Kind.OTHER),
    ],
)
def test_the_kind_of_a_column_is_told_by_its_type(type_name, kind):
    assert kind_of(type_name) is kind


def test_numbers_of_any_sort_share_bins_and_times_do_only_with_the_same_zone():
    assert comparable("INTEGER", "DECIMAL(4,2)")
    assert comparable("TIMESTAMP", "TIMESTAMP_NS")
    assert not comparable("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
    assert not comparable("VARCHAR", "DOUBLE")
    assert not comparable("DATE", "TIMESTAMP")


def test_a_finer_cell_lies_within_one_bin_and_an_edge_belongs_to_one():
    edges = cell_edges()
    assert (len(edges), edges[0], edges[-1]) == (CELLS + 1, 0, NEAR)
    assert {*range(NEAR + 1)} <= {*edges.tolist()}
    assert cells_of(edges[:-1]).tolist() == list(range(CELLS, 2 * CELLS))
    assert cells_of(-edges[1:]).tolist() == list(range(CELLS))


@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.INTEGER])
@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (0, 1), (-5, 2042), (-5, 2043), (7.0, 10**15), (-1e308, 1e308), (1e17, 1e17), (0, 5e-320)]
)
def test_every_value_of_the_reference_lies_inside_its_bins(kind, low, high):
    grid = Grid.over(float(low), float(high), kind)
    assert grid.low <= low <= high < grid.top or high == 1e308
    assert grid.step > 0
    assert len(grid.edges) == BINS + 1


def test_whole_numbers_have_bins_of_their_own_while_they_fit():
    assert Grid.over(3.0, 9.0, Kind.INTEGER) == Grid(2.5, 1.0)
    assert Grid.over(0.0, 1e6, Kind.INTEGER).step == 489


def test_a_column_without_values_or_of_another_sort_has_no_bins():
    assert ColumnSpec.of("delay", "DOUBLE", None).slots == 0
    assert ColumnSpec.of("delay", "DOUBLE", None).origin == 0
    assert ColumnSpec.of("path", "VARCHAR[]", ["a"]).slots == 0
    assert ColumnSpec.of("late", "BOOLEAN", None).names == ("false", "true")
    assert ColumnProfile(ColumnSpec.of("delay", "DOUBLE", None), 1, 1).between(np.array([1.0])).tolist() == [0, 0]


def test_two_columns_of_one_name_have_no_profile():
    with pytest.raises(Misconfigured, match="twice: delay"):
        ProfileSpec((DELAY, DELAY))


def test_bins_are_fitted_to_the_columns_that_are_there():
    fitted = SPEC.fitted({"origin": "INTEGER", "delay": "FLOAT", "more": "DOUBLE"})
    assert fitted.columns == (DELAY, ColumnSpec("origin", "INTEGER"))
    assert SPEC.fitted({"origin": "VARCHAR"}).columns == (ORIGIN,)


def test_the_digest_of_a_spec_is_that_of_its_content():
    assert SPEC.digest == ProfileSpec.from_json(SPEC.to_json()).digest != ProfileSpec((DELAY,)).digest


def test_a_spec_survives_strict_json():
    spec = ProfileSpec((DELAY, ColumnSpec("x", "DOUBLE", Grid(0.1, 0.2), edges=(0.1, 1 / 3))), distinct=False)
    assert ProfileSpec.from_json(json.loads(dumps(spec.to_json()))) == spec


def test_different_values_are_counted_exactly_where_each_has_its_own_count():
    whole = ColumnSpec.of("carrier", "INTEGER", [0.0, 9.0])
    assert of_numbers([1, 1, 2], whole).distinct == 2
    assert of_numbers([1, 1, 22], whole).distinct == 2  # 22 has a bin too
    assert of_numbers([1, 1, 3000], whole).distinct is None
    assert of_categories(["JFK", "JFK"]).distinct == 1
    assert of_categories(["JFK", "LGA"]).distinct is None
    late = ColumnSpec.of("late", "BOOLEAN", None)
    assert of_categories(["true"], late).distinct == 1


@pytest.mark.parametrize("count", [0, 1, 5, 1000, 60_000])
def test_different_values_are_estimated_by_the_sketch(count):
    column = of_numbers([1.0], sketch=sketch_of(range(count)))
    assert column.distinct == pytest.approx(count, rel=0.06, abs=0.1)


def test_a_null_is_not_a_value_of_the_sketch():
    assert of_numbers([], nulls=1, sketch=sketch_of(["null"])).distinct == pytest.approx(0, abs=0.01)


def test_sketches_are_united_and_unknown_where_one_is_not_there():
    first, second = sketch_of(range(1000)), sketch_of(range(500, 1500))
    assert distinct.union([first, second]) == sketch_of(range(1500))
    assert distinct.union([first, None]) is distinct.union([None, first]) is None
    assert distinct.estimate(sketch_of([])) == pytest.approx(0, abs=1e-9)
    missing = distinct.nothing()
    distinct.mark_missing(missing)
    assert distinct.estimate(distinct.packed(missing)) == pytest.approx(1, abs=0.01)


def test_counts_between_the_references_quantiles_add_up_to_all_values():
    numbers = np.random.default_rng(0).uniform(0, 100, 10_000)
    column = of_numbers(numbers)
    quarters = column.quantiles(np.array([0.25, 0.5, 0.75]))
    assert quarters == pytest.approx(np.quantile(numbers, [0.25, 0.5, 0.75]), abs=0.1)
    assert column.between(quarters) == pytest.approx([2500] * 4, abs=30)
    assert of_numbers([-5.0, 500.0]).between(quarters).tolist() == [1, 0, 0, 1]


def test_bins_hold_together_where_no_number_holds_the_distance_of_the_ends():
    greatest = float(np.finfo(float).max)
    grid = Grid.over(-greatest, greatest, Kind.NUMBER)
    assert np.isfinite(grid.edges).all()
    assert (np.diff(grid.edges) > 0).all()
    assert math.isfinite(grid.top - grid.low)
    spec = ColumnSpec("x", "DOUBLE", grid)
    column = ColumnProfile(spec, 2, 0, np.bincount([0, BINS + 1], minlength=BINS + 2), low=-greatest, high=greatest)
    assert column.between(np.array([-greatest, 0, greatest])).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("unit", [1e200, 8e307])
def test_mean_and_deviation_of_numbers_whose_squares_no_double_holds_are_told_by_the_bins(unit):
    values = np.random.default_rng(0).uniform(0.1, 1, 5000)
    with np.errstate(all="ignore"):
        spec = ColumnSpec.of("x", "DOUBLE", [values.min() * unit, values.max() * unit])
        column = of_numbers(values * unit, spec)
    assert not math.isfinite(column.second)
    assert column.mean == pytest.approx(values.mean() * unit, rel=1e-6)
    assert column.deviation == pytest.approx(values.std() * unit, rel=1e-5)
    with np.errstate(all="ignore"):
        outside = of_numbers(np.array([1.7e308, -1.7e308, 0.5]), ColumnSpec.of("x", "DOUBLE", [0, 1]))
    assert math.isnan(outside.deviation)


def test_numbers_nearer_than_a_step_has_an_inverse_are_in_one_bin():
    least, most = 1e-310, 3e-310
    grid = Grid.over(least, most, Kind.NUMBER)
    assert math.isfinite(1 / grid.step)
    assert grid.low < least < most < grid.top


def test_a_spec_finds_a_column_by_its_name():
    assert SPEC.column("origin") == ORIGIN
    assert SPEC.column("gone") is None
