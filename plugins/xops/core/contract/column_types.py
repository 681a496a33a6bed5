"""The types of columns by one name each, and whether one type holds every value of another."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BITS = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64)}
_UNITS = ("s", "ms", "us", "ns")
_SAME: Mapping[str, str] = {
    "bool": "boolean", "halffloat": "float16", "float": "float32", "double": "float64", "date32[day]": "date",
    "date64[ms]": "date", "tinyint": "int8", "smallint": "int16", "int": "int32", "integer": "int32", "bigint": "int64",
    "long": "int64",
    "int4": "int32", "int8": "int64", "int2": "int16", "utinyint": "uint8", "usmallint": "uint16", "uinteger": "uint32",
    "ubigint": "uint64", "real": "float32", "float4": "float32", "float8": "float64", "double precision": "float64",
    "text": "string", "varchar": "string", "char": "string", "character varying": "string", "large_string": "string",
    "string_view": "string", "uuid": "string", "bytes": "binary", "bytea": "binary", "blob": "binary",
    "large_binary": "binary", "binary_view": "binary", "datetime": "timestamp[us]", "timestamp_ntz": "timestamp[us]",
    "timestamp without time zone": "timestamp[us]", "timestamptz": "timestamptz[us]", "timestamp_tz": "timestamptz[us]",
    "timestamp with time zone": "timestamptz[us]", "time32[s]": "time", "time32[ms]": "time", "time64[us]": "time",
    "time64[ns]": "time",
}  # fmt: skip
FAMILIES: Mapping[str, str] = {
    "integer": r"u?int\d+",
    "number": r"u?int\d+|float\d+|decimal\(.*\)",
    "timestamp": r"timestamp(tz)?\[.*\]",
    "array": r"(large_|fixed_size_)?list<.*",
    "object": r"struct<.*",
    "map": r"map<.*",
}
_KINDS: Mapping[str, str] = {
    "number": FAMILIES["number"],
    "text": r"string",
    "boolean": r"boolean",
    "moment": rf"date|{FAMILIES['timestamp']}",
    "time": r"time",
    "bytes": r"binary",
    "nothing": r"null",
}


def from_arrow(name: str) -> str:
    """Give the name of a type from Arrow's; a nested type keeps Arrow's."""
    zone = re.fullmatch(r"timestamp\[(\w+), tz=.*\]", name)
    if zone:
        return f"timestamptz[{zone[1]}]"
    coded = re.fullmatch(r"dictionary<values=(.*), indices=.*>", name)
    if coded:
        return from_arrow(coded[1])
    if re.fullmatch(r"u?int\d+", name):  # Arrow's int8 has 8 bits, PostgreSQL's 8 bytes
        return name
    return _SAME.get(name) or _decimal(name) or name


def kind_of_values(name: str) -> str:
    """Give the kind of value of a type by its name in Arrow's or MLflow's words; the name itself if unknown.

    A value of one type can be made one of another only of the same kind: a number a number, a date a moment.
    """
    known = from_arrow(name.lower())
    return next((kind for kind, pattern in _KINDS.items() if re.fullmatch(pattern, known)), name)


def from_sql(name: str) -> str | None:
    """Give the name of a type from a contract's ``physicalType``, in SQL's words or ours; None for an unknown one."""
    plain = " ".join(name.lower().split())
    bare = re.sub(r"\(\s*\d+\s*\)", "", plain)
    known = {*_SAME.values(), "timestamp[s]", "timestamp[ms]", "timestamp[ns]", "int16", "uint8", "uint16", "uint32"}
    if plain in ("timestamp", "time"):
        return {"timestamp": "timestamp[us]", "time": "time"}[plain]
    return _SAME.get(plain) or _SAME.get(bare) or _decimal(plain) or (plain if plain in known else None)


def widens(before: str, after: str) -> bool:
    """Tell whether every value of a type is a value of another of the same kind, as of int32 and int64."""
    if before in {after, "null"}:
        return True
    if before in FAMILIES or after in FAMILIES:
        return after in FAMILIES and (before == after or re.fullmatch(FAMILIES[after], before) is not None)
    decimals = [re.fullmatch(r"decimal\((\d+),(\d+)\)", name) for name in (before, after)]
    if decimals[0] and decimals[1]:
        (digits, scale), (more, finer) = (map(int, found.groups()) for found in decimals if found)
        return scale <= finer and digits - scale <= more - finer
    first, second = (
        re.fullmatch(r"([a-z]+)\[?(\w+?)\]?", re.sub(r"(\d+)$", r"[\1]", name)) for name in (before, after)
    )
    if first is None or second is None:
        return False
    if (first[1], second[1]) == ("uint", "int"):
        return int(first[2]) < int(second[2])
    order = [*map(str, _BITS.get(first[1], ())), *(_UNITS if first[1].startswith("timestamp") else ())]
    return (
        first[1] == second[1] and {first[2], second[2]} <= {*order} and order.index(first[2]) < order.index(second[2])
    )


def fits(found: str, wanted: str) -> bool:
    """Tell whether a column's type is the one wanted; a family, such as ``integer``, wants any of its types."""
    family = FAMILIES.get(wanted)
    return found == wanted or (family is not None and re.fullmatch(family, found) is not None)


def _decimal(name: str) -> str | None:
    found = re.fullmatch(r"(?:decimal|numeric)(?:128|256)?\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", name)
    return f"decimal({found[1]},{found[2] or 0})" if found else None
