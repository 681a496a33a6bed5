"""What the summary of a snapshot says of the batch whose arrival made it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xops.core.dataset.writes import APPEND, Write
from xops.hooks.iceberg.reading import ancestry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

QUARANTINE = "quarantine-"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one delivery of a batch, in one snapshot: all of them, those that passed, or those that did not.

    :param batch: the batch.
    :param rows: how many rows it has.
    :param delivery: the snapshot in which the delivery was staged; 0 when it is the part's own, which is not made yet.
    :param order: the sequence number of that snapshot: a later delivery has a higher one; 0 as above.
    :param holds: the snapshots whose rows these are; its own, where it is made, is one of them.
    :param write: how it enters the table.
    :param source: where the rows came from.
    :param unkeyed: how many rows ``write`` cannot place.
    :param superseded: how many rows a later batch supersedes, as far as was known: still there where the part waits for
        its tests, left out on ``main``.
    """

    batch: str
    rows: int
    delivery: int = 0
    order: int = 0
    holds: tuple[int, ...] = ()
    write: Write = APPEND
    source: str = ""
    unkeyed: int = 0
    superseded: int = 0
    passing_of: int = 0

    def to_summary(self) -> dict[str, str]:
        """Give it as properties of the summary of a snapshot that is to be made."""
        return {
            "xops.batch": self.batch,
            "xops.rows": str(self.rows),
            "xops.delivery": str(self.delivery),
            "xops.order": str(self.order),
            "xops.holds": json.dumps(self.holds),
            "xops.write": json.dumps(self.write.to_json()),
            "xops.source": self.source,
            "xops.unkeyed": str(self.unkeyed),
            "xops.superseded": str(self.superseded),
            "xops.passing-of": str(self.passing_of),
        }


def part_of(snapshot: Snapshot | None) -> Part | None:
    """Read what a snapshot says; None when it is not the work of a batch."""
    said = snapshot.summary.additional_properties if snapshot is not None and snapshot.summary is not None else {}
    if snapshot is None or "xops.rows" not in said:
        return None
    return Part(
        batch=said["xops.batch"],
        rows=int(said["xops.rows"]),
        delivery=int(said["xops.delivery"]) or snapshot.snapshot_id,
        order=int(said["xops.order"]) or snapshot.sequence_number or 0,
        holds=(snapshot.snapshot_id, *json.loads(said["xops.holds"])),
        write=Write.from_json(json.loads(said["xops.write"])),
        source=said["xops.source"],
        unkeyed=int(said["xops.unkeyed"]),
        superseded=int(said["xops.superseded"]),
        passing_of=int(said["xops.passing-of"]),
    )


def shown_parts(target: Table) -> Iterator[tuple[int, Part]]:
    """Give the parts that ``main`` stands on, each with its snapshot, newest first."""
    for snapshot in ancestry(target):
        part = part_of(target.snapshot_by_id(snapshot))
        if part is not None:
            yield snapshot, part


def shown_as(target: Table, snapshot: int) -> tuple[int, Part] | None:
    """Give the snapshot of ``main`` that holds the rows of a staged one, and what it says; None without."""
    return next(((shown, part) for shown, part in shown_parts(target) if snapshot in part.holds), None)


def present(target: Table, batch: str) -> Part | None:
    """Give what was published last of a batch; None when nothing was."""
    return next((part for _, part in shown_parts(target) if part.batch == batch), None)


def set_aside(target: Table) -> Iterator[tuple[str, int, Part]]:
    """Give what is in quarantine, oldest first: the branch, its snapshot, and what that says."""
    branches = ((branch, ref.snapshot_id) for branch, ref in target.refs().items() if branch.startswith(QUARANTINE))
    known = [(branch, target.snapshot_by_id(snapshot)) for branch, snapshot in branches]
    for branch, snapshot in sorted(known, key=lambda pair: pair[1].sequence_number if pair[1] else 0):
        part = part_of(snapshot)
        if snapshot is not None and part is not None:
            yield branch, snapshot.snapshot_id, part
