"""The profile of a table, from the counts of its rows by tally and slot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.numerics import np
from xops.core.profile import distinct
from xops.core.profile.profiles import ColumnProfile
from xops.core.profile.spec import ColumnSpec
from xops.engines.sql.tallies import ABOVE_ALL, BELOW_ALL, FIELDS, NAN, NO_SLOT, NULL, WORD, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read(
    specs: Sequence[ColumnSpec], rows: int, asked: Sequence[Tally], found: Iterable[Sequence[Any]]
) -> list[ColumnProfile]:
    """Make the profiles from the rows of the statement: :data:`FIELDS`, and then whatever else."""
    by_tally: dict[tuple[int, str], dict[int, dict[str, Any]]] = {}
    for row in found:
        got = dict(zip(FIELDS, row, strict=False))
        if int(got["tally"]) != NO_SLOT:
            one = asked[int(got["tally"])]
            by_tally.setdefault((one.column, one.what), {})[int(got["slot"])] = got
    kept = {(one.column, one.what) for one in asked}
    return [
        _column(spec, rows, {what: by_tally.get((at, what), {}) for n, what in kept if n == at})
        for at, spec in enumerate(specs)
    ]


def _column(spec: ColumnSpec, rows: int, found: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> ColumnProfile:
    values = found["values"]
    many = {slot: int(got["many"]) for slot, got in values.items()}
    finite = [got for slot, got in values.items() if slot >= 0]
    lows, highs = ([float(got[end]) for got in finite if got[end] is not None] for end in ("low", "high"))
    sketch = None
    if "sketch" in found:
        sketch = _read_sketch(found["sketch"], missing=any(slot < 0 for slot in values))
    return ColumnProfile(
        spec,
        rows,
        nulls=many.get(NULL, 0),
        counts=_counts(many, spec.slots),
        nan=many.get(NAN, 0),
        above_all=many.get(ABOVE_ALL, 0),
        below_all=many.get(BELOW_ALL, 0),
        low=min(lows, default=None),
        high=max(highs, default=None),
        first=_sum(finite, "total") if spec.grid else 0.0,
        second=_sum(finite, "squares") if spec.grid else 0.0,
        beyond=_sum(finite, "beyond"),
        at_edges=_counts(
            {at: int(got["many"]) for at, got in found.get("edges", {}).items()}, max(len(spec.edges) - 1, 0)
        ),
        sketch=sketch,
    )


def _sum(found: Iterable[Mapping[str, Any]], name: str) -> float:
    return math.fsum(float(got[name]) for got in found if got[name] is not None)


def _counts(many: Mapping[int, int], size: int) -> NDArray[np.int64]:
    counts = np.zeros(size, np.int64)
    for slot, count in many.items():
        if 0 <= slot < size:
            counts[slot] = count
    return counts


def _read_sketch(words: Mapping[int, Mapping[str, Any]], *, missing: bool) -> bytes:
    bitmaps = distinct.nothing()
    for word, got in words.items():
        bits = int(got["bits"])
        bitmaps[[word * WORD + at for at in range(WORD) if bits >> at & 1]] = True
    if missing:
        distinct.mark_missing(bitmaps)
    return distinct.packed(bitmaps)
