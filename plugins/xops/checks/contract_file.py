"""Contracts as files: Open Data Contract Standard v3, read by the standard's own library and JSON schema."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.contract.column_types import from_arrow
from xops.core.contract.odcs import Contract, declared_columns, read_contract
from xops.core.contract.older import in_words_of_today
from xops.core.contract.schema_changes import Column
from xops.core.errors import Misconfigured, bounded
from xops.core.suite.compiler import refuse_code

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".yaml", ".yml")


def load_contract(path: str, dataset: str = "") -> Contract:
    """Read a contract.

    :param dataset: the schema object; see :func:`~xops.core.contract.odcs.read_contract`.
    :raises Misconfigured: when there is no such file, it is not valid by the standard, its rules contradict each other,
        or one of them has a row condition that is code; with the place.
    """
    file = Path(path)
    if not file.is_file():
        near = sorted(other.name for end in SUFFIXES for other in file.parent.glob(f"*{end}"))
        raise Misconfigured(f"contract {path}: no such file; {file.parent} has {bounded(', '.join(near)) or 'none'}")
    try:
        contract = read_contract(_valid(in_words_of_today(_document(file))), dataset)
        refuse_code(contract.suite(dt.datetime.now(dt.UTC)))
    except Misconfigured as error:
        raise Misconfigured(f"contract {path}: {error}") from error
    return contract


def suite_of_contract(path: str) -> dict[str, Any]:
    """Give a contract as a Great Expectations suite; its freshness counts back from now."""
    return load_contract(path).suite(dt.datetime.now(dt.UTC))


def columns_of_schema(schema: pa.Schema, *, without: Sequence[str] = ()) -> list[Column]:
    """Give the columns of an Arrow schema.

    :param without: columns that are not of the source, such as ``batch``.
    :raises Misconfigured: when two columns share a name.
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise Misconfigured(f"columns of one name: {bounded(', '.join(twice))}; rename them")
    return [
        Column(field.name, from_arrow(str(field.type)), field.nullable) for field in schema if field.name not in without
    ]


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Give columns as an Arrow schema, for typed reading and as a new Iceberg table takes it.

    :raises Misconfigured: for a type that Arrow makes only from its parts: list, struct and map.
    """
    import pyarrow as pa

    return pa.schema([pa.field(column.name, _arrow_type(column), column.nullable) for column in columns])


def declared_types(contract: Contract, *, text: bool) -> dict[str, pa.DataType]:
    """Give the Arrow types that a contract declares: :func:`~xops.core.contract.odcs.declared_columns` by name."""
    return {field.name: field.type for field in arrow_schema(declared_columns(contract, text=text))}


def _arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    name, _, inside = column.type.rstrip(")]").replace("[", "(").partition("(")
    if name == "decimal":
        return pa.decimal128(*map(int, inside.split(",")))
    if name in ("timestamp", "timestamptz"):
        return pa.timestamp(inside, "UTC" if name == "timestamptz" else None)
    plain = {"boolean": pa.bool_(), "date": pa.date32(), "time": pa.time64("us"), "null": pa.null()}
    try:
        return plain.get(name) or pa.type_for_alias(column.type)
    except ValueError as error:
        raise Misconfigured(f"column {column.name}: no Arrow type is made from {column.type}") from error


def _document(file: Path) -> Mapping[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML in which a mapping names each key once, and a date stays the text that it is."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - as the library declares it
            first: [(tag, regex) for tag, regex in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            twice = sorted({str(key) for key in keys if keys.count(key) > 1})
            if twice:
                raise Misconfigured(f"line {node.start_mark.line + 1}: {', '.join(twice)} is given more than once")
            return super().construct_mapping(node, deep)

    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"YAML was wanted: {bounded(error)}") from error
    if not isinstance(document, dict):
        raise Misconfigured(f"a mapping was wanted, found {type(document).__name__}")
    return document


def _standard() -> dict[str, Any]:
    """Give the standard's JSON schema; what it wants of one logical type, it wants only where that is given."""
    import json

    from open_data_contract_standard.model import OpenDataContractStandard

    schema: dict[str, Any] = json.loads(OpenDataContractStandard.json_schema())
    for rule in schema["$defs"]["SchemaBaseProperty"]["allOf"]:
        if "logicalType" in rule.get("if", {}).get("properties", {}):
            rule["if"]["required"] = ["logicalType"]
    return schema


def _valid(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Hold a document to the standard's JSON schema, and give it as the standard's library reads it."""
    from jsonschema import Draft201909Validator
    from jsonschema.exceptions import best_match
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    wrong = best_match(Draft201909Validator(_standard()).iter_errors(document))
    if wrong is not None:
        place = wrong.json_path.removeprefix("$").lstrip(".") or "the document"
        raise Misconfigured(f"{place}: not as the standard has it: {bounded(wrong.message, 200)}")
    try:
        read = OpenDataContractStandard(**document)
    except ValidationError as error:
        raise Misconfigured(f"not as the standard has it: {bounded(error)}") from error
    return read.model_dump(by_alias=True, exclude_none=True)
