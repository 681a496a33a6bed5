"""Which versions of an Iceberg table and which of its files may go, and how."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from xops.core.dataset.expiry import Shown
from xops.core.errors import Misconfigured
from xops.hooks.datasets.expiry import Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.table import Table

    from xops.hooks.iceberg.tables import IcebergHook


class TableExpiry:
    """Versions of the tables of one catalog that may go.

    :param lake: the catalog.
    """

    def __init__(self, lake: IcebergHook) -> None:
        self.lake = lake

    def look(self, table: str) -> Look:
        """Give the snapshots of a table, and those that a branch or a tag shows."""
        target, holds = self.lake.table(table), defaultdict(list)
        for name, ref in target.refs().items():
            holds[str(ref.snapshot_id)].append(f"{ref.snapshot_ref_type.value} {name}")
        return Look(_shown(target), holds, target)

    def forget(self, table: str, versions: Sequence[str], look: Look) -> bool:
        """Remove snapshots in one commit, unless a branch or a tag changed meanwhile."""
        from pyiceberg.exceptions import CommitFailedException

        with self.lake.answering():
            try:
                _remove(self.lake.table(table), versions, planned_on=look.state)
            except CommitFailedException:
                return False
        return True

    def unreferenced(self, table: str) -> set[str]:
        """Give the data files, manifests and manifest lists that no snapshot refers to."""
        with self.lake.answering():
            written = _written(self.lake.table(table))
            return written - _referenced(self.lake.table(table))  # asked after the listing

    def delete(self, table: str, file: str) -> None:
        """Remove a file."""
        with self.lake.answering(), contextlib.suppress(FileNotFoundError):
            self.lake.table(table).io.delete(file)


def _remove(target: Table, snapshots: Sequence[str], *, planned_on: Table) -> None:
    """Remove snapshots in one commit, unless a branch or a tag changed since the plan was made.

    pyiceberg's own expiry asks for nothing, and takes away with a snapshot a tag that was set meanwhile. A catalog of
    ours (SQL, Hive, Glue) evaluates the requirement where it commits; a REST catalog sees only the table's identity in
    it, so there a tag that is set in the moment between this look and the commit is lost with its snapshot.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import AssertTableUUID, RemoveSnapshotsUpdate

    planned = planned_on.refs()

    class SameReferences(AssertTableUUID):
        def validate(self, base_metadata: TableMetadata | None) -> None:
            super().validate(base_metadata)
            if base_metadata is None or base_metadata.refs != planned:
                raise CommitFailedException("a branch or a tag changed meanwhile")

    unchanged = SameReferences(uuid=target.metadata.table_uuid)
    unchanged.validate(target.metadata)
    update = RemoveSnapshotsUpdate(snapshot_ids=[int(snapshot) for snapshot in snapshots])
    target.catalog.commit_table(target, requirements=(unchanged,), updates=(update,))


def _shown(target: Table) -> list[Shown]:
    """Give every snapshot with the moment when ``main`` moved on from it, or when it was made."""
    until = {snapshot.snapshot_id: snapshot.timestamp_ms for snapshot in target.snapshots()}
    log = target.metadata.snapshot_log
    for entry, following in itertools.pairwise(log):
        until[entry.snapshot_id] = max(until.get(entry.snapshot_id, 0), following.timestamp_ms)
    known = {snapshot.snapshot_id for snapshot in target.snapshots()}
    return [
        Shown(str(snapshot), dt.datetime.fromtimestamp(moment / 1000, dt.UTC))
        for snapshot, moment in until.items()
        if snapshot in known
    ]


def _referenced(target: Table) -> set[str]:
    """Give every data file, manifest and manifest list that a snapshot refers to."""
    found: set[str] = set()
    for snapshot in target.snapshots():
        found.add(_place(snapshot.manifest_list))
        for manifest in snapshot.manifests(target.io):
            if _place(manifest.manifest_path) not in found:
                found.add(_place(manifest.manifest_path))
                found.update(_place(entry.data_file.file_path) for entry in manifest.fetch_manifest_entry(target.io))
    return found


def _written(target: Table) -> set[str]:
    """Give every data file, manifest and manifest list that lies under a table's location.

    :raises Misconfigured: when they cannot be listed, or a file that is needed is missing from the list: then the list
        is not to be trusted, and nothing is removed by it.
    """
    from pyarrow.fs import FileSelector, FileType
    from pyiceberg.io.pyarrow import PyArrowFileIO

    name = ".".join(target.name())
    if not isinstance(target.io, PyArrowFileIO):
        raise Misconfigured(
            f"{name}: its files are reached by {type(target.io).__name__}, which cannot list them; set py-io-impl of "
            "the catalog to pyiceberg.io.pyarrow.PyArrowFileIO"
        )
    scheme, netloc, path = PyArrowFileIO.parse_location(target.location().rstrip("/"))
    files, found = target.io.fs_by_scheme(scheme, netloc), set()
    for folder in ("data", "metadata"):
        selector = FileSelector(f"{path}/{folder}", allow_not_found=True, recursive=True)
        found |= {
            f"{_scheme(scheme)}://{info.path}"
            for info in files.get_file_info(selector)
            if info.type == FileType.File and info.path.endswith((".parquet", ".avro"))
        }
    needed = {_place(snapshot.manifest_list) for snapshot in target.snapshots()}
    lost = sorted(place for place in needed - found if place.startswith(_place(target.location())))
    if lost:
        raise Misconfigured(
            f"{name}: {len(lost)} manifest lists are not among the {len(found)} files listed under "
            f"{target.location()}, the first is {lost[0]}; no file is removed"
        )
    return found


def _place(location: str) -> str:
    """Give a file's address in one form, however it was written down."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme, _, path = PyArrowFileIO.parse_location(location)
    return f"{_scheme(scheme)}://{path}"


def _scheme(scheme: str) -> str:
    return "s3" if scheme in ("s3a", "s3n") else scheme
