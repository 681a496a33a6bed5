"""Profiles of dataset versions, each made by one scan and then kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xops.core.evidence import digest
from xops.core.profile_spec import ProfileSpec
from xops.core.profiles import Profile, profile_digest

if TYPE_CHECKING:
    import pyarrow as pa

    from xops.hooks.objects import Objects


class ProfileStore:
    """Profiles by content: what was counted, and how. One that is there is never made again.

    :param objects: where they lie, under ``profiles/``.
    """

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def reference(self, version: str, columns: Sequence[str], rows: Callable[[], pa.Table]) -> Profile:
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

    def current(self, version: str, spec: ProfileSpec, rows: Callable[[], pa.Table]) -> Profile:
        """Give the profile of a version by the bins of a reference; see :meth:`reference`."""

        def scanned() -> Profile:
            from xops.engines.duckdb_scan import DuckdbScan

            return _profile(DuckdbScan(rows(), version=version).scan(profile=spec).profile)

        return self._kept(profile_digest([version], spec), scanned)

    def pinned(self, about: str, profiler: str, decide: Callable[[], ProfileSpec]) -> ProfileSpec:
        """Give the bins that all profiles of a dataset share, so that they add up; decided at the first one.

        :param about: the dataset.
        :param profiler: the version of the counting; another one has bins of its own.
        """
        path = f"profiles/pinned/{digest([about, profiler])}.json"
        document = self.objects.get_json(path)
        if document is None:
            self.objects.create_json(path, decide().to_json())
            document = self.objects.get_json(path)
        return ProfileSpec.from_json(document)

    def keep(self, profile: Profile) -> str:
        """Keep a profile that came of a scan, and give its digest."""
        self.objects.put_json(f"profiles/{profile.digest}.json", profile.to_json())
        return profile.digest

    def _kept(self, name: str, scanned: Callable[[], Profile]) -> Profile:
        path = f"profiles/{name}.json"
        document = self.objects.get_json(path)
        if document is not None:
            return Profile.from_json(document)
        profile = scanned()
        self.objects.put_json(path, profile.to_json())
        return profile


def _profile(found: Profile | None) -> Profile:
    if found is None:
        raise AssertionError("a scan that is asked for a profile gives one")
    return found
