"""Expectations about the values of one column: when, in SQL, a value that is there is as expected."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from xops.core.suite.plan import (
    EVERY,
    NUMBERS,
    TEXTS,
    Answer,
    Column,
    Kind,
    Measured,
    NotCompiled,
    Plan,
    Question,
    Sought,
    is_number,
    is_text,
    members,
    nulls_in,
    number,
    text,
    within,
)
from xops.core.suite.regex_dialect import RE2, RegexDialect, translate
from xops.core.suite.rows import plan_values, share_of_rows
from xops.core.suite.shape import between

_NATIVE: dict[str, type] = {
    "none": type(None), "bool": bool, "int": int, "long": int, "float": float, "bytes": bytes, "complex": complex,
    "str": str, "string_types": str, "list": list, "dict": dict,
}  # fmt: skip


def bound_of(column: Column, value: Any) -> str:
    """Give a bound of ``between`` as SQL, if the column's values can be compared with it.

    Text that reads as a number is left to Great Expectations, which takes it for one.
    """
    if column.kind in (*NUMBERS, Kind.FLOAT32) and is_number(value):
        return number(value)
    if column.kind is Kind.DECIMAL and is_number(value) and float(value).is_integer():
        return number(value)
    if is_text(value) and not _reads_as_number(value):
        if column.kind is Kind.STRING:
            return text(value)
        if column.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT):
            return _moment(column, value)
    raise NotCompiled


def _reads_as_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def moment_of(value: str) -> dt.datetime:
    """Give the point in time that ISO 8601 text names."""
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise NotCompiled from error


def _moment(column: Column, value: str) -> str:
    moment = moment_of(value)
    if (moment.tzinfo is None) == (column.kind is Kind.INSTANT):
        raise NotCompiled
    word = "TIMESTAMP" if moment.tzinfo is None else "TIMESTAMPTZ"
    return f"{word} '{moment.isoformat(sep=' ')}'"


def plan_between(question: Question) -> Plan:
    """``expect_column_values_to_be_between``."""
    kinds = (*NUMBERS, Kind.FLOAT32, Kind.DECIMAL, Kind.STRING, Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT)
    column = question.column(*kinds)
    bounds = [question.kwargs.get(side) for side in ("min_value", "max_value")]
    made = [None if bound is None else bound_of(column, bound) for bound in bounds]
    fine = _inside(question, column.sql, made, bounds)
    numbers = column.kind in NUMBERS
    return plan_values(question, column, fine, (lambda value: between(value, question.kwargs)) if numbers else None)


def _inside(question: Question, value: str, made: list[str | None], bounds: list[Any]) -> str:
    low, high = made
    if (low is None and high is None) or (low is not None and high is not None and bounds[0] > bounds[1]):
        raise NotCompiled
    above = f"{value} {'>' if question.flag('strict_min') else '>='} {low}"
    below = f"{value} {'<' if question.flag('strict_max') else '<='} {high}"
    return " AND ".join(side for side, bound in ((above, low), (below, high)) if bound is not None)


def plan_in_set(question: Question, *, wanted: bool, places: bool = True) -> Plan:
    """``expect_column_values_to_be_in_set`` (``wanted``) and ``..._to_not_be_in_set``.

    :param places: whether the database has DuckDB's ``list_position``.
    """
    column = question.column(*NUMBERS, *TEXTS, Kind.BOOLEAN)
    values = members(column, question.kwargs["value_set"])
    if column.kind not in TEXTS or not values or not places:
        inside = within(column, question.kwargs["value_set"])
        return plan_values(question, column, inside if wanted else f"NOT {inside}")
    mostly, rows, present = question.mostly, question.rows(), question.there(column)
    # of a text in a dictionary DuckDB asks this once, IN for every row
    found = question.aggregate(f"count(list_position([{', '.join(values)}]::VARCHAR[], {column.sql}))")

    def answer(measured: Measured) -> Answer:
        unexpected = measured[present] - measured[found] if wanted else measured[found]
        return share_of_rows(measured[rows], measured[present], unexpected, mostly)

    inside = within(column, question.kwargs["value_set"])
    failing = question.those(f"NOT {inside}" if wanted else inside)
    texts = tuple(dict.fromkeys(question.kwargs["value_set"]))
    counted = {} if question.where else {found: Sought(column.name, texts, sum)}
    return Plan((rows, present, found), answer, failing=failing, counted=counted)


def plan_lengths_between(question: Question) -> Plan:
    """``expect_column_value_lengths_to_be_between``, in code points."""
    column = question.column(*TEXTS)
    bounds = [question.kwargs.get(side) for side in ("min_value", "max_value")]
    if not all(bound is None or (is_number(bound) and isinstance(bound, int)) for bound in bounds):
        raise NotCompiled
    made = [None if bound is None else number(bound) for bound in bounds]
    return plan_values(question, column, _inside(question, f"length({column.sql})", made, bounds))


def plan_lengths_equal(question: Question) -> Plan:
    """``expect_column_value_lengths_to_equal``, in code points."""
    column, length = question.column(*TEXTS), question.kwargs["value"]
    if not is_number(length):
        raise NotCompiled
    return plan_values(question, column, f"length({column.sql}) = {number(length)}")


def plan_regex(question: Question, *, wanted: bool) -> Plan:
    """``expect_column_values_to_match_regex`` (``wanted``) and ``..._to_not_match_regex``."""
    column = question.column(*TEXTS)
    found = matches(column, question.kwargs["regex"])
    return plan_values(question, column, found if wanted else f"NOT {found}")


def plan_regex_list(question: Question, *, wanted: bool) -> Plan:
    """``expect_column_values_to_match_regex_list`` (``wanted``) and ``..._to_not_match_regex_list``."""
    column = question.column(*TEXTS)
    patterns, word = listed_patterns(question, "regex_list", wanted=wanted)
    found = "(" + word.join(matches(column, pattern) for pattern in patterns) + ")"
    return plan_values(question, column, found if wanted else f"NOT {found}")


def plan_like(question: Question, *, wanted: bool, argument: str) -> Plan:
    """``expect_column_values_to_match_like_pattern``, its list and what they deny."""
    column = question.column(*TEXTS)
    patterns, word = [question.kwargs[argument]], ""
    if argument == "like_pattern_list":
        patterns, word = listed_patterns(question, argument, wanted=wanted)
    if not all(is_text(pattern) and "\\" not in pattern for pattern in patterns):
        raise NotCompiled  # databases escape in ways of their own
    found = "(" + word.join(f"{column.sql} LIKE {text(pattern)}" for pattern in patterns) + ")"
    return plan_values(question, column, found if wanted else f"NOT {found}")


def listed_patterns(question: Question, argument: str, *, wanted: bool) -> tuple[list[Any], str]:
    """Give the patterns of a list, and the SQL word that joins what each of them finds."""
    patterns, match_on = question.kwargs[argument], question.kwargs.get("match_on", "any")
    if not isinstance(patterns, list) or not patterns or match_on not in ("any", "all"):
        raise NotCompiled
    return patterns, " AND " if wanted and match_on == "all" else " OR "


def matches(column: Column, pattern: Any, dialect: RegexDialect = RE2) -> str:
    """Give the condition that a regular expression is found in a column's value."""
    expression = translate(pattern, dialect) if is_text(pattern) else None
    if expression is None:
        raise NotCompiled
    return f"regexp_matches({column.sql}, {text(expression)})"


def plan_type(question: Question, *, of_list: bool) -> Plan:
    """``expect_column_values_to_be_of_type`` and ``..._to_be_in_type_list``: the type that pandas gives the column."""
    kinds = (*NUMBERS, Kind.FLOAT32, Kind.BOOLEAN, Kind.STRING, Kind.DATE, Kind.TIMESTAMP, Kind.DECIMAL)
    column, mostly = question.column(*kinds), question.mostly
    named = question.kwargs["type_list"] if of_list else [question.kwargs["type_"]]
    if not isinstance(named, list) or not named:
        raise NotCompiled
    types = [one for name in named for one in _types(name, with_dtype=of_list)]
    rows, present = question.rows(), question.there(column)
    as_object = not of_list and named[0] in ("object", "object_", "O")

    def answer(measured: Measured) -> Answer:
        import numpy as np  # not above: no other expectation needs it, and it takes long to load

        nulls = nulls_in(column, measured)
        dtype = "float64" if column.kind is Kind.INTEGER and nulls else column.dtype
        if dtype and not (column.kind is Kind.BOOLEAN and nulls):
            actual = np.dtype(dtype)
            return Answer((actual if of_list else actual.type) in types, {"observed_value": actual.type.__name__})
        if as_object:
            return Answer(success=True, result={"observed_value": "object_"})
        each = {Kind.STRING: str, Kind.BOOLEAN: bool}.get(column.kind, object)
        fits = any(isinstance(one, type) and one is not object and issubclass(each, one) for one in types)
        return share_of_rows(measured[rows], measured[present], 0 if fits else measured[present], mostly)

    return Plan((EVERY, f"count({column.sql})", rows, present), answer)


def _types(name: Any, *, with_dtype: bool) -> list[Any]:
    """Give the Python and numpy types of a name, as Great Expectations resolves it; not those of pandas."""
    import numpy as np

    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise NotCompiled
    native = [_NATIVE[name.lower()]] if name.lower() in _NATIVE else []
    try:
        dtype = np.dtype(name)
    except TypeError:
        if not native:
            raise NotCompiled from None
        return list(native)
    return [dtype.type, *([dtype] if with_dtype else []), *native]
