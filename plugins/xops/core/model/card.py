"""The model card of a promoted version, written from its evidence; what nobody said or measured it says so.

Source of the fields: Mitchell et al. (2019), Model Cards for Model Reporting, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.core.evidence import Evidence
from xops.core.gate import APPROVAL
from xops.core.model.ai_act import answers
from xops.core.model.promotion import Entry, withdrawal_of
from xops.core.model.training import TrainingRecord
from xops.core.page.html_page import badge, escaped, page, prose, table
from xops.core.verdict import Finding, Outcome

SAID = (
    "model_details", "intended_use", "factors", "metrics", "evaluation_data", "training_data", "quantitative_analyses",
    "ethical_considerations", "caveats_and_recommendations", "risk_management", "human_oversight", "cybersecurity",
    "planned_changes", "standards", "declaration_of_conformity", "monitoring_plan",
)  # fmt: skip
_ADDED = SAID[9:]  # beyond the card's own fields: for the EU AI Act
_FINDINGS = 200  # that the card lists at most, the worst first
_ORDER = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.PASS)
_QUOTED = 3  # findings of a batch's tests that are quoted
_DATA = ("features", "labels", "batches", "held_out_rows", "champion")


@dataclass(frozen=True, slots=True)
class Listed:
    """A table of a card.

    :param head: the names of the columns.
    :param rows: the cells.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One field of a card.

    :param said: what its people wrote, as Markdown; empty when they wrote nothing.
    :param listed: what was measured or recorded.
    """

    title: str
    said: str = ""
    listed: tuple[Listed, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a promoted version.

    :param record: what it was trained on; None when TrainModelOperator did not register it.
    :param evidence: every verdict about it, oldest first.
    :param log: the promotion log of the model.
    :param inputs: the columns of its signature with their types.
    :param said: what its people wrote, by the names in :data:`SAID`.
    :param tests: of the batches that it learned from, the newest evidence of their data tests.
    """

    model: str
    version: str
    record: TrainingRecord | None
    evidence: tuple[Evidence, ...]
    log: tuple[Entry, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[Evidence, ...] = ()


def said_of(given: Mapping[str, Any] | str) -> dict[str, str]:
    """Read what people wrote: a mapping, or Markdown whose headings of the second level are the fields' names.

    :raises Misconfigured: when there is a field that no card has, or one that is no text.
    """
    if isinstance(given, str):
        parts = re.split(r"(?m)^##[ \t]+(.+?)[ \t]*$", given)
        given = dict(zip(parts[1::2], parts[2::2], strict=True))
    said = {re.sub(r"[\s-]+", "_", str(name).strip().lower()): text for name, text in given.items()}
    strange = [name for name, text in said.items() if name not in SAID or not isinstance(text, str)]
    if strange or not said:
        raise Misconfigured(
            f"card: texts of {', '.join(SAID)} were wanted, found {bounded(', '.join(strange) or 'nothing')}"
        )
    return {name: text.strip() for name, text in said.items() if text.strip()}


def sections_of(known: Known) -> tuple[Section, ...]:
    """Give the fields of a card, in order."""
    newest = {one.verdict.check: one for one in known.evidence if one.verdict.check != APPROVAL}
    findings = [finding for one in newest.values() for finding in one.verdict.findings]
    findings.sort(key=lambda finding: _ORDER.index(finding.outcome))
    measured = {
        "model_details": _details(known),
        "factors": _rows(("what was told apart",), [(name,) for name in _factors(findings)]),
        "metrics": _rows(("check", "limit"), [(one.check, one.limit) for one in _distinct(findings)]),
        "evaluation_data": _facts(newest.values()),
        "training_data": (*_training(known.record), *_tests(known)),
        "quantitative_analyses": _measured(findings),
    }
    sections = [Section(_title(name), known.said.get(name, ""), measured.get(name, ())) for name in SAID[:9]]
    sections += [Section(_title(name), known.said[name]) for name in _ADDED if name in known.said]
    approvals = [one for one in known.evidence if one.verdict.check == APPROVAL]
    return (
        *sections,
        Section("Battery results", listed=_verdicts(newest.values())),
        Section("Approvals", listed=_approvals(approvals)),
        Section("Promotion history", listed=_history(known)),
        Section("EU AI Act: technical documentation", listed=_rows(
            ("point", "asks for", "answered"),
            answers({*known.said, *_sources(known, findings, bool(approvals))}),
        )),
    )  # fmt: skip


def markdown_of(known: Known) -> str:
    """Give the card as Markdown; HTML in texts is written as text."""
    lines = [f"# {_cell(_heading(known))}"]
    for section in sections_of(known):
        lines.append(f"## {section.title}")
        if section.said:
            lines.append(section.said.replace("&", "&amp;").replace("<", "&lt;"))
        for one in section.listed:
            rows = [one.head, ("---",) * len(one.head), *([_cell(cell) for cell in row] for row in one.rows)]
            lines.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
        if not (section.said or section.listed):
            lines.append("_Not stated._")
    return "\n\n".join(lines) + "\n"


def html_of(known: Known) -> bytes:
    """Give the card as a page of its own."""
    title = _heading(known)
    newest = {one.verdict.check: str(one.verdict.outcome) for one in known.evidence}
    body = f"<header><h1>{escaped(title)}</h1><p>" + " ".join(
        f"{badge(outcome)} {escaped(check)}" for check, outcome in newest.items()
    )
    body += "</p></header>"
    for section in sections_of(known):
        body += f"<h2>{escaped(section.title)}</h2>"
        if section.said:
            body += prose(section.said)
        body += "".join(table(one.head, one.rows, outcomes=one.head[0] == "outcome") for one in section.listed)
        if not (section.said or section.listed):
            body += '<p class="soft">Not stated.</p>'
    return page(title, body)


def _heading(known: Known) -> str:
    withdrawn = ", withdrawn" if withdrawal_of(known.log, known.version) else ""
    return f"Model card: {known.model}, version {known.version}{withdrawn}"


def _details(known: Known) -> tuple[Listed, ...]:
    manifest = next((entry.manifest for entry in reversed(known.log) if entry.version == known.version), None)
    rows: list[tuple[str, Any]] = [("model", known.model), ("version", known.version)]
    if gone := withdrawal_of(known.log, known.version):
        rows.append(("withdrawn", f"{gone.at:.16}, for version {gone.version}, by {gone.by}: {gone.reason}"))
    rows += [("files (SHA-256 of the manifest)", manifest)] if manifest else []
    rows += [("code", known.record.code), ("asked for by", str(known.record.asked_by))] if known.record else []
    return (*_rows(("", "value"), rows), *_rows(("input", "type"), list(known.inputs.items())))


def _training(record: TrainingRecord | None) -> tuple[Listed, ...]:
    if record is None:
        return ()
    rows = [
        ("features", record.features.name), ("labels", record.labels.name), ("batches", list(record.batches)),
        ("rows", record.rows), ("columns", list(record.columns)), ("target", record.target),
        ("rows held out", f"whole groups of {record.holdout.by}, a share of {record.holdout.share}"),
    ]  # fmt: skip
    return _rows(("", "value"), rows)


def _tests(known: Known) -> tuple[Listed, ...]:
    """Give what the data tests found of each batch that it learned from; one without a test says so."""
    head = ("outcome", "data tests of", "tested at", "findings", "against it", "evidence")
    by_batch = {one.batch: one for one in known.tests}
    rows: list[tuple[Any, ...]] = []
    for batch in known.record.batches if known.record else ():
        one = by_batch.get(batch)
        if one is None:
            rows.append((str(Outcome.UNKNOWN), batch, None, None, "no evidence of any test", None))
        else:
            against = "; ".join(map(str, one.verdict.failed[:_QUOTED]))
            rows.append((str(one.verdict.outcome), batch, one.recorded_at, len(one.verdict.findings), against, one.id))
    return _rows(head, rows)


def _facts(newest: Iterable[Evidence]) -> tuple[Listed, ...]:
    facts = [(one.verdict.check, one.verdict.facts) for one in newest]
    rows = [(check, name.replace("_", " "), told[name]) for check, told in facts for name in _DATA if name in told]
    return _rows(("check", "", "value"), rows)


def _factors(findings: Iterable[Finding]) -> list[str]:
    """Give what rows were told apart by: the subjects that are no model, such as columns and slices."""
    return sorted({finding.subject for finding in findings if not finding.subject.startswith("models:/")})


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    return sorted({finding.check: finding for finding in findings}.values(), key=lambda finding: finding.check)


def _measured(findings: Sequence[Finding]) -> tuple[Listed, ...]:
    head = ("outcome", "check", "of", "observed", "limit", "interval", "rows", "why")
    rows = [
        (str(one.outcome), one.check, one.subject, one.observed, one.limit, one.interval, one.size, one.reason)
        for one in findings[:_FINDINGS]
    ]
    return _rows(head, rows)


def _verdicts(newest: Iterable[Evidence]) -> tuple[Listed, ...]:
    head = ("outcome", "check", "recorded at", "evidence", "report")
    return _rows(head, [(str(o.verdict.outcome), o.verdict.check, o.recorded_at, o.id, o.report) for o in newest])


def _approvals(approvals: Iterable[Evidence]) -> tuple[Listed, ...]:
    head = ("outcome", "by", "at", "evidence")
    facts = [(one, one.verdict.facts) for one in approvals]
    return _rows(head, [(str(o.verdict.outcome), told.get("by"), told.get("at"), o.id) for o, told in facts])


def _history(known: Known) -> tuple[Listed, ...]:
    head = ("number", "at", "kind", "version", "previous", "by", "reason", "overrode")
    entries = [asdict(entry) for entry in known.log if known.version in (entry.version, entry.previous)]
    return _rows(head, [tuple(entry[name] or None for name in head) for entry in entries])


def _sources(known: Known, findings: Iterable[Finding], approved: bool) -> set[str]:
    """Give what the record answers, in the words of :mod:`xops.core.model.ai_act`."""
    measured = {finding.check for finding in findings if finding.outcome is not Outcome.UNKNOWN}
    there = {
        "record": known.record is not None,
        "evidence": bool(measured),
        "log": bool(known.log),
        "approval": approved,
        "robustness": any(check.startswith("flips_") for check in measured),
    }
    return {name for name, is_there in there.items() if is_there}


def _rows(head: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> tuple[Listed, ...]:
    return (Listed(head, tuple(rows)),) if rows else ()


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _cell(value: Any) -> str:
    """Write a value so that it stays in its cell of a Markdown table, and is read as text."""
    return re.sub(r"([\\|`*_\[\]])", r"\\\1", escaped(value))
