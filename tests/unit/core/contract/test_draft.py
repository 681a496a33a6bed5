import pytest

from xops.core.contract.draft import ColumnFacts, draft
from xops.core.errors import Misconfigured

pytestmark = pytest.mark.unit


def drafted(rows=1000, **facts):
    """Draft a contract of one column, and give its expectations without those on the dataset and its existence."""
    given = {"name": "a", "type": "int64", "nulls": 0, "distinct": 10, **facts}
    found = draft("orders", [ColumnFacts(**given)], rows)
    return {
        one["type"].removeprefix("expect_column_values_to_"): one
        for one in found.suite["expectations"]
        if one["type"] not in ("expect_column_to_exist", "expect_table_row_count_to_be_between")
    }


def test_each_expectation_has_its_reason():
    found = draft("orders", [ColumnFacts("a", "int64", 0, 10, 1.0, 50.0)], 1000)
    assert all(one["notes"] for one in found.suite["expectations"])
    assert "no null in 1000 rows" in found.document["schema"][0]["properties"][0]["description"]
    volume = next(one for one in found.suite["expectations"] if "row_count" in one["type"])
    assert volume["kwargs"] == {"min_value": 500, "max_value": 2000}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("uint8", {"logicalType": "integer"}),
        ("decimal(5,2)", {"logicalType": "number"}),
        ("boolean", {"logicalType": "boolean"}),
        ("binary", {"physicalType": "binary"}),
        ("timestamp[ns]", {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}}),
        ("timestamptz[us]", {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}}),
    ],
)
def test_a_type_is_said_in_the_standards_words(kind, said):
    (prop,) = draft("orders", [ColumnFacts("a", kind, 5, 10)], 10).document["schema"][0]["properties"]
    assert {name: value for name, value in prop.items() if name not in ("name", "quality", "description")} == said


def test_a_type_without_a_word_is_left_out_and_said():
    found = draft("orders", [ColumnFacts("a", "null", 9, 0), ColumnFacts("b", "date", 9, 0)], 9)
    assert found.left_out == ("a: no contract has a word for the type null",)


def test_there_has_to_be_something_to_learn_from():
    with pytest.raises(Misconfigured, match="orders: rows and columns with values were wanted; it has 0 rows"):
        draft("orders", [ColumnFacts("a", "int64", 0, 0)], 0)
    with pytest.raises(Misconfigured):
        draft("orders", [], 10)


@pytest.mark.parametrize(
    ("low", "high", "kind", "ends"),
    [
        (0.0, 100.0, "int64", (0, 110)),
        (-5.0, 5.0, "int64", (-6, 6)),
        (0.5, 1.0, "float64", (0.45, 1.05)),
        (7.0, 7.0, "float64", (6.2, 7.7)),
        (0.0, 0.0, "float64", (0.0, 1.0)),
        (-1e299, 1e299, "float64", (-1.3e299, 1.3e299)),
    ],
)
def test_a_range_has_a_margin_and_never_loses_its_sign(low, high, kind, ends):
    kwargs = drafted(type=kind, low=low, high=high)["be_between"]["kwargs"]
    assert (kwargs["min_value"], kwargs["max_value"]) == pytest.approx(ends)


def test_a_number_that_is_no_measurement_has_no_range():
    assert set(drafted(type="float64", low=0.0, high=1e308)) == {"not_be_null"}


def test_nulls_are_allowed_as_far_as_chance_goes():
    one = drafted(nulls=100)["not_be_null"]
    assert one["kwargs"]["mostly"] == 0.86
    assert one["severity"] == "warning"
    assert "100 of 1000 rows are null" in one["notes"]
    assert drafted(nulls=1000) == {}
    assert drafted(nulls=995) == {}


def test_uniqueness_is_promised_where_it_was_seen_and_is_no_accident():
    assert set(drafted(distinct=1000, low=1.0, high=1000.0)) == {"not_be_null", "be_unique"}
    assert "be_unique" not in drafted(distinct=999)
    assert "be_unique" not in drafted(distinct=1000, type="float64")
    assert "be_unique" not in drafted(rows=10, distinct=10)


def test_few_texts_are_a_set_and_many_may_have_a_pattern():
    few = drafted(type="string", distinct=2, values=("x", "y"), pattern="digits")
    assert few["be_in_set"]["kwargs"]["value_set"] == ["x", "y"]
    assert "match_regex" not in few
    many = drafted(type="string", distinct=30, pattern="two capitals")
    assert many["match_regex"]["kwargs"]["regex"] == "^[A-Z]{2}$"
    assert set(drafted(rows=30, type="string", distinct=2, values=("x", "y"))) == {"not_be_null"}
    assert set(drafted(type="string", distinct=19, pattern="digits")) == {"not_be_null"}
