"""SQL tables as datasets: batches wait in tables of their own, and one transaction shows them to readers."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from xops.core.dataset.lineage import Place
from xops.core.dataset.parts import State, part_named, shown
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Refused, bounded
from xops.engines.sources import Batches
from xops.hooks.datasets.plain import PlainDatasets
from xops.hooks.datasets.rows import as_in_tables
from xops.hooks.datasets.sql_columns import read_as, readable
from xops.hooks.datasets.sql_parts import SqlParts
from xops.hooks.landing.sql_rows import read_query
from xops.hooks.sql.databases import answering, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Select

    from xops.core.dataset.parts import Part

_TYPED = 1_000  # rows whose values tell types, where the database does not
ADDRESS = re.compile(r"sql://(?P<conn_id>[^/@]+)/(?:(?P<schema>[^.]+)\.)?(?P<name>[^.]+)")


class SqlDatasets(PlainDatasets):
    """Datasets that are tables of an SQL database: ``sql://conn_id/schema.table``.

    A batch waits for its tests in a table of its own in the schema ``xops_staging``, and stays there in quarantine.
    Publishing is one transaction that deletes what the batch takes the place of, and inserts it. What became of each
    batch is said in ``xops_staging.parts``. Writers of one dataset wait for each other.

    A table keeps its newest version only: there is no reading, comparing or going back to what readers saw before, and
    no tag. What is staged or in quarantine can be read, and compared with what readers see. A batch that may evolve the
    table adds columns; no column's type is changed, and none has to be in a table that was made here, which holds
    integers of 64 bits and doubles. Of a table that somebody made, staging refuses rows that a column would not take or
    would change, and counts them; what its other constraints refuse shows when a batch is published.
    """

    stored = staticmethod(as_in_tables)

    @contextlib.contextmanager
    def opened(self, table: str) -> Iterator[SqlParts]:
        """Open a dataset for one transaction, which is committed at the end or leaves no trace."""
        address = _address(table)
        engine = engine_of(address["conn_id"])
        try:
            with answering(f"dataset {table}"), engine.begin() as connection:
                yield SqlParts(connection, address["schema"], address["name"])
        finally:
            engine.dispose()

    def place(self, table: str) -> Place:
        """Give the name by which lineage knows a table: of the database, not of the connection to it."""
        from airflow.sdk import BaseHook

        address = _address(table)
        connection = BaseHook.get_connection(address["conn_id"])
        port = f":{connection.port}" if connection.port else ""
        name = ".".join(part for part in (connection.schema, address["schema"], address["name"]) if part)
        return Place(f"{connection.conn_type}://{connection.host or ''}{port}", name)

    def opened_rows(
        self, version: DataVersion, columns: Sequence[str] | None, batches: Sequence[str] | None
    ) -> Batches:
        """Give a version as rows that are read from a cursor of the server, in the order in which they lie there."""
        import sqlalchemy as sa

        conn_id, query = self._query(version, columns, batches)
        _, counted = read_query(
            conn_id, sa.select(sa.func.count().label("n")).select_from(query.subquery()), {}, version.name
        )
        ((many,),) = (batch.column("n").to_pylist() for batch in counted)
        schema = self._typed(conn_id, query, version)

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            conn_id, query = self._query(version, names or schema.names[:1], batches)
            types = {name: schema.field(name).type for name in names}
            yield from read_query(conn_id, query, types, version.name)[1]
            self.parts_of(version)  # of what readers see, a query reads what they see when it starts

        return Batches(schema, read, many)

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version."""
        return self._typed(*self._query(version, None, None), version)

    @staticmethod
    def _typed(conn_id: str, query: Select[Any], version: DataVersion) -> pa.Schema:
        schema, rows = read_query(conn_id, query.limit(_TYPED), read_as(query.selected_columns), version.name)
        list(rows)
        return schema

    def roll_back(self, version: DataVersion) -> list[DataVersion]:
        """Refuse to go back: what a batch took the place of was deleted."""
        if self.published(version.table) != DataVersion(version.table, version.snapshot):
            raise Refused(
                f"{version.name}: an SQL table keeps its newest version only, so there is nothing to go back to; stage "
                "the earlier deliveries again, each takes the place of what the table has of its batch, or restore the "
                "database"
            )
        return []

    def versions(self, table: str) -> list[DataVersion]:
        """Give the version that readers see; earlier ones are not kept."""
        newest = self.published(table)
        return [newest] if newest else []

    def _query(
        self, version: DataVersion, columns: Sequence[str] | None, batches: Sequence[str] | None
    ) -> tuple[str, Select[Any]]:
        """Give the connection and the query of a version's rows.

        :raises Misconfigured: when it is not kept, or lacks a column.
        """
        import sqlalchemy as sa

        with self.opened(version.table) as dataset:
            (part, *others) = self._shown_by(version, dataset)
            alone = not others and part.id == version.snapshot
            waits = alone and part.state is not State.PUBLISHED
            found = dataset.waiting(part.id) if waits else dataset.target()
        if found is None:
            raise _not_kept(version)
        absent = [column for column in columns or () if column not in found.c]
        if absent:
            raise Misconfigured(
                f"{version.name}: no column {', '.join(absent)}; it has {bounded(', '.join(found.c.keys()))}"
            )
        query = sa.select(*(readable(found.c[column]) for column in (columns or found.c.keys())))
        wanted = [part.batch] if alone and batches is None else batches
        return _address(version.table)["conn_id"], query if wanted is None else dataset.of_batches(query, found, wanted)

    def parts_of(self, version: DataVersion) -> Sequence[Part]:
        """Give the parts that a version shows, or the one that it is."""
        with self.opened(version.table) as dataset:
            return self._shown_by(version, dataset)

    @staticmethod
    def _shown_by(version: DataVersion, dataset: SqlParts) -> list[Part]:
        parts = dataset.parts()
        part = part_named(parts, version.snapshot)
        if part is not None and part.state is not State.REPLACED:
            return [part]
        if version.snapshot != dataset.version(parts):
            raise _not_kept(version)
        return shown(parts)


def _address(table: str) -> re.Match[str]:
    found = ADDRESS.fullmatch(table)
    if found is None:
        raise Misconfigured(f"dataset {bounded(table)}: an address of the form sql://conn_id/schema.table was wanted")
    return found


def _not_kept(version: DataVersion) -> Misconfigured:
    return Misconfigured(f"{version.name}: this version is not kept; an SQL table keeps its newest only")
