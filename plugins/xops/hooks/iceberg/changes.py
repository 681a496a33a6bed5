"""What a batch takes the place of when it lands on a version of an Iceberg table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xops.core.dataset.writes import BATCH, Mode
from xops.hooks.datasets.rows import among
from xops.hooks.iceberg.files import read_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask

    from xops.core.dataset.writes import Write
    from xops.hooks.iceberg.commits import OneStep


@dataclass(frozen=True, slots=True)
class Change:
    """The data files by which a version differs from the one before it.

    :param superseded: how many rows of the batch a later batch supersedes.
    """

    added: list[DataFile]
    removed: list[DataFile]
    superseded: int = 0


def own_files(step: OneStep, snapshot: int, batch: str) -> list[DataFile]:
    """Give the data files of a batch in a version."""
    from pyiceberg.expressions import EqualTo

    return [task.file for task in step.target.scan(EqualTo(BATCH, batch), snapshot_id=snapshot).plan_files()]


def change(
    step: OneStep, head: int, files: Sequence[DataFile], *, batch: str, write: Write, in_place: bool, whole: bool
) -> Change:
    """Work out what landing the files of a batch on the version ``head`` adds and removes.

    In the modes ``overwrite`` and ``upsert`` the rows of earlier batches go that have the values of one of its rows in
    the columns ``by``; and a row of its own is superseded of which a later batch has them.

    :param step: in it the table has the schema by which the files are read.
    :param in_place: whether the batch's rows that are there go.
    :param whole: whether superseded rows are only counted, and not left out.
    """
    removed = own_files(step, head, batch) if in_place else []
    if write.mode is Mode.APPEND:
        return Change(list(files), removed)
    keyed = _Keyed(step, write.by)
    keys = keyed.keys(files)
    added, later = list(files), []
    for task in step.target.scan(keyed.reach(keys), snapshot_id=head).plan_files():
        theirs = keyed.batch(task.file)
        if theirs > batch:
            later.append(keyed.shared(task, keys))
        elif theirs < batch and (left := keyed.without(task, keys)) is not None:
            removed.append(task.file)
            added += left
    if not any(shared.num_rows for shared in later):
        return Change(added, removed)
    import pyarrow as pa

    superseding, superseded = pa.concat_tables(later), 0
    for file in files:
        rows = keyed.count(file, superseding)
        superseded += rows
        if rows and not whole:
            added.remove(file)
            added += keyed.without(_task(file), superseding) or []
    return Change(added, removed, superseded)


class _Keyed:
    """Data files by the values that their rows have in some columns."""

    def __init__(self, step: OneStep, by: Sequence[str]) -> None:
        self.step = step
        self.by = list(by)

    def batch(self, file: DataFile) -> str:
        """Give the batch that a file's rows came with."""
        metadata = self.step.metadata
        source = metadata.schema().find_field(BATCH).field_id
        fields = metadata.specs()[file.spec_id].fields
        return str(file.partition[next(n for n, field in enumerate(fields) if field.source_id == source)])

    def keys(self, files: Iterable[DataFile]) -> pa.Table:
        """Give the different values that the rows of files have."""
        return self._read(list(map(_task, files)), self.by).group_by(self.by).aggregate([])

    def shared(self, task: FileScanTask, keys: pa.Table) -> pa.Table:
        """Give those of the keys that rows of a file have."""
        return keys.filter(among(keys, self._read([task], self.by)))

    def count(self, file: DataFile, keys: pa.Table) -> int:
        """Count the rows of a file that have one of the keys."""
        import pyarrow.compute as pc

        return int(pc.sum(among(self._read([_task(file)], self.by), keys)).as_py() or 0)

    def without(self, task: FileScanTask, keys: pa.Table) -> list[DataFile] | None:
        """Write what is left of a file without the rows that have one of the keys; None when it has none."""
        import pyarrow.compute as pc

        met = among(self._read([task], self.by), keys)
        if not pc.any(met).as_py():
            return None
        if pc.all(met).as_py():
            return []
        return self.step.write(self.step.metadata.schema(), self._read([task], None).filter(pc.invert(met)))

    def reach(self, keys: pa.Table) -> BooleanExpression:
        """Give the condition by which a file's bounds show whether it may have one of the keys."""
        import pyarrow.compute as pc
        from pyarrow import types
        from pyiceberg.expressions import AlwaysTrue, And, GreaterThanOrEqual, LessThanOrEqual

        name = self.by[0]
        kind = keys.schema.field(name).type
        known = name in self.step.target.schema().column_names
        texts = types.is_string(kind) or types.is_large_string(kind)
        if not known or not (types.is_integer(kind) or types.is_date32(kind) or texts):
            return AlwaysTrue()
        bounds = pc.min_max(keys[name]).as_py()
        if bounds["min"] is None:
            return AlwaysTrue()
        return And(GreaterThanOrEqual(name, bounds["min"]), LessThanOrEqual(name, bounds["max"]))

    def _read(self, tasks: Sequence[FileScanTask], columns: Sequence[str] | None) -> pa.Table:
        return read_files(self.step.target.io, self.step.metadata, tasks, columns)


def _task(file: DataFile) -> FileScanTask:
    from pyiceberg.table import FileScanTask

    return FileScanTask(file)
