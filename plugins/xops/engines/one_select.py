"""A suite decided by one SELECT over the rows, in DuckDB."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from xops.core.errors import Misconfigured, bounded
from xops.core.suite import compile_expectation, entry_of
from xops.core.suite_plan import Column, Plan, columns_of, text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    Rows: TypeAlias = pa.Table | Sequence[str]

_LOG = logging.getLogger(__name__)
_RESCANS = "distinct_aggregate_rewrite"  # the optimizer that reads the source again for distinct counts


def decide(rows: Rows, suite: Mapping[str, Any], *, memory_limit: str = "") -> list[dict[str, Any] | None]:
    """Decide what one SELECT over the rows can decide of a suite.

    Where values turn out to repeat, a second SELECT over those columns alone counts the rows that share one.

    :param rows: an Arrow table, or the paths of Parquet files of one schema.
    :param memory_limit: DuckDB's, as ``2GB``; past it, it spills to disk. Empty for DuckDB's own, 80 % of the memory.
    :returns: for each expectation the entry of the validation result; None where Great Expectations has to decide.
    :raises Misconfigured: when a file is missing or is no Parquet file.
    """
    import duckdb

    asked = suite["expectations"]
    columns = columns_of((field.name, str(field.type)) for field in _schema(rows))
    plans = [compile_expectation(expectation, columns) for expectation in asked]
    asks = list(dict.fromkeys(ask for plan in plans if plan for ask in plan.asks))
    try:
        with connect(rows, memory_limit) as connection:
            measured = measure(connection, rows, columns, asks)
            more = list(dict.fromkeys(ask for plan in plans if plan for ask in plan.recount(measured)))
            measured |= measure(connection, rows, columns, more)
    except duckdb.Error as error:
        if not _is_table(rows):
            raise Misconfigured(f"{bounded(', '.join(rows))}: Parquet files were wanted: {bounded(error)}") from error
        _LOG.warning("the suite %s is left to Great Expectations: %s", suite.get("name"), bounded(error))
        return [None] * len(asked)
    return [_entry(one, plan, measured) for one, plan in zip(asked, plans, strict=True)]


def measure(
    connection: duckdb.DuckDBPyConnection, rows: Rows, columns: Sequence[Column], asks: Sequence[str]
) -> dict[str, Any]:
    """Evaluate aggregates over the rows in one statement.

    :returns: what was found, by the text that asked for it; without a statement where nothing is asked.
    """
    if not asks:
        return {}
    found = connection.execute(select(rows, columns, asks)).fetchone() or ()
    return dict(zip(asks, found, strict=True))


def select(rows: Rows, columns: Sequence[Column], asks: Sequence[str]) -> str:
    """Give the statement that evaluates aggregates over the rows.

    No name of a column is in it: the source's columns are ``r0, r1, ...`` by their place.
    """
    raw = ", ".join(f"r{column.place}" for column in columns) or "r0"
    projected = ", ".join(column.projection for column in columns) or "1"
    batch = f"batch AS NOT MATERIALIZED (SELECT {projected} FROM {_source(rows)} AS source({raw}))"  # noqa: S608 - no text of a user but quoted paths
    named = ", ".join(f"{ask} AS m{place}" for place, ask in enumerate(asks))
    scans = any(not ask.startswith("(SELECT") for ask in asks)
    return f"WITH {batch} SELECT {named}{' FROM batch' if scans else ''}"  # noqa: S608


def connect(rows: Rows, memory_limit: str = "") -> duckdb.DuckDBPyConnection:
    """Open a database of its own that reads the rows once a statement."""
    import duckdb

    connection = duckdb.connect(config={"memory_limit": memory_limit} if memory_limit else {})
    known = connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
    if (_RESCANS,) in known:
        connection.execute(f"SET disabled_optimizers = '{_RESCANS}'")
    if _is_table(rows) and rows.num_columns:
        connection.register("arrow_rows", _Stream(rows.rename_columns([f"r{n}" for n in range(rows.num_columns)])))
    return connection


class _Stream:
    """An Arrow table as DuckDB reads it without pyarrow's datasets, which import pandas."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def _schema(rows: Rows) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if _is_table(rows):
        return rows.schema
    try:
        return pq.read_schema(rows[0])
    except (OSError, pa.ArrowException, IndexError) as error:
        raise Misconfigured(f"{bounded(', '.join(rows))}: Parquet files were wanted: {bounded(error)}") from error


def _source(rows: Rows) -> str:
    if _is_table(rows):
        return "arrow_rows" if rows.num_columns else "(SELECT NULL LIMIT 0)"
    return f"read_parquet([{', '.join(map(text, rows))}])"


def _is_table(rows: Rows) -> TypeGuard[pa.Table]:
    return not isinstance(rows, (list, tuple))


def _entry(asked: Mapping[str, Any], plan: Plan | None, measured: Mapping[str, Any]) -> dict[str, Any] | None:
    answer = plan.answer(measured) if plan else None
    return entry_of(asked, answer) if answer else None
