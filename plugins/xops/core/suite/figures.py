"""Expectations about one figure of a column: its mean, its number of different values, its quantiles."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from typing import Any

from xops.core.suite.plan import (
    EVERY,
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
    Sought,
    is_number,
    is_text,
    members,
    nulls_in,
    within,
)
from xops.core.suite.shape import between
from xops.core.suite.values import bound_of, moment_of

EXTREMES = (*NUMBERS, Kind.FLOAT32, Kind.BOOLEAN, Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP, Kind.STRING)
_BITS = 64
_DAY = re.compile(r"\s*\d{4}-\d{1,2}-\d{1,2}")
AVERAGED = (*NUMBERS, Kind.BOOLEAN, Kind.DECIMAL)


def plan_extreme(question: Question, function: str) -> Plan:
    """``expect_column_min_to_be_between`` and ``..._max_...``."""
    column = question.column(*EXTREMES)
    limits = limits_of(question, column)
    extreme = question.aggregate(f"{function}({column.sql})")
    fine = (f"epoch_ns({extreme}) % 1000",) if column.dtype == "datetime64[ns]" else ()

    def answer(measured: Measured) -> Answer | None:
        value = measured[extreme]
        if any(measured[ask] for ask in fine):
            return None  # Python has no moment between two microseconds
        wanted = {Kind.DATE: dt.date, Kind.TIMESTAMP: dt.date, Kind.BOOLEAN: bool}.get(column.kind, object)
        if not isinstance(value, wanted):
            return None  # pandas has a null of its own for each; of a time beyond Python's, DuckDB gives the text
        return judge_figure(as_pandas(column, value, nulls=nulls_in(column, measured)), limits)

    return Plan((extreme, *fine, *whole_column(column)), answer)


def plan_moment(question: Question, function: str) -> Plan:
    """``expect_column_mean_to_be_between``, ``..._median_...``, ``..._stdev_...`` and ``..._sum_...``."""
    column = question.column(*AVERAGED)
    limits = limits_of(question, None)
    value = column.sql if function == "sum" and column.kind is Kind.INTEGER else f"{column.sql}::DOUBLE"
    if column.kind is Kind.BOOLEAN:
        value = f"{column.sql}::INT::DOUBLE"
    figure = question.aggregate(f"{function}({value})")
    whole = function == "sum" and column.kind in (Kind.INTEGER, Kind.BOOLEAN)

    def answer(measured: Measured) -> Answer | None:
        found = measured[figure]
        if found is not None and (not math.isfinite(found) or (whole and abs(found) >= 2**63)):
            return None  # infinities, and where pandas' own integers run over
        if found is None and function == "sum":
            found = 0.0
        if whole:
            found = float(found) if column.kind is Kind.INTEGER and nulls_in(column, measured) else int(found)
        return judge_figure(found, limits)

    return Plan((figure, *whole_column(column)), answer)


def plan_distinct_count(question: Question) -> Plan:
    """``expect_column_unique_value_count_to_be_between``."""
    column, limits = question.column(*SCALARS), limits_of(question, None)
    if not all(float(limit).is_integer() for limit in limits.values()):
        raise NotCompiled  # Great Expectations cuts a limit off after the point
    different = question.aggregate(f"count(DISTINCT {column.sql})")
    return Plan((different,), lambda measured: judge_figure(measured[different], limits))


def plan_share(question: Question, *, distinct: bool) -> Plan:
    """``expect_column_proportion_of_unique_values_to_be_between`` (``distinct``) and ``..._of_non_null_...``."""
    column, limits = question.column(*(SCALARS if distinct else Kind)), limits_of(question, None)
    rows, present = question.rows(), question.there(column)
    part = question.aggregate(f"count(DISTINCT {column.sql})") if distinct else present
    whole = present if distinct else rows

    def answer(measured: Measured) -> Answer:
        return judge_figure(measured[part] / measured[whole] if measured[whole] else 0, limits)

    return Plan((part, whole), answer)


def plan_distinct_set(question: Question, *, inside: bool, whole: bool, bits: int = _BITS) -> Plan:
    """``expect_column_distinct_values_to_be_in_set`` (``inside``), ``..._contain_set`` (``whole``) and both.

    :param bits: up to how many values of the set each has a bit, cheaper in DuckDB than a hash table of them.
    """
    column = question.column(*NUMBERS, *TEXTS, Kind.BOOLEAN)
    values = members(column, question.kwargs["value_set"])
    size = len(dict.fromkeys(question.kwargs["value_set"]))
    if not (size or whole):
        raise NotCompiled  # Great Expectations refuses to look for values in an empty set
    if values and len(values) <= bits:
        cases = " ".join(f"WHEN {value} THEN {2**place}::UBIGINT" for place, value in enumerate(values))
        seen = question.aggregate(f"bit_or(CASE {column.sql} {cases} ELSE 0::UBIGINT END)")
        found = f"coalesce(bit_count({seen}), 0)"
    else:
        found = question.aggregate(f"count(DISTINCT {column.sql})", within(column, question.kwargs["value_set"]))
    different = question.aggregate(f"count(DISTINCT {column.sql})")

    def answer(measured: Measured) -> Answer:
        counts = {"unexpected_count": measured[different] - measured[found]} if inside else {}
        counts |= {"missing_count": size - measured[found]} if whole else {}
        return Answer(not any(counts.values()), {"observed_value": None, **counts})

    texts = tuple(dict.fromkeys(question.kwargs["value_set"])) if column.kind in TEXTS and not question.where else ()
    counted = {found: Sought(column.name, texts, lambda times: sum(map(bool, times)))} if texts else {}
    return Plan((found, different), answer, counted=counted)


def plan_most_common(question: Question) -> Plan:
    """``expect_column_most_common_value_to_be_in_set``."""
    column, wanted, ties = wanted_modes(question)
    values = question.aggregate(f"list({column.sql})", column.present)
    tally = f"list_aggregate({values}, 'histogram')"  # of a column, DuckDB would make it a second scan
    # named by lambdas, for what stands within one is computed for each element
    counted = f"list_transform([{tally}], lambda t: {{'each': map_entries(t), 'most': list_max(map_values(t))}})"
    modes = (
        f"list_transform({counted}, lambda t: "
        "list_transform(list_filter(t.each, lambda e: e.value = t.most), lambda e: e.key))[1]"
    )

    def answer(measured: Measured) -> Answer:
        found = [as_pandas(column, value, nulls=nulls_in(column, measured)) for value in measured[modes] or ()]
        return judge_modes(found, wanted, ties=ties)

    return Plan((modes, *whole_column(column)), answer)


def wanted_modes(question: Question) -> tuple[Column, list[Any], bool]:
    """Give the column, the values of which one has to be the most common, and whether others may be as common."""
    column, wanted = question.column(*NUMBERS, Kind.STRING, Kind.BOOLEAN), question.kwargs["value_set"]
    if not isinstance(wanted, list) or not all(isinstance(value, (str, int, float)) for value in wanted):
        raise NotCompiled
    return column, wanted, question.flag("ties_okay", default=None)


def judge_modes(found: list[Any], wanted: list[Any], *, ties: bool) -> Answer:
    """Judge the most common values of a column."""
    common = len(set(wanted) & set(found))
    return Answer(common > 0 if ties else len(found) == 1 == common, {"observed_value": sorted(found)})


def plan_quantiles(question: Question) -> Plan:
    """``expect_column_quantile_values_to_be_between``, each quantile the nearest value, as pandas has it."""
    column, (shares, limits) = question.column(*NUMBERS), quantile_ranges(question)
    present = question.there(column)
    size = question.known.get(present)
    if size:  # a share half a value beyond the one wanted: so DuckDB need not sort
        halves = ", ".join(repr((round(float(q) * (size - 1)) + 0.5) / size) for q in shares)
        quantiles = question.aggregate(f"quantile_disc({column.sql}, [{halves}]::DOUBLE[])")
    else:
        values = question.aggregate(f"list({column.sql})")
        places = ", ".join(f"round_even({float(q)!r}::DOUBLE * ({present} - 1), 0)::BIGINT + 1" for q in shares)
        quantiles = f"list_select(list_sort({values}, 'ASC', 'NULLS LAST'), [{places}])"

    def answer(measured: Measured) -> Answer:
        found = [as_pandas(column, value, nulls=nulls_in(column, measured)) for value in measured[quantiles] or ()]
        return judge_quantiles(found or [None] * len(shares), shares, limits)

    return Plan((quantiles, *whole_column(column)), answer)


def quantile_ranges(question: Question) -> tuple[list[float], list[Any]]:
    """Give the quantiles asked for, in [0, 1], and the range of each."""
    ranges = question.kwargs["quantile_ranges"]
    match ranges:
        case {"quantiles": [*shares], "value_ranges": [*limits]} if len(ranges) == len(("quantiles", "value_ranges")):
            pass
        case _:
            raise NotCompiled
    if question.kwargs.get("allow_relative_error") or len(shares) != len(limits) or not shares:
        raise NotCompiled
    if not all(is_number(share) and 0 <= share <= 1 for share in shares) or not all(map(_is_range, limits)):
        raise NotCompiled
    return shares, limits


def judge_quantiles(found: list[Any], shares: list[float], limits: list[Any]) -> Answer:
    """Hold the values of quantiles against their ranges."""
    details = [_near_or_inside(value, *limit) for value, limit in zip(found, limits, strict=True)]
    result = {"observed_value": {"quantiles": shares, "values": found}, "details": {"success_details": details}}
    return Answer(all(details), result)


def whole_column(column: Column) -> tuple[str, str]:
    """Give what tells whether the column has nulls, which makes pandas keep integers as floats."""
    return EVERY, f"count({column.sql})"


def _is_range(limit: Any) -> bool:
    return isinstance(limit, list) and len(limit) == len("ab") and all(x is None or is_number(x) for x in limit)


def _near_or_inside(value: float | None, low: float | None, high: float | None) -> bool:
    """Whether a quantile lies in its range or within a ten-thousandth of its ends, as Great Expectations judges it."""
    if value is None:
        return False
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    near = any(abs(float(value) - end) <= 1e-8 + 1e-4 * abs(end) for end in ends if math.isfinite(end))
    return near or ends[0] <= value <= ends[1]


def limits_of(question: Question, column: Column | None) -> dict[str, Any]:
    """Give the bounds, as moments where the column holds those; all other figures are compared with numbers."""
    limits: dict[str, Any] = {side: question.flag(side) for side in ("strict_min", "strict_max")}
    for side in ("min_value", "max_value"):
        value = question.kwargs.get(side)
        if value is not None and column is not None and column.kind not in (Kind.BOOLEAN, Kind.DECIMAL):
            bound_of(column, value)
            if column.kind is Kind.STRING and _DAY.match(value):
                raise NotCompiled  # Great Expectations then reads the column's text as dates too
            limits[side] = moment_of(value) if is_text(value) and column.kind is not Kind.STRING else value
        elif value is not None:
            if not is_number(value):
                raise NotCompiled
            limits[side] = float(value)
    if len(limits) == len(("strict_min", "strict_max")):
        raise NotCompiled
    return limits


def as_pandas(column: Column, value: Any, *, nulls: bool) -> Any:
    """Give a value as pandas has it: an integer beside nulls is a float, a date a moment."""
    if column.kind is Kind.INTEGER and nulls and value is not None:
        return float(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - dates have no zone
    return value


def judge_figure(value: Any, limits: dict[str, Any]) -> Answer:
    """Hold a figure against its limits; without one, as of no rows, it fails."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Answer(success=False, result={"observed_value": None})
    shown = float(value) if isinstance(value, decimal.Decimal) else value
    return Answer(between(value, limits), {"observed_value": shown})
