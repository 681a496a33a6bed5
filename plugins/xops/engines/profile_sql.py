"""The aggregates that make a column's profile, as SQL, and the reading of what they gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xops.core.distinct import BITS, EVERY, from_bits
from xops.core.profile_spec import BINS, OTHERS, ColumnSpec, Kind, kind_of
from xops.core.profiles import ColumnProfile

_FINITE = "CASE WHEN isfinite({raw}) THEN {value} END"
_VALUES = {
    Kind.NUMBER: _FINITE.format(raw="{raw}", value="{raw}::DOUBLE"),
    Kind.INTEGER: "{raw}::DOUBLE",
    Kind.DECIMAL: "{raw}::DOUBLE",
    Kind.DATE: _FINITE.format(raw="{raw}", value="({raw} - DATE '1970-01-01')::DOUBLE"),
    Kind.TIMESTAMP: _FINITE.format(raw="{raw}", value="epoch_us({raw})::DOUBLE"),
}
_TOP_NAMES = 256
_MANY = 10_000  # different texts from which on only the most frequent few get a count of their own
_FEW = 32


def quoted(text: str) -> str:
    """Give ``text`` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def number(value: float) -> str:
    """Give a number as an SQL double, to the last bit."""
    return f"{quoted(repr(float(value)))}::DOUBLE"


def projection(place: int, type_name: str) -> str:
    """Give what is counted of the raw column ``r<place>``, named ``v<place>``."""
    kind, raw = kind_of(type_name), f"r{place}"
    if kind.on_a_line:
        return f"{_VALUES[kind].format(raw=raw)} AS v{place}"
    return f"{raw if kind is Kind.OTHER else f'{raw}::VARCHAR'} AS v{place}"


def find(place: int, kind: Kind) -> list[str]:
    """Give the aggregates from which :func:`found` tells where a column's bins go."""
    if kind is Kind.CATEGORY:
        return [f"approx_top_k(v{place}, {_TOP_NAMES})", f"approx_count_distinct(v{place})"]
    return [f"min(v{place})", f"max(v{place})"]


def found(first: Any, second: Any, kind: Kind) -> list[Any] | None:
    """Read what :func:`find` asked for, as :meth:`ColumnSpec.of` takes it."""
    if first is None:
        return None
    if kind is Kind.CATEGORY:
        return list(first)[: _FEW if second > _MANY else _TOP_NAMES]
    return [first, second]


def aggregates(place: int, type_name: str, spec: ColumnSpec, *, sketched: bool) -> dict[str, str]:
    """Give the aggregates of one column by the name of what they measure.

    :param sketched: whether the different values of a column on the number line are sketched.
    """
    kind, raw, value = kind_of(type_name), f"r{place}", f"v{place}"
    asked = {"given": f"count({raw})"}
    if kind is Kind.OTHER:
        return asked
    if not kind.on_a_line:
        return asked | _sketch(value) if kind is Kind.CATEGORY else asked
    if kind is Kind.NUMBER:
        asked |= {"nan": f"count_if(isnan({raw}))", "above_all": f"count_if({raw} = 'Infinity'::DOUBLE)"}
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        asked |= {"above_all": f"count_if({raw} > DATE '1970-01-01' AND NOT isfinite({raw}))"}
    asked |= {"finite": f"count({value})", "low": f"min({value})", "high": f"max({value})"}
    if spec.grid is None:
        return asked
    shifted, top = f"({value} - {number(spec.origin)})", number(spec.grid.top)
    asked |= {
        "first": f"sum({shifted})",
        "second": f"sum({shifted} * {shifted})",
        "beyond": f"sum(greatest({value} - {top}, 0))",
    }
    if spec.edges:
        asked["at_edges"] = f"histogram({value}, [{', '.join(map(number, _ends(spec)))}])"
    return asked | _sketch(value) if sketched and spec.grid.step != 1 else asked


def code(place: int, spec: ColumnSpec) -> str | None:
    """Give the number of the slot that a row is counted in, less one on the number line; None where none is.

    Null is -1: below all bins, because ``greatest`` passes over nulls; and before all categories.
    """
    if not spec.slots:
        return None
    return _bin(f"v{place}", spec) if spec.kind.on_a_line else _category(f"v{place}", spec)


def read(spec: ColumnSpec, rows: int, measured: Mapping[str, Any], tallied: NDArray[np.int64]) -> ColumnProfile:
    """Make the profile from what the aggregates gave."""
    given = measured["given"]
    nan, above_all = measured.get("nan") or 0, measured.get("above_all") or 0  # of no rows DuckDB counts null
    counts = tallied.copy() if spec.kind.on_a_line else tallied[1:]
    if spec.grid is not None:
        counts[0] -= rows - measured["finite"]
    between = measured.get("at_edges") or {}
    return ColumnProfile(
        spec,
        rows,
        nulls=rows - given,
        counts=counts,
        nan=nan,
        above_all=above_all,
        below_all=given - measured.get("finite", given) - nan - above_all,
        low=measured.get("low"),
        high=measured.get("high"),
        first=float(measured.get("first") or 0.0),
        second=float(measured.get("second") or 0.0),
        beyond=float(measured.get("beyond") or 0.0),
        at_edges=np.array([between.get(end, 0) for end in _ends(spec)[1:]], np.int64),
        sketch=from_bits(measured["sketch"]) if "sketch" in measured else None,
    )


def _bin(value: str, spec: ColumnSpec) -> str:
    """Give the number of a value's bin from 0 on; -1 is below them, ``BINS`` above."""
    low, rate = number(spec.grid.low), number(1 / spec.grid.step)  # type: ignore[union-attr]
    return f"least(greatest(floor(({value} - {low}) * {rate}), -1), {BINS})::SMALLINT"


def _category(value: str, spec: ColumnSpec) -> str:
    names = f"[{', '.join(map(quoted, spec.names))}]::VARCHAR[]"
    other = f"({len(spec.names)} + (hash({value}) & {OTHERS - 1}))"
    return (
        f"CASE WHEN {value} IS NULL THEN -1 ELSE coalesce(list_position({names}, {value}) - 1, {other}) END::SMALLINT"
    )


def _sketch(value: str) -> dict[str, str]:
    """Set the bit of each value's hash in one of the bitmaps of :mod:`xops.core.distinct`; null has a bit as well.

    A FILTER or a CASE would cost more than all the rest.
    """
    hashed = f"hash({value})"
    which = " + ".join(f"(({hashed} & {every - 1}) = 0)::INTEGER" for every in EVERY)
    bit = f"(({hashed} >> 20) & {BITS - 1})::INTEGER + {BITS} * ({which})"
    return {"sketch": f"bitstring_agg({bit}, 0, {BITS * (len(EVERY) + 1) - 1})"}


def _ends(spec: ColumnSpec) -> list[float]:
    """Give the greatest value of each bin between the further edges, and first the greatest below them all."""
    return [math.nextafter(edge, -math.inf) for edge in spec.edges[:-1]] + list(spec.edges[-1:])
