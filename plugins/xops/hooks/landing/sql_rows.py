"""Rows of a query, in batches: read from a cursor of the server, with the types that the database gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.engines.files.column_types import Declared
from xops.hooks.sql.databases import answering, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from sqlalchemy import Select

_ROWS = 10_000
_POSTGRES = {
    16: "bool", 17: "binary", 19: "string", 20: "int64", 21: "int16", 23: "int32", 25: "string", 114: "string",
    700: "float", 701: "double", 1042: "string", 1043: "string", 1082: "date32", 1083: "time64[us]",
    1114: "timestamp[us]", 2950: "string", 3802: "string",
}  # fmt: skip
_TIMESTAMPTZ, _NUMERIC = 1184, 1700


def read_query(
    conn_id: str,
    sql: str | Select[Any],
    types: Mapping[str, pa.DataType],
    name: str,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Give the schema and the record batches of a query's answer; one statement sees one state of the database.

    Rows of a table that nobody changes, asked for without more ado, come in the same order each time.

    :param sql: one SELECT, as text or of SQLAlchemy. Text is code: values from outside go into ``parameters``.
    :param types: Arrow types of columns. Others have PostgreSQL's type, or elsewhere that of their first values.
    :param name: what the query is called in an error.
    :param parameters: values for the places that ``sql`` names ``:so``.
    """
    batches = _batches(conn_id, sql, types, name, parameters)
    schema = next(batches)
    return schema, batches  # type: ignore[return-value]


def table_query(conn_id: str, table: str) -> str:
    """Give the query for all rows of a table, its name quoted as its database does.

    :param table: ``table`` or ``schema.table``.
    """
    from sqlglot import exp

    dialect = engine_of(conn_id).dialect.name
    parts = [exp.to_identifier(part, quoted=True) for part in table.split(".")]
    named = exp.Table(this=parts[-1], db=parts[-2] if len(parts) > 1 else None)
    return exp.select("*").from_(named).sql(dialect_of(dialect))


def dialect_of(name: str) -> str:
    """Give sqlglot's name of SQLAlchemy's dialect."""
    return {"postgresql": "postgres", "mssql": "tsql"}.get(name, name)


def _batches(
    conn_id: str,
    sql: str | Select[Any],
    types: Mapping[str, pa.DataType],
    name: str,
    parameters: Mapping[str, Any] | None,
) -> Iterator[Any]:
    """Give the schema first, and then the record batches; the cursor is open in between."""
    from sqlalchemy import text

    statement = text(sql if parameters else sql.replace(":", r"\:")) if isinstance(sql, str) else sql
    what = f"source {name}"
    engine = engine_of(conn_id)
    try:
        with answering(what), engine.connect() as connection:
            if engine.dialect.name == "postgresql":  # a scan starts at the first row, and not where another one is
                connection.execute(text("SET LOCAL synchronize_seqscans TO off"))
            answer = connection.execution_options(stream_results=True).execute(statement, dict(parameters or {}))
            if not answer.returns_rows:
                raise Misconfigured(f"{what}: a query that gives rows was wanted")
            described = answer.cursor.description
            rows = answer.fetchmany(_ROWS)
            schema = _schema(described, rows, types, name, postgres=engine.dialect.name == "postgresql")
            yield schema
            while rows:
                yield _batch(rows, schema, name)
                rows = answer.fetchmany(_ROWS)
    finally:
        engine.dispose()


def _schema(
    described: Sequence[Any], rows: Sequence[Any], types: Mapping[str, pa.DataType], name: str, *, postgres: bool
) -> pa.Schema:
    import pyarrow as pa

    names = [column[0] for column in described]
    declared = types if isinstance(types, Declared) else Declared(types)
    types = declared.among(names, f"source {name}", ", the query gives")
    fields = []
    for place, column in enumerate(described):
        kind = types.get(names[place]) or (
            _type_of(column) if postgres else _inferred(names[place], [row[place] for row in rows], name)
        )
        if kind is None:
            raise Misconfigured(
                f"source {name}: column {names[place]} has no type that can be told from the query; declare it, or "
                "cast the column in the query"
            )
        fields.append(pa.field(names[place], kind))
    return pa.schema(fields)


def _type_of(column: Any) -> pa.DataType | None:
    """Give the Arrow type of a column of PostgreSQL; None for a numeric without precision, an array, an interval..."""
    import pyarrow as pa

    if column[1] == _TIMESTAMPTZ:
        return pa.timestamp("us", "UTC")
    if column[1] == _NUMERIC and column[4]:
        scale = column[5] or 0  # below 0, or above the precision, in columns that somebody made so
        digits = max(column[4], scale, column[4] - scale)
        return pa.decimal128(digits, max(scale, 0)) if digits <= 38 else None  # noqa: PLR2004 - of decimal128
    return pa.type_for_alias(_POSTGRES[column[1]]) if column[1] in _POSTGRES else None


def _inferred(column: str, values: list[Any], name: str) -> pa.DataType | None:
    import pyarrow as pa

    try:
        kind = pa.array(values).type
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise Misconfigured(
            f"source {name}: the first {len(values)} values of column {column} are not of one type; declare it"
        ) from error
    return None if pa.types.is_null(kind) else kind


def _batch(rows: Sequence[Any], schema: pa.Schema, name: str) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = []
    for field, values in zip(schema, zip(*rows, strict=True), strict=True):
        try:
            arrays.append(_array(values, field.type))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise Misconfigured(
                f"source {name}: column {field.name} has a value that is not of type {field.type}; declare its type"
            ) from error
    return pa.record_batch(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.array([_plain(value) for value in values], kind)


def _plain(value: Any) -> Any:
    """Give what a driver made of JSON or of a UUID back as text."""
    from uuid import UUID

    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, UUID) else value
