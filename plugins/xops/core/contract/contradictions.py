"""Rules that cannot hold together, whatever the rows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

_SET, _BETWEEN = "expect_column_values_to_be_in_set", "expect_column_values_to_be_between"
_LENGTHS, _ROWS = "expect_column_value_lengths_to_be_between", "expect_table_row_count_to_be_between"
_NOT_IN, _UNIQUE = "expect_column_values_to_not_be_in_set", "expect_column_values_to_be_unique"
_NULL, _NOT_NULL = "expect_column_values_to_be_null", "expect_column_values_to_not_be_null"
_RANGES = {_BETWEEN: "value", _LENGTHS: "length", _ROWS: "number of rows"}


class Asked(Protocol):
    """An expectation and where it comes from."""

    @property
    def type(self) -> str:
        """As Great Expectations names it."""

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Its arguments."""

    @property
    def place(self) -> str:
        """Where it comes from."""


def contradictions(asked: Iterable[Asked]) -> list[str]:
    """Say which rules cannot hold together on rows that have values, each with its places.

    Rules with ``mostly`` or a row condition are about some rows only; two of them may always hold.
    """
    rules = [rule for rule in asked if rule.kwargs.get("mostly", 1) == 1 and not rule.kwargs.get("row_condition")]
    by_column: defaultdict[str, list[Asked]] = defaultdict(list)
    for rule in rules:
        by_column[str(rule.kwargs.get("column", ""))].append(rule)
    least = max([0, *(_ends(rule)[0][0] for rule in rules if rule.type == _ROWS)])
    said = []
    for column, found in by_column.items():
        where = f"column {column}" if column else "the dataset"
        for kind, what in _RANGES.items():
            said += _empty_range([rule for rule in found if rule.type == kind], what, where)
        said += _null_and_not(found, where)
        said += _no_value_left(found, where, least)
    return said


def _empty_range(rules: Sequence[Asked], what: str, where: str) -> list[str]:
    """Compare numbers with numbers and texts with texts; what Great Expectations is given otherwise, it refuses."""
    lows = [(low, rule) for rule in rules for low in [_ends(rule)[0]] if low[0] != -math.inf]
    highs = [(high, rule) for rule in rules for high in [_ends(rule)[1]] if high[0] != math.inf]
    for low, lower in lows:
        for high, upper in highs:
            if _alike(low[0], high[0]) and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
                more, less = "more than" if low[1] else "at least", "less than" if high[1] else "at most"
                return [f"{where}: no {what} is {more} {low[0]} and {less} {high[0]} ({_places(lower, upper)})"]
    return []


def _null_and_not(rules: Sequence[Asked], where: str) -> list[str]:
    null, filled = ([rule for rule in rules if rule.type == kind] for kind in (_NULL, _NOT_NULL))
    return [f"{where}: every value null, and none ({_places(null[0], filled[0])})"] if null and filled else []


def _no_value_left(rules: Sequence[Asked], where: str, least: int) -> list[str]:
    """Say where allowed values exclude each other, or are too few for as many different ones as there are rows."""
    sets = [rule for rule in rules if rule.type == _SET]
    if not sets:
        return []
    left = [value for value in sets[0].kwargs.get("value_set", ()) if all(_allows(rule, value) for rule in rules)]
    if not left:
        others = [rule for rule in rules if rule.type in (_SET, _BETWEEN, _LENGTHS, _NOT_IN)]
        return [f"{where}: no allowed value satisfies the other rules ({_places(*others)})"]
    unique = next((rule for rule in rules if rule.type == _UNIQUE), None)
    filled = next((rule for rule in rules if rule.type == _NOT_NULL), None)
    if unique and filled and len({*map(str, left)}) < least:
        places = _places(sets[0], unique, filled)
        return [f"{where}: unique and never null, {len(left)} allowed values, but at least {least} rows ({places})"]
    return []


def _allows(rule: Asked, value: Any) -> bool:
    if rule.type == _SET:
        return value in rule.kwargs.get("value_set", ())
    if rule.type == _NOT_IN:
        return value not in rule.kwargs.get("value_set", ())
    if rule.type not in (_BETWEEN, _LENGTHS):
        return True
    measured = value if rule.type == _BETWEEN else len(str(value))
    (low, above), (high, below) = _ends(rule)
    over = low == -math.inf or not _alike(low, measured) or (measured > low if above else measured >= low)
    under = high == math.inf or not _alike(high, measured) or (measured < high if below else measured <= high)
    return bool(over and under)


def _ends(rule: Asked) -> tuple[tuple[Any, bool], tuple[Any, bool]]:
    """Give both ends of a range, each with whether it is itself excluded."""
    kwargs = rule.kwargs
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    return (
        (-math.inf if low is None else low, bool(kwargs.get("strict_min"))),
        (math.inf if high is None else high, bool(kwargs.get("strict_max"))),
    )


def _alike(first: Any, second: Any) -> bool:
    return isinstance(first, str) == isinstance(second, str)


def _places(*rules: Asked) -> str:
    return ", ".join(dict.fromkeys(rule.place for rule in rules))
