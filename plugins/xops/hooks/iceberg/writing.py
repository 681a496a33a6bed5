"""Batches on their way to the readers of an Iceberg table: staged on an audit branch, published in one step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from xops.core.dataset.parts import REPLACE, unplaced
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import APPEND, BATCH, Mode, Write
from xops.core.errors import Misconfigured, Refused, Unavailable, bounded
from xops.core.evidence import slug
from xops.hooks import traced
from xops.hooks.datasets.rows import Incoming, as_in_tables
from xops.hooks.iceberg.changes import change, own_files
from xops.hooks.iceberg.files import NewFiles
from xops.hooks.iceberg.reading import IcebergReader, head_of
from xops.hooks.iceberg.schemas import fitting_schema, reads, schema_of
from xops.hooks.iceberg.summary import Part, part_of, present, set_aside, shown_as

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from xops.hooks.iceberg.commits import OneStep

T = TypeVar("T")
MAIN = "main"
_RACES = 20


class IcebergWriter(IcebergReader):
    """Batches staged to and published in the tables of one Iceberg catalog."""

    @traced.stages_rows
    def stage(
        self,
        rows: pa.Table | pa.RecordBatchReader,
        *,
        table: str,
        batch: str,
        write: Write = APPEND,
        source: str = "",
    ) -> DataVersion:
        """Put the rows of a batch onto its audit branch; ``main`` does not move.

        On the branch they stand in for whatever rows of that batch the table has, so a batch that is delivered or
        staged again is never doubled. The table is made at the first batch, partitioned by batch, and for ``overwrite``
        by its columns as well. A schema that the batch evolves is seen when the batch is published, not before.

        :param rows: of a stream only some are held at a time.
        :param write: how the batch enters the table.
        :param source: where the rows came from; kept in the snapshot's summary.
        :raises Misconfigured: when there are no rows or they do not fit.
        """
        incoming = Incoming(rows, table=table, batch=batch, write=write, stored=as_in_tables)
        branch = f"audit-{slug(batch)}"

        def prepare(step: OneStep) -> DataVersion:
            schema = fitting_schema(step, incoming.schema, evolve=write.evolve, what=incoming.what)
            files = step.write(schema, incoming)
            whole = Part(batch, incoming.rows, write=write, source=source, unkeyed=incoming.unkeyed)
            snapshot = self._put(step, branch, whole, files)
            step.keep_schema()
            return DataVersion(table, str(snapshot), batch, branch, incoming.rows)

        files = NewFiles()
        return self._in_one_step(
            lambda: self._made(table, incoming, files), prepare, f"batch {batch} was staged", files
        )

    @traced.publishes
    def publish(self, version: DataVersion) -> DataVersion:
        """Move ``main`` to a staged batch in one atomic step; publishing it again changes nothing.

        When ``main`` moved since the batch was staged, the same data files go on top of it. Rows that a later batch
        supersedes by then are left out; the version's ``rows`` say how many there are.

        :raises Refused: when a later delivery of the batch was published, or when its mode cannot place its rows.
        :raises Misconfigured: when the batch is neither staged nor published.
        """

        def prepare(step: OneStep) -> DataVersion:
            shown = shown_as(step.target, int(version.snapshot))
            if shown is not None:
                return DataVersion(version.table, str(shown[0]), version.batch, "", shown[1].rows)
            part = self._waiting(step.target, version)
            snapshot, rows = self._land_staged(step, version, part)
            if _heads(step.target, version):
                step.drop(version.branch)
            return DataVersion(version.table, str(snapshot), version.batch, "", rows)

        return self._in_one_step(
            lambda: self.table(version.table), prepare, f"main was moved while batch {version.batch} waited"
        )

    def _waiting(self, target: Table, version: DataVersion) -> Part:
        """Give what a staged version says, if it may be published."""
        part = part_of(target.snapshot_by_id(int(version.snapshot)))
        if part is None:
            raise Misconfigured(
                f"{version.name}: this snapshot is gone, so there is nothing to publish; stage the batch again"
            )
        for branch, _, aside in set_aside(target):
            if int(version.snapshot) in (*aside.holds, aside.delivery):
                raise Refused(f"{version.name}: it is quarantined on branch {branch}, and not published")
        self._may_land(target, part, version.name)
        return part

    @staticmethod
    def _may_land(target: Table, part: Part, name: str) -> None:
        now = present(target, part.batch)
        if now is not None and 0 < part.order < now.order:
            raise Refused(f"{name}: a later delivery of batch {part.batch} was published; {REPLACE}")
        if part.unkeyed:
            raise Refused(f"{name}: {unplaced(part.unkeyed, part.rows, part.write)}")

    def _land_staged(self, step: OneStep, version: DataVersion, part: Part) -> tuple[int, int]:
        """Move ``main`` to a staged part, or put its data files on top of ``main``; give the snapshot and its rows."""
        target, snapshot = step.target, int(version.snapshot)
        staged = target.snapshot_by_id(snapshot)
        schema, now = schema_of(target.metadata, snapshot), target.schema()
        if reads(schema, now):
            step.show(schema.schema_id)
        if reads(step.metadata.schema(), schema):
            if staged is not None and staged.parent_snapshot_id == head_of(target) and not part.superseded:
                step.point(MAIN, snapshot)
                return snapshot, part.rows
            return self._land(step, part, own_files(step, snapshot, part.batch))
        rows = self.stream(version, batches=[part.batch])  # others have evolved the schema in another way
        return self._land(
            step, part, step.write(fitting_schema(step, rows.schema, evolve=True, what=version.name), rows)
        )

    def _land(self, step: OneStep, part: Part, files: list[DataFile]) -> tuple[int, int]:
        """Put a part's data files onto ``main``; give the snapshot, and how many rows were not superseded."""
        head, now = head_of(step.target), present(step.target, part.batch)
        in_place = now is None or now.delivery != part.delivery
        found = change(step, head, files, batch=part.batch, write=part.write, in_place=in_place, whole=False)
        landed = replace(part, rows=part.rows - found.superseded, superseded=found.superseded)
        summary = landed.to_summary()
        return step.snapshot(MAIN, head, added=found.added, removed=found.removed, summary=summary), landed.rows

    def _put(self, step: OneStep, branch: str, part: Part, files: list[DataFile]) -> int:
        """Put a part's data files onto a branch of its own, as ``main`` would be with them; give the snapshot."""
        head = head_of(step.target)
        found = change(step, head, files, batch=part.batch, write=part.write, in_place=True, whole=True)
        summary = replace(part, superseded=found.superseded).to_summary()
        return step.snapshot(branch, head, added=found.added, removed=found.removed, summary=summary)

    def _in_one_step(
        self,
        open_table: Callable[[], Table],
        prepare: Callable[[OneStep], T],
        doing: str,
        files: NewFiles | None = None,
    ) -> T:
        """Prepare a change of a table and commit it; where others come first, again on the table as it then is.

        The data files that are written are kept for the next attempt, and removed if nothing comes of them.
        """
        from xops.hooks.iceberg.commits import OneStep, Overtaken

        files = files or NewFiles()
        for _ in range(_RACES):
            with self.answering():
                try:
                    step = OneStep(open_table(), files)
                    answer = prepare(step)
                except BaseException:
                    files.remove()
                    raise
                try:
                    if step.changes:
                        step.commit_transaction()  # if it is not known whether it came true, no file may go
                except Overtaken:
                    continue
                files.remove(but=step.used)
                return answer
        files.remove()
        raise Unavailable(f"{doing}: others wrote to the table {_RACES} times meanwhile; try again later")

    def _made(self, table: str, incoming: Incoming, files: NewFiles) -> Table:
        """Open a table, or make it for a batch, partitioned by batch."""
        import contextlib

        from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, TableAlreadyExistsError
        from sqlalchemy.exc import IntegrityError

        if not all(part.isidentifier() for part in table.split(".")) or "." not in table:
            raise Misconfigured(f"Iceberg table {table}: a name of the form namespace.table was wanted")
        faster = (TableAlreadyExistsError, NamespaceAlreadyExistsError, CommitFailedException, IntegrityError)
        for _ in range(_RACES):
            with contextlib.suppress(*faster):
                if not self.catalog.table_exists(table):
                    self._make(table, incoming, files)
                return self.table(table)
        raise Unavailable(f"Iceberg table {table}: others were making it {_RACES} times; try again later")

    def _make(self, table: str, incoming: Incoming, files: NewFiles) -> None:
        """Make a table and its first snapshot, which a branch needs to start from, in one step.

        The data files come first: of a first batch that cannot be read to its end nothing is left, nor a table with its
        columns.
        """
        import pyarrow as pa
        from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException
        from pyiceberg.transforms import IdentityTransform

        self.catalog.create_namespace_if_not_exists(table.rsplit(".", 1)[0])
        optional = pa.schema([field.with_nullable(True) for field in incoming.schema])
        partitions = [BATCH, *(incoming.write.by if incoming.write.mode is Mode.OVERWRITE else ())]
        try:
            making = self.catalog.create_table_transaction(table, optional)
            with making.update_spec() as spec:
                for column in partitions:
                    spec.add_field(column, IdentityTransform(), column)
        except (UnsupportedPyArrowTypeException, ValueError, TypeError, NotImplementedError) as error:
            raise Misconfigured(f"Iceberg table {table} cannot be made: {bounded(error)}") from error
        files.write(making._table.io, making.table_metadata, making.table_metadata.schema(), incoming)  # noqa: SLF001
        making.append(optional.empty_table())
        making.commit_transaction()


def _heads(target: Table, version: DataVersion) -> bool:
    """Tell whether a version is still the head of its audit branch, and not another staging of the batch."""
    ref = target.refs().get(version.branch)
    return ref is not None and ref.snapshot_id == int(version.snapshot)
