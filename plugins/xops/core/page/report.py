"""A verdict as a page for people: its outcome, its findings, and a figure of whatever can be drawn of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from xops.core.page.drawings import Mark, counts_drawn, curves_drawn, marks_drawn
from xops.core.page.html_page import badge, escaped, figure, page, table
from xops.core.verdict import Finding, Outcome, Verdict

CURVES = "curves"  # the fact that holds curves of the models as a whole
_ROWS = 200  # findings that the table shows at most, the worst first
_MARKS = 40  # marks of one figure
_DRAWN = 120_000  # characters of drawings, at which drawing ends
_SCALE = 25  # by which values of one figure may differ in size
_ORDER = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.PASS)
_GAINS = ("_gain", "_not_worse")
_DIAGONAL = ({"predicted", "happened"}, {"false_positive_rate", "true_positive_rate"})


def report_of(verdict: Verdict) -> bytes:
    """Give a self-contained page of at most some 300 kB; what it leaves out it counts, and the evidence has it."""
    ordered = sorted(verdict.findings, key=lambda finding: _ORDER.index(finding.outcome))
    counts = Counter(finding.outcome for finding in ordered)
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in _ORDER if counts[outcome])
    rows = [
        (
            finding.outcome, finding.check, finding.subject, finding.observed, finding.limit, _ends(finding),
            finding.size, finding.reason,
        )
        for finding in ordered[:_ROWS]
    ]  # fmt: skip
    facts = [(name.replace("_", " "), value) for name, value in verdict.facts.items() if name != CURVES]
    return page(
        f"{verdict.check} of {verdict.subject}: {verdict.outcome}",
        f"<header>{badge(verdict.outcome)}<h1>{escaped(f'{verdict.check} of {verdict.subject}')}</h1>"
        f"<p>{escaped(_headline(verdict), 1500)}</p>"
        f'<p class="soft">{len(ordered)} finding{"" if len(ordered) == 1 else "s"}: {said}</p></header>'
        "<h2>Findings</h2>"
        + table(("outcome", "check", "of", "observed", "limit", "interval", "rows", "why"), rows, outcomes=True)
        + _left_out(len(ordered) - _ROWS, "findings")
        + _figures(verdict)
        + (f"<h2>What was judged</h2>{table(('fact', 'value'), facts)}" if facts else ""),
    )


def _headline(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.PASS:
        return "Everything asked for was measured and is within its limit."
    return str(verdict)


def _figures(verdict: Verdict) -> str:
    drawn, more = "", ""
    for title, below, drawing in _drawings(verdict):
        if len(drawn) + len(drawing) > _DRAWN:
            more = '<p class="soft">More figures could be drawn of the evidence.</p>'
            break
        drawn += figure(title, below, drawing)
    return f'<h2>Figures</h2><div class="figures">{drawn}</div>{more}' if drawn or more else ""


def _left_out(number: int, what: str) -> str:
    return f'<p class="soft">{number} more {what} are in the evidence.</p>' if number > 0 else ""


def _drawings(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """Give title, line below, and drawing of each figure."""
    gains = [finding for finding in verdict.findings if finding.check.endswith(_GAINS)]
    yield from _forests("Gain on the champion", "right of zero is better; the stroke is the limit", gains)
    by_check: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        if not finding.check.endswith(_GAINS):
            by_check.setdefault(finding.check, []).append(finding)
    yield from _by_unit([found[0] for found in by_check.values() if len(found) == 1])
    for check, found in by_check.items():
        if len(found) > 1:
            yield from _forests(check, "with intervals; the stroke is the limit", found, by_subject=True)
    curves = verdict.facts.get(CURVES)
    for name, lines in (curves if isinstance(curves, Mapping) else {}).items():
        drawing = _counts_of(lines) or _lines_of(lines)
        if drawing:
            yield name, "", drawing
    for finding in verdict.findings:
        for name, one in (finding.detail if isinstance(finding.detail, Mapping) else {}).items():
            drawing = _drawing_of(one)
            if drawing:
                yield finding.check if name == finding.check else f"{finding.check}: {name}", finding.subject, drawing


def _by_unit(alone: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    """Draw findings that are the only ones of their check, those of each unit apart."""
    for unit in dict.fromkeys(finding.unit for finding in alone):
        below = f"{f'in {unit}, ' if unit else ''}with intervals; the stroke is the limit"
        yield from _forests("Measured", below, [finding for finding in alone if finding.unit == unit])


def _forests(
    title: str, below: str, findings: Sequence[Finding], *, by_subject: bool = False
) -> Iterator[tuple[str, str, str]]:
    """Draw what has an interval, on as many axes as it takes for the smallest to be seen."""
    marks = [mark for finding in findings if (mark := _mark(finding, by_subject=by_subject))]
    marks.sort(key=lambda mark: max(map(abs, mark.numbers)))
    starts = [0]
    for place, mark in enumerate(marks):
        if _size(mark) > _SCALE * _size(marks[starts[-1]]) > 0:
            starts.append(place)
    for start, end in pairwise([*starts, len(marks)]):
        if start < end:
            yield title, below, _marks(marks[start:end])


def _mark(finding: Finding, *, by_subject: bool) -> Mark | None:
    value, interval = _number(finding.observed), finding.interval
    if value is None or not _is_interval(interval):
        return None
    low, high = map(_number, interval)
    label = finding.subject if by_subject else finding.check
    return Mark(label, value, low, high, _number(finding.limit), finding.outcome)


def _size(mark: Mark) -> float:
    return max(map(abs, mark.numbers))


def _marks(marks: Sequence[Mark], *, bars: bool = False) -> str:
    more = len(marks) - _MARKS
    return marks_drawn(marks[:_MARKS], bars=bars) + _left_out(more, "marks")


def _drawing_of(detail: Any) -> str:
    """Draw what a finding's detail holds, by its shape; empty when it is none that can be drawn."""
    if isinstance(detail, list) and detail and all(isinstance(one, Mapping) for one in detail):
        return _bars_of(detail) or _lines_of({name: [one.get(name) for one in detail] for name in detail[0]})
    if not isinstance(detail, Mapping) or len(detail) < 2:  # noqa: PLR2004 - one number is no figure
        return ""
    if all(_number(value) is not None for value in detail.values()):
        return _marks([Mark(name, float(value)) for name, value in detail.items()], bars=True)
    return _lines_of(detail)


def _bars_of(entries: Sequence[Mapping[str, Any]]) -> str:
    """Draw one bar for each entry that has a text for its name, a number, and perhaps an interval."""
    marks = []
    for entry in entries:
        name = next((value for key, value in entry.items() if isinstance(value, str) and key != "outcome"), None)
        keys = ("observed", "value", "importance", "mean", *entry)
        value = next((number for key in keys if (number := _number(entry.get(key))) is not None), None)
        if name is None or value is None:
            continue
        interval: Any = entry.get("interval")
        low, high = map(_number, interval if _is_interval(interval) else (None, None))
        marks.append(Mark(name, value, low, high, outcome=str(entry.get("outcome", ""))))
    return _marks(marks, bars=True) if marks else ""


def _counts_of(detail: Any) -> str:
    """Draw a table of counts; empty when it is none."""
    if not isinstance(detail, Mapping) or set(detail) != {"rows", "columns", "counts"}:
        return ""
    return counts_drawn(detail["rows"], detail["columns"], detail["counts"])


def _lines_of(detail: Any) -> str:
    """Draw columns of numbers, the first across and each other up; or the like of each of several models."""
    if not isinstance(detail, Mapping):
        return ""
    several = all(isinstance(one, Mapping) for one in detail.values())
    models = detail if several else {"": detail}
    lines: dict[str, list[tuple[float, float]]] = {}
    axes: tuple[str, ...] = ()
    for model, columns in models.items():
        listed = {name: values for name, values in columns.items() if isinstance(values, list) and name != "rows"}
        across, *others = listed or ("",)
        axes = axes or (across, *others)
        for name in others:
            pairs = zip(map(_number, listed[across]), map(_number, listed[name]), strict=False)
            points = [(x, y) for x, y in pairs if x is not None and y is not None]
            if len(points) > 1:
                lines[" ".join(filter(None, (model, name if len(others) > 1 or not model else "")))] = points
    if not lines:
        return ""
    up = axes[1] if len(axes) == 2 else ""  # noqa: PLR2004 - one across, one up
    return curves_drawn(lines, _said(axes[0]), _said(up), diagonal=set(axes) in _DIAGONAL)


def _said(name: str) -> str:
    return name.replace("_", " ")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return None
    return float(value)


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2  # noqa: PLR2004 - its ends


def _ends(finding: Finding) -> str:
    if not isinstance(finding.interval, list):
        return ""
    return " to ".join(f"{end:.5g}" if isinstance(end, float) else str(end) for end in finding.interval)
