import copy
import datetime as dt

import pytest

from xops.core.contract.contradictions import contradictions
from xops.core.contract.odcs import declared_columns, read_contract
from xops.core.contract.rules import Rule
from xops.core.contract.schema_changes import COMPATIBLE, Change
from xops.core.errors import Misconfigured
from xops.core.suite.compiler import untested
from xops.core.suite.results import judge_expectations
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def contract(*properties, quality=(), sla=(), evolution=(), **more):
    """Give a contract about orders."""
    custom = [{"property": "schemaEvolution", "value": value} for value in evolution]
    dataset = {
        "name": "orders",
        "physicalName": "shop.orders",
        "properties": list(properties),
        "quality": list(quality),
    }
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "shop",
        "version": "1.0.0",
        "schema": [{**dataset, "customProperties": custom}],
        "slaProperties": list(sla),
        **more,
    }


def prop(name="a", logical="integer", quality=(), **more):
    return {"name": name, "logicalType": logical, "quality": list(quality), **more}


def rules(document):
    """Give type and arguments of each rule, without the column and its existence."""
    found = [rule for rule in read_contract(document).rules if rule.type != "expect_column_to_exist"]
    short = {"expect_column_values_to_": "", "expect_table_": "", "expect_": ""}
    return [
        (
            next(rule.type.removeprefix(start) for start in short if rule.type.startswith(start)),
            {name: value for name, value in rule.kwargs.items() if name != "column"},
        )
        for rule in found
    ]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"required": True}, [("not_be_null", {})]),
        ({"unique": True}, [("be_unique", {})]),
        ({"primaryKey": True}, [("not_be_null", {}), ("be_unique", {})]),
        ({"enum": [{"value": 1}, {"value": 2}]}, [("be_in_set", {"value_set": [1, 2]})]),
        ({"logicalTypeOptions": {"minimum": 0}}, [("be_between", {"min_value": 0})]),
        (
            {"logicalTypeOptions": {"exclusiveMinimum": 0, "maximum": 9}},
            [("be_between", {"min_value": 0, "max_value": 9, "strict_min": True})],
        ),
        ({"quality": [{"metric": "nullValues", "mustBe": 0}]}, [("not_be_null", {})]),
        (
            {"quality": [{"metric": "nullValues", "mustBeLessOrEqualTo": 5, "unit": "percent"}]},
            [("not_be_null", {"mostly": 0.95})],
        ),
        (
            {"quality": [{"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": [None, -1]}}]},
            [("not_be_null", {}), ("not_be_in_set", {"value_set": [-1]})],
        ),
        (
            {"quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": [1]}}]},
            [("be_in_set", {"value_set": [1]})],
        ),
        (
            {"quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "x"}}]},
            [("match_regex", {"regex": "x"})],
        ),
        ({"logicalTypeOptions": {"maximum": 9}}, [("be_between", {"max_value": 9})]),
        ({"quality": [{"metric": "duplicateValues", "mustBe": 0}]}, [("be_unique", {})]),
        (
            {
                "quality": [
                    {
                        "type": "custom",
                        "engine": "great-expectations",
                        "implementation": {"type": "expect_column_mean_to_be_between", "kwargs": {"min_value": 1}},
                    }
                ]
            },
            [("column_mean_to_be_between", {"min_value": 1})],
        ),
    ],
)
def test_what_a_property_says_becomes_expectations(said, wanted):
    assert rules(contract(prop(**said))) == wanted


def test_texts_have_lengths_and_a_pattern_that_is_found_anywhere():
    options = {"minLength": 1, "maxLength": 3, "pattern": "b"}
    assert rules(contract(prop(logical="string", logicalTypeOptions=options))) == [
        ("column_value_lengths_to_be_between", {"min_value": 1, "max_value": 3}),
        ("match_regex", {"regex": "[\\s\\S]*(?:b)"}),
    ]
    anchored = {"pattern": "^b$"}
    assert rules(contract(prop(logical="string", logicalTypeOptions=anchored))) == [("match_regex", {"regex": "^b$"})]


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ({"mustBe": 5}, {"min_value": 5, "max_value": 5}),
        ({"mustBeBetween": [1, 9]}, {"min_value": 1, "max_value": 9}),
        ({"mustBeGreaterThan": 1}, {"min_value": 1, "strict_min": True}),
        ({"mustBeLessThan": 9}, {"max_value": 9, "strict_max": True}),
    ],
)
def test_volume_is_a_number_of_rows(said, limits):
    quality = [{"metric": "rowCount", **said}]
    assert rules(contract(prop(), quality=quality)) == [("row_count_to_be_between", limits)]


def test_keys_of_several_columns_are_unique_together_in_the_order_of_their_positions():
    keys = [prop("a", primaryKey=True, primaryKeyPosition=2), prop("b", primaryKey=True, primaryKeyPosition=1)]
    duplicates = {"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["a", "c"]}}
    found = rules(contract(*keys, prop("c"), quality=[duplicates]))[2:]
    assert found == [
        ("compound_columns_to_be_unique", {"column_list": ["b", "a"]}),
        ("compound_columns_to_be_unique", {"column_list": ["a", "c"]}),
    ]


def test_a_suite_carries_places_notes_and_the_oldest_moment_allowed():
    sla = [{"property": "freshness", "value": 2, "unit": "d", "element": "orders.at"}]
    quality = [{"metric": "nullValues", "mustBe": 0, "severity": "warning", "description": "why"}]
    suite = read_contract(contract(prop("at", "timestamp", quality), sla=sla)).suite(NOON)
    null, fresh = suite["expectations"][1:]
    assert (null["severity"], null["notes"]) == ("warning", "why")
    assert null["meta"]["contract"] == "schema[0].properties[0] (at).quality[0]"
    assert fresh["kwargs"] == {"column": "at", "min_value": "2026-01-03T12:00:00"}
    zoned = read_contract(contract(prop("at", "timestamp", logicalTypeOptions={"timezone": True}), sla=sla)).suite(NOON)
    assert zoned["expectations"][-1]["kwargs"]["min_value"] == "2026-01-03T12:00:00+00:00"
    dated = read_contract(contract(prop("at", "date"), sla=sla)).suite(NOON)
    assert dated["expectations"][-1]["kwargs"]["min_value"] == "2026-01-03"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (contract(prop(quality=[{"type": "sql", "query": "select 1"}])), "quality[0]: sql: outside"),
        (contract(prop(quality=[{"type": "text", "description": "fine"}])), "quality[0]: text: outside"),
        (
            contract(prop(quality=[{"type": "custom", "engine": "soda", "implementation": "x"}])),
            "quality[0]: custom soda: outside",
        ),
        (
            contract(prop(quality=[{"metric": "nullValues", "mustBeLessThan": 3}])),
            "quality[0]: library nullValues mustBeLessThan in rows: outside",
        ),
        (contract(prop(quality=[{"metric": "rowCount", "mustBe": 3}])), "quality[0]: library rowCount mustBe in rows"),
        (contract(prop(), quality=[{"metric": "rowCount", "mustNotBe": 3}]), "quality[0]: library rowCount mustNotBe"),
        (contract(prop(quality=[{"metric": "missingValues", "mustBe": 0}])), "missingValues mustBe in rows: outside"),
        (contract(prop(quality=[{"metric": "invalidValues", "mustBe": 0}])), "invalidValues mustBe in rows: outside"),
        (contract(prop(quality=[{"metric": "duplicateValues", "mustBe": 1}])), "duplicateValues mustBe in rows"),
        (contract(prop(), quality=[{"metric": "duplicateValues", "mustBe": 0}]), "duplicateValues mustBe in rows"),
        (contract(prop(logicalTypeOptions={"multipleOf": 2})), "logicalTypeOptions.multipleOf: outside"),
        (contract(prop(relationships=[{"to": "x.y"}])), "(a).relationships: outside"),
        (contract(prop(), sla=[{"property": "retention", "value": 3}]), "slaProperties[0] (retention): outside"),
        (
            contract(prop(), sla=[{"property": "freshness", "value": 3, "element": "other.at"}]),
            "about other.at, another dataset",
        ),
    ],
)
def test_what_is_outside_the_subset_is_named(document, place):
    (said,) = read_contract(document).outside
    assert place in said


def test_a_data_test_warns_of_what_the_suite_of_a_contract_leaves_out():
    suite = read_contract(contract(prop(quality=[{"type": "sql", "query": "select 1"}]))).suite(NOON)
    verdict = judge_expectations([], [], columns=["a"], rows=1, subject="s", facts={}, untested=untested(suite))
    nothing, finding = verdict.findings
    assert nothing.outcome is Outcome.UNKNOWN  # the suite has no expectation
    assert finding.outcome is Outcome.WARN
    assert finding.reason == "schema[0].properties[0] (a).quality[0]: sql: outside the subset: not tested"
    assert untested({"expectations": []}) == []


def test_what_is_said_of_the_dataset_and_is_outside_the_subset_is_named():
    document = contract(prop())
    document["schema"][0]["relationships"] = []
    assert read_contract(document).outside == ("schema[0].relationships: outside the subset",)


@pytest.mark.parametrize(
    ("evolution", "allowed"),
    [
        ((), COMPATIBLE),
        (("compatible",), COMPATIBLE),
        (("none",), frozenset()),
        ((["added", "relaxed"],), frozenset({Change.ADDED, Change.RELAXED})),
    ],
)
def test_the_contract_says_how_its_schema_may_change(evolution, allowed):
    assert read_contract(contract(prop(), evolution=evolution)).allowed == allowed


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (contract(prop(), apiVersion="v2.2.2"), "apiVersion: v3"),
        (contract(), r"schema\[0\]: properties were wanted"),
        (contract(prop(logical="vector")), r"\(a\)\.logicalType: vector is outside the subset"),
        (contract(prop(physicalType="geography")), r"\(a\)\.physicalType: unknown type geography"),
        (contract(prop(physicalType="text")), r"\(a\): contradicts itself: physicalType string is no integer"),
        (contract({"name": "a"}), r"\(a\): a logicalType or a physicalType was wanted"),
        (contract(prop(), prop()), "more than one property a"),
        (contract(prop(enum=[{"label": "x"}])), r"\(a\)\.enum: every entry needs a value"),
        (contract(prop(), evolution=("any",)), "schemaEvolution once was wanted"),
        (contract(prop(), evolution=("none", "none")), "schemaEvolution once was wanted"),
        (contract(prop(), sla=[{"property": "freshness", "value": 1, "element": "orders.a"}]), "a column of times"),
        (contract(prop(), sla=[{"property": "latency", "value": 1}]), "found none"),
        (
            contract(
                prop("at", "date"), sla=[{"property": "latency", "value": 1, "unit": "y", "element": "orders.at"}]
            ),
            "a number above 0 of d, h or m was wanted, found 1 y",
        ),
        (
            contract(prop("at", "date"), sla=[{"property": "latency", "value": 0, "element": "orders.at"}]),
            "a number above 0",
        ),
        (
            contract(prop(quality=[{"type": "custom", "engine": "gx", "implementation": "text"}])),
            r"quality\[0\]\.implementation: a mapping",
        ),
        (
            contract(prop(required=True, logicalTypeOptions={"minimum": 2, "maximum": 1})),
            "no value is at least 2 and at",
        ),
    ],
)
def test_a_contract_that_cannot_be_is_refused_with_the_place(document, said):
    with pytest.raises(Misconfigured, match=said):
        read_contract(document)


def test_a_required_column_whose_quality_allows_nulls_contradicts_itself():
    quality = [{"metric": "nullValues", "mustBeLessOrEqualTo": 100, "unit": "percent"}]
    with pytest.raises(Misconfigured, match=r"\(a\): contradicts itself: it is required, and quality\[0\] lets it"):
        read_contract(contract(prop(required=True, quality=quality)))


def test_one_of_several_objects_is_chosen_by_either_name():
    document = contract(prop())
    other = copy.deepcopy(document["schema"][0]) | {"name": "returns", "physicalName": "shop.returns"}
    document["schema"].append(other)
    assert read_contract(document, "shop.returns").dataset == "returns"
    assert read_contract(document, "orders").dataset == "orders"
    with pytest.raises(Misconfigured, match=r"one object for the dataset was wanted, it has \['orders', 'returns'\]"):
        read_contract(document)
    other["name"] = "orders"
    with pytest.raises(Misconfigured, match="objects of one name: orders"):
        read_contract(document)


def test_a_batch_is_read_with_the_contracts_types_and_its_own_where_the_contract_leaves_them_open():
    width = {"format": "u16"}
    says = read_contract(
        contract(
            prop("a"), prop("b", "number"), prop("c", "date"), prop("d", logicalTypeOptions=width), prop("e", "map")
        )
    )
    typed = [[(column.name, column.type) for column in declared_columns(says, text=text)] for text in (False, True)]
    assert typed[0] == [("c", "date"), ("d", "uint16")]
    assert typed[1] == [("a", "int64"), ("b", "float64"), *typed[0]]


def rule(kind, place="p", **kwargs):
    return Rule(kind, {"column": "a", **kwargs}, place)


BETWEEN, SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
NOT_NULL, UNIQUE = "expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"
ROWS = Rule("expect_table_row_count_to_be_between", {"min_value": 3}, "rows")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([rule(BETWEEN, min_value=2, max_value=1)], "no value is at least 2 and at most 1 (p)"),
        ([rule(BETWEEN, "x", min_value=2), rule(BETWEEN, "y", max_value=1)], "(x, y)"),
        ([rule(BETWEEN, min_value=1, max_value=1, strict_min=True)], "more than 1"),
        ([rule(BETWEEN, min_value="b", max_value="a", strict_max=True)], "less than a"),
        ([rule("expect_column_values_to_be_null", "n"), rule(NOT_NULL)], "every value null, and none (n, p)"),
        ([rule(SET, value_set=[1, 2]), rule(SET, value_set=[3])], "no allowed value satisfies the other rules"),
        ([rule(SET, value_set=[1]), rule("expect_column_values_to_not_be_in_set", value_set=[1])], "no allowed value"),
        ([rule(SET, value_set=[1, 2]), rule(BETWEEN, min_value=2, strict_min=True)], "no allowed value"),
        ([rule(SET, value_set=[1, 2]), rule(BETWEEN, max_value=1, strict_max=True)], "no allowed value"),
        ([rule(SET, value_set=["abc"]), rule("expect_column_value_lengths_to_be_between", max_value=2)], "no allowed"),
        ([rule(SET, value_set=[1, 2]), rule(UNIQUE), rule(NOT_NULL), ROWS], "2 allowed values, but at least 3 rows"),
        (
            [ROWS, Rule(ROWS.type, {"max_value": 2}, "few")],
            "the dataset: no number of rows is at least 3 and at most 2",
        ),
    ],
)
def test_rules_that_cannot_hold_together_are_named_with_their_places(asked, said):
    (found,) = contradictions(asked)
    assert said in found


@pytest.mark.parametrize(
    "asked",
    [
        [rule(BETWEEN, min_value=1, max_value=1)],
        [rule(BETWEEN, min_value=2, mostly=0.5), rule(BETWEEN, max_value=1, mostly=0.5)],
        [rule(BETWEEN, min_value=1), rule(BETWEEN, max_value="a")],
        [rule(SET, value_set=[1, 2, 3]), rule(UNIQUE), rule(NOT_NULL), ROWS],
        [rule(SET, value_set=[1]), rule(UNIQUE), ROWS],
        [rule(SET, value_set=["a"]), rule(BETWEEN, min_value=1)],
        [rule(NOT_NULL), rule("expect_column_values_to_be_null", row_condition="b == 1")],
    ],
)
def test_rules_that_can_hold_together_are_let_be(asked):
    assert contradictions(asked) == []
