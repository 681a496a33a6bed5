"""Profiles of dataset versions, each made by one scan and then kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xops.core.dataset.writes import BATCH
from xops.core.errors import Misconfigured
from xops.core.evidence import digest
from xops.core.profile.binary import from_bytes, to_bytes
from xops.core.profile.merging import merged, outgrown
from xops.core.profile.profiles import profile_digest
from xops.core.profile.spec import ProfileSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xops.core.dataset.versions import DataVersion
    from xops.core.profile.profiles import Profile
    from xops.engines.sources import Rows
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.store.objects import Objects

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a drift check: batches of a version.

    :param version: the version they are read from.
    :param batches: their names, in order; maybe none.
    :param identity: names their rows for good: equal for equal rows, also in a later version of the table.
    :param moves: whether the next check has other batches here, as a window has: its bins are then the table's.
    """

    version: DataVersion
    batches: tuple[str, ...]
    identity: str
    moves: bool = False

    @property
    def span(self) -> str:
        """The batches, to quote: one by its name, more by the first and the last; nothing for none."""
        return "..".join(dict.fromkeys([*self.batches[:1], *self.batches[-1:]]))


class ProfileStore:
    """Profiles by content: what was counted, and how. One that is there is never made again.

    A profile is written whole, after the whole scan, or not at all.

    :param objects: where they lie, under ``profiles/``.
    """

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def reference(self, version: str, columns: Sequence[str], rows: Callable[[], Rows]) -> Profile:
        """Give the profile of a version that decides its bins itself.

        :param version: the name of an immutable state of rows.
        :param rows: reads them; called only when the profile is not there.
        """
        from xops.engines.duckdb_scan import DuckdbScan, profiler

        asked = {"version": version, "columns": list(columns), "bins": "its own", "profiler": profiler()}

        def scanned() -> Profile:
            engine = DuckdbScan(rows(), version=version)
            return _profile(engine.scan(profile=engine.spec(columns, distinct=False)).profile)

        return self._kept(digest(asked), scanned)

    def current(self, version: str, spec: ProfileSpec, rows: Callable[[], Rows]) -> Profile:
        """Give the profile of a version by the bins of a reference; see :meth:`reference`."""

        def scanned() -> Profile:
            from xops.engines.duckdb_scan import DuckdbScan

            return _profile(DuckdbScan(rows(), version=version).scan(profile=spec).profile)

        return self._kept(profile_digest([version], spec), scanned)

    def pinned(
        self, about: str, profiler: str, decide: Callable[[], ProfileSpec], *, anew: bool = False
    ) -> ProfileSpec:
        """Give the bins that all profiles of a dataset share, so that they add up; decided at the first one.

        :param about: the dataset.
        :param profiler: the version of the counting; another one has bins of its own.
        :param anew: decide them now, for everybody, instead of those there are.
        """
        path = f"profiles/pinned/{digest([about, profiler])}.json"
        document = None if anew else self.objects.get_json(path)
        if document is None:
            decided = decide().to_json()
            if anew:
                self.objects.put_json(path, decided)
            else:
                self.objects.create_json(path, decided)
            document = self.objects.get_json(path)
        return ProfileSpec.from_json(document)

    def keep(self, profile: Profile) -> str:
        """Keep a profile that came of a scan, and give its digest."""
        self.objects.put(_path(profile.digest), to_bytes(profile))
        return profile.digest

    def get(self, name: str) -> Profile | None:
        """Give the profile of a name, usually its digest, or None when it is not kept.

        :raises Misconfigured: when what is kept is damaged, or of another release.
        """
        content = self.objects.get(_path(name))
        return None if content is None else from_bytes(content)

    def of(self, lake: IcebergHook, side: Side, columns: Sequence[str]) -> Profile:
        """Give the profile of a side that decides its bins itself.

        :param columns: those asked for; all when empty.
        """
        wanted = list(columns) or [name for name in lake.schema(side.version).names if name != BATCH]

        def rows() -> Rows:
            there = [name for name in lake.schema(side.version).names if name in wanted]
            return lake.stream(side.version, columns=there or [BATCH], batches=side.batches, coded=True)

        return self.reference(side.identity, wanted, rows)

    def merged(self, lake: IcebergHook, side: Side, spec: ProfileSpec) -> Profile:
        """Give the profile of a side by given bins, added up from one profile a batch.

        Only batches whose profile is not there are read, each once: a batch that is published in a new version of the
        table without having been delivered again is known by the snapshot that wrote it.
        """
        if not side.batches:
            return merged([], spec)
        written = lake.deliveries(side.version)
        names = lake.schema(side.version).names
        there = replace(spec, columns=tuple(column for column in spec.columns if column.name in names))
        columns = [column.name for column in there.columns]
        parts = []
        for batch in (batch for batch in side.batches if batch in written):
            snapshot = side.version.snapshot if written[batch] == "None" else written[batch]  # it expired

            def rows(batch: str = batch) -> Rows:
                return lake.stream(side.version, columns=columns or [BATCH], batches=[batch], coded=True)

            parts.append(self.current(f"{side.version.table}@{snapshot}/{batch}", there, rows))
        return merged(parts, spec)

    def learned(self, manifest: str, read: Callable[[], Profile | None]) -> Profile | None:
        """Give the profile of the rows that a model version learned from; fetched from its files once.

        :param manifest: the digest of its files.
        """
        name = f"learned/{manifest}"
        there = self._whole(name)
        if there is not None:
            return there
        found = read()
        if found is not None:
            self.objects.put(_path(name), to_bytes(found))
        return found

    def both(
        self,
        lake: IcebergHook,
        reference: Side,
        current: Side,
        columns: Sequence[str],
        *,
        learned: Profile | None = None,
    ) -> tuple[Profile, Profile]:
        """Give the profiles of two sides by the same bins.

        A reference that stays decides its bins itself. One that moves, as a window does, is counted by the table's own,
        so that no batch is ever read for a second window.

        :param columns: those asked for; all of the reference's when empty.
        :param learned: the reference's profile, where a model version has it: its rows are not read.
        """
        if not reference.moves:
            old = learned or self.of(lake, reference, columns)
            return old, self.merged(lake, current, old.spec)
        spec = self.bins(lake, reference if reference.batches else current)
        old = self.merged(lake, reference, spec)
        if outgrown(old):
            spec = self.bins(lake, reference, anew=True)
            old = self.merged(lake, reference, spec)
        return old, self.merged(lake, current, spec)

    def bins(self, lake: IcebergHook, side: Side, *, anew: bool = False) -> ProfileSpec:
        """Give the bins of a table of the present columns, laid over the first side that anybody asked for.

        :param anew: lay them over this side instead, for everybody.
        """
        from xops.engines.duckdb_scan import DuckdbScan, profiler

        schema = lake.schema(side.version)
        columns = [name for name in schema.names if name != BATCH]
        types = {name: str(schema.field(name).type) for name in columns}

        def decide() -> ProfileSpec:
            rows = lake.stream(side.version, columns=columns, batches=side.batches, coded=True)
            return DuckdbScan(rows, version=f"{side.version.name}/{side.span}").spec(columns)

        return self.pinned(f"{side.version.table} {digest(types)}", profiler(), decide, anew=anew)

    def _whole(self, name: str) -> Profile | None:
        """Give a profile as :meth:`get` does, None for one that has to be made anew: it is damaged."""
        try:
            return self.get(name)
        except Misconfigured as error:
            _LOG.warning("profile %s is made anew: %s", name, error)
            return None

    def _kept(self, name: str, scanned: Callable[[], Profile]) -> Profile:
        there = self._whole(name)
        if there is not None:
            return there
        profile = scanned()
        self.objects.put(_path(name), to_bytes(profile))
        return profile


def _path(name: str) -> str:
    return f"profiles/{name}.profile"


def _profile(found: Profile | None) -> Profile:
    if found is None:
        raise AssertionError("a scan that is asked for a profile gives one")
    return found
