"""``python -m xops history``: every version of a model, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the registered model")
    parser.add_argument("--mlflow-conn-id", default="mlflow_default", help="connection of MLflow")


def _run(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Give for each version who asked for it, what it learned from, how it was judged, and when it was champion."""
    from xops.core.model.promotion import champion
    from xops.hooks.models.promotion_log import PromotionLog
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.store.evidence import EvidenceStore

    store, log = EvidenceStore(), PromotionLog(asked.model).read()
    history = []
    for version in MlflowHook(asked.mlflow_conn_id).versions(asked.model):
        name = str(version.version)
        judged = {e.verdict.check: str(e.verdict.outcome) for e in store.of(asked.model, name)}
        history.append(
            {
                "version": name,
                "asked_by": version.tags.get("xops.asked_by"),
                "features": version.tags.get("xops.features"),
                "rows": version.tags.get("xops.rows"),
                "judged": judged,
                "promoted": [entry.number for entry in log if entry.version == name],
                "champion": champion(log) == name,
            }
        )
    return history


def _show(answer: list[dict[str, Any]], console: Console) -> None:
    table = table_of("version", "asked by", "features", "rows", "judged", "entries of the log", "")
    for one in answer:
        judged = "\n".join(f"{check}: {outcome}" for check, outcome in one["judged"].items())
        table.add_row(
            one["version"], one["asked_by"] or "", one["features"] or "", one["rows"] or "", judged or "not judged",
            ", ".join(map(str, one["promoted"])), "champion" if one["champion"] else "",
        )  # fmt: skip
    console.print(table if answer else "no version was registered")


VERB = Verb("history", "Show every version of a model, and what became of it.", _arguments, _run, _show)
