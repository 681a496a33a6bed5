"""The columns of a database's table: what a suite and a profile take them for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.suite.plan import Column, Kind
from xops.engines.sql.dialect import Dialect

if TYPE_CHECKING:
    from sqlglot import exp

# by sqlglot's name of a type: the kind, the numpy type that pandas gives, DuckDB's name of the type
_TYPES = {
    "TINYINT": (Kind.INTEGER, "int8", "TINYINT"),
    "SMALLINT": (Kind.INTEGER, "int16", "SMALLINT"),
    "INT": (Kind.INTEGER, "int32", "INTEGER"),
    "BIGINT": (Kind.INTEGER, "int64", "BIGINT"),
    "FLOAT": (Kind.FLOAT32, "float32", "FLOAT"),
    "DOUBLE": (Kind.FLOAT, "float64", "DOUBLE"),
    "BOOLEAN": (Kind.BOOLEAN, "bool", "BOOLEAN"),
    "VARCHAR": (Kind.STRING, "", "VARCHAR"),
    "TEXT": (Kind.STRING, "", "VARCHAR"),
    "DATE": (Kind.DATE, "datetime64[ms]", "DATE"),
    "TIMESTAMP": (Kind.TIMESTAMP, "datetime64[us]", "TIMESTAMP"),
    "TIMESTAMPNTZ": (Kind.TIMESTAMP, "datetime64[us]", "TIMESTAMP"),
    "DATETIME": (Kind.TIMESTAMP, "datetime64[us]", "TIMESTAMP"),
    "TIMESTAMPTZ": (Kind.INSTANT, "", "TIMESTAMP WITH TIME ZONE"),
    "TIMESTAMPLTZ": (Kind.INSTANT, "", "TIMESTAMP WITH TIME ZONE"),
    "ENUM": (Kind.CATEGORY, "", "VARCHAR"),
}
_DOUBLES = ("snowflake", "bigquery")  # where FLOAT has 64 bits

_POSTGRES = """
SELECT a.attname, CASE WHEN b.typtype = 'e' THEN 'enum' ELSE pg_catalog.format_type(
    b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END) END
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type AS b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = pg_catalog.to_regclass($table) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_SNOWFLAKE = """CASE WHEN data_type = 'NUMBER'
    THEN 'NUMBER(' || numeric_precision || ',' || numeric_scale || ')' ELSE data_type END"""


def describing(table: exp.Table, dialect: Dialect) -> str:
    """Give the statement that lists a table's columns with their types, in their order; of no table it lists none."""
    import sqlglot
    from sqlglot import exp

    if dialect.name == "postgres":
        tree = sqlglot.parse_one(_POSTGRES, read="postgres")
        literal = exp.Literal.string(table.sql(dialect="postgres"))
        return tree.transform(lambda node: literal if isinstance(node, exp.Parameter) else node).sql(dialect="postgres")
    if dialect.name in ("spark", "databricks"):
        return f"DESCRIBE TABLE {table.sql(dialect=dialect.name)}"
    catalog, schema = table.args.get("catalog"), table.args.get("db")
    views = exp.Dot(this=exp.to_identifier("INFORMATION_SCHEMA"), expression=exp.to_identifier("COLUMNS"))
    scope = {"db": schema, "catalog": catalog} if dialect.name == "bigquery" else {"db": catalog}
    kind = "data_type" if dialect.name != "snowflake" else _SNOWFLAKE
    asked = exp.select("column_name", kind, dialect="snowflake").from_(
        exp.Table(this=views, **{name: part.copy() for name, part in scope.items() if part})
    )
    asked = asked.where(exp.column("table_name").eq(exp.Literal.string(table.name)))
    if schema:
        asked = asked.where(exp.column("table_schema").eq(exp.Literal.string(schema.name)))
    return asked.order_by("ordinal_position").sql(dialect=dialect.name)


def described(rows: Iterable[Sequence[Any]], dialect: Dialect) -> tuple[list[Column], dict[str, str]]:
    """Read what :func:`describing` gave: the columns as a suite sees them, and DuckDB's names of their types."""
    columns: list[Column] = []
    types: dict[str, str] = {}
    for name, written, *_ in rows:
        if not name or name.startswith("#"):  # Spark lists the partitioning after the columns
            break
        kind, dtype, types[name] = _type_of(str(written), dialect)
        columns.append(Column(name, len(columns), kind, dtype))
    return columns, types


def _type_of(written: str, dialect: Dialect) -> tuple[Kind, str, str]:
    from sqlglot import ParseError, exp

    try:
        found = exp.DataType.build(written, dialect=dialect.name)
    except (ParseError, ValueError):
        return Kind.OTHER, "", written.upper()
    name = found.this.name
    if name in ("DECIMAL", "BIGDECIMAL"):
        digits = [int(size.name) for size in found.expressions]
        if dialect.name == "snowflake" and digits[1:] == [0]:
            return _TYPES["BIGINT"]
        return Kind.DECIMAL, "", f"DECIMAL({', '.join(map(str, digits)) or '38, 10'})".replace(" ", "")
    if name == "FLOAT" and dialect.name in _DOUBLES:
        name = "DOUBLE"
    return _TYPES.get(name, (Kind.OTHER, "", written.upper()))
