"""From a suite and a table's columns to what has to be measured, and from the measurements to validation results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.core.strict_json import plain
from xops.core.suite.figures import (
    plan_distinct_count,
    plan_distinct_set,
    plan_extreme,
    plan_moment,
    plan_most_common,
    plan_quantiles,
    plan_share,
)
from xops.core.suite.plan import Answer, Column, Measured, NotCompiled, Plan, Question
from xops.core.suite.results import named_columns
from xops.core.suite.row_conditions import UnsafeCondition, as_sql, read_condition
from xops.core.suite.rows import (
    plan_compound_unique,
    plan_nulls,
    plan_pair,
    plan_sum,
    plan_unique,
    plan_unique_within_record,
    plan_z_scores,
)
from xops.core.suite.shape import (
    plan_column_count_between,
    plan_column_count_equal,
    plan_column_exists,
    plan_columns_ordered,
    plan_columns_set,
    plan_row_count_between,
    plan_row_count_equal,
)
from xops.core.suite.values import (
    plan_between,
    plan_in_set,
    plan_lengths_between,
    plan_lengths_equal,
    plan_like,
    plan_regex,
    plan_regex_list,
    plan_type,
)

BATCH = "xops-rows"
_ANY = {"batch_id"}
_ROWS = {"row_condition", "condition_parser", *_ANY}
_RANGE = {"min_value", "max_value", "strict_min", "strict_max"}


@dataclass(frozen=True, slots=True)
class Planned:
    """How a type of expectation is planned.

    :param arguments: what it may be given; with anything else it goes to Great Expectations, which refuses it.
    """

    plan: Callable[[Question], Plan]
    arguments: frozenset[str]


def _of_table(plan: Callable[[Question], Plan], *arguments: str, filtered: bool = False) -> Planned:
    return Planned(plan, frozenset({*arguments, *(_ROWS if filtered else _ANY)}))


def _of_figure(plan: Callable[[Question], Plan], *arguments: str) -> Planned:
    return Planned(plan, frozenset({"column", *(arguments or _RANGE), *_ROWS}))


def _of_rows(plan: Callable[[Question], Plan], *arguments: str, domain: Sequence[str] = ("column",)) -> Planned:
    return Planned(plan, frozenset({*domain, "mostly", *arguments, *_ROWS}))


def _of_like(argument: str, *arguments: str, wanted: bool) -> Planned:
    return _of_rows(partial(plan_like, wanted=wanted, argument=argument), argument, *arguments)


_USUAL: Mapping[str, tuple[Any, ...]] = {
    "mostly": (1,),
    "strict_min": (False,),
    "strict_max": (False,),
    "exact_match": (True,),
    "match_on": ("any",),
    "ignore_row_if": ("both_values_are_missing", "all_values_are_missing"),
}
_NEVER_NULL = {"mostly", "strict_min", "strict_max", "ignore_row_if", "match_on", "allow_relative_error"}
_SEVERITIES = ("critical", "warning", "info")
_PAIR = ("column_A", "column_B", "ignore_row_if")
_LIST = ("column_list", "ignore_row_if")


def _equal(first: str, second: str) -> str:
    return f"{first} = {second}"


def _greater(first: str, second: str) -> str:
    return f"{first} > {second}"


def _greater_or_equal(first: str, second: str) -> str:
    return f"{first} >= {second}"


def _plan_greater(question: Question) -> Plan:
    return plan_pair(question, _greater_or_equal if question.flag("or_equal", default=None) else _greater)


PLANNED: Mapping[str, Planned] = {
    "expect_table_row_count_to_be_between": _of_table(plan_row_count_between, *sorted(_RANGE), filtered=True),
    "expect_table_row_count_to_equal": _of_table(plan_row_count_equal, "value", filtered=True),
    "expect_table_column_count_to_be_between": _of_table(plan_column_count_between, "min_value", "max_value"),
    "expect_table_column_count_to_equal": _of_table(plan_column_count_equal, "value"),
    "expect_table_columns_to_match_set": _of_table(plan_columns_set, "column_set", "exact_match"),
    "expect_table_columns_to_match_ordered_list": _of_table(plan_columns_ordered, "column_list"),
    "expect_column_to_exist": _of_table(plan_column_exists, "column", "column_index"),
    "expect_column_values_to_be_null": _of_rows(partial(plan_nulls, wanted=True)),
    "expect_column_values_to_not_be_null": _of_rows(partial(plan_nulls, wanted=False)),
    "expect_column_values_to_be_between": _of_rows(plan_between, *sorted(_RANGE)),
    "expect_column_values_to_be_in_set": _of_rows(partial(plan_in_set, wanted=True), "value_set"),
    "expect_column_values_to_not_be_in_set": _of_rows(partial(plan_in_set, wanted=False), "value_set"),
    "expect_column_values_to_be_unique": _of_rows(plan_unique),
    "expect_column_value_lengths_to_be_between": _of_rows(plan_lengths_between, *sorted(_RANGE)),
    "expect_column_value_lengths_to_equal": _of_rows(plan_lengths_equal, "value"),
    "expect_column_values_to_match_regex": _of_rows(partial(plan_regex, wanted=True), "regex"),
    "expect_column_values_to_not_match_regex": _of_rows(partial(plan_regex, wanted=False), "regex"),
    "expect_column_values_to_match_regex_list": _of_rows(
        partial(plan_regex_list, wanted=True), "regex_list", "match_on"
    ),
    "expect_column_values_to_not_match_regex_list": _of_rows(partial(plan_regex_list, wanted=False), "regex_list"),
    "expect_column_values_to_match_like_pattern": _of_like("like_pattern", wanted=True),
    "expect_column_values_to_not_match_like_pattern": _of_like("like_pattern", wanted=False),
    "expect_column_values_to_match_like_pattern_list": _of_like("like_pattern_list", "match_on", wanted=True),
    "expect_column_values_to_not_match_like_pattern_list": _of_like("like_pattern_list", wanted=False),
    "expect_column_values_to_be_of_type": _of_rows(partial(plan_type, of_list=False), "type_"),
    "expect_column_values_to_be_in_type_list": _of_rows(partial(plan_type, of_list=True), "type_list"),
    "expect_column_value_z_scores_to_be_less_than": _of_rows(plan_z_scores, "threshold", "double_sided"),
    "expect_column_pair_values_to_be_equal": _of_rows(partial(plan_pair, condition=_equal), domain=_PAIR),
    "expect_column_pair_values_a_to_be_greater_than_b": _of_rows(_plan_greater, "or_equal", domain=_PAIR),
    "expect_compound_columns_to_be_unique": _of_rows(plan_compound_unique, domain=_LIST),
    "expect_select_column_values_to_be_unique_within_record": _of_rows(plan_unique_within_record, domain=_LIST),
    "expect_multicolumn_sum_to_equal": _of_rows(plan_sum, "sum_total", domain=_LIST),
    "expect_column_min_to_be_between": _of_figure(partial(plan_extreme, function="min")),
    "expect_column_max_to_be_between": _of_figure(partial(plan_extreme, function="max")),
    "expect_column_mean_to_be_between": _of_figure(partial(plan_moment, function="avg")),
    "expect_column_median_to_be_between": _of_figure(partial(plan_moment, function="median")),
    "expect_column_stdev_to_be_between": _of_figure(partial(plan_moment, function="stddev_samp")),
    "expect_column_sum_to_be_between": _of_figure(partial(plan_moment, function="sum")),
    "expect_column_unique_value_count_to_be_between": _of_figure(plan_distinct_count),
    "expect_column_proportion_of_unique_values_to_be_between": _of_figure(partial(plan_share, distinct=True)),
    "expect_column_proportion_of_non_null_values_to_be_between": _of_figure(partial(plan_share, distinct=False)),
    "expect_column_distinct_values_to_be_in_set": _of_figure(
        partial(plan_distinct_set, inside=True, whole=False), "value_set"
    ),
    "expect_column_distinct_values_to_contain_set": _of_figure(
        partial(plan_distinct_set, inside=False, whole=True), "value_set"
    ),
    "expect_column_distinct_values_to_equal_set": _of_figure(
        partial(plan_distinct_set, inside=True, whole=True), "value_set"
    ),
    "expect_column_most_common_value_to_be_in_set": _of_figure(plan_most_common, "value_set", "ties_okay"),
    "expect_column_quantile_values_to_be_between": _of_figure(
        plan_quantiles, "quantile_ranges", "allow_relative_error"
    ),
}


def compile_expectation(
    expectation: Mapping[str, Any],
    columns: Sequence[Column],
    planned_as: Mapping[str, Planned] = PLANNED,
    known: Measured | None = None,
) -> Plan | None:
    """Plan how an expectation is decided by aggregates; None when Great Expectations has to.

    :param expectation: its configuration: ``type`` and ``kwargs``.
    :param columns: the table's columns, in their order.
    :param planned_as: how each type of expectation is planned.
    :param known: aggregates that are known before a row is read.
    """
    planned, kwargs = planned_as.get(expectation["type"]), expectation.get("kwargs") or {}
    given = {name: value for name, value in kwargs.items() if value is not None}
    if planned is None or not planned.arguments >= set(kwargs) or _NEVER_NULL & (set(kwargs) - set(given)):
        return None
    names = [column.name for column in columns]
    twice = {name for name, times in Counter(names).items() if times > 1}
    by_name = {column.name: None if column.name in twice else column for column in columns}
    try:
        condition = read_condition(given)
        where = as_sql(condition, by_name) if condition else ""
        named = named_columns(given)
        absent = [name for name in named if name not in by_name]
        if "" in absent or not _is_list_of_text(given.get("column_list", [])):
            return None
        if absent and "exist" not in expectation["type"] and "table" not in expectation["type"]:
            missing = Answer(success=False, error=f'Error: The column "{absent[0]}" in BatchData does not exist.')
            return Plan((), lambda _: missing)
        return planned.plan(Question(given, names, by_name, where, known or {}))
    except (NotCompiled, UnsafeCondition, KeyError, TypeError):
        return None


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def entry_of(expectation: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Give an answer as the entry of a validation result that Great Expectations writes."""
    kwargs = {"batch_id": BATCH, **(expectation.get("kwargs") or {})}
    config = {
        "type": expectation["type"],
        "kwargs": {name: value for name, value in kwargs.items() if not (value is None or _is_usual(name, value))},
        "meta": expectation.get("meta") or {},
        "severity": expectation.get("severity") or "critical",
    }
    raised = {
        "raised_exception": answer.error is not None,
        "exception_traceback": None,
        "exception_message": answer.error,
    }
    return dict(
        plain(
            {
                "success": answer.success,
                "expectation_config": config,
                "result": answer.result,
                "meta": {},
                "exception_info": raised,
            }
        )
    )


def _is_usual(argument: str, value: Any) -> bool:
    """Tell whether a value is the one that Great Expectations does not write down."""
    return isinstance(value, (bool, int, float, str)) and value in _USUAL.get(argument, ())


def refuse_code(suite: Mapping[str, Any]) -> None:
    """Refuse a suite with a row condition that would have to be run to know what it does.

    A suite whose ``meta`` has ``{"xops": {"trusted": true}}`` may have any: Great Expectations runs them.

    :raises Misconfigured: naming the expectation.
    """
    if is_trusted(suite):
        return
    for expectation in suite["expectations"]:
        try:
            read_condition(expectation.get("kwargs") or {})
        except UnsafeCondition as error:
            raise Misconfigured(
                f"suite {suite.get('name')}: {expectation['type']} has a row_condition, which is code: {error}; state "
                'it with comparisons, or review the suite and write {"xops": {"trusted": true}} into its meta'
            ) from error


def refuse_unreadable(suite: Mapping[str, Any]) -> None:
    """Refuse a suite with a value that a run of Great Expectations is to fill in, which nobody here gives.

    And one with a severity that Great Expectations does not know: it leaves out the expectation without an error.

    :raises Misconfigured: naming the expectation and the argument.
    """
    for expectation in suite["expectations"]:
        severity = expectation.get("severity", "critical")
        if severity not in _SEVERITIES:
            raise Misconfigured(
                f"suite {suite.get('name')}: {expectation['type']} has the severity {bounded(repr(severity))}; "
                f"{', '.join(_SEVERITIES)} was wanted"
            )
        for argument, value in (expectation.get("kwargs") or {}).items():
            if _has_parameter(value):
                raise Misconfigured(
                    f"suite {suite.get('name')}: {expectation['type']} has a $PARAMETER as its {argument}; "
                    "write the value into the suite"
                )


def _has_parameter(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "$PARAMETER" in value or any(map(_has_parameter, value.values()))
    return isinstance(value, list) and any(map(_has_parameter, value))


def untested(suite: Mapping[str, Any]) -> list[str]:
    """Give what the contract that a suite was made from asks for, and the suite does not test; of others nothing."""
    return list(((suite.get("meta") or {}).get("xops") or {}).get("outside") or ())


def is_trusted(suite: Mapping[str, Any]) -> bool:
    """Whether the suite's own ``meta`` says that a person has reviewed it as code."""
    return ((suite.get("meta") or {}).get("xops") or {}).get("trusted") is True
