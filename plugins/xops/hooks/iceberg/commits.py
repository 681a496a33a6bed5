"""Changes of an Iceberg table that come true in one step or not at all. Loaded only where pyiceberg is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Transaction
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotRefUpdate,
    SetCurrentSchemaUpdate,
    SetSnapshotRefUpdate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

    from xops.hooks.datasets.rows import Incoming, Portion
    from xops.hooks.iceberg.files import NewFiles


class Overtaken(Exception):
    """Another commit came first; nothing of this one is true."""


def _one_for_each_manifest(evaluator: Callable[[int], Callable[[ManifestFile], bool]]) -> Any:
    """Let no two threads share an evaluator: pyiceberg's remembers the manifest that it is looking at.

    Its threads share one nevertheless when files are removed, and then miss the manifest that holds a file.
    """
    return lambda spec: lambda manifest: evaluator(spec)(manifest)  # noqa: PLW0108 - a new one for each


class OneStep(Transaction):
    """Snapshots, references and schemas that change together, each reference from where it was in ``target``.

    pyiceberg's own transaction checks the first of several references only, and on a conflict puts its snapshots on top
    of whatever came first; this one checks each of them, and raises.

    :param target: the table as it was read.
    :param files: the data files that are written for it.
    """

    def __init__(self, target: Table, files: NewFiles) -> None:
        super().__init__(target)
        self.target = target
        self.files = files
        self.used: set[str] = set()
        self._refs: set[str] = set()

    @property
    def metadata(self) -> TableMetadata:
        """The table's metadata as it will be."""
        return self.table_metadata

    @property
    def changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._updates)

    def write(self, schema: Schema, rows: Portion | Incoming) -> list[DataFile]:
        """Write rows into data files of the table, which are removed if nothing comes of it."""
        return self.files.write(self.target.io, self.metadata, schema, rows)

    def snapshot(
        self,
        branch: str,
        parent: int,
        *,
        added: Sequence[DataFile] = (),
        removed: Sequence[DataFile] = (),
        summary: Mapping[str, str],
    ) -> int:
        """Put a snapshot onto ``parent``, and let ``branch`` point to it."""
        self.point(branch, parent)
        update = self.update_snapshot(dict(summary), branch=branch)
        with update.overwrite() if removed else update.fast_append() as producer:
            producer._build_manifest_evaluator = _one_for_each_manifest(producer._build_manifest_evaluator)  # noqa: SLF001
            for file in added:
                producer.append_data_file(file)
            for file in removed:
                producer.delete_data_file(file)
        self.used |= {file.file_path for file in added}
        return producer.snapshot_id

    def point(self, branch: str, snapshot: int) -> None:
        """Let a branch point to a snapshot."""
        self._refs.add(branch)
        moved = SetSnapshotRefUpdate(snapshot_id=snapshot, ref_name=branch, type=SnapshotRefType.BRANCH)
        self._updates = (*self._updates, moved)

    def drop(self, branch: str) -> None:
        """Remove a branch."""
        self._refs.add(branch)
        self._updates = (*self._updates, RemoveSnapshotRefUpdate(ref_name=branch))

    def show(self, schema_id: int) -> None:
        """Let readers see a schema that the table knows already."""
        if schema_id != self.metadata.current_schema_id:
            self._updates = (*self._updates, SetCurrentSchemaUpdate(schema_id=schema_id))

    def keep_schema(self) -> None:
        """Let readers go on seeing the present schema, whichever the snapshots of this step have."""
        self._updates = tuple(update for update in self._updates if not isinstance(update, SetCurrentSchemaUpdate))

    def commit_transaction(self) -> Table:
        """Let it all come true.

        :raises Overtaken: when the table has changed meanwhile in a way that matters.
        """
        target, refs = self.target, self.target.metadata.refs
        held = [
            AssertRefSnapshotId(ref=ref, snapshot_id=refs[ref].snapshot_id if ref in refs else None)
            for ref in sorted(self._refs)
        ]
        held = [AssertTableUUID(uuid=target.metadata.table_uuid), *held]
        try:
            target.catalog.commit_table(target, tuple(held), self._updates)
        except (CommitFailedException, ValidationException) as error:
            self._clean()
            raise Overtaken(str(error)) from error
        except ValueError as error:  # a snapshot or a schema that was added meanwhile has the number of one of ours
            if target.catalog.load_table(target.name()).metadata_location == target.metadata_location:
                raise
            self._clean()
            raise Overtaken(str(error)) from error
        return target

    def _clean(self) -> None:
        for producer in self._snapshot_producers:
            producer._clean_all_uncommitted()  # noqa: SLF001 - manifests that no snapshot has
