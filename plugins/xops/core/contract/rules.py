"""What a contract asks of the rows, as expectations that Great Expectations knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xops.core.contract.schema_changes import Column
from xops.core.errors import Misconfigured

_OPTIONS = {"minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_TYPING = {"format", "timezone", "defaultTimezone"}  # they say how a value is typed, which its column's type states
_ENGINES = ("greatexpectations", "gx")
_LENIENT = ("info", "warning", "warn", "low", "minor")
_COMPARED = (
    "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo",
    "mustBeBetween", "mustNotBeBetween",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation, and where it comes from.

    :param type: as Great Expectations names it.
    :param kwargs: its arguments.
    :param place: where the contract says so.
    :param severity: ``critical`` or ``warning``.
    :param note: the reason, for people.
    """

    type: str
    kwargs: Mapping[str, Any]
    place: str
    severity: str = "critical"
    note: str = ""

    def expectation(self) -> dict[str, Any]:
        """Give it as a suite holds it."""
        return {
            "type": self.type,
            "kwargs": dict(self.kwargs),
            "meta": {"contract": self.place},
            "severity": self.severity,
            "notes": self.note or None,
        }


@dataclass(slots=True)
class Found:
    """What was made of a part of a contract: rules, and what is outside the subset."""

    rules: list[Rule] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


def rules_of_property(prop: Mapping[str, Any], column: Column, place: str) -> Found:
    """Give the rules of one column."""
    found, on = Found(), {"column": column.name}
    found.rules.append(Rule("expect_column_to_exist", on, place))
    if not column.nullable:
        found.rules.append(Rule("expect_column_values_to_not_be_null", on, f"{place}.required"))
    if prop.get("unique"):
        found.rules.append(Rule("expect_column_values_to_be_unique", on, f"{place}.unique"))
    if prop.get("enum"):
        allowed = [item.get("value") for item in prop["enum"]]
        if None in allowed:
            raise Misconfigured(f"{place}.enum: every entry needs a value; whether it may be null is for `required`")
        found.rules.append(Rule("expect_column_values_to_be_in_set", on | {"value_set": allowed}, f"{place}.enum"))
    options = prop.get("logicalTypeOptions") or {}
    _options(options, on, f"{place}.logicalTypeOptions", found)
    for number, quality in enumerate(prop.get("quality") or ()):
        if quality.get("metric") == "nullValues" and not column.nullable and _mostly(quality) != {}:
            raise Misconfigured(f"{place}: contradicts itself: it is required, and quality[{number}] lets it be null")
        _quality(quality, on, f"{place}.quality[{number}]", found)
    return found


def rules_of_object(chosen: Mapping[str, Any], place: str) -> Found:
    """Give the rules of the dataset as a whole: its primary key, and its own quality rules."""
    found = Found()
    keys = [prop for prop in chosen["properties"] if prop.get("primaryKey")]
    keys.sort(key=lambda prop: int(prop.get("primaryKeyPosition", -1)))
    names = [str(prop.get("physicalName") or prop["name"]) for prop in keys]
    if len(names) == 1:
        found.rules.append(Rule("expect_column_values_to_be_unique", {"column": names[0]}, f"{place} primary key"))
    elif names:
        found.rules.append(_together(names, f"{place} primary key"))
    for number, quality in enumerate(chosen.get("quality") or ()):
        _quality(quality, {}, f"{place}.quality[{number}]", found)
    return found


def _options(options: Mapping[str, Any], on: Mapping[str, Any], place: str, found: Found) -> None:
    low, high = (options.get(name, options.get(f"exclusive{name.title()}")) for name in ("minimum", "maximum"))
    if low is not None or high is not None:
        limits = {"min_value": low, "max_value": high}
        strict = {f"strict_{end}": True for end in ("min", "max") if f"{end}imum" not in options and
                  limits[f"{end}_value"] is not None}  # fmt: skip
        given = {name: value for name, value in limits.items() if value is not None}
        found.rules.append(Rule("expect_column_values_to_be_between", {**on, **given, **strict}, place))
    lengths = {f"{end}_value": options[f"{end}Length"] for end in ("min", "max") if f"{end}Length" in options}
    if lengths:
        found.rules.append(Rule("expect_column_value_lengths_to_be_between", {**on, **lengths}, place))
    if "pattern" in options:
        # the standard's pattern is JSON schema's, found anywhere; Great Expectations' begins at the first character
        pattern = str(options["pattern"])
        regex = pattern if pattern.startswith("^") and "|" not in pattern else f"[\\s\\S]*(?:{pattern})"
        found.rules.append(Rule("expect_column_values_to_match_regex", {**on, "regex": regex}, f"{place}.pattern"))
    found.outside += [f"{place}.{name}: outside the subset" for name in options if name not in _OPTIONS | _TYPING]


def _quality(quality: Mapping[str, Any], on: Mapping[str, Any], place: str, found: Found) -> None:
    """Translate one quality rule, or say that it is outside the subset."""
    kind = quality.get("type", "library")
    severity = "warning" if str(quality.get("severity", "")).lower() in _LENIENT else "critical"
    note = str(quality.get("description") or quality.get("name") or "")
    if kind == "custom" and str(quality["engine"]).lower().replace("-", "").replace("_", "") in _ENGINES:
        kwargs = _implementation(quality["implementation"], place)
        name = str(kwargs.pop("type", "") or kwargs.pop("expectation_type", ""))
        alone = name.startswith("expect_column_") and "_pair_" not in name
        arguments = {**(on if alone else {}), **kwargs.get("kwargs", kwargs)}
        found.rules.append(Rule(name, arguments, place, severity, note))
        return
    metric = quality.get("metric")
    plan = _METRICS.get(str(metric)) if kind == "library" else None
    rules = plan(quality, on, place) if plan else ()
    found.rules += [Rule(rule.type, rule.kwargs, place, severity, note) for rule in rules]
    if not rules:
        compared = next((name for name in _COMPARED if name in quality), "")
        what = (
            f"{metric} {compared} in {quality.get('unit', 'rows')}" if plan else metric or quality.get("engine") or ""
        )
        found.outside.append(f"{place}: {kind} {what}".rstrip() + ": outside the subset")


def _implementation(given: Any, place: str) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not (given.get("type") or given.get("expectation_type")):
        raise Misconfigured(f"{place}.implementation: a mapping with the expectation's `type` and `kwargs` was wanted")
    return dict(given)


def _row_count(quality: Mapping[str, Any], on: Mapping[str, Any], place: str) -> Sequence[Rule]:
    limits: dict[str, Any] | None = None
    for operator, names in _RANGES.items():
        if operator in quality:
            ends = quality[operator] if operator == "mustBeBetween" else [quality[operator]] * len(names)
            limits = dict(zip(names, ends, strict=True))
    if limits is None or on:
        return ()
    strict = {"strict_min": "mustBeGreaterThan" in quality, "strict_max": "mustBeLessThan" in quality}
    limits |= {name: True for name, holds in strict.items() if holds}
    return (Rule("expect_table_row_count_to_be_between", limits, place),)


_RANGES = {
    "mustBe": ("min_value", "max_value"),
    "mustBeBetween": ("min_value", "max_value"),
    "mustBeGreaterThan": ("min_value",),
    "mustBeGreaterOrEqualTo": ("min_value",),
    "mustBeLessThan": ("max_value",),
    "mustBeLessOrEqualTo": ("max_value",),
}


def _mostly(quality: Mapping[str, Any]) -> dict[str, float] | None:
    """Give the share of rows that has to be right; None where the rule does not say it as a share, or as no row."""
    if quality.get("mustBe") == 0 or quality.get("mustBeLessOrEqualTo") == 0:
        return {}
    if quality.get("unit") == "percent" and "mustBeLessOrEqualTo" in quality:
        return {"mostly": round(1 - quality["mustBeLessOrEqualTo"] / 100, 12)}
    return None


def _nulls(quality: Mapping[str, Any], on: Mapping[str, Any], place: str) -> Sequence[Rule]:
    mostly = _mostly(quality)
    if mostly is None or not on:
        return ()
    return (Rule("expect_column_values_to_not_be_null", {**on, **mostly}, place),)


def _missing(quality: Mapping[str, Any], on: Mapping[str, Any], place: str) -> Sequence[Rule]:
    stand_ins = (quality.get("arguments") or {}).get("missingValues") or []
    if _mostly(quality) != {} or not on or not stand_ins:
        return ()
    rules = [Rule("expect_column_values_to_not_be_null", on, place)] if None in stand_ins else []
    others = [value for value in stand_ins if value is not None]
    return rules + ([Rule("expect_column_values_to_not_be_in_set", {**on, "value_set": others}, place)] * bool(others))


def _invalid(quality: Mapping[str, Any], on: Mapping[str, Any], place: str) -> Sequence[Rule]:
    arguments, mostly = quality.get("arguments") or {}, _mostly(quality)
    known = {"validValues", "pattern"}
    if mostly is None or not on or not arguments or not set(arguments) <= known or (mostly and len(arguments) > 1):
        return ()
    rules = []
    if "validValues" in arguments:
        allowed = {"value_set": list(arguments["validValues"])}
        rules.append(Rule("expect_column_values_to_be_in_set", {**on, **allowed, **mostly}, place))
    if "pattern" in arguments:
        regex = {"regex": str(arguments["pattern"])}
        rules.append(Rule("expect_column_values_to_match_regex", {**on, **regex, **mostly}, place))
    return rules


def _duplicates(quality: Mapping[str, Any], on: Mapping[str, Any], place: str) -> Sequence[Rule]:
    if _mostly(quality) != {}:
        return ()
    if on:
        return (Rule("expect_column_values_to_be_unique", on, place),)
    names = (quality.get("arguments") or {}).get("properties") or []
    return (_together(names, place),) if len(names) > 1 else ()


def _together(names: Sequence[str], place: str) -> Rule:
    return Rule("expect_compound_columns_to_be_unique", {"column_list": list(names)}, place)


_METRICS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], str], Sequence[Rule]]] = {
    "rowCount": _row_count,
    "nullValues": _nulls,
    "missingValues": _missing,
    "invalidValues": _invalid,
    "duplicateValues": _duplicates,
}
