import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from scipy.spatial.distance import jensenshannon as scipys_jensenshannon

from tests.unit.core.profile.test_profile import of_categories, of_numbers
from xops.core.drift import distances
from xops.core.drift.chance import chance, share_chance
from xops.core.drift.judge import DriftRules, compare
from xops.core.drift.movement import movement, sentence
from xops.core.drift.tails import binomial_tail, chi_square_tail, kolmogorov_tail
from xops.core.errors import Misconfigured
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import ColumnSpec, Grid, Kind, ProfileSpec
from xops.core.verdict import Outcome

RANDOM = np.random.default_rng(7)


def spec_of(values, **more):
    return ColumnSpec(
        "delay",
        "DOUBLE",
        Grid.over(float(np.min(values)), float(np.max(values)), Kind.NUMBER, float(np.median(values))),
        **more,
    )


def both(old, new, **more):
    spec = spec_of(old, **more)
    return of_numbers(old, spec), of_numbers(new, spec)


def sides(*columns, rows=None):
    specs = ProfileSpec(tuple(column.spec for column in columns))
    return Profile(("v",), specs, rows or columns[0].rows, columns)


SHIFTS = {
    "the same": lambda x: x[::-1],
    "moved": lambda x: x + 0.3 * x.std(),
    "just below the limit": lambda x: x + 0.0998 * x.std(),
    "just above the limit": lambda x: x + 0.1002 * x.std(),
    "far outside": lambda x: x + 30 * x.std(),
    "far below": lambda x: x - 30 * x.std(),
    "wider": lambda x: x * 3,
    "one far outlier": lambda x: np.append(x, 1000 * x.std()),
    "narrower": lambda x: x.mean() + (x - x.mean()) / 3,
}


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("shape", ["normal", "lognormal", "gamma", "integers", "rounded"])
def test_wasserstein_equals_scipys_to_one_in_ten_thousand_and_flips_no_verdict(shape, name):
    n = 20_000
    old = {
        "normal": RANDOM.normal(size=n),
        "lognormal": RANDOM.lognormal(0, 1, n),
        "gamma": RANDOM.gamma(2, 1, n),
        "integers": RANDOM.integers(0, 1000, n).astype(float),
        "rounded": np.round(RANDOM.normal(size=n), 2),
    }[shape]
    new = SHIFTS[name](old)
    wanted = stats.wasserstein_distance(old, new) / max(old.std(), 0.001)
    got = distances.wasserstein(*both(old, new))
    assert got == pytest.approx(wanted, abs=1e-4, rel=1e-4)
    assert (got >= 0.1) == (wanted >= 0.1)


@pytest.mark.parametrize("name", SHIFTS)
def test_wasserstein_of_profiles_without_sums_is_scipys_to_the_width_of_a_bin(name):
    old = RANDOM.normal(size=20_000)
    pair = [replace(side, sums=[], near=[], near_sums=[]) for side in both(old, SHIFTS[name](old))]
    wanted = stats.wasserstein_distance(old, SHIFTS[name](old)) / old.std()
    found = distances.wasserstein_within(*pair)
    assert found == pytest.approx([wanted] * 3, abs=3e-4, rel=1e-4)


@pytest.mark.parametrize("shape", ["pareto", "two-sided", "to the left", "heaped"])
@pytest.mark.parametrize("size", [30, 500, 20_000])
def test_wasserstein_by_rows_lies_within_the_bounds(shape, size):
    random = np.random.default_rng([size, 1])
    draw = {
        "pareto": lambda: random.pareto(1.1, size),
        "two-sided": lambda: random.standard_cauchy(size),
        "to the left": lambda: 100 - random.pareto(1.5, size),
        "heaped": lambda: np.round(random.lognormal(0, 2, size)),
    }[shape]
    for _ in range(3):
        old, again = draw(), draw()
        for new in (again, again[: size // 3] + 0.09 * old.std(), 2 * old.mean() - again):
            wanted = stats.wasserstein_distance(old, new) / old.std()
            about, least, most = distances.wasserstein_within(*both(old, new))
            assert least * (1 - 1e-7) - 1e-9 <= wanted <= most * (1 + 1e-7) + 1e-9
            assert about == pytest.approx(wanted, abs=1e-4)


def test_wasserstein_of_numbers_further_apart_than_a_double_reaches_is_no_less_than_the_limit():
    with np.errstate(all="ignore"):
        pair = both(np.linspace(1e308, 1.1e308, 30), np.full(30, -1.7e308))
        assert not distances.wasserstein(*pair) < 0.1


def test_wasserstein_of_a_constant_divides_by_the_least_deviation():
    got = distances.wasserstein(*both(np.full(100, 5.0), np.full(100, 6.0)))
    assert got == pytest.approx(1000, rel=1e-3)
    assert distances.wasserstein(*both(np.full(100, 5.0), np.full(100, 5.0))) == 0


def test_wasserstein_needs_a_number_line():
    column = of_categories(["JFK"])
    assert math.isnan(distances.wasserstein(column, column))


@pytest.mark.parametrize("shift", [0.0, 0.2, 5.0])
def test_psi_equals_numpys_on_the_same_edges(shift):
    old, new = RANDOM.normal(size=3000), RANDOM.normal(shift, 1, 2000)
    edges = np.histogram_bin_edges(np.concatenate([old, new]), bins="sturges")
    first, second = (np.histogram(side, edges)[0] / len(side) for side in (old, new))
    for side in (first, second):
        least = side[side > 0].min()
        side[side == 0] = least / 10**6 if least <= 0.0001 else 0.0001
    pair = both(old, new, edges=tuple(edges.tolist()))
    assert pair[0].at_edges.sum() == 3000
    assert distances.psi(*pair) == pytest.approx(((first - second) * np.log(first / second)).sum(), abs=1e-9)


@pytest.mark.parametrize("odds", [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
def test_distances_of_categories_equal_scipys_also_with_a_new_category(odds):
    names = ["JFK", "EWR", "LGA"]  # LGA is not among the reference's names
    first = RANDOM.choice(names[:2], 900, p=[0.4, 0.6])
    second = RANDOM.choice(names, 800, p=odds)
    shares = [np.array([(side == name).mean() for name in names]) for side in (first, second)]
    pair = of_categories(first), of_categories(second)
    assert distances.jensenshannon(*pair) == pytest.approx(scipys_jensenshannon(*shares), abs=1e-12)
    assert distances.total_variation(*pair) == pytest.approx(abs(shares[0] - shares[1]).sum() / 2)
    table = np.array([[(side == name).sum() for name in names] for side in (first, second)])
    chi = stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
    assert distances.cramers_v(*pair) == pytest.approx(math.sqrt(chi.statistic / 1700))
    assert chance(*pair) <= max(2 * chi.pvalue, 1e-9)


def test_kolmogorov_and_smirnovs_distance_equals_scipys_to_the_mass_of_a_bin():
    old, new = RANDOM.normal(size=20_000), RANDOM.normal(0.1, 1, 20_000)
    assert distances.kolmogorov_smirnov(*both(old, new)) == pytest.approx(stats.ks_2samp(old, new).statistic, abs=2e-3)


def of_counts(counts, names=None):
    names = [f"c{place}" for place in range(len(counts))] if names is None else names
    spec = ColumnSpec.of("c", "VARCHAR", names)
    held = np.zeros(spec.slots, int)
    held[: len(counts)] = counts
    return ColumnProfile(spec, int(np.sum(counts)), 0, held)


def test_chance_of_well_filled_categories_is_the_contingency_chi_squares():
    first, second = [300, 200, 100], [250, 230, 120]
    wanted = stats.chi2_contingency([first, second]).pvalue
    assert chance(of_counts(first), of_counts(second)) == pytest.approx(wanted, abs=1e-12)


def test_chance_of_numbers_is_no_less_than_kolmogorovs():
    old, new = RANDOM.normal(size=500), RANDOM.normal(0.4, 1, 500)
    got, wanted = chance(*both(old, new)), stats.ks_2samp(old, new, method="asymp").pvalue
    assert wanted <= got <= 10 * wanted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([99_900, 100], [1, 99]),  # a rare category takes all of few rows
        ([100] * 1000, [200, *[0] * 999]),
        ([200, *[0] * 199], [500] * 200),
        ([50_000, 50_000, 0], [0, 0, 30]),
    ],
)
def test_a_change_of_everything_is_no_chance_however_unequal_the_sides(old, new):
    assert chance(of_counts(old[:250]), of_counts(new[:250])) < 1e-6


@given(st.integers(1, 3000), st.floats(0, 3))
def test_the_tail_of_chi_square_is_scipys(freedom, share):
    for value in (freedom * share, freedom + share * 10 * math.sqrt(freedom)):
        assert chi_square_tail(freedom, value) == pytest.approx(stats.chi2.sf(value, freedom), rel=1e-9, abs=1e-11)


def test_the_tail_of_chi_square_is_told_at_its_ends():
    ends = [chi_square_tail(2, value) for value in (0.0, -1.0, math.inf, 1e5)]
    assert ends == [1, 1, 0, 0]
    assert math.isnan(chi_square_tail(2, math.nan))
    assert chi_square_tail(2, 1400.0) == pytest.approx(stats.chi2.sf(1400.0, 2), rel=1e-9)


@given(st.integers(0, 100_000), st.floats(0, 1), st.sampled_from([0.0, 1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-9, 1.0]))
def test_the_tail_of_the_binomial_is_scipys(trials, share, odds):
    for hits in {round(share * trials), round(odds * trials), trials, 0}:
        told = binomial_tail(np.array([trials, trials]), np.array([hits, 0]), odds)
        wanted = special.betainc(hits, trials - hits + 1, odds) if hits else 1.0
        assert told == pytest.approx([wanted, 1.0], rel=1e-8, abs=1e-10)


def test_the_tail_of_kolmogorov_is_scipys_on_both_sides_of_where_its_series_meet():
    for value in [*np.linspace(-0.1, 3, 300), 1 - 1e-12, 1.0, 1e-9, 20.0, 1e9]:
        assert kolmogorov_tail(value) == pytest.approx(special.kolmogorov(value), rel=1e-9, abs=1e-14)


def test_columns_are_judged_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert chance(of_counts([900, 100]), of_counts([100, 900])) < 1e-12
    assert chance(of_counts([50, 50]), of_counts([45, 55])) > 0.1
    assert chance(*both([1.0, 2.0] * 500, [3.0, 4.0] * 500)) < 1e-12
    assert chance(of_counts([99_990, 2, 2, 2, 2, 2]), of_counts([99, 1, 0, 0, 0, 0])) > 0.005
    assert chance(*both([1.0, 2.0] * 50, [1.0, 2.0] * 51)) == 1


def test_one_rare_value_among_few_rows_is_chance():
    old = of_counts([99_990, 2, 2, 2, 2, 2])
    assert chance(old, of_counts([99, 1, 0, 0, 0, 0])) > 0.005
    assert chance(of_counts([100]), of_counts([100])) == 1


def test_categories_without_a_count_of_their_own_are_told_by_their_buckets():
    names = ["a", "b"]
    old = of_counts([500, 500, *[40] * 50], names)
    assert chance(old, of_counts([500, 500, *[40] * 50], names)) == 1
    assert chance(old, of_counts([500, 500, *[80] * 25, *[0] * 25], names)) < 1e-6
    assert chance(old, of_counts([500, 500, 0, 2000], names)) < 1e-6


def test_shares_that_differ_by_chance_are_told_from_those_that_do_not():
    assert share_chance((30, 100), (42, 100)) == pytest.approx(
        stats.chi2_contingency([[30, 70], [42, 58]], correction=False).pvalue
    )
    assert share_chance((30, 100), (70, 100)) < 1e-6
    assert share_chance((0, 100_000), (1, 10)) < 0.01
    assert share_chance((0, 10), (1, 10)) == 1


def test_numbers_are_measured_by_wasserstein_and_few_values_or_categories_by_jensen_and_shannon():
    rules = DriftRules()
    assert rules.of(both(RANDOM.normal(size=100), [1.0])[0]) == ("wasserstein", 0.1)
    assert rules.of(of_numbers([0, 1] * 50, ColumnSpec.of("x", "INTEGER", [0, 1])))[0] == "jensenshannon"
    assert rules.of(of_categories(["JFK"]))[0] == "jensenshannon"


def test_methods_and_limits_go_by_column_then_by_kind():
    rules = DriftRules({"number": "psi", "delay": "total_variation"}, {"delay": 0.3, "category": 0.2})
    old = both(RANDOM.normal(size=100), [1.0])[0]
    assert rules.of(old) == ("total_variation", 0.3)
    assert rules.of(of_categories(["JFK"])) == ("jensenshannon", 0.2)
    seats = of_numbers([0.0, 1.0], ColumnSpec.of("seats", "INTEGER", [0, 5000]))
    assert rules.of(seats) == ("psi", 0.1)
    assert DriftRules({"integer": "psi", "number": "total_variation"}).of(seats)[0] == "psi"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"methods": {"delay": "chi"}}, "drift method chi: one of wasserstein"),
        ({"methods": {"delay": 3}}, "drift method 3: one of wasserstein"),
        ({"methods": ["psi"]}, "drift rules: .*; methods, limits, limit, share_limit, alpha"),
        ({"method": "psi"}, "drift rules: .*unexpected keyword.*; methods, limits"),
        ({"limit": 0}, "drift limit of limit: a number above 0 was wanted, found 0"),
        ({"limits": {"delay": "low"}}, "drift limit of delay: a number above 0 was wanted, found 'low'"),
        ({"limits": {"delay": math.nan}}, "drift limit of delay: a number above 0 was wanted, found nan"),
        ({"alpha": 1.0}, r"an alpha in \(0, 1\) was wanted, found 1.0"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules, said):
    with pytest.raises(Misconfigured, match=said):
        DriftRules.given(rules)
    assert DriftRules.given(None) == DriftRules()


def test_a_rule_about_a_column_that_is_not_asked_for_is_refused():
    side = sides(of_categories(["JFK", "EWR"]))
    with pytest.raises(Misconfigured, match="drift rules: orgin: neither a column asked for nor a kind"):
        compare(side, side, ["origin"], DriftRules(limits={"orgin": 0.3, "number": 0.2}))


def test_whole_numbers_with_a_bin_each_are_measured_exactly():
    old, new = RANDOM.poisson(30, 5000).astype(float), RANDOM.poisson(31, 5000).astype(float)
    spec = ColumnSpec.of("seats", "INTEGER", [old.min(), old.max()])
    for moved in (new, np.repeat(new, 2) + np.tile([-40, 40], 5000), np.full(30, old.mean().round())):
        wanted = stats.wasserstein_distance(old, moved) / old.std()
        assert distances.wasserstein(of_numbers(old, spec), of_numbers(moved, spec)) == pytest.approx(wanted, abs=1e-3)
    inside = np.clip(new, old.min(), old.max())
    wanted = stats.wasserstein_distance(old, inside) / old.std()
    assert distances.wasserstein(of_numbers(old, spec), of_numbers(inside, spec)) == pytest.approx(wanted, abs=1e-12)
    halves = inside + 0.3 + 0.1 * RANDOM.random(5000)  # numbers that became fractions
    wanted = stats.wasserstein_distance(old, halves) / old.std()
    assert distances.wasserstein(of_numbers(old, spec), of_numbers(halves, spec)) == pytest.approx(wanted, abs=0.1)


def test_what_moved_is_told_without_a_raw_value_unless_allowed():
    old, new = both(RANDOM.normal(size=500), RANDOM.normal(3, 1, 500))
    told = movement(old, new)
    assert set(told) == {"null_share", "mean", "deviation", "parts", "outside"}
    assert told["mean"] == [pytest.approx(old.mean), pytest.approx(new.mean)]
    assert sum(told["parts"].values()) == pytest.approx(0, abs=1e-9)
    assert 0.3 < told["outside"] < 0.7
    assert movement(old, new, raw_values=True)["range"] == [[old.low, old.high], [new.low, new.high]]
    pair = of_categories(["JFK"] * 60 + ["EWR"] * 40, nulls=100), of_categories(["JFK"] * 10 + ["LGA"] * 90)
    assert movement(*pair) == {"null_share": [0.5, 0], "new": 0.9, "gone": 0.4, "most": 0.9}
    assert movement(*pair, raw_values=True)["categories"] == {"JFK": pytest.approx(-0.5), "EWR": pytest.approx(-0.4)}
    told = compare(sides(pair[0]), sides(pair[1]), ["origin"], raw_values=True)
    assert told.moves["origin"].endswith("one category moved by 90.0%; JFK -50.0%, EWR -40.0%")
    assert "JFK" not in str(compare(sides(pair[0]), sides(pair[1]), ["origin"]))


def test_a_reference_pinned_elsewhere_knows_its_own_range():
    spec = ColumnSpec("delay", "DOUBLE", Grid.over(0.0, 10.0, Kind.NUMBER))
    old, new = of_numbers(RANDOM.uniform(4, 6, 500), spec), of_numbers(RANDOM.uniform(4, 8, 500), spec)
    assert movement(old, new)["outside"] == pytest.approx(0.5, abs=0.1)
    far = of_numbers(RANDOM.uniform(20, 22, 500), spec)
    assert movement(far, far)["outside"] == 0


def test_a_column_that_moved_says_what_moved():
    old = RANDOM.normal(size=5000)
    pair = both(old, old + 1)
    (said,) = compare(sides(pair[0]), sides(pair[1]), ["delay"]).moves.values()
    assert "mean" in said
    assert "highest tenth +" in said
    assert "outside the reference's range" in said
    narrow = both(old, old / 10)
    assert "outside" not in compare(sides(narrow[0]), sides(narrow[1]), ["delay"]).moves["delay"]
    drift = compare(sides(of_categories(["JFK", "EWR"] * 99)), sides(of_categories(["LGA"] * 99)), ["origin"])
    assert drift.moves["origin"].startswith("100.0% of values are in categories that the reference has not")


def coarse(size):
    """Give two sides of which most values lie in one bin, at two places, so that their distance is not quite known."""
    random, spec = np.random.default_rng(7), ColumnSpec("delay", "DOUBLE", Grid.over(0.0, 1000.0, Kind.NUMBER))
    spread = random.uniform(0, 1000, (2, size)) * (random.random((2, size)) < 0.2)
    heaps = [np.where(random.random(size) < share, 100.1, 100.4) for share in (0.5, 0.7)]
    return [of_numbers(np.where(far > 0, far, heap), spec) for far, heap in zip(spread, heaps, strict=True)]


@pytest.mark.parametrize(("part", "open_"), [(0.0, False), (0.5, True), (1.0, True), (1.0001, False)])
def test_a_limit_between_the_least_and_the_greatest_distance_is_undecided(part, open_):
    pair = coarse(5000)
    about, least, most = distances.wasserstein_within(*pair)
    limit = least + part * (most - least)
    drift = compare(sides(pair[0]), sides(pair[1]), ["delay"], DriftRules(limit=limit, alpha=0.999))
    assert drift.undecided == ({"delay": (least, most)} if open_ else {})
    assert drift.found["delay"] == ("wasserstein", about, limit)
    assert ("delay" in drift.moves) == (about >= limit)


@pytest.mark.parametrize("method", ["jensenshannon", "total_variation"])
def test_categories_that_share_buckets_may_be_further_apart_than_these(method):
    named = of_categories(["JFK", "EWR"] * 9)
    assert distances.measured(method, named, named) == (0, 0, 0)
    spec = ColumnSpec("origin", "VARCHAR", None, ("JFK",))
    counts = np.zeros(257, int)
    counts[[0, 5, 9]] = 50, 30, 20
    pair = [ColumnProfile(spec, 100, 0, counts) for _ in range(2)]
    about, least, most = distances.measured(method, *pair)
    assert (about, least) == (0, 0)
    disjoint = [counts[:1].tolist() + ([50, 0] if first else [0, 50]) for first in (True, False)]
    halves = np.array(disjoint) / 100
    between = halves.mean(axis=0)
    wanted = {
        "total_variation": np.abs(halves[0] - halves[1]).sum() / 2,
        "jensenshannon": math.sqrt(
            sum((half[half > 0] * np.log(half[half > 0] / between[half > 0])).sum() for half in halves) / 2
        ),
    }[method]
    assert most == pytest.approx(wanted)


def test_what_chance_makes_is_not_undecided():
    pair = coarse(300)
    _, least, most = distances.wasserstein_within(*pair)
    drift = compare(sides(pair[0]), sides(pair[1]), ["delay"], DriftRules(limit=(least + most) / 2, alpha=1e-9))
    assert (list(drift.chance), drift.undecided, drift.moves) == (["delay"], {}, {})


def test_a_distance_that_is_no_number_is_not_measured():
    spec = ColumnSpec("delay", "DOUBLE", Grid.over(0.0, 1.0, Kind.NUMBER))
    with np.errstate(all="ignore"):
        pair = [of_numbers(np.array([0.1, 0.2, 1.7e308, 1.7e308, -1.7e308, 0.4]), spec) for _ in range(2)]
    drift = compare(sides(pair[0]), sides(pair[1]), ["delay"], DriftRules(methods={"delay": "wasserstein"}))
    assert drift.found == {}
    assert "too great to be added up" in drift.missing["delay"]


def test_a_large_distance_of_few_rows_is_chance():
    drift = compare(sides(of_categories(["JFK", "EWR"])), sides(of_categories(["JFK"])), ["origin"])
    assert drift.found["origin"][1] > 0.1
    assert not compare(sides(of_categories(["JFK"])), sides(of_categories(["JFK"])), ["origin"]).chance
    assert "no more than chance" in drift.chance["origin"]
    assert not drift.moves


def test_each_column_asked_for_is_found_or_missing_with_its_reason():
    old = [of_numbers([1.0, 2.0]), of_categories(["JFK", "EWR"])]
    lists = ColumnProfile(ColumnSpec("path", "VARCHAR[]"), 2, 0)
    drift = compare(
        sides(*old, lists, ColumnProfile(ColumnSpec("empty", "DOUBLE"), 2, 2)),
        sides(
            of_numbers([], nulls=1, nan=1),
            ColumnProfile(ColumnSpec("origin", "INTEGER"), 2, 0),
            lists,
            ColumnProfile(ColumnSpec("empty", "DOUBLE"), 2, 2),
            of_numbers([1.0], ColumnSpec.of("more", "DOUBLE", [0, 1])),
        ),
        ["delay", "origin", "path", "empty", "gone", "more"],
    )
    assert not drift.found
    assert drift.missing == {
        "delay": "it has no value in the current rows: 2 rows, 1 nulls, 1 NaN, 0 infinite",
        "origin": "it is VARCHAR in the reference and INTEGER now; numbers, dates, texts or booleans of one kind were "
        "wanted",
        "path": "it is VARCHAR[] in the reference and VARCHAR[] now; numbers, dates, texts or booleans of one kind "
        "were wanted",
        "empty": "it has no value in the reference: 2 rows, 2 nulls, 0 NaN, 0 infinite",
        "gone": "the reference lacks this column",
        "more": "the reference lacks this column",
    }
    assert compare(sides(*old), sides(old[0]), ["origin"]).missing == {"origin": "the current rows lack this column"}


def test_shares_of_what_is_no_value_are_findings_of_their_own():
    old = of_numbers(RANDOM.uniform(0, 100, 100))
    new = of_numbers(RANDOM.uniform(0, 100, 80), nulls=5, nan=9, infinite=(3, 3))
    found = {finding.check: finding for finding in compare(sides(old), sides(new), ["delay"]).shares}
    assert {check: finding.outcome for check, finding in found.items()} == {
        "null_share": Outcome.PASS,
        "nan_share": Outcome.PASS,
        "infinite_share": Outcome.PASS,
    }
    assert found["infinite_share"].reason == "infinite share 0.00% in the reference, 6.00% now"
    few = of_numbers(RANDOM.uniform(0, 100, 8), nan=1), of_numbers(RANDOM.uniform(0, 100, 8), nan=3)
    (finding,) = compare(sides(few[0]), sides(few[1]), ["delay"]).shares
    assert (finding.outcome, finding.observed > 0.1) == (Outcome.PASS, True)  # by chance
    new = of_numbers(RANDOM.uniform(0, 100, 50), nan=50)
    (finding,) = compare(sides(old), sides(new), ["delay"]).shares
    assert (finding.outcome, finding.observed) == (Outcome.WARN, 0.5)


def test_different_bins_and_methods_that_do_not_fit_are_errors():
    one, other = both([0.0, 1.0], [0.5]), both([0.0, 2.0], [0.5])
    with pytest.raises(Misconfigured, match="counted by different bins"):
        compare(sides(one[0]), sides(other[0]), ["delay"])
    origin = sides(of_categories(["JFK"]))
    with pytest.raises(Misconfigured, match="origin holds VARCHAR; wasserstein needs numbers"):
        compare(origin, origin, ["origin"], DriftRules({"origin": "wasserstein"}))


def test_a_mean_of_the_greatest_numbers_is_told():
    told = {"mean": [1.0, "Infinity"], "parts": {"highest tenth": 0.5}, "outside": 0.0}
    assert sentence(told) == "mean 1 -> inf; values by the reference's parts: highest tenth +50.0%"
