"""What a draft is made from: the exact facts of a dataset version, found in two readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xops.core.contract.column_types import from_arrow
from xops.core.contract.draft import FEW, PATTERNS, ColumnFacts
from xops.core.profile.spec import Kind, kind_of
from xops.engines.duckdb_query import quoted
from xops.engines.duckdb_scan import DuckdbScan

if TYPE_CHECKING:
    import pyarrow as pa


def facts_of(rows: pa.Table, *, version: str) -> list[ColumnFacts]:
    """Find the facts of each column.

    :param version: the name of what the rows are, for errors.
    """
    engine = DuckdbScan(rows, version=version)
    types = engine.types()
    texts = [place for place, name in enumerate(types) if types[name] == "VARCHAR"]
    numbers = {place: name for place, name in enumerate(types) if kind_of(types[name]) in _NUMBERS}
    asks = {f"distinct {place}": f"count(DISTINCT r{place})" for place in range(len(types))}
    asks |= {f"filled {place}": f"count(r{place})" for place in range(len(types))}
    asks |= {f"{what} {place}": f"count_if({_like(place, what)})" for place in texts for what in PATTERNS}
    for place, name in numbers.items():
        float_kind = kind_of(types[name]) is Kind.NUMBER
        asks[f"nan {place}"] = f"count_if(isnan(r{place}))" if float_kind else "0"
        asks[f"infinite {place}"] = f"count_if(isinf(r{place}))" if float_kind else "0"
        asks[f"low {place}"] = f"min(r{place}) FILTER (NOT isnan(r{place}))" if float_kind else f"min(r{place})"
        asks[f"high {place}"] = f"max(r{place}) FILTER (NOT isnan(r{place}))" if float_kind else f"max(r{place})"
    found = dict(engine.scan(asks).values)
    few = [place for place in texts if 0 < found[f"distinct {place}"] <= FEW]
    values = engine.scan({f"{place}": f"list_sort(list(DISTINCT r{place}))" for place in few}).values if few else {}
    facts = []
    for place, field in enumerate(rows.schema):
        filled = found[f"filled {place}"] - (found.get(f"nan {place}") or 0)
        finite = place in numbers and filled and not found[f"infinite {place}"]
        like = (what for what in PATTERNS if place in texts and filled and found[f"{what} {place}"] == filled)
        facts.append(
            ColumnFacts(
                field.name,
                from_arrow(str(field.type)),
                rows.num_rows - filled,
                found[f"distinct {place}"],
                low=float(found[f"low {place}"]) if finite else None,
                high=float(found[f"high {place}"]) if finite else None,
                values=tuple(value for value in values.get(f"{place}", ()) if value is not None),
                pattern=next(like, ""),
            )
        )
    return facts


_NUMBERS = (Kind.NUMBER, Kind.INTEGER, Kind.DECIMAL)


def _like(place: int, what: str) -> str:
    return f"regexp_full_match(r{place}, {quoted(PATTERNS[what])})"
