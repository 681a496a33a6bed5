"""Play the demo: `make demo`, or `make demo EXIT=1` to end with it."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.airflow_api import Airflow
from demo.stack import ROOT, Stack
from demo.story import BROKEN, DAGS, Story

if TYPE_CHECKING:
    from demo.readback import Readback

START = time.monotonic()
sys.path += [str(ROOT / "plugins"), str(ROOT / "dags")]  # as Airflow has them


def main() -> int:
    """Start, play, report; 0 when the loop closed."""
    options = argparse.ArgumentParser(prog="make demo")
    options.add_argument("--exit", action="store_true", help="end everything after the report")
    options.add_argument("--folder", type=Path, default=ROOT / ".demo")
    chosen = options.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it otherwise
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        with Stack(chosen.folder.resolve()) as stack:
            return play(stack, stay=not chosen.exit)
    except KeyboardInterrupt:
        print("\nended")
        return 130
    except (RuntimeError, TimeoutError) as error:
        print(f"\nthe demo did not finish: {error}", file=sys.stderr)
        return 1


def play(stack: Stack, *, stay: bool) -> int:
    """Play the story on a running stack."""
    tell("starting", "Airflow (SQLite, LocalExecutor) and MLflow")
    stack.wait_until_up(180)
    tell("up", f"Airflow {stack.airflow_url}  MLflow {stack.mlflow_url}")
    airflow = Airflow(stack.airflow_url)
    airflow.wait_for_dags(DAGS, 90)
    from demo.readback import Readback

    read = Readback()
    Story(airflow, stack.folder / "landing", read, tell).play()
    summary = summarise(stack, airflow, read)
    (stack.folder / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")
    report(summary, stack.folder / "summary.json")
    if stay:
        print("\nEverything stays up until Ctrl-C.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        print("\nending Airflow and MLflow")
    return 0 if summary["closed"] else 1


def summarise(stack: Stack, airflow: Airflow, read: Readback) -> dict[str, Any]:
    """Gather what happened and judge whether the loop closed."""
    runs = {dag_id: [str(run["state"]) for run in airflow.runs(dag_id)] for dag_id in DAGS}
    batches, models, decisions, promotions = read.batches(), read.models(), read.decisions(), read.promotions()
    unclean, report_id = read.unclean_snapshots(), read.newest_report()
    outcomes = [model["outcome"] for model in models]
    conditions = {
        "a broken batch was quarantined": any(
            batch["batch"] == BROKEN and batch["outcome"] == "quarantined" for batch in batches
        ),
        "the repaired batch was published": any(
            batch["batch"] == BROKEN and batch["outcome"] == "published" for batch in batches
        ),
        "main never showed a row that the suite forbids": not unclean,
        "broken data led to no retraining": decisions_on_broken(decisions) == "wait",
        "only the broken batch's run failed in Airflow": {
            dag_id: states.count("failed") for dag_id, states in runs.items()
        }
        == dict.fromkeys(DAGS, 0) | {"flights_dataops": 1},
        "each decision to retrain has its reasons and was answered by one training": all(
            made["reasons"] for made in decisions
        )
        and len({made["batch"] for made in decisions if made["decision"] == "retrain"})
        == [model["asked_by"] for model in models].count("drift"),
        "drift led to a retraining that was promoted": any(
            model["asked_by"] == "drift" and model["outcome"] == "promoted" for model in models
        ),
        "two versions were promoted": outcomes.count("promoted") >= 2,
        "each candidate was promoted or refused on findings": all(model["reasons"] for model in models),
        "a bad candidate was refused": any(
            model["asked_by"] == "manual" and model["outcome"] == "refused" for model in models
        ),
        "there was a rollback, and the way forward again": [p["kind"] for p in promotions].count("rollback") >= 2,
        "MLflow's alias points to the log's champion": read.mlflow.aliases("flights_delay")["champion"]
        == read.champion(),
    }
    return {
        "closed": all(conditions.values()),
        "seconds": round(time.monotonic() - START, 1),
        "conditions": conditions,
        "runs": runs,
        "batches": batches,
        "models": models,
        "decisions": decisions,
        "promotions": promotions,
        "champion": read.champion(),
        "urls": {
            "airflow": stack.airflow_url,
            "mlflow": stack.mlflow_url,
            "drift_report": f"{stack.airflow_url}/xops/reports/{report_id}" if report_id else "",
        },
    }


def decisions_on_broken(decisions: list[dict[str, Any]]) -> str:
    """Give what was decided while the broken month's delivery was the newest: the first decision on that month."""
    return next((str(made["decision"]) for made in decisions if made["batch"] == BROKEN), "none")


def report(summary: dict[str, Any], path: Path) -> None:
    """Print what happened as tables."""
    table("Batches", ("batch", "rows", "outcome", "failed"), summary["batches"])
    table("Models", ("version", "asked_by", "rows", "auc", "champion_auc", "outcome"), summary["models"])
    table("Decisions", ("batch", "decision", "reasons"), summary["decisions"])
    table("Promotions", ("entry", "kind", "from", "to"), summary["promotions"])
    print(f"\nThe loop {'closed' if summary['closed'] else 'DID NOT CLOSE'} in {summary['seconds']:.0f} s.")
    for condition, holds in summary["conditions"].items():
        print(f"  {'yes' if holds else 'NO '}  {condition}")
    print(f"\n  Airflow       {summary['urls']['airflow']}   (no password: it listens on this machine only)")
    print(f"  MLflow        {summary['urls']['mlflow']}")
    print(f"  Drift report  {summary['urls']['drift_report']}")
    print(f"  Summary       {path}")


def table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Print rows under a title, each column as wide as it needs to be."""
    cells = [[cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    print(f"\n{title}")
    for line in [list(columns), *cells]:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: Any) -> str:
    """Give a value as the text of a table's cell."""
    if isinstance(value, list):
        first = str(value[0]) if value else ""
        return (first if len(first) <= 76 else first[:75] + "…") + (f" (+{len(value) - 1})" if len(value) > 1 else "")
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value if value is not None else "-")


def tell(what: str, outcome: str) -> None:
    """Print one line of progress."""
    print(f"{time.monotonic() - START:5.0f} s  {what:<24} {outcome}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
