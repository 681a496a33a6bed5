"""Everything asked of a version in one reading, against merely reading it; and what footers and pages cost."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import drift, suites

Run = Callable[..., tuple[float, float, str]]  # CPU seconds, peak memory in MB, what was printed last


def reference(path: str, kept: str) -> str:
    """Profile the file as its own reference, and keep the profile."""
    from xops.core.strict_json import dumps
    from xops.engines.duckdb_scan import DuckdbScan

    engine = DuckdbScan(path, version="reference")
    found = engine.scan(profile=engine.spec(distinct=False)).profile
    if found is None:
        raise RuntimeError("there is no profile")
    Path(kept).write_bytes(dumps(found.to_json()))
    return "{}"


def scan(path: str) -> str:
    """Read every value of all 20 columns once, in one sum or longest text each."""
    import duckdb

    asked = [f"sum({name})" for name in suites.NUMBERS] + [f"max(strlen({name}))" for name in ("id", *suites.WORDS)]
    duckdb.execute(f"SELECT {', '.join(asked)} FROM read_parquet(?)", [path]).fetchone()  # noqa: S608
    return "{}"


def ours(path: str, kept: str) -> str:
    """Judge 43 expectations, profile, give the schema, and decide on drift from the reference's kept profile."""
    from xops.core.drift.judge import compare
    from xops.core.profile.profiles import Profile
    from xops.engines.one_select import examine

    old = Profile.from_json(json.loads(Path(kept).read_bytes()))
    found = examine(path, {"expectations": suites.expectations()}, old.spec, version="current")
    if found.profile is None or len(compare(old, found.profile, list(found.types)).found) != suites.COLUMNS:
        raise RuntimeError("a column was not measured")
    return json.dumps(sum(bool(entry and entry["success"]) for entry in found.entries))


def footers(small: str, large: str) -> str:
    """Judge expectations that the footer proves, modules being loaded: from opening the file to the results, in ms."""
    from xops.checks.expectation_suite import validate

    asked: list[dict[str, Any]] = [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {"type": "expect_table_column_count_to_equal", "kwargs": {"value": len(drift.COLUMNS) + 1}},
    ]
    full = [*drift.CATEGORIES, "n2", "n7", "n12"]
    asked += [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}} for name in full]
    for name in ("n2", "n7", "n12"):
        inside = {"column": name, "min_value": -1, "max_value": 10_000}
        asked.append({"type": "expect_column_values_to_be_between", "kwargs": inside})
    suite = {"name": "footers", "expectations": asked}
    validate([small], {**suite, "expectations": asked[:1]})
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        found = validate([large], suite)
        taken.append((time.perf_counter() - start) * 1000)
        if not all(entry and entry["success"] for entry in found):
            raise RuntimeError("a footer proves less than it did")
    return json.dumps({"footer_ms": sorted(taken)[2], "footer_expectations": len(asked)})


def report(folder: str, rows: str) -> str:
    """Draw Evidently's page of the drift of two files from their profiles; CPU seconds after the import."""
    from xops.checks.drift_report import page, snapshot
    from xops.core.drift.judge import compare
    from xops.engines.duckdb_scan import DuckdbScan

    engine = DuckdbScan(f"{folder}/reference_{rows}.parquet", version="reference")
    spec = engine.spec(drift.COLUMNS, distinct=False)
    old = engine.scan(profile=spec).profile
    new = DuckdbScan(f"{folder}/current_{rows}.parquet", version="current").scan(profile=spec).profile
    if old is None or new is None:
        raise RuntimeError("there is no profile")
    found = compare(old, new, drift.COLUMNS)
    import evidently.presets  # noqa: F401
    import pandas  # noqa: F401, ICN001

    import xops.checks.profile_metrics  # noqa: F401

    start = time.process_time()
    drawn = snapshot(old, new, found, max_share=0.5, facts={})
    html = page(drawn) if drawn else b""
    return json.dumps({"report_seconds": time.process_time() - start, "report_mb": len(html) / 1e6})


def measure(run: Run, folder: str, runs: int) -> dict[str, float]:
    """Compare one reading that answers everything with a reading that answers nothing."""
    path, kept = f"{folder}/everything.parquet", f"{folder}/everything.json"
    run("suites.generate", path, str(suites.ROWS["1m20"]))
    run("everything.reference", path, kept)
    sides: dict[str, list[float]] = {"scan": [], "ours": []}
    for _ in range(runs):
        sides["scan"].append(run("everything.scan", path)[0])
        cpu, _, said = run("everything.ours", path, kept)
        if json.loads(said) != len(suites.expectations()):
            raise RuntimeError(f"all expectations hold, but {said} were found to")
        sides["ours"].append(cpu)
    Path(path).unlink()
    cpu_of = {side: statistics.median(taken) for side, taken in sides.items()}
    return {
        "all_in_one_cpu_seconds_1m20": cpu_of["ours"],
        "all_in_one_cpu_vs_scan_1m20": cpu_of["ours"] / cpu_of["scan"],
    }
