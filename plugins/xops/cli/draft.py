"""``python -m xops draft``: a first contract and suite of data that nobody has described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of
from xops.core.contract.draft import draft
from xops.core.errors import Misconfigured
from xops.core.evidence import slug

if TYPE_CHECKING:
    import argparse

    import pyarrow as pa
    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="a CSV, JSON lines or Parquet file, or an Iceberg table: namespace.table")
    parser.add_argument("--out", default=".", help="the folder to write to (default: here)")
    parser.add_argument("--name", default="", help="of the dataset (default: the file's or the table's)")
    parser.add_argument("--conn-id", default="iceberg_default", help="connection of the catalog, for a table")
    parser.add_argument("--force", action="store_true", help="write over files that are there")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Profile the data, write contract and suite, and say what is in them.

    :raises Misconfigured: when the data cannot be read, or one of the files is there already.
    """
    from xops.engines.facts import facts_of

    file = Path(asked.data)
    rows = _file(file) if file.is_file() else _table(asked.data, asked.conn_id)
    name = asked.name or (file.name.split(".")[0] if file.is_file() else asked.data)
    drafted = draft(name, facts_of(rows, version=asked.data), rows.num_rows)
    folder = Path(asked.out)
    written = {
        folder / f"{slug(name)}.odcs.yaml": _yaml(drafted.document),
        folder / f"{slug(name)}.json": json.dumps(drafted.suite, indent=2, allow_nan=False) + "\n",
    }
    there = [str(path) for path in written if path.exists()]
    if there and not asked.force:
        raise Misconfigured(f"{', '.join(there)}: there already; --force writes over it, --out names another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    contract, suite = map(str, written)
    return {
        "contract": contract,
        "suite": suite,
        "rows": rows.num_rows,
        "expectations": drafted.suite["expectations"],
        "left_out": list(drafted.left_out),
    }


def _yaml(document: dict[str, Any]) -> str:
    """Write letters as they are, unless YAML would not read them back: some line ends of Unicode."""
    import yaml

    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text if yaml.safe_load(text) == document else yaml.safe_dump(document, sort_keys=False)


def _file(path: Path) -> pa.Table:
    """Read a file as it is read when it is staged, so that a draft has the types that its batches will have."""
    from xops.hooks.landing.sources import open_source

    return open_source(str(path)).reader().read_all()


def _table(name: str, conn_id: str) -> pa.Table:
    from xops.core.dataset.writes import BATCH
    from xops.hooks.iceberg.tables import IcebergHook

    if not all(part.isidentifier() for part in name.split(".")) or "." not in name:
        raise Misconfigured(f"{name}: no such file, and no name of a table either: namespace.table")
    lake = IcebergHook(conn_id)
    version = lake.published(name)
    if version is None:
        raise Misconfigured(f"{name}: no such file, and no table of which anything was published")
    return lake.rows(version, columns=[column for column in lake.columns(name) if column != BATCH])


def _show(answer: dict[str, Any], console: Console) -> None:
    table = table_of("column", "expectation", "reason", title=f"{answer['rows']} rows")
    for one in answer["expectations"]:
        kind = one["type"].removeprefix("expect_").removeprefix("column_").removeprefix("values_to_")
        table.add_row(one["kwargs"].get("column", ""), kind, one["notes"])
    console.print(table)
    for sentence in answer["left_out"]:
        console.print(f"left out: {sentence}")
    console.print(f"wrote {answer['contract']} and {answer['suite']}; read them before you rely on them")


VERB = Verb("draft", "Write a first contract and suite from the data.", _arguments, _run, _show)
