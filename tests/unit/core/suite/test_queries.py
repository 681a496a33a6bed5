"""Expectations that are a query of their author's."""

import pytest

from xops.core.suite.queries import QUERY, answer_of, query_of

pytestmark = pytest.mark.unit


def asked(query, **further):
    return {"type": QUERY, "kwargs": {"unexpected_rows_query": query, **further}}


def test_the_rows_stand_where_the_query_names_the_batch():
    assert query_of(asked("SELECT 1 FROM {batch} b, {batch} c WHERE s = '{{a}}'"), "rows") == (
        "SELECT 1 FROM rows b, rows c WHERE s = '{a}'"
    )


def test_another_expectation_and_other_arguments_are_left_alone():
    assert query_of({"type": "expect_column_to_exist", "kwargs": {}}, "rows") is None
    assert query_of(asked("SELECT 1", row_condition="a > 1"), "rows") is None


@pytest.mark.parametrize("query", ["", "  ", None, 5, "{table}", "{}", "{batch!r}", "{batch:>9}", "{batch", "a{3}"])
def test_a_query_that_cannot_be_filled_in_is_named(query):
    with pytest.raises(ValueError, match="quer"):
        query_of(asked(query), "rows")
    with pytest.raises(ValueError, match="SQL query was wanted"):
        query_of({"type": QUERY}, "rows")


def test_no_row_is_as_expected():
    assert answer_of(0).success
    assert (answer_of(2).success, answer_of(2).result) == (False, {"observed_value": 2})
