"""Suites over Parquet files that DuckDB reads alone: told as Arrow tells them, without Arrow being loaded."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from xops.core.errors import Misconfigured
from xops.core.suite.plan import columns_of
from xops.engines import one_select
from xops.engines.duckdb_query import connected
from xops.engines.files import footers
from xops.engines.files.arrow_schema import type_tags
from xops.engines.files.plain_files import long_footers, plain_files

pytestmark = pytest.mark.integration

PLAIN = {
    **{str(kind): pa.array([1, None, 3], kind) for kind in map(pa.type_for_alias, (
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"))},
    "flag": pa.array([True, None, False]),
    "huge": pa.array([2**63, 2**64 - 1, None], pa.uint64()),
    "least": pa.array([-(2**63), None, 0]),
    "tiny": pa.array([5e-324, -1.7976931348623157e308, 0.1]),
    "zero": pa.array([0.0, -0.0, 1.0]),
    "nan": pa.array([math.nan, 1.0, 2.0]),
    "inf": pa.array([math.inf, -math.inf, None]),
    "none": pa.array([None, None, None], pa.int64()),
    "text": pa.array(["a", "", None]),
    "large": pa.array(["a", "ü", None], pa.large_string()),
    "date": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    "ms": pa.array([0, 1, None], pa.timestamp("ms")),
    "us": pa.array([0, 1, None], pa.timestamp("us")),
    "ns": pa.array([0, 1, None], pa.timestamp("ns")),
    "zone": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
    "decimal": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-2.00")]),
    '"; drop table x; --': pa.array([1, 2, 3]),
}  # fmt: skip
OTHERS = {
    "category": pa.array(["a", "b", "a"]).dictionary_encode(),
    "duration": pa.array([dt.timedelta(1)] * 3),
    "half": pa.array([1.0, 2.0, 3.0], pa.float16()),
    "view": pa.array(["a", "b", "c"], pa.string_view()),
    "time": pa.array([dt.time(1)] * 3),
    "bytes": pa.array([b"a"] * 3),
    "null": pa.nulls(3),
    "list": pa.array([[1]] * 3),
    "record": pa.array([{"a": 1}] * 3),
    "wide": pa.array([decimal.Decimal(1)] * 3, pa.decimal256(50, 2)),
}


def told(*paths):
    with connected("test", "") as connection:
        return plain_files(connection, [str(path) for path in paths])


def written(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_columns_and_footers_say_what_arrow_reads_in_them(tmp_path):
    path = written(tmp_path / "a.parquet", PLAIN, row_group_size=2)
    found, opened = told(path), pq.ParquetFile(path)
    assert found.columns == columns_of((field.name, str(field.type)) for field in opened.schema_arrow)
    stated = footers.stated([opened.metadata], found.columns)
    infinite = [name for name, value in stated.items() if abs(value) == math.inf]  # DuckDB says nothing of them
    assert found.stated == {name: value for name, value in stated.items() if name not in infinite}
    assert len(infinite) == 2
    assert {type(value) for value in found.stated.values()} == {int, float}
    assert len(stated) > 50


def test_several_files_are_told_together(tmp_path):
    paths = [written(tmp_path / f"{n}.parquet", {"n": [n, n + 1], "x": [0.5, n]}) for n in range(3)]
    opened = [pq.ParquetFile(path).metadata for path in paths]
    found = told(*paths)
    assert found.stated == footers.stated(opened, found.columns)
    assert found.stated["max(c0)"] == 3


def test_files_by_duckdb_and_without_rows_are_told_too(tmp_path):
    import duckdb

    duckdb.execute(f"COPY (SELECT 1 AS a, 'x' AS b, DATE '2024-01-01' AS c) TO '{tmp_path}/d.parquet'")
    assert [column.kind.value for column in told(tmp_path / "d.parquet").columns] == ["integer", "string", "date"]
    empty = written(tmp_path / "e.parquet", {"a": pa.array([], pa.int64())})
    assert told(empty).stated == footers.stated([pq.ParquetFile(empty).metadata], told(empty).columns)
    assert told(empty).stated["count(*)"] == 0


@pytest.mark.parametrize("name", OTHERS)
def test_a_column_that_is_not_plain_is_left_to_arrow(name, tmp_path):
    assert told(written(tmp_path / "a.parquet", {"n": [1, 2, 3], name: OTHERS[name]})) is None
    suite = {"expectations": [{"type": "expect_column_max_to_be_between", "kwargs": {"column": "n", "max_value": 3}}]}
    assert one_select.decide([str(tmp_path / "a.parquet")], suite)[0]["success"]


@given(
    st.lists(st.none() | st.integers(-3, 3), min_size=1, max_size=40),
    st.lists(st.floats(0, 1) | st.sampled_from([0.25, 0.5, 1 / 3, 0.1]), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_quantiles_are_those_of_pandas_whether_or_not_footers_count_the_values(values, shares):
    rows = pa.table({"n": pa.array(values, pa.int64())})
    ranges = {"quantiles": shares, "value_ranges": [[None, None]] * len(shares)}
    kwargs = {"column": "n", "quantile_ranges": ranges}
    suite = {"expectations": [{"type": "expect_column_quantile_values_to_be_between", "kwargs": kwargs}]}
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(rows, f"{folder}/a.parquet")
        (told,), (listed,) = one_select.decide(f"{folder}/a.parquet", suite), one_select.decide(rows, suite)
    assert told == listed
    present = pd.Series([value for value in values if value is not None], dtype=float)
    if len(present):
        assert told["result"]["observed_value"]["values"] == present.quantile(shares, "nearest").tolist()


def test_files_of_different_columns_and_what_is_no_parquet_are_left_to_arrow(tmp_path):
    one, other = (written(tmp_path / f"{name}.parquet", {name: [1]}) for name in "ab")
    assert told(one, other) is None
    (tmp_path / "c.parquet").write_bytes(one.read_bytes()[:-20])
    assert told(tmp_path / "c.parquet") is None
    with pytest.raises(Misconfigured, match="a whole Parquet file was wanted"):
        one_select.decide(str(tmp_path / "c.parquet"), {"expectations": []})
    with pytest.raises(Misconfigured, match="there is none"):
        one_select.decide(str(tmp_path / "d.parquet"), {"expectations": []})


def test_a_page_that_is_broken_is_an_error_and_no_result(tmp_path):
    path = written(tmp_path / "a.parquet", {"n": np.random.default_rng(0).normal(size=1000)})
    whole = bytearray(path.read_bytes())
    whole[4:600] = bytes(596)
    path.write_bytes(bytes(whole))
    kwargs = {"column": "n", "min_value": 0}
    with pytest.raises(Misconfigured, match="could not be read"):
        one_select.decide(str(path), {"expectations": [{"type": "expect_column_mean_to_be_between", "kwargs": kwargs}]})


@pytest.mark.parametrize("rare", [False, True])
def test_the_name_of_a_folder_or_file_is_no_pattern_and_no_value(rare, tmp_path):
    further = {"bytes": [b"x"]} if rare else {}  # Arrow opens it
    (tmp_path / "day=2024-01-01").mkdir()
    for name, value in (("d[1]", "first"), ("d1", "second")):
        written(tmp_path / "day=2024-01-01" / f"{name}.parquet", {"day": [value], **further})
    kwargs = {"column": "day", "value_set": ["first"]}
    suite = {"expectations": [{"type": "expect_column_values_to_be_in_set", "kwargs": kwargs}]}
    assert one_select.decide(str(tmp_path / "day=2024-01-01" / "d[1].parquet"), suite)[0]["success"]


def test_the_arrow_schema_is_read_as_arrow_wrote_it():
    everything = pa.schema([(name, array.type) for name, array in (PLAIN | OTHERS).items()])
    from base64 import b64encode

    tags = dict(zip(everything.names, type_tags(b64encode(everything.serialize().to_pybytes())), strict=True))
    assert tags["text"] == (5, False)
    assert tags["category"] == (5, True)
    assert tags["duration"] == (18, False)
    assert tags["zone"] == (10, False)
    assert type_tags(b64encode(pa.schema([]).serialize().to_pybytes())) == []


@pytest.mark.parametrize("broken", [b"", b"AAAA", b"//////////8=", b"QUJD" * 30])
def test_what_is_no_arrow_schema_is_said_to_be_none(broken):
    with pytest.raises(ValueError, match="laid out"):
        type_tags(broken)


def test_a_suite_over_a_plain_file_loads_neither_arrow_nor_numpy(tmp_path):
    from benchmarks import suites

    path = tmp_path / "a.parquet"
    suites.generate(str(path), "100")
    code = (
        "import sys; from benchmarks import suites; said = suites.ours(sys.argv[1]);"
        "print(said, sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'pyarrow', 'pandas', 'airflow'}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}/plugins:{ROOT}"},
    )  # fmt: skip
    assert ran.stdout.strip() == f"{json.dumps([43, []])} []"


def test_files_whose_footers_are_long_are_told_as_others_and_proven_without_a_query(tmp_path, monkeypatch):
    table = pa.table({"n": pa.array(range(2000)), "x": np.arange(2000.0), "s": ["ü"] * 2000})
    short, long = (str(tmp_path / f"{name}.parquet") for name in ("short", "long"))
    pq.write_table(table, short)
    pq.write_table(table, long, row_group_size=4)
    assert (long_footers([short]), long_footers([long]), long_footers([short, long])) == (False, True, True)
    asked = [
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 2000}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "s"}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "n", "min_value": 0, "max_value": 1999}},
    ]
    wanted = one_select.decide([short], {"expectations": asked})
    monkeypatch.setattr("duckdb.connect", None)
    assert one_select.decide([long], {"expectations": asked}) == wanted
    assert all(entry["success"] for entry in wanted)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all"])
def test_what_is_no_file_or_no_whole_one_has_no_long_footer(content, tmp_path):
    path = tmp_path / "rows.parquet"
    assert not long_footers([str(path)])
    path.write_bytes(content)
    assert not long_footers([str(path)])
