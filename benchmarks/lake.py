"""What a batch costs on its way into the lake, against writing the same rows to a file."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROWS = 1_000_000
COLUMNS = 20


def publish() -> str:
    """Stage and publish rows of twenty columns, against pyarrow writing the same Parquet."""
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


def measure(run: Callable[..., tuple[float, float, str]]) -> dict[str, float]:
    """Give the ratio and the seconds of wall time."""
    return dict(json.loads(run("lake.publish")[2]))
