"""Rows of JSON lines, in batches: one object a line, and what does not fit is named by its line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.text_files import BLOCK, Opens, Utf8

_SEARCHED = 10_000  # rows that are tried at a time when the wrong one is looked for
_KINDS = {type(None): "", str: "a text", bool: "true or false", int: "a number", float: "a number", list: "an array"}


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
            raise Misconfigured(f"source {name}: {_wrong(opens, str(error), _parsed(types), closed=False)}") from None
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
            types = {field.name: field.type for field in schema}
            raise Misconfigured(f"source {name}: {_wrong(opens, str(error), types, closed=True)}") from None


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


def _wrong(opens: Opens, error: str, types: Mapping[str, Any], *, closed: bool) -> str:
    """Say which line does not fit the types or the lines before it, and why, without its values.

    :param closed: whether there are no other fields than those with a type.
    """
    seen: dict[str, str] = {}
    if "Empty JSON" in error:
        return "the file is empty; one JSON object a line was wanted"
    if "straddling" in error:
        return f"a line is longer than {BLOCK >> 20} MiB"
    with opens() as file:
        numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        while some := list(itertools.islice(numbered, _SEARCHED)):
            for number, line in some:
                wrong = _misfit(line, types, seen, closed=closed)
                if wrong:
                    return f"line {number} {wrong}"
    return bounded(error)


def _misfit(line: bytes, types: Mapping[str, Any], seen: dict[str, str], *, closed: bool) -> str:
    """Say why a line is no object of the types, or unlike those before it; empty when it is neither.

    :param seen: what each field without a type is in the lines before, with what it is in this one from then on.
    """
    try:
        found = json.loads(line, object_pairs_hook=_Fields)
    except json.JSONDecodeError as error:
        return f"is no JSON: {error.msg} at column {error.colno}"
    if not isinstance(found, _Fields):
        return f"is no JSON object but {type(found).__name__}; one object a line was wanted"
    if found.twice:
        return f"has the field {bounded(found.twice, 100)} twice"
    return next(filter(None, (_misfit_of(*one, types, seen, closed=closed) for one in found.items())), "")


def _misfit_of(column: str, value: Any, types: Mapping[str, Any], seen: dict[str, str], *, closed: bool) -> str:
    import pyarrow as pa

    if column in types:
        try:
            pa.array([value], types[column])
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return f"field {column}: the value is not of type {types[column]}"
        return ""
    if closed:
        return f"has the field {bounded(column, 100)}, which is neither declared nor among the first rows"
    now = _KINDS.get(type(value), "an object")
    if not now or seen.setdefault(column, now) == now:
        return ""
    return f"field {bounded(column, 100)} is {now}, in lines before it was {seen[column]}"


class _Fields(dict[str, Any]):
    """The fields of an object; ``twice`` is one that it has more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = next((name for name in self if names.count(name) > 1), "") if len(self) < len(pairs) else ""
