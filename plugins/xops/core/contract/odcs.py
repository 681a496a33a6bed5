"""A data contract as the Open Data Contract Standard (v3) writes it: the part of it that can be checked on a batch.

The standard: https://bitol-io.github.io/open-data-contract-standard/. Whatever it says of the data that is not checked
here is named in :attr:`Contract.outside`; nothing is dropped without a word.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xops.core.contract.column_types import FAMILIES, fits, from_sql
from xops.core.contract.contradictions import contradictions
from xops.core.contract.rules import Rule, rules_of_object, rules_of_property
from xops.core.contract.schema_changes import COMPATIBLE, Change, Column
from xops.core.errors import Misconfigured

EVOLUTION = "schemaEvolution"  # the custom property of a schema object that says which changes are allowed
_WIDEST = {"integer": "int64", "number": "float64", "timestamp": "timestamp[us]"}  # of a family of types
_LOGICAL = {name: name for name in ("string", "date", "time", "boolean", *FAMILIES)}
_WIDTHS = {"i": "int", "u": "uint", "f": "float"}
_HOURS = {"d": 24.0, "h": 1.0, "m": 1 / 60, "min": 1 / 60}
_SPOKEN = {"day": "d", "days": "d", "hour": "h", "hours": "h", "hr": "h", "minute": "m", "minutes": "m", "min": "m"}
# what describes, and constrains no row
_ELEMENT = {
    "id", "name", "physicalType", "physicalName", "description", "businessName", "deprecated", "synonyms", "tags",
    "authoritativeDefinitions", "customProperties", "logicalType", "quality", "dataGranularityDescription", "context",
}  # fmt: skip
_PROPERTY = _ELEMENT | {
    "logicalTypeOptions", "primaryKey", "primaryKeyPosition", "required", "unique", "enum", "classification",
    "examples", "criticalDataElement", "transformSourceObjects", "transformLogic", "transformDescription",
    "partitionKeyPosition", "semanticType",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest value of a column may be.

    :param column: it holds times or dates.
    :param hours: the age at most.
    :param place: where the contract says so.
    """

    column: str
    hours: float
    place: str


@dataclass(frozen=True, slots=True)
class Contract:
    """What a contract promises of one dataset.

    :param id: the contract's.
    :param version: the contract's.
    :param dataset: the name of the schema object.
    :param columns: its columns, in order; a type may be a family, such as ``integer``.
    :param rules: what has to hold of the rows.
    :param freshness: how old the newest rows may be.
    :param allowed: the changes of the schema that it allows.
    :param outside: what it says that is not checked: the place, and why.
    """

    id: str
    version: str
    dataset: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    freshness: tuple[Freshness, ...]
    allowed: frozenset[Change]
    outside: tuple[str, ...]

    def suite(self, now: dt.datetime) -> dict[str, Any]:
        """Give it as a Great Expectations suite.

        :param now: from which freshness is counted back; with a time zone.
        """
        fresh = [
            Rule(
                "expect_column_max_to_be_between",
                {"column": item.column, "min_value": self._oldest(item, now)},
                item.place,
                note=f"the newest value may be {item.hours:g} hours old",
            )
            for item in self.freshness
        ]
        return {
            "name": f"{self.id}/{self.dataset}@{self.version}",
            "expectations": [rule.expectation() for rule in (*self.rules, *fresh)],
            "meta": {"xops": {"contract": self.id, "contract_version": self.version, "outside": list(self.outside)}},
        }

    def _oldest(self, item: Freshness, now: dt.datetime) -> str:
        moment = now.astimezone(dt.UTC) - dt.timedelta(hours=item.hours)
        kind = next(column.type for column in self.columns if column.name == item.column)
        if kind == "date":
            return moment.date().isoformat()
        return (moment if kind.startswith("timestamptz") else moment.replace(tzinfo=None)).isoformat()


def read_contract(document: Mapping[str, Any], dataset: str = "") -> Contract:
    """Read a contract that is valid by the standard's JSON schema.

    :param dataset: the name or physical name of the schema object; empty where the contract has one only.
    :raises Misconfigured: when there is no such object, a type is not known, or the contract contradicts itself; it
        names the place.
    """
    if not str(document["apiVersion"]).startswith("v3."):
        raise Misconfigured(f"apiVersion: v3 of the standard was wanted, found {document['apiVersion']}")
    place, chosen = _object(document, dataset)
    columns: list[Column] = []
    rules: list[Rule] = []
    outside: list[str] = []
    for at, prop in _properties(chosen, place):
        columns.append(_column(prop, at))
        found = rules_of_property(prop, columns[-1], at)
        rules += found.rules
        outside += found.outside + [f"{at}.{key}: outside the subset" for key in prop if key not in _PROPERTY]
    _refuse_twice(columns, place)
    found = rules_of_object(chosen, place)
    known = _ELEMENT | {"properties"}
    outside += found.outside + [f"{place}.{key}: outside the subset" for key in chosen if key not in known]
    freshness, others = _freshness(document, chosen, {column.name: column.type for column in columns})
    contract = Contract(
        str(document["id"]), str(document["version"]), str(chosen["name"]), tuple(columns), (*rules, *found.rules),
        freshness, _allowed(chosen, place), (*outside, *others),
    )  # fmt: skip
    wrong = contradictions(contract.rules)
    if wrong:
        raise Misconfigured("the contract contradicts itself: " + "; ".join(wrong))
    return contract


def declared_columns(contract: Contract, *, text: bool) -> tuple[Column, ...]:
    """Give the columns whose type a contract declares, for whoever reads a source by it.

    A family of types, such as ``integer``, is whatever type the source has; text, which has none, is read as the widest
    of the family. What a list, a structure or a map is made of no contract says.

    :param text: whether the source is text, as CSV and JSON lines are.
    """
    widest = _WIDEST if text else {}
    typed = (replace(column, type=widest.get(column.type, column.type)) for column in contract.columns)
    return tuple(column for column in typed if column.type not in FAMILIES)


def _object(document: Mapping[str, Any], dataset: str) -> tuple[str, Mapping[str, Any]]:
    objects = [(f"schema[{place}]", item) for place, item in enumerate(document.get("schema") or ())]
    names = [str(item["name"]) for _, item in objects]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Misconfigured(f"schema: objects of one name: {', '.join(twice)}")
    wanted = [(place, item) for place, item in objects if dataset in (item["name"], item.get("physicalName"))]
    chosen = wanted or (objects if not dataset or len(objects) == 1 else [])
    if len(chosen) != 1:
        raise Misconfigured(f"schema: one object for {dataset or 'the dataset'} was wanted, it has {names or 'none'}")
    if not chosen[0][1].get("properties"):
        raise Misconfigured(f"{chosen[0][0]}: properties were wanted, it has none")
    return chosen[0]


def _properties(chosen: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, prop in enumerate(chosen["properties"]):
        yield f"{place}.properties[{number}] ({prop['name']})", prop


def _column(prop: Mapping[str, Any], place: str) -> Column:
    logical, options = prop.get("logicalType"), prop.get("logicalTypeOptions") or {}
    physical = from_sql(str(prop["physicalType"])) if prop.get("physicalType") else None
    wanted = _LOGICAL.get(str(logical)) if logical else None
    if logical and not wanted:
        raise Misconfigured(f"{place}.logicalType: {logical} is outside the subset; {', '.join(_LOGICAL)} are known")
    if prop.get("physicalType") and not physical and wanted not in ("array", "object", "map"):
        raise Misconfigured(f"{place}.physicalType: unknown type {prop['physicalType']}")
    if wanted == "timestamp" and "timezone" in options:
        wanted = "timestamptz[us]" if options["timezone"] else "timestamp[us]"
    if str(options.get("format", ""))[:1] in _WIDTHS and wanted in ("integer", "number"):
        wanted = _WIDTHS[options["format"][0]] + options["format"][1:]
    if physical and wanted and not fits(physical, wanted):
        raise Misconfigured(f"{place}: contradicts itself: physicalType {physical} is no {wanted}")
    if not physical and not wanted:
        raise Misconfigured(f"{place}: a logicalType or a physicalType was wanted, it has neither")
    name = str(prop.get("physicalName") or prop["name"])
    return Column(name, str(physical or wanted), nullable=not (prop.get("required") or prop.get("primaryKey")))


def _refuse_twice(columns: Sequence[Column], place: str) -> None:
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Misconfigured(f"{place}.properties: more than one property {', '.join(twice)}")


def _freshness(
    document: Mapping[str, Any], chosen: Mapping[str, Any], types: Mapping[str, str]
) -> tuple[tuple[Freshness, ...], list[str]]:
    found, outside = [], []
    names = {str(chosen["name"]), str(chosen.get("physicalName"))}
    for number, item in enumerate(document.get("slaProperties") or ()):
        place = f"slaProperties[{number}] ({item['property']})"
        element = str(item.get("element") or document.get("slaDefaultElement") or "")
        dataset, _, column = element.rpartition(".")
        unit = str(item.get("unit") or "d").lower()
        hours = _HOURS.get(_SPOKEN.get(unit, unit))
        if item["property"] not in ("freshness", "latency"):
            outside.append(f"{place}: outside the subset")
        elif dataset and dataset not in names:
            outside.append(f"{place}: about {element}, another dataset")
        elif column not in types or not types[column].startswith(("date", "timestamp")):
            raise Misconfigured(f"{place}: an element that is a column of times was wanted, found {element or 'none'}")
        elif hours is None or isinstance(item["value"], (bool, str, type(None))) or item["value"] <= 0:
            raise Misconfigured(f"{place}: a number above 0 of d, h or m was wanted, found {item['value']} {unit}")
        else:
            found.append(Freshness(column, item["value"] * hours, place))
    return tuple(found), outside


def _allowed(chosen: Mapping[str, Any], place: str) -> frozenset[Change]:
    said = [item for item in chosen.get("customProperties") or () if item.get("property") == EVOLUTION]
    if not said:
        return COMPATIBLE
    value = said[-1].get("value")
    if len(said) == 1 and value in ("none", "compatible"):
        return COMPATIBLE if value == "compatible" else frozenset()
    if len(said) == 1 and isinstance(value, list) and {*value} <= {*map(str, Change)}:
        return frozenset(map(Change, value))
    raise Misconfigured(
        f"{place}.customProperties: {EVOLUTION} once was wanted, none, compatible or a list of {', '.join(Change)}; "
        f"found {[item.get('value') for item in said]}"
    )
