"""From a Great Expectations validation result (its JSON) to a Verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from xops.core.errors import bounded
from xops.core.strict_json import plain
from xops.core.verdict import Finding, Outcome, Verdict

_TOLD = re.compile(  # of a message by pandas: what cannot be a value of the data
    r"(?:'(?:[<>=!]=?|str|int|float|bool|bytes|list|dict|date|datetime|Timestamp|Decimal|NoneType)'|[^'\"\[({\d])*"
)
_ADDED_UP = {f"expect_column_{figure}_to_be_between" for figure in ("mean", "stdev", "sum", "median")}
_BEYOND = ("Infinity", "-Infinity", "NaN")  # as strict JSON writes them
_SUBJECT = ("column", "column_A", "column_B", "column_list", "batch_id")  # the arguments that are no limit


def judge_expectations(
    suite: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any] | None],
    *,
    columns: Sequence[str],
    rows: int | None,
    subject: str,
    facts: Mapping[str, Any],
    untested: Sequence[str] = (),
) -> Verdict:
    """Turn the results of a suite into a verdict with one finding for every expectation asked for.

    Great Expectations passes many expectations on a table without rows or on a column without values: here such a
    table is unknown. An expectation on a column that the table lacks fails and says which columns there are.

    :param suite: the suite's expectations, as their configurations (``type``, ``kwargs``, ``severity``).
    :param results: for each of them the validation result's entry, in the same order; None where there is none.
    :param columns: the table's columns.
    :param rows: the table's number of rows; None where they could not be counted.
    :param untested: what a contract asks for and its suite does not test; each is a warning.
    """
    findings = [_finding(asked, result, columns, rows) for asked, result in zip(suite, results, strict=True)]
    if rows == 0:
        findings.insert(0, Finding("row_count", "dataset", Outcome.UNKNOWN, 0, reason="the batch has no rows"))
    elif not suite:
        findings.append(Finding("suite", "dataset", Outcome.UNKNOWN, reason="the suite has no expectation"))
    findings += [Finding("contract", place, Outcome.WARN, reason=f"{place}: not tested") for place in untested]
    return Verdict("data_test", subject, tuple(findings), {**facts, "rows": rows})


def _finding(
    asked: Mapping[str, Any], result: Mapping[str, Any] | None, columns: Sequence[str], rows: int | None
) -> Finding:
    kwargs = asked.get("kwargs", {})
    named = named_columns(kwargs)
    check, subject = str(asked["type"]), ", ".join(named) if named else "dataset"
    limit = {name: value for name, value in kwargs.items() if name not in _SUBJECT and value is not None} or None
    absent = [column for column in named if column not in columns]
    if absent and check != "expect_column_to_exist":
        reason = f"no column {', '.join(absent)}; the batch has {bounded(', '.join(columns))}"
        return Finding(check, subject, Outcome.FAIL, limit=limit, size=rows, reason=reason)
    if result is None:
        return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason="Great Expectations gave no result for it")
    raised = _exception(result)
    if raised:
        return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=f"it could not be measured: {raised}")
    measured = result.get("result") or {}
    observed = _countable(check, measured.get("observed_value", measured.get("unexpected_count")))
    elements, missing = measured.get("element_count"), measured.get("missing_count")
    why = _why_unknown(check, measured, observed, success=bool(result["success"]))
    if why:
        return Finding(check, subject, Outcome.UNKNOWN, limit=limit, size=rows, reason=why)
    reason = ""
    if not result["success"] and elements is not None and measured.get("unexpected_count") is not None:
        reason = f"{measured['unexpected_count']} of {elements - (missing or 0)} values are unexpected"
    return Finding(check, subject, _outcome(asked, bool(result["success"])), observed, limit, "", rows, reason)


def _why_unknown(check: str, measured: Mapping[str, Any], observed: Any, *, success: bool) -> str:
    """Say why what Great Expectations passed or failed was not measured; empty where it was."""
    elements = measured.get("element_count")
    if not success:
        nothing = "unexpected_count" not in measured and measured.get("observed_value", ...) is None
        return "nothing was measured" if nothing else ""
    if elements and elements == measured.get("missing_count") and check != "expect_column_values_to_be_null":
        return f"all {elements} values are null"
    if check in _ADDED_UP and observed in _BEYOND:
        return f"the figure is {observed}: values are infinite, or too great to be added up"
    return ""


def _countable(check: str, observed: Any) -> Any:
    """Give what was observed, less the values of anybody's data: numbers and names of columns and types may stay."""
    if check in _ADDED_UP and plain(observed) in _BEYOND:
        return plain(observed)
    if isinstance(observed, str) and "_type" not in check:
        return "a text, not kept"
    if isinstance(observed, (list, tuple)) and not check.startswith("expect_table_"):
        return f"{len(observed)} values, not kept"
    return observed


def named_columns(kwargs: Mapping[str, Any]) -> list[str]:
    """Give the columns that an expectation's arguments name, in their order."""
    single = [kwargs[name] for name in ("column", "column_A", "column_B") if isinstance(kwargs.get(name), str)]
    return single + [str(column) for column in kwargs.get("column_list") or ()]


def _outcome(asked: Mapping[str, Any], success: bool) -> Outcome:
    if success:
        return Outcome.PASS
    lenient = str(asked.get("severity") or "critical").lower() in ("warning", "info")
    return Outcome.WARN if lenient else Outcome.FAIL


def _exception(result: Mapping[str, Any]) -> str:
    info = result.get("exception_info") or {}
    nested = [info] if "raised_exception" in info else [item for item in info.values() if isinstance(item, Mapping)]
    raised = [item for item in nested if item.get("raised_exception")]
    if not raised:
        return ""
    said = bounded(raised[0].get("exception_message") or "an exception without a message")
    if not raised[0].get("exception_traceback"):
        return said  # our own words
    told = _TOLD.match(said)
    kept = told[0].strip() if told else ""
    return kept if kept == said else f"{kept or 'an exception'} ... (the rest may be values, not kept)"
