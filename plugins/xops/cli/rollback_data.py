"""``python -m xops rollback-data``: let readers see an earlier version of a dataset again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", help="the earlier version: table@snapshot, table@tag or table@2026-01-31T06:00:00Z")
    parser.add_argument("--reason", required=True, help="kept in the record of the rollback")
    parser.add_argument("--conn-id", default="iceberg_default", help="connection of the catalog, for an Iceberg table")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    from xops.hooks.datasets.rollbacks import roll_back
    from xops.hooks.models.person import asker

    who = asker()
    return roll_back(asked.version, key=who.key, by=who.by, reason=asked.reason, iceberg_conn_id=asked.conn_id)


def _show(answer: dict[str, Any], console: Console) -> None:
    console.print(
        f"readers see {answer['version']} again, they saw {answer['before']}; what was published since is in quarantine"
    )


VERB = Verb("rollback-data", "Let readers see an earlier version of a dataset again.", _arguments, _run, _show)
