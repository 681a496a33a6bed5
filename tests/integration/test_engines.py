"""DuckDB on real files and tables: what it counts equals what numpy counts, in one scan, whatever the input."""

import datetime as dt
import decimal
import json
import math
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xops.core.drift.judge import compare
from xops.core.errors import Misconfigured
from xops.core.model.judges import judge_drift
from xops.core.profile.profiles import Profile, together
from xops.core.profile.spec import BINS
from xops.core.verdict import Outcome
from xops.engines.duckdb_scan import DuckdbScan
from xops.engines.one_read import OneRead
from xops.engines.sources import ArrowRows, ParquetFiles

pytestmark = pytest.mark.integration

EVIL = '"; drop table x; --'
ROWS = 20_000


def rows(seed=0, size=ROWS):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "delay": pa.array(random.normal(size=size), mask=random.random(size) < 0.1),
            "distance": random.integers(0, 5000, size),
            "seats": pa.array(random.integers(0, 300, size), pa.int16()),
            "fare": pa.array([decimal.Decimal(int(cents)) / 100 for cents in random.integers(0, 9999, size)]),
            "day": pa.array([dt.date(2013, 1, 1) + dt.timedelta(int(days)) for days in random.integers(0, 31, size)]),
            "left": pa.array(random.integers(0, 10**15, size), pa.timestamp("us")),
            "landed": pa.array(random.integers(0, 10**12, size), pa.timestamp("ms", "America/New_York")),
            "late": pa.array(random.random(size) < 0.3, mask=random.random(size) < 0.01),
            "origin": pa.array(random.choice(["JFK", "EWR", "LGA'; --", "<script>"], size)),
            EVIL: random.gamma(2, 1, size),
        }
    )


def profile(table, columns=None, version="v1"):
    engine = DuckdbScan(table, version=version)
    return engine.scan(profile=engine.spec(columns)).profile


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(rows(), path, row_group_size=3000)
    return str(path)


@pytest.mark.parametrize("as_file", [True, False])
def test_a_profile_holds_what_numpy_finds(file, as_file):
    table = rows()
    found = profile(file if as_file else table)
    assert (found.rows, [column.spec.name for column in found.columns]) == (ROWS, table.column_names)
    for name in ("delay", "distance", "seats", "fare", EVIL):
        column, values = found.column(name), np.array(table[name].drop_null().to_pylist(), float)
        assert (column.nulls, column.values, column.counts.sum()) == (table[name].null_count, len(values), len(values))
        assert (column.low, column.high) == (values.min(), values.max())
        assert (column.mean, column.deviation) == pytest.approx((values.mean(), values.std()))
        assert column.distinct == pytest.approx(len(np.unique(values)), rel=0.05)
        edges = column.spec.grid.edges
        counted = np.histogram(values, edges)[0]
        assert np.abs(column.counts[1:-1].cumsum() - counted.cumsum()).max() <= 1
        assert column.counts[0] == column.counts[-1] == 0
    assert found.column("day").distinct == 31
    assert found.column("late").counts[:2].tolist() == [
        table["late"].to_pylist().count(False),
        table["late"].to_pylist().count(True),
    ]
    origin = found.column("origin")
    names = table["origin"].to_pylist()
    assert dict(zip(origin.spec.names, origin.counts.tolist(), strict=False)) == {n: names.count(n) for n in set(names)}
    assert not origin.counts[len(origin.spec.names) :].any()


@pytest.mark.parametrize("as_file", [True, False])
def test_everything_that_is_asked_is_answered_by_one_scan(file, as_file, monkeypatch):
    engine = DuckdbScan(file if as_file else rows(), version="v1")
    spec = engine.spec()
    plan = engine.plan({"a": "sum(r1)", "b": "count(*) FILTER (long)"}, ["r1 > 4000 AS long"])
    assert plan.count("PYTHON_ARROW_SCAN") == len(re.findall(r"_SCAN\b|READ_", plan)) == 1, plan
    opened = []
    monkeypatch.setattr(
        engine._source, "batches", lambda names, of=engine._source.batches: opened.append(1) or of(names)
    )
    scanned = engine.scan({"a": "sum(r1)", "b": "count(*) FILTER (long)"}, spec, projections=["r1 > 4000 AS long"])
    distance = rows()["distance"].to_numpy()
    assert scanned.values == {"a": distance.sum(), "b": (distance > 4000).sum()}
    assert scanned.profile == engine.scan(profile=spec).profile
    assert (scanned.profile.rows, len(opened)) == (ROWS, 2)
    assert engine.scan({"rows": "count(*)"}).values == {"rows": ROWS}
    assert engine.scan({"rows": "count(*)"}).profile is None


def test_rows_that_were_counted_cannot_be_read_again():
    import duckdb

    stream = OneRead(ArrowRows(rows(size=3)), {}, [0, 1])
    with duckdb.connect() as connection:
        connection.register("one_read", stream)
        assert connection.execute("SELECT sum(r1) FROM one_read").fetchone()
        with pytest.raises(duckdb.Error, match="these rows were read before"):
            connection.execute("SELECT sum(r1) FROM one_read").fetchone()
    assert stream.rows == 3


def test_the_bins_of_numbers_in_files_come_from_the_footers(file, monkeypatch):
    monkeypatch.setattr(ParquetFiles, "batches", lambda *_: pytest.fail("rows were read"))
    spec = DuckdbScan(file, version="v1").spec(["delay", "distance", "seats", "day", "left", "landed", "fare"])
    assert all(column.grid for column in spec.columns)


@pytest.mark.parametrize("name", ["day", "left", "landed", "fare", "distance"])
def test_footers_and_a_pass_over_the_rows_give_the_same_bins(file, name):
    ((footers,), (passed,)) = (DuckdbScan(given, version="v").spec([name]).columns for given in (file, rows()))
    assert footers.grid.centre == pytest.approx(passed.grid.centre, abs=100)  # about the median, of other rows
    assert replace(footers.grid, centre=0) == replace(passed.grid, centre=0)
    assert replace(footers, grid=None) == replace(passed, grid=None)


def test_parts_add_up_to_the_whole(tmp_path):
    table = rows()
    spec = DuckdbScan(table, version="all").spec()
    for place in range(4):
        pq.write_table(table.slice(place * 5000, 5000), tmp_path / f"part{place}.parquet")
    parts = [
        DuckdbScan(str(path), version=path.name).scan(profile=spec).profile for path in tmp_path.glob("part*.parquet")
    ]
    window, whole = together(parts), DuckdbScan(f"{tmp_path}/part*.parquet", version="all").scan(profile=spec).profile
    assert window.rows == whole.rows == ROWS
    for part, one in zip(window.columns, whole.columns, strict=True):
        assert np.array_equal(part.counts, one.counts)
        assert (part.nulls, part.low, part.high, part.sketch) == (one.nulls, one.low, one.high, one.sketch)
        assert part.mean == pytest.approx(one.mean, nan_ok=True)
    assert Profile.from_json(window.to_json()) == window
    listed = sorted(str(path) for path in tmp_path.glob("part*.parquet"))
    assert DuckdbScan(listed, version="all").scan(profile=spec).profile.rows == ROWS


def test_ten_thousand_categories_stay_small_and_none_is_lost():
    table = pa.table({"tail": [f"N{place:05}" for place in range(12_000)] * 2})
    column = profile(table).column("tail")
    assert column.counts.sum() == 24_000
    assert len(column.spec.names) <= 256
    assert column.distinct == pytest.approx(12_000, rel=0.05)


def verdict_of(reference, current, asked):
    engine = DuckdbScan(reference, version="reference")
    old = engine.scan(profile=engine.spec(asked)).profile
    new = DuckdbScan(current, version="current").scan(profile=old.spec).profile
    drift = compare(old, new, asked)
    return judge_drift(
        asked,
        drift.found,
        drift.missing,
        subject="v",
        max_share=0.5,
        sizes=(old.rows, new.rows),
        min_rows=200,
        facts={},
        chance=drift.chance,
        moves=drift.moves,
        shares=drift.shares,
    )


N = 300
FINE = np.random.default_rng(3).normal(size=N)
TEXT = ["a", "b", "c"] * (N // 3)
NAN, INF = math.nan, math.inf
BAD = {
    "no rows": (FINE, FINE[:0], Outcome.UNKNOWN),
    "an empty reference": (FINE[:0], FINE, Outcome.UNKNOWN),
    "one row": (FINE, FINE[:1], Outcome.UNKNOWN),
    "two rows": (FINE, FINE[:2], Outcome.UNKNOWN),
    "a reference of one row": (FINE[:1], FINE, Outcome.UNKNOWN),
    "all NaN": (FINE, np.full(N, NAN), Outcome.UNKNOWN),
    "all null": (FINE, pa.nulls(N, pa.float64()), Outcome.UNKNOWN),
    "all null of no type": (FINE, pa.nulls(N), Outcome.UNKNOWN),
    "95 % NaN": (FINE, np.where(np.arange(N) % 20 == 0, FINE, NAN), Outcome.WARN),
    "constant against varying": (FINE, np.full(N, 1.0), Outcome.FAIL),
    "varying against constant": (np.full(N, 1.0), FINE, Outcome.FAIL),
    "another constant": (np.full(N, 1.0), np.full(N, 2.0), Outcome.FAIL),
    "the same constant": (np.full(N, 1.0), np.full(N, 1.0), Outcome.PASS),
    "one infinity": (FINE, np.append(FINE, INF), Outcome.PASS),
    "half infinite": (FINE, np.where(np.arange(N) % 2 == 0, FINE, -INF), Outcome.WARN),
    "all infinite": (FINE, np.full(N, INF), Outcome.UNKNOWN),
    "times 1e308": (FINE, FINE * 1e307, Outcome.FAIL),
    "numbers as texts": (FINE, [str(value) for value in FINE], Outcome.UNKNOWN),
    "decimals": (FINE, [decimal.Decimal(round(value * 1000)) / 1000 for value in FINE.tolist()], Outcome.PASS),
    "a shift of nullable integers": (pa.array([1, 2, None] * 100), pa.array([2, 3, None] * 100), Outcome.FAIL),
    "lists": ([[1]] * N, [[1]] * N, Outcome.UNKNOWN),
    "dictionaries": ([{"a": 1}] * N, [{"a": 1}] * N, Outcome.UNKNOWN),
    "2 to the 63rd": ([2**62] * N, pa.array([2**63] * N, pa.uint64()), Outcome.FAIL),
    "only new categories": (TEXT, ["x"] * N, Outcome.FAIL),
    "one new category among 300": (TEXT, [*TEXT[1:], "x"], Outcome.PASS),
    "texts all null": (TEXT, pa.nulls(N, pa.string()), Outcome.UNKNOWN),
    "a timestamp that gained its zone": (
        pa.array(range(N), pa.timestamp("us")),
        pa.array(range(N), pa.timestamp("us", "UTC")),
        Outcome.UNKNOWN,
    ),
    "the same times": (pa.array(range(N), pa.timestamp("s")), pa.array(range(N), pa.timestamp("s")), Outcome.PASS),
    "booleans turned over": ([True] * 250 + [False] * 50, [False] * 250 + [True] * 50, Outcome.FAIL),
    "bytes": ([b"a"] * N, [b"a"] * N, Outcome.UNKNOWN),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_a_finding_for_every_column_and_never_passes_on_nothing(name):
    old, new, wanted = BAD[name]
    verdict = verdict_of(pa.table({"x": old}), pa.table({"x": new}), ["x", "gone"])
    assert {"x", "gone", "dataset"} == {finding.subject for finding in verdict.findings}
    outcomes = {finding.outcome for finding in verdict.findings if finding.subject != "gone"}
    if wanted in (Outcome.PASS, Outcome.WARN):
        assert max(outcomes, key=[Outcome.PASS, Outcome.WARN, Outcome.UNKNOWN, Outcome.FAIL].index) is wanted
    else:
        assert wanted in outcomes
    assert verdict.outcome in (Outcome.UNKNOWN, Outcome.FAIL)  # for the column that is gone
    json.loads(json.dumps(verdict.to_json(), allow_nan=False))


def test_a_file_that_is_cut_short_missing_or_gone_is_an_error(file, tmp_path):
    short = tmp_path / "short.parquet"
    short.write_bytes(open(file, "rb").read()[:2000])  # noqa: PTH123, SIM115
    with pytest.raises(Misconfigured, match="its rows could not be read"):
        DuckdbScan(str(short), version="v1").spec()
    with pytest.raises(Misconfigured, match="there is none"):
        DuckdbScan(f"{tmp_path}/none*.parquet", version="v1")
    with pytest.raises(Misconfigured, match="the list is empty"):
        DuckdbScan([], version="v1")
    engine = DuckdbScan(file, version="v1")
    spec = engine.spec()
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(Misconfigured, match="could not be read"):
        engine.scan(profile=spec)


def test_columns_of_one_name_are_an_error():
    table = pa.table([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    with pytest.raises(Misconfigured, match="columns of one name: x"):
        DuckdbScan(table, version="v1").types()


def test_a_scan_that_is_asked_for_nothing_is_an_error():
    with pytest.raises(Misconfigured, match="asked for nothing"):
        DuckdbScan(rows(size=3), version="v1").scan()


def test_further_edges_are_counted_as_numpy_counts_them():
    from dataclasses import replace

    values = np.round(np.random.default_rng(0).normal(size=5000), 1)
    edges = np.histogram_bin_edges(values, bins="sturges")
    engine = DuckdbScan(pa.table({"x": values}), version="v1")
    spec = engine.spec()
    spec = replace(spec, columns=(replace(spec.columns[0], edges=tuple(edges.tolist())),))
    assert engine.scan(profile=spec).profile.columns[0].at_edges.tolist() == np.histogram(values, edges)[0].tolist()
    assert engine.scan(profile=spec).profile.columns[0].counts.shape == (BINS + 2,)


def test_numbers_equal_evidentlys_and_no_verdict_flips():
    import pandas as pd
    from evidently.legacy.calculations.stattests import (
        jensenshannon_stat_test,
        psi_stat_test,
        wasserstein_stat_test,
    )
    from evidently.legacy.core import ColumnType

    from xops.core.drift import distances

    old, new = rows(0), rows(1).set_column(0, "delay", pa.array(np.random.default_rng(5).normal(0.2, 1, ROWS)))
    engine = DuckdbScan(old, version="old")
    spec = engine.spec(["delay", "distance", EVIL, "origin"])
    from dataclasses import replace

    frames = [side.to_pandas() for side in (old, new)]
    columns = []
    for column in spec.columns:
        pair = [frame[column.name].dropna() for frame in frames]
        edges = () if column.names else tuple(np.histogram_bin_edges(pd.concat(pair), bins="sturges").tolist())
        columns.append(replace(column, edges=edges))
    spec = replace(spec, columns=tuple(columns))
    profiles = [DuckdbScan(side, version="v").scan(profile=spec).profile for side in (old, new)]
    for column in spec.columns:
        pair = [frame[column.name].dropna() for frame in frames]
        mine = [side.column(column.name) for side in profiles]
        kind = ColumnType.Categorical if column.names else ColumnType.Numerical
        assert distances.psi(*mine) == pytest.approx(psi_stat_test.func(*pair, kind, 0.1)[0], abs=1e-9)
        js = jensenshannon_stat_test.func(*pair, kind, 0.1)[0]
        assert distances.jensenshannon(*mine) == pytest.approx(js, abs=1e-9)
        if not column.names:
            theirs = wasserstein_stat_test.func(*pair, kind, 0.1)
            assert distances.wasserstein(*mine) == pytest.approx(theirs[0], abs=1e-4)
            assert (distances.wasserstein(*mine) >= 0.1) == theirs[1]
