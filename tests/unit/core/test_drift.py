import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon as scipys_jensenshannon

from tests.unit.core.test_profile import of_categories, of_numbers
from xops.core import distances
from xops.core.drift import DriftRules, compare
from xops.core.errors import Misconfigured
from xops.core.profile_spec import ColumnSpec, Grid, Kind, ProfileSpec
from xops.core.profiles import ColumnProfile, Profile
from xops.core.verdict import Outcome

RANDOM = np.random.default_rng(7)


def spec_of(values, **more):
    return ColumnSpec("delay", "DOUBLE", Grid.over(float(np.min(values)), float(np.max(values)), Kind.NUMBER), **more)


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
    assert distances.chance(*pair) == pytest.approx(chi.pvalue, abs=1e-12)


def test_kolmogorov_and_smirnovs_distance_equals_scipys_to_the_mass_of_a_bin():
    old, new = RANDOM.normal(size=20_000), RANDOM.normal(0.1, 1, 20_000)
    assert distances.kolmogorov_smirnov(*both(old, new)) == pytest.approx(stats.ks_2samp(old, new).statistic, abs=2e-3)


def test_same_distributions_alarm_no_more_often_than_stated():
    random = np.random.default_rng(1)
    for k, size in ((3, 100), (10, 300), (3, 1000)):
        names = [f"c{place}" for place in range(k)]
        spec = ColumnSpec.of("c", "VARCHAR", names)
        alarms = 0
        for _ in range(1000):
            old, new = (
                ColumnProfile(spec, size, 0, np.append(random.multinomial(size, [1 / k] * k), np.zeros(256)))
                for _ in range(2)
            )
            alarms += bool(compare(sides(old), sides(new), ["c"]).moves)
        assert alarms / 1000 <= 0.065


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
    with pytest.raises(Misconfigured, match="drift method chi: one of wasserstein"):
        DriftRules({"delay": "chi"})


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


def test_a_large_distance_of_few_rows_is_chance():
    drift = compare(sides(of_categories(["JFK", "EWR"])), sides(of_categories(["JFK"])), ["origin"])
    assert drift.found["origin"][1] > 0.1
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
