"""Plain Parquet files under a prefix as a dataset: what readers see is the newest manifest, swapped in one step."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xops.core.dataset.parts import (
    Part,
    State,
    is_shown_in_part,
    made_of,
    part_named,
    publishable,
    refuse_late,
    shown_in,
)
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import APPEND, BATCH, Mode, Write
from xops.core.errors import Misconfigured, Refused, Unavailable, bounded
from xops.core.evidence import digest, slug
from xops.hooks.datasets.rows import unkeyed, with_batch, without
from xops.hooks.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

_MANIFESTS = "manifests/"
_RACES = 100


@dataclass(frozen=True, slots=True)
class Manifest:
    """One state of a dataset.

    :param number: its place in the log, from 1; 0 while there is none.
    :param parts: every part there ever was, oldest first; those that are replaced have no files.
    :param columns: the dataset's columns, each with its Arrow type as text; none while nothing was staged.
    :param nonce: tells two writers of the same state apart.
    """

    number: int = 0
    parts: tuple[Part, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""

    @property
    def shown(self) -> list[Part]:
        """Give the parts that readers see."""
        return [part for part in self.parts if part.state is State.PUBLISHED]

    @property
    def version(self) -> str:
        """Give the digest of what readers see; empty while they see nothing."""
        return version_of(self.shown)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON; ``files`` is what a reader of the plain files needs."""
        return {
            "number": self.number,
            "version": self.version,
            "files": [file for part in self.shown for file in part.files],
            "columns": dict(self.columns),
            "parts": [part.to_json() for part in self.parts],
            "nonce": self.nonce,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Manifest:
        """Read what :meth:`to_json` wrote."""
        parts = tuple(map(Part.from_json, document["parts"]))
        return cls(document["number"], parts, document["columns"], document["nonce"])


def version_of(shown: Sequence[Part]) -> str:
    """Give the digest of the files that readers see; empty for none."""
    return digest([[part.batch, list(part.files)] for part in shown]) if shown else ""


class ParquetPrefixes:
    """Datasets that are plain Parquet files under a prefix: a folder, or ``s3://conn_id@bucket/prefix``.

    Files are written once under ``data/``. Each change is one more object under ``manifests/``, numbered, made by
    create-if-absent: of several writers one gets each number, and the others start from what it wrote. Readers take the
    files that the manifest with the highest number lists.
    """

    def stage(self, rows: pa.Table, *, table: str, batch: str, write: Write = APPEND, source: str = "") -> DataVersion:
        """Put a batch where no manifest shows it to readers; it takes the place of one that was staged before."""
        rows = with_batch(rows, table=table, batch=batch, write=write)
        log = _Log(table)
        _columns(log.newest().columns, rows.schema, write, f"{table}: batch {batch}")
        files = log.write(rows, batch)
        staged = Part(
            digest([batch, list(files)]), batch, 0, State.STAGED, rows.num_rows,
            write=write, source=source, unkeyed=unkeyed(rows, write), files=files,
        )  # fmt: skip

        def propose(now: Manifest) -> Manifest:
            gone = [part.id for part in now.parts if part.state is State.STAGED and part.batch == batch]
            return replace(now, parts=(*_replaced(now.parts, gone), replace(staged, order=now.number + 1)))

        log.append(propose)
        return _staged(table, staged)

    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version: staged, published or quarantined."""
        log = _Log(version.table)
        parts, known = log.parts_of(version)
        wanted = [part for part in parts if batches is None or part.batch in batches]
        found = log.read([file for part in wanted for file in part.files], known)
        absent = [column for column in columns or () if column not in found.column_names]
        if absent:
            raise Misconfigured(
                f"{version.name}: no column {', '.join(absent)}; it has {bounded(', '.join(found.column_names))}"
            )
        return found if columns is None else found.select(list(columns))

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version."""
        log = _Log(version.table)
        parts, known = log.parts_of(version)
        return log.read([file for part in parts for file in part.files][:1], known).schema

    def publish(self, version: DataVersion) -> DataVersion:
        """Show a staged batch to readers by the next manifest; publishing it again changes nothing."""
        log = _Log(version.table)

        def propose(now: Manifest) -> Manifest | None:
            if shown_in(now.parts, version.snapshot):
                return None
            part = publishable(now.parts, version.snapshot, version.name)
            others = tuple(one for one in now.parts if one.id != part.id)
            return _showing(log, replace(now, parts=others), part, log.read(part.files), version.name)

        return _published(version, log.append(propose))

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside with its files; readers see no change."""

        def propose(now: Manifest) -> Manifest | None:
            if shown_in(now.parts, version.snapshot):
                raise Refused(f"{version.name}: it was published, and is not set aside")
            part = part_named(now.parts, version.snapshot)
            if part is None or part.state is State.REPLACED:
                raise Misconfigured(f"{version.name}: this version is not staged, so there is nothing to set aside")
            if part.state is State.QUARANTINED:
                return None
            aside = replace(part, state=State.QUARANTINED)
            return replace(now, parts=tuple(aside if one is part else one for one in now.parts))

        _Log(version.table).append(propose)
        return _branch(State.QUARANTINED, version.batch, version.snapshot)

    def split(self, version: DataVersion, *, passing: pa.Table, failing: pa.Table) -> DataVersion:
        """Set the failing rows of a staged batch aside in one step; give the staged version of the others."""
        log = _Log(version.table)
        done = made_of(log.newest().parts, version.snapshot, State.STAGED, State.PUBLISHED)
        if done:
            return _staged(version.table, done)
        good, bad = log.write(passing, version.batch), log.write(failing, version.batch)
        made: list[Part] = []

        def propose(now: Manifest) -> Manifest | None:
            part = publishable(now.parts, version.snapshot, version.name)
            of, left = (part.id, *part.of), _replaced(now.parts, [part.id])
            kept = replace(part, id=digest(list(good)), of=of, rows=passing.num_rows, files=good)
            aside = replace(kept, id=digest(list(bad)), rows=failing.num_rows, files=bad, state=State.QUARANTINED)
            made[:] = [replace(kept, unkeyed=unkeyed(passing, part.write))]
            return replace(now, parts=(*left, *made, replace(aside, unkeyed=unkeyed(failing, part.write))))

        log.append(propose)
        return _staged(version.table, made[0])

    def quarantined(self, table: str) -> list[DataVersion]:
        """Give what is in quarantine, oldest first."""
        parts = _Log(table).newest().parts
        return [_staged(table, part) for part in parts if part.state is State.QUARANTINED]

    def source(self, version: DataVersion) -> str:
        """Say where the rows of a version that is no longer one of many batches came from; empty if unknown."""
        part = part_named(_Log(version.table).newest().parts, version.snapshot)
        return part.source if part else ""

    def beside(self, version: DataVersion) -> pa.Table | None:
        """Give the rows that readers see of the delivery that a quarantined version is of; None without any."""
        published = self.published(version.table)
        if published is None or not is_shown_in_part(_Log(version.table).newest().parts, version.snapshot):
            return None
        return self.rows(published, batches=[version.batch])

    def release(self, version: DataVersion, *, passing: pa.Table, failing: pa.Table) -> DataVersion | None:
        """Publish rows out of quarantine in one step, and keep the others there."""
        log = _Log(version.table)
        part = part_named(log.newest().parts, version.snapshot)
        done = made_of(log.newest().parts, version.snapshot, State.PUBLISHED)
        if done:
            return DataVersion(version.table, done.shown, done.batch, "", done.rows)
        if part is None or part.state is not State.QUARANTINED:
            return None
        good = log.write(passing, version.batch)
        bad = log.write(failing, version.batch) if failing.num_rows else ()

        def propose(now: Manifest) -> Manifest | None:
            waiting = part_named(now.parts, version.snapshot)
            if waiting is None or waiting.state is not State.QUARANTINED:
                return None
            of, left = (waiting.id, *waiting.of), _replaced(now.parts, [waiting.id])
            kept = replace(
                waiting, id=digest(list(good)), of=of, rows=passing.num_rows, files=good,
                state=State.STAGED, unkeyed=unkeyed(passing, waiting.write),
            )  # fmt: skip
            refuse_late(now.parts, kept, version.name)
            if bad:
                aside = replace(waiting, id=digest(list(bad)), of=of, rows=failing.num_rows, files=bad)
                left = (*left, replace(aside, unkeyed=unkeyed(failing, waiting.write)))
            return _showing(log, replace(now, parts=left), kept, passing, version.name)

        parts = log.append(propose).parts
        done = made_of(parts, version.snapshot, State.PUBLISHED)
        return DataVersion(version.table, done.shown, done.batch, "", done.rows) if done else None

    def published(self, table: str) -> DataVersion | None:
        """Give the version that readers see, or None while nothing was published."""
        version = _Log(table).newest().version
        return DataVersion(table, version) if version else None

    def versions(self, table: str) -> list[DataVersion]:
        """Give every version that readers see or have ever seen, oldest first."""
        seen = dict.fromkeys(manifest.version for manifest in _Log(table).all())
        return [DataVersion(table, version) for version in seen if version]


class _Log:
    """The manifests and the files of one dataset."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.objects = Objects(table, "dataset")
        self._written: list[str] = []

    def newest(self) -> Manifest:
        """Give what holds now."""
        paths = self.objects.paths(_MANIFESTS)
        return Manifest.from_json(self.objects.get_json(paths[-1])) if paths else Manifest()

    def all(self) -> list[Manifest]:
        """Give every state that ever held, oldest first."""
        return [Manifest.from_json(document) for document in self.objects.all_json(_MANIFESTS)]

    def append(self, propose: Callable[[Manifest], Manifest | None]) -> Manifest:
        """Append a manifest, and remove the files that were written for nothing.

        :param propose: from what holds to what is to hold; None when that is the same. Called again when another
            writer was faster.
        """
        for _ in range(_RACES):
            now = self.newest()
            try:
                then = propose(now)
            except Misconfigured:
                self._remove_but(now)
                raise
            if then is None:
                self._remove_but(now)
                return now
            then = replace(then, number=now.number + 1, nonce=uuid.uuid4().hex)
            path = f"{_MANIFESTS}{then.number:08d}.json"
            if self.objects.create_json(path, then.to_json()) or self._is_mine(path, then):
                self._remove_but(then)
                return then
        raise Unavailable(f"dataset {self.table}: others were faster {_RACES} times; try again later")

    def write(self, rows: pa.Table, batch: str) -> tuple[str, ...]:
        """Write rows into a new file that no manifest shows yet; no file for no rows."""
        import pyarrow.parquet as pq

        if not rows.num_rows:
            return ()
        content = io.BytesIO()
        pq.write_table(rows, content, compression="zstd")
        path = f"data/{slug(batch)}/{uuid.uuid4().hex}.parquet"
        self.objects.put(path, content.getvalue())
        self._written.append(path)
        return (path,)

    def read(self, files: Sequence[str], columns: Mapping[str, str] | None = None) -> pa.Table:
        """Read files; a column that a file lacks is null there.

        :param columns: the dataset's, where there may be no file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = []
        for file in files:
            content = self.objects.get(file)
            if content is None:
                raise Misconfigured(f"dataset {self.table}: file {file} is gone, which a manifest names")
            tables.append(pq.read_table(io.BytesIO(content)))
        if not tables:
            return pa.table({column: pa.nulls(0) for column in columns or {}})
        return pa.concat_tables(tables, promote_options="permissive")

    def parts_of(self, version: DataVersion) -> tuple[list[Part], Mapping[str, str]]:
        """Give the parts of a version, and the columns that the dataset had then.

        :raises Misconfigured: when there never was such a version.
        """
        newest = self.newest()
        part = part_named(newest.parts, version.snapshot)
        if part is not None and part.files:
            return [part], newest.columns
        if newest.version == version.snapshot:
            return newest.shown, newest.columns
        for manifest in reversed(self.all()):
            part = part_named(manifest.parts, version.snapshot)
            if manifest.version == version.snapshot:
                return manifest.shown, manifest.columns
            if part is not None and part.files:
                return [part], manifest.columns
        raise Misconfigured(f"{version.name}: there is no such version; take another")

    def _is_mine(self, path: str, then: Manifest) -> bool:
        return bool(self.objects.get_json(path)["nonce"] == then.nonce)

    def _remove_but(self, kept: Manifest) -> None:
        named = {file for part in kept.parts for file in part.files}
        for file in self._written:
            if file not in named:
                self.objects.delete(file)
        self._written.clear()


def _showing(log: _Log, now: Manifest, part: Part, rows: pa.Table, name: str) -> Manifest:
    """Give the manifest that shows a part to readers, in the place of what it takes the place of."""
    columns = _columns(now.columns, rows.schema, part.write, name)
    others, mine = [], rows
    for other in now.parts:
        kept = other
        if other.state is State.PUBLISHED and other.batch == part.batch and other.order != part.order:
            kept = replace(other, state=State.REPLACED, files=())
        elif other.state is State.PUBLISHED and other.batch != part.batch and part.write.mode is not Mode.APPEND:
            theirs = log.read(other.files)
            if not other.files:
                pass
            elif part.write.mode is Mode.UPSERT and other.batch > part.batch:
                mine = without(mine, theirs, part.write)
            else:
                left = without(theirs, rows, part.write)
                if left.num_rows < theirs.num_rows:
                    kept = replace(other, rows=left.num_rows, files=log.write(left, other.batch))
        others.append(kept)
    files = part.files if mine.num_rows == rows.num_rows else log.write(mine, part.batch)
    new = replace(part, state=State.PUBLISHED, rows=mine.num_rows, files=files)
    after = replace(now, parts=(*others, new), columns=columns)
    return replace(after, parts=(*others, replace(new, shown=after.version)))


def _columns(known: Mapping[str, str], found: pa.Schema, write: Write, what: str) -> dict[str, str]:
    """Give the columns of a dataset that takes rows.

    :raises Misconfigured: when a column is of another type, or one is new or absent and the batch may not change them.
    """
    kinds = {column.name: str(column.type).removeprefix("large_") for column in found if column.name != BATCH}
    wrong = [
        f"{name} is {kinds.get(name, 'absent')}, the dataset has {known.get(name, 'no such column')}"
        for name in (*known, *(name for name in kinds if name not in known))
        if kinds.get(name) != known.get(name) and not (write.evolve and name not in known)
    ]
    if known and wrong:
        raise Misconfigured(f"{what} does not fit the dataset: {bounded('; '.join(wrong))}")
    return {**known, **kinds}


def _replaced(parts: Sequence[Part], gone: Sequence[str]) -> tuple[Part, ...]:
    return tuple(replace(part, state=State.REPLACED, files=()) if part.id in gone else part for part in parts)


def _staged(table: str, part: Part) -> DataVersion:
    return DataVersion(table, part.id, part.batch, _branch(part.state, part.batch, part.id), part.rows)


def _branch(state: State, batch: str, identity: str) -> str:
    """Say where a part waits, in the words of Iceberg's branches."""
    if state is State.QUARANTINED:
        return f"quarantine-{slug(batch)}-{identity[:12]}"
    return f"audit-{slug(batch)}" if state is State.STAGED else ""


def _published(version: DataVersion, manifest: Manifest) -> DataVersion:
    shown = shown_in(manifest.parts, version.snapshot)
    mine = [part for part in manifest.parts if version.snapshot in (part.id, *part.of) and part.shown]
    return DataVersion(version.table, shown, version.batch, "", mine[0].rows)
