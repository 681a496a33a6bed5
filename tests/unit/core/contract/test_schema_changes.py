import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.contract.column_types import FAMILIES, fits, from_arrow, from_sql, widens
from xops.core.contract.schema_changes import (
    COMPATIBLE,
    Change,
    Column,
    changes,
    first_of_its_table,
    judge_schema,
    refused,
)
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

TYPES = ["int8", "int32", "int64", "uint8", "float32", "float64", "decimal(5,2)", "string", "date", "timestamp[us]"]
COLUMNS = st.lists(
    st.builds(Column, st.sampled_from("abcdefgh"), st.sampled_from(TYPES), st.booleans()),
    unique_by=lambda column: column.name,
    max_size=6,
)


@pytest.mark.parametrize(
    ("arrow", "name"),
    [
        ("large_string", "string"),
        ("double", "float64"),
        ("int8", "int8"),
        ("date32[day]", "date"),
        ("decimal128(10, 2)", "decimal(10,2)"),
        ("timestamp[us]", "timestamp[us]"),
        ("timestamp[ns, tz=Europe/Berlin]", "timestamptz[ns]"),
        ("dictionary<values=string, indices=int32, ordered=0>", "string"),
        ("list<item: int64>", "list<item: int64>"),
    ],
)
def test_a_type_of_arrow_has_one_name(arrow, name):
    assert from_arrow(arrow) == name


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("VARCHAR(20)", "string"),
        ("BIGINT", "int64"),
        ("int8", "int64"),
        ("integer", "int32"),
        ("uint16", "uint16"),
        ("timestamp", "timestamp[us]"),
        ("time", "time"),
        ("NUMERIC(10)", "decimal(10,0)"),
        ("Decimal(10, 2)", "decimal(10,2)"),
        ("geography", None),
    ],
)
def test_a_physical_type_has_one_name_if_it_is_known(sql, name):
    assert from_sql(sql) == name


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("int32", "int64"),
        ("uint8", "int16"),
        ("float32", "float64"),
        ("decimal(5,2)", "decimal(8,3)"),
        ("timestamp[ms]", "timestamp[us]"),
        ("timestamptz[us]", "timestamptz[ns]"),
        ("null", "string"),
        ("int32", "integer"),
    ],
)
def test_a_wider_type_holds_all_values_and_not_the_other_way(before, after):
    assert widens(before, after)
    assert not widens(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("uint8", "int8"),
        ("int32", "float64"),
        ("string", "binary"),
        ("decimal(5,2)", "decimal(6,4)"),
        ("timestamp[us]", "timestamptz[us]"),
        ("integer", "number"),
        ("list<item: int32>", "list<item: int64>"),
    ],
)
def test_types_of_which_neither_holds_the_other(before, after):
    assert not widens(before, after)
    assert not widens(after, before)


def test_a_family_takes_each_of_its_types():
    assert fits("int32", "integer")
    assert fits("decimal(5,2)", "number")
    assert not fits("string", "number")
    assert set(FAMILIES) >= {"integer", "number", "array", "object"}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([], [Column("b", "string")], Change.ADDED),
        ([], [Column("b", "string", nullable=False)], Change.REQUIRED),
        ([Column("b", "string")], [], Change.REMOVED),
        ([Column("b", "int32")], [Column("b", "int64")], Change.WIDENED),
        ([Column("b", "int64")], [Column("b", "int32")], Change.NARROWED),
        ([Column("b", "int64")], [Column("b", "string")], Change.RETYPED),
        ([Column("b", "int64")], [Column("b", "int64", nullable=False)], Change.REQUIRED),
        ([Column("b", "int64", nullable=False)], [Column("b", "int64")], Change.RELAXED),
    ],
)
def test_each_change_is_told_apart_and_allowed_only_where_it_breaks_no_reader(before, after, change):
    (found,) = changes([Column("a", "date"), *before], [Column("a", "date"), *after])
    assert (found.change, found.column) == (change, "b")
    verdict = judge_schema(before, after, subject="s", against="the published version", facts={})
    assert verdict.outcome is (Outcome.WARN if change.compatible else Outcome.FAIL)
    assert judge_schema(before, after, subject="s", against="it", allowed=(), facts={}).outcome is Outcome.FAIL
    assert judge_schema(before, after, subject="s", against="it", allowed=list(Change), facts={}).outcome.passes


def test_a_column_that_has_another_name_and_its_old_type_was_likely_renamed():
    before = [Column("customer_id", "int64"), Column("at", "date"), Column("note", "string")]
    after = [Column("customerId", "int64"), Column("at", "date"), Column("remark", "string")]
    found = {change.column: change for change in changes(before, after)}
    assert found["customer_id"].change is Change.RENAMED
    assert found["customer_id"].likely == "customerId"
    assert found["customerId"].change is Change.ADDED
    assert found["note"].change is Change.REMOVED
    verdict = judge_schema(before, after, subject="s", against="the contract", facts={})
    assert "customerId is new and like it: likely renamed" in str(verdict)


def test_one_new_column_stands_for_one_that_is_gone():
    before, after = [Column("price_a", "int64"), Column("price_b", "int64")], [Column("price", "int64")]
    kinds = sorted(change.change for change in changes(before, after))
    assert kinds == ["added", "removed", "renamed"]


def test_only_the_columns_that_moved_are_reordered():
    names = [Column(name, "date") for name in "abcde"]
    found = changes(names, [names[4], *names[:4]])
    assert [(change.column, change.before, change.after) for change in found] == [("e", 4, 0)]


def test_what_is_not_allowed_is_refused():
    before, after = [Column("a", "int32"), Column("b", "date")], [Column("a", "int64"), Column("c", "string")]
    assert [one.change for one in refused(before, after, COMPATIBLE)] == [Change.REMOVED]
    assert refused(before, after, list(Change)) == []


def test_nothing_to_compare_is_not_a_pass():
    assert judge_schema([], [], subject="s", against="it", facts={}).outcome is Outcome.UNKNOWN
    assert first_of_its_table("s").outcome is Outcome.WARN


@given(COLUMNS, COLUMNS)
def test_every_column_of_both_sides_has_a_finding(before, after):
    verdict = judge_schema(before, after, subject="s", against="it", facts={})
    named = {finding.subject for finding in verdict.findings}
    assert named >= {column.name for column in (*before, *after)}
    assert (verdict.outcome is Outcome.PASS) == (before == after != [])


@given(COLUMNS)
def test_a_schema_has_not_changed_from_itself(columns):
    assert changes(columns, columns) == []
