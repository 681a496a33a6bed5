"""``python -m xops versions``: what readers saw of a dataset and when, and what waits or is in quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help="the dataset: namespace.table, a folder or URL of Parquet files, sql://...")
    parser.add_argument("--conn-id", default="iceberg_default", help="connection of the catalog, for an Iceberg table")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Give the versions that are kept, oldest first, and what is in quarantine."""
    from xops.hooks.datasets.store import store_of
    from xops.hooks.datasets.versions import versions_of

    names = versions_of(asked.table, iceberg_conn_id=asked.conn_id)
    lake = store_of(asked.table, iceberg_conn_id=asked.conn_id)
    now = lake.published(asked.table)
    tags = names.tags(asked.table)
    versions = [
        {
            "version": one.name,
            "since": names.shown_since(one).isoformat(timespec="seconds"),
            "tags": [tag for tag, version in tags.items() if version.snapshot == one.snapshot],
            "seen": now is not None and one.snapshot == now.snapshot,
        }
        for one in lake.versions(asked.table)
    ]
    return {
        "table": asked.table,
        "versions": versions,
        "quarantined": [one.to_json() for one in lake.quarantined(asked.table)],
    }


def _show(answer: dict[str, Any], console: Console) -> None:
    table = table_of("version", "first seen", "tags", "")
    for one in answer["versions"]:
        table.add_row(one["version"], one["since"], ", ".join(one["tags"]), "readers see it" if one["seen"] else "")
    console.print(table if answer["versions"] else f"{answer['table']}: nothing was published")
    for one in answer["quarantined"]:
        console.print(f"in quarantine: batch {one['batch']}, {one['rows']} rows, {one['branch']}")


VERB = Verb("versions", "Show the versions of a dataset that are kept, and what is in quarantine.",
            _arguments, _run, _show)  # fmt: skip
