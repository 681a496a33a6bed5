"""Data versions as Iceberg snapshots: staged, published, set aside, released and rolled back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Refused
from xops.core.evidence import slug
from xops.hooks.datasets.rows import unkeyed
from xops.hooks.iceberg.changes import own_files
from xops.hooks.iceberg.reading import ancestry, head_of
from xops.hooks.iceberg.schemas import fitting_schema
from xops.hooks.iceberg.summary import QUARANTINE, Part, part_of, present, set_aside, shown_as, shown_parts
from xops.hooks.iceberg.writing import MAIN, IcebergWriter

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from xops.engines.sources import Batches
    from xops.hooks.datasets.rows import Portion
    from xops.hooks.iceberg.commits import OneStep


class IcebergHook(IcebergWriter):
    """Tables of one Iceberg catalog, written and read: the :class:`~xops.hooks.datasets.store.DatasetStore` of Iceberg.

    What is in quarantine is on a branch of its own; of its snapshot the rows of the batch are meant.

    :param conn_id: see :class:`~xops.hooks.iceberg.catalog.IcebergCatalog`.
    """

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside under a branch of its own, with every row; ``main`` does not move.

        :returns: the branch: ``quarantine-<batch>-<snapshot>``.
        :raises Refused: when its rows were published, or released from quarantine, meanwhile.
        """
        branch = _branch_of(version.batch, int(version.snapshot))

        def prepare(step: OneStep) -> str:
            if branch not in step.target.refs():
                self._staged(step.target, version)
                step.point(branch, int(version.snapshot))
                self._leave_audit(step, version)
            return branch

        return self._in_one_step(lambda: self.table(version.table), prepare, f"batch {version.batch} was set aside")

    def split(self, version: DataVersion, *, passing: Portion, failing: Portion) -> DataVersion:
        """Set the failing rows of a staged batch aside in one atomic step; give the staged version of the others.

        :param passing: with ``failing``, every row of the batch.
        :raises Refused: when the batch was published, or set aside as a whole and released.
        """
        whole, audit = int(version.snapshot), f"audit-{slug(version.batch)}-{version.snapshot}"

        def prepare(step: OneStep) -> DataVersion:
            target = step.target
            done = _passing_of(target, version)
            if done is not None:
                return replace(version, snapshot=str(done[0]), branch=audit, rows=done[1].rows)
            part = self._staged(target, version)
            passed, files = self._written(step, part, passing)
            snapshot = self._put(step, audit, replace(passed, passing_of=whole), files)
            failed, files = self._written(step, part, failing)
            step.snapshot(
                _branch_of(version.batch, whole),
                whole,
                added=files,
                removed=own_files(step, whole, part.batch),
                summary=failed.to_summary(),
            )
            self._leave_audit(step, version)
            step.keep_schema()
            return replace(version, snapshot=str(snapshot), branch=audit, rows=passed.rows)

        return self._in_one_step(
            lambda: self.table(version.table), prepare, f"rows of batch {version.batch} were set aside"
        )

    def quarantined(self, table: str) -> list[DataVersion]:
        """Give what is in quarantine, oldest first: for each batch set aside a version of those of its rows."""
        target = self.table(table)
        return [
            DataVersion(table, str(snapshot), part.batch, branch, self._batches(target, snapshot).get(part.batch, 0))
            for branch, snapshot, part in set_aside(target)
        ]

    def source(self, version: DataVersion) -> str:
        """Say where the rows of a staged or quarantined version came from; empty when that is not known."""
        part = part_of(self.table(version.table).snapshot_by_id(int(version.snapshot)))
        return part.source if part else ""

    def beside(self, version: DataVersion) -> Batches | None:
        """Give the rows that ``main`` shows of the delivery that a quarantined version is of; None without any."""
        target = self.table(version.table)
        now, part = present(target, version.batch), _known(target, version)
        if now is None or now.delivery != part.delivery:
            return None
        return self.stream(DataVersion(version.table, str(head_of(target))), batches=[version.batch])

    def release(
        self, version: DataVersion, *, passing: Portion, failing: Portion, in_place_of_later: bool = False
    ) -> DataVersion | None:
        """Publish rows out of quarantine in one atomic step, and keep the others there.

        Rows of a delivery that is published in part join it; others take the place of what the table has of the batch.

        :param version: one of :meth:`quarantined`.
        :param passing: with ``failing``, every row of it; at least one.
        :param in_place_of_later: whether they are the batch's latest delivery from now on.
        :returns: the published version; None when this version left quarantine in another way.
        :raises Refused: when a later delivery of the batch was published.
        """
        aside = int(version.snapshot)

        def prepare(step: OneStep) -> DataVersion | None:
            target = step.target
            ref, shown = target.refs().get(version.branch), shown_as(target, aside)
            if ref is None or ref.snapshot_id != aside:
                return DataVersion(version.table, str(shown[0]), version.batch, "", shown[1].rows) if shown else None
            part = _known(target, version)
            released, files = self._written(step, part, passing)
            released = replace(released, holds=part.holds)
            if in_place_of_later:
                released = replace(released, delivery=0, order=0)
            self._may_land(target, released, version.name)
            snapshot, rows = self._land(step, released, files)
            if failing.num_rows:
                kept, files = self._written(step, self._of_one_delivery(step, part, snapshot), failing)
                removed = own_files(step, aside, part.batch)
                summary = replace(kept, holds=part.holds[1:]).to_summary()
                step.snapshot(version.branch, aside, added=files, removed=removed, summary=summary)
            else:
                step.drop(version.branch)
            return DataVersion(version.table, str(snapshot), version.batch, "", rows)

        return self._in_one_step(lambda: self.table(version.table), prepare, f"batch {version.batch} was released")

    def staged_as(self, version: DataVersion, batch: str) -> set[str]:
        """Give the snapshots as which the rows were staged, or set aside, that a version has of a batch."""
        mine = _landed(self.table(version.table), version, batch)
        return {str(held) for part in mine for held in (part.delivery, *part.holds)}

    def staged_at(self, version: DataVersion, batch: str) -> dt.datetime | None:
        """Give when the rows that a version has of a batch were staged; None where that is no longer known."""
        target = self.table(version.table)
        known = [target.snapshot_by_id(part.delivery) for part in _landed(target, version, batch)]
        moments = [snapshot.timestamp_ms for snapshot in known if snapshot is not None]
        return dt.datetime.fromtimestamp(max(moments) / 1000, dt.UTC) if moments else None

    def roll_back(self, version: DataVersion) -> list[DataVersion]:
        """Let ``main`` show an earlier version again, in one atomic step.

        What was published since goes to quarantine: of each batch the rows that ``main`` has of it now.

        :param version: one of :meth:`versions`.
        :returns: what was set aside; nothing when ``main`` shows the version already.
        :raises Misconfigured: when ``main`` does not stand on it.
        """
        to = int(version.snapshot)

        def prepare(step: OneStep) -> list[DataVersion]:
            target, head = step.target, head_of(step.target)
            if to not in ancestry(target):
                raise Misconfigured(f"{version.name}: main does not stand on it, so it cannot go back to it")
            if to == head:
                return []
            kept, since = set(ancestry(target, to)), dict[str, list[tuple[int, Part]]]()
            for snapshot, part in shown_parts(target):
                if snapshot not in kept:
                    since.setdefault(part.batch, []).append((snapshot, part))
            aside = [self._aside(step, version, landed) for landed in since.values()]
            step.point(MAIN, to)
            return [set_aside for set_aside in aside if set_aside]

        return self._in_one_step(lambda: self.table(version.table), prepare, "main was rolled back")

    @staticmethod
    def _aside(step: OneStep, to: DataVersion, landed: list[tuple[int, Part]]) -> DataVersion | None:
        """Keep what ``main`` has of a batch and an earlier version has not; None when that is nothing."""
        head, (snapshot, newest) = head_of(step.target), landed[0]
        staying = {file.file_path for file in own_files(step, int(to.snapshot), newest.batch)}
        here = own_files(step, head, newest.batch)
        rows = sum(file.record_count for file in here if file.file_path not in staying)
        if not rows:
            return None
        holds = tuple(held for _, part in landed if part.delivery == newest.delivery for held in part.holds)
        branch, part = _branch_of(newest.batch, snapshot), replace(newest, rows=rows, holds=holds, superseded=0)
        removed = [file for file in here if file.file_path in staying]
        aside = step.snapshot(branch, head, removed=removed, summary=part.to_summary())
        return DataVersion(to.table, str(aside), newest.batch, branch, rows)

    @staticmethod
    def _staged(target: Table, version: DataVersion) -> Part:
        """Give what a staged version says, if nothing of its delivery is published or in quarantine."""
        part, mine = _known(target, version), int(version.snapshot)
        landed = [
            snapshot
            for snapshot, shown in shown_parts(target)
            if shown.delivery == part.delivery or mine in shown.holds
        ]
        if landed:
            raise Refused(f"{version.name}: it is published as {version.table}@{landed[0]}, and not set aside")
        return part

    @staticmethod
    def _of_one_delivery(step: OneStep, part: Part, snapshot: int) -> Part:
        """Give a part of the delivery that a snapshot of this step is of."""
        released = part_of(step.metadata.snapshot_by_id(snapshot))
        return part if released is None else replace(part, delivery=released.delivery, order=released.order)

    @staticmethod
    def _written(step: OneStep, part: Part, rows: Portion) -> tuple[Part, list[DataFile]]:
        """Write rows of a part, and give the part that they are."""
        schema = fitting_schema(step, rows.schema, evolve=True, what=f"{'.'.join(step.target.name())}: {part.batch}")
        unplaced = unkeyed(rows, part.write)
        alone = replace(part, rows=rows.num_rows, holds=(), unkeyed=unplaced, superseded=0, passing_of=0)
        return alone, step.write(schema, rows)

    @staticmethod
    def _leave_audit(step: OneStep, version: DataVersion) -> None:
        ref = step.target.refs().get(version.branch)
        if ref is not None and ref.snapshot_id == int(version.snapshot):
            step.drop(version.branch)


def _branch_of(batch: str, snapshot: int) -> str:
    return f"{QUARANTINE}{slug(batch)}-{snapshot}"


def _known(target: Table, version: DataVersion) -> Part:
    part = part_of(target.snapshot_by_id(int(version.snapshot)))
    if part is None:
        raise Misconfigured(f"{version.name}: this snapshot is gone; stage the batch again")
    return part


def _landed(target: Table, version: DataVersion, batch: str) -> list[Part]:
    """Give the parts of the delivery that a version has of a batch, newest first."""
    found = (part_of(target.snapshot_by_id(snapshot)) for snapshot in ancestry(target, int(version.snapshot)))
    mine = [part for part in found if part is not None and part.batch == batch]
    return [part for part in mine if part.delivery == mine[0].delivery]


def _passing_of(target: Table, version: DataVersion) -> tuple[int, Part] | None:
    """Give the staged version of the rows of a batch that passed, when it was split."""
    for snapshot in target.snapshots():
        part = part_of(snapshot)
        if part is not None and part.passing_of == int(version.snapshot) and part.holds == (snapshot.snapshot_id,):
            return snapshot.snapshot_id, part
    return None
