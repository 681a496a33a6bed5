"""A suite of 43 expectations: its CPU seconds here and in Great Expectations' pandas engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., tuple[float, float, str]]  # CPU seconds, peak memory in MB, what was printed last

ROWS = {"1m20": 1_000_000, "100": 100}
COLUMNS = 20
NUMBERS = [f"n{place}" for place in range(14)]
WORDS = [f"w{place}" for place in range(5)]


def expectations() -> list[dict[str, Any]]:
    """Give 43 expectations that hold, of 15 types; 2 match regular expressions, 2 look for values that repeat."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("table_row_count_to_be_between", {"min_value": 1}),
        ("table_column_count_to_equal", {"value": COLUMNS}),
        ("table_columns_to_match_set", {"column_set": ["id", *NUMBERS, *WORDS]}),
        ("column_values_to_be_unique", {"column": "id"}),
        ("compound_columns_to_be_unique", {"column_list": ["id", "n0"]}),
        ("column_values_to_match_regex", {"column": "id", "regex": r"^id\d+$"}),
        ("column_values_to_not_match_regex", {"column": "id", "regex": "x"}),
        ("column_value_lengths_to_be_between", {"column": "id", "min_value": 3, "max_value": 12}),
    ]
    for name in NUMBERS[:10]:
        asked.append(("column_values_to_not_be_null", {"column": name, "mostly": 0.8}))
        asked.append(("column_values_to_be_between", {"column": name, "min_value": -1e3, "max_value": 1e6}))
    for name in NUMBERS[:3]:
        asked.append(("column_mean_to_be_between", {"column": name, "min_value": -1e3, "max_value": 1e6}))
        asked.append(("column_stdev_to_be_between", {"column": name, "min_value": 0, "max_value": 1e6}))
    values = [f"v{place}" for place in range(8)]
    asked += [("column_values_to_be_in_set", {"column": name, "value_set": values}) for name in WORDS]
    ranges = {"quantiles": [0.05, 0.5, 0.95], "value_ranges": [[-1e3, 1e6]] * 3}
    asked += [
        ("column_quantile_values_to_be_between", {"column": "n3", "quantile_ranges": ranges}),
        ("column_median_to_be_between", {"column": "n4", "min_value": -1e3}),
        ("column_max_to_be_between", {"column": "n5", "max_value": 1e6}),
        ("column_distinct_values_to_be_in_set", {"column": "w0", "value_set": values}),
    ]
    return [{"type": f"expect_{kind}", "kwargs": kwargs} for kind, kwargs in asked]


def generate(path: str, rows: str) -> str:
    """Write a Parquet file of 20 columns: 14 of numbers, one of them with nulls, 5 of words, and an id."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random, size = np.random.default_rng(0), int(rows)
    columns: dict[str, Any] = {"id": [f"id{place}" for place in range(size)]}
    for place, name in enumerate(NUMBERS):
        columns[name] = random.integers(0, 1000, size) if place % 3 == 0 else random.normal(50, 10, size)
    columns["n1"] = pa.array(columns["n1"], mask=random.random(size) < 0.1)  # noqa: PLR2004 - a tenth is null
    for name in WORDS:
        columns[name] = np.array([f"v{n}" for n in range(8)])[random.integers(0, 8, size)]
    pq.write_table(pa.table(columns), path)
    return json.dumps(len(expectations()))


def ours(path: str) -> str:
    """Judge the file as DataTestOperator does."""
    from xops.checks.expectation_suite import validate

    found = validate([path], {"name": "bench", "expectations": expectations()})
    heavy = [name for name in ("great_expectations", "pandas") if name in sys.modules]
    return json.dumps([sum(bool(entry and entry["success"]) for entry in found), heavy])


def theirs(path: str) -> str:
    """Judge the file in Great Expectations, on the frame that pandas reads."""
    import great_expectations as gx
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("bench").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(path)})
    quiet = {"result_format": "BASIC", "partial_unexpected_count": 0}
    found = batch.validate(gx.ExpectationSuite(name="bench", expectations=expectations()), result_format=quiet)
    return json.dumps([sum(bool(entry.success) for entry in found.results), []])


def measure(run: Run, folder: str, runs: int) -> dict[str, float]:
    """Measure both sides in turn, each time in a fresh process, imports included."""
    import statistics  # in the processes that are measured it would be measured

    results: dict[str, float] = {}
    for label, rows in ROWS.items():
        path = str(Path(folder) / f"suite_{label}.parquet")
        run("suites.generate", path, str(rows))
        sides: dict[str, list[tuple[float, float, str]]] = {"ours": [], "theirs": []}
        for _ in range(runs):
            for side, measured in sides.items():
                measured.append(run(f"suites.{side}", path))
        said = {tuple(json.loads(one[2])[:1]) for measured in sides.values() for one in measured}
        if said != {(len(expectations()),)}:
            raise RuntimeError(f"{len(expectations())} expectations hold, but the sides say {said}")
        cpu = {side: statistics.median(one[0] for one in measured) for side, measured in sides.items()}
        results |= {
            f"suite_cpu_seconds_{label}": cpu["ours"],
            f"suite_gx_cpu_seconds_{label}": cpu["theirs"],
            f"suite_cpu_vs_gx_{label}": cpu["theirs"] / cpu["ours"],
            f"suite_rss_mb_{label}": statistics.median(one[1] for one in sides["ours"]),
            f"suite_gx_rss_mb_{label}": statistics.median(one[1] for one in sides["theirs"]),
        }
    return results
