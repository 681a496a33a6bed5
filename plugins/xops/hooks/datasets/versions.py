"""The versions of a dataset by name: found, and compared with each other, whatever it is made of."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.dataset.diff import VersionDiff, moved_figures, schema_changes
from xops.core.dataset.lineage import Touched
from xops.core.dataset.version_names import VersionName
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, bounded
from xops.hooks import traced

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from xops.hooks.datasets.store import DatasetStore
    from xops.hooks.store.profiles import ProfileStore


@dataclass(frozen=True, slots=True)
class Apart:
    """Two versions without the rows that they are known to share.

    :param readers: the other rows, of either.
    :param shared: how many rows they share.
    :param columns: type by column, of either.
    """

    readers: tuple[pa.RecordBatchReader, pa.RecordBatchReader]
    shared: int
    columns: tuple[Mapping[str, str], Mapping[str, str]]


class DatasetVersions:
    """Names for the versions of the datasets of one store.

    :param lake: the store.
    """

    def __init__(self, lake: DatasetStore) -> None:
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
        if wanted.tag:
            tags = self.tags(wanted.table)
            if wanted.tag not in tags:
                raise Misconfigured(
                    f"{wanted.table}: no tag {wanted.tag}; its tags are {bounded(', '.join(tags) or 'none')}"
                )
            return tags[wanted.tag]
        if wanted.moment:
            return self.shown_at(wanted.table, wanted.moment)
        if wanted.snapshot:
            return self.known(DataVersion(wanted.table, wanted.snapshot))
        published = self.lake.published(wanted.table)
        if published is None:
            raise Misconfigured(f"{wanted.table}: nothing was published; publish a batch first")
        return published

    @abstractmethod
    def tag(self, version: DataVersion, tag: str) -> DataVersion:
        """Give a version a name that stays: no expiry removes it, and the name never moves to another version.

        :raises Misconfigured: when the tag names another version already.
        """

    @abstractmethod
    def tags(self, table: str) -> dict[str, DataVersion]:
        """Give a dataset's tags in alphabetical order, each with its version."""

    @abstractmethod
    def untag(self, table: str, tag: str) -> None:
        """Take a tag away; the version stays until it expires. A tag that is not there is no error."""

    @abstractmethod
    def known(self, version: DataVersion) -> DataVersion:
        """Give a version that is there.

        :raises Misconfigured: when it has expired or never was.
        """

    @abstractmethod
    def shown_at(self, table: str, moment: dt.datetime) -> DataVersion:
        """Give the version that readers saw at a moment.

        :raises Misconfigured: when that is not known.
        """

    @abstractmethod
    def shown_since(self, version: DataVersion) -> dt.datetime:
        """Give when readers first saw a version, or where that is forgotten, when it was made; UTC."""

    @abstractmethod
    def apart(self, before: DataVersion, after: DataVersion) -> Apart:
        """Give two versions without what they are known to share."""

    def diff(
        self,
        before: DataVersion,
        after: DataVersion,
        *,
        key: Sequence[str],
        profiles: ProfileStore | None = None,
        show_keys: bool = False,
    ) -> VersionDiff:
        """Compare two versions of a dataset. Data files that both have are not read: no row of them can differ.

        :param key: columns that identify a row.
        :param profiles: where the versions' profiles are kept; None leaves the comparison of profiles out.
        :param show_keys: name the first keys that differ. They are values of the data: ask whoever owns it.
        :raises Misconfigured: when a version expired, the datasets differ, or the key does not identify a row.
        """
        from xops.engines.row_diff import compare_rows

        if before.table != after.table:
            raise Misconfigured(f"{before.name} and {after.name}: two versions of one table were wanted")
        found = self.apart(before, after)
        rows = compare_rows(*found.readers, key=key, show_keys=show_keys)
        columns = found.columns
        for version, types, read in zip((before, after), columns, (rows.before, rows.after), strict=True):
            traced.read(Touched(self.lake.place(version.table), version.snapshot, types, read + found.shared))
        moved = ()
        if profiles is not None:
            names = [name for name in columns[1] if name in columns[0]]
            counted = [
                profiles.reference(
                    version.name, names, lambda version=version: self.lake.stream(version, columns=names)
                )
                for version in (before, after)
            ]
            moved = moved_figures(counted[0], counted[1])
        return VersionDiff(
            before.name, after.name, tuple(key), rows.before + found.shared, rows.after + found.shared,
            rows.added, rows.removed, rows.changed, rows.changed_in, schema_changes(*columns), moved, rows.keys,
        )  # fmt: skip


def versions_of(table: str, *, iceberg_conn_id: str) -> DatasetVersions:
    """Open the versions of a dataset.

    :param table: it, or the name of a version of it; see :func:`~xops.hooks.datasets.store.store_of`.
    """
    from xops.hooks.datasets.store import store_of
    from xops.hooks.iceberg.tables import IcebergHook

    store = store_of(table, iceberg_conn_id=iceberg_conn_id)
    if isinstance(store, IcebergHook):
        from xops.hooks.iceberg.versions import TableVersions

        return TableVersions(store)
    from xops.hooks.datasets.plain_versions import PlainVersions

    return PlainVersions(store)
