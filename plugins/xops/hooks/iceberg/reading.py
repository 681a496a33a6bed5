"""Reading versions of Iceberg tables: their rows, their batches, and what was ever shown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xops.core.dataset.lineage import Touched
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import BATCH
from xops.core.errors import Misconfigured, bounded
from xops.engines.sources import Batches
from xops.hooks import traced
from xops.hooks.iceberg.catalog import IcebergCatalog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyiceberg.table import DataScan, Table


class IcebergReader(IcebergCatalog):
    """Versions of the tables of one Iceberg catalog, read."""

    @traced.reads_rows
    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version.

        :param columns: only these, in this order; None for all.
        :param batches: only these; None for all.
        :raises Misconfigured: when the version has expired or lacks a column.
        """
        _, scan = self._scan(version, columns, batches)
        found = scan.to_arrow()
        return found.select(list(columns)) if columns else found

    def stream(
        self,
        version: DataVersion,
        *,
        columns: Sequence[str] | None = None,
        batches: Sequence[str] | None = None,
        coded: bool = False,
    ) -> Batches:
        """Give a version as rows that are read in pieces, as often as they are asked for; see :meth:`rows`.

        :param coded: whether texts may come in dictionaries, in some pieces and not in others: for who counts them.
        """
        from xops.hooks.iceberg.streaming import batches_of, nulls_in, schema_of

        _, scan = self._scan(version, columns, batches)
        schema, rows = schema_of(scan.projection(), columns), scan.count()
        types = {field.name: str(field.type) for field in schema}
        traced.read(Touched(self.place(version.table), version.snapshot, types, rows, nulls_in(scan)))

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            with self.answering():
                yield from batches_of(*self._scan(version, names or schema.names[:1], batches), coded=coded)

        return Batches(schema, read, rows)

    def _scan(
        self, version: DataVersion, columns: Sequence[str] | None, batches: Sequence[str] | None
    ) -> tuple[Table, DataScan]:
        from pyiceberg.expressions import AlwaysTrue, In

        target = self.table(version.table)
        if target.snapshot_by_id(int(version.snapshot)) is None:
            raise Misconfigured(f"{version.name}: this snapshot has expired or never was; take another version")
        names = target.scan(snapshot_id=int(version.snapshot)).projection().column_names
        absent = [column for column in columns or () if column not in names]
        if absent:
            raise Misconfigured(f"{version.name}: no column {', '.join(absent)}; it has {bounded(', '.join(names))}")
        return target, target.scan(
            In(BATCH, set(batches)) if batches is not None else AlwaysTrue(),
            selected_fields=tuple(columns) if columns else ("*",),
            snapshot_id=int(version.snapshot),
        )

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version, as they were when it was made."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        target = self.table(version.table)
        snapshot = target.snapshot_by_id(int(version.snapshot))
        if snapshot is None:
            raise Misconfigured(f"{version.name}: this snapshot has expired or never was; take another version")
        schema = target.schemas().get(snapshot.schema_id or 0, target.schema())
        return schema_to_pyarrow(schema, include_field_ids=False)

    def columns(self, table: str) -> list[str]:
        """Give the columns that a table has now, in order."""
        return [field.name for field in self.table(table).schema().fields]

    def published(self, table: str) -> DataVersion | None:
        """Give the version that ``main`` shows, or None while nothing was published."""
        with self.answering():
            if not self.catalog.table_exists(table):
                return None
        target = self.table(table)
        head = target.current_snapshot()
        nothing = head is None or self._made_only(target, head.snapshot_id)
        return None if head is None or nothing else DataVersion(table, str(head.snapshot_id))

    def batches(self, version: DataVersion) -> dict[str, int]:
        """Give the batches that a version holds, in order, each with its number of rows; read from metadata."""
        return self._batches(self.table(version.table), int(version.snapshot))

    def versions(self, table: str) -> list[DataVersion]:
        """Give every version that ``main`` shows or has ever shown, oldest first; those that expired are left out."""
        target = self.table(table)
        shown = [entry.snapshot_id for entry in target.metadata.snapshot_log] + ancestry(target)[::-1]
        kept = [snapshot for snapshot in dict.fromkeys(shown) if target.snapshot_by_id(snapshot) is not None]
        published = kept[1:] if kept and self._made_only(target, kept[0]) else kept
        return [DataVersion(table, str(snapshot)) for snapshot in published]

    def deliveries(self, version: DataVersion) -> dict[str, str]:
        """Give the batches that a version holds, each with the snapshot that last wrote it."""
        partitions = self.table(version.table).inspect.partitions(snapshot_id=int(version.snapshot)).to_pylist()
        partitions.sort(key=lambda row: row["last_updated_at"])
        return {row["partition"][BATCH]: str(row["last_updated_snapshot_id"]) for row in partitions}

    def quarantined_files(self, table: str) -> dict[str, str]:
        """Give the data files of quarantined batches, each with its quarantine branch."""
        from pyiceberg.expressions import EqualTo

        target, found = self.table(table), {}
        for branch, ref in target.refs().items():
            snapshot = target.snapshot_by_id(ref.snapshot_id)
            if branch.startswith("quarantine-") and snapshot is not None and snapshot.summary is not None:
                only = EqualTo(BATCH, snapshot.summary.additional_properties["xops.batch"])
                files = target.scan(only, snapshot_id=ref.snapshot_id).plan_files()
                found |= {task.file.file_path: branch for task in files}
        return found

    def files(self, version: DataVersion) -> set[str]:
        """Give the data files of a version."""
        tasks = self.table(version.table).scan(snapshot_id=int(version.snapshot)).plan_files()
        return {task.file.file_path for task in tasks}

    def _made_only(self, target: Table, snapshot: int) -> bool:
        """Tell whether a snapshot is the empty one with which its table was made."""
        found = target.snapshot_by_id(snapshot)
        return found is not None and found.parent_snapshot_id is None and not self._batches(target, snapshot)

    @staticmethod
    def _batches(target: Table, snapshot: int) -> dict[str, int]:
        rows: Counter[str] = Counter()
        for partition in target.inspect.partitions(snapshot_id=snapshot).to_pylist():
            rows[partition["partition"][BATCH]] += partition["record_count"]
        return dict(sorted(rows.items()))


def head_of(target: Table) -> int:
    """Give the snapshot that ``main`` shows; a table that :class:`IcebergHook` made has one from the start."""
    return ancestry(target)[0]


def ancestry(target: Table, snapshot: int | None = None) -> list[int]:
    """Give a snapshot and those it stands on, newest first; ``main``'s when None."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = target.current_snapshot() if snapshot is None else target.snapshot_by_id(snapshot)
    return [ancestor.snapshot_id for ancestor in ancestors_of(newest, target.metadata)]
