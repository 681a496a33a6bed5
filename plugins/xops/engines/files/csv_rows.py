"""Rows of CSV files, in batches: no digit is lost to a guessed type, and what does not parse is named by its line."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.column_types import Declared
from xops.engines.files.text_files import BLOCK, Opens, Utf8

_LEADING_ZERO = r"^[+-]?0[0-9]"
_LONG_INTEGER = r"^[+-]?[0-9]{16,}$"  # a double has no place for its digits
_RECORD = re.compile(r"Row #(\d+)")
_COLUMN = re.compile(r"In CSV column #(\d+)")
_READING = "it is read as UTF-8, separated by commas, the first line its header"


def read_csv(opens: Opens, types: Declared, name: str) -> tuple[Any, Iterator[Any]]:
    """Give the schema and the record batches of a CSV file in UTF-8, separated by commas, with a header.

    Only an empty field without quotes is null. A column that is not declared has the type that its values in the
    first 8 MiB have; a later value of another type is an error. What would lose leading zeros or digits is text.

    :param opens: opens the file anew: to look at the first rows, to read, and to find the line that is wrong.
    :param types: Arrow types of columns.
    :param name: what the file is called in an error.
    :raises Misconfigured: when a line has more or fewer fields than the header, or a value is not of its type.
    """
    schema = _schema(opens, types, name)
    return schema, _batches(opens, {field.name: field.type for field in schema}, name)


def _batches(opens: Opens, known: Mapping[str, Any], name: str) -> Iterator[Any]:
    import pyarrow as pa

    with Utf8(opens(), name) as file:
        try:
            yield from _reader(file, known)
        except pa.ArrowInvalid as error:
            raise Misconfigured(f"source {name}: {_wrong(opens, str(error), known)}") from None
        if file.quotes % 2:
            _refuse_open_quote(opens, name)


def _reader(file: Any, types: Mapping[str, Any]) -> Any:
    from pyarrow import csv as arrow

    return arrow.open_csv(
        file,
        read_options=arrow.ReadOptions(block_size=BLOCK, use_threads=False),  # with threads, errors have no row
        parse_options=arrow.ParseOptions(newlines_in_values=True),
        convert_options=arrow.ConvertOptions(
            column_types=dict(types), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _schema(opens: Opens, types: Declared, name: str) -> Any:
    """Give the schema, from the declared types and the first block.

    :raises Misconfigured: for a column that is named twice or not at all, that is declared and absent, or that has no
        value from which its type is seen.
    """
    import pyarrow as pa

    first, names = _first_batch(opens, types, name)
    doubled = [column for column in names if names.count(column) > 1]
    if doubled or "" in names:
        found = f"column {bounded(doubled[0], 100)} twice" if any(doubled) else "a column without a name"
        raise Misconfigured(f"source {name}: the header has {found}; {_READING}")
    types.among(names, f"source {name}", ", the header has", f"; {_READING}")
    if first is None:
        raise Misconfigured(f"source {name}: the file has a header and no rows; at least one was wanted")
    guessed = [field for field in first.schema if field.name not in types]
    empty = [field.name for field in guessed if pa.types.is_null(field.type)]
    if empty:
        raise Misconfigured(
            f"source {name}: column {bounded(', '.join(empty))} has no value in the first {first.num_rows} rows; "
            "declare its type"
        )
    numbers = [field.name for field in guessed if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    if not numbers:
        return first.schema
    as_text, _ = _first_batch(opens, {**types, **dict.fromkeys(numbers, pa.string())}, name)
    return pa.schema([_lossless(field, as_text, numbers) for field in first.schema])


def _first_batch(opens: Opens, types: Mapping[str, Any], name: str) -> tuple[Any, list[str]]:
    """Give the first record batch, None without rows, and the header."""
    import pyarrow as pa

    with Utf8(opens(), name) as file:
        try:
            reader = _reader(file, types)
            return next(iter(reader), None), reader.schema.names
        except pa.ArrowInvalid as error:
            raise Misconfigured(f"source {name}: {_wrong(opens, str(error), types)}") from None


def _lossless(field: Any, as_text: Any, numbers: list[str]) -> Any:
    """Give a column's field, as text when its values would not survive as numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if field.name not in numbers:
        return field
    identifiers = _LEADING_ZERO if pa.types.is_integer(field.type) else f"{_LEADING_ZERO}|{_LONG_INTEGER}"
    loses = pc.any(pc.match_substring_regex(as_text.column(field.name), identifiers)).as_py()
    return pa.field(field.name, pa.string()) if loses else field


def _wrong(opens: Opens, error: str, types: Mapping[str, Any]) -> str:
    """Say what is wrong with a file that did not parse, without its values."""
    if "Empty CSV" in error:
        return "the file is empty; a header and rows were wanted"
    if "straddling" in error:
        return f"a row is longer than {BLOCK >> 20} MiB, or a quote is never closed"
    found, column = _RECORD.search(error), _COLUMN.search(error)
    if found is None:
        return bounded(error)
    header, (line, fields) = _header_and_record(opens, int(found[1]))
    if column is None:
        return f"line {line} has {len(fields)} fields, the header has {len(header)}"
    name = header[int(column[1])]
    return f"line {line}, column {name}: the value is not of type {types[name]}; mend it or declare another type"


def _header_and_record(opens: Opens, number: int) -> tuple[list[str], tuple[int, list[str]]]:
    """Give the header, and record ``number`` (the header is the first) with the line on which it begins."""
    records = _records(opens)
    _, header = next(records)
    return header, next(itertools.islice(records, number - 2, None))


def _records(opens: Opens, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Give each record with the line on which it begins; blank lines are none."""
    with io.TextIOWrapper(opens(), "utf-8-sig", newline="") as text:
        lines, line = csv.reader(text, strict=strict), 1
        for fields in lines:
            if fields:
                yield line, fields
            line = lines.line_num + 1


def _refuse_open_quote(opens: Opens, name: str) -> None:
    """Refuse a file whose last quoted field does not end; a lone quote inside a field is let through."""
    line = 0
    try:
        for line, _ in _records(opens, strict=True):  # noqa: B007 - the last one counts
            pass
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise Misconfigured(
                f"source {name}: a quoted field after line {line} is never closed; the file is cut off, or a quote "
                "is not doubled"
            ) from None
