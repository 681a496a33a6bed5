"""The one value that flows through everything: a check's answer, made of findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from xops.core.strict_json import plain


class Outcome(StrEnum):
    """What was found. ``unknown`` means not measured; it never passes a gate."""

    PASS = "pass"  # noqa: S105 - the word, not a password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def passes(self) -> bool:
        """Whether a gate lets it through."""
        return self in (Outcome.PASS, Outcome.WARN)


_QUOTED = 5  # findings that a verdict's sentence quotes at most
_RARE = ("interval", "detail")
_WORST_FIRST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.PASS)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Give the worst of ``outcomes``: fail, unknown, warn, pass; of none, unknown."""
    seen = set(outcomes)
    return next((outcome for outcome in _WORST_FIRST if outcome in seen), Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured thing against one limit.

    :param check: what was measured, e.g. ``wasserstein`` or ``expect_column_values_to_be_unique``.
    :param subject: of what: a column, a slice, a model version, or the dataset itself.
    :param outcome: pass, warn, fail or unknown.
    :param observed: the measured value; None when there is none.
    :param limit: the value or values it was held against.
    :param unit: the unit of ``observed``; empty for a plain number.
    :param size: how many rows it was measured on; None when that is not a number of rows.
    :param reason: one sentence for a person; required where the outcome is unknown.
    :param interval: lower and upper end between which the true value lies; None where none was computed.
    :param detail: what a report draws of it, such as a curve or each group's figures, plain JSON; None for nothing.
    """

    check: str
    subject: str
    outcome: Outcome
    observed: Any = None
    limit: Any = None
    unit: str = ""
    size: int | None = None
    reason: str = ""
    interval: Any = None
    detail: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcome", Outcome(self.outcome))
        object.__setattr__(self, "subject", str(self.subject))  # a column may be named by a number
        for name in ("observed", "limit", "interval", "detail"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        if self.outcome is Outcome.UNKNOWN and not self.reason:
            raise ValueError(f"{self.check} on {self.subject}: an unknown outcome needs its reason")

    def __str__(self) -> str:
        """Say it in one line."""
        measured = f"{self.observed}{' ' + self.unit if self.unit else ''} against {self.limit}"
        return f"{self.check} on {self.subject}: {self.reason or measured}"

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON; interval and detail only where there are any."""
        fields: dict[str, Any] = plain(asdict(self))
        return {name: value for name, value in fields.items() if name not in _RARE or value is not None}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check's answer about one subject.

    The outcome is the worst of the findings; a verdict without findings is unknown, because nothing was measured.

    :param check: the kind of check: ``data_test``, ``drift``, ``performance``, ``evaluation``...
    :param subject: what was judged: ``nyc.flights@123`` or ``models:/flights_delay/2``.
    :param findings: what was measured.
    :param facts: what else a reader needs: versions, batch, sizes. Plain JSON values.
    """

    check: str
    subject: str
    findings: tuple[Finding, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of the findings."""
        return worst(finding.outcome for finding in self.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that no gate lets through."""
        return tuple(finding for finding in self.findings if not finding.outcome.passes)

    def __str__(self) -> str:
        """Say the outcome and the first findings that led to it."""
        notable = [f for f in self.findings if f.outcome is self.outcome and f.outcome is not Outcome.PASS]
        # what could not be measured of many columns for one reason is said once
        said = list({f.reason if f.outcome is Outcome.UNKNOWN else str(f): str(f) for f in reversed(notable)}.values())[
            ::-1
        ]
        more = f"; and {len(said) - _QUOTED} more" if len(said) > _QUOTED else ""
        return f"{self.check} of {self.subject}: {self.outcome}" + (
            f" ({'; '.join(said[:_QUOTED])}{more})" if said else ""
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return {
            "check": self.check,
            "subject": self.subject,
            "outcome": str(self.outcome),
            "findings": [finding.to_json() for finding in self.findings],
            "facts": plain(self.facts),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Verdict:
        """Read what :meth:`to_json` wrote.

        :raises ValueError: when the outcome written differs from the one that the findings give.
        """
        findings = tuple(Finding(**finding) for finding in document["findings"])
        verdict = cls(document["check"], document["subject"], findings, dict(document.get("facts", {})))
        if verdict.outcome != document["outcome"]:
            raise ValueError(
                f"verdict {verdict.check} of {verdict.subject} says {document['outcome']}, "
                f"its findings say {verdict.outcome}"
            )
        return verdict
