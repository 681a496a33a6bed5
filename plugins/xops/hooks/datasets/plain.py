"""Datasets that are no Iceberg tables: a log of the parts that were delivered, over one storage or another."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from xops.core.dataset.lineage import Touched
from xops.core.dataset.parts import (
    Part,
    State,
    divided,
    is_shown_in_part,
    made_of,
    moved,
    next_order,
    part_named,
    passing_of,
    publishable,
    refuse_late,
    set_aside,
    shown,
    shown_in,
    with_delivery,
)
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import APPEND
from xops.core.evidence import slug
from xops.engines.streams import table_of
from xops.hooks import traced
from xops.hooks.datasets.rows import Incoming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from xops.core.dataset.lineage import Place
    from xops.core.dataset.parts import Parts
    from xops.core.dataset.writes import Write
    from xops.engines.sources import Batches
    from xops.hooks.datasets.rows import Portion


class Storage(Protocol):
    """The log and the rows of one dataset, open for one change."""

    def parts(self) -> Parts:
        """Give every part there is, oldest first."""

    def change(self, propose: Callable[[Parts], Parts | None]) -> Parts:
        """Let other parts hold, in one atomic step; give those that then hold.

        :param propose: from what holds to what is to hold; None when that is the same. It may be asked again, when
            another writer was faster.
        """

    def keep(self, part: Part, rows: Incoming) -> Part:
        """Keep the rows of a part where no reader sees them; give it with its id, and what is to be known of them."""

    def land(self, parts: Parts, part: Part, *, joins: bool, name: str) -> tuple[Parts, Part]:
        """Put the rows of a part where readers see them, in the place of what its mode supersedes.

        :param parts: the others, of which those of its batch have left already.
        :param joins: whether rows of its delivery are there, and stay.
        :param name: the version, as an error names it.
        :returns: the others, and the part with the rows that nothing supersedes.
        """

    def version(self, parts: Parts) -> str:
        """Give the name of the version that shows these parts."""

    def refuse_misfit(self, part: Part, rows: Incoming) -> None:
        """Refuse rows that do not fit what readers see.

        :raises Misconfigured: naming each column that is absent, new or of another type.
        """


class PlainDatasets:
    """Write-audit-publish over a log of parts; each change of it is one atomic step of its storage."""

    stored: Callable[[pa.DataType], pa.DataType] | None = None  # what is kept for a type of the rows; None for itself

    @abstractmethod
    def opened(self, table: str) -> AbstractContextManager[Storage]:
        """Open a dataset for one change."""

    @abstractmethod
    def place(self, table: str) -> Place:
        """Give the name by which lineage knows a dataset."""

    @abstractmethod
    def opened_rows(
        self, version: DataVersion, columns: Sequence[str] | None, batches: Sequence[str] | None
    ) -> Batches:
        """Give a version as rows that are read in pieces, as often as they are asked for."""

    @traced.reads_rows
    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version."""
        return table_of(self.opened_rows(version, columns, batches))

    def stream(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> Batches:
        """Give a version as rows that are read in pieces, as often as they are asked for, in the same order."""
        found = self.opened_rows(version, columns, batches)
        types = {field.name: str(field.type) for field in found.schema}
        traced.read(Touched(self.place(version.table), version.snapshot, types, found.num_rows))
        return found

    @traced.stages_rows
    def stage(
        self,
        rows: pa.Table | pa.RecordBatchReader,
        *,
        table: str,
        batch: str,
        write: Write = APPEND,
        source: str = "",
    ) -> DataVersion:
        """Put a batch where no reader sees it."""
        incoming = Incoming(rows, table=table, batch=batch, write=write, stored=self.stored)
        described = Part("", batch, 0, State.STAGED, 0, write=write, source=source, at=_now())
        with self.opened(table) as dataset:
            described = replace(described, columns=incoming.columns)
            dataset.refuse_misfit(described, incoming)
            staged = dataset.keep(described, incoming)
            dataset.change(lambda parts: with_delivery(parts, staged))
        return waiting_version(table, staged)

    @traced.publishes
    def publish(self, version: DataVersion) -> DataVersion:
        """Show a staged batch to readers in one step; publishing it again changes nothing."""
        with self.opened(version.table) as dataset:

            def propose(parts: Parts) -> Parts | None:
                if shown_in(parts, version.snapshot):
                    return None
                part = publishable(parts, version.snapshot, version.name)
                return _showing(dataset, tuple(one for one in parts if one is not part), part, version.name)

            return _published(version, dataset.change(propose))

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside with every row; readers see no change."""
        with self.opened(version.table) as dataset:
            dataset.change(lambda parts: set_aside(parts, version.snapshot, version.name))
        return _branch(State.QUARANTINED, version.batch, version.snapshot)

    def split(self, version: DataVersion, *, passing: Portion, failing: Portion) -> DataVersion:
        """Set the failing rows of a staged batch aside in one step; give the staged version of the others."""
        with self.opened(version.table) as dataset:
            done = passing_of(dataset.parts(), version.snapshot)
            if done is None:
                whole = publishable(dataset.parts(), version.snapshot, version.name)
                done, bad = (_kept(dataset, version, whole, rows) for rows in (passing, failing))
                both = (done, bad)
                dataset.change(lambda parts: divided(parts, version.snapshot, version.name, *both))
        return waiting_version(version.table, done)

    def quarantined(self, table: str) -> list[DataVersion]:
        """Give what is in quarantine, oldest first."""
        with self.opened(table) as dataset:
            return [waiting_version(table, part) for part in dataset.parts() if part.state is State.QUARANTINED]

    def source(self, version: DataVersion) -> str:
        """Say where the rows of a staged or quarantined version came from; empty if unknown."""
        with self.opened(version.table) as dataset:
            part = part_named(dataset.parts(), version.snapshot)
        return part.source if part else ""

    def beside(self, version: DataVersion) -> Batches | None:
        """Give the rows that readers see of the delivery that a quarantined version is of; None without any."""
        with self.opened(version.table) as dataset:
            in_part = is_shown_in_part(dataset.parts(), version.snapshot)
        published = self.published(version.table) if in_part else None
        return self.stream(published, batches=[version.batch]) if published else None

    def release(
        self, version: DataVersion, *, passing: Portion, failing: Portion, in_place_of_later: bool = False
    ) -> DataVersion | None:
        """Publish rows out of quarantine in one step, and keep the others there."""
        with self.opened(version.table) as dataset:
            aside = part_named(dataset.parts(), version.snapshot)
            if aside is not None and aside.state is State.QUARANTINED:
                good = _kept(dataset, version, aside, passing)
                bad = _kept(dataset, version, aside, failing) if failing.num_rows else None

                def propose(parts: Parts) -> Parts | None:
                    waiting = part_named(parts, version.snapshot)
                    if waiting is None or waiting.state is not State.QUARANTINED:
                        return None
                    order = next_order(parts) if in_place_of_later else waiting.order
                    released = replace(good, order=order)
                    refuse_late(parts, released, version.name)
                    kept = (replace(bad, order=order, state=State.QUARANTINED),) if bad else ()
                    left = (*moved(parts, [version.snapshot], State.REPLACED), *kept)
                    return _showing(dataset, left, released, version.name)

                dataset.change(propose)
            done = made_of(dataset.parts(), version.snapshot, State.PUBLISHED)
        return DataVersion(version.table, done.shown, done.batch, "", done.rows) if done else None

    @abstractmethod
    def roll_back(self, version: DataVersion) -> list[DataVersion]:
        """Let readers see an earlier version again, and set aside what was published since."""

    def published(self, table: str) -> DataVersion | None:
        """Give the version that readers see, or None while nothing was published."""
        with self.opened(table) as dataset:
            parts = dataset.parts()
            return DataVersion(table, dataset.version(parts)) if shown(parts) else None

    def deliveries(self, version: DataVersion) -> dict[str, str]:
        """Give the batches that a version holds, each with what names its rows: the parts that show them."""
        found: dict[str, list[str]] = {}
        for part in self.parts_of(version):
            found.setdefault(part.batch, []).append(part.id)
        return {batch: "+".join(ids) for batch, ids in found.items()}

    def staged_as(self, version: DataVersion, batch: str) -> set[str]:
        """Give the staged versions whose rows a version shows of a batch."""
        mine = [part for part in self.parts_of(version) if part.batch == batch]
        return {identity for part in mine for identity in (part.id, *part.of)}

    def staged_at(self, version: DataVersion, batch: str) -> dt.datetime | None:
        """Give when the rows of a batch that a version has were staged; None where that is not known."""
        moments = [part.at for part in self.parts_of(version) if part.batch == batch and part.at]
        return dt.datetime.fromisoformat(max(moments)) if moments else None

    @abstractmethod
    def parts_of(self, version: DataVersion) -> Sequence[Part]:
        """Give the parts that a version shows, or the one that it is."""


def _kept(dataset: Storage, version: DataVersion, of: Part, rows: Portion) -> Part:
    """Keep some of the rows of a part as a staged part of their own."""
    part = replace(of, of=(of.id, *of.of), state=State.STAGED, files=())
    return dataset.keep(part, Incoming(rows, table=version.table, batch=of.batch, write=of.write))


def _showing(dataset: Storage, parts: Parts, part: Part, name: str) -> Parts:
    """Give the parts that hold once a part is shown to readers, in the place of what it takes the place of."""
    former = {one.id for one in shown(parts) if one.batch == part.batch and one.order != part.order}
    joins = any(one.batch == part.batch and one.order == part.order for one in shown(parts))
    others, landed = dataset.land(moved(parts, former, State.REPLACED), part, joins=joins, name=name)
    landed = replace(landed, state=State.PUBLISHED, shown_at=_now())
    return (*others, replace(landed, shown=dataset.version((*others, landed))))


def waiting_version(table: str, part: Part) -> DataVersion:
    """Give the version of a part that is staged or in quarantine."""
    return DataVersion(table, part.id, part.batch, _branch(part.state, part.batch, part.id), part.rows)


def _branch(state: State, batch: str, identity: str) -> str:
    """Say where a part waits, in the words of Iceberg's branches."""
    if state is State.QUARANTINED:
        return f"quarantine-{slug(batch)}-{identity[:19]}"
    return f"audit-{slug(batch)}" if state is State.STAGED else ""


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def _published(version: DataVersion, parts: Parts) -> DataVersion:
    part = shown_in(parts, version.snapshot)
    if part is None:
        raise AssertionError("a version that was published is shown")
    return DataVersion(version.table, part.shown, version.batch, "", part.rows)
