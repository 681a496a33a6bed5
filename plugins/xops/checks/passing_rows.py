"""Which rows of a batch pass its suites, and whether those pass as a batch of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.checks.expectation_suite import validate
from xops.core.suite.results import judge_expectations
from xops.core.verdict import Outcome, Verdict
from xops.engines.failing_rows import failing_rows
from xops.engines.streams import chosen

if TYPE_CHECKING:
    import pyarrow as pa

    from xops.engines.streams import Counted

_Suites = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Division:
    """A batch divided by its suites.

    :param passing: of each row, whether it passes; none does when it is not single rows that fail, or when the others
        would not pass without them.
    :param verdict: on all rows.
    :param rest: on the rows that pass; None when there are none.
    """

    passing: pa.BooleanArray
    verdict: Verdict
    rest: Verdict | None


def divide(rows: Counted, suites: _Suites, *, subject: str) -> Division:
    """Divide rows into those that pass every suite and those that do not.

    They are read several times, some at a time; of each it is kept whether it passes.

    A row fails when an expectation that fails finds it unexpected. What fails otherwise fails every row: an expectation
    about the table or a figure of a column, one that Great Expectations has to decide, one that could not be measured.
    """
    import numpy as np
    import pyarrow as pa

    verdict = judge(rows, suites, subject=subject)
    failing = _failing(rows, suites, verdict)
    none = pa.array(np.zeros(rows.num_rows, dtype=bool))
    if failing is None or failing.all():
        return Division(none, verdict, None)
    passing = pa.array(~failing)
    rest = judge(chosen(rows, passing), suites, subject=subject) if failing.any() else verdict
    return Division(passing, verdict, rest) if rest.outcome.passes else Division(none, verdict, None)


def judge(rows: Counted, suites: _Suites, *, subject: str) -> Verdict:
    """Judge rows by several suites in one verdict: the findings of each, in their order."""
    verdicts = [
        judge_expectations(
            suite["expectations"],
            validate(rows, suite),
            columns=rows.schema.names,
            rows=rows.num_rows,
            subject=subject,
            facts={},
        )
        for suite in suites
    ]
    names = [suite.get("name") for suite in suites]
    findings = tuple(finding for verdict in verdicts for finding in verdict.findings)
    return Verdict("data_test", subject, findings, {"suites": names, "rows": rows.num_rows})


def _failing(rows: Counted, suites: _Suites, verdict: Verdict) -> Any:
    asked = [expectation for suite in suites for expectation in suite["expectations"]]
    if not rows.num_rows or any(finding.outcome is Outcome.UNKNOWN for finding in verdict.findings):
        return None
    pairs = zip(asked, verdict.findings, strict=True)
    return failing_rows(rows, [expectation for expectation, finding in pairs if not finding.outcome.passes])
