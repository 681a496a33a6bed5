"""The versions of an Iceberg table: tagged, found by time, and told apart by their files."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

from xops.core.dataset.version_names import tag_name
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.datasets.versions import Apart, DatasetVersions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from pyiceberg.table import DataScan, FileScanTask, Table

    from xops.core.dataset.diff import VersionDiff
    from xops.hooks.iceberg.tables import IcebergHook

_RACES = 20


class TableVersions(DatasetVersions):
    """Names for the versions of the tables of one catalog.

    :param lake: the catalog.
    """

    lake: IcebergHook

    def tag(self, version: DataVersion, tag: str) -> DataVersion:
        """Give a version a name that stays: no expiry removes it, and the name never moves to another version.

        :raises Misconfigured: when the tag names another version already.
        """
        from pyiceberg.exceptions import CommitFailedException

        tag_name(tag)
        for _ in range(_RACES):
            target = self.lake.table(version.table)
            known = target.refs().get(tag)
            if known is not None:
                if known.snapshot_id != int(version.snapshot):
                    raise Misconfigured(
                        f"{version.table}: tag {tag} names snapshot {known.snapshot_id}, and a tag does not move; "
                        f"take another name for {version.name}"
                    )
                return DataVersion(version.table, version.snapshot)
            if target.snapshot_by_id(int(version.snapshot)) is None:
                raise Misconfigured(f"{version.name}: this snapshot has expired or never was; tag another version")
            _without_retries(target)
            with self.lake.answering(), contextlib.suppress(CommitFailedException):
                target.manage_snapshots().create_tag(int(version.snapshot), tag).commit()
        raise Unavailable(f"{version.table}: others wrote {_RACES} times while tag {tag} was set; try again later")

    def tags(self, table: str) -> dict[str, DataVersion]:
        """Give a table's tags in alphabetical order, each with its version."""
        from pyiceberg.table.refs import SnapshotRefType

        refs = self.lake.table(table).refs()
        return {
            name: DataVersion(table, str(refs[name].snapshot_id))
            for name in sorted(refs)
            if refs[name].snapshot_ref_type == SnapshotRefType.TAG
        }

    def untag(self, table: str, tag: str) -> None:
        """Take a tag away; the version stays until it expires. A tag that is not there is no error.

        :raises Misconfigured: when the name is a branch's.
        """
        from pyiceberg.exceptions import CommitFailedException

        tag_name(tag)
        for _ in range(_RACES):
            target = self.lake.table(table)
            if tag not in target.refs():
                return
            _without_retries(target)
            with self.lake.answering(), contextlib.suppress(CommitFailedException):
                target.manage_snapshots().remove_tag(tag).commit()
        raise Unavailable(f"{table}: others wrote {_RACES} times while tag {tag} was removed; try again later")

    def shown_since(self, version: DataVersion) -> dt.datetime:
        """Give when readers first saw a version, or where that is forgotten, when it was made; UTC."""
        target = self.lake.table(version.table)
        made = target.snapshot_by_id(int(version.snapshot))
        if made is None:
            raise Misconfigured(f"{version.name}: this snapshot has expired or never was")
        log = (
            entry.timestamp_ms for entry in target.metadata.snapshot_log if str(entry.snapshot_id) == version.snapshot
        )
        return _utc(next(log, made.timestamp_ms))

    def known(self, version: DataVersion) -> DataVersion:
        """Give a version that is there."""
        if self.lake.table(version.table).snapshot_by_id(int(version.snapshot)) is None:
            raise Misconfigured(f"{version.name}: this snapshot has expired or never was")
        return version

    def apart(self, before: DataVersion, after: DataVersion) -> Apart:
        """Give two versions without the data files that both have."""
        target = self.lake.table(before.table)
        scans = [self._scan(target, version) for version in (before, after)]
        with self.lake.answering():
            files = [{_identity(task): task for task in scan.plan_files()} for scan in scans]
            shared = {identity for identity in files[0].keys() & files[1].keys() if len(identity) == 1}
            first, second = (
                _reader(target, scan, [task for identity, task in found.items() if identity not in shared])
                for scan, found in zip(scans, files, strict=True)
            )
        unread = sum(files[0][identity].file.record_count for identity in shared)
        types = [{field.name: str(field.field_type) for field in scan.projection().fields} for scan in scans]
        return Apart((first, second), unread, (types[0], types[1]))

    def diff(self, before: DataVersion, after: DataVersion, **how: Any) -> VersionDiff:
        """Compare two versions of a table; see :meth:`DatasetVersions.diff`."""
        with self.lake.answering():
            return super().diff(before, after, **how)

    def shown_at(self, table: str, moment: dt.datetime) -> DataVersion:
        """Give the version that ``main`` showed at a moment."""
        log = self.lake.table(table).metadata.snapshot_log
        shown = [entry for entry in log if entry.timestamp_ms <= moment.timestamp() * 1000]
        if not shown:
            first = _utc(log[0].timestamp_ms).isoformat() if log else "never"
            raise Misconfigured(
                f"{table} at {moment.isoformat()}: no version is known that readers saw then; "
                f"the earliest is of {first}"
            )
        return self.known(DataVersion(table, str(shown[-1].snapshot_id)))

    @staticmethod
    def _scan(target: Table, version: DataVersion) -> DataScan:
        if target.snapshot_by_id(int(version.snapshot)) is None:
            raise Misconfigured(f"{version.name}: this snapshot has expired or never was; compare another version")
        return target.scan(snapshot_id=int(version.snapshot))


def _identity(task: FileScanTask) -> tuple[str, ...]:
    return (task.file.file_path, *sorted(file.file_path for file in task.delete_files))


def _reader(target: Table, scan: DataScan, tasks: Sequence[FileScanTask]) -> pa.RecordBatchReader:
    """Stream the rows of some data files of a version."""
    import pyarrow as pa
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow

    schema = schema_to_pyarrow(scan.projection(), include_field_ids=False)
    batches = ArrowScan(target.metadata, target.io, scan.projection(), AlwaysTrue()).to_record_batches(tasks)
    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in batches))


def _without_retries(target: Table) -> None:
    """Let a commit that lost a race fail: pyiceberg's own retry would not look again at what is there."""
    once = {**target.metadata.properties, "commit.retry.num-retries": "0"}
    target.metadata = target.metadata.model_copy(update={"properties": once})


def _utc(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
