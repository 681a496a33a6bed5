"""The plans of a suite for databases other than DuckDB: where DuckDB has lists, standard SQL has window functions.

A window function may stand inside an aggregate here, and inside another window function: the engine computes each in a
step of its own before the aggregates. A window is kept to the rows that count by being partitioned by that condition.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

from xops.core.suite.compiler import PLANNED, Planned
from xops.core.suite.figures import (
    AVERAGED,
    EXTREMES,
    as_pandas,
    judge_figure,
    judge_modes,
    judge_quantiles,
    limits_of,
    plan_distinct_set,
    quantile_ranges,
    wanted_modes,
    whole_column,
)
from xops.core.suite.plan import (
    NUMBERS,
    SCALARS,
    TEXTS,
    Answer,
    Column,
    Kind,
    Measured,
    NotCompiled,
    Plan,
    Question,
    nulls_in,
    number,
    text,
)
from xops.core.suite.regex_dialect import ascii_dialect
from xops.core.suite.rows import limit_of_scores, listed_columns, of_counts, of_scores, plan_values
from xops.core.suite.values import listed_patterns, matches, plan_in_set

MODES = 1000  # the most common values of a column that are fetched at most
_FOREIGN = r"[^\x01-\x7f]"
_KEYS = tuple(kind for kind in SCALARS if kind is not Kind.FLOAT32)


@cache
def planned_in(end_of_text: str | None) -> Mapping[str, Planned]:
    """Give how each type of expectation is planned for a database.

    :param end_of_text: how its regular expressions write the very end of a text; None where they differ too much.
    """
    plans: dict[str, Callable[[Question], Plan]] = {
        "expect_column_values_to_be_unique": plan_unique,
        "expect_compound_columns_to_be_unique": plan_compound_unique,
        "expect_column_value_z_scores_to_be_less_than": plan_z_scores,
        "expect_column_min_to_be_between": partial(plan_extreme, function="min"),
        "expect_column_max_to_be_between": partial(plan_extreme, function="max"),
        "expect_column_median_to_be_between": plan_median,
        "expect_column_most_common_value_to_be_in_set": plan_most_common,
        "expect_column_quantile_values_to_be_between": plan_quantiles,
    }
    for sets, inside, whole in (("be_in", True, False), ("contain", False, True), ("equal", True, True)):
        plan = partial(plan_distinct_set, inside=inside, whole=whole, bits=0)
        plans[f"expect_column_distinct_values_to_{sets}_set"] = plan
    for word, wanted in (("", True), ("not_", False)):
        plans[f"expect_column_values_to_{word}be_in_set"] = partial(plan_in_set, wanted=wanted, places=False)
        plans[f"expect_column_values_to_{word}match_regex"] = partial(
            plan_found, wanted=wanted, end=end_of_text, argument="regex"
        )
        plans[f"expect_column_values_to_{word}match_regex_list"] = partial(
            plan_found, wanted=wanted, end=end_of_text, argument="regex_list"
        )
    return {**PLANNED, **{name: replace(PLANNED[name], plan=plan) for name, plan in plans.items()}}


def plan_unique(question: Question) -> Plan:
    """``expect_column_values_to_be_unique``."""
    column = question.column(*_KEYS)
    return _plan_repeated(question, [column], [column.present])


def plan_compound_unique(question: Question) -> Plan:
    """``expect_compound_columns_to_be_unique``."""
    return _plan_repeated(question, *listed_columns(question, *_KEYS))


def _plan_repeated(question: Question, keys: list[Column], counted: list[str]) -> Plan:
    rows, present = question.rows(), question.rows(*counted)
    groups = ", ".join((_kept(question, *counted), *(key.sql for key in keys)))
    unexpected = question.rows(*counted, f"count(*) OVER (PARTITION BY {groups}) > 1")
    return Plan((rows, present, unexpected), of_counts(rows, present, unexpected, question.mostly))


def plan_z_scores(question: Question) -> Plan:
    """``expect_column_value_z_scores_to_be_less_than``: nothing is unexpected where there is no spread."""
    column, limit, both = limit_of_scores(question)
    value, kept = f"{column.sql}::DOUBLE", _kept(question, column.present)
    mean, deviation = (f"{name}({value}) OVER (PARTITION BY {kept})" for name in ("avg", "stddev_samp"))
    distance = f"{value} - {mean}"
    far = f"{f'abs({distance})' if both else distance} >= {number(limit)} * {deviation}"
    spread = question.aggregate(f"stddev_samp({value})")
    return of_scores(question, column, spread, question.rows(column.present, far))


def plan_extreme(question: Question, function: str) -> Plan:
    """``expect_column_min_to_be_between`` and ``..._max_...``; moments are fetched as text, booleans as numbers."""
    column = question.column(*EXTREMES)
    limits = limits_of(question, column)
    timed = column.kind in (Kind.DATE, Kind.TIMESTAMP)
    extreme = question.aggregate(f"{function}({column.sql}{'::INT' if column.kind is Kind.BOOLEAN else ''})")
    shown = f"({extreme})::VARCHAR" if timed else extreme

    def answer(measured: Measured) -> Answer | None:
        value = measured[shown]
        if value is None and (timed or column.kind is Kind.BOOLEAN):
            return None  # pandas has a null of its own for each of them
        if column.kind is Kind.BOOLEAN:
            value = bool(value)
        elif timed:
            try:
                value = dt.datetime.fromisoformat(value)
            except ValueError:
                return None  # infinity, or a year before 1 or after 9999
        return judge_figure(as_pandas(column, value, nulls=nulls_in(column, measured)), limits)

    return Plan((shown, *whole_column(column)), answer)


def plan_median(question: Question) -> Plan:
    """``expect_column_median_to_be_between``."""
    column, limits = question.column(*AVERAGED), limits_of(question, None)
    place, size = _ordered(question, column)
    value = f"{column.sql}::INT::DOUBLE" if column.kind is Kind.BOOLEAN else f"{column.sql}::DOUBLE"
    figure = question.aggregate(f"avg({value})", column.present, f"2 * {place} BETWEEN {size} AND {size} + 2")

    def answer(measured: Measured) -> Answer | None:
        found = measured[figure]
        return None if found is not None and not math.isfinite(found) else judge_figure(found, limits)

    return Plan((figure,), answer)


def plan_quantiles(question: Question) -> Plan:
    """``expect_column_quantile_values_to_be_between``, each quantile the nearest value, as pandas has it."""
    column, (shares, limits) = question.column(*NUMBERS), quantile_ranges(question)
    place, size = _ordered(question, column)
    values = []
    for share in shares:
        exact = f"({float(share)!r}::DOUBLE * ({size} - 1))"
        over = f"{exact} - floor({exact})"
        odd = f"floor({exact} / 2) * 2 < floor({exact})"
        nearest = f"floor({exact}) + CASE WHEN {over} > 0.5 OR ({over} = 0.5 AND {odd}) THEN 1 ELSE 0 END"
        values.append(question.aggregate(f"max({column.sql})", column.present, f"{place} - 1 = {nearest}"))

    def answer(measured: Measured) -> Answer:
        nulls = nulls_in(column, measured)
        return judge_quantiles([as_pandas(column, measured[value], nulls=nulls) for value in values], shares, limits)

    return Plan((*values, *whole_column(column)), answer)


def plan_most_common(question: Question) -> Plan:
    """``expect_column_most_common_value_to_be_in_set``; with more than ``MODES`` such values it is not decided."""
    column, wanted, ties = wanted_modes(question)
    kept = _kept(question, column.present)
    times = f"count(*) OVER (PARTITION BY {kept}, {column.sql})"
    most = f"{times} = max({times}) OVER (PARTITION BY {kept})"
    place = f"dense_rank() OVER (PARTITION BY {kept} ORDER BY {times} DESC, {column.sql})"
    many = question.aggregate(f"max({place})", column.present, most)
    modes = question.aggregate(f"array_agg(DISTINCT {column.sql})", column.present, most, f"{place} <= {MODES}")

    def answer(measured: Measured) -> Answer | None:
        if (measured[many] or 0) > MODES:
            return None
        nulls = nulls_in(column, measured)
        return judge_modes(
            [as_pandas(column, value, nulls=nulls) for value in measured[modes] or ()], wanted, ties=ties
        )

    return Plan((many, modes, *whole_column(column)), answer)


def plan_found(question: Question, *, wanted: bool, end: str | None, argument: str) -> Plan:
    r"""``expect_column_values_to_match_regex``, its list and what they deny.

    Not decided where the expression has ``\\d``, ``\\w`` or ``\\s`` and a text is not ASCII.
    """
    column = question.column(*TEXTS)
    if end is None:
        raise NotCompiled
    patterns, word = [question.kwargs[argument]], ""
    if argument == "regex_list":
        patterns, word = listed_patterns(question, argument, wanted=wanted)
    found = "(" + word.join(matches(column, pattern, ascii_dialect(end)) for pattern in patterns) + ")"
    plan = plan_values(question, column, found if wanted else f"NOT {found}")
    if not any(f"\\{letter}" in pattern for pattern in patterns for letter in "dDwWsS"):
        return plan
    foreign = question.rows(f"regexp_matches({column.sql}, {text(_FOREIGN)})")
    return Plan((*plan.asks, foreign), lambda measured: None if measured[foreign] else plan.answer(measured))


def _kept(question: Question, *conditions: str) -> str:
    """Give the condition of the rows that count, as a partition of windows."""
    return "(" + " AND ".join((question.where or "TRUE", *conditions)) + ")"


def _ordered(question: Question, column: Column) -> tuple[str, str]:
    """Give the place of a value, from 1, among those that count, and how many these are."""
    kept = _kept(question, column.present)
    return (
        f"row_number() OVER (PARTITION BY {kept} ORDER BY {column.sql})",
        f"count(*) OVER (PARTITION BY {kept})",
    )
