"""``python -m xops promote``: make a judged version champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb
from xops.core.errors import Misconfigured

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the registered model")
    parser.add_argument("version", help="its number")
    parser.add_argument("--reason", required=True, help="kept in the promotion log")
    parser.add_argument("--rule", default="all_pass", help="all_pass (default) or person_agrees")
    parser.add_argument(
        "--severity", action="append", default=[], metavar="CHECK=SEVERITY", help="critical, error or warning"
    )
    parser.add_argument("--mlflow-conn-id", default="mlflow_default", help="connection of MLflow")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Promote on the newest evidence of each kind of check about the version; give the entry."""
    from xops.core.gate import Rule
    from xops.hooks.models.cards import write_card
    from xops.hooks.models.person import asker
    from xops.hooks.models.promotions import Promotions
    from xops.hooks.store.evidence import EvidenceStore

    if not asked.reason.strip():
        raise Misconfigured("--reason: it is blank; a reason was wanted, which is kept in the promotion log")
    if not all("=" in pair for pair in asked.severity):
        raise Misconfigured(f"--severity: CHECK=SEVERITY was wanted, found {', '.join(asked.severity)}")
    newest = {evidence.verdict.check: evidence for evidence in EvidenceStore().of(asked.model, asked.version)}
    promotions = Promotions(asked.model, mlflow_conn_id=asked.mlflow_conn_id)
    entry = promotions.promote(
        asked.version,
        [(evidence.id, evidence.verdict) for evidence in newest.values()],
        asker(),
        reason=asked.reason,
        rule=Rule.of(asked.rule, dict(pair.split("=", 1) for pair in asked.severity)),
    )
    write_card(promotions.hook, asked.model, asked.version)
    return entry.to_json()


def show_entry(answer: dict[str, Any], console: Console) -> None:
    """Say who is champion now."""
    console.print(
        f"entry {answer['number']}: version {answer['version']} of {answer['model']} is champion, "
        f"it was {answer['previous'] or 'nobody'}"
    )


VERB = Verb("promote", "Make a judged version champion.", _arguments, _run, show_entry)
