"""The gate: what turns verdicts into a yes, or into a refusal with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from xops.core.errors import Misconfigured, Refused
from xops.core.verdict import Finding, Outcome, Verdict

APPROVAL = "approval"


class Severity(StrEnum):
    """How much a check counts. What was not measured, ``unknown``, blocks whatever the severity."""

    CRITICAL = "critical"  # a warning blocks as well
    ERROR = "error"  # a failure blocks
    WARNING = "warning"  # neither does


_BLOCKS = {
    Severity.CRITICAL: {Outcome.UNKNOWN, Outcome.FAIL, Outcome.WARN},
    Severity.ERROR: {Outcome.UNKNOWN, Outcome.FAIL},
    Severity.WARNING: {Outcome.UNKNOWN},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What has to hold of a subject's verdicts.

    :param approval: whether a person has to have agreed, as ApproveModelOperator records it.
    :param severity: by kind of check, of findings or else of whole verdicts; ``error`` where none is given. A check
        that is named here must have been measured.
    """

    approval: bool = False
    severity: Mapping[str, Severity] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, severity: Mapping[str, str] | None = None) -> Rule:
        """Read a rule as operators are given it.

        :param name: ``all_pass``: no verdict fails or is unknown; ``person_agrees``: and a person has approved.
        :raises Misconfigured: for another name or severity.
        """
        if name not in ("all_pass", "person_agrees"):
            raise Misconfigured(f"rule of the gate: all_pass or person_agrees was wanted, found {name!r:.100}")
        try:
            known = {str(check): Severity(value) for check, value in (severity or {}).items()}
        except ValueError as error:
            raise Misconfigured(f"severity of a check: {', '.join(Severity)} was wanted; {error}") from error
        return cls(approval=name == "person_agrees", severity=known)

    def against(self, verdict: Verdict) -> tuple[Finding, ...]:
        """Give the findings of a verdict that block."""
        whole = self.severity.get(verdict.check, Severity.ERROR)
        return tuple(f for f in verdict.findings if f.outcome in _BLOCKS[self.severity.get(f.check, whole)])


def admit(verdicts: Sequence[Verdict], subject: str, rule: Rule | None = None) -> None:
    """Let ``subject`` through, or refuse it with the findings that stand against it.

    :param rule: ``all_pass`` when None.
    :raises Refused: when there is no verdict, when one is about another subject, when a finding blocks, or when what
        the rule asks for was not measured.
    """
    rule = rule or Rule()
    if not verdicts:
        raise Refused(f"{subject}: a verdict on it was wanted, none was given; nothing unjudged is promoted")
    for verdict in verdicts:
        if verdict.subject != subject:
            raise Refused(f"{subject}: the verdict given is about {verdict.subject}")
    blocking = [(verdict, rule.against(verdict)) for verdict in verdicts]
    against = [replace(verdict, findings=found) for verdict, found in blocking if found or not verdict.findings]
    if against:
        raise Refused(f"{subject} is not promoted: {'; '.join(map(str, against))}")
    measured = {verdict.check for verdict in verdicts} | {f.check for verdict in verdicts for f in verdict.findings}
    absent = sorted({*rule.severity, *([APPROVAL] if rule.approval else [])} - measured)
    if absent:
        raise Refused(f"{subject} is not promoted: {', '.join(absent)} was asked for and not measured")


def judge_approval(subject: str, *, agreed: bool, by: str | None, at: str, facts: Mapping[str, Any]) -> Verdict:
    """Judge by what a person said.

    :param subject: the model version, ``models:/model/version``.
    :param by: who answered; None when the time to answer ran out, which is no agreement.
    :param at: when, ISO 8601.
    :param facts: what the person was shown: the manifest of the files, the champion, ids of the evidence.
    """
    said = f"{by} {'agreed' if agreed else 'refused'}" if by else "nobody answered in time"
    yes = agreed and by is not None
    finding = Finding(
        APPROVAL, subject, Outcome.PASS if yes else Outcome.FAIL, observed=said, limit="a person agrees", reason=said
    )
    return Verdict(APPROVAL, subject, (finding,), {**facts, "by": by, "at": at})
