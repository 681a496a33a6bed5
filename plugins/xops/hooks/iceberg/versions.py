"""The versions of an Iceberg table by name: found, tagged, and compared with each other."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

from xops.core.dataset.diff import VersionDiff, moved_figures, schema_changes
from xops.core.dataset.lineage import Touched
from xops.core.dataset.version_names import VersionName, tag_name
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.hooks import traced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from pyiceberg.table import DataScan, FileScanTask, Table

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.store.profiles import ProfileStore

_RACES = 20


class TableVersions:
    """Names for the versions of the tables of one catalog.

    :param lake: the catalog.
    """

    def __init__(self, lake: IcebergHook) -> None:
        self.lake = lake

    def find(self, name: str | DataVersion | Mapping[str, Any]) -> DataVersion:
        """Give the version that a name stands for now.

        :param name: ``table`` for what readers see, ``table@123`` for a snapshot, ``table@tag``,
            ``table@2026-01-31T06:00:00+00:00`` for what readers saw then; or a data version as it is.
        :raises Misconfigured: when there is none, saying which there are.
        """
        if not isinstance(name, str):
            return DataVersion.from_json(name)
        wanted = VersionName.read(name)
        if not (wanted.snapshot or wanted.tag or wanted.moment):
            published = self.lake.published(wanted.table)
            if published is None:
                raise Misconfigured(f"{wanted.table}: nothing was published; publish a batch first")
            return published
        if wanted.tag:
            return self._tagged(wanted)
        target = self.lake.table(wanted.table)
        snapshot = wanted.snapshot or self._shown_at(target, wanted)
        if target.snapshot_by_id(int(snapshot)) is None:
            raise Misconfigured(f"{wanted.table}@{snapshot}: this snapshot has expired or never was")
        return DataVersion(wanted.table, snapshot)

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

    def diff(
        self,
        before: DataVersion,
        after: DataVersion,
        *,
        key: Sequence[str],
        profiles: ProfileStore | None = None,
        show_keys: bool = False,
    ) -> VersionDiff:
        """Compare two versions of a table. Data files that both have are not read: no row of them can differ.

        :param key: columns that identify a row.
        :param profiles: where the versions' profiles are kept; None leaves the comparison of profiles out.
        :param show_keys: name the first keys that differ. They are values of the data: ask whoever owns it.
        :raises Misconfigured: when a version expired, the tables differ, or the key does not identify a row.
        """
        from xops.engines.row_diff import compare_rows

        if before.table != after.table:
            raise Misconfigured(f"{before.name} and {after.name}: two versions of one table were wanted")
        target = self.lake.table(before.table)
        scans = [self._scan(target, version) for version in (before, after)]
        with self.lake.answering():
            files = [{_identity(task): task for task in scan.plan_files()} for scan in scans]
            shared = {identity for identity in files[0].keys() & files[1].keys() if len(identity) == 1}
            readers = [
                _reader(target, scan, [task for identity, task in found.items() if identity not in shared])
                for scan, found in zip(scans, files, strict=True)
            ]
            rows = compare_rows(readers[0], readers[1], key=key, show_keys=show_keys)
        unread = sum(files[0][identity].file.record_count for identity in shared)
        schemas = [{field.name: str(field.field_type) for field in scan.projection().fields} for scan in scans]
        for version, columns, read in zip((before, after), schemas, (rows.before, rows.after), strict=True):
            traced.read(Touched(self.lake.place(version.table), version.snapshot, columns, read + unread))
        moved = ()
        if profiles is not None:
            names = [name for name in schemas[1] if name in schemas[0]]
            counted = [
                profiles.reference(version.name, names, lambda version=version: self.lake.rows(version, columns=names))
                for version in (before, after)
            ]
            moved = moved_figures(counted[0], counted[1])
        return VersionDiff(
            before.name, after.name, tuple(key), rows.before + unread, rows.after + unread,
            rows.added, rows.removed, rows.changed, rows.changed_in, schema_changes(schemas[0], schemas[1]), moved,
            rows.keys,
        )  # fmt: skip

    def _tagged(self, wanted: VersionName) -> DataVersion:
        tags = self.tags(wanted.table)
        if wanted.tag not in tags:
            raise Misconfigured(
                f"{wanted.table}: no tag {wanted.tag}; its tags are {bounded(', '.join(tags) or 'none')}"
            )
        return tags[wanted.tag]

    @staticmethod
    def _shown_at(target: Table, wanted: VersionName) -> str:
        """Give the snapshot that ``main`` showed at a moment."""
        assert wanted.moment is not None  # noqa: S101 - the caller found it set
        moment = wanted.moment.timestamp() * 1000
        shown = [entry for entry in target.metadata.snapshot_log if entry.timestamp_ms <= moment]
        if not shown:
            log = target.metadata.snapshot_log
            first = _utc(log[0].timestamp_ms).isoformat() if log else "never"
            raise Misconfigured(
                f"{wanted.table} at {wanted.moment.isoformat()}: no version is known that readers saw then; "
                f"the earliest is of {first}"
            )
        return str(shown[-1].snapshot_id)

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
