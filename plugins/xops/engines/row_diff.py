"""Two sets of rows compared key by key in DuckDB, out of core."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "384MB"
SHOWN = 20  # keys of each kind, where showing them is allowed


@dataclass(frozen=True, slots=True)
class RowDiff:
    """How many rows two sets share, and how they differ.

    :param changed_in: for each compared column, the rows of one key that differ in it.
    :param keys: by ``added``, ``removed`` and ``changed``, the first keys in their order; empty unless asked for.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int
    changed_in: Mapping[str, int]
    keys: Mapping[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)


def compare_rows(
    before: pa.RecordBatchReader,
    after: pa.RecordBatchReader,
    *,
    key: Sequence[str],
    show_keys: bool = False,
    memory_limit: str = MEMORY,
) -> RowDiff:
    """Compare two streams of rows; each is read once, and what does not fit into memory goes to a temporary folder.

    Null equals null, and NaN equals NaN. Columns that only one side has are not compared. A column that is a number on
    both sides is compared as a number; one whose type changed otherwise, as text.

    :param key: columns that identify a row on either side.
    :raises Misconfigured: when a side lacks a key column, or two of its rows share a key.
    """
    import duckdb

    sides = {"before": before.schema, "after": after.schema}
    for side, schema in sides.items():
        absent = [name for name in key if name not in schema.names]
        if absent or not key:
            raise Misconfigured(
                f"the version {side} has no column {bounded(', '.join(absent)) or 'named'} to be the key; "
                f"it has {bounded(', '.join(schema.names))}"
            )
    compared = [name for name in after.schema.names if name in before.schema.names and name not in key]
    with tempfile.TemporaryDirectory(prefix="xops-diff-") as folder:
        config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "preserve_insertion_order": "false",
            "temp_directory": folder,
        }
        with duckdb.connect(str(Path(folder) / "rows.duckdb"), config=config) as connection:
            connection.execute("SET enable_progress_bar = false").fetchall()
            for side, reader in (("before", before), ("after", after)):
                _load(connection, side, reader, [*key, *compared])
                _unique(connection, side, key)
            return _compared(connection, key, compared, sides, show_keys=show_keys)


def _load(connection: duckdb.DuckDBPyConnection, side: str, reader: pa.RecordBatchReader, names: Sequence[str]) -> None:
    """Make the table of a side; its columns go by their places, so that no name is part of a statement."""
    raw = ", ".join(f"r{place}" for place in range(len(reader.schema)))
    wanted = ", ".join(f"source.r{reader.schema.get_field_index(name)} AS c{at}" for at, name in enumerate(names))
    connection.register("arrow_rows", reader)
    statement = f"CREATE TABLE {side} AS SELECT true AS here, {wanted} FROM arrow_rows AS source({raw})"  # noqa: S608 - places only
    connection.execute(statement).fetchall()
    connection.unregister("arrow_rows")


def _unique(connection: duckdb.DuckDBPyConnection, side: str, key: Sequence[str]) -> None:
    places = ", ".join(f"c{at}" for at in range(len(key)))
    statement = f"SELECT count(*) FROM (SELECT 1 FROM {side} GROUP BY {places} HAVING count(*) > 1)"  # noqa: S608 - places only
    ((doubled,),) = connection.execute(statement).fetchall()
    if doubled:
        raise Misconfigured(
            f"the version {side}: {doubled} values of the key {', '.join(key)} are shared by more than one row; "
            "name the columns that identify a row"
        )


def _compared(
    connection: duckdb.DuckDBPyConnection,
    key: Sequence[str],
    compared: Sequence[str],
    sides: Mapping[str, pa.Schema],
    *,
    show_keys: bool,
) -> RowDiff:
    first = len(key)
    on = " AND ".join(f"before.c{at} IS NOT DISTINCT FROM after.c{at}" for at in range(first))
    differs = [
        _differs(f"c{first + at}", sides["before"].field(name).type, sides["after"].field(name).type)
        for at, name in enumerate(compared)
    ]
    kinds = {
        "added": "before.here IS NULL",
        "removed": "after.here IS NULL",
        "changed": f"before.here AND after.here AND ({' OR '.join(differs) or 'false'})",
    }
    columns = [f"before.here AND after.here AND {one}" for one in differs]
    asked = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in [*kinds.values(), *columns])
    joined = f"before FULL OUTER JOIN after ON {on}"
    statement = f"SELECT count(before.here), count(after.here), {asked} FROM {joined}"  # noqa: S608 - places only
    (counts,) = connection.execute(statement).fetchall()
    keys: dict[str, tuple[dict[str, Any], ...]] = {}
    if show_keys:
        values = ", ".join(f"coalesce(after.c{at}, before.c{at}) AS k{at}" for at in range(first))
        order = ", ".join(f"k{at}" for at in range(first))
        for kind, condition in kinds.items():
            statement = f"SELECT {values} FROM {joined} WHERE {condition} ORDER BY {order} LIMIT {SHOWN}"  # noqa: S608 - places only
            rows = connection.execute(statement).fetchall()
            keys[kind] = tuple(dict(zip(key, row, strict=True)) for row in rows)
    changed_in = {name: count for name, count in zip(compared, counts[5:], strict=True) if count}
    before, after, added, removed, changed = counts[:5]
    return RowDiff(before, after, added, removed, changed, changed_in, keys)


def _differs(column: str, before: pa.DataType, after: pa.DataType) -> str:
    if before == after or (_is_number(before) and _is_number(after)):
        return f"before.{column} IS DISTINCT FROM after.{column}"
    return f"before.{column}::VARCHAR IS DISTINCT FROM after.{column}::VARCHAR"


def _is_number(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
