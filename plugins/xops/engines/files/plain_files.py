"""Parquet files on this machine whose columns are all plain, told by DuckDB alone.

Loading Arrow and numpy takes longer than to test a table of a hundred rows; DuckDB needs neither.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.suite.plan import EVERY, NUMBERS, Column, Kind, columns_of
from xops.engines.duckdb_query import literal
from xops.engines.files.arrow_schema import type_tags

if TYPE_CHECKING:
    import duckdb

_SIMPLE = {  # Arrow's names of the types that DuckDB says of a file's columns
    "BOOLEAN": "bool", "FLOAT": "float", "DOUBLE": "double", "VARCHAR": "string", "DATE": "date32[day]",
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "UTINYINT": "uint8",
    "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
}  # fmt: skip
_AS_STORED = (2, 3, 5, 6, 7, 8, 10, 20)  # Int, FloatingPoint, Utf8, Bool, Decimal, Date, Timestamp, LargeUtf8
_LONG = 65_536  # bytes of footers
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_UNIT = re.compile(r"TimestampType\(isAdjustedToUTC=([01]), unit=.*\b(MILLIS|MICROS|NANOS)=\w+Seconds")
_UNITS = {"MILLIS": "ms", "MICROS": "us", "NANOS": "ns"}
_STORED = {("FLOAT", "FLOAT"), ("DOUBLE", "DOUBLE"), ("VARCHAR", "BYTE_ARRAY")}  # others are half or long decimals
_SCHEMA = "SELECT file_name, name, type, converted_type, logical_type, duckdb_type, num_children FROM parquet_schema(?)"
_CHUNKS = "SELECT column_id, num_values, stats_null_count, stats_min_value, stats_max_value FROM parquet_metadata(?)"
_ARROW = "SELECT file_name, value FROM parquet_kv_metadata(?) WHERE key = 'ARROW:schema'::BLOB"


@dataclass(frozen=True, slots=True)
class PlainFiles:
    """What is known of files without reading their rows.

    :param columns: their columns.
    :param stated: the aggregates that their footers tell, by their SQL; see :func:`xops.engines.files.footers.stated`.
    """

    columns: list[Column]
    stated: Mapping[str, Any]


def long_footers(paths: Sequence[str]) -> bool:
    """Tell whether to read the footers of files takes DuckDB longer than it takes to load Arrow, which reads them fast.

    Of a file that is no whole Parquet file nothing is told: whoever reads it says so.
    """
    size = 0
    for path in paths:
        with contextlib.suppress(OSError), Path(path).open("rb") as file:
            file.seek(-8, io.SEEK_END)
            length, magic = file.read(4), file.read(4)
            size += int.from_bytes(length, "little") if magic == b"PAR1" else 0
    return size > _LONG


def plain_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> PlainFiles | None:
    """Read the footers of files.

    :returns: None where a column is not plain: nested, of a rare type, in a dictionary, or not alike in all; or where
        a footer cannot be read.
    """
    import duckdb

    named = [list(map(literal, paths))]
    try:
        fields, kept, chunks = (connection.execute(asked, named).fetchall() for asked in (_SCHEMA, _ARROW, _CHUNKS))
    except duckdb.Error:
        return None
    by_file: dict[str, list[tuple[Any, ...]]] = {}
    for file, *field in fields:
        by_file.setdefault(file, []).append(tuple(field))
    (_, *first), *others = by_file.values()
    names = [name for name, *_ in first]
    types = [_type(*field) for _, *field in first]
    if not first or any(listed[1:] != first for listed in others) or len(set(names)) < len(names) or None in types:
        return None
    if not all(_as_stored(schema) for _, schema in kept):
        return None
    columns = columns_of((name, str(kind)) for name, kind in zip(names, types, strict=True))
    return PlainFiles(columns, _stated(columns, chunks))


def _type(stored: str, converted: str | None, logical: str | None, told: str, children: int | None) -> str | None:
    """Give Arrow's name of a column's type; None for one that is not plain."""
    if children or (told == "VARCHAR" and converted != "UTF8"):
        return None
    if told in ("FLOAT", "DOUBLE", "VARCHAR") and (told, stored) not in _STORED:
        return None
    if unit := _UNIT.match(logical or ""):
        return f"timestamp[{_UNITS[unit[2]]}{', tz=UTC' if unit[1] == '1' else ''}]"
    if decimal := _DECIMAL.fullmatch(told):
        return f"decimal128({decimal[1]}, {decimal[2]})"
    return _SIMPLE.get(told)


def _as_stored(schema: bytes) -> bool:
    """Tell whether Arrow has each column just as Parquet has it."""
    try:
        return all(tag in _AS_STORED and not coded for tag, coded in type_tags(schema))
    except ValueError:
        return False


def _stated(columns: Sequence[Column], chunks: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    by_place: dict[int, list[tuple[Any, ...]]] = {column.place: [] for column in columns}
    for place, *chunk in chunks:
        by_place[place].append(tuple(chunk))
    rows = sum(chunk[0] for chunk in by_place[0])
    found: dict[str, Any] = {EVERY: rows}
    for column in columns:
        held = by_place[column.place]
        if any(nulls is None for _, nulls, *_ in held):
            continue
        if column.kind not in (Kind.FLOAT, Kind.FLOAT32):  # of which NaN counts as missing
            found[f"count({column.sql})"] = rows - sum(nulls for _, nulls, *_ in held)
        full = [ends for values, nulls, *ends in held if values > nulls]
        if column.kind in NUMBERS and full and all(None not in ends for ends in full):
            read = int if column.kind is Kind.INTEGER else float
            low, high = min(read(ends[0]) for ends in full), max(read(ends[1]) for ends in full)
            signed = column.kind is Kind.FLOAT and 0 in (low, high)  # some writers give zero a sign it has not
            if not signed and not any(math.isnan(read(end)) for ends in full for end in ends):
                found |= {f"min({column.sql})": low, f"max({column.sql})": high}
    return found
