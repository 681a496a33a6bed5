"""Which versions, deliveries and files of Parquet prefixes and SQL tables may go, and how."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING

from xops.core.dataset.expiry import Shown
from xops.core.dataset.parts import Part, State, moved, shown
from xops.hooks.datasets.expiry import Look
from xops.hooks.datasets.parquet_manifests import path_of
from xops.hooks.datasets.parquet_prefixes import Prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xops.core.dataset.parts import Parts
    from xops.hooks.datasets.parquet_manifests import Manifest
    from xops.hooks.datasets.sql_datasets import SqlDatasets


class PrefixExpiry:
    """Versions and files of Parquet prefixes that may go: also those that a staging wrote which was killed."""

    def look(self, table: str) -> Look:
        """Give the versions that readers have seen, and the deliveries that wait."""
        now = Prefix(table).manifests.newest()
        versions, holds = _waiting(now.parts)
        until = [*(one.at for one in now.history[1:]), *(one.at for one in now.history[-1:])]
        last = {one.version: moment for one, moment in zip(now.history, until, strict=True)}  # it may have come back
        versions += [Shown(version, dt.datetime.fromisoformat(moment)) for version, moment in last.items()]
        for one in now.history[-1:]:
            holds[one.version].append("readers see it")
        for tag, version in now.tags.items():
            holds[version].append(f"tag {tag}")
        return Look(versions, holds, now.number)

    def forget(self, table: str, versions: Sequence[str], look: Look) -> bool:
        """Let the next manifest know nothing of versions and deliveries, unless the dataset changed meanwhile."""
        manifests = Prefix(table).manifests

        def propose(now: Manifest) -> Manifest | None:
            if now.number != look.state:
                return None
            kept = tuple(one for one in now.history if one.version not in versions)
            return now.followed_by(parts=moved(now.parts, versions, State.REPLACED), history=kept)

        return manifests.append(propose).number == look.state + 1

    def unreferenced(self, table: str) -> set[str]:
        """Give the data files and the manifests that no version has, and no delivery that waits."""
        prefix = Prefix(table)
        written = {path for folder in ("data/", "manifests/") for path in prefix.objects.paths(folder)}
        newest = prefix.manifests.newest()  # asked after the listing
        numbers = {one.number for one in newest.history}
        named = {path_of(number) for number in (newest.number, *numbers)}
        named |= {file for part in newest.parts for file in part.files}
        for number in numbers:
            named |= {file for part in shown(prefix.manifests.numbered(number).parts) for file in part.files}
        return {path for path in written - named if path.startswith("data/") or path < path_of(newest.number)}

    def delete(self, table: str, file: str) -> None:
        """Remove a file."""
        Prefix(table).objects.delete(file)


class SqlExpiry:
    """Deliveries to SQL tables that may go: those that a later one of their batch has overtaken.

    :param lake: the tables.
    """

    def __init__(self, lake: SqlDatasets) -> None:
        self.lake = lake

    def look(self, table: str) -> Look:
        """Give the deliveries that wait."""
        with self.lake.opened(table) as dataset:
            parts = dataset.parts()
        versions, holds = _waiting(parts)
        return Look(versions, holds, parts)

    def forget(self, table: str, versions: Sequence[str], look: Look) -> bool:
        """Drop the tables of deliveries, unless the dataset changed meanwhile."""
        with self.lake.opened(table) as dataset:
            then = dataset.change(lambda now: moved(now, versions, State.REPLACED) if now == look.state else None)
        return then != look.state

    def unreferenced(self, table: str) -> set[str]:  # noqa: ARG002 - the interface
        """Give nothing: a transaction that was cut off leaves no table."""
        return set()

    def delete(self, table: str, file: str) -> None:
        """Remove nothing: there are no files."""


def _waiting(parts: Parts) -> tuple[list[Shown], defaultdict[str, list[str]]]:
    """Give the deliveries that are not published, and why some of them stay."""
    found, holds = [], defaultdict[str, list[str]](list)
    for part in parts:
        if part.state in (State.STAGED, State.QUARANTINED, State.DIVIDED):
            found.append(Shown(part.id, dt.datetime.fromisoformat(part.at)))
        if part.state is State.QUARANTINED:
            holds[part.id].append("it is in quarantine")
        if part.state is State.STAGED and not any(_overtakes(other, part) for other in parts):
            holds[part.id].append("it waits for its tests")
    return found, holds


def _overtakes(other: Part, part: Part) -> bool:
    return other.batch == part.batch and other.order > part.order
