"""SQL tables as datasets: batches wait in tables of their own, and one transaction shows them to readers."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from xops.core.dataset.lineage import Place
from xops.core.dataset.parts import State, part_named, shown
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Refused, bounded
from xops.hooks import traced
from xops.hooks.datasets.plain import PlainDatasets
from xops.hooks.datasets.sql_parts import SqlParts
from xops.hooks.landing.sql_rows import read_query
from xops.hooks.sql.databases import answering, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Select

    from xops.core.dataset.parts import Part

ADDRESS = re.compile(r"sql://(?P<conn_id>[^/@]+)/(?:(?P<schema>[^.]+)\.)?(?P<name>[^.]+)")


class SqlDatasets(PlainDatasets):
    """Datasets that are tables of an SQL database: ``sql://conn_id/schema.table``.

    A batch waits for its tests in a table of its own in the schema ``xops_staging``, and stays there in quarantine.
    Publishing is one transaction that deletes what the batch takes the place of, and inserts it. What became of each
    batch is said in ``xops_staging.parts``. Writers of one dataset wait for each other.

    A table keeps its newest version only: there is no reading, comparing or going back to what readers saw before, and
    no tag. What is staged or in quarantine can be read, and compared with what readers see. A batch that may evolve the
    table adds columns; no column's type is changed, and none has to be in a table that was made here, which holds
    integers of 64 bits and doubles.
    """

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

    @traced.reads_rows
    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version: staged or quarantined, or the one that readers see."""
        import pyarrow as pa

        schema, found = read_query(*self._query(version, columns, batches), {}, version.name)
        return pa.Table.from_batches(found, schema)

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version."""
        conn_id, query = self._query(version, None, None)
        schema, rest = read_query(conn_id, query.limit(0), {}, version.name)
        list(rest)
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
        query = sa.select(*(found.c[column] for column in (columns or found.c.keys())))
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
