"""``python -m xops diff``: what became different from one version of a dataset to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of
from xops.core.dataset.versions import table_named

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", help="the earlier version: table@snapshot, table@tag or table@2026-01-31T06:00:00Z")
    parser.add_argument("after", help="the later one, named so, or table for what readers see now")
    parser.add_argument("--key", required=True, help="the columns that identify a row, separated by commas")
    parser.add_argument("--profile", action="store_true", help="compare the columns' figures too; reads every row")
    parser.add_argument("--show-keys", action="store_true", help="name the first keys that differ: they are your data")
    parser.add_argument("--conn-id", default="iceberg_default", help="connection of the catalog, for an Iceberg table")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Find both versions and compare them."""
    from xops.hooks.datasets.versions import versions_of
    from xops.hooks.store.objects import Objects
    from xops.hooks.store.profiles import ProfileStore

    versions = versions_of(table_named(asked.after), iceberg_conn_id=asked.conn_id)
    found = versions.diff(
        versions.find(asked.before),
        versions.find(asked.after),
        key=asked.key.split(","),
        profiles=ProfileStore(Objects.configured()) if asked.profile else None,
        show_keys=asked.show_keys,
    )
    return found.to_json()


def _show(answer: dict[str, Any], console: Console) -> None:
    rows = table_of("", "rows", title=f"{answer['before']} to {answer['after']}")
    for what in ("rows_before", "added", "removed", "changed", "rows_after"):
        rows.add_row(what.replace("rows_", ""), str(answer[what]))
    console.print(rows)
    if answer["by_column"] or answer["schema"] or answer["profile"]:
        columns = table_of("column", "what", "before", "after")
        for name, count in answer["by_column"].items():
            columns.add_row(name, f"differs in {count} rows")
        for one in answer["schema"]:
            columns.add_row(one["column"], one["change"], one["before"], one["after"])
        for one in answer["profile"]:
            columns.add_row(one["column"], one["figure"], str(one["before"]), str(one["after"]))
        console.print(columns)
    for kind, keys in answer["keys"].items():
        for key in keys:
            console.print(f"{kind}: {', '.join(f'{name} {value}' for name, value in key.items())}")


VERB = Verb("diff", "Compare two versions of a dataset.", _arguments, _run, _show)
