"""Batches that are tested, divided, published and released: in memory that does not grow with their rows."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import ROOT
from xops.hooks.datasets import rows as rows_module
from xops.hooks.datasets.store import store_of

pytestmark = pytest.mark.integration

MEASURED = """
import json, pathlib, sys
import pyarrow as pa
from tests.cases.shop import POSITIVE, Shop
from xops.hooks.datasets import rows
from xops.hooks.datasets.store import store_of

rows.PIECE = 4 << 20

def peak():  # of this program alone: what getrusage tells is that of the parent, if it was more
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

def story(table, staged, name):
    shop = Shop(pathlib.Path(sys.argv[1]), table)
    shop.publish(staged, shop.test(staged, POSITIVE), on_fail="quarantine_rows", run_id=name)
    lake = store_of(table, iceberg_conn_id="iceberg_default")
    kept = [version.rows for version in lake.quarantined(table)]
    least = {"type": POSITIVE["type"], "kwargs": {"column": "amount", "min_value": -20}}
    return kept, shop.release(least, run_id=name)["released_rows"]

story(*map(json.loads, sys.argv[2:4]), "some")
loaded = peak()
print(json.dumps([*story(*map(json.loads, sys.argv[4:6]), "many"), peak() - loaded]))
"""


@pytest.mark.parametrize("kind", ["Iceberg", "folder"])
def test_memory_does_not_grow_with_the_rows_that_are_divided_and_released(kind, tmp_path, monkeypatch):
    rows, some, many = 100_000, 2, 14
    monkeypatch.setattr(rows_module, "PIECE", 4 << 20)
    amounts = pa.array(np.where(np.arange(rows) % 1000 == 0, -1.0, 1.0))
    random = np.random.default_rng(0)
    wide = {"amount": amounts, "id": np.arange(rows)} | {f"x{n}": random.normal(size=rows) for n in range(14)}
    batch = pa.table(wide).to_batches()[0]

    def staged(pieces):
        """Give the words of a batch of so many pieces in a dataset of its own."""
        name = f"t{secrets.token_hex(4)}"
        table = f"shop.{name}" if kind == "Iceberg" else f"{tmp_path}/{name}"
        reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(pieces)))
        version = store_of(table, iceberg_conn_id="iceberg_default").stage(reader, table=table, batch="01")
        return json.dumps(table), json.dumps(version.to_json())

    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), *staged(some), *staged(many)],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    kept, released, grown = json.loads(ran.stdout.splitlines()[-1])
    assert (kept, released) == ([rows * many // 1000], rows * many // 1000)
    more = batch.nbytes * (many - some) / 2**20
    assert grown < more / 2, f"{grown} MB for {more} MB of rows more"
