"""The versions of Parquet prefixes and of SQL tables by name."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from xops.core.dataset.parts import State
from xops.core.dataset.version_names import tag_name
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.hooks.datasets.parquet_prefixes import ParquetPrefixes, Prefix
from xops.hooks.datasets.versions import Apart, DatasetVersions

if TYPE_CHECKING:
    import pyarrow as pa

    from xops.core.dataset.parts import Part
    from xops.hooks.datasets.parquet_manifests import Manifest


class PlainVersions(DatasetVersions):
    """Names for the versions of plain datasets; of an SQL table there is one that readers see, and no tag."""

    def tag(self, version: DataVersion, tag: str) -> DataVersion:
        """Give a version that readers see or have seen a name that stays."""
        tag_name(tag)
        prefix = self._prefix(version.table)

        def propose(now: Manifest) -> Manifest | None:
            known = now.tags.get(tag)
            if known not in (None, version.snapshot):
                raise Misconfigured(
                    f"{version.table}: tag {tag} names version {known}, and a tag does not move; take another name for "
                    f"{version.name}"
                )
            if known is None and now.shows(version.snapshot) is None:
                raise Misconfigured(f"{version.name}: no version that readers have seen; tag one of those")
            return None if known else now.followed_by(tags={**now.tags, tag: version.snapshot})

        prefix.manifests.append(propose)
        return DataVersion(version.table, version.snapshot)

    def tags(self, table: str) -> dict[str, DataVersion]:
        """Give a dataset's tags in alphabetical order, each with its version."""
        if not isinstance(self.lake, ParquetPrefixes):
            return {}
        tags = Prefix(table).manifests.newest().tags
        return {name: DataVersion(table, tags[name]) for name in sorted(tags)}

    def untag(self, table: str, tag: str) -> None:
        """Take a tag away."""
        tag_name(tag)

        def propose(now: Manifest) -> Manifest | None:
            left = {name: version for name, version in now.tags.items() if name != tag}
            return now.followed_by(tags=left) if tag in now.tags else None

        self._prefix(table).manifests.append(propose)

    def known(self, version: DataVersion) -> DataVersion:
        """Give a version that is there."""
        self.lake.parts_of(version)
        return version

    def shown_at(self, table: str, moment: dt.datetime) -> DataVersion:
        """Give the version that readers saw at a moment."""
        history = self._prefix(table).manifests.newest().history
        shown = [one.version for one in history if dt.datetime.fromisoformat(one.at) <= moment]
        if not shown:
            first = history[0].at if history else "never"
            raise Misconfigured(
                f"{table} at {moment.isoformat()}: no version is known that readers saw then; "
                f"the earliest is of {first}"
            )
        return DataVersion(table, shown[-1])

    def shown_since(self, version: DataVersion) -> dt.datetime:
        """Give when readers first saw a version."""
        moments = [part.shown_at or part.at for part in self.lake.parts_of(version)]
        return dt.datetime.fromisoformat(max(moments))

    def apart(self, before: DataVersion, after: DataVersion) -> Apart:
        """Give two versions without the parts that both have; where one is staged, what both have of its batch."""
        sides = [list(self.lake.parts_of(version)) for version in (before, after)]
        batches = None
        for side in sides:
            if any(part.state is not State.PUBLISHED for part in side):
                batches = [part.batch for part in side]
        same = [part for part in sides[0] if part.files and part in sides[1]] if batches is None else []
        readers, columns = [], []
        for version, side in zip((before, after), sides, strict=True):
            schema = self.lake.schema(version)
            columns.append({field.name: str(field.type) for field in schema})
            readers.append(self._without(version, side, same, schema, batches))
        return Apart((readers[0], readers[1]), sum(part.rows for part in same), (columns[0], columns[1]))

    def _without(
        self, version: DataVersion, side: list[Part], same: list[Part], schema: pa.Schema, batches: list[str] | None
    ) -> pa.RecordBatchReader:
        if not same:
            rows = self.lake.stream(version, batches=batches)
            return _reader(schema, rows.batches(schema.names))
        prefix = Prefix(version.table)
        files = [file for part in side if part not in same for file in part.files]
        return _reader(schema, (batch for file in files for batch in prefix.pieces(file, schema, schema.names)))

    def _prefix(self, table: str) -> Prefix:
        if not isinstance(self.lake, ParquetPrefixes):
            raise Misconfigured(f"{table}: an SQL table keeps its newest version only, so none has a tag or a past")
        return Prefix(table)


def _reader(schema: pa.Schema, batches: object) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(schema, batches)
