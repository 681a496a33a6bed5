"""``python -m xops rollback``: put a former champion back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb
from xops.cli.promote import show_entry

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the registered model")
    parser.add_argument("--to", default="previous", help="previous (default), or a version that was champion before")
    parser.add_argument("--reason", required=True, help="kept in the promotion log")
    parser.add_argument("--force", action="store_true", help="even if today's data do not fit the version")
    parser.add_argument("--mlflow-conn-id", default="mlflow_default", help="connection of MLflow")
    parser.add_argument("--iceberg-conn-id", default="iceberg_default", help="connection of the catalog")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    from xops.hooks.models.cards import write_cards_after
    from xops.hooks.models.person import asker
    from xops.hooks.models.promotions import Promotions

    promotions = Promotions(asked.model, mlflow_conn_id=asked.mlflow_conn_id)
    entry = promotions.roll_back(
        asked.to, asker(), reason=asked.reason, force=asked.force, iceberg_conn_id=asked.iceberg_conn_id
    )
    write_cards_after(promotions.hook, entry)
    return entry.to_json()


VERB = Verb("rollback", "Put a former champion back.", _arguments, _run, show_entry)
