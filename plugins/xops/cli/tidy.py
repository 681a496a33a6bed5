"""``python -m xops tidy``: what killed trainings left in MLflow is brought to an end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of
from xops.core.errors import Misconfigured

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

_LONGEST = 24 * 366 * 100  # a hundred years


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="model", help="registered models (default: all that we trained)")
    parser.add_argument("--older-than", type=float, default=24.0, metavar="HOURS", help="what to end (default: 24)")
    parser.add_argument("--dry-run", action="store_true", help="say what is to be set right, and change nothing")
    parser.add_argument("--conn-id", default="mlflow_default", help="connection of MLflow")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Find what was left, and set it right.

    :raises Misconfigured: when a model is not known, or the bound is negative or no number.
    """
    from xops.hooks.models.tidying import tidy

    if not 0 <= asked.older_than <= _LONGEST:
        raise Misconfigured(f"--older-than: hours from 0 to {_LONGEST} were wanted, found {asked.older_than}")
    bound = timedelta(hours=asked.older_than)
    return tidy(asked.models, older_than=bound, dry_run=asked.dry_run, conn_id=asked.conn_id).to_json()


def _show(answer: dict[str, Any], console: Console) -> None:
    table = table_of("model", "what", "outcome", "", title=f"{answer['subject']}: {answer['outcome']}")
    for finding in answer["findings"]:
        told = finding["reason"] or ("" if finding["observed"] is None else str(finding["observed"]))
        table.add_row(finding["subject"], finding["check"], finding["outcome"], told)
    console.print(table)


VERB = Verb("tidy", "End what killed trainings left in MLflow.", _arguments, _run, _show)
