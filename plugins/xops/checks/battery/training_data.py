"""Whether the data that a candidate learned from was fit for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from xops.core.errors import Misconfigured
from xops.core.verdict import Finding, Outcome, worst

if TYPE_CHECKING:
    from xops.checks.battery.exam import Exam
    from xops.core.evidence import Evidence

FACTS = "training_data"  # where an exam's facts say what is known of it
_QUOTED = 5


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What the evidence says of the data that the candidate learned from, and whether its tags allow the purpose.

    Read from the exam's facts, where :func:`known_of` puts it. Whatever is not there is unknown.

    :param max_age: how old the data may be, inclusive; not judged when None.
    :param time: the column that says when a row was: its newest value learned from tells how old the data are, in UTC
        where it names no zone. When None, the arrival of the newest batch tells it.
    :param min_rows: the least number of rows learned from, inclusive.
    :param tags: by feature its tags of consent and personal data, none for one without; not judged when empty.
    :param refused: tags that a feature may not have for this purpose. A feature that ``tags`` does not name is unknown.
    :raises Misconfigured: when tags are refused and none are given.
    """

    max_age: timedelta | None = None
    time: str | None = None
    min_rows: int = 1
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Sequence[str] = ()
    name: ClassVar[str] = "training_data"

    def __post_init__(self) -> None:
        if self.refused and not self.tags:
            raise Misconfigured("training_data: tags were refused, and no feature's are given; fill tags")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for its tests, its size, its age, and the tags of each feature."""
        known = exam.facts.get(FACTS)
        subject = str(known["dataset"]) if known else exam.candidate.name
        found = [_tests(subject, known), self._size(subject, known)]
        if self.max_age is not None:
            newest, why = _arrived(known) if self.time is None else _newest(exam, self.time)
            found.append(_age(subject, newest, why, self.max_age))
        if self.refused:
            found += [self._tags(feature) for feature in exam.candidate.columns]
        return found

    def _size(self, subject: str, known: Mapping[str, Any] | None) -> Finding:
        if not known:
            return _nothing("training_rows", subject, self.min_rows)
        rows = int(known["rows"])
        outcome = Outcome.PASS if rows >= self.min_rows else Outcome.FAIL
        why = f"{rows} rows were learned from; at least {self.min_rows} wanted"
        return Finding("training_rows", subject, outcome, rows, self.min_rows, size=rows, reason=why)

    def _tags(self, feature: str) -> Finding:
        if feature not in self.tags:
            why = "nobody says which tags it has"
            return Finding("allowed_tags", feature, Outcome.UNKNOWN, limit=list(self.refused), reason=why)
        against = [tag for tag in self.tags[feature] if tag in self.refused]
        outcome = Outcome.FAIL if against else Outcome.PASS
        why = f"its tag {against[0]} is refused for this purpose" if against else "none of its tags is refused"
        return Finding("allowed_tags", feature, outcome, list(self.tags[feature]), list(self.refused), reason=why)


def known_of(
    dataset: str, rows: int, batches: Mapping[str, Evidence | None], *, arrived: Sequence[datetime | None] = ()
) -> dict[str, Any]:
    """Give what the evidence says of training data, as the exam's facts hold it.

    :param dataset: the version's name.
    :param rows: how many rows were learned from.
    :param batches: by batch learned from the newest evidence of its data tests, None where there is none.
    :param arrived: when each batch was staged, None where that is forgotten.
    """
    tested = {batch: evidence for batch, evidence in batches.items() if evidence is not None}
    outcomes = {batch: evidence.verdict.outcome for batch, evidence in tested.items()}
    refused = {batch: str(outcome) for batch, outcome in outcomes.items() if not outcome.passes}
    untested = [batch for batch in batches if batch not in tested]
    return {
        "dataset": dataset,
        "rows": rows,
        "batches": len(batches),
        "tests": str(worst(outcomes.values())),
        "refused": dict(list(refused.items())[:_QUOTED]),
        "untested": untested[:_QUOTED],
        "arrived": max((moment.isoformat() for moment in arrived if moment is not None), default=None),
    }


def _tests(subject: str, known: Mapping[str, Any] | None) -> Finding:
    if not known:
        return _nothing("data_tests", subject, None)
    outcome, number = Outcome(known["tests"]), known["batches"]
    why = f"all tests of its {number} batches passed" + (", some with a warning" if outcome is Outcome.WARN else "")
    if not outcome.passes:
        batches = ", ".join(known["refused"])
        why = f"the tests did not pass of {batches}" if batches else "no evidence of any test of its batches"
    if outcome.passes and known["untested"]:
        outcome, why = Outcome.UNKNOWN, f"no evidence of any test of {', '.join(known['untested'])}"
    return Finding("data_tests", subject, outcome, size=known["rows"], reason=why)


def _age(subject: str, newest: datetime | None, why: str, most: timedelta) -> Finding:
    limit = most.total_seconds()
    if newest is None:
        return Finding("training_data_age", subject, Outcome.UNKNOWN, limit=limit, reason=why)
    age = (datetime.now(UTC) - newest).total_seconds()
    outcome = Outcome.PASS if age <= limit else Outcome.FAIL
    why = f"{why} {timedelta(seconds=round(age))} ago; at most {most} wanted"
    return Finding("training_data_age", subject, outcome, age, limit, "s", reason=why)


def _arrived(known: Mapping[str, Any] | None) -> tuple[datetime | None, str]:
    """Give when the newest batch arrived, and how to say so; or None, and why."""
    if not known or known["arrived"] is None:
        return None, "it is not known when its batches arrived"
    return datetime.fromisoformat(known["arrived"]), "its newest batch arrived"


def _newest(exam: Exam, column: str) -> tuple[datetime | None, str]:
    """Give the newest time of the rows learned from, and how to say so; or None, and why."""
    import pandas as pd

    if exam.candidate.learned is None:
        return None, "the rows that it learned from are not at hand"
    frame = exam.candidate.learned.frame
    if column not in frame.columns:
        return None, f"the rows lack the column {column}"
    if not pd.api.types.is_datetime64_any_dtype(frame[column]):
        return None, f"a column of times was wanted, {column} is of the type {frame[column].dtype}"
    if frame[column].isna().all():
        return None, f"no row has a {column}"
    newest: datetime = pd.to_datetime(frame[column].max(), utc=True).to_pydatetime()
    return newest, f"the newest {column} that it learned from was"


def _nothing(check: str, subject: str, limit: float | None) -> Finding:
    why = "nothing is known of the data that it learned from"
    return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=why)
