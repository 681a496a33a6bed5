"""A first contract for data that nobody has described, each promise with the reason that the data give for it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xops.core.contract.odcs import read_contract
from xops.core.errors import Misconfigured

FEW = 20  # different texts at most, of which a set of allowed values is made
_ROWS_EACH = 20  # rows for each of them at least: a set that chance could not have made
_MANY = 20  # different texts at least before a pattern is believed
_MARGIN = 0.1  # of the range, on either side
PATTERNS = {  # what a text looks like, where all of them do
    "a UUID": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "a date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "an e-mail address": "[^@ ]+@[^@ ]+[.][A-Za-z]{2,}",
    "a web address": "https?://[^ ]+",
    "digits": "[0-9]+",
    "two capitals": "[A-Z]{2}",
    "three capitals": "[A-Z]{3}",
}
_VAST = 1e300  # numbers beyond it are no measurement
_LOGICAL = {"string": "string", "date": "date", "time": "time", "boolean": "boolean"}
_NESTED = {"list": "array", "large_list": "array", "fixed_size_list": "array", "struct": "object", "map": "map"}


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What is known of one column of the data.

    :param name: its name.
    :param type: as :mod:`xops.core.contract.column_types` names it.
    :param nulls: rows without a value; NaN is one.
    :param distinct: how many different values there are.
    :param low: the least number; None where there is none, or infinities.
    :param high: the greatest.
    :param values: the different texts, where they are few.
    :param pattern: a key of :data:`PATTERNS` that every text is like; empty for none.
    """

    name: str
    type: str
    nulls: int
    distinct: int
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted contract.

    :param document: as the Open Data Contract Standard has it.
    :param suite: the Great Expectations suite of it; each expectation's notes give the reason.
    :param left_out: columns of which nothing is promised, each with the reason.
    """

    document: dict[str, Any]
    suite: dict[str, Any]
    left_out: tuple[str, ...]


def draft(name: str, columns: Sequence[ColumnFacts], rows: int) -> Draft:
    """Draft the contract of a dataset from one version of it.

    :param name: of the dataset.
    :raises Misconfigured: when there is nothing to learn from.
    """
    known = [column for column in columns if _types(column)]
    if not rows or not known:
        raise Misconfigured(f"{name}: rows and columns with values were wanted; it has {rows} rows")
    reasons: dict[tuple[str, str], str] = {}
    properties = []
    for column in known:
        prop: dict[str, Any] = {"name": column.name, **_types(column)}
        for said, expectation, reason in _promises(column, rows):
            options = {**prop.get("logicalTypeOptions", {}), **said.pop("logicalTypeOptions", {})}
            prop |= said | ({"logicalTypeOptions": options} if options else {})
            reasons[column.name, expectation] = reason
        reasons[column.name, "expect_column_to_exist"] = "the data have it"
        told = [reason for (of, kind), reason in reasons.items() if of == column.name and "exist" not in kind]
        properties.append(prop | ({"description": "; ".join(told)} if told else {}))
    few, many = max(rows // 2, 1), rows * 2
    reasons["", "expect_table_row_count_to_be_between"] = f"{rows} rows were seen; half and double are allowed"
    volume = {"metric": "rowCount", "mustBeBetween": [few, many], "description": f"{rows} rows were seen"}
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "version": "0.0.1",
        "status": "draft",
        "schema": [{"name": name, "properties": properties, "quality": [volume]}],
    }
    contract = read_contract(document)
    noted = (replace(rule, note=reasons[str(rule.kwargs.get("column", "")), rule.type]) for rule in contract.rules)
    suite = replace(contract, rules=tuple(noted)).suite(dt.datetime.now(dt.UTC))
    left_out = tuple(f"{column.name}: no contract has a word for the type {column.type}" for column in columns
                     if column not in known)  # fmt: skip
    return Draft(document, suite, left_out)


def _types(column: ColumnFacts) -> dict[str, Any]:
    """Say the type in the standard's words; a batch's width may differ, so it is left open. Empty without a word."""
    kind = column.type
    if kind.startswith("timestamp"):
        zone = kind.startswith("timestamptz")
        return {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": zone}}
    if kind.startswith(("int", "uint")):
        return {"logicalType": "integer"}
    if kind.startswith(("float", "decimal")):
        return {"logicalType": "number"}
    if kind == "binary":
        return {"physicalType": "binary"}
    logical = _LOGICAL.get(kind) or _NESTED.get(kind.partition("<")[0])
    return {"logicalType": logical} if logical in _LOGICAL else {}


def _promises(column: ColumnFacts, rows: int) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Give for each promise what the contract says, the expectation it becomes, and the reason."""
    filled = rows - column.nulls
    if not column.nulls:
        yield {"required": True}, "expect_column_values_to_not_be_null", f"no null in {rows} rows"
    elif filled:
        share = column.nulls / rows
        most = math.ceil(100 * (share + 3 * math.sqrt(share * (1 - share) / rows) + 0.01))
        why = f"{column.nulls} of {rows} rows are null; up to {most} % are allowed"
        rule = {"metric": "nullValues", "mustBeLessOrEqualTo": most, "unit": "percent", "severity": "warning"}
        if most < 100:  # noqa: PLR2004 - percent
            yield {"quality": [rule | {"description": why}]}, "expect_column_values_to_not_be_null", why
    counted = column.type == "string" or column.type.startswith(("int", "uint"))
    unique = counted and column.distinct == rows > FEW
    if unique:
        yield {"unique": True}, "expect_column_values_to_be_unique", f"{rows} different values in {rows} rows"
    # numbers that identify go on growing
    if column.low is not None and column.high is not None and not unique and -_VAST < column.low <= column.high < _VAST:
        low, high = _range(column.low, column.high, whole=not column.type.startswith("float"))
        why = f"from {column.low:.12g} to {column.high:.12g} were seen, and a tenth of that range more is allowed"
        ends = {"minimum": low, "maximum": high}
        yield {"logicalTypeOptions": ends}, "expect_column_values_to_be_between", why
    if column.values and filled >= _ROWS_EACH * len(column.values):
        why = f"{len(column.values)} different values in {filled} rows"
        allowed = [{"value": value} for value in column.values]
        yield {"enum": allowed}, "expect_column_values_to_be_in_set", why
    elif column.pattern and column.distinct >= _MANY:
        pattern = {"pattern": f"^{PATTERNS[column.pattern]}$"}
        why = f"each of {column.distinct} different values is {column.pattern}"
        yield {"logicalTypeOptions": pattern}, "expect_column_values_to_match_regex", why


def _range(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """Widen a range by a tenth on either side, to round numbers; what was never negative stays so."""
    margin = (high - low) * _MARGIN or abs(low) * _MARGIN or 1.0
    step = 1.0 if whole else 10.0 ** math.floor(math.log10(margin)) or margin
    wide = math.floor((low - margin) / step) * step, math.ceil((high + margin) / step) * step
    least = max(min(wide[0], low), 0.0) if low >= 0 else min(wide[0], low)
    most = max(wide[1], high)
    return (int(least), int(most)) if whole else (least, most)
