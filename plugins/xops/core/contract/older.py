"""Contracts of version 3.0 of the standard in the words of 3.1, which renamed its library of quality rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_METRICS = {"duplicateCount": "duplicateValues", "nullCheck": "nullValues", "rowCount": "rowCount"}
_NONE_IS_MEANT = ("duplicateValues", "nullValues", "invalidValues")  # by a rule that says no number


def in_words_of_today(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a contract with each ``rule`` of the library as the ``metric`` that it is called since 3.1.

    A rule that has no such name becomes a text, and so one of what is not tested.
    """
    if not str(document.get("apiVersion")).startswith("v3.0"):
        return dict(document)
    return {**document, "schema": [_renamed(item) for item in _list(document.get("schema"))]}


def _renamed(element: Any) -> Any:
    if not isinstance(element, Mapping):
        return element
    found = dict(element)
    if "quality" in found:
        found["quality"] = [_metric(one) for one in _list(found["quality"])]
    if "properties" in found:
        found["properties"] = [_renamed(one) for one in _list(found["properties"])]
    return found


def _metric(quality: Any) -> Any:
    if not isinstance(quality, Mapping) or "rule" not in quality or "metric" in quality:
        return quality
    found = {name: value for name, value in quality.items() if name != "rule"}
    metric = _METRICS.get(str(quality["rule"]))
    if quality["rule"] == "validValues" and "validValues" in found:
        metric, found["arguments"] = "invalidValues", {"validValues": found.pop("validValues")}
    asks = any(name.startswith("must") for name in found)
    if metric is None or not (asks or metric in _NONE_IS_MEANT):
        kept = {name: value for name, value in found.items() if not name.startswith("must")}
        return {**kept, "type": "text", "description": f"rule {quality['rule']}: {found.get('description', '')}"}
    return {**found, "metric": metric} | ({} if asks else {"mustBe": 0})


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
