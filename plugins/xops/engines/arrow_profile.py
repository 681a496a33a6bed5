"""Profiles as Arrow tables: a row a column, for whoever wants to query or plot them."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import ProfileSpec
from xops.core.strict_json import dumps

if TYPE_CHECKING:
    import pyarrow as pa

_ABOUT = b"xops.profile"
_TYPES = {
    "counts": "list",
    "at_edges": "list",
    "near": "list",
    "sums": "reals",
    "near_sums": "reals",
    "sketch": "binary",
}
_REALS = ("low", "high", "first", "second", "beyond")


def to_arrow(profile: Profile) -> pa.Table:
    """Give a profile as a table: the column's name and type, then the fields of :class:`ColumnProfile`.

    The versions, the spec and the number of rows are in the schema's metadata.
    """
    import pyarrow as pa

    about = {"versions": list(profile.versions), "spec": profile.spec.to_json(), "rows": profile.rows}
    types = {"list": pa.list_(pa.int64()), "reals": pa.list_(pa.float64()), "binary": pa.binary()}
    schema = [pa.field("column", pa.string()), pa.field("type", pa.string())]
    kinds = {name: types[_TYPES[name]] if name in _TYPES else pa.float64() for name in (*_TYPES, *_REALS)}
    schema += [pa.field(name, kinds.get(name, pa.int64())) for name in _fields()]
    rows = [
        {"column": column.spec.name, "type": column.spec.type} | {name: getattr(column, name) for name in _fields()}
        for column in profile.columns
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema, metadata={_ABOUT: dumps(about)}))


def from_arrow(table: pa.Table) -> Profile:
    """Read what :func:`to_arrow` wrote.

    :raises Misconfigured: when the table does not say what it is the profile of.
    """
    about = (table.schema.metadata or {}).get(_ABOUT)
    if about is None:
        raise Misconfigured("a table that holds a profile was wanted; this one has no metadata of one")
    document = json.loads(about)
    spec = ProfileSpec.from_json(document["spec"])
    found = zip(spec.columns, table.select(_fields()).to_pylist(), strict=True)
    columns = tuple(ColumnProfile(column, **values) for column, values in found)
    return Profile(tuple(document["versions"]), spec, document["rows"], columns)


def _fields() -> list[str]:
    return [field.name for field in fields(ColumnProfile) if field.name != "spec"]
