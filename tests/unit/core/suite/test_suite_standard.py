"""What a suite asks of databases that have no lists, and what it answers to what was measured."""

import datetime as dt
import math

import pytest

from xops.core.suite.compiler import PLANNED, compile_expectation
from xops.core.suite.plan import Column, Kind
from xops.core.suite.standard import MODES, planned_in

pytestmark = pytest.mark.unit

COLUMNS = [
    Column("i", 0, Kind.INTEGER, "int64"), Column("f", 1, Kind.FLOAT, "float64"), Column("s", 2, Kind.STRING),
    Column("b", 3, Kind.BOOLEAN, "bool"), Column("d", 4, Kind.DATE, "datetime64[ms]"), Column("x", 5, Kind.OTHER),
    Column("g", 6, Kind.FLOAT32, "float32"),
]  # fmt: skip
RANGE = {"quantiles": [0.5, 1], "value_ranges": [[1, 2], [None, 4]]}


def planned(kind, end="$", **kwargs):
    return compile_expectation({"type": f"expect_{kind}", "kwargs": kwargs}, COLUMNS, planned_in(end))


def answered(plan, rows=4, present=4, **by):
    """Answer from values by a part of what asks for them; the last part that fits counts."""
    measured = {}
    for ask in plan.asks:
        fitting = [value for part, value in by.items() if part in ask]
        measured[ask] = fitting[-1] if fitting else rows if ask == "count(*)" else present
    return plan.answer(measured)


def test_what_the_database_decides_is_what_duckdb_decides():
    assert set(planned_in("$")) == set(PLANNED)
    assert planned_in("$")["expect_column_values_to_be_null"] is PLANNED["expect_column_values_to_be_null"]


def test_no_list_function_is_asked_for():
    cases = [
        ("column_values_to_be_unique", {}),
        ("column_value_z_scores_to_be_less_than", {"threshold": 1, "double_sided": True}),
        ("column_median_to_be_between", {"min_value": 1}),
        ("column_most_common_value_to_be_in_set", {"value_set": [1]}),
        ("column_quantile_values_to_be_between", {"quantile_ranges": RANGE}),
        ("column_distinct_values_to_be_in_set", {"value_set": [1, 2]}),
        ("column_distinct_values_to_equal_set", {"value_set": [1, 2]}),
        ("column_distinct_values_to_contain_set", {"value_set": [1, 2]}),
    ]
    asks = [ask for kind, kwargs in cases for ask in planned(kind, column="i", **kwargs).asks]
    assert not any(word in ask for ask in asks for word in ("list", "bit_", "UBIGINT", "DISTINCT (", "median"))


def test_rows_that_share_their_value_are_counted_in_the_same_select():
    plan = planned("column_values_to_be_unique", column="i", mostly=0.5)
    assert answered(plan, OVER=2).result["unexpected_count"] == 2
    assert answered(plan, OVER=2).success
    assert plan.recount({}) == ()
    plan = planned("compound_columns_to_be_unique", column_list=["i", "s"], row_condition="i > 1")
    assert not answered(plan, OVER=1).success
    assert "c0, c2) > 1" in plan.asks[-1]
    assert "coalesce(c0 > 1, FALSE) AND (c0 IS NOT NULL OR c2 IS NOT NULL)" in plan.asks[-1]


@pytest.mark.parametrize(("spread", "success"), [(None, True), (0.0, True), (1.0, False), (math.inf, None)])
def test_scores_need_a_spread(spread, success):
    plan = planned("column_value_z_scores_to_be_less_than", column="f", threshold=2, double_sided=True)
    answer = answered(plan, stddev_samp=spread, OVER=3)
    assert (answer.success if answer else None) is success


def test_scores_on_one_side_are_not_taken_absolutely():
    kwargs = {"column": "f", "threshold": 2}
    assert "abs" not in planned("column_value_z_scores_to_be_less_than", double_sided=False, **kwargs).asks[-1]
    assert planned("column_value_z_scores_to_be_less_than", **kwargs) is None
    assert planned("column_value_z_scores_to_be_less_than", column="f", threshold="2", double_sided=True) is None


def test_moments_come_as_text_and_booleans_as_numbers():
    plan = planned("column_max_to_be_between", column="d", max_value="2021-01-01")
    assert plan.asks[0] == "(max(c4))::VARCHAR"
    assert answered(plan, VARCHAR="2020-05-01").result == {"observed_value": dt.datetime(2020, 5, 1)}  # noqa: DTZ001
    for stranger in ("infinity", "0044-03-15 BC", None):
        assert answered(plan, VARCHAR=stranger) is None
    plan = planned("column_min_to_be_between", column="b", min_value=1)
    assert plan.asks[0] == "min(c3::INT)"
    assert answered(plan, INT=0).result == {"observed_value": False}
    assert answered(plan, INT=None) is None
    assert answered(planned("column_min_to_be_between", column="i", min_value=1), min=None).success is False


@pytest.mark.parametrize(("found", "success"), [(2.0, True), (3.5, False), (None, False), (math.nan, None)])
def test_a_median_that_is_not_finite_is_not_decided(found, success):
    plan = planned("column_median_to_be_between", column="f", max_value=3)
    answer = answered(plan, avg=found)
    assert (answer.success if answer else None) is success
    assert "c3::INT::DOUBLE" in planned("column_median_to_be_between", column="b", max_value=3).asks[0]


def test_quantiles_are_the_nearest_values():
    plan = planned("column_quantile_values_to_be_between", column="i", quantile_ranges=RANGE)
    answer = answered(plan, **{"0.5::DOUBLE": 2, "1.0::DOUBLE": 5})
    assert answer.result["observed_value"] == {"quantiles": [0.5, 1], "values": [2, 5]}
    assert answer.result["details"] == {"success_details": [True, False]}


def test_the_most_common_values_are_bounded():
    plan = planned("column_most_common_value_to_be_in_set", column="i", value_set=[1], ties_okay=True)
    assert answered(plan, **{"max(dense": 2, "array_agg": [2, 1]}).result == {"observed_value": [1, 2]}
    assert answered(plan, **{"max(dense": None, "array_agg": None}).success is False
    assert answered(plan, **{"max(dense": MODES + 1, "array_agg": [1]}) is None


def test_expressions_with_classes_are_decided_for_ascii_texts_only():
    plan = planned("column_values_to_match_regex", column="s", regex=r"^\d+$")
    assert r"'^[0-9]+(?:\n?$)'" in plan.asks[2]
    assert answered(plan, **{"NOT (": 1, "x7f": 0}).result["unexpected_count"] == 1
    assert answered(plan, x7f=1) is None
    plan = planned("column_values_to_not_match_regex_list", column="s", regex_list=["a", "ü.$"], end=r"\z")
    assert len(plan.asks) == 3
    assert r"'ü[^\n](?:\n?\z)'" in plan.asks[2]
    assert planned("column_values_to_match_regex", column="s", regex="a", end=None) is None
    assert planned("column_values_to_match_regex", column="s", regex="(?=a)") is None


def test_like_patterns_go_as_they_are_unless_they_escape():
    plan = planned("column_values_to_match_like_pattern", column="s", like_pattern="it's%")
    assert plan.asks[-1] == "count(CASE WHEN NOT ((c2 LIKE 'it''s%')) THEN 1 END)"
    plan = planned("column_values_to_not_match_like_pattern_list", column="s", like_pattern_list=["a%", "%b"])
    assert plan.asks[-1] == "count(CASE WHEN NOT (NOT (c2 LIKE 'a%' OR c2 LIKE '%b')) THEN 1 END)"
    assert planned("column_values_to_match_like_pattern", column="s", like_pattern="a\\%") is None
    assert planned("column_values_to_match_like_pattern", column="i", like_pattern="a") is None
