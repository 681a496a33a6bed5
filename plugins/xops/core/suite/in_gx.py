"""What is left to Great Expectations: whether it may run an expectation, and which columns that reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xops.core.suite.compiler import PLANNED, is_trusted
from xops.core.suite.row_conditions import columns_in, read_condition

# Those that read no columns but the ones that their arguments name
_BY_NAME = {
    *(name for name in PLANNED if "table" not in name and "exist" not in name),
    "expect_column_kl_divergence_to_be_less_than", "expect_column_pair_values_to_be_in_set", "expect_column_type_to_be",
    "expect_column_values_to_be_dateutil_parseable", "expect_column_values_to_be_decreasing",
    "expect_column_values_to_be_increasing", "expect_column_values_to_be_json_parseable",
    "expect_column_values_to_match_json_schema", "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_be_outliers", "expect_multicolumn_values_to_be_equal",
}  # fmt: skip


def may_run_in_gx(suite: Mapping[str, Any], expectation: Mapping[str, Any]) -> bool:
    """Whether Great Expectations may run an expectation: it pastes the names of a row condition's columns into code."""
    if is_trusted(suite):
        return True
    condition = read_condition(expectation.get("kwargs") or {})
    return condition is None or all(name.isidentifier() for name in columns_in(condition))


def columns_needed(suite: Mapping[str, Any], asked: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Sequence[str]:
    """Give the columns that Great Expectations needs to decide some expectations: those that they name.

    Where one names none, is somebody's own, or has a row condition that is code, all.

    :param names: those of the table.
    """
    wanted: set[str] = set()
    for one in asked:
        kwargs = one.get("kwargs") or {}
        if one["type"] not in _BY_NAME or (is_trusted(suite) and kwargs.get("row_condition")):
            return names
        condition = read_condition(kwargs)
        read = _texts_in(kwargs) | (columns_in(condition) if condition else set())
        if not read & set(names):
            return names
        wanted |= read
    return [name for name in names if name in wanted]


def _texts_in(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return {text for part in parts for text in _texts_in(part)}
