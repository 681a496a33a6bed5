"""Types of columns by name, as a DAG declares them, and whether a column may take one on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from xops.core.contract.column_types import kind_of_values
from xops.core.errors import Misconfigured, bounded

_DECIMAL = re.compile(r"decimal(?:128)?\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_ZONED = re.compile(r"timestamp\[(s|ms|us|ns),\s*tz=(\S+)\]")


class Declared(dict[str, Any]):
    """Arrow types by column.

    :param promised: the types of more columns, which a source may lack: a contract's, which is tested later.
    """

    def __init__(self, types: Mapping[str, Any], promised: Mapping[str, Any] | None = None) -> None:
        super().__init__({**(promised or {}), **types})
        self._wanted = set(types)

    def among(self, names: Sequence[str], what: str, has: str = "; there are", more: str = "") -> dict[str, Any]:
        """Give the types of the columns that there are.

        :param what: what has the columns, as an error names it; ``has`` and ``more`` stand around their names.
        :raises Misconfigured: when a column is declared and absent.
        """
        absent = sorted(self._wanted - set(names))
        if absent:
            found = bounded(", ".join(names))
            raise Misconfigured(f"{what}: column {bounded(', '.join(absent))} is declared{has} {found}{more}")
        return {column: kind for column, kind in self.items() if column in names}


def declared(types: Mapping[str, str]) -> dict[str, Any]:
    """Give the Arrow type of each column.

    :param types: column to type, named as Arrow prints it: ``int64``, ``double``, ``string``, ``bool``, ``date32``,
        ``timestamp[us]``, ``timestamp[us, tz=UTC]``, ``decimal(10, 2)``...
    :raises Misconfigured: for a type that Arrow does not name so.
    """
    return {column: _type(column, name) for column, name in types.items()}


def _type(column: str, name: str) -> Any:
    import pyarrow as pa

    decimal, zoned = _DECIMAL.fullmatch(str(name).strip()), _ZONED.fullmatch(str(name).strip())
    try:
        if decimal:
            return pa.decimal128(int(decimal[1]), int(decimal[2]))
        return pa.timestamp(zoned[1], zoned[2]) if zoned else pa.type_for_alias(str(name).strip())
    except ValueError as error:
        raise Misconfigured(
            f"types: column {column} is declared {bounded(name, 100)}, which is no type; wanted one as Arrow names "
            "it, such as int64, double, string, bool, date32, timestamp[us, tz=UTC] or decimal(10, 2)"
        ) from error


def cast(rows: Any, types: Mapping[str, Any], what: str) -> Any:
    """Give a table or record batch with the types that are declared, where no value is lost.

    :param types: Arrow types of columns; others stay as they are.
    :param what: what the rows are, as an error names it.
    :raises Misconfigured: when a column is absent, of another kind, or has a value that its type does not hold.
    """
    import pyarrow as pa

    schema = wanted_schema(rows.schema, types, what)
    if schema.equals(rows.schema):
        return rows
    columns = []
    for place, field in enumerate(schema):
        try:
            columns.append(rows.column(place).cast(field.type))
        except pa.ArrowException:
            raise Misconfigured(
                f"{what}: column {field.name} is {rows.schema.field(place).type} and has values that {field.type} "
                "does not hold"
            ) from None  # it quotes the value
    return type(rows).from_arrays(columns, schema=schema)


def wanted_schema(found: Any, types: Mapping[str, Any], what: str) -> Any:
    """Give a schema with the types that are declared.

    :raises Misconfigured: when a declared column is absent, named twice or of another kind.
    """
    import pyarrow as pa

    doubled = sorted({name for name in found.names if found.names.count(name) > 1})
    if doubled:
        raise Misconfigured(f"{what}: there is more than one column {bounded(', '.join(doubled))}")
    wanted = types if isinstance(types, Declared) else Declared(types)
    types = wanted.among(found.names, what)
    for field in found:
        if not same_kind(field.type, types.get(field.name, field.type)):
            raise Misconfigured(f"{what}: column {field.name} is declared {types[field.name]}, it is {field.type}")
    return pa.schema([(field.name, types.get(field.name, field.type)) for field in found])


def same_kind(found: Any, wanted: Any) -> bool:
    """Tell whether a column of type ``found`` may be cast to ``wanted``: numbers to numbers, text to text..."""
    kind = kind_of_values(str(found))
    return found.equals(wanted) or kind == "nothing" or kind == kind_of_values(str(wanted))
