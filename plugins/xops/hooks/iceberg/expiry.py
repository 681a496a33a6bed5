"""Versions that nobody needs any more removed from an Iceberg table, and after a grace period their files."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.dataset.expiry import ExpiryPlan, Shown, due, plan_expiry, snapshots_named
from xops.core.errors import Misconfigured, Unavailable
from xops.core.evidence import slug

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.table import Table

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.store.objects import Objects

_RACES = 20


@dataclass(frozen=True, slots=True)
class Expiry:
    """What an expiry did, or in a dry run would do.

    :param plan: the snapshots that go and those that stay, with the reasons.
    :param files: the data files that were removed.
    :param waiting: the data files that no snapshot refers to and whose grace period is not over.
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
    """Removes versions of the tables of one catalog.

    What a branch, a tag, a registered model or recent evidence refers to stays. Killed at any line it leaves a table
    that reads as before: snapshots go in one commit, and a file goes only after every snapshot was asked anew.

    :param lake: the catalog.
    :param registries: every MLflow whose models were trained on the tables.
    :param objects: where evidence lies, and what is known of files without a snapshot.
    """

    def __init__(self, lake: IcebergHook, registries: Sequence[MlflowHook], objects: Objects) -> None:
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

        :param older_than: how long after ``main`` moved on a version stays in any case.
        :param evidence_of: versions that evidence recorded within this time names stay.
        :param grace: how long a data file stays after it was first found without a snapshot. At least as long as the
            longest task that stages or reads the table.
        :param dry_run: only tell.
        :param now: the moment to count from; this one when None.
        :raises Unavailable: when MLflow, the catalog or the store is down; then nothing is removed.
        """
        from pyiceberg.exceptions import CommitFailedException

        now = now or dt.datetime.now(dt.UTC)
        for _ in range(_RACES):
            target = self.lake.table(table)
            holds = self._holds(target, table, since=now - evidence_of)
            plan = plan_expiry(table, _shown(target), holds, before=now - older_than)
            if dry_run or not plan.expired:
                break
            with self.lake.answering(), contextlib.suppress(CommitFailedException):
                _remove(self.lake.table(table), plan.expired, planned_on=target)
                break
        else:
            raise Unavailable(f"{table}: others wrote {_RACES} times while versions were to expire; try again later")
        files, waiting = self._sweep(table, now=now, grace=grace, dry_run=dry_run)
        return Expiry(plan, tuple(files), waiting, dry_run)

    def _holds(self, target: Table, table: str, *, since: dt.datetime) -> dict[str, list[str]]:
        """Give the reasons why snapshots have to stay."""
        holds: dict[str, list[str]] = defaultdict(list)
        for name, ref in target.refs().items():
            holds[str(ref.snapshot_id)].append(f"{ref.snapshot_ref_type.value} {name}")
        for registry in self.registries:
            for model, texts in registry.every_version():
                for snapshot in snapshots_named(table, texts):
                    holds[snapshot].append(f"{model} was trained on it")
        for path in self.objects.changed_since("evidence/", since):
            for snapshot in snapshots_named(table, json.dumps(self.objects.get_json(path), ensure_ascii=False)):
                holds[snapshot].append(f"evidence {path.rsplit('/', 1)[-1].removesuffix('.json')}")
        return holds

    def _sweep(self, table: str, *, now: dt.datetime, grace: dt.timedelta, dry_run: bool) -> tuple[list[str], int]:
        """Remove the files that no snapshot has referred to for longer than the grace period."""
        path = f"expiry/{slug(table)}.json"
        with self.lake.answering():
            target = self.lake.table(table)
            written = _written(target)
            unreferenced = written - _referenced(self.lake.table(table))  # asked after the listing
        since, gone = due(self.objects.get_json(path) or {}, unreferenced, now=now, grace=grace)
        if not dry_run:
            self.objects.put_json(path, since)
            for file in gone:
                with self.lake.answering(), contextlib.suppress(FileNotFoundError):
                    target.io.delete(file)
        return gone, len(since) - len(gone)


def _remove(target: Table, snapshots: Sequence[str], *, planned_on: Table) -> None:
    """Remove snapshots in one commit, unless a branch or a tag changed since the plan was made.

    pyiceberg's own expiry asks for nothing, and takes away with a snapshot a tag that was set meanwhile. A catalog of
    ours (SQL, Hive, Glue) evaluates the requirement where it commits; a REST catalog sees only the table's identity in
    it, so there a tag that is set in the moment between this look and the commit is lost with its snapshot.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import AssertTableUUID, RemoveSnapshotsUpdate

    planned = planned_on.refs()

    class SameReferences(AssertTableUUID):
        def validate(self, base_metadata: TableMetadata | None) -> None:
            super().validate(base_metadata)
            if base_metadata is None or base_metadata.refs != planned:
                raise CommitFailedException("a branch or a tag changed meanwhile")

    unchanged = SameReferences(uuid=target.metadata.table_uuid)
    unchanged.validate(target.metadata)
    update = RemoveSnapshotsUpdate(snapshot_ids=[int(snapshot) for snapshot in snapshots])
    target.catalog.commit_table(target, requirements=(unchanged,), updates=(update,))


def _shown(target: Table) -> list[Shown]:
    """Give every snapshot with the moment when ``main`` moved on from it, or when it was made."""
    until = {snapshot.snapshot_id: snapshot.timestamp_ms for snapshot in target.snapshots()}
    log = target.metadata.snapshot_log
    for entry, following in itertools.pairwise(log):
        until[entry.snapshot_id] = max(until.get(entry.snapshot_id, 0), following.timestamp_ms)
    known = {snapshot.snapshot_id for snapshot in target.snapshots()}
    return [
        Shown(str(snapshot), dt.datetime.fromtimestamp(moment / 1000, dt.UTC))
        for snapshot, moment in until.items()
        if snapshot in known
    ]


def _referenced(target: Table) -> set[str]:
    """Give every data file, manifest and manifest list that a snapshot refers to."""
    found: set[str] = set()
    for snapshot in target.snapshots():
        found.add(_place(snapshot.manifest_list))
        for manifest in snapshot.manifests(target.io):
            if _place(manifest.manifest_path) not in found:
                found.add(_place(manifest.manifest_path))
                found.update(_place(entry.data_file.file_path) for entry in manifest.fetch_manifest_entry(target.io))
    return found


def _written(target: Table) -> set[str]:
    """Give every data file, manifest and manifest list that lies under a table's location.

    :raises Misconfigured: when they cannot be listed, or a file that is needed is missing from the list: then the list
        is not to be trusted, and nothing is removed by it.
    """
    from pyarrow.fs import FileSelector, FileType
    from pyiceberg.io.pyarrow import PyArrowFileIO

    name = ".".join(target.name())
    if not isinstance(target.io, PyArrowFileIO):
        raise Misconfigured(
            f"{name}: its files are reached by {type(target.io).__name__}, which cannot list them; set py-io-impl of "
            "the catalog to pyiceberg.io.pyarrow.PyArrowFileIO"
        )
    scheme, netloc, path = PyArrowFileIO.parse_location(target.location().rstrip("/"))
    files, found = target.io.fs_by_scheme(scheme, netloc), set()
    for folder in ("data", "metadata"):
        selector = FileSelector(f"{path}/{folder}", allow_not_found=True, recursive=True)
        found |= {
            f"{_scheme(scheme)}://{info.path}"
            for info in files.get_file_info(selector)
            if info.type == FileType.File and info.path.endswith((".parquet", ".avro"))
        }
    needed = {_place(snapshot.manifest_list) for snapshot in target.snapshots()}
    lost = sorted(place for place in needed - found if place.startswith(_place(target.location())))
    if lost:
        raise Misconfigured(
            f"{name}: {len(lost)} manifest lists are not among the {len(found)} files listed under "
            f"{target.location()}, the first is {lost[0]}; no file is removed"
        )
    return found


def _place(location: str) -> str:
    """Give a file's address in one form, however it was written down."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme, _, path = PyArrowFileIO.parse_location(location)
    return f"{_scheme(scheme)}://{path}"


def _scheme(scheme: str) -> str:
    return "s3" if scheme in ("s3a", "s3n") else scheme
