"""One SELECT over rows that DuckDB reads: its text, and the connection on which it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import duckdb

_RESCANS = "distinct_aggregate_rewrite"  # the optimizer that reads the source again for distinct counts


class Unanswered(Misconfigured):
    """DuckDB could not answer what was asked of the rows."""


@contextlib.contextmanager
def connected(version: str, memory_limit: str, *, threads: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection for one query.

    :param version: what the rows are, as an error names it.
    :param memory_limit: DuckDB's; empty for its own.
    :param threads: 0 for as many as there are processors.
    :raises Unanswered: for whatever DuckDB raises.
    """
    import duckdb

    config: dict[str, Any] = {"preserve_insertion_order": "false"}
    config |= {"memory_limit": memory_limit} if memory_limit else {}
    config |= {"threads": threads} if threads else {}
    try:
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            known = connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
            if (_RESCANS,) in known:
                connection.execute(f"SET disabled_optimizers = '{_RESCANS}'")
            yield connection
    except duckdb.Error as error:
        raise Unanswered(f"{version}: its rows could not be read: {bounded(error)}") from error


def statement(aggregates: Mapping[str, str], projections: Sequence[str], *, rows: str, places: Sequence[int]) -> str:
    """Give the SELECT.

    :param aggregates: see :meth:`xops.engines.duckdb_scan.DuckdbScan.scan`; they come out in their order.
    :param rows: what DuckDB reads, as SQL.
    :param places: the places of its columns.
    """
    raw = ", ".join(f"r{place}" for place in places) or "r0"
    computed = ", ".join([f"source.{name}" for name in raw.split(", ")] + list(projections))
    asked = ", ".join(f"{ask} AS m{place}" for place, ask in enumerate(aggregates.values()))
    scans = any(not ask.startswith("(SELECT") for ask in aggregates.values())
    return (
        f"WITH batch AS NOT MATERIALIZED (SELECT {computed} FROM {rows} AS source({raw})) "  # noqa: S608 - places and quoted strings only
        f"SELECT {asked}{' FROM batch' if scans else ''}"
    )


def parquet(paths: Sequence[str]) -> str:
    """Give Parquet files on this machine as SQL that reads them; a folder's name is not taken for a column's value."""
    return f"read_parquet([{', '.join(quoted(literal(path)) for path in paths)}], hive_partitioning = false)"


def literal(path: str) -> str:
    """Give a path as a pattern of DuckDB's that no other path fits."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def quoted(text: str) -> str:
    """Give ``text`` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
