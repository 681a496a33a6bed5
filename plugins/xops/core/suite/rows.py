"""Expectations about each row: so many of the values that are there may be unexpected."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from xops.core.suite.plan import (
    EVERY,
    NUMBERS,
    SCALARS,
    Answer,
    Column,
    Different,
    Implied,
    Kind,
    Measured,
    NotCompiled,
    Plan,
    Question,
    is_number,
    number,
)


def share_of_rows(rows: int, present: int | None, unexpected: int, mostly: float) -> Answer:
    """Give the answer to so many unexpected rows.

    :param present: the rows that count, for ``mostly`` too; None when all do and none can be missing.
    """
    counted = rows if present is None else present
    success = not rows or not counted or (counted - unexpected) / counted >= mostly
    of_all = unexpected / rows * 100 if rows else None
    of_present = unexpected / counted * 100 if rows and counted else None
    result: dict[str, Any] = {
        "element_count": rows,
        "unexpected_count": unexpected,
        "unexpected_percent": of_present,
        "partial_unexpected_list": [],
    }
    if present is not None:
        result |= {
            "missing_count": rows - present,
            "missing_percent": (rows - present) / rows * 100 if rows else None,
            "unexpected_percent_total": of_all,
            "unexpected_percent_nonmissing": of_present,
        }
    return Answer(success, result)


def of_counts(rows: str, present: str, unexpected: str, mostly: float) -> Callable[[Measured], Answer]:
    """Give what answers from three counts, as :func:`share_of_rows` does."""
    return lambda measured: share_of_rows(measured[rows], measured[present], measured[unexpected], mostly)


def of_scores(question: Question, column: Column, spread: str, unexpected: str) -> Plan:
    """Plan z-scores of which so many are unexpected: none where there is no spread.

    :param spread: the aggregate of the standard deviation.
    """
    mostly, rows, present = question.mostly, question.rows(), question.there(column)

    def answer(measured: Measured) -> Answer | None:
        found = measured[spread]
        if found and not math.isfinite(found):
            return None
        return share_of_rows(measured[rows], measured[present], measured[unexpected] if found else 0, mostly)

    return Plan((rows, present, spread, unexpected), answer)


def limit_of_scores(question: Question) -> tuple[Column, float, bool]:
    """Give the column of a question about z-scores, their limit, and whether it is one on both sides."""
    column, limit = question.column(*NUMBERS), question.kwargs["threshold"]
    if not is_number(limit) or "double_sided" not in question.kwargs:
        raise NotCompiled
    both = question.flag("double_sided")
    return column, abs(limit) if both else limit, both


def plan_nulls(question: Question, *, wanted: bool) -> Plan:
    """``expect_column_values_to_be_null`` (``wanted``) and ``..._to_not_be_null``."""
    column, mostly = question.column(*Kind), question.mostly
    rows, present = question.rows(), question.there(column)

    def answer(measured: Measured) -> Answer:
        unexpected = measured[present] if wanted else measured[rows] - measured[present]
        return share_of_rows(measured[rows], None, unexpected, mostly)

    failing = question.those(column.present if wanted else f"{column.sql} IS NULL")
    return Plan((rows, present), answer, failing=failing)


def plan_values(question: Question, column: Column, fine: str, fits: Callable[[Any], bool] | None = None) -> Plan:
    """Plan an expectation of which ``fine`` says, in SQL, that a value is as expected; of NULL it is NULL.

    :param fits: the same of a value in Python; given where all values fit if the least and the greatest do.
    """
    mostly = question.mostly
    rows, present = question.rows(), question.there(column)
    unexpected = question.rows(f"NOT ({fine})")

    def none_outside(measured: Measured) -> int | None:
        ends = [measured.get(f"{end}({column.sql})") for end in ("min", "max")]
        return 0 if fits and None not in ends and all(map(fits, ends)) else None

    failing = question.those(f"NOT ({fine})")
    implied = {unexpected: Implied(frozenset(), none_outside)}
    answer = of_counts(rows, present, unexpected, mostly)
    return Plan((rows, present, unexpected), answer, failing=failing, implied=implied)


def plan_unique(question: Question) -> Plan:
    """``expect_column_values_to_be_unique``: the rows that share their value are counted only where there are any."""
    column = question.column(*(kind for kind in SCALARS if kind is not Kind.FLOAT32))
    plan = _plan_repeated(question, [column.sql], [column.present], question.there(column))
    if column.kind is not Kind.STRING or question.where:
        return plan
    return replace(plan, counted={plan.asks[2]: Different(column.name)})


def plan_compound_unique(question: Question) -> Plan:
    """``expect_compound_columns_to_be_unique``."""
    columns, counted = listed_columns(question, *(kind for kind in SCALARS if kind is not Kind.FLOAT32))
    return _plan_repeated(question, [column.sql for column in columns], counted, question.rows(*counted))


def _plan_repeated(question: Question, keys: Sequence[str], counted: Sequence[str], present: str) -> Plan:
    mostly, rows = question.mostly, question.rows()
    hashes = f"count(DISTINCT hash({', '.join(keys)}))"  # half the work of values; two of one hash are counted anew
    conditions = counted if len(keys) > 1 else ()  # a condition costs more than to count NULL, which has a hash too
    different = question.aggregate(hashes, *conditions)
    kept = " AND ".join((question.where or "TRUE", *counted))
    groups = f"SELECT count(*) AS n FROM batch WHERE {kept} GROUP BY {', '.join(keys)}"  # noqa: S608 - columns by place
    repeated = f"(SELECT coalesce(sum(n), 0) FROM ({groups}) WHERE n > 1)"  # noqa: S608

    def answer(measured: Measured) -> Answer:
        unexpected = int(measured[repeated]) if repeats(measured) else 0
        return share_of_rows(measured[rows], measured[present], unexpected, mostly)

    def all_present(measured: Measured) -> int:
        """Give what ``different`` is where no value repeats."""
        return int(measured[present]) + (not conditions and measured[rows] > measured[present])

    def repeats(measured: Measured) -> bool:
        return bool(measured[different] < all_present(measured))

    def recount(measured: Measured) -> tuple[str, ...]:
        return (repeated,) if repeats(measured) else ()

    alone = frozenset(f"count(DISTINCT hash({key}))" for key in keys) - {different}

    def all_different(measured: Measured) -> int | None:
        """Where a column has a value of its own in every row of the table, so have several together."""
        apart = any(EVERY in measured and measured.get(ask) == measured[EVERY] for ask in alone)
        return all_present(measured) if apart and {rows, present} <= set(measured) else None

    asks = (rows, present, different, EVERY)
    shared = f"count(*) FILTER (WHERE {kept}) OVER (PARTITION BY {', '.join(keys)}) > 1"
    implied = {different: Implied(alone, all_different)}
    return Plan(asks, answer, recount, failing=f"{kept} AND {shared}", implied=implied)


def plan_pair(question: Question, condition: Callable[[str, str], str]) -> Plan:
    """Plan an expectation about two columns, of which ``condition`` makes SQL."""
    kinds = (*NUMBERS, Kind.STRING, Kind.DATE)
    pair = [question.column(*kinds, argument=argument) for argument in ("column_A", "column_B")]
    numeric = all(column.kind in NUMBERS for column in pair)
    if not numeric and pair[0].kind is not pair[1].kind:
        raise NotCompiled
    first, second = pair
    ignore = question.kwargs.get("ignore_row_if", "both_values_are_missing")
    either, both = f"{first.present} OR {second.present}", f"{first.present} AND {second.present}"
    counted = {"both_values_are_missing": [f"({either})"], "either_value_is_missing": [first.present, second.present]}
    if ignore not in counted and (ignore != "neither" or pair[0].kind is Kind.STRING):
        raise NotCompiled
    holding = f"({both} AND {condition(first.sql, second.sql)})"
    return _plan_records(question, counted.get(ignore, []), holding)


def plan_sum(question: Question) -> Plan:
    """``expect_multicolumn_sum_to_equal``."""
    columns, counted = listed_columns(question, *NUMBERS)
    total = question.kwargs["sum_total"]
    if not is_number(total):
        raise NotCompiled
    added = " + ".join(f"{column.sql}::DOUBLE" for column in columns)
    return _plan_records(question, counted, f"coalesce({added} = {number(total)}::DOUBLE, FALSE)")


def plan_unique_within_record(question: Question) -> Plan:
    """``expect_select_column_values_to_be_unique_within_record``."""
    columns, counted = listed_columns(question, *NUMBERS, Kind.STRING)
    if len({column.kind in NUMBERS for column in columns}) > 1:
        raise NotCompiled
    pairs = combinations(columns, 2)
    return _plan_records(question, counted, " AND ".join(f"{a.sql} IS DISTINCT FROM {b.sql}" for a, b in pairs))


def _plan_records(question: Question, counted: Sequence[str], fine: str) -> Plan:
    rows, present = question.rows(), question.rows(*counted)
    unexpected = question.rows(*counted, f"NOT ({fine})")
    answer = of_counts(rows, present, unexpected, question.mostly)
    return Plan((rows, present, unexpected), answer, failing=question.those(*counted, f"NOT ({fine})"))


def listed_columns(question: Question, *kinds: Kind) -> tuple[list[Column], list[str]]:
    """Give the columns of ``column_list`` and the conditions under which a row counts."""
    names = question.kwargs["column_list"]
    if not isinstance(names, list) or len(names) < 2 or len(set(names)) < len(names):  # noqa: PLR2004 - a pair at least
        raise NotCompiled
    columns = [question.named(name, *kinds) for name in names]
    present = [column.present for column in columns]
    counted = {
        "all_values_are_missing": [f"({' OR '.join(present)})"],
        "any_value_is_missing": present,
        "never": [],
    }
    ignore = question.kwargs.get("ignore_row_if", "all_values_are_missing")
    if ignore not in counted:
        raise NotCompiled
    return columns, counted[ignore]


def plan_z_scores(question: Question) -> Plan:
    """``expect_column_value_z_scores_to_be_less_than``: nothing is unexpected where there is no spread."""
    column, limit, both = limit_of_scores(question)
    values = question.aggregate(f"list({column.sql}::DOUBLE)")
    mean, spread = (question.aggregate(f"{name}({column.sql}::DOUBLE)") for name in ("avg", "stddev_samp"))
    score = f"(x - {mean}) / {spread}"
    beyond = f"{f'abs({score})' if both else score} >= {number(limit)}"
    return of_scores(question, column, spread, f"coalesce(len(list_filter({values}, lambda x: {beyond})), 0)")
