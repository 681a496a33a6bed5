"""What a check of the battery is, and how several are put to one exam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xops.checks.battery.answers import BadAnswer, Unmeasured
from xops.checks.battery.curves import curves_of
from xops.checks.battery.exam import Exam
from xops.checks.battery.resources import STOPPED, Resources
from xops.core.errors import FOREIGN, Misconfigured, Unavailable, bounded
from xops.core.page.report import CURVES
from xops.core.verdict import Finding, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Check(Protocol):
    """One question to an exam: a frozen value with its settings, or any callable with a ``name``."""

    name: str

    def __call__(self, exam: Exam) -> Sequence[Finding]:
        """Give a finding for whatever was asked for.

        :raises Unmeasured: when nothing can be measured on these rows.
        :raises BadAnswer: when a model's answer cannot be read.
        """


def name_of(check: Check) -> str:
    """Give the name that a check goes by: its own, or that of a function."""
    return str(getattr(check, "name", None) or getattr(check, "__name__", None) or type(check).__name__)


def findings_of(check: Check, exam: Exam) -> tuple[Finding, ...]:
    """Put one check to an exam. A candidate that cannot answer fails; what else cannot be measured is unknown."""
    subject = exam.candidate.name
    try:
        found = tuple(check(exam))
    except BadAnswer as error:
        outcome = error.outcome if error.name == subject else Outcome.UNKNOWN
        return (Finding(name_of(check), subject, outcome, size=exam.rows, reason=str(error)),)
    except Unmeasured as error:
        return (Finding(name_of(check), subject, Outcome.UNKNOWN, size=exam.rows, reason=str(error)),)
    except (Misconfigured, Unavailable):
        raise
    except FOREIGN as error:  # one check's defect is not to hide what the others found
        why = f"the check broke: {bounded(repr(error))}"
        return (Finding(name_of(check), subject, Outcome.UNKNOWN, size=exam.rows, reason=why),)
    return found or (Finding(name_of(check), subject, Outcome.UNKNOWN, reason="the check found nothing to measure"),)


def judge(exam: Exam, checks: Sequence[Check], *, name: str = "evaluation", facts: Mapping[str, Any]) -> Verdict:
    """Put checks to an exam, one after the other; none hides what another found.

    Resources are measured first: a model that was stopped there would exhaust this process too, or never end, and one
    that could not be handed over may; so it is not asked here, and what asks it is unknown.

    Models are asked on one thread of OpenMP: of several, each of a thousand small questions would wait for the slowest,
    which on a busy machine takes ten times as long.

    :param name: the kind of verdict; ``evaluation`` for several checks, or the name of the one.
    :param facts: what the verdict says beside its findings. The exam's own are added, curves of both models for the
        report, and the areas under the ROC curve where they were measured: the champion's later performance is held
        against its own.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="openmp"):
        findings, exam = _found(exam, checks)
        curves = curves_of(exam)
    said = {
        **exam.facts,
        "held_out_rows": exam.rows,
        **_areas(findings),
        **({CURVES: curves} if curves else {}),
        **facts,
    }
    return Verdict(name, exam.candidate.name, findings, said)


def _found(exam: Exam, checks: Sequence[Check]) -> tuple[tuple[Finding, ...], Exam]:
    """Give the findings in the order of their checks, and the exam without the models that were stopped."""
    found: dict[int, tuple[Finding, ...]] = {}
    for place in sorted(range(len(checks)), key=lambda place: not isinstance(checks[place], Resources)):
        found[place] = findings_of(checks[place], exam)
        if isinstance(checks[place], Resources):
            details = [finding.detail for finding in found[place] if finding.detail]
            stopped = {name: why for detail in details for name, why in detail.get(STOPPED, {}).items()}
            exam = exam.without(stopped) if stopped else exam
    return tuple(finding for place in range(len(checks)) for finding in found[place]), exam


def _areas(findings: Sequence[Finding]) -> dict[str, Any]:
    areas: dict[str, Any] = {}
    for finding in findings:
        if finding.check == "roc_auc" and finding.observed is not None:
            areas["auc"] = finding.observed
        if finding.check in ("roc_auc_gain", "roc_auc_not_worse") and finding.detail:
            areas |= {"auc": finding.detail["candidate"], "champion_auc": finding.detail["champion"]}
    return areas
