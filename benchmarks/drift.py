"""Drift of two files, against Evidently and against merely reading them; each task runs in a process of its own."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[float, float, str]]  # CPU seconds, peak memory in MB, what was printed last

NUMBERS = [f"n{place}" for place in range(14)]
CATEGORIES = [f"c{place}" for place in range(5)]
COLUMNS = [*NUMBERS, *CATEGORIES]
ROWS = {"1m20": "1000000", "10m20": "10000000"}
_CHUNK = 1_000_000
_WITH_NULLS, _NULLS = "n6", 0.1


def make(folder: str, rows: str) -> str:
    """Write a reference and a moved version of it: 14 columns of numbers, 5 of categories, and an id."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    for side, seed in (("reference", 0), ("current", 1)):
        random, writer = np.random.default_rng(seed), None
        for start in range(0, int(rows), _CHUNK):
            size = min(_CHUNK, int(rows) - start)
            columns = {}
            for place, name in enumerate(NUMBERS):
                moved = 0.3 if place % 3 == 0 and seed else 0.0
                values = (
                    random.normal(moved, 1, size),
                    random.lognormal(0, 1 + moved, size),
                    random.integers(0, 1000, size) + int(100 * moved),
                    random.gamma(2 + moved, 1, size),
                    np.round(random.normal(moved, 1, size), 2),
                )[place % 5]
                columns[name] = pa.array(values, mask=random.random(size) < _NULLS if name == _WITH_NULLS else None)
            for place, (name, many) in enumerate(zip(CATEGORIES, (3, 10, 50, 200, 1000), strict=True)):
                texts = pa.array([f"category {number}" for number in range(many)])
                places = (random.random(size) ** (1.2 if seed and place % 2 else 1) * many).astype(int)
                columns[name] = texts.take(pa.array(places))
            columns["id"] = pa.array([f"{side}{start + number:09}" for number in range(size)])
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(Path(folder) / f"{side}_{rows}.parquet", table.schema)
            writer.write_table(table, row_group_size=131_072)
        if writer:
            writer.close()
    return "{}"


def scan(folder: str, rows: str) -> str:
    """Read every value of the checked columns of both files once, in one sum or longest text each."""
    import duckdb

    asked = [f"sum({name})" for name in NUMBERS] + [f"max(strlen({name}))" for name in CATEGORIES]
    for side in ("reference", "current"):
        path = f"{folder}/{side}_{rows}.parquet"
        duckdb.execute(f"SELECT {', '.join(asked)} FROM read_parquet(?)", [path]).fetchone()  # noqa: S608
    return "{}"


def profiles(folder: str, rows: str) -> str:
    """Decide on drift from the profiles of both files."""
    from xops.core.drift.judge import compare
    from xops.engines.duckdb_scan import DuckdbScan

    engine = DuckdbScan(f"{folder}/reference_{rows}.parquet", version="reference")
    spec = engine.spec(COLUMNS, distinct=False)
    old = engine.scan(profile=spec).profile
    new = DuckdbScan(f"{folder}/current_{rows}.parquet", version="current").scan(profile=spec).profile
    if old is None or new is None or len(compare(old, new, COLUMNS).found) != len(COLUMNS):
        raise RuntimeError("a column was not measured")
    return "{}"


def evidently(folder: str, rows: str) -> str:
    """Decide on drift by Evidently's preset at its defaults."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    shape = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    old, new = (
        Dataset.from_pandas(pd.read_parquet(f"{folder}/{side}_{rows}.parquet", columns=COLUMNS), data_definition=shape)
        for side in ("reference", "current")
    )
    Report([DataDriftPreset(columns=COLUMNS)]).run(new, old).dict()
    return "{}"


def window(folder: str, rows: str) -> str:
    """Add up the kept profiles of 30 days, read from their files, and give the milliseconds of CPU."""
    from xops.core.profile.binary import from_bytes, to_bytes
    from xops.core.profile.profiles import together
    from xops.engines.duckdb_scan import DuckdbScan

    engine = DuckdbScan(f"{folder}/reference_{rows}.parquet", version="day")
    profile = engine.scan(profile=engine.spec(COLUMNS)).profile
    if profile is None:
        raise RuntimeError("there is no profile")
    for day in range(30):
        (Path(folder) / f"day{day}.profile").write_bytes(to_bytes(profile))
    taken = []
    for _ in range(5):
        start = time.process_time()
        whole = together(from_bytes((Path(folder) / f"day{day}.profile").read_bytes()) for day in range(30))
        taken.append((time.process_time() - start) * 1000)
    if whole.rows != 30 * profile.rows:
        raise RuntimeError("rows were lost")
    return json.dumps({"window30_ms": sorted(taken)[2]})


def measure(run: Run, folder: str, runs: int) -> dict[str, float]:
    """Compare the decision on drift with Evidently's and with reading the files; Evidently runs once, for minutes."""
    results = {}
    for name, rows in ROWS.items():
        run("drift.make", folder, rows)
        taken: dict[str, list[tuple[float, float, str]]] = {"scan": [], "profiles": []}
        for task in [*taken] * runs:
            taken[task].append(run(f"drift.{task}", folder, rows))
        cpu = {task: statistics.median(cost for cost, _, _ in each) for task, each in taken.items()}
        memory = {task: statistics.median(peak for _, peak, _ in each) for task, each in taken.items()}
        results |= {
            f"drift_cpu_seconds_{name}": cpu["profiles"],
            f"scan_cpu_seconds_{name}": cpu["scan"],
            f"drift_cpu_vs_scan_{name}": cpu["profiles"] / cpu["scan"],
        }
        if name == "1m20":
            results["drift_cpu_vs_evidently_1m20"] = run("drift.evidently", folder, rows)[0] / cpu["profiles"]
            results |= json.loads(run("drift.window", folder, rows)[2])
            results |= json.loads(run("everything.report", folder, rows)[2])
        else:
            small = f"{folder}/suite_100.parquet"
            results |= json.loads(run("everything.footers", small, f"{folder}/current_{rows}.parquet")[2])
            results["drift_rss_mb_10m20"] = memory["profiles"]
        for side in ("reference", "current"):
            (Path(folder) / f"{side}_{rows}.parquet").unlink()
    return results
