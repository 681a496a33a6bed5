"""Versions that nobody needs any more let go of, and after a grace period their files, of every kind of dataset."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xops.core.dataset.expiry import ExpiryPlan, Shown, due, plan_expiry, snapshots_named
from xops.core.errors import Unavailable
from xops.core.evidence import slug

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.store.objects import Objects

_RACES = 20


@dataclass(frozen=True, slots=True)
class Look:
    """What a dataset has at one moment.

    :param versions: its versions, and what waits or is set aside; each with when it was last of use to a reader.
    :param holds: by version, why the dataset itself still needs it.
    :param state: tells this moment from others.
    """

    versions: Sequence[Shown]
    holds: Mapping[str, Sequence[str]]
    state: Any


class Expirable(Protocol):
    """A kind of dataset whose versions may go."""

    def look(self, table: str) -> Look:
        """Look at a dataset."""

    def forget(self, table: str, versions: Sequence[str], look: Look) -> bool:
        """Let go of versions in one step; tell whether that was done. It is not, when the dataset has changed since."""

    def unreferenced(self, table: str) -> set[str]:
        """Give the files that are no version's; each is asked for after they were listed."""

    def delete(self, table: str, file: str) -> None:
        """Remove a file; one that is not there is no error."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """What an expiry did, or in a dry run would do.

    :param plan: the versions that go and those that stay, with the reasons.
    :param files: the data files that were removed.
    :param waiting: the files that no version has and whose grace period is not over.
    :param dry_run: whether nothing was changed.
    """

    plan: ExpiryPlan
    files: tuple[str, ...]
    waiting: int
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON; of the files only how many."""
        return self.plan.to_json() | {"files": len(self.files), "waiting": self.waiting, "dry_run": self.dry_run}


class VersionExpiry:
    """Removes versions of datasets of one kind.

    What a branch, a tag, a registered model or recent evidence refers to stays. Killed at any line it leaves a dataset
    that reads as before: versions go in one step, and a file goes only after every version was asked anew.

    :param lake: the kind.
    :param registries: every MLflow whose models were trained on the datasets.
    :param objects: where evidence lies, and what is known of files without a version.
    """

    def __init__(self, lake: Expirable, registries: Sequence[MlflowHook], objects: Objects) -> None:
        self.lake = lake
        self.registries = registries
        self.objects = objects

    def expire(
        self,
        table: str,
        *,
        older_than: dt.timedelta,
        evidence_of: dt.timedelta,
        grace: dt.timedelta,
        dry_run: bool = False,
        now: dt.datetime | None = None,
    ) -> Expiry:
        """Remove the versions that readers have not seen for a while and that nobody refers to.

        :param older_than: how long after readers saw the last of a version it stays in any case.
        :param evidence_of: versions that evidence recorded within this time names stay.
        :param grace: how long a file stays after it was first found without a version. At least as long as the longest
            task that stages or reads the dataset.
        :param dry_run: only tell.
        :param now: the moment to count from; this one when None.
        :raises Unavailable: when MLflow, the dataset or the store is down; then nothing is removed.
        """
        now = now or dt.datetime.now(dt.UTC)
        for _ in range(_RACES):
            look = self.lake.look(table)
            holds = self._holds(table, look, since=now - evidence_of)
            plan = plan_expiry(table, look.versions, holds, before=now - older_than)
            if dry_run or not plan.expired or self.lake.forget(table, plan.expired, look):
                break
        else:
            raise Unavailable(f"{table}: others wrote {_RACES} times while versions were to expire; try again later")
        files, waiting = self._sweep(table, now=now, grace=grace, dry_run=dry_run)
        return Expiry(plan, tuple(files), waiting, dry_run)

    def _holds(self, table: str, look: Look, *, since: dt.datetime) -> dict[str, list[str]]:
        """Give the reasons why versions have to stay."""
        holds: dict[str, list[str]] = defaultdict(list)
        for version, reasons in look.holds.items():
            holds[version] += reasons
        for registry in self.registries:
            for model, texts in registry.every_version():
                for version in snapshots_named(table, texts):
                    holds[version].append(f"{model} was trained on it")
        for path in self.objects.changed_since("evidence/", since):
            for version in snapshots_named(table, json.dumps(self.objects.get_json(path), ensure_ascii=False)):
                holds[version].append(f"evidence {path.rsplit('/', 1)[-1].removesuffix('.json')}")
        return holds

    def _sweep(self, table: str, *, now: dt.datetime, grace: dt.timedelta, dry_run: bool) -> tuple[list[str], int]:
        """Remove the files that no version has had for longer than the grace period."""
        path = f"expiry/{slug(table)}.json"
        known = self.objects.get_json(path) or {}
        since, gone = due(known, self.lake.unreferenced(table), now=now, grace=grace)
        if not dry_run:
            self.objects.put_json(path, since)
            for file in gone:
                self.lake.delete(table, file)
        return gone, len(since) - len(gone)


def expirable(table: str, *, iceberg_conn_id: str) -> Expirable:
    """Give the kind of a dataset; see :func:`~xops.hooks.datasets.store.store_of`."""
    from xops.hooks.datasets.parquet_prefixes import ParquetPrefixes
    from xops.hooks.datasets.sql_datasets import SqlDatasets
    from xops.hooks.datasets.store import store_of

    store = store_of(table, iceberg_conn_id=iceberg_conn_id)
    if isinstance(store, (ParquetPrefixes, SqlDatasets)):
        from xops.hooks.datasets.plain_expiry import PrefixExpiry, SqlExpiry

        return PrefixExpiry() if isinstance(store, ParquetPrefixes) else SqlExpiry(store)
    from xops.hooks.iceberg.expiry import TableExpiry

    return TableExpiry(store)
