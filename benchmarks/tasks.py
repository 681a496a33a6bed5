"""What one fresh process measures; the last line it prints is its result."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

ROWS = 1_000_000
COLUMNS = 20


def parse(path: str) -> str:
    """Parse a DAG file."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(path)
    return json.dumps({"dags": len(bag.dags), "errors": len(bag.import_errors)})


def publish() -> str:
    """Stage and publish a million rows of twenty columns, against pyarrow writing the same Parquet."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from xops.hooks.iceberg.tables import IcebergHook

    random = np.random.default_rng(0)
    rows = pa.table({f"x{i}": random.normal(size=ROWS) for i in range(COLUMNS)})
    lake = IcebergHook()
    lake.publish(lake.stage(rows.slice(0, 10), table="bench.rows", batch="0"))
    written, staged, published = [], [], []
    for batch in ("1", "2", "3"):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            pq.write_table(rows, Path(folder) / "rows.parquet", compression="zstd")
            written.append(time.perf_counter() - start)
        start = time.perf_counter()
        version = lake.stage(rows, table="bench.rows", batch=batch)
        staged.append(time.perf_counter() - start)
        start = time.perf_counter()
        lake.publish(version)
        published.append(time.perf_counter() - start)
    return json.dumps(
        {
            "stage_vs_pyarrow_write_1m20": sorted(staged)[1] / sorted(written)[1],
            "publish_seconds_1m20": sorted(published)[1],
        }
    )


if __name__ == "__main__":
    from benchmarks import battery, drift, everything, suites

    print(
        (suites.TASKS | drift.TASKS | everything.TASKS | battery.TASKS | {"parse": parse, "publish": publish})[
            sys.argv[1]
        ](*sys.argv[2:])
    )
