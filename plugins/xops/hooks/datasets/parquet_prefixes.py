"""Plain Parquet files under a prefix as a dataset: what readers see is the newest manifest, swapped in one step."""

from __future__ import annotations

import contextlib
import io
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from xops.core.dataset.lineage import Place, place_of
from xops.core.dataset.parts import State, columns_of, part_named, refuse_misfit, rolled_back, shown
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import BATCH, Mode
from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.evidence import digest, slug
from xops.engines.files.parquet_files import Opened
from xops.engines.sources import BATCH as BATCH_ROWS
from xops.engines.sources import Batches
from xops.engines.streams import aligned
from xops.hooks.datasets.parquet_manifests import Manifest, Manifests, version_of
from xops.hooks.datasets.plain import PlainDatasets, waiting_version
from xops.hooks.datasets.rows import among
from xops.hooks.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from xops.core.dataset.parts import Part, Parts
    from xops.hooks.datasets.rows import Incoming


class ParquetPrefixes(PlainDatasets):
    """Datasets that are plain Parquet files under a prefix: a folder, or ``s3://conn_id@bucket/prefix``.

    Files are written once under ``data/``. Each change is one more object under ``manifests/``, numbered. Readers take
    the files that the manifest with the highest number lists.
    """

    @contextlib.contextmanager
    def opened(self, table: str) -> Iterator[Prefix]:
        """Open a dataset for one change; the files that were written for nothing go."""
        prefix = Prefix(table)
        try:
            yield prefix
        except Misconfigured:
            prefix.remove_unused(prefix.parts())
            raise

    def place(self, table: str) -> Place:
        """Give the name by which lineage knows a dataset."""
        return place_of(table)

    def opened_rows(
        self, version: DataVersion, columns: Sequence[str] | None, batches: Sequence[str] | None
    ) -> Batches:
        """Give a version as rows that are read file by file."""
        import pyarrow as pa

        known, prefix = self.schema(version), Prefix(version.table)
        absent = [column for column in columns or () if column not in known.names]
        if absent:
            raise Misconfigured(
                f"{version.name}: no column {', '.join(absent)}; it has {bounded(', '.join(known.names))}"
            )
        schema = pa.schema([known.field(name) for name in (known.names if columns is None else columns)])
        parts = [part for part in self.parts_of(version) if batches is None or part.batch in batches]

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            for path in (path for part in parts for path in part.files):
                yield from prefix.pieces(path, schema, names)

        return Batches(schema, read, sum(part.rows for part in parts))

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version, from the footers of one file a part."""
        import pyarrow as pa

        parts, prefix = self.parts_of(version), Prefix(version.table)
        schemas = [prefix.file(part.files[0]).schema for part in parts if part.files]
        found = pa.unify_schemas(schemas, promote_options="permissive") if schemas else pa.schema([])
        return pa.schema([found.field(name) for name in [*_columns(parts), BATCH] if name in found.names])

    def roll_back(self, version: DataVersion) -> list[DataVersion]:
        """Let readers see an earlier version again by one more manifest, and set aside what was published since."""
        manifests = Prefix(version.table).manifests
        since: list[Part] = []

        def propose(now: Manifest) -> Manifest | None:
            known = now.shows(version.snapshot)
            if known is None:
                raise Misconfigured(
                    f"{version.name}: what readers see does not stand on it; see the versions there are"
                )
            if now.version == version.snapshot:
                return None
            earlier = shown(manifests.numbered(known.number).parts)
            since[:] = [part for part in shown(now.parts) if part not in earlier]
            return now.followed_by(parts=rolled_back(now.parts, earlier, version.name))

        aside = {part.id: part for part in manifests.append(propose).parts if part.state is State.QUARANTINED}
        return [waiting_version(version.table, aside[part.id]) for part in since if part.id in aside]

    def files(self, version: DataVersion) -> set[str]:
        """Give the data files of a version."""
        return {file for part in self.parts_of(version) for file in part.files}

    def versions(self, table: str) -> list[DataVersion]:
        """Give every version that readers see or have ever seen, oldest first; those that expired are left out."""
        seen = dict.fromkeys(one.version for one in Prefix(table).manifests.newest().history)
        return [DataVersion(table, version) for version in seen]

    def parts_of(self, version: DataVersion) -> Sequence[Part]:
        """Give the parts that a version shows, or the one that it is."""
        manifests = Prefix(version.table).manifests
        newest = manifests.newest()
        part = part_named(newest.parts, version.snapshot)
        if part is not None and part.state is not State.REPLACED:
            return [part]
        if newest.version == version.snapshot:
            return shown(newest.parts)
        known = newest.shows(version.snapshot)
        if known is not None:
            return shown(manifests.numbered(known.number).parts)
        raise Misconfigured(f"{version.name}: there is no such version, or it has expired; take another")


class Prefix:
    """The manifests and the files of one dataset."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.objects = Objects(table, "dataset")
        self.manifests = Manifests(self.objects, table)
        self._written: list[str] = []

    def parts(self) -> Parts:
        """Give every part there is, oldest first."""
        return self.manifests.newest().parts

    def change(self, propose: Callable[[Parts], Parts | None]) -> Parts:
        """Append a manifest with other parts, and remove the files that were written for nothing."""

        def following(now: Manifest) -> Manifest | None:
            parts = propose(now.parts)
            return None if parts is None else now.followed_by(parts=parts)

        parts = self.manifests.append(following).parts
        self.remove_unused(parts)
        return parts

    def refuse_misfit(self, part: Part, rows: Incoming) -> None:
        """Refuse rows that do not fit what readers see."""
        refuse_misfit(columns_of(self.parts()), part, rows.what)

    def keep(self, part: Part, rows: Incoming) -> Part:
        """Write the rows of a part into files that no manifest shows."""
        try:
            files = tuple(self.write(piece, part.batch) for piece in rows.pieces())
        except Exception:
            with contextlib.suppress(Unavailable):
                self.remove_unused(())
            raise
        return replace(part, id=digest([part.batch, list(files)]), rows=rows.rows, unkeyed=rows.unkeyed, files=files)

    def land(self, parts: Parts, part: Part, *, joins: bool, name: str) -> tuple[Parts, Part]:  # noqa: ARG002 - the interface
        """Write what the mode of a part leaves of others anew, and of the part what later ones leave of it."""
        refuse_misfit(columns_of(parts), replace(part, write=replace(part.write, evolve=True)), name)
        if part.write.mode is Mode.APPEND:
            return parts, part
        mine, others = part, []
        keys = self.keys(part)
        for other in parts:
            if other.state is not State.PUBLISHED or other.batch == part.batch or not other.files:
                others.append(other)
            elif part.write.mode is Mode.UPSERT and other.batch > part.batch:
                mine = self.without(mine, self.keys(other, part.write.by))
                others.append(other)
            else:
                others.append(self.without(other, keys))
        return tuple(others), mine

    def keys(self, part: Part, by: Sequence[str] = ()) -> pa.Table:
        """Give the values that the rows of a part have in the columns by which it, or another, is written."""
        return self.read(part.files, by or part.write.by)

    def without(self, part: Part, keys: pa.Table) -> Part:
        """Give a part without the rows that have one of the keys; files of which none goes stay."""
        import pyarrow.compute as pc

        files, rows = [], 0
        for file in part.files:
            met = among(self.read([file], keys.column_names), keys)
            left = met.false_count
            rows += left
            if left == len(met):
                files.append(file)
            elif left:
                files.append(self.write(self.read([file]).filter(pc.invert(met)), part.batch))
        return replace(part, rows=rows, files=tuple(files))

    def version(self, parts: Parts) -> str:
        """Give the digest of what readers see."""
        return version_of(parts)

    def write(self, rows: pa.Table, batch: str) -> str:
        """Write rows into a new file."""
        import pyarrow.parquet as pq

        content = io.BytesIO()
        pq.write_table(rows, content, compression="zstd")
        path = f"data/{slug(batch)}/{uuid.uuid4().hex}.parquet"
        self._written.append(path)
        self.objects.put(path, content.getvalue())
        return path

    def file(self, path: str) -> Opened:
        """Open a file; what is not read of it is not fetched."""
        return Opened(f"dataset {self.table}: file {path}", (self.objects.store, path))

    def pieces(self, path: str, schema: pa.Schema, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read a file in pieces; see :func:`~xops.engines.streams.aligned`."""
        file = self.file(path)
        return aligned(partial(file.batches, rows=BATCH_ROWS, dictionaries=()), file.schema.names, schema, names)

    def read(self, files: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """Read files; a column that a file lacks is null there.

        :param columns: only these, where the files have them; None for all.
        """
        import pyarrow as pa

        tables = []
        for path in files:
            file = self.file(path)
            there = [name for name in columns if name in file.schema.names] if columns is not None else None
            tables.append(file.read().read(there))
        found = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
        for column in columns or ():
            if column not in found.column_names:
                found = found.append_column(column, pa.nulls(found.num_rows))
        return found

    def remove_unused(self, parts: Parts) -> None:
        """Remove the files that were written and that no part has."""
        named = {file for part in parts for file in part.files}
        for file in self._written:
            if file not in named:
                self.objects.delete(file)
        self._written.clear()


def _columns(parts: Sequence[Part]) -> list[str]:
    """Give the columns of parts, in the order in which they came."""
    return list(dict.fromkeys(name for part in parts for name, _ in part.columns))
