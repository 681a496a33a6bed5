"""What an expectation asks for, and what it answers to what was measured: pure, without a database."""

import datetime as dt
import decimal
import math

import pytest

from xops.core.errors import Misconfigured
from xops.core.suite.compiler import (
    PLANNED,
    compile_expectation,
    entry_of,
    refuse_code,
    refuse_unreadable,
)
from xops.core.suite.in_gx import columns_needed, may_run_in_gx
from xops.core.suite.plan import Answer, Column, Different, Kind, columns_of

pytestmark = pytest.mark.unit

SCHEMA = [
    ("i", "int64"), ("j", "int64"), ("f", "double"), ("g", "float"), ("s", "string"), ("t", "large_string"),
    ("k", "dictionary<values=string, indices=int32, ordered=0>"), ("b", "bool"), ("d", "date32[day]"),
    ("m", "timestamp[us]"), ("z", "timestamp[us, tz=UTC]"), ("p", "decimal128(8, 2)"), ("x", "list<item: int64>"),
    ("twice", "int64"), ("twice", "int64"),
]  # fmt: skip
COLUMNS = columns_of(SCHEMA)
PLACE = {column.name: column.sql for column in COLUMNS}


def planned(kind, **kwargs):
    return compile_expectation({"type": f"expect_{kind}", "kwargs": kwargs}, COLUMNS)


def answered(kind, measured, **kwargs):
    """Answer an expectation from a function that gives what is measured for each aggregate."""
    plan = planned(kind, **kwargs)
    given = {ask: measured(ask) for ask in plan.asks}
    return plan.answer(given | {ask: measured(ask) for ask in plan.recount(given)})


def counts(rows, present, **others):
    """Measure a table: others are values by a part of what asks for them."""

    def measure(ask):
        for part, value in others.get("by", {}).items():
            if part in ask:
                return value
        return rows if ask == "count(*)" else present

    return measure


def test_the_types_of_a_schema_fall_into_kinds():
    kinds = [column.kind for column in COLUMNS[:13]]
    assert kinds == [
        Kind.INTEGER, Kind.INTEGER, Kind.FLOAT, Kind.FLOAT32, Kind.STRING, Kind.STRING, Kind.CATEGORY, Kind.BOOLEAN,
        Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT, Kind.DECIMAL, Kind.OTHER,
    ]  # fmt: skip
    assert COLUMNS[9].dtype == "datetime64[us]"


@pytest.mark.parametrize(
    ("name", "projection"),
    [("f", "nullif(r2::DOUBLE, 'NaN'::DOUBLE) AS c2"), ("k", "r6::VARCHAR AS c6"), ("i", "r0 AS c0")],
)
def test_a_column_is_called_by_its_place_and_nan_is_null(name, projection):
    assert next(column for column in COLUMNS if column.name == name).projection == projection


NOT_OURS = [
    ("column_values_to_be_json_parseable", {"column": "s"}),
    ("column_values_to_not_be_null", {"column": "s", "mostyl": 1}),
    ("column_values_to_not_be_null", {"column": "s", "mostly": True}),
    ("column_values_to_not_be_null", {"column": "s", "mostly": 1.5}),
    ("column_values_to_not_be_null", {"column": "s", "mostly": "x"}),
    ("column_values_to_not_be_null", {"column": "twice"}),
    ("column_values_to_not_be_null", {}),
    ("column_values_to_not_be_null", {"column": "s", "row_condition": "s.apply(x)"}),
    ("column_values_to_not_be_null", {"column": "s", "row_condition": "nowhere > 1"}),
    ("column_values_to_be_unique", {"column": "g"}),
    ("column_values_to_be_between", {"column": "i"}),
    ("column_values_to_be_between", {"column": "i", "min_value": 2, "max_value": 1}),
    ("column_values_to_be_between", {"column": "i", "min_value": True}),
    ("column_values_to_be_between", {"column": "i", "min_value": math.inf}),
    ("column_values_to_be_between", {"column": "i", "min_value": 2**60}),
    ("column_values_to_be_between", {"column": "i", "min_value": 1, "strict_min": 1}),
    ("column_values_to_be_between", {"column": "i", "min_value": "a"}),
    ("column_values_to_be_between", {"column": "p", "min_value": 1.5}),
    ("column_values_to_be_between", {"column": "s", "min_value": "10"}),
    ("column_values_to_be_between", {"column": "s", "min_value": "a\0"}),
    ("column_values_to_be_between", {"column": "s", "min_value": "\ud800"}),
    ("column_values_to_be_between", {"column": "d", "min_value": "soon"}),
    ("column_values_to_be_between", {"column": "d", "min_value": "2020-01-01T00:00:00+00:00"}),
    ("column_values_to_be_between", {"column": "z", "min_value": "2020-01-01"}),
    ("column_values_to_be_between", {"column": "x", "min_value": 1}),
    ("column_values_to_be_in_set", {"column": "s", "value_set": ["a", 1]}),
    ("column_values_to_be_in_set", {"column": "s", "value_set": {"$PARAMETER": "a"}}),
    ("column_values_to_be_in_set", {"column": "d", "value_set": [1]}),
    ("column_value_lengths_to_be_between", {"column": "s", "min_value": 1.5}),
    ("column_value_lengths_to_be_between", {"column": "s"}),
    ("column_value_lengths_to_equal", {"column": "s", "value": "1"}),
    ("column_values_to_match_regex", {"column": "s", "regex": "(?=a)"}),
    ("column_values_to_match_regex", {"column": "s", "regex": 1}),
    ("column_values_to_match_regex_list", {"column": "s", "regex_list": []}),
    ("column_values_to_match_regex_list", {"column": "s", "regex_list": ["a"], "match_on": "some"}),
    ("column_values_to_be_in_type_list", {"column": "i", "type_list": []}),
    ("column_values_to_be_of_type", {"column": "i", "type_": "Int64Dtype"}),
    ("column_values_to_be_of_type", {"column": "i", "type_": "int 64"}),
    ("column_value_z_scores_to_be_less_than", {"column": "f", "threshold": 1}),
    ("column_value_z_scores_to_be_less_than", {"column": "f", "threshold": "1", "double_sided": True}),
    ("column_pair_values_to_be_equal", {"column_A": "i", "column_B": "s"}),
    ("column_pair_values_to_be_equal", {"column_A": "i", "column_B": "j", "ignore_row_if": "never"}),
    ("column_pair_values_to_be_equal", {"column_A": "s", "column_B": "t", "ignore_row_if": "neither"}),
    ("compound_columns_to_be_unique", {"column_list": ["i"]}),
    ("compound_columns_to_be_unique", {"column_list": ["i", "i"]}),
    ("compound_columns_to_be_unique", {"column_list": ["i", "j"], "ignore_row_if": "neither"}),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["i", "s"]}),
    ("multicolumn_sum_to_equal", {"column_list": ["i", "j"], "sum_total": "1"}),
    ("column_min_to_be_between", {"column": "i"}),
    ("column_min_to_be_between", {"column": "p", "min_value": "1"}),
    ("column_mean_to_be_between", {"column": "s", "min_value": 1}),
    ("column_most_common_value_to_be_in_set", {"column": "s", "value_set": [None]}),
    ("column_quantile_values_to_be_between", {"column": "f", "quantile_ranges": {"quantiles": [0.5]}}),
    *[
        ("column_quantile_values_to_be_between", {"column": "f", "quantile_ranges": ranges, **more})
        for ranges, more in [
            ({"quantiles": [0.5], "value_ranges": [[0, 1]]}, {"allow_relative_error": "linear"}),
            ({"quantiles": [0.5], "value_ranges": []}, {}),
            ({"quantiles": [2], "value_ranges": [[0, 1]]}, {}),
            ({"quantiles": [0.5], "value_ranges": [[0]]}, {}),
        ]
    ],
    ("table_row_count_to_equal", {"value": 1.5}),
    ("table_row_count_to_equal", {}),
    ("table_columns_to_match_set", {"column_set": "ab"}),
    ("column_to_exist", {"column": 1}),
    ("column_to_exist", {"column": "i", "column_index": True}),
]


@pytest.mark.parametrize(("kind", "kwargs"), NOT_OURS)
def test_what_only_great_expectations_decides_is_left_to_it(kind, kwargs):
    assert planned(kind, **kwargs) is None


def test_an_absent_column_is_an_exception_in_the_entry():
    for kwargs in ({"column": "nowhere"}, {"column": "nowhere", "row_condition": None}):
        answer = answered("column_values_to_not_be_null", counts(1, 1), **kwargs)
        assert (answer.success, answer.error) == (False, 'Error: The column "nowhere" in BatchData does not exist.')
    assert answered("column_to_exist", counts(1, 1), column="nowhere").error is None


def test_an_entry_has_every_field_of_great_expectations():
    asked = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "i", "max_value": 1, "min_value": None}}
    assert entry_of(asked, Answer(success=True, result={"observed_value": math.inf})) == {
        "success": True,
        "expectation_config": {
            "type": "expect_column_max_to_be_between",
            "kwargs": {"batch_id": "xops-rows", "column": "i", "max_value": 1},
            "meta": {},
            "severity": "critical",
        },
        "result": {"observed_value": "Infinity"},
        "meta": {},
        "exception_info": {"raised_exception": False, "exception_traceback": None, "exception_message": None},
    }
    failed = entry_of({"type": "x", "meta": {"a": 1}, "severity": "info"}, Answer(success=False, error="no"))
    assert failed["exception_info"]["raised_exception"]
    assert (failed["expectation_config"]["meta"], failed["expectation_config"]["severity"]) == ({"a": 1}, "info")


def test_a_share_of_rows_counts_those_that_are_there():
    values = counts(10, 8, by={"NOT (": 2})
    answer = answered("column_values_to_be_between", values, column="i", min_value=0, mostly=0.75)
    assert answer == Answer(
        success=True,
        result={
            "element_count": 10, "unexpected_count": 2, "unexpected_percent": 25.0, "partial_unexpected_list": [],
            "missing_count": 2, "missing_percent": 20.0, "unexpected_percent_total": 20.0,
            "unexpected_percent_nonmissing": 25.0,
        },
    )  # fmt: skip
    assert not answered("column_values_to_be_between", values, column="i", min_value=0, mostly=0.76).success


@pytest.mark.parametrize(("rows", "percent"), [(0, None), (4, 50.0)])
def test_nulls_are_counted_of_all_rows(rows, percent):
    for kind in ("be_null", "not_be_null"):
        answer = answered(f"column_values_to_{kind}", counts(rows, rows // 2), column="x", mostly=0.5)
        assert answer.success
        assert answer.result["unexpected_percent"] == percent
        assert "missing_count" not in answer.result


def test_a_table_without_rows_or_values_has_no_percents():
    answer = answered("column_values_to_be_in_set", counts(0, 0), column="i", value_set=[1.5])
    assert answer.success
    assert answer.result["missing_percent"] is None
    assert answered("column_values_to_be_in_set", counts(3, 0), column="i", value_set=[]).success


def test_rows_that_share_a_value_are_counted_only_where_there_are_any():
    plan = planned("column_values_to_be_unique", column="i", row_condition="j > 1")
    rows, present, different, every = plan.asks
    assert every == "count(*)"
    assert plan.recount({rows: 5, present: 4, different: 5}) == ()  # null is one of them
    (repeated,) = plan.recount({rows: 5, present: 4, different: 4})
    assert "GROUP BY c0" in repeated
    assert "coalesce(c1 > 1, FALSE)" in repeated
    assert plan.answer({rows: 5, present: 4, different: 4, repeated: 2}).result["unexpected_count"] == 2
    assert plan.answer({rows: 5, present: 4, different: 5}).success
    whole = {rows: 5, present: 4, every: 9, "count(DISTINCT hash(c0))": 9}
    assert plan.implied[different].value(whole) == 5
    assert plan.implied[different].value(whole | {every: 10}) is None
    assert plan.implied[different].value({}) is None
    assert planned("column_values_to_not_be_null", column="i").recount({}) == ()


@pytest.mark.parametrize(
    ("kind", "kwargs", "fragment"),
    [
        ("column_values_to_be_between", {"column": "s", "min_value": "it's"}, "c4 >= 'it''s'"),
        (
            "column_values_to_be_between",
            {"column": "d", "max_value": "2020-01-02"},
            "c8 <= TIMESTAMP '2020-01-02 00:00:00'",
        ),
        (
            "column_values_to_be_between",
            {"column": "z", "min_value": "2020-01-02T00:00:00+00:00"},
            "TIMESTAMPTZ '2020-01-02 00:00:00+00:00'",
        ),
        ("column_values_to_be_between", {"column": "p", "min_value": 1.0, "strict_min": True}, "c11 > 1)"),
        ("column_values_to_be_between", {"column": "f", "max_value": 0.5, "strict_max": True}, "c2 < 0.5::DOUBLE"),
        ("column_values_to_not_be_in_set", {"column": "b", "value_set": [True]}, "NOT (c7 IN (TRUE))"),
        ("column_values_to_be_in_set", {"column": "f", "value_set": [1]}, "c2 IN (1.0::DOUBLE)"),
        ("column_values_to_be_in_set", {"column": "k", "value_set": []}, "(c6 <> c6)"),
        ("column_value_lengths_to_be_between", {"column": "s", "max_value": 2}, "length(c4) <= 2"),
        ("column_value_lengths_to_equal", {"column": "s", "value": 2}, "length(c4) = 2"),
        ("column_values_to_not_match_regex", {"column": "s", "regex": "a"}, "NOT (NOT regexp_matches(c4, 'a'))"),
        ("column_values_to_match_regex", {"column": "s", "regex": "a"}, "NOT (regexp_matches(c4, 'a'))"),
        ("column_values_to_match_regex_list", {"column": "s", "regex_list": ["a", "b"], "match_on": "all"}, " AND "),
        ("column_values_to_not_match_regex_list", {"column": "s", "regex_list": ["a", "b"]}, "NOT (NOT (regexp"),
        ("column_pair_values_a_to_be_greater_than_b", {"column_A": "i", "column_B": "f"}, "c0 > c2"),
        ("column_pair_values_a_to_be_greater_than_b", {"column_A": "i", "column_B": "f", "or_equal": True}, "c0 >= c2"),
        ("column_pair_values_to_be_equal", {"column_A": "i", "column_B": "j", "ignore_row_if": "neither"}, "c0 = c1"),
        ("multicolumn_sum_to_equal", {"column_list": ["i", "f"], "sum_total": 3}, "c0::DOUBLE + c2::DOUBLE = 3"),
        ("select_column_values_to_be_unique_within_record", {"column_list": ["s", "t"]}, "c4 IS DISTINCT FROM c5"),
    ],
)
def test_an_expectation_is_compiled_to_sql_over_places(kind, kwargs, fragment):
    plan = planned(kind, **kwargs)
    assert any(fragment in ask for ask in plan.asks), plan.asks
    assert plan.answer(dict.fromkeys(plan.asks, 0)).success


def test_records_that_repeat_are_found_by_their_columns_together():
    plan = planned("compound_columns_to_be_unique", column_list=["i", "s"])
    assert plan.asks[2] == "count(DISTINCT hash(c0, c4)) FILTER (WHERE (c0 IS NOT NULL OR c4 IS NOT NULL))"
    assert plan.implied[plan.asks[2]].by == {"count(DISTINCT hash(c0))", "count(DISTINCT hash(c4))"}


@pytest.mark.parametrize(("wanted", "unexpected"), [("", 3), ("not_", 1)])
def test_texts_of_a_set_are_found_by_their_place_in_it(wanted, unexpected):
    found = answered(
        f"column_values_to_{wanted}be_in_set", counts(5, 4, by={"list_position": 1}), column="s", value_set=["it's"]
    )
    assert found.result["unexpected_count"] == unexpected
    assert "'it''s'" in planned("column_values_to_be_in_set", column="s", value_set=["it's"]).asks[2]


def test_texts_are_counted_beside_a_profile_unless_a_row_condition_chooses_rows():
    asked = {"column": "s", "value_set": ["a", "b", "a"]}
    plans = [planned(f"column_{kind}_to_be_in_set", **asked) for kind in ("values", "distinct_values")]
    counted = [one for plan in plans for one in plan.counted.values()]
    assert [(one.column, one.texts, one.value([3, 0])) for one in counted] == [
        ("s", ("a", "b"), 3),
        ("s", ("a", "b"), 1),
    ]
    unique = planned("column_values_to_be_unique", column="s")
    assert unique.counted == {unique.asks[2]: Different("s")}
    for kind, kwargs in (
        ("values_to_be_in_set", {**asked, "row_condition": "i > 1"}),
        ("distinct_values_to_be_in_set", {**asked, "row_condition": "i > 1"}),
        ("distinct_values_to_be_in_set", {"column": "i", "value_set": [1]}),
        ("values_to_be_unique", {"column": "s", "row_condition": "i > 1"}),
        ("values_to_be_unique", {"column": "i"}),
    ):
        assert planned(f"column_{kind}", **kwargs).counted == {}


@pytest.mark.parametrize(("ends", "value"), [((1, 3), 0), ((0, 3), None), ((1, None), None)])
def test_where_the_ends_fit_all_values_do(ends, value):
    plan = planned("column_values_to_be_between", column="i", min_value=1, max_value=3)
    known = {f"{name}(c0)": end for name, end in zip(("min", "max"), ends, strict=True) if end is not None}
    assert plan.implied[plan.asks[2]].value(known) == value
    text = planned("column_values_to_be_between", column="s", min_value="a")
    assert text.implied[text.asks[2]].value({"min(c4)": "a", "max(c4)": "b"}) is None


def test_a_z_score_needs_a_spread():
    asked = {"column": "f", "threshold": 2, "double_sided": True}
    name = "column_value_z_scores_to_be_less_than"

    def measure(spread):
        return lambda ask: 3 if "len(" in ask else spread if "stddev" in ask else 9

    assert answered(name, measure(1.0), **asked).result["unexpected_count"] == 3
    assert answered(name, measure(0.0), **asked).result["unexpected_count"] == 0
    assert answered(name, measure(None), **asked).success
    assert answered(name, measure(math.nan), **asked) is None
    assert not any("abs" in ask for ask in planned(name, **asked | {"double_sided": False}).asks)


@pytest.mark.parametrize(
    ("column", "named", "nulls", "success", "observed"),
    [
        ("i", "int64", 0, True, "int64"), ("i", "int64", 1, False, "float64"), ("i", "INT", 0, False, "int64"),
        ("s", "str", 1, True, None), ("s", "object", 0, True, "object_"), ("s", "float", 0, False, None),
        ("b", "bool", 0, True, "bool"), ("b", "bool", 1, True, None), ("b", "int", 1, True, None),
        ("d", "datetime64", 1, True, "datetime64"), ("p", "none", 0, False, None), ("s", "string_types", 0, True, None),
    ],
)  # fmt: skip
def test_a_type_is_the_one_that_pandas_gives(column, named, nulls, success, observed):
    for kind, kwargs in (("be_of_type", {"type_": named}), ("be_in_type_list", {"type_list": [named]})):
        if kind == "be_in_type_list" and named in ("object", "datetime64"):
            continue  # of a list, Great Expectations asks each value, and for the unit of a moment
        answer = answered(f"column_values_to_{kind}", counts(4, 4 - nulls), column=column, **kwargs)
        assert answer.result.get("observed_value") == observed
        assert answer.success is success or named == "INT"


@pytest.mark.parametrize(
    ("column", "measured", "nulls", "observed"),
    [
        ("i", 3, 0, 3), ("i", 3, 1, 3.0), ("f", 2.5, 0, 2.5), ("b", True, 0, True),
        ("p", decimal.Decimal("2.5"), 0, 2.5),
        ("f", None, 1, None), ("f", math.inf, 0, math.inf), ("s", None, 0, None),
    ],
)  # fmt: skip
def test_an_extreme_is_as_pandas_has_it(column, measured, nulls, observed):
    bound = {"min_value": "a"} if column == "s" else {"min_value": 1}
    answer = answered("column_max_to_be_between", counts(4, 4 - nulls, by={"max(": measured}), column=column, **bound)
    assert answer.result == {"observed_value": observed}
    assert type(answer.result["observed_value"]) is type(observed)
    assert answer.success is (observed is not None)


def test_an_extreme_of_dates_is_a_moment():
    day = dt.date(2020, 1, 1)
    for bound, success in (("2020-01-01", True), ("2020-01-01T00:00:01", False)):
        answer = answered("column_min_to_be_between", counts(1, 1, by={"min(": day}), column="d", min_value=bound)
        assert answer == Answer(success, {"observed_value": dt.datetime(2020, 1, 1)})  # noqa: DTZ001
    assert (
        answered("column_min_to_be_between", counts(0, 0, by={"min(": None}), column="d", min_value="2020-01-01")
        is None
    )


@pytest.mark.parametrize(
    ("name", "column", "measured", "nulls", "observed"),
    [
        ("sum", "i", 6, 0, 6), ("sum", "i", 6, 1, 6.0), ("sum", "b", 2.0, 0, 2), ("sum", "f", None, 0, 0.0),
        ("mean", "f", None, 0, None), ("mean", "p", 2.0, 1, 2.0), ("median", "i", 2.0, 0, 2.0),
        ("stdev", "b", 0.5, 0, 0.5),
    ],
)  # fmt: skip
def test_a_moment_is_as_pandas_has_it(name, column, measured, nulls, observed):
    values = counts(4, 4 - nulls, by={"count": None, "(": measured})

    def measure(ask):
        return (4 if ask == "count(*)" else 4 - nulls) if ask.startswith("count(") else values(ask)

    answer = answered(f"column_{name}_to_be_between", measure, column=column, min_value=-1, max_value=9)
    assert answer.result == {"observed_value": observed}
    assert type(answer.result["observed_value"]) is type(observed)


@pytest.mark.parametrize(("column", "found"), [("f", math.nan), ("f", math.inf), ("i", 2**63)])
def test_a_sum_that_runs_over_is_left_to_great_expectations(column, found):
    assert (
        answered("column_sum_to_be_between", lambda ask: found if "sum" in ask else 1, column=column, min_value=0)
        is None
    )


def test_different_values_are_counted_and_shared():
    values = counts(8, 4, by={"DISTINCT": 3})
    count = answered("column_unique_value_count_to_be_between", values, column="s", max_value=3)
    share = answered("column_proportion_of_unique_values_to_be_between", values, column="s", min_value=0.75)
    there = answered("column_proportion_of_non_null_values_to_be_between", values, column="x", max_value=0.5)
    assert [answer.success for answer in (count, share, there)] == [True, True, True]
    empty = answered("column_proportion_of_unique_values_to_be_between", counts(0, 0), column="s", min_value=0)
    assert empty.result == {"observed_value": 0}


@pytest.mark.parametrize("size", [2, 65])
def test_a_set_of_different_values_has_strange_and_missing_ones(size):
    wanted = [f"v{place}" for place in range(size)]

    def measure(ask):
        return 1 if "bit_count" in ask or "IN (" in ask else 3

    results = [
        answered(f"column_distinct_values_to_{kind}_set", measure, column="s", value_set=[*wanted, "v0"])
        for kind in ("be_in", "contain", "equal")
    ]
    missing = {"missing_count": size - 1}
    assert [answer.result for answer in results] == [
        {"observed_value": None, "unexpected_count": 2},
        {"observed_value": None, **missing},
        {"observed_value": None, "unexpected_count": 2, **missing},
    ]
    assert not any(answer.success for answer in results)


@pytest.mark.parametrize(
    ("modes", "ties", "success"),
    [([1], None, True), ([1, 2], None, False), ([1, 2], True, True), ([3], True, False), (None, None, False)],
)
def test_the_most_common_value_is_alone_unless_ties_are_fine(modes, ties, success):
    answer = answered(
        "column_most_common_value_to_be_in_set",
        counts(5, 5, by={"list": modes}),
        column="i",
        value_set=[1],
        ties_okay=ties,
    )
    assert answer == Answer(success, {"observed_value": modes or []})


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("values_to_be_between", {"min_value": 0}), ("values_to_be_in_set", {"value_set": [1]}),
        ("values_to_be_unique", {}), ("min_to_be_between", {"min_value": 0}), ("value_z_scores_to_be_less_than",
        {"threshold": 2, "double_sided": True}), ("mean_to_be_between", {"min_value": 0}),
        ("quantile_values_to_be_between", {"quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]}}),
    ],
)  # fmt: skip
def test_no_aggregate_of_every_row_has_a_filter_for_which_duckdb_would_copy_all_columns(kind, more):
    assert "FILTER" not in " ".join(planned(f"column_{kind}", column="i", **more).asks)
    filtered = planned(f"column_{kind}", column="i", row_condition="j > 1", condition_parser="pandas", **more)
    assert "c1 > 1" in " ".join(filtered.asks)


@pytest.mark.parametrize(("size", "halves"), [(1, "0.5, 0.5"), (4, "0.125, 0.625"), (5, "0.1, 0.5")])
def test_quantiles_of_so_many_values_as_are_known_need_no_sorted_list(size, halves):
    ranges = {"quantiles": [0, 0.5], "value_ranges": [[0, 1], [0, 1]]}
    asked = {
        "type": "expect_column_quantile_values_to_be_between",
        "kwargs": {"column": "i", "quantile_ranges": ranges},
    }
    plan = compile_expectation(asked, COLUMNS, known={"count(c0)": size})
    assert plan.asks[0] == f"quantile_disc(c0, [{halves}]::DOUBLE[])"
    assert "list_sort" in compile_expectation(asked, COLUMNS, known={"count(c0)": 0}).asks[0]


def test_quantiles_may_be_a_ten_thousandth_outside():
    ranges = {"quantiles": [0.25, 0.5, 1], "value_ranges": [[1.00009, 2], [None, 1.9999], [1, None]]}
    asked = {"column": "f", "quantile_ranges": ranges}
    found = answered("column_quantile_values_to_be_between", counts(3, 3, by={"list": [1.0, 2.0, 3.0]}), **asked)
    assert (found.success, found.result["details"]["success_details"]) == (True, [True, True, True])
    none = answered("column_quantile_values_to_be_between", counts(0, 0, by={"list": None}), **asked)
    assert (none.success, none.result["observed_value"]["values"]) == (False, [None, None, None])


def test_the_shape_of_a_table_is_known_without_a_scan():
    names = [column.name for column in COLUMNS]
    unscanned = [
        planned("table_column_count_to_equal", value=15),
        planned("table_column_count_to_be_between", min_value=16),
        planned("column_to_exist", column="j"), planned("column_to_exist", column="j", column_index=1),
        planned("column_to_exist", column="j", column_index=-99),
        planned("table_columns_to_match_ordered_list", column_list=names),
        planned("table_columns_to_match_ordered_list", column_list=["j"]),
        planned("table_columns_to_match_set", column_set=names),
        planned("table_columns_to_match_set", column_set=["i"]),
        planned("table_columns_to_match_set", column_set=["i"], exact_match=False),
    ]  # fmt: skip
    assert [plan.asks for plan in unscanned] == [()] * 10
    answers = [plan.answer({}) for plan in unscanned]
    assert [answer.success for answer in answers] == [True, False, True, True, False, True, False, True, False, True]
    assert answers[6].result["details"]["mismatched"][0] == {
        "Expected Column Position": 0,
        "Expected": "j",
        "Found": "i",
    }
    assert "missing" not in answers[8].result["details"]["mismatched"]


def test_rows_are_counted_under_the_row_condition():
    plan = planned("table_row_count_to_equal", value=2, row_condition="i > 1")
    (rows,) = plan.asks
    assert rows == "count(CASE WHEN coalesce(c0 > 1, FALSE) THEN 1 END)"
    assert plan.answer({rows: 2}).success
    assert not answered("table_row_count_to_be_between", counts(2, 0), max_value=2, strict_max=True).success


def suite_of(condition, **meta):
    asked = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "i", "row_condition": condition}}
    return {"name": "s", "meta": meta, "expectations": [asked]}


def test_a_suite_with_code_is_refused_unless_it_is_trusted():
    refuse_code(suite_of("i > 1"))
    with pytest.raises(Misconfigured, match="suite s: expect_column_values_to_not_be_null has a row_condition"):
        refuse_code(suite_of("i.apply(print)"))
    trusted = suite_of("i.apply(print)", xops={"trusted": True})
    refuse_code(trusted)
    assert may_run_in_gx(trusted, trusted["expectations"][0])
    for condition, may in (("`i j` > 1", False), ("i > 1", True), (None, True)):
        suite = suite_of(condition)
        assert may_run_in_gx(suite, suite["expectations"][0]) is may


@pytest.mark.parametrize(
    ("kind", "kwargs", "needed"),
    [
        ("column_values_to_be_json_parseable", {"column": "s", "mostly": 0.5}, "s"),
        ("column_values_to_be_json_parseable", {"column": "s", "row_condition": "i > 1"}, "is"),
        ("column_values_to_be_json_parseable", {"column": "gone"}, "ijs"),
        ("multicolumn_values_to_be_equal", {"column_list": ["i", "j"]}, "ij"),
        ("column_pair_values_to_be_in_set", {"column_A": "j", "column_B": "i", "value_pairs_set": [[1, 2]]}, "ij"),
        ("column_kl_divergence_to_be_less_than", {"column": "j", "partition_object": {"bins": [1]}}, "j"),
        ("column_to_exist", {"column": "s", "column_index": 2}, "ijs"),
        ("table_columns_to_match_set", {"column_set": ["i"]}, "ijs"),
        ("column_values_to_be_ours", {"column": "s"}, "ijs"),
    ],
)
def test_great_expectations_gets_the_columns_that_an_expectation_names_or_all(kind, kwargs, needed):
    asked = [{"type": f"expect_{kind}", "kwargs": kwargs}]
    assert "".join(columns_needed({"expectations": asked}, asked, ["i", "j", "s"])) == needed


def test_what_code_reads_nobody_knows():
    trusted = suite_of("i.apply(print)", xops={"trusted": True})
    assert columns_needed(trusted, trusted["expectations"], ["i", "j"]) == ["i", "j"]


def test_every_planned_expectation_takes_a_batch():
    assert all("batch_id" in one.arguments for one in PLANNED.values())
    assert Column("a", 3, Kind.OTHER).present == "c3 IS NOT NULL"


@pytest.mark.parametrize("value", [{"$PARAMETER": "limit"}, [1, {"$PARAMETER": "limit"}], {"a": {"$PARAMETER": "b"}}])
def test_a_suite_with_a_parameter_is_refused(value):
    asked = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "i", "max_value": value}}
    with pytest.raises(Misconfigured, match=r"suite s: \S+ has a \$PARAMETER as its max_value"):
        refuse_unreadable({"name": "s", "expectations": [asked]})
    refuse_unreadable({"expectations": [{"type": "a"}, {"type": "b", "kwargs": {"c": [{"d": 1}, "$PARAMETER"]}}]})


@pytest.mark.parametrize("severity", ["terrible", "Warning", "", None, 1, ["info"]])
def test_a_suite_with_a_severity_that_nobody_knows_is_refused(severity):
    with pytest.raises(Misconfigured, match=r"suite s: a has the severity .*; critical, warning, info was wanted"):
        refuse_unreadable({"name": "s", "expectations": [{"type": "a", "kwargs": {}, "severity": severity}]})
    for known in ("critical", "warning", "info"):
        refuse_unreadable({"expectations": [{"type": "a", "kwargs": {}, "severity": known}]})


RANGE = {"min_value": 1, "max_value": 3}


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("column_values_to_be_unique", {"column": "i", "mostly": None}),
        ("column_values_to_be_between", {"column": "i", **RANGE, "strict_min": None}),
        ("column_values_to_be_unique", {"column": ""}),
        ("compound_columns_to_be_unique", {"column_list": "ij"}),
        ("compound_columns_to_be_unique", {"column_list": ["i", ["j"]]}),
        ("table_column_count_to_be_between", {**RANGE, "strict_min": True}),
        ("table_row_count_to_be_between", {"min_value": 3, "max_value": 1}),
        ("table_row_count_to_be_between", {**RANGE, "strict_max": "x"}),
        ("column_unique_value_count_to_be_between", {"column": "i", "min_value": 0.5}),
        ("column_distinct_values_to_be_in_set", {"column": "i", "value_set": []}),
        ("column_max_to_be_between", {"column": "s", "max_value": "2021-1-1"}),
    ],
)
def test_what_great_expectations_refuses_or_reads_in_its_own_way_is_left_to_it(kind, kwargs):
    assert planned(kind, **kwargs) is None


def test_a_time_beyond_those_of_python_is_left_to_great_expectations():
    measured = {"max(": "5881580-07-11 (BC)"}
    assert answered("column_max_to_be_between", counts(4, 4, by=measured), column="d", max_value="2020-01-01") is None


def test_a_moment_between_two_microseconds_is_not_decided():
    at = [Column("at", 0, Kind.TIMESTAMP, "datetime64[ns]")]
    asked = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "at", "max_value": "2020-01-01T00:00:00"}}
    plan = compile_expectation(asked, at)
    found = {"max(c0)": dt.datetime(2020, 1, 1), "count(*)": 1, "count(c0)": 1}  # noqa: DTZ001
    assert plan.answer(found | {"epoch_ns(max(c0)) % 1000": 0}).success
    assert plan.answer(found | {"epoch_ns(max(c0)) % 1000": 1}) is None
