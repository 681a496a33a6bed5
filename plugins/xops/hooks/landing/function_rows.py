"""Rows that a function of the user's gives, in batches."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.column_types import cast

if TYPE_CHECKING:
    import pyarrow as pa


def read_function(
    function: str | Callable[..., Any], arguments: Mapping[str, Any], types: Mapping[str, pa.DataType], name: str
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Call a function, and give the schema and the record batches of what it gives; what it raises is its own.

    :param function: it, or its dotted path. It gives an Arrow table, record batch or reader, a pandas frame, or an
        iterator of these with the same columns.
    :param types: Arrow types of columns; the others have those of the first table.
    :param name: what the function is called in an error.
    """
    tables = _tables(_imported(function)(**arguments), name)
    first = next(tables, None)
    if first is None:
        raise Misconfigured(f"source {name}: the function gave no rows")
    first = cast(first, types, f"source {name}")
    empty = [field.name for field in first.schema if str(field.type) == "null"]
    if empty:
        raise Misconfigured(f"source {name}: column {bounded(', '.join(empty))} has no value; declare its type")
    settled = {field.name: field.type for field in first.schema}

    def batches() -> Iterator[pa.RecordBatch]:
        yield from first.to_batches()
        for table in tables:
            yield from cast(table, settled, f"source {name}").select(first.column_names).to_batches()

    return first.schema, batches()


def _imported(function: str | Callable[..., Any]) -> Callable[..., Any]:
    if callable(function):
        return function
    module, _, name = str(function).rpartition(".")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Misconfigured(f"source {function}: the function cannot be imported: {bounded(repr(error))}") from error
    if not callable(found):
        raise Misconfigured(f"source {function}: a function was wanted, found {type(found).__name__}")
    return found


def _tables(given: Any, name: str) -> Iterator[pa.Table]:
    import pyarrow as pa

    if isinstance(given, pa.Table):
        yield given
    elif isinstance(given, pa.RecordBatch):
        yield pa.Table.from_batches([given])
    elif hasattr(given, "to_dict") and hasattr(given, "iloc"):
        try:
            yield pa.Table.from_pandas(given, preserve_index=False).replace_schema_metadata()
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise Misconfigured(f"source {name}: a column of the frame has values of several types") from error
    elif isinstance(given, (Iterator, pa.RecordBatchReader, list, tuple)):
        for some in given:
            yield from _tables(some, name)
    else:
        raise Misconfigured(
            f"source {name}: an Arrow table, a pandas frame or an iterator of them was wanted, "
            f"found {type(given).__name__}"
        )
