"""Data tests of a table where it is: its database decides what one SELECT can, Great Expectations a bounded rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.checks.expectation_suite import validate_in_gx
from xops.core.errors import Unmeasured
from xops.core.suite.compiler import (
    compile_expectation,
    entry_of,
    is_trusted,
    refuse_code,
    refuse_unreadable,
)
from xops.core.suite.in_gx import columns_needed, may_run_in_gx
from xops.core.suite.plan import EVERY, Answer
from xops.core.suite.queries import QUERY, answer_of, query_of
from xops.core.suite.standard import planned_in

if TYPE_CHECKING:
    from xops.core.profile.profiles import Profile
    from xops.core.profile.spec import ProfileSpec
    from xops.core.suite.plan import Plan
    from xops.engines.sql.scan import SqlScan

Entry = Mapping[str, Any]
_UNREVIEWED = (
    'its query is code that the database would run; review the suite and write {"xops": {"trusted": true}} '
    "into its meta"
)
_OTHER = "expect_table_row_count_to_equal_other_table"


@dataclass(frozen=True, slots=True)
class Tested:
    """What was found of a table.

    :param entries: for each expectation of the suite, in its order, the entry of the validation result.
    :param rows: the table's rows; None where they were not counted.
    :param profile: the profile, if one was asked for and made.
    """

    entries: Sequence[Entry]
    rows: int | None
    profile: Profile | None = None


def validate_table(
    scan: SqlScan,
    suite: Mapping[str, Any],
    *,
    profile: Callable[[], ProfileSpec] | None = None,
    fetch_rows: int = 10_000,
) -> Tested:
    """Run a suite on a table: one SELECT for all that the database can decide, and for the profile.

    What is left goes to Great Expectations with the rows of the columns it names, unless the table has more than
    ``fetch_rows`` rows: then it is not decided, and its entry says so. A statement that did not end leaves every
    expectation that it was for undecided.

    :param profile: gives the bins of the profile; without it none is made.
    :raises Misconfigured: as :func:`~xops.checks.expectation_suite.validate`.
    """
    refuse_code(suite)
    refuse_unreadable(suite)
    asked = suite["expectations"]
    known = planned_in(scan.session.dialect.end_of_text)
    plans = [compile_expectation(one, scan.columns, known) for one in asked]
    asks = dict.fromkeys([EVERY, *(ask for plan in plans if plan for ask in plan.asks)])
    try:
        scanned = scan.scan({ask: ask for ask in asks}, profile() if profile else None)
    except Unmeasured as reason:
        return Tested([_of_schema(one, plan, str(reason)) for one, plan in zip(asked, plans, strict=True)], None)
    answers = [plan.answer(scanned.values) if plan else None for plan in plans]
    entries = [entry_of(one, answer) if answer else None for one, answer in zip(asked, answers, strict=True)]
    rows = int(scanned.values[EVERY])
    left = [place for place, entry in enumerate(entries) if entry is None]
    for place, entry in zip(left, _left(scan, suite, [asked[place] for place in left], rows, fetch_rows), strict=True):
        entries[place] = entry
    return Tested([entry for entry in entries if entry is not None], rows, scanned.profile)


def _left(
    scan: SqlScan, suite: Mapping[str, Any], asked: Sequence[Entry], rows: int, fetch_rows: int
) -> list[dict[str, Any]]:
    """Count other tables, and let Great Expectations decide the rest if the table is small enough to be fetched."""
    found: dict[int, Any] = {}
    reason = "Great Expectations gave no result for it"
    try:
        for place, one in enumerate(asked):
            if one["type"] == _OTHER:
                found[place] = entry_of(one, _as_many_as(scan, one, rows))
            elif one["type"] == QUERY:
                found[place] = entry_of(one, _unexpected(scan, suite, one))
        allowed = [place for place, one in enumerate(asked) if place not in found and may_run_in_gx(suite, one)]
        if rows > fetch_rows:
            reason = (
                f"the database cannot decide it, and {rows} rows are more than the {fetch_rows} that may be fetched"
            )
        elif allowed:
            gx = [asked[place] for place in allowed]
            table = scan.rows(columns_needed(suite, gx, [column.name for column in scan.columns]), fetch_rows)
            found |= dict(zip(allowed, validate_in_gx(table, suite, gx), strict=True))
    except Unmeasured as error:
        reason = str(error)
    missing = Answer(success=False, error=reason)
    return [found.get(place) or entry_of(one, missing) for place, one in enumerate(asked)]


def _as_many_as(scan: SqlScan, asked: Entry, rows: int) -> Answer:
    """Compare the rows with those of another table, in the state that this one is in."""
    kwargs = asked.get("kwargs") or {}
    name = kwargs.get("other_table_name")
    if not isinstance(name, str) or set(kwargs) - {"other_table_name", "batch_id"}:
        return Answer(success=False, error="the name of a table was wanted as other_table_name, and no more")
    other = scan.rows_beside(name)
    if other is None:
        return Answer(success=False, error=f"table {name}: no such table, or none that this login may see")
    return Answer(rows == other, {"observed_value": {"self": rows, "other": other}})


def _unexpected(scan: SqlScan, suite: Mapping[str, Any], asked: Entry) -> Answer:
    """Count the rows that an expectation's own query finds, in the state that the table is in."""
    try:
        query = query_of(asked, scan.table.sql(dialect=scan.session.dialect.name))
    except ValueError as error:
        return Answer(success=False, error=str(error))
    if query is None:
        return Answer(success=False, error="the query alone was wanted, found further arguments")
    if not is_trusted(suite):
        return Answer(success=False, error=_UNREVIEWED)
    return answer_of(scan.count_rows(query))


def _of_schema(asked: Entry, plan: Plan | None, reason: str) -> dict[str, Any]:
    """Give the entry of what the schema alone decides; of all else, that it was not measured."""
    answer = plan.answer({}) if plan and not plan.asks else None
    return entry_of(asked, answer or Answer(success=False, error=reason))
