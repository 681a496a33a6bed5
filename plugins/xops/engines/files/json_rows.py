"""Rows of JSON lines, in batches: one object a line, and what does not fit is named by its line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.text_files import BLOCK, Opens, Utf8

_SEARCHED = 10_000  # rows that are tried at a time when the wrong one is looked for


def read_json_lines(opens: Opens, types: Mapping[str, Any], name: str) -> tuple[Any, Iterator[Any]]:
    """Give the schema and the record batches of a file with one JSON object a line, in UTF-8.

    A field that a line lacks is null. A column that is not declared has the type that its values in the first 8 MiB
    have; a later value of another type, or a field that is neither declared nor among the first, is an error.

    :param opens: opens the file anew: to look at the first rows, to read, and to find the line that is wrong.
    :param types: Arrow types of columns.
    :param name: what the file is called in an error.
    """
    import pyarrow as pa

    with Utf8(opens(), name) as file:
        try:
            found = _reader(file, _parsed(types), "infer").schema
        except pa.ArrowInvalid as error:
            raise Misconfigured(f"source {name}: {_wrong(opens, str(error), pa.schema(_parsed(types)))}") from None
    empty = [field.name for field in found if pa.types.is_null(field.type)]
    if empty:
        raise Misconfigured(
            f"source {name}: column {bounded(', '.join(empty))} has no value in the first rows; declare its type"
        )
    schema = pa.schema([(field.name, types.get(field.name, field.type)) for field in found])
    return schema, _batches(opens, schema, name)


def _batches(opens: Opens, schema: Any, name: str) -> Iterator[Any]:
    import pyarrow as pa

    parsed = _parsed({field.name: field.type for field in schema})
    with Utf8(opens(), name) as file:
        try:
            for batch in _reader(file, parsed, "error"):
                yield batch.cast(schema)
        except pa.ArrowInvalid as error:
            raise Misconfigured(f"source {name}: {_wrong(opens, str(error), schema)}") from None


def _parsed(types: Mapping[str, Any]) -> dict[str, Any]:
    """Give the types as the parser knows them; what has no JSON form is text until it is cast."""
    import pyarrow as pa

    kinds = pa.types
    return {
        column: pa.string() if kinds.is_date(kind) or kinds.is_time(kind) or kinds.is_binary(kind) else kind
        for column, kind in types.items()
    }


def _reader(file: Any, types: Mapping[str, Any], unexpected: str) -> Any:
    import pyarrow as pa
    from pyarrow import json as arrow

    return arrow.open_json(
        file,
        read_options=arrow.ReadOptions(block_size=BLOCK, use_threads=False),
        parse_options=arrow.ParseOptions(explicit_schema=pa.schema(types), unexpected_field_behavior=unexpected),
    )


def _wrong(opens: Opens, error: str, schema: Any) -> str:
    """Say which line does not fit the schema, and why, without its values."""
    if "Empty JSON" in error:
        return "the file is empty; one JSON object a line was wanted"
    if "straddling" in error:
        return f"a line is longer than {BLOCK >> 20} MiB"
    with opens() as file:
        numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        while some := list(itertools.islice(numbered, _SEARCHED)):
            for number, line in some:
                wrong = _misfit(line, schema)
                if wrong:
                    return f"line {number} {wrong}"
    return bounded(error)


def _misfit(line: bytes, schema: Any) -> str:
    """Say why a line is no object of the schema; empty when it is one."""
    import pyarrow as pa

    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"is no JSON: {error.msg} at column {error.colno}"
    if not isinstance(found, dict):
        return f"is no JSON object but {type(found).__name__}; one object a line was wanted"
    for column, value in found.items():
        if column not in schema.names:
            return f"has the field {bounded(column, 100)}, which is neither declared nor among the first rows"
        kind = schema.field(column).type
        try:
            pa.array([value], kind)
        except (pa.ArrowException, TypeError, ValueError):
            return f"field {column}: the value is not of type {kind}"
    return ""
