"""What differs between the databases whose tables are tested in place, beyond what sqlglot translates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.suite.plan import Column, Kind

if TYPE_CHECKING:
    from sqlglot import exp

_SPARK_MOMENTS = (
    "TIMESTAMPDIFF(MICROSECOND, CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ), {r})",
    "UNIX_MICROS({r})",
)
_EXOTIC = 1e140  # the square of a number beyond it may be past the greatest double


@dataclass(frozen=True, slots=True)
class Dialect:
    """A database's SQL.

    :param name: as sqlglot calls it.
    :param end_of_text: the very end of a text in its regular expressions; None where they are too unlike Python's.
    :param nan_equals: whether NaN = NaN.
    :param wide: the type that holds any sum of integers; empty where the sum itself does.
    :param groups_floats: whether rows may be partitioned by a double.
    :param hashed: 64 bits of a text {v}, the same in every release; empty where profiles are made in another way.
    :param moment_digits: after the second, to be said of a timestamp that has fewer where nothing is; 0 elsewhere.
    :param moments: microseconds since 1970 of a timestamp {r}: without a zone, and with one.
    """

    name: str
    end_of_text: str | None = r"\z"
    nan_equals: bool = True
    wide: str = ""
    groups_floats: bool = True
    hashed: str = ""
    moment_digits: int = 0
    moments: tuple[str, str] = ("epoch_us({r})", "epoch_us({r})")


DIALECTS: Mapping[str, Dialect] = {
    "postgresql": Dialect("postgres", end_of_text="$"),
    "snowflake": Dialect(
        "snowflake",
        end_of_text=None,
        hashed="MD5_NUMBER_LOWER64({v})",
        moments=(
            "DATEDIFF(MICROSECOND, CAST('1970-01-01' AS TIMESTAMP_NTZ), {r})",
            "DATEDIFF(MICROSECOND, CAST('1970-01-01 00:00:00+00:00' AS TIMESTAMP_TZ), {r})",
        ),
    ),
    "bigquery": Dialect(
        "bigquery",
        nan_equals=False,
        wide="BIGNUMERIC",
        groups_floats=False,
        hashed="FARM_FINGERPRINT({v})",
        moments=("DATETIME_DIFF({r}, CAST('1970-01-01' AS DATETIME), MICROSECOND)", "UNIX_MICROS({r})"),
    ),
    "trino": Dialect(
        "trino",
        nan_equals=False,
        wide="DECIMAL(38, 0)",
        hashed="FROM_BIG_ENDIAN_64(XXHASH64(TO_UTF8({v})))",
        moment_digits=6,
        moments=("ROUND(TO_UNIXTIME({r}) * 1000000)", "ROUND(TO_UNIXTIME({r}) * 1000000)"),
    ),
    "spark": Dialect("spark", wide="DECIMAL(38, 0)", hashed="XXHASH64({v})", moments=_SPARK_MOMENTS),
    "databricks": Dialect("databricks", wide="DECIMAL(38, 0)", hashed="XXHASH64({v})", moments=_SPARK_MOMENTS),
}


def dialect_of(name: str) -> Dialect:
    """Give the dialect of a database, as its Airflow hook names it.

    :raises Misconfigured: for a database whose SQL is not made here.
    """
    if name not in DIALECTS:
        raise Misconfigured(
            f"tables of {name} cannot be tested in place; that is done for {', '.join(DIALECTS)}. Stage the rows and "
            "test them there"
        )
    return DIALECTS[name]


def lowered(tree: exp.Expr, columns: Mapping[str, Column], dialect: Dialect) -> exp.Expr:
    """Rewrite an expression of DuckDB's where the database computes otherwise and sqlglot leaves it as it is.

    :param columns: by their name in SQL, ``c0``...
    """
    from sqlglot import exp

    for cast in list(tree.find_all(exp.Cast)):
        if dialect.moment_digits and cast.to.is_type("timestamp", "timestampntz", "timestamptz"):
            cast.to.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(dialect.moment_digits))])
        if isinstance(cast.parent, (exp.Avg, exp.Sum, exp.StddevSamp, exp.Add)) and _is_exotic(cast, columns):
            cast.replace(_tamed(cast))
    for total in list(tree.find_all(exp.Sum)):
        if dialect.wide and isinstance(total.this, exp.Column):
            total.set("this", exp.cast(total.this, exp.DataType.build(dialect.wide, dialect=dialect.name)))
    if not dialect.groups_floats:
        for window in tree.find_all(exp.Window):
            window.set("partition_by", [_as_key(key, columns) for key in window.args.get("partition_by") or ()])
    return tree


def _is_exotic(cast: exp.Cast, columns: Mapping[str, Column]) -> bool:
    column = columns.get(cast.this.name)
    return column is not None and column.kind in (Kind.FLOAT, Kind.FLOAT32, Kind.DECIMAL)


def _tamed(value: exp.Cast) -> exp.Expr:
    """Give a number whose sums and squares raise nothing: infinity for what is exotic."""
    from sqlglot import exp

    infinity = exp.cast(exp.Literal.string("Infinity"), "DOUBLE", dialect="duckdb")
    limit = exp.cast(exp.Literal.string(repr(_EXOTIC)), "DOUBLE", dialect="duckdb")
    far = exp.GT(this=exp.Abs(this=value.copy()), expression=limit)
    return exp.Case().when(far, infinity).else_(value.copy())


def _as_key(key: Any, columns: Mapping[str, Column]) -> Any:
    from sqlglot import exp

    column = columns.get(key.name) if isinstance(key, exp.Column) else None
    if column is None or column.kind not in (Kind.FLOAT, Kind.FLOAT32):
        return key
    return exp.cast(exp.Add(this=key, expression=exp.Literal.number("0.0")), "TEXT", dialect="duckdb")  # -0.0 is 0.0
