"""What changed between two schemas, and whether readers of the first can read the second."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from xops.core.contract.column_types import fits, widens
from xops.core.verdict import Finding, Outcome, Verdict

_ALIKE = 0.6  # of two names, by difflib: as its documentation has it, above it sequences are close matches


class Change(StrEnum):
    """What may have happened to a column."""

    ADDED = "added"
    WIDENED = "widened"
    REORDERED = "reordered"
    REMOVED = "removed"
    RENAMED = "renamed"
    NARROWED = "narrowed"
    RETYPED = "retyped"
    REQUIRED = "required"
    RELAXED = "relaxed"

    @property
    def compatible(self) -> bool:
        """Whether what was written to read the schema before still works."""
        return self in COMPATIBLE


COMPATIBLE = frozenset({Change.ADDED, Change.WIDENED, Change.REORDERED})
CARRIED_OUT = frozenset({Change.ADDED, Change.WIDENED})  # what a batch may do to its dataset's columns, where allowed


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a schema.

    :param name: its name.
    :param type: as :mod:`xops.core.contract.column_types` names types.
    :param nullable: whether a row may lack its value.
    """

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Changed:
    """One change of one column.

    :param column: the column; of one that was renamed, its name before.
    :param change: what happened.
    :param before: its type, with ``not null`` where it is required; or its place.
    :param after: the same, afterwards.
    :param likely: of a rename, the name that it likely has now.
    """

    column: str
    change: Change
    before: str | int | None
    after: str | int | None
    likely: str = ""


def changes(before: Sequence[Column], after: Sequence[Column]) -> list[Changed]:
    """Give what changed from one schema to another, column by column in the order of ``before``, then what was added.

    A column that is gone counts as renamed when a new one has its type and a name much like it or its place; each new
    one answers for one. A column that is new is ``added``, or ``required`` where every row has to have it.
    """
    old, new = {column.name: column for column in before}, {column.name: column for column in after}
    renamed = _renames(before, after)
    found = []
    for column in before:
        now = new.get(column.name)
        if now is not None:
            found += _altered(column, now)
        elif column.name in renamed:
            likely = new[renamed[column.name]]
            found.append(Changed(column.name, Change.RENAMED, _said(column), _said(likely), likely.name))
        else:
            found.append(Changed(column.name, Change.REMOVED, _said(column), None))
    for column in after:
        if column.name not in old:
            found.append(
                Changed(column.name, Change.ADDED if column.nullable else Change.REQUIRED, None, _said(column))
            )
    return found + _reordered(before, after)


def refused(before: Sequence[Column], after: Sequence[Column], allowed: Collection[Change]) -> list[Changed]:
    """Give the changes from one schema to another that are not allowed, for whoever is to carry the others out.

    :param allowed: as :attr:`xops.core.contract.odcs.Contract.allowed` has them.
    """
    return [changed for changed in changes(before, after) if changed.change not in allowed]


def judge_schema(
    before: Sequence[Column],
    after: Sequence[Column],
    *,
    subject: str,
    against: str,
    allowed: Collection[Change] = COMPATIBLE,
    facts: Mapping[str, Any],
) -> Verdict:
    """Judge what changed: a change that is allowed is a warning, any other fails.

    :param before: what readers rely on: the published version's columns, or a contract's.
    :param after: the batch's.
    :param against: what ``before`` is, in words.
    :param allowed: the changes that are; those that break no reader by default.
    """
    found = changes(before, after)
    touched = {change.column for change in found}
    findings = [_finding(change, against, allowed) for change in found]
    for column in (*before, *after):
        if column.name not in touched:
            touched.add(column.name)
            said = _said(column)
            findings.append(Finding("schema", column.name, Outcome.PASS, said, said, reason=f"as in {against}"))
    if not findings:
        findings.append(Finding("schema", "dataset", Outcome.UNKNOWN, reason=f"neither it nor {against} has a column"))
    return Verdict("schema", subject, tuple(findings), facts)


def first_of_its_table(subject: str) -> Verdict:
    """Give the verdict on a table's first batch: a warning, because there is nothing to compare it with."""
    why = "nothing was published before, so this is the schema that readers get"
    return Verdict("schema", subject, (Finding("schema", "dataset", Outcome.WARN, reason=why),))


def _finding(changed: Changed, against: str, allowed: Collection[Change]) -> Finding:
    outcome = Outcome.WARN if changed.change in allowed else Outcome.FAIL
    kind = "compatible" if changed.change.compatible else "breaking"
    words = f"{kind}: {_SENTENCES[changed.change].format(c=changed, against=against)}"
    return Finding(f"column_{changed.change}", changed.column, outcome, changed.after, changed.before, reason=words)


_SENTENCES = {
    Change.ADDED: "it is new against {against}, and may be null",
    Change.WIDENED: "{c.before} in {against} became {c.after}, which holds all of its values",
    Change.REORDERED: "it was column {c.before} in {against} and is column {c.after}",
    Change.REMOVED: "{against} has it as {c.before}, and it is gone",
    Change.RENAMED: "{against} has it as {c.before}, and it is gone; {c.likely} is new and like it: likely renamed",
    Change.NARROWED: "{c.before} in {against} became {c.after}, which does not hold all of its values",
    Change.RETYPED: "{c.before} in {against} became {c.after}",
    Change.REQUIRED: "every row has to have it, which {against} does not ask for",
    Change.RELAXED: "{against} has it in every row, now it may be null",
}


def _altered(before: Column, after: Column) -> list[Changed]:
    said, says = _said(before), _said(after)
    found = []
    if not fits(after.type, before.type):
        kind = Change.RETYPED
        if widens(before.type, after.type):
            kind = Change.WIDENED
        elif widens(after.type, before.type):
            kind = Change.NARROWED
        found.append(Changed(before.name, kind, said, says))
    if before.nullable != after.nullable:
        found.append(Changed(before.name, Change.RELAXED if after.nullable else Change.REQUIRED, said, says))
    return found


def _renames(before: Sequence[Column], after: Sequence[Column]) -> dict[str, str]:
    """Give for columns that are gone the new ones that they likely became, the most alike first."""
    names = ({column.name for column in before}, {column.name for column in after})
    gone = [(place, column) for place, column in enumerate(before) if column.name not in names[1]]
    come = [(place, column) for place, column in enumerate(after) if column.name not in names[0]]
    pairs = sorted(
        (
            (-_likeness(old, new, same_place=place == other), old.name, new.name)
            for place, old in gone
            for other, new in come
            if fits(new.type, old.type)
        ),
    )
    found: dict[str, str] = {}
    for score, old_name, new_name in pairs:
        if -score >= _ALIKE and old_name not in found and new_name not in found.values():
            found[old_name] = new_name
    return found


def _likeness(old: Column, new: Column, *, same_place: bool) -> float:
    first, second = (re.sub(r"[\W_]+", "", column.name).lower() for column in (old, new))
    part = bool(first) and bool(second) and (first in second or second in first)
    return max(SequenceMatcher(None, first, second).ratio(), _ALIKE * part) + 0.25 * same_place


def _reordered(before: Sequence[Column], after: Sequence[Column]) -> list[Changed]:
    """Give the columns that left the order of the others: as few as explain the new one."""
    places = {column.name: place for place, column in enumerate(after)}
    kept = [(place, column.name) for place, column in enumerate(before) if column.name in places]
    stayed = _longest_ascending([places[name] for _, name in kept])
    return [Changed(name, Change.REORDERED, place, places[name]) for place, name in kept if places[name] not in stayed]


def _longest_ascending(values: Sequence[int]) -> set[int]:
    """Give the members of a longest ascending subsequence of different values."""
    runs: list[list[int]] = []
    for value in values:
        runs.append([value])
        for run in runs[:-1]:
            if run[-1] < value and len(run) >= len(runs[-1]):
                runs[-1] = [*run, value]
    runs.sort(key=len)
    return set(runs[-1]) if runs else set()


def _said(column: Column) -> str:
    return column.type if column.nullable else f"{column.type} not null"
