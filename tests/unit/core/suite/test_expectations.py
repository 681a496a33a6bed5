import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.suite.results import judge_expectations, named_columns
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
COLUMNS = ("delay", "origin", "dest")
CALM = {"raised_exception": False, "exception_traceback": None, "exception_message": None}

BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "delay", "min_value": -60.0, "mostly": 0.9},
}
UNIQUE = {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["origin", "dest"]}}
COUNT = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1, "max_value": 9}}
EXIST = {"type": "expect_column_to_exist", "kwargs": {"column": "tail"}}


def answer(expectation, *, success=True, result=None, exception_info=None):
    """Give what Great Expectations writes about ``expectation``: its arguments reordered and with the batch's id."""
    kwargs = {"batch_id": "flights-2024", **dict(reversed(expectation["kwargs"].items()))}
    return {
        "success": success,
        "expectation_config": {"meta": {}, "severity": "critical", **expectation, "kwargs": kwargs},
        "result": result or {},
        "meta": {},
        "exception_info": CALM if exception_info is None else exception_info,
    }


def judge(suite, results, *, columns=COLUMNS, rows=10):
    return judge_expectations(suite, results, columns=columns, rows=rows, subject="nyc.flights@1", facts={"batch": "b"})


def judged(expectation, *, columns=COLUMNS, rows=10, **said):
    """Give the one finding of a suite of one expectation."""
    (finding,) = judge([expectation], [answer(expectation, **said)], columns=columns, rows=rows).findings
    return finding


def test_a_suite_that_holds_passes_with_one_finding_an_expectation():
    verdict = judge([BETWEEN, UNIQUE, COUNT], [answer(BETWEEN), answer(UNIQUE), answer(COUNT)])
    assert verdict.outcome is PASS
    assert [(finding.check, finding.subject) for finding in verdict.findings] == [
        ("expect_column_values_to_be_between", "delay"),
        ("expect_compound_columns_to_be_unique", "origin, dest"),
        ("expect_table_row_count_to_be_between", "dataset"),
    ]
    assert (verdict.check, verdict.subject, verdict.facts) == ("data_test", "nyc.flights@1", {"batch": "b", "rows": 10})


@given(st.lists(st.tuples(st.sampled_from([BETWEEN, UNIQUE, COUNT]), st.sampled_from([True, False, None])), min_size=1))
def test_every_expectation_asked_for_has_its_finding_in_its_place(asked):
    suite = [expectation for expectation, _ in asked]
    said = {True: PASS, False: FAIL, None: UNKNOWN}
    verdict = judge(suite, [None if success is None else answer(e, success=success) for e, success in asked])
    assert [finding.check for finding in verdict.findings] == [expectation["type"] for expectation in suite]
    assert [finding.outcome for finding in verdict.findings] == [said[success] for _, success in asked]
    assert verdict.outcome.passes == (bool(asked) and all(success for _, success in asked))


def test_a_suite_without_expectations_is_unknown_and_says_so():
    (finding,) = judge([], []).findings
    assert (finding.outcome, finding.reason) == (UNKNOWN, "the suite has no expectation")


def test_an_expectation_without_a_result_is_unknown():
    (finding,) = judge([BETWEEN], [None]).findings
    assert (finding.outcome, finding.reason) == (UNKNOWN, "Great Expectations gave no result for it")


@pytest.mark.parametrize("results", [[], [answer(BETWEEN)], [answer(BETWEEN)] * 3], ids=["none", "fewer", "more"])
def test_results_that_are_not_one_for_each_expectation_are_refused(results):
    with pytest.raises(ValueError, match="zip"):
        judge([BETWEEN, UNIQUE], results)


def test_an_empty_suite_is_unknown():
    assert judge([], []).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("severity", "outcome"),
    [
        ({}, FAIL),
        ({"severity": None}, FAIL),
        ({"severity": "critical"}, FAIL),
        ({"severity": "warning"}, WARN),
        ({"severity": "info"}, WARN),
        ({"severity": "WARNING"}, WARN),
        ({"severity": "Info"}, WARN),
        ({"severity": "CRITICAL"}, FAIL),
        ({"severity": "warn"}, FAIL),
        ({"severity": ""}, FAIL),
        ({"severity": "unheard of"}, FAIL),
    ],
)
def test_the_severity_decides_what_a_broken_expectation_costs(severity, outcome):
    assert judged(BETWEEN | severity, success=False).outcome is outcome
    assert judged(BETWEEN | severity, success=True).outcome is PASS


FLAT = {"raised_exception": True, "exception_traceback": "Traceback ...", "exception_message": "no such\nfunction"}


@pytest.mark.parametrize(
    "exception_info",
    [FLAT, {"('column_values.between', 'f1')": FLAT}, {"('a', 'f1')": CALM, "('b', 'f2')": FLAT}, {"id": 7, "b": FLAT}],
    ids=["flat", "nested", "nested beside a calm one", "nested beside what is no exception"],
)
@pytest.mark.parametrize("success", [True, False])
def test_an_expectation_that_raised_is_unknown_whatever_else_it_says(exception_info, success):
    finding = judged(BETWEEN, success=success, exception_info=exception_info)
    assert (finding.outcome, finding.reason) == (UNKNOWN, "it could not be measured: no such function")


@pytest.mark.parametrize("message", [None, ""])
def test_an_exception_without_a_message_is_one_all_the_same(message):
    finding = judged(BETWEEN, exception_info=FLAT | {"exception_message": message})
    assert finding.reason == "it could not be measured: an exception without a message"


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("could not convert string to float: 'raw-1'", "could not convert string to float: ... (the rest"),
        ("Could not convert string 'it's raw' to numeric", "Could not convert string ... (the rest"),
        ("Out of bounds nanosecond timestamp: 0001-01-01", "Out of bounds nanosecond timestamp: ... (the rest"),
        ("'raw-1'", "an exception ... (the rest"),
        ("'<=' not supported between instances of 'str' and 'float'", "'<=' not supported between instances of 'str'"),
    ],
)
def test_a_message_of_pandas_is_kept_up_to_where_it_may_quote_a_value(message, kept):
    finding = judged(BETWEEN, exception_info=FLAT | {"exception_message": message})
    assert finding.reason.startswith(f"it could not be measured: {kept}")
    assert "raw" not in finding.reason
    ours = judged(BETWEEN, exception_info=FLAT | {"exception_message": message, "exception_traceback": None})
    assert ours.reason == f"it could not be measured: {message}"


def test_what_an_exception_says_is_bounded():
    finding = judged(BETWEEN, exception_info=FLAT | {"exception_message": "x" * 10_000})
    assert len(finding.reason) < 600


@pytest.mark.parametrize("exception_info", [CALM, {}, {"('a', 'f1')": CALM}])
def test_an_expectation_that_did_not_raise_is_judged_by_its_success(exception_info):
    assert judged(BETWEEN, exception_info=exception_info).outcome is PASS
    assert judged(BETWEEN, success=False, exception_info=exception_info).outcome is FAIL


def test_a_result_without_exception_info_is_judged_by_its_success():
    bare = answer(BETWEEN)
    del bare["exception_info"], bare["result"]
    assert judge([BETWEEN], [bare]).outcome is PASS


@pytest.mark.parametrize("result", [None, answer(UNIQUE), answer(UNIQUE, success=False, exception_info={"m": FLAT})])
def test_an_expectation_on_an_absent_column_fails_and_says_which_columns_there_are(result):
    (finding,) = judge([UNIQUE], [result], columns=("delay", "dest")).findings
    assert (finding.outcome, finding.reason) == (FAIL, "no column origin; the batch has delay, dest")


def test_every_absent_column_is_named():
    (finding,) = judge([UNIQUE], [answer(UNIQUE)], columns=("delay",)).findings
    assert finding.reason == "no column origin, dest; the batch has delay"


def test_the_columns_of_a_wide_table_are_bounded():
    (finding,) = judge([UNIQUE], [None], columns=[f"c{i}" for i in range(5000)]).findings
    assert len(finding.reason) < 600


@pytest.mark.parametrize(("columns", "outcome"), [((*COLUMNS, "tail"), PASS), (COLUMNS, FAIL)])
def test_whether_a_column_exists_is_for_the_result_to_say(columns, outcome):
    finding = judged(EXIST, columns=columns, success="tail" in columns)
    assert (finding.subject, finding.outcome, finding.reason) == ("tail", outcome, "")


@pytest.mark.parametrize("suite", [[], [BETWEEN], [BETWEEN, COUNT]])
def test_a_table_without_rows_is_unknown_though_everything_passes(suite):
    verdict = judge(suite, [answer(expectation) for expectation in suite], rows=0)
    assert verdict.outcome is UNKNOWN
    assert len(verdict.findings) == len(suite) + 1
    first = verdict.findings[0]
    assert (first.check, first.subject, first.observed, first.reason) == (
        "row_count",
        "dataset",
        0,
        "the batch has no rows",
    )


def test_a_table_of_one_row_is_judged():
    assert judge([BETWEEN], [answer(BETWEEN)], rows=1).outcome is PASS


def test_a_table_without_rows_fails_where_an_expectation_does():
    assert judge([COUNT], [answer(COUNT, success=False, result={"observed_value": 0})], rows=0).outcome is FAIL


@pytest.mark.parametrize(
    "result", [{"observed_value": 7}, {"unexpected_count": 7}, {"observed_value": 7, "unexpected_count": 3}]
)
def test_what_was_observed_is_the_value_or_else_the_count_of_unexpected_ones(result):
    assert judged(BETWEEN, result=result).observed == 7


def test_a_result_that_measured_nothing_is_judged_by_its_success():
    finding = judged(BETWEEN, result=None)
    assert (finding.outcome, finding.observed, finding.reason) == (PASS, None, "")


@pytest.mark.parametrize(
    ("missing", "values"), [({}, 1000), ({"missing_count": None}, 1000), ({"missing_count": 400}, 600)]
)
def test_a_broken_expectation_says_how_many_of_the_values_that_are_there_are_unexpected(missing, values):
    result = {"element_count": 1000, "unexpected_count": 3, "unexpected_percent": 0.5} | missing
    finding = judged(BETWEEN, success=False, result=result, rows=2000)
    assert (finding.outcome, finding.reason) == (FAIL, f"3 of {values} values are unexpected")


@pytest.mark.parametrize(
    ("success", "result"),
    [
        (False, {"observed_value": 7}),
        (False, {"unexpected_count": 3, "unexpected_percent": 30.0}),
        (False, {"element_count": 10, "unexpected_count": None}),
        (True, {"element_count": 10, "unexpected_count": 3, "unexpected_percent": 30.0}),
    ],
    ids=["none counted", "out of an unknown number", "count unknown", "within what is allowed"],
)
def test_no_unexpected_values_are_quoted_where_none_are_to_blame_or_their_share_is_not_known(success, result):
    assert judged(BETWEEN, success=success, result=result).reason == ""


def test_the_values_themselves_are_not_kept():
    result = {"unexpected_count": 1, "partial_unexpected_list": ["Alice"], "unexpected_index_list": [{"name": "Alice"}]}
    verdict = judge([BETWEEN], [answer(BETWEEN, success=False, result=result)])
    assert "Alice" not in json.dumps(verdict.to_json())


@pytest.mark.parametrize(
    ("kwargs", "limit"),
    [
        ({"column": "delay", "min_value": 0, "max_value": None}, {"min_value": 0}),
        ({"column": "delay", "value_set": ["a"], "mostly": 0.9}, {"value_set": ["a"], "mostly": 0.9}),
        (
            {"column": "delay", "batch_id": "b", "min_value": 0, "strict_min": True},
            {"min_value": 0, "strict_min": True},
        ),
        ({"column_list": ["delay", "dest"], "ignore_row_if": "never"}, {"ignore_row_if": "never"}),
        ({"column_A": "delay", "column_B": "dest", "or_equal": False}, {"or_equal": False}),
        ({"column": "delay"}, None),
    ],
)
def test_the_limit_is_what_the_expectation_was_held_against(kwargs, limit):
    assert judged({"type": "expect_column_values", "kwargs": kwargs}).limit == limit


def test_an_expectation_without_arguments_is_about_the_dataset():
    suite = [{"type": "expect_something"}]
    (finding,) = judge(suite, [{"success": True, "expectation_config": suite[0]}]).findings
    assert (finding.subject, finding.limit, finding.outcome) == ("dataset", None, PASS)


@pytest.mark.parametrize(
    ("kwargs", "columns"),
    [
        ({}, []),
        ({"column": "a"}, ["a"]),
        ({"column_B": "b", "column_A": "a"}, ["a", "b"]),
        ({"column_list": ["a", "b"]}, ["a", "b"]),
        ({"column_list": None, "column": None}, []),
        ({"column_set": ["a"], "min_value": 1}, []),
    ],
)
def test_the_columns_that_an_expectation_names_are_given_in_their_order(kwargs, columns):
    assert named_columns(kwargs) == columns


@pytest.mark.parametrize("severity", [{}, {"severity": "warning"}])
@pytest.mark.parametrize(("missing", "known"), [(9, True), (10, False)])
def test_an_expectation_that_holds_on_a_column_without_values_is_unknown(missing, known, severity):
    result = {"element_count": 10, "missing_count": missing, "unexpected_count": 0, "unexpected_percent": None}
    finding = judged(BETWEEN | severity, result=result, rows=10)
    said = (PASS, "", 10) if known else (UNKNOWN, "all 10 values are null", 10)
    assert (finding.outcome, finding.reason, finding.size) == said
    assert finding.limit == {"min_value": -60.0, "mostly": 0.9}


def test_a_column_that_is_to_be_null_may_be():
    null = {"type": "expect_column_values_to_be_null", "kwargs": {"column": "delay"}}
    empty = {"element_count": 10, "missing_count": 10, "unexpected_count": 0}
    assert judged(null, result=empty).outcome is PASS


def test_a_column_without_values_fails_where_its_expectation_does():
    empty = {"element_count": 10, "missing_count": 10, "unexpected_count": 0}
    assert judged(BETWEEN, success=False, result=empty).outcome is FAIL


@pytest.mark.parametrize(
    ("result", "outcome"), [({"observed_value": None}, UNKNOWN), ({"observed_value": 0}, FAIL), ({}, FAIL)]
)
def test_an_expectation_fails_on_what_was_measured_and_is_unknown_where_nothing_was(result, outcome):
    finding = judged(COUNT, success=False, result=result)
    assert finding.outcome is outcome
    assert finding.reason == ("nothing was measured" if outcome is UNKNOWN else "")
    assert judged(COUNT, success=True, result=result).outcome is PASS


def test_unexpected_distinct_values_are_not_said_to_be_a_share_of_the_rows():
    distinct = {"observed_value": None, "unexpected_count": 1, "partial_unexpected_list": ["z"]}
    finding = judged(BETWEEN, success=False, result=distinct)
    assert not finding.outcome.passes
    assert " of " not in finding.reason


@pytest.mark.parametrize(
    ("kind", "observed", "kept"),
    [
        ("expect_column_max_to_be_between", "ann@example.com", "a text, not kept"),
        ("expect_column_most_common_value_to_be_in_set", ["ann@example.com", "bob"], "2 values, not kept"),
        ("expect_column_values_to_be_of_type", "int64", "int64"),
        ("expect_table_columns_to_match_set", ["id", "temp"], ["id", "temp"]),
        ("expect_column_mean_to_be_between", 1.5, 1.5),
    ],
)
def test_values_of_the_data_are_not_kept_and_what_is_counted_of_them_is(kind, observed, kept):
    asked = {"type": kind, "kwargs": {"column": COLUMNS[0]} if "column_" in kind else {}}
    assert judged(asked, success=False, result={"observed_value": observed}).observed == kept


@pytest.mark.parametrize("figure", ["mean", "sum", "stdev", "median"])
@pytest.mark.parametrize("observed", [math.inf, "Infinity", "-Infinity", math.nan])
def test_a_figure_that_no_double_holds_does_not_pass_by_being_infinite(figure, observed):
    asked = {"type": f"expect_column_{figure}_to_be_between", "kwargs": {"column": "delay", "min_value": 0}}
    finding = judged(asked, result={"observed_value": observed})
    assert finding.outcome is UNKNOWN
    assert "too great to be added up" in finding.reason
    assert judged(asked, success=False, result={"observed_value": observed}).outcome is FAIL
    extreme = {**asked, "type": "expect_column_max_to_be_between"}
    assert judged(extreme, result={"observed_value": observed}).outcome is PASS
