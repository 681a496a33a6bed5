"""SQL tables as datasets: batches wait in tables of their own, and one transaction shows them to readers."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from dataclasses import replace
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
from xops.core.errors import Misconfigured, Refused, bounded
from xops.core.evidence import digest, slug
from xops.hooks.datasets.rows import unkeyed, with_batch
from xops.hooks.datasets.sql_columns import insert, refuse_misfit, table_like
from xops.hooks.landing.sql_rows import read_query
from xops.hooks.sql.databases import answering, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Connection, Select, Table

ADDRESS = re.compile(r"sql://(?P<conn_id>[^/@]+)/(?:(?P<schema>[^.]+)\.)?(?P<name>[^.]+)")
STAGING = "xops_staging"  # the schema of what readers do not see


class SqlDatasets:
    """Datasets that are tables of an SQL database: ``sql://conn_id/schema.table``.

    A batch waits for its tests in a table of its own in the schema ``xops_staging``, and stays there in quarantine.
    Publishing is one transaction that deletes what the batch takes the place of, and inserts it. What became of each
    batch is said in ``xops_staging.parts``. Writers of one dataset wait for each other. A table keeps its newest
    version only; its readers see that one.
    """

    def stage(self, rows: pa.Table, *, table: str, batch: str, write: Write = APPEND, source: str = "") -> DataVersion:
        """Put a batch into a table of its own; it takes the place of one that was staged before."""
        rows = with_batch(rows, table=table, batch=batch, write=write)
        part = Part(
            _new_id(), batch, 0, State.STAGED, rows.num_rows, write=write, source=source, unkeyed=unkeyed(rows, write)
        )
        with _opened(table) as database:
            target = database.target()
            if target is not None:
                refuse_misfit(rows.schema, target, f"{table}: batch {batch}")
            database.keep_rows(part, rows)
            parts = database.locked()
            for other in parts:
                if other.state is State.STAGED and other.batch == batch:
                    database.put(replace(other, state=State.REPLACED))
            database.put(replace(part, order=1 + max((one.order for one in parts), default=0)))
        return _staged(table, part)

    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version: staged or quarantined, or the one that readers see."""
        import pyarrow as pa

        with _opened(version.table) as database:
            query = database.select(version, columns, batches)
            conn_id = database.conn_id
        schema, found = read_query(conn_id, query, {}, version.name)
        return pa.Table.from_batches(found, schema)

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version."""
        with _opened(version.table) as database:
            query = database.select(version, None, None).limit(0)
            conn_id = database.conn_id
        schema, rest = read_query(conn_id, query, {}, version.name)
        list(rest)
        return schema

    def publish(self, version: DataVersion) -> DataVersion:
        """Show a staged batch to readers in one transaction; publishing it again changes nothing."""
        with _opened(version.table) as database:
            parts = database.locked()
            if not shown_in(parts, version.snapshot):
                part = publishable(parts, version.snapshot, version.name)
                database.show(part, [one for one in parts if one is not part], version.name)
            return _published(version, database.locked())

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside in its table; readers see no change."""
        with _opened(version.table) as database:
            parts = database.locked()
            if shown_in(parts, version.snapshot):
                raise Refused(f"{version.name}: it was published, and is not set aside")
            part = part_named(parts, version.snapshot)
            if part is None or part.state is State.REPLACED:
                raise Misconfigured(f"{version.name}: this version is not staged, so there is nothing to set aside")
            database.put(replace(part, state=State.QUARANTINED))
        return _branch(State.QUARANTINED, version.batch, version.snapshot)

    def split(self, version: DataVersion, *, passing: pa.Table, failing: pa.Table) -> DataVersion:
        """Set the failing rows of a staged batch aside in one transaction; give the staged version of the others."""
        with _opened(version.table) as database:
            parts = database.locked()
            done = made_of(parts, version.snapshot, State.STAGED, State.PUBLISHED)
            if done is None:
                part = publishable(parts, version.snapshot, version.name)
                done = database.keep_as(part, passing, State.STAGED)
                database.keep_as(part, failing, State.QUARANTINED)
                database.put(replace(part, state=State.REPLACED))
        return _staged(version.table, done)

    def quarantined(self, table: str) -> list[DataVersion]:
        """Give what is in quarantine, oldest first."""
        with _opened(table) as database:
            return [_staged(table, part) for part in database.locked() if part.state is State.QUARANTINED]

    def source(self, version: DataVersion) -> str:
        """Say where the rows of a staged or quarantined version came from; empty if unknown."""
        with _opened(version.table) as database:
            part = part_named(database.locked(), version.snapshot)
        return part.source if part else ""

    def beside(self, version: DataVersion) -> pa.Table | None:
        """Give the rows that readers see of the delivery that a quarantined version is of; None without any."""
        with _opened(version.table) as database:
            in_part = is_shown_in_part(database.locked(), version.snapshot)
        published = self.published(version.table) if in_part else None
        return self.rows(published, batches=[version.batch]) if published else None

    def release(self, version: DataVersion, *, passing: pa.Table, failing: pa.Table) -> DataVersion | None:
        """Publish rows out of quarantine in one transaction, and keep the others there."""
        with _opened(version.table) as database:
            parts = database.locked()
            part = part_named(parts, version.snapshot)
            if part is not None and part.state is State.QUARANTINED:
                refuse_late(parts, replace(part, unkeyed=unkeyed(passing, part.write)), version.name)
                released = database.keep_as(part, passing, State.STAGED)
                if failing.num_rows:
                    database.keep_as(part, failing, State.QUARANTINED)
                database.put(replace(part, state=State.REPLACED))
                others = [one for one in database.locked() if one.id != released.id]
                database.show(released, others, version.name)
            done = made_of(database.locked(), version.snapshot, State.PUBLISHED)
        return DataVersion(version.table, done.shown, done.batch, "", done.rows) if done else None

    def published(self, table: str) -> DataVersion | None:
        """Give the version that readers see, or None while nothing was published."""
        with _opened(table) as database:
            newest = database.newest()
        return DataVersion(table, str(newest)) if newest else None

    def versions(self, table: str) -> list[DataVersion]:
        """Give the version that readers see; earlier ones are not kept."""
        newest = self.published(table)
        return [newest] if newest else []


class _Dataset:
    """One dataset within a transaction."""

    def __init__(self, connection: Connection, table: str, address: re.Match[str]) -> None:
        import sqlalchemy as sa

        self.table, self.conn_id = table, address["conn_id"]
        self._schema, self._name = address["schema"], address["name"]
        self._connection, self._metadata = connection, sa.MetaData()
        self._parts = sa.Table(
            "parts", self._metadata, sa.Column("dataset", sa.Text), sa.Column("id", sa.Text),
            sa.Column("place", sa.BigInteger), sa.Column("part", sa.Text), schema=STAGING,
        )  # fmt: skip
        self._places = 0
        self._ready()

    def _ready(self) -> None:
        """Make the schema and the table of parts, where they are not there yet."""
        import sqlalchemy as sa

        if not sa.inspect(self._connection).has_table("parts", schema=STAGING):
            self._lock(STAGING)
            self._connection.execute(sa.schema.CreateSchema(STAGING, if_not_exists=True))
            self._parts.create(self._connection, checkfirst=True)

    def _lock(self, what: str) -> None:
        """Let other writers wait until this transaction ends."""
        import sqlalchemy as sa

        if self._connection.dialect.name == "postgresql":
            key = int(digest(what)[:15], 16)
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def locked(self) -> list[Part]:
        """Give every part of the dataset, oldest first, and let other writers wait."""
        import sqlalchemy as sa

        self._lock(f"{self._schema}.{self._name}")
        mine = sa.select(self._parts.c.part).where(self._parts.c.dataset == self._dataset)
        return [Part.from_json(json.loads(row.part)) for row in self._connection.execute(mine.order_by("place"))]

    @property
    def _dataset(self) -> str:
        return f"{self._schema or ''}.{self._name}"

    def put(self, part: Part) -> None:
        """Say what became of a part; the rows of one that is replaced or published leave its table."""
        import sqlalchemy as sa

        mine = (self._parts.c.dataset == self._dataset) & (self._parts.c.id == part.id)
        body = json.dumps(part.to_json())
        if not self._connection.execute(self._parts.update().where(mine).values(part=body)).rowcount:
            place = sa.select(sa.func.coalesce(sa.func.max(self._parts.c.place), 0) + 1).scalar_subquery()
            self._connection.execute(
                self._parts.insert().values(dataset=self._dataset, id=part.id, place=place, part=body)
            )
        if part.state in (State.REPLACED, State.PUBLISHED):
            self._waiting(part.id).drop(self._connection, checkfirst=True)

    def keep_rows(self, part: Part, rows: pa.Table) -> None:
        """Put the rows of a part into a table of its own."""
        made = table_like(rows.schema, self._waiting_name(part.id), schema=STAGING, metadata=self._metadata)
        made.create(self._connection)
        insert(self._connection, made, rows)

    def keep_as(self, part: Part, rows: pa.Table, state: State) -> Part:
        """Make a part of some of the rows of another."""
        made = replace(
            part,
            id=_new_id(),
            of=(part.id, *part.of),
            rows=rows.num_rows,
            state=state,
            unkeyed=unkeyed(rows, part.write),
        )
        self.keep_rows(made, rows)
        self.put(made)
        return made

    def target(self) -> Table | None:
        """Give the table that readers read; None while there is none."""
        return self._reflected(self._name, self._schema)

    def newest(self) -> int:
        """Give the number of the version that readers see; 0 while nothing was published."""
        return max((int(part.shown) for part in self.locked() if part.shown), default=0)

    def show(self, part: Part, others: Sequence[Part], name: str) -> None:
        """Put a part where readers see it, in the place of what it takes the place of."""
        waiting = self._waiting(part.id)
        target = self.target()
        if target is None:
            target = self._made_like(waiting)
        shown = [one for one in others if one.state is State.PUBLISHED]
        joined = any(one.batch == part.batch and one.order == part.order for one in shown)
        columns = [column.name for column in waiting.columns]
        if {*columns} != {column.name for column in target.columns}:
            raise Misconfigured(f"{name} does not fit the table: its columns are {bounded(', '.join(columns))}")
        if not joined:
            self._connection.execute(target.delete().where(target.c[BATCH] == part.batch))
            for one in shown:
                if one.batch == part.batch:
                    self.put(replace(one, state=State.REPLACED))
        placed = self._placed(part, waiting, target, {one.batch for one in shown})
        into = target.insert().from_select(columns, placed).execution_options(preserve_rowcount=True)
        inserted = self._connection.execute(into).rowcount
        version = str(1 + max((int(one.shown) for one in others if one.shown), default=0))
        self.put(replace(part, state=State.PUBLISHED, rows=inserted, shown=version))

    def _placed(self, part: Part, waiting: Table, target: Table, batches: set[str]) -> Select[Any]:
        """Delete what the mode of a part supersedes, and give the query of its rows that nothing supersedes."""
        import sqlalchemy as sa

        query = sa.select(*waiting.columns)
        if part.write.mode is Mode.APPEND:
            return query
        same = sa.and_(*(target.c[column] == waiting.c[column] for column in part.write.by))
        earlier = {batch for batch in batches if batch < part.batch or part.write.mode is Mode.OVERWRITE} - {part.batch}
        superseded = target.c[BATCH].in_(sorted(earlier)) & sa.exists(
            sa.select(sa.literal(1)).select_from(waiting).where(same)
        )
        self._connection.execute(target.delete().where(superseded))
        later = target.c[BATCH].in_(sorted(batches - earlier - {part.batch}))
        return query.where(~sa.exists(sa.select(sa.literal(1)).select_from(target).where(same & later)))

    def select(self, version: DataVersion, columns: Sequence[str] | None, batches: Sequence[str] | None) -> Select[Any]:
        """Give the query of a version's rows.

        :raises Misconfigured: when it is not kept, or lacks a column.
        """
        import sqlalchemy as sa

        part = part_named(self.locked(), version.snapshot)
        found = self.target()
        if part is not None and part.state is not State.PUBLISHED:
            found = self._reflected(self._waiting_name(part.id), STAGING)
        elif part is not None:
            batches = [part.batch]
        elif version.snapshot != str(self.newest()):
            found = None
        if found is None:
            raise Misconfigured(f"{version.name}: this version is not kept; an SQL table keeps its newest only")
        absent = [column for column in columns or () if column not in found.c]
        if absent:
            raise Misconfigured(
                f"{version.name}: no column {', '.join(absent)}; it has {bounded(', '.join(found.c.keys()))}"
            )
        query = sa.select(*(found.c[column] for column in (columns or found.c.keys())))
        return query if batches is None else query.where(found.c[BATCH].in_(list(batches)))

    def _made_like(self, waiting: Table) -> Table:
        import sqlalchemy as sa

        if self._schema:
            self._connection.execute(sa.schema.CreateSchema(self._schema, if_not_exists=True))
        columns = [sa.Column(column.name, column.type) for column in waiting.columns]
        target = sa.Table(self._name, self._metadata, *columns, schema=self._schema)
        target.create(self._connection)
        return target

    def _reflected(self, name: str, schema: str | None) -> Table | None:
        import sqlalchemy as sa

        try:
            return sa.Table(name, sa.MetaData(), schema=schema, autoload_with=self._connection)
        except sa.exc.NoSuchTableError:
            return None

    def _waiting(self, identity: str) -> Table:
        import sqlalchemy as sa

        found = self._reflected(self._waiting_name(identity), STAGING)
        return found if found is not None else sa.Table(self._waiting_name(identity), sa.MetaData(), schema=STAGING)

    def _waiting_name(self, identity: str) -> str:
        return f"part_{identity}"


@contextlib.contextmanager
def _opened(table: str) -> Iterator[_Dataset]:
    """Open a dataset for one transaction, which is committed at the end or leaves no trace."""
    address = ADDRESS.fullmatch(table)
    if address is None:
        raise Misconfigured(f"dataset {bounded(table)}: an address of the form sql://conn_id/schema.table was wanted")
    engine = engine_of(address["conn_id"])
    try:
        with answering(f"dataset {table}"), engine.begin() as connection:
            yield _Dataset(connection, table, address)
    finally:
        engine.dispose()


def _new_id() -> str:
    return str(1 + (1 << 61) + secrets.randbelow(1 << 61))


def _staged(table: str, part: Part) -> DataVersion:
    return DataVersion(table, part.id, part.batch, _branch(part.state, part.batch, part.id), part.rows)


def _branch(state: State, batch: str, identity: str) -> str:
    """Say where a part waits, in the words of Iceberg's branches."""
    if state is State.QUARANTINED:
        return f"quarantine-{slug(batch)}-{identity}"
    return f"audit-{slug(batch)}" if state is State.STAGED else ""


def _published(version: DataVersion, parts: Sequence[Part]) -> DataVersion:
    mine = [part for part in parts if version.snapshot in (part.id, *part.of) and part.shown]
    return DataVersion(version.table, mine[0].shown, version.batch, "", mine[0].rows)
