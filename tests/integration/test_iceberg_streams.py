"""Versions of Iceberg tables as streams: the rows that pyiceberg reads, in memory that does not grow with them."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import ROOT
from xops.core.dataset.writes import Write
from xops.core.errors import Misconfigured
from xops.engines.duckdb_scan import DuckdbScan
from xops.hooks.iceberg.tables import IcebergHook

pytestmark = pytest.mark.integration


def rows(size=1000, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "n": pa.array(random.integers(0, 9, size), pa.int32()),
            "x": pa.array(random.normal(size=size), mask=random.random(size) < 0.2),
            "s": pa.array(random.choice(["a", "ü", None], size).tolist(), pa.string()),
            'odd. "name': [b"bytes"] * size,
            "d": pa.array([decimal.Decimal(int(n)) / 100 for n in random.integers(0, 999, size)], pa.decimal128(9, 2)),
            "day": [dt.date(2024, 1, 1)] * size,
            "at": pa.array(random.integers(0, 10**15, size), pa.timestamp("us", "UTC")),
            "flag": random.random(size) < 0.5,
            "list": [[1, 2]] * size,
        }
    )


@pytest.fixture
def lake():
    return IcebergHook()


def published(lake, table, batches, write=None):
    for name, batch in batches.items():
        version = lake.publish(lake.stage(batch, table=table, batch=name, write=write or Write.of("append")))
    return version


def collected(stream, columns=None):
    names = columns or stream.schema.names
    return pa.Table.from_batches(stream.batches(names), pa.schema([stream.schema.field(name) for name in names]))


def ordered(table):
    return sorted(map(str, table.to_pylist()))


def test_a_stream_has_the_rows_that_are_read_as_a_table(lake):
    version = published(lake, "nyc.kinds", {"1": rows(), "2": rows(70_000, 1)})
    for columns, batches in ((None, None), (None, ["2"]), (["x", "n"], ["1"]), (["list"], None)):
        stream = lake.stream(version, columns=columns, batches=batches)
        table = lake.rows(version, columns=columns, batches=batches)
        assert stream.schema.names == table.column_names
        assert stream.num_rows == table.num_rows
        assert ordered(collected(stream)) == ordered(table)
    names = ["at", "n"]
    again = lake.stream(version)
    assert (
        ordered(collected(again, names))
        == ordered(collected(again, names))
        == ordered(lake.rows(version, columns=names))
    )


def test_texts_that_come_in_dictionaries_are_counted_as_plain_ones(lake):
    few = pa.table({"x": np.arange(5000.0), "s": ["short", "of", "ü", None, ""] * 1000})
    many = pa.table({"x": np.arange(5000.0), "s": [f"text {place} of its own" for place in range(5000)]})
    version = published(lake, "nyc.coded", {"1": few, "2": many})
    with lake.table("nyc.coded").update_schema() as schema:
        schema.rename_column("s", "t")
    version = published(lake, "nyc.coded", {"3": few.rename_columns(["x", "t"])})
    coded, plain = (lake.stream(version, columns=["x", "t"], coded=coded) for coded in (True, False))
    kinds = [{str(piece.schema.field("t").type) for piece in stream.batches(["t"])} for stream in (coded, plain)]
    assert kinds == [{"string", "dictionary<values=string, indices=int32, ordered=0>"}, {"string"}]
    mine, other = (DuckdbScan(stream, version="v") for stream in (coded, plain))
    assert mine.spec() == other.spec()
    assert mine.scan(profile=other.spec()).profile == other.scan(profile=other.spec()).profile


def test_columns_that_were_renamed_widened_or_added_are_read_as_they_are_now(lake):
    published(lake, "nyc.evolved", {"1": rows(10).select(["n", "x"])})
    with lake.table("nyc.evolved").update_schema() as schema:
        schema.rename_column("x", "y")
        schema.update_column("n", field_type=__import__("pyiceberg.types").types.LongType())
    evolving = Write.of("append", evolve="add")
    later = pa.table({"n": [1], "y": [2.0], "z": ["new"]})
    version = published(lake, "nyc.evolved", {"2": later}, evolving)
    stream = lake.stream(version)
    assert str(stream.schema.field("n").type) == "int64"
    assert ordered(collected(stream)) == ordered(lake.rows(version))
    assert collected(lake.stream(version, columns=["z"])).column("z").null_count == 10


def test_of_a_file_only_the_rows_of_the_batch_are_read(lake):
    day = pa.table({"day": ["mon", "mon", "tue"], "v": [1, 2, 3]})
    write = Write.of("overwrite", ["day"])
    version = published(lake, "nyc.days", {"1": day, "2": day.slice(2)}, write)
    for batches in (["1"], ["2"], None):
        stream, table = lake.stream(version, batches=batches), lake.rows(version, batches=batches)
        assert ordered(collected(stream)) == ordered(table)
        assert stream.num_rows == table.num_rows


def test_a_column_that_is_not_there_and_a_version_that_expired_are_mistakes(lake):
    version = published(lake, "nyc.small", {"1": rows(3)})
    with pytest.raises(Misconfigured, match="no column gone"):
        lake.stream(version, columns=["gone"])
    with pytest.raises(Misconfigured, match="has expired or never was"):
        lake.stream(type(version)(version.table, "1"))


MEASURED = """
import json, sys
def peak():  # of this program alone: what getrusage tells is that of the parent, if it was more
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.store.objects import Objects
from xops.hooks.store.profiles import ProfileStore, Side
from xops.checks.expectation_suite import validate
lake = IcebergHook()
version = lake.published("big.rows")
loaded = peak()
side = Side(version, tuple(lake.batches(version)), "big")
profile = ProfileStore(Objects.configured()).of(lake, side, [])
asked = [{"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x0", "min_value": -1, "max_value": 1}}]
found = validate(lake.stream(version), {"expectations": asked})
print(json.dumps([profile.rows, found[0]["success"], peak() - loaded]))
"""


def test_memory_does_not_grow_with_the_rows(lake, tmp_path):
    random = np.random.default_rng(0)
    wide = pa.table({f"x{n}": random.normal(size=1_500_000) for n in range(16)})
    published(lake, "big.rows", {"1": wide, "2": wide, "3": wide})
    home = str(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT / "plugins")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    counted, success, grown = json.loads(ran.stdout.splitlines()[-1])
    assert (counted, success) == (4_500_000, True)
    every = 3 * wide.nbytes / 2**20
    assert grown < every / 2, f"{grown} MB for {every} MB of rows"
