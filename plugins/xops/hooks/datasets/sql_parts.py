"""The parts of a dataset that is an SQL table, within one transaction."""

from __future__ import annotations

import json
import secrets
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xops.core.dataset.parts import Part, State, shown
from xops.core.dataset.writes import BATCH, Mode
from xops.core.errors import Misconfigured, bounded
from xops.core.evidence import digest
from xops.hooks.datasets.sql_columns import add_columns, insert, refuse_misfit, refuse_names, table_like
from xops.hooks.datasets.sql_limits import limits_of, within, without_domains

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Select, Table

    from xops.core.dataset.parts import Parts
    from xops.hooks.datasets.rows import Incoming
    from xops.hooks.datasets.sql_limits import Limit

STAGING = "xops_staging"  # the schema of what readers do not see


class SqlParts:
    """The log and the tables of one dataset.

    :param connection: in a transaction.
    :param schema: of the table; None for the database's default.
    :param name: of the table.
    """

    def __init__(self, connection: Connection, schema: str | None, name: str) -> None:
        import sqlalchemy as sa

        self._connection, self._schema, self._name = connection, schema, name
        self._dataset = f"{schema or ''}.{name}"
        self._kept: list[str] = []
        self._limits: Sequence[Limit] = ()
        self._parts = sa.Table(
            "parts", sa.MetaData(), sa.Column("dataset", sa.Text), sa.Column("id", sa.Text),
            sa.Column("place", sa.BigInteger), sa.Column("part", sa.Text), schema=STAGING,
        )  # fmt: skip
        if not sa.inspect(connection).has_table("parts", schema=STAGING):
            self._lock(STAGING)
            connection.execute(sa.schema.CreateSchema(STAGING, if_not_exists=True))
            self._parts.create(connection, checkfirst=True)

    def parts(self) -> Parts:
        """Give every part there is, oldest first."""
        import sqlalchemy as sa

        mine = sa.select(self._parts.c.part).where(self._parts.c.dataset == self._dataset).order_by("place")
        return tuple(Part.from_json(json.loads(row.part)) for row in self._connection.execute(mine))

    def change(self, propose: Callable[[Parts], Parts | None]) -> Parts:
        """Write down what became of the parts, while other writers wait; tables that no part has any more go."""
        self._lock(self._dataset)
        now = self.parts()
        proposed = propose(now)
        then = now if proposed is None else proposed
        for part in then:
            if part not in now:
                self._put(part)
                if part.state in (State.REPLACED, State.PUBLISHED):
                    self.drop(part.id)
        for identity in {*self._kept} - {part.id for part in then}:
            self.drop(identity)
        return then

    def refuse_misfit(self, part: Part, rows: Incoming) -> None:
        """Refuse rows that do not fit the table by their types; by their values :meth:`keep` then does."""
        dialect, target = self._connection.dialect, self.target()
        refuse_names(rows.schema, rows.what, dialect)
        if target is not None:
            refuse_misfit(rows.schema, target, rows.what, evolve=part.write.evolve, dialect=dialect)
        self._limits = limits_of(rows.schema, target, dialect)

    def keep(self, part: Part, rows: Incoming) -> Part:
        """Put the rows of a part into a table of its own."""
        import sqlalchemy as sa

        identity = str(1 + (1 << 61) + secrets.randbelow(1 << 61))
        made = table_like(rows.schema, _waiting_name(identity), schema=STAGING, metadata=sa.MetaData())
        made.create(self._connection)
        self._kept.append(identity)
        for piece in within(rows.pieces(), self._limits, rows.what):
            insert(self._connection, made, piece)
        return replace(part, id=identity, rows=rows.rows, unkeyed=rows.unkeyed)

    def land(self, parts: Parts, part: Part, *, joins: bool, name: str) -> tuple[Parts, Part]:
        """Delete what a part takes the place of, and insert it."""
        waiting, target = self.waiting(part.id), self.target()
        if waiting is None:
            raise Misconfigured(f"{name}: its rows are gone; stage the batch again")
        target = self._fitting(part, waiting, self._made_like(waiting) if target is None else target, name)
        if not joins:
            self._connection.execute(target.delete().where(target.c[BATCH] == part.batch))
        placed = self._placed(part, waiting, target, {one.batch for one in shown(parts)} - {part.batch})
        columns = [column.name for column in waiting.columns]
        into = target.insert().from_select(columns, placed).execution_options(preserve_rowcount=True)
        return parts, replace(part, rows=self._connection.execute(into).rowcount)

    @staticmethod
    def version(parts: Parts) -> str:
        """Give the number of the version that readers see, or will see once a part is shown that was not before."""
        numbers = [int(part.shown) for part in parts if part.shown]
        comes = any(not part.shown for part in shown(parts))
        return str(max(numbers, default=0) + comes)

    def target(self) -> Table | None:
        """Give the table that readers read; None while there is none."""
        found = self._reflected(self._name, self._schema)
        return None if found is None else without_domains(self._connection, found)

    def waiting(self, identity: str) -> Table | None:
        """Give the table in which a part waits; None when there is none."""
        return self._reflected(_waiting_name(identity), STAGING)

    def drop(self, identity: str) -> None:
        """Remove the table in which a part waited."""
        waiting = self.waiting(identity)
        if waiting is not None:
            waiting.drop(self._connection)

    @staticmethod
    def of_batches(query: Select[Any], table: Table, batches: Sequence[str]) -> Select[Any]:
        """Give a query of a table's rows that came with some batches."""
        return query.where(table.c[BATCH].in_(list(batches)))

    def _lock(self, what: str) -> None:
        """Let other writers wait until this transaction ends."""
        import sqlalchemy as sa

        if self._connection.dialect.name == "postgresql":
            key = int(digest(what)[:15], 16)
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def _put(self, part: Part) -> None:
        import sqlalchemy as sa

        mine = (self._parts.c.dataset == self._dataset) & (self._parts.c.id == part.id)
        body = json.dumps(part.to_json())
        if not self._connection.execute(self._parts.update().where(mine).values(part=body)).rowcount:
            place = sa.select(sa.func.coalesce(sa.func.max(self._parts.c.place), 0) + 1).scalar_subquery()
            self._connection.execute(
                self._parts.insert().values(dataset=self._dataset, id=part.id, place=place, part=body)
            )

    def _fitting(self, part: Part, waiting: Table, target: Table, name: str) -> Table:
        """Give the table with the columns of a part, added where the part may do that."""
        new = [column for column in waiting.columns if column.name not in target.c]
        if new and not part.write.evolve:
            said = bounded(", ".join(column.name for column in new))
            raise Misconfigured(f"{name} does not fit the table, which has no column {said}")
        if new:
            add_columns(self._connection, target, new)
            return self.target()  # type: ignore[return-value]
        return target

    def _placed(self, part: Part, waiting: Table, target: Table, batches: set[str]) -> Select[Any]:
        """Delete what the mode of a part supersedes, and give the query of its rows that nothing supersedes."""
        import sqlalchemy as sa

        query = sa.select(*waiting.columns)
        if part.write.mode is Mode.APPEND:
            return query
        same = sa.and_(*(target.c[column] == waiting.c[column] for column in part.write.by))
        earlier = {batch for batch in batches if batch < part.batch or part.write.mode is Mode.OVERWRITE}
        superseded = target.c[BATCH].in_(sorted(earlier)) & sa.exists(
            sa.select(sa.literal(1)).select_from(waiting).where(same)
        )
        self._connection.execute(target.delete().where(superseded))
        later = target.c[BATCH].in_(sorted(batches - earlier))
        return query.where(~sa.exists(sa.select(sa.literal(1)).select_from(target).where(same & later)))

    def _made_like(self, waiting: Table) -> Table:
        import sqlalchemy as sa

        if self._schema:
            self._connection.execute(sa.schema.CreateSchema(self._schema, if_not_exists=True))
        columns = [sa.Column(column.name, column.type) for column in waiting.columns]
        target = sa.Table(self._name, sa.MetaData(), *columns, schema=self._schema)
        target.create(self._connection)
        return target

    def _reflected(self, name: str, schema: str | None) -> Table | None:
        import sqlalchemy as sa

        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Did not recognize type", sa.exc.SAWarning)  # it is read as text
                return sa.Table(name, sa.MetaData(), schema=schema, autoload_with=self._connection)
        except sa.exc.NoSuchTableError:
            return None


def _waiting_name(identity: str) -> str:
    return f"part_{identity}"
