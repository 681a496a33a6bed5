"""The rows of a dataset by the deliveries they came with, and what may be done with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from xops.core.contract.column_types import widens
from xops.core.dataset.writes import APPEND, Write
from xops.core.errors import Misconfigured, Refused, bounded


class State(StrEnum):
    """Where the rows of a part are."""

    STAGED = "staged"
    PUBLISHED = "published"
    QUARANTINED = "quarantined"
    DIVIDED = "divided"  # in the two parts that were made of it
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one delivery of a batch: all of them, those that passed, or those that did not.

    :param id: names the part for good.
    :param batch: the batch.
    :param order: the place of its delivery among those of the dataset; equal for the parts of one delivery.
    :param state: where its rows are now.
    :param rows: how many there are.
    :param of: the parts whose rows these are.
    :param write: how it enters the dataset.
    :param source: where the rows came from.
    :param unkeyed: how many rows ``write`` cannot place.
    :param passing: of one that is divided, the part of its rows that passed.
    :param shown: the version that showed it first; empty before.
    :param files: its data files, where the dataset is made of files.
    :param columns: name and type of each column in order, as :mod:`xops.core.contract.column_types` names types.
    :param at: when its delivery was staged; ISO 8601, UTC.
    :param shown_at: when readers saw it first.
    """

    id: str
    batch: str
    order: int
    state: State
    rows: int
    of: tuple[str, ...] = ()
    write: Write = APPEND
    source: str = ""
    unkeyed: int = 0
    passing: str = ""
    shown: str = ""
    files: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    at: str = ""
    shown_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        plain = {
            "state": str(self.state),
            "write": self.write.to_json(),
            "of": list(self.of),
            "files": list(self.files),
            "columns": [list(column) for column in self.columns],
        }
        return asdict(self) | plain

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Part:
        """Read what :meth:`to_json` wrote."""
        parsed = {
            "state": State(document["state"]),
            "write": Write.from_json(document["write"]),
            "of": tuple(document["of"]),
            "files": tuple(document["files"]),
            "columns": tuple(map(tuple, document["columns"])),
        }
        return cls(**{**document, **parsed})


Parts = tuple[Part, ...]


def part_named(parts: Sequence[Part], identity: str) -> Part | None:
    """Give a part by its id; None without."""
    return next((part for part in parts if part.id == identity), None)


def made_of(parts: Sequence[Part], identity: str, *states: State) -> Part | None:
    """Give the newest part that has the rows of another and is in one of some states; None without."""
    return next((part for part in reversed(parts) if identity in part.of and part.state in states), None)


def shown_in(parts: Sequence[Part], identity: str) -> Part | None:
    """Give the part as which the rows of another, or its own, were shown first; None when they were not."""
    return next((part for part in parts if identity in (part.id, *part.of) and part.shown), None)


def shown(parts: Sequence[Part]) -> list[Part]:
    """Give the parts that readers see."""
    return [part for part in parts if part.state is State.PUBLISHED]


def is_shown_in_part(parts: Sequence[Part], identity: str) -> bool:
    """Whether readers see other rows of the delivery that a part is of."""
    part = part_named(parts, identity)
    return part is not None and any(one.order == part.order for one in shown(parts))


def with_delivery(parts: Sequence[Part], staged: Part) -> Parts:
    """Add a delivery, the latest; one of its batch that waits for its tests may be published or set aside still."""
    return (*parts, replace(staged, order=next_order(parts)))


def next_order(parts: Sequence[Part]) -> int:
    """Give the order of a delivery that comes now."""
    return 1 + max((part.order for part in parts), default=0)


def set_aside(parts: Sequence[Part], identity: str, name: str) -> Parts | None:
    """Put a staged part into quarantine; None when it is there.

    :param name: the version, as an error names it.
    :raises Refused: when it was published.
    :raises Misconfigured: when it is not staged.
    """
    if shown_in(parts, identity):
        raise Refused(f"{name}: it was published, and is not set aside")
    part = part_named(parts, identity)
    if part is not None and _is_aside(parts, part):
        return None
    if part is None or part.state in (State.REPLACED, State.DIVIDED):
        raise Misconfigured(f"{name}: this version is not staged, so there is nothing to set aside")
    return moved(parts, [identity], State.QUARANTINED)


def _is_aside(parts: Sequence[Part], part: Part) -> bool:
    """Whether a part is in quarantine, or its rows are again: they were released, and the release was rolled back."""
    if part.state is State.REPLACED:
        return made_of(parts, part.id, State.QUARANTINED) is not None
    return part.state is State.QUARANTINED


def divided(parts: Sequence[Part], identity: str, name: str, passing: Part, failing: Part) -> Parts:
    """Put two parts in the place of the staged one that they were made of: one staged, one in quarantine.

    :raises Misconfigured: when it may not be published.
    """
    publishable(parts, identity, name)
    whole = (replace(part, state=State.DIVIDED, passing=passing.id) if part.id == identity else part for part in parts)
    return (*whole, passing, replace(failing, state=State.QUARANTINED))


def passing_of(parts: Sequence[Part], identity: str) -> Part | None:
    """Give the part of the rows that passed, of a part that was divided; None of any other."""
    whole = part_named(parts, identity)
    return part_named(parts, whole.passing) if whole is not None and whole.passing else None


def moved(parts: Sequence[Part], identities: Sequence[str] | set[str], state: State) -> Parts:
    """Give the parts, some of them in another state; the files of what is replaced are no longer its own."""
    return tuple(
        replace(part, state=state, files=() if state is State.REPLACED else part.files)
        if part.id in identities
        else part
        for part in parts
    )


def rolled_back(parts: Sequence[Part], earlier: Sequence[Part], name: str) -> Parts:
    """Show readers again what they saw, and put what was published since into quarantine.

    :param earlier: the parts that readers saw, as they were.
    :param name: the version, as an error names it.
    :raises Misconfigured: when one of them was rolled back itself since: its rows are in quarantine, or were released.
    """
    back = {part.id for part in earlier}
    kept = tuple(part for part in parts if part.id not in back)
    if len(kept) + len(back) != len(parts) or not all(part.shown for part in parts if part.id in back):
        raise Misconfigured(
            f"{name}: what readers see does not stand on it, since it was rolled back itself; release its rows from "
            "quarantine"
        )
    aside = (replace(part, state=State.QUARANTINED, shown="", shown_at="") for part in shown(kept))
    since = {part.id: part for part in aside}
    return (*(since.get(part.id, part) for part in kept), *earlier)


def publishable(parts: Sequence[Part], identity: str, name: str) -> Part:
    """Give a part that may be shown to readers.

    :param name: the version, as an error names it.
    :raises Refused: when it is in quarantine, a later delivery of its batch was published, or its mode cannot place its
        rows.
    :raises Misconfigured: when it is not staged.
    """
    part = part_named(parts, identity)
    if part is None:
        raise Misconfigured(f"{name}: this version is not staged, so there is nothing to publish; stage the batch")
    if _is_aside(parts, part):
        raise Refused(f"{name}: it is in quarantine, and not published")
    if part.state is State.REPLACED:
        raise Misconfigured(f"{name}: it has expired; stage the batch again")
    if part.state is State.DIVIDED:
        raise Misconfigured(f"{name}: its failing rows were set aside; the version without them is the one to publish")
    refuse_late(parts, part, name)
    return part


def refuse_late(parts: Sequence[Part], part: Part, name: str) -> None:
    """Refuse a delivery when a later one of its batch is published, or its mode cannot place its rows."""
    if any(one.shown and one.batch == part.batch and one.order > part.order for one in parts):
        raise Refused(f"{name}: a later delivery of batch {part.batch} was published; {REPLACE}")
    if part.unkeyed:
        raise Refused(f"{name}: {unplaced(part.unkeyed, part.rows, part.write)}")


REPLACE = "to show this one in its place, stage it again, or release it from quarantine with in_place_of_later"


def unplaced(unkeyed: int, rows: int, write: Write) -> str:
    """Say why rows cannot be published."""
    return (
        f"{unkeyed} of {rows} rows have no value in {', '.join(write.by)} or share it, so they cannot be put in their "
        f"place by {write.mode}"
    )


def columns_of(parts: Sequence[Part]) -> dict[str, str]:
    """Give the columns that readers see: of each the widest type that a part has."""
    known: dict[str, str] = {}
    for part in shown(parts):
        for name, kind in part.columns:
            known[name] = kind if widens(known.get(name, "null"), kind) else known[name]
    return known


def refuse_misfit(known: Mapping[str, str], part: Part, what: str) -> None:
    """Refuse a part whose columns are not those that readers see.

    :param known: the columns that readers see; empty while nothing was published.
    :param what: the part, as an error names it.
    :raises Misconfigured: when a column's type does not hold its values; and unless it may ``evolve`` the columns, when
        one is new, absent or of a wider type.
    """
    found, wrong = dict(part.columns), []
    for name in dict.fromkeys((*known, *found)) if known else ():
        has, wanted = found.get(name), known.get(name)
        fits = has is not None and wanted is not None and widens(has, wanted)
        grows = has is None or wanted is None or widens(wanted, has)
        if not fits and not (part.write.evolve and grows):
            wrong.append(f"{name} is {has or 'absent'}, the dataset has {wanted or 'no such column'}")
    if wrong:
        raise Misconfigured(f"{what} does not fit the dataset: {bounded('; '.join(wrong))}")
