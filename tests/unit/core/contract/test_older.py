"""Contracts of version 3.0 in the words of 3.1."""

import pytest

from xops.core.contract.older import in_words_of_today

pytestmark = pytest.mark.unit


def contract(quality, version="v3.0.2"):
    columns = [{"name": "b", "quality": [quality]}, {"name": "c"}]
    inner = {"name": "a", "properties": columns, "quality": [quality]}
    return {"apiVersion": version, "schema": [inner, "nonsense"]}


def of_column(document):
    (found,) = document["schema"][0]["properties"][0]["quality"]
    assert document["schema"][0]["quality"] == [found]
    return found


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ({"rule": "duplicateCount", "mustBeLessThan": 10}, {"metric": "duplicateValues", "mustBeLessThan": 10}),
        ({"rule": "rowCount", "mustBe": 3, "type": "library"}, {"metric": "rowCount", "mustBe": 3, "type": "library"}),
        ({"rule": "nullCheck"}, {"metric": "nullValues", "mustBe": 0}),
        (
            {"rule": "validValues", "validValues": ["kg"]},
            {"metric": "invalidValues", "arguments": {"validValues": ["kg"]}, "mustBe": 0},
        ),
        ({"rule": "countCheck", "mustBe": 1}, {"type": "text", "description": "rule countCheck: "}),
        ({"rule": "rowCount", "description": "x"}, {"type": "text", "description": "rule rowCount: x"}),
        ({"metric": "rowCount", "rule": "r"}, {"metric": "rowCount", "rule": "r"}),
        ("nonsense", "nonsense"),
    ],
)
def test_a_rule_of_the_library_is_the_metric_that_it_is_called_now(quality, said):
    assert of_column(in_words_of_today(contract(quality))) == said


def test_a_contract_of_today_stays_as_it_is_and_one_of_nothing_has_nothing():
    today = contract({"rule": "rowCount"}, "v3.1.0")
    assert in_words_of_today(today) == today
    assert in_words_of_today({"apiVersion": "v3.0.0", "schema": "x"})["schema"] == ["x"]
    assert in_words_of_today({"apiVersion": "v3.0.0"})["schema"] == []
