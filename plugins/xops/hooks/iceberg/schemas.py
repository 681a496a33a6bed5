"""Schemas of an Iceberg table and those of the batches that come: which fit, and how one grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import TableMetadata

    from xops.hooks.iceberg.commits import OneStep


def fitting_schema(step: OneStep, found: pa.Schema, *, evolve: bool, what: str) -> Schema:
    """Give the schema by which rows are written: the table's, grown by what they need where that is allowed.

    :param evolve: whether columns may be added, and types widened.
    :param what: the table and the batch, for the message.
    :raises Misconfigured: when the rows do not fit.
    """
    import pyarrow as pa
    from pyiceberg.exceptions import ResolveError, ValidationError
    from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException

    schema = step.metadata.schema()
    wrong, said = differences(found, schema), ""
    if wrong and evolve:
        grown = pa.schema([found.field(name).with_nullable(True) for name in wrong])
        try:
            with step.update_schema() as update:
                update.union_by_name(grown)
            schema = step.metadata.schema()
        except (ResolveError, ValidationError, UnsupportedPyArrowTypeException, ValueError, TypeError) as error:
            said = f" ({bounded(error)})"
        else:
            wrong = differences(found, schema)
    if wrong:
        raise Misconfigured(f"{what} does not fit the table: {bounded('; '.join(wrong.values()))}{said}")
    return schema


def differences(found: pa.Schema, schema: Schema) -> dict[str, str]:
    """Say of each column that does not fit how: the table lacks it, or has a type that does not hold its values."""
    wanted = {field.name: field.type for field in schema.as_arrow()}
    wrong = {
        field.name: f"{field.name} is {field.type}, the table has {said(wanted[field.name])}"
        if field.name in wanted
        else f"{field.name} is {field.type}, the table has no such column"
        for field in found
        if field.name not in wanted or not holds(wanted[field.name], field.type)
    }
    absent = [field.name for field in schema.fields if field.required and field.name not in found.names]
    return wrong | {name: f"{name} is missing, the table wants it in every row" for name in absent}


def said(kind: pa.DataType) -> str:
    """Give a type's text, the same for types that differ only in how long a value may be."""
    return str(kind).replace("large_", "").replace("string_view", "string")


def holds(wider: pa.DataType, kind: pa.DataType) -> bool:
    """Whether a type holds every value of another as it is."""
    from pyarrow import types

    if types.is_integer(kind) and types.is_integer(wider):
        return bool(kind.bit_width + types.is_unsigned_integer(kind) <= wider.bit_width)
    if types.is_floating(kind) and types.is_floating(wider):
        return bool(kind.bit_width <= wider.bit_width)
    if types.is_decimal(kind) and types.is_decimal(wider):
        return bool(kind.scale == wider.scale and kind.precision <= wider.precision)
    inner = _inner(kind), _inner(wider)
    if all(inner):
        return list(inner[0]) == list(inner[1]) and all(holds(inner[1][name], inner[0][name]) for name in inner[0])
    return said(wider) == said(kind)


def _inner(kind: pa.DataType) -> dict[str, pa.DataType]:
    """Give the types that a nested type is made of, by name; of any other none."""
    from pyarrow import types

    if types.is_struct(kind):
        return {field.name: field.type for field in kind}
    if types.is_list(kind) or types.is_large_list(kind):
        return {"[]": kind.value_type}
    return {"{}": kind.key_type, "{}.": kind.item_type} if types.is_map(kind) else {}


def reads(wider: Schema, schema: Schema) -> bool:
    """Whether files written by a schema can be read by another as they are: it has each column, as wide at least."""
    from pyiceberg.exceptions import ResolveError
    from pyiceberg.schema import promote

    for field in schema.fields:
        there = next((other for other in wider.fields if other.field_id == field.field_id), None)
        if there is None or there.name != field.name:
            return False
        try:
            promote(field.field_type, there.field_type)
        except ResolveError:
            if field.field_type != there.field_type:
                return False
    return True


def schema_of(metadata: TableMetadata, snapshot: int) -> Schema:
    """Give the schema of a snapshot."""
    found = metadata.snapshot_by_id(snapshot)
    known = {schema.schema_id: schema for schema in metadata.schemas}
    return known.get(found.schema_id, metadata.schema()) if found else metadata.schema()
