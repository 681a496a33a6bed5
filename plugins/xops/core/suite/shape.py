"""Expectations about the table as a whole: its columns and how many rows it has."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from xops.core.suite.plan import Answer, Measured, NotCompiled, Plan, Question, is_number


def between(observed: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a value lies within ``min_value`` and ``max_value``; ``strict_min`` and ``strict_max`` exclude them."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above = low is None or (observed > low if kwargs.get("strict_min") else observed >= low)
    below = high is None or (observed < high if kwargs.get("strict_max") else observed <= high)
    return bool(above and below)


def plan_row_count_between(question: Question) -> Plan:
    """``expect_table_row_count_to_be_between``."""
    _whole(question, "min_value", "max_value")
    low, high = (question.kwargs.get(side) for side in ("min_value", "max_value"))
    limits = {**question.kwargs, **{side: question.flag(side) for side in ("strict_min", "strict_max")}}
    if low is not None and high is not None and low > high:
        raise NotCompiled
    rows = question.rows()

    def answer(measured: Measured) -> Answer:
        return Answer(between(measured[rows], limits), {"observed_value": measured[rows]})

    return Plan((rows,), answer)


def plan_row_count_equal(question: Question) -> Plan:
    """``expect_table_row_count_to_equal``."""
    _whole(question, "value")
    rows = question.rows()

    def answer(measured: Measured) -> Answer:
        return Answer(measured[rows] == question.kwargs["value"], {"observed_value": measured[rows]})

    return Plan((rows,), answer)


def plan_column_count_between(question: Question) -> Plan:
    """``expect_table_column_count_to_be_between``."""
    _whole(question, "min_value", "max_value")
    count = len(question.names)
    return _known(Answer(between(count, question.kwargs), {"observed_value": count}))


def plan_column_count_equal(question: Question) -> Plan:
    """``expect_table_column_count_to_equal``."""
    _whole(question, "value")
    count = len(question.names)
    return _known(Answer(count == question.kwargs["value"], {"observed_value": count}))


def plan_column_exists(question: Question) -> Plan:
    """``expect_column_to_exist``, at ``column_index`` if that is given and not 0, as Great Expectations has it."""
    name, place = question.kwargs["column"], question.kwargs.get("column_index")
    if not isinstance(name, str) or not name or isinstance(place, bool) or not isinstance(place, (int, type(None))):
        raise NotCompiled
    if not place:
        return _known(Answer(name in question.names))
    inside = -len(question.names) <= place < len(question.names)
    return _known(Answer(inside and question.names[place] == name))


def plan_columns_set(question: Question) -> Plan:
    """``expect_table_columns_to_match_set``."""
    wanted = set(_names(question, "column_set"))
    exact, found = question.flag("exact_match", default=True), set(question.names)
    result: dict[str, Any] = {"observed_value": sorted(found)}
    if wanted == found:
        return _known(Answer(success=True, result=result))
    sides = {"unexpected": sorted(found - wanted), "missing": sorted(wanted - found)}
    result["details"] = {"mismatched": {side: names for side, names in sides.items() if names}}
    return _known(Answer(not exact and wanted <= found, result))


def plan_columns_ordered(question: Question) -> Plan:
    """``expect_table_columns_to_match_ordered_list``."""
    wanted, found = _names(question, "column_list"), list(question.names)
    if wanted == found:
        return _known(Answer(success=True, result={"observed_value": found}))
    mismatched = [
        {"Expected Column Position": place, "Expected": one, "Found": other}
        for place, (one, other) in enumerate(zip_longest(wanted, found))
        if one != other
    ]
    return _known(Answer(success=False, result={"observed_value": found, "details": {"mismatched": mismatched}}))


def _known(answer: Answer) -> Plan:
    return Plan((), lambda _: answer)


def _names(question: Question, argument: str) -> list[str]:
    names = question.kwargs[argument]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise NotCompiled
    return names


def _whole(question: Question, *arguments: str) -> None:
    """See that the arguments that are given are whole numbers."""
    for argument in arguments:
        value = question.kwargs.get(argument)
        if value is not None and not (is_number(value) and isinstance(value, int)):
            raise NotCompiled
    if all(question.kwargs.get(argument) is None for argument in arguments):
        raise NotCompiled
