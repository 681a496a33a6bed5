"""The figures of a dataset's batches: measured once each, and then kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xops.core.anomaly.measurements import Measurements, measure
from xops.core.dataset.writes import BATCH
from xops.core.errors import Misconfigured, bounded
from xops.core.evidence import digest
from xops.core.profile.spec import Kind

if TYPE_CHECKING:
    from xops.core.dataset.versions import DataVersion
    from xops.core.profile.profiles import Profile
    from xops.hooks.datasets.store import DatasetStore
    from xops.hooks.store.objects import Objects

_PER_HOUR = {Kind.TIMESTAMP: 3_600_000_000, Kind.DATE: 1 / 24}  # of the units in which a profile has them


class BatchHistory:
    """Figures by what was measured: the delivery of a batch, and how. What is there is never measured again.

    :param lake: where the batches are.
    :param objects: where the figures lie, under ``profiles/figures/``.
    :param columns: the columns to measure; every one when empty.
    :param time: a column of times; the lag of its newest value is measured too. Empty for none.
    """

    def __init__(self, lake: DatasetStore, objects: Objects, *, columns: Sequence[str] = (), time: str = "") -> None:
        self.lake = lake
        self.objects = objects
        self.columns = columns
        self.time = time

    def before(self, version: DataVersion, window: int) -> list[Measurements]:
        """Give the figures of the newest ``window`` published batches whose names sort before a version's batch."""
        published = self.lake.published(version.table)
        if published is None:
            return []
        deliveries = self.lake.deliveries(published)
        names = sorted(batch for batch in deliveries if batch < version.batch)[-window:]
        return [self._kept(published, batch, deliveries[batch]) for batch in names]

    def of(self, version: DataVersion) -> Measurements:
        """Give the figures of a version's batch."""
        return self._kept(version, version.batch, version.snapshot)

    def _kept(self, version: DataVersion, batch: str, delivery: str) -> Measurements:
        from xops.engines.duckdb_scan import profiler

        asked = {"table": version.table, "batch": batch, "delivery": delivery, "profiler": profiler()}
        how = {"columns": list(self.columns), "time": self.time}
        path = f"profiles/figures/{digest(asked | how)}.json"
        document = self.objects.get_json(path)
        if document is None:
            document = self._measured(version, batch, delivery).to_json()
            self.objects.put_json(path, document)
        return Measurements.from_json(document)

    def _measured(self, version: DataVersion, batch: str, delivery: str) -> Measurements:
        from xops.engines.duckdb_scan import DuckdbScan

        rows = self.lake.stream(version, batches=[batch])
        absent = [name for name in (*self.columns, *([self.time] * bool(self.time))) if name not in rows.schema.names]
        if absent:
            names = bounded(", ".join(rows.schema.names))
            raise Misconfigured(f"{version.name}: no column {', '.join(absent)}; it has {names}")
        asked = dict.fromkeys(self.columns or (name for name in rows.schema.names if name != BATCH))
        kept = list(dict.fromkeys([*asked, *([self.time] * bool(self.time))]))
        engine = DuckdbScan(rows, version=f"{version.table}@{delivery}/{batch}")
        profile = engine.scan(profile=engine.spec(kept)).profile
        if profile is None:
            raise AssertionError("a scan that is asked for a profile gives one")
        return measure(profile, batch=batch, lag=self._lag(profile, version, batch))

    def _lag(self, profile: Profile, version: DataVersion, batch: str) -> float | None:
        """Give the hours from the newest time to the staging; None where that is no longer known."""
        if not self.time:
            return None
        column, staged = profile.column(self.time), self.lake.staged_at(version, batch)
        if column is None or column.spec.kind not in _PER_HOUR:
            raise Misconfigured(f"{version.name}: a column of times or dates was wanted, {self.time} is none")
        if staged is None or column.high is None:
            return None
        return staged.timestamp() / 3_600 - column.high / _PER_HOUR[column.spec.kind]
