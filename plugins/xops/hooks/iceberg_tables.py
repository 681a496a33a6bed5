"""Data versions as Iceberg snapshots: a batch lands on an audit branch, and `main` moves only when it may."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.evidence import slug
from xops.core.versions import DataVersion
from xops.core.writes import APPEND, Write
from xops.hooks.iceberg_reading import BATCH, IcebergReader, ancestry, head_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

_SOURCE = "xops.source"
_STANDS_FOR = "xops.stands-for"
_RACES = 20


class IcebergHook(IcebergReader):
    """Tables of one Iceberg catalog, written and read: the :class:`~xops.hooks.dataset_store.DatasetStore` of Iceberg.

    :param conn_id: see :class:`~xops.hooks.iceberg_catalog.IcebergCatalog`.
    """

    def stage(
        self,
        rows: pa.Table,
        *,
        table: str,
        batch: str,
        write: Write = APPEND,
        source: str = "",
        stands_for: str = "",
    ) -> DataVersion:
        """Put the rows of a batch onto its audit branch; ``main`` does not move.

        On the branch they stand in for whatever rows of that batch the table has, so a batch that is delivered or
        staged again is never doubled. The table is made at the first batch, partitioned by batch.

        :param rows: any schema that fits the table's.
        :param write: how the batch enters the table.
        :param source: where the rows came from; kept in the snapshot's summary.
        :param stands_for: the snapshot of an earlier staging whose rows these are; :meth:`publish` uses it.
        :raises Misconfigured: when there are no rows or they do not fit.
        """
        import pyarrow as pa
        from pyiceberg.exceptions import CommitFailedException, ValidationException

        if write != APPEND:
            raise Misconfigured(f"{table}: batches are appended to Iceberg tables, mode {write.mode} is not known here")
        if not rows.num_rows:
            raise Misconfigured(f"{table}: batch {batch} has no rows; at least one was wanted")
        if BATCH in rows.column_names:
            others = set(rows[BATCH].unique().to_pylist()) - {batch}
            if others:
                raise Misconfigured(
                    f"{table}: the rows of batch {batch} have a column {BATCH!r} of their own, with {bounded(others)}; "
                    "that name is taken by the batch a row came with, so rename the source's column"
                )
            rows = rows.drop_columns([BATCH])
        rows = _storable(rows, table, batch).append_column(BATCH, pa.array([batch] * rows.num_rows, pa.string()))
        for _ in range(_RACES):
            target = self._table(table, rows.schema)
            try:
                with self.answering(), contextlib.redirect_stdout(io.StringIO()):  # pyiceberg prints what does not fit
                    return self._stage_once(target, rows, table, batch, {_SOURCE: source, _STANDS_FOR: stands_for})
            except (CommitFailedException, ValidationException):
                continue
            except (ValueError, TypeError, NotImplementedError, pa.ArrowException) as error:
                if self.table(table).metadata_location != target.metadata_location:
                    continue  # another batch landed meanwhile, which pyiceberg says in this way too
                wrong = _differences(rows.schema, target) or bounded(error)
                raise Misconfigured(f"{table}: batch {batch} does not fit the table: {wrong}") from error
        raise Unavailable(f"{table}: others wrote {_RACES} times while batch {batch} was staged; try again later")

    def _stage_once(self, target: Table, rows: pa.Table, table: str, batch: str, kept: dict[str, str]) -> DataVersion:
        from pyiceberg.expressions import EqualTo
        from pyiceberg.table.update.snapshot import ManageSnapshots

        branch, head = f"audit-{slug(batch)}", head_of(target)
        if branch in target.refs():
            target.manage_snapshots().remove_branch(branch).commit()
        # pyiceberg's own retry forgets that the branch was to be made, and appends to another staging of the batch
        once = {**target.metadata.properties, "commit.retry.num-retries": "0"}
        target.metadata = target.metadata.model_copy(update={"properties": once})
        with target.transaction() as staging:
            ManageSnapshots(staging).create_branch(head, branch).commit()
            if batch in self._batches(target, head):
                staging.delete(EqualTo(BATCH, batch), branch=branch)
            staging.append(rows, {"xops.batch": batch, **kept}, branch=branch)
        staged = target.snapshot_by_name(branch)
        return DataVersion(table, str(staged.snapshot_id), batch, branch, rows.num_rows)  # type: ignore[union-attr]

    def publish(self, version: DataVersion) -> DataVersion:
        """Move ``main`` to a staged batch in one atomic step; publishing it again changes nothing.

        When ``main`` moved since the batch was staged, the same rows are staged anew on top of it first.

        :raises Misconfigured: when the batch is neither staged nor published.
        """
        from pyiceberg.exceptions import CommitFailedException

        for _ in range(_RACES):
            target = self.table(version.table)
            published = _published_as(target, version.snapshot)
            if published is not None:
                return DataVersion(version.table, published, version.batch, "", version.rows)
            quarantine = _quarantine_of(version)
            if quarantine in target.refs():
                raise Misconfigured(f"{version.name}: it is quarantined on branch {quarantine}, and not published")
            if target.snapshot_by_id(int(version.snapshot)) is None:
                raise Misconfigured(
                    f"{version.name}: this snapshot is gone, so there is nothing to publish; stage the batch again"
                )
            if head_of(target) not in ancestry(target, int(version.snapshot)):
                rows = self.rows(version, batches=[version.batch])
                stands_for = version.snapshot
                version = self.stage(rows, table=version.table, batch=version.batch, stands_for=stands_for)
                continue
            with self.answering(), contextlib.suppress(CommitFailedException):
                snapshots = target.manage_snapshots()
                snapshots = snapshots.set_current_snapshot(int(version.snapshot))
                (snapshots.remove_branch(version.branch) if _heads(target, version) else snapshots).commit()
        raise Unavailable(
            f"{version.table}: main was moved by others {_RACES} times while batch {version.batch} waited"
        )

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside under a branch of its own, with every row; ``main`` does not move.

        :returns: the branch: ``quarantine-<batch>-<snapshot>``.
        """
        from pyiceberg.exceptions import CommitFailedException

        target = self.table(version.table)
        branch = _quarantine_of(version)
        for _ in range(_RACES):
            if branch in target.refs():
                return branch
            with self.answering(), contextlib.suppress(CommitFailedException):
                snapshots = target.manage_snapshots().create_branch(int(version.snapshot), branch)
                if _heads(target, version):
                    snapshots = snapshots.remove_branch(version.branch)
                snapshots.commit()
            target = self.table(version.table)
        raise Unavailable(f"{version.table}: others wrote {_RACES} times while batch {version.batch} was set aside")

    def _table(self, table: str, schema: pa.Schema) -> Table:
        """Open a table, or make it with ``schema``, partitioned by batch."""
        from pyiceberg.exceptions import (
            CommitFailedException,
            NamespaceAlreadyExistsError,
            TableAlreadyExistsError,
        )
        from sqlalchemy.exc import IntegrityError

        if not all(part.isidentifier() for part in table.split(".")) or "." not in table:
            raise Misconfigured(f"Iceberg table {table}: a name of the form namespace.table was wanted")
        faster = (TableAlreadyExistsError, NamespaceAlreadyExistsError, CommitFailedException, IntegrityError)
        for _ in range(_RACES):
            with self.answering(), contextlib.suppress(*faster):
                if not self.catalog.table_exists(table):
                    self._make(table, schema)
                return self.table(table)
        raise Unavailable(f"Iceberg table {table}: others were making it {_RACES} times; try again later")

    def _make(self, table: str, schema: pa.Schema) -> None:
        """Make a table and its first snapshot, which a branch needs to start from, in one step."""
        from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException
        from pyiceberg.transforms import IdentityTransform

        self.catalog.create_namespace_if_not_exists(table.rsplit(".", 1)[0])
        try:
            with self.catalog.create_table_transaction(table, schema) as making:
                making.update_spec().add_field(BATCH, IdentityTransform(), BATCH).commit()
                making.append(schema.empty_table())
        except (UnsupportedPyArrowTypeException, ValueError, TypeError, NotImplementedError) as error:
            raise Misconfigured(f"Iceberg table {table} cannot be made: {bounded(error)}") from error


def _quarantine_of(version: DataVersion) -> str:
    return f"quarantine-{slug(version.batch)}-{version.snapshot}"


def _heads(target: Table, version: DataVersion) -> bool:
    """Tell whether a version is still the head of its audit branch, and not another staging of the batch."""
    ref = target.refs().get(version.branch)
    return ref is not None and ref.snapshot_id == int(version.snapshot)


def _published_as(target: Table, snapshot: str) -> str | None:
    """Give the snapshot of ``main`` that shows a staged one: itself, or the one that stands for it; None without."""
    for ancestor in ancestry(target):
        found = target.snapshot_by_id(ancestor)
        stands_for = found.summary.additional_properties.get(_STANDS_FOR) if found and found.summary else None
        if snapshot in (str(ancestor), stands_for):
            return str(ancestor)
    return None


def _storable(rows: pa.Table, table: str, batch: str) -> pa.Table:
    """Give the rows with the types that Iceberg stores: timestamps in microseconds, and those with a zone in UTC.

    :raises Misconfigured: when two columns share a name, or a timestamp would lose digits.
    """
    import pyarrow as pa
    from pyarrow import types

    doubled = sorted({name for name in rows.column_names if rows.column_names.count(name) > 1})
    if doubled:
        raise Misconfigured(f"{table}: batch {batch} has more than one column {bounded(', '.join(doubled))}")
    for place, field in enumerate(rows.schema):
        if types.is_dictionary(field.type):
            rows = rows.set_column(place, field.name, rows[field.name].cast(field.type.value_type))
        if types.is_timestamp(field.type):
            wanted = pa.timestamp("us", "UTC" if field.type.tz else None)
            try:
                rows = rows.set_column(place, field.name, rows[field.name].cast(wanted))
            except pa.ArrowInvalid as error:
                raise Misconfigured(f"{table}: batch {batch}, column {field.name}: {bounded(error)}") from error
    return rows


def _differences(found: pa.Schema, target: Table) -> str:
    """Say which columns a table lacks or has with another type."""
    wanted = {field.name: str(field.type).removeprefix("large_") for field in target.schema().as_arrow()}
    return bounded(
        "; ".join(
            f"{field.name} is {field.type}, the table has {wanted.get(field.name, 'no such column')}"
            for field in found
            if wanted.get(field.name) != str(field.type).removeprefix("large_")
        )
    )
