"""Queries of a user's over rows, each of which counts what it finds; they reach the rows and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured, bounded
from xops.engines.duckdb_query import connected
from xops.engines.one_read import OneRead
from xops.engines.sources import Rows, reading, source_of

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

BATCH = "xops_batch"
_CLOSED = ("python_enable_replacements = false", "enable_external_access = false", "lock_configuration = true")


def only_query(text: str, dialect: str) -> exp.Query:
    """Read a query.

    :raises Misconfigured: when it is anything but one query that only reads.
    """
    import sqlglot
    from sqlglot import exp

    try:
        found = [tree for tree in sqlglot.parse(text, dialect=dialect) if tree is not None]
    except sqlglot.errors.SqlglotError as error:
        raise Misconfigured(f"a query could not be read: {bounded(error)}") from error
    if len(found) != 1 or not isinstance(found[0], exp.Query) or list(found[0].find_all(exp.DML, exp.Into)):
        raise Misconfigured(f"one SELECT was wanted, found {bounded(text)}")
    return found[0]


def counting(query: exp.Query, dialect: str) -> str:
    """Give the statement that counts the rows of a query."""
    from sqlglot import exp

    return exp.select(exp.Count(this=exp.Star())).from_(query.subquery("unexpected")).sql(dialect=dialect)


def count_rows(rows: Rows, queries: Sequence[str], *, memory_limit: str = "") -> list[int | str]:
    """Count the rows that queries give, in DuckDB; the rows are read once, and past the memory they are on disk.

    :param rows: as :class:`~xops.engines.duckdb_scan.DuckdbScan` takes them.
    :param queries: in DuckDB's SQL, over the table ``BATCH``, which has the rows' columns by their names.
    :returns: for each the number, or why it could not be had; no value of a row is in it.
    """
    import duckdb

    source = source_of(rows)
    names = source.schema.names
    trees = [_read(query) for query in queries]
    wanted = {name for tree in trees if not isinstance(tree, str) for name in _needed(tree, names)}
    places = [place for place, name in enumerate(names) if name in wanted] or [0]
    with connected("the rows of a suite", memory_limit) as connection:
        with reading("the rows of a suite"):
            stream = OneRead(source, {}, places)
        connection.register("one_read", stream)
        named = ", ".join(f"r{place} AS {_quoted(names[place])}" for place in places)
        try:
            connection.execute(f"CREATE TABLE {BATCH} AS SELECT {named} FROM one_read")  # noqa: S608 - quoted names
        except duckdb.Error:
            if stream.error is not None:
                with reading("the rows of a suite"):
                    raise stream.error from None
            raise
        connection.unregister("one_read")
        for closed in (
            "python_enable_replacements = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {closed}")
        return [tree if isinstance(tree, str) else _counted(connection, tree) for tree in trees]


def _read(query: str) -> exp.Query | str:
    try:
        return only_query(query, "duckdb")
    except Misconfigured as error:
        return str(error)


def _counted(connection: duckdb.DuckDBPyConnection, query: exp.Query) -> int | str:
    import duckdb

    try:
        ((rows,),) = connection.execute(counting(query, "duckdb")).fetchall()
    except (
        duckdb.BinderException,
        duckdb.CatalogException,
        duckdb.ParserException,
        duckdb.PermissionException,
    ) as error:
        return f"the query could not be run: {bounded(error)}"  # these name tables and columns
    except duckdb.Error as error:
        return f"the query could not be run: {type(error).__name__}, at a value that is not shown"
    return int(rows)


def _needed(query: exp.Query, names: Sequence[str]) -> list[str]:
    """Give the columns that a query over the rows alone may read; of one that is more than that, all."""
    from sqlglot import exp

    stars = [star for star in query.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    named = {column.name.lower() for column in query.find_all(exp.Column)}
    tables = list(query.find_all(exp.Table))
    alone = isinstance(query, exp.Select) and not query.args.get("distinct") and len(tables) == 1
    if (
        not alone
        or any(star.parent is not query for star in stars)
        or {one.alias_or_name.lower() for one in tables} & named
    ):
        return list(names)
    return [name for name in names if name.lower() in named]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
