import pytest

from xops.core.suite.plan import NotCompiled, columns_of
from xops.core.suite.row_conditions import UnsafeCondition, as_sql, columns_in, read_condition

pytestmark = pytest.mark.unit

SCHEMA = [("i", "int64"), ("s", "string"), ("b", "bool"), ("d", "date32[day]"), ("a b", "double"), ("x", "binary")]
COLUMNS = {column.name: column for column in columns_of(SCHEMA)}


def read(text, parser="pandas"):
    return read_condition({"row_condition": text, "condition_parser": parser})


def compared(name, operator, parameter):
    return {"type": "comparison", "column": {"name": name}, "operator": operator, "parameter": parameter}


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("i > 1", "coalesce(c0 > 1, FALSE)"),
        ("i == -1.5", "coalesce(c0 = -1.5::DOUBLE, FALSE)"),
        ("1 < i", "coalesce(c0 > 1, FALSE)"),
        ("1 < i <= 3", "(coalesce(c0 > 1, FALSE) AND coalesce(c0 <= 3, FALSE))"),
        ("i != 2", "(c0 IS DISTINCT FROM 2)"),
        ("s == 'it\\'s `x`'", "coalesce(c1 = 'it''s `x`', FALSE)"),
        ("b == True", "coalesce(c2 = TRUE, FALSE)"),
        ("d >= '2020-01-02'", "coalesce(c3 >= TIMESTAMP '2020-01-02 00:00:00', FALSE)"),
        ("`a b` > 0", "coalesce(c4 > 0, FALSE)"),
        ("i in [1, 2]", "coalesce((c0 IN (1, 2)), FALSE)"),
        ("i not in (1,)", "(NOT coalesce((c0 IN (1)), FALSE))"),
        ("not (i > 1 or s.isnull())", "(NOT (coalesce(c0 > 1, FALSE) OR (c1 IS NULL)))"),
        ("(i > 1) & x.notna()", "(coalesce(c0 > 1, FALSE) AND (c5 IS NOT NULL))"),
        ("(i > 1) | (i < 0)", "(coalesce(c0 > 1, FALSE) OR coalesce(c0 < 0, FALSE))"),
        ("i > 1 and i < 5", "(coalesce(c0 > 1, FALSE) AND coalesce(c0 < 5, FALSE))"),
    ],
)
def test_comparisons_become_sql_that_is_never_null(text, sql):
    assert as_sql(read(text), COLUMNS) == sql


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        ('col("i") > 1', "coalesce(c0 > 1, FALSE)"),
        ('col("s").notnull()', "(c1 IS NOT NULL)"),
    ],
)
def test_the_older_text_of_great_expectations_is_read(condition, sql):
    for parser in ("great_expectations", "great_expectations__experimental__"):
        assert as_sql(read(condition, parser), COLUMNS) == sql


@pytest.mark.parametrize(
    ("given", "sql"),
    [
        (compared("i", "<=", 3), "coalesce(c0 <= 3, FALSE)"),
        (compared("s", "IN", ["a"]), "coalesce((c1 IN ('a')), FALSE)"),
        (compared("s", "NOT_IN", ["a"]), "(NOT coalesce((c1 IN ('a')), FALSE))"),
        ({"type": "nullity", "column": {"name": "s"}, "is_null": True}, "(c1 IS NULL)"),
        ({"type": "or", "conditions": [compared("i", "==", 1), compared("i", "==", 2)]},
         "(coalesce(c0 = 1, FALSE) OR coalesce(c0 = 2, FALSE))"),
        ({"type": "pass_through", "pass_through_filter": "i > 1"}, "coalesce(c0 > 1, FALSE)"),
    ],
)  # fmt: skip
def test_the_objects_of_great_expectations_are_read(given, sql):
    assert as_sql(read_condition({"row_condition": given}), COLUMNS) == sql


@pytest.mark.parametrize("given", [None, ""])
def test_no_condition_is_none(given):
    assert read_condition({"row_condition": given}) is None


@pytest.mark.parametrize(
    "text",
    [
        "i > @x", "i.apply(print)", "i.apply()", "i.isnull(1)", "__import__('os')", "i > j", "1 > 2", "i in 3",
        "i == [1]", "[1] == i",
        "3 in i", "i is None", "i + 1 > 2", "i", "lambda: 1", "i >", "i > 1; j", "i[0] > 1", "i > {}", "-i > 1",
        "i > -'a'",
        "1 < 2 < i", "col('i') > 1", "f'{i}' == s", "i.x > 1", "i > 1 if i else 2", "\0", "(" * 999, "f(x).isnull()",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(UnsafeCondition):
        read(text)


@pytest.mark.parametrize(
    "text",
    ["i > 1", 'col("i") > 1 and col("i") < 2', "not col('i') > 1", "col(i) > 1", "1 < 2", '(col("i") > 1) & (1 < 2)'],
)
def test_the_older_text_is_a_single_comparison(text):
    with pytest.raises(UnsafeCondition):
        read(text, "great_expectations")


@pytest.mark.parametrize(
    "given",
    [
        compared("i", "==", [1]), compared("i", "IN", 1), compared("i", "LIKE", "a"),
        {"type": "and", "conditions": []}, 5,
        {"type": "pass_through", "pass_through_filter": "@x"},
    ],
)  # fmt: skip
def test_an_object_that_is_no_comparison_is_refused(given):
    with pytest.raises(UnsafeCondition):
        read_condition({"row_condition": given})


@pytest.mark.parametrize(
    "text", ["nowhere > 1", "i > 'a'", "d > 'soon'", "d > 5", "x == 'a'", "i in ['a']", "b == 1", "d in [1]"]
)
def test_a_literal_of_another_kind_is_not_compiled(text):
    with pytest.raises(NotCompiled):
        as_sql(read(text), COLUMNS)


def test_a_condition_knows_its_columns():
    assert columns_in(read("not (i > 1 or s.isnull()) and `a b` in [1]")) == {"i", "s", "a b"}


def test_a_name_like_the_one_of_backticks_is_a_name():
    assert columns_in(read("column_in_backticks_7 > 1")) == {"column_in_backticks_7"}


def test_great_expectations_own_conditions_know_neither_true_nor_false():
    with pytest.raises(UnsafeCondition, match="compare with 1 or 0"):
        read('col("b") == True', parser="great_expectations")
