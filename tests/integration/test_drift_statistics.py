"""The drift check at its default settings: how often it is wrong, how often it sees, and whom it agrees with."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.core.profile.test_profile import of_numbers
from xops.core.drift import distances
from xops.core.drift.judge import compare
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import ColumnSpec, Grid, Kind, ProfileSpec
from xops.engines.duckdb_scan import DuckdbScan

pytestmark = pytest.mark.integration

WINDOWS = 1000
ALLOWED = 0.05 + 0.015
SIZES = [100, 300, 1000, 5000]
EVEN, STEEP = 0.0, 1.5


def side(*columns):
    return Profile(("v",), ProfileSpec(tuple(column.spec for column in columns)), columns[0].rows, columns)


def alarms(reference, current, names=("x",)):
    return bool(compare(side(*reference), side(*current), list(names)).moves)


def shares_of(categories, steepness):
    shares = np.arange(1.0, categories + 1) ** -steepness
    return shares / shares.sum()


def categories(counts, name="x"):
    """Make a column's profile of drawn counts: the most frequent of the reference, as an engine names them."""
    spec = ColumnSpec(name, "VARCHAR", None, tuple(f"c{place}" for place in range(len(counts))))
    return ColumnProfile(spec, int(counts.sum()), 0, np.append(counts, np.zeros(256, int)))


def numbers(reference, *currents, name="x"):
    spec = ColumnSpec(name, "DOUBLE", Grid.over(reference.min(), reference.max(), Kind.NUMBER, np.median(reference)))
    return [of_numbers(values, spec) for values in (reference, *currents)]


@pytest.mark.parametrize("steepness", [EVEN, STEEP])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [3, 5, 10])
def test_categories_that_did_not_move_raise_no_more_false_alarms_than_stated(k, size, steepness):
    random = np.random.default_rng([k, size])
    drawn = random.multinomial(size, shares_of(k, steepness), (WINDOWS, 2))
    wrong = sum(alarms([categories(old)], [categories(new)]) for old, new in drawn)
    assert wrong / WINDOWS <= ALLOWED


@pytest.mark.parametrize(
    ("reference", "current"), [(100, 100), (1000, 1000), (5000, 5000), (100_000, 200), (300, 5000)]
)
@pytest.mark.parametrize(("k", "steepness"), [(50, 1.0), (1000, 1.2), (10_000, 1.0), (10_000, EVEN)])
def test_many_categories_raise_no_more_false_alarms_than_stated(k, steepness, reference, current):
    random, windows = np.random.default_rng([k, reference]), 200
    buckets = random.integers(0, 256, k)
    wrong = 0
    for _ in range(windows):
        sides = [random.multinomial(size, shares_of(k, steepness)) for size in (reference, current)]
        top = np.argsort(-sides[0], kind="stable")[:256]
        top = top[sides[0][top] > 0]
        spec = ColumnSpec("x", "VARCHAR", None, tuple(f"c{place}" for place in top))
        profiles = []
        for counts in sides:
            others = counts.copy()
            others[top] = 0
            held = np.append(counts[top], np.bincount(buckets, others, 256).astype(int))
            profiles.append(ColumnProfile(spec, int(counts.sum()), 0, held))
        wrong += alarms(profiles[:1], profiles[1:])
    assert wrong / windows <= ALLOWED + 0.02  # two standard errors of 200 windows


SHAPES = {
    "normal": lambda random, size: random.normal(size=size),
    "lognormal": lambda random, size: random.lognormal(0, 1.5, size),
    "pareto": lambda random, size: random.pareto(1.5, size),
    "poisson": lambda random, size: random.poisson(3, size).astype(float),
    "mostly zero": lambda random, size: np.where(random.random(size) < 0.8, 0, random.gamma(2, 1, size)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_that_did_not_move_raise_no_more_false_alarms_than_stated(shape, size):
    random, windows = np.random.default_rng(size), WINDOWS if shape == "normal" else 200
    wrong = 0
    for _ in range(windows):
        old, new = numbers(*(SHAPES[shape](random, size) for _ in range(2)))
        wrong += alarms([old], [new])
    assert wrong / windows <= ALLOWED


def test_a_family_of_columns_raises_no_more_false_alarms_than_one():
    random, names, wrong = np.random.default_rng(9), [f"x{place}" for place in range(10)], 0
    for _ in range(300):
        pairs = [numbers(*random.normal(size=(2, 150)), name=name) for name in names[:5]]
        drawn = random.multinomial(150, shares_of(6, STEEP), (5, 2))
        pairs += [[categories(counts, name) for counts in pair] for name, pair in zip(names[5:], drawn, strict=True)]
        wrong += alarms(*zip(*pairs, strict=True), names=names)
    assert wrong / 300 <= ALLOWED


@pytest.mark.parametrize("columns", [1, 20])
def test_half_a_standard_deviation_is_seen_in_a_thousand_rows(columns):
    random, seen = np.random.default_rng(3), 0
    names = [f"x{place}" for place in range(columns)]
    still = [numbers(*random.normal(size=(2, 1000)), name=name) for name in names[1:]]
    for _ in range(200):
        pairs = [numbers(random.normal(size=1000), random.normal(0.5, 1, 1000), name="x0"), *still]
        old, new = (side(*one) for one in zip(*pairs, strict=True))
        seen += "x0" in compare(old, new, names).moves
    assert seen / 200 >= 0.95


# Against Evidently's own numbers

MOVES = {
    "none": lambda _, again: again,
    "by just less than the limit": lambda x, again: again + 0.09 * x.std(),
    "wider": lambda x, again: x.mean() + 1.2 * (again - x.mean()),
    "a tenth to the mean": lambda x, again: np.where(np.arange(len(x)) % 10 == 0, x.mean(), again),
    "mirrored": lambda x, again: 2 * x.mean() - again,
}
CORPUS = {
    "normal": lambda random, n: random.normal(size=n),
    "integers": lambda random, n: random.poisson(30, n),
    "wide integers": lambda random, n: random.integers(0, 10**6, n),
    "long tail": lambda random, n: random.lognormal(0, 1, n),
    "longer tail": lambda random, n: random.lognormal(0, 2, n),
    "longest tail": lambda random, n: random.pareto(1.5, n),
    "a point mass": lambda random, n: np.where(random.random(n) < 0.6, 0.1234, random.normal(size=n)),
    "mostly zero": lambda random, n: np.where(random.random(n) < 0.8, 0.0, random.gamma(2, 1, n)),
    "constant": lambda _, n: np.full(n, 3.7),
    "cents": lambda random, n: np.round(random.lognormal(3, 1, n), 2),
    "exponential": lambda random, n: random.exponential(size=n),
    "heavy outliers": lambda random, n: random.normal(size=n) * np.where(random.random(n) < 0.001, 1000, 1),
    "a tail to the left": lambda random, n: 100 - random.pareto(1.5, n),
    "a long tail to the left": lambda random, n: -random.lognormal(0, 2, n),
    "a tail from below zero": lambda random, n: random.pareto(1.5, n) - 100,
    "two tails far from zero": lambda random, n: 1e6 + random.standard_t(2, n),
    "two heaps and outliers": lambda random, n: (
        np.where(random.random(n) < 0.5, 0, 100) + random.normal(size=n) * np.where(random.random(n) < 0.001, 3000, 1)
    ),
}
CASES = [(shape, move, size) for shape in CORPUS for move in MOVES for size in (3, 30, 300, 1000, 20_000)]


@pytest.fixture(scope="module")
def measured():
    """Give our distances and Evidently's on a corpus: one table with all of it, so that it is scanned once a size."""
    import pandas as pd
    from evidently.legacy.calculations.stattests import psi_stat_test, wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    found = {}
    for size in (3, 20, 1000, 20_000):
        random, old, new = np.random.default_rng(size), {}, {}
        for shape, move, _ in (case for case in CASES if case[2] == size):
            x, again = CORPUS[shape](random, size), CORPUS[shape](random, size)
            moved = MOVES[move](x, again)
            old[f"{shape}/{move}"] = x
            new[f"{shape}/{move}"] = np.rint(moved).astype(int) if x.dtype.kind == "i" else moved
        engine = DuckdbScan(pa.table(old), version="old")
        spec = engine.spec(distinct=False)
        edged = []
        for column in spec.columns:
            both = np.concatenate([old[column.name], new[column.name]])
            edges = np.histogram_bin_edges(both, "sturges").tolist() if len({*both}) > 20 else []
            edged.append(replace(column, edges=tuple(edges)))
        spec = ProfileSpec(tuple(edged), spec.distinct, spec.profiler)
        profiles = [DuckdbScan(pa.table(one), version="v").scan(profile=spec).profile for one in (old, new)]
        for name, first in old.items():
            ours = [profile.column(name) for profile in profiles]
            pair = pd.Series(first), pd.Series(new[name])
            found[name, size] = {
                "wasserstein": (
                    distances.wasserstein(*ours),
                    wasserstein_stat_test.func(*pair, ColumnType.Numerical, 0.1),
                ),
                "within": distances.wasserstein_within(*ours),
                "psi": (distances.psi(*ours), psi_stat_test.func(*pair, ColumnType.Numerical, 0.1)),
                "many": len({*first}) > 20,  # else Evidently counts each value
            }
    return found


def test_psi_is_evidentlys_where_the_bins_are_the_same(measured):
    compared = {case: found["psi"] for case, found in measured.items() if found["many"]}
    assert len(compared) > 80
    assert {
        case: (ours, theirs)
        for case, (ours, (theirs, _)) in compared.items()
        if ours != pytest.approx(theirs, abs=1e-9)
    } == {}


def test_wasserstein_is_evidentlys_to_one_in_ten_thousand_and_no_verdict_flips(measured):
    wrong = {}
    for (name, size), found in measured.items():
        ours, (theirs, drifted) = found["wasserstein"]
        if ours != pytest.approx(theirs, abs=1e-4, rel=1e-4) or (ours >= 0.1) != drifted:
            wrong[name, size] = float(ours), float(theirs)
    assert wrong == {}


def test_wasserstein_by_rows_lies_within_the_bounds_that_the_profiles_tell(measured):
    for case, found in measured.items():
        (ours, least, most), theirs = found["within"], found["wasserstein"][1][0]
        slack = 1e-9 + 1e-7 * theirs
        assert least - slack <= theirs <= most + slack, case
        assert least <= ours <= most, case
