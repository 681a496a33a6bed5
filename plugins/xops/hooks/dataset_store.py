"""What every kind of dataset offers for write-audit-publish, and which kind a dataset is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xops.core.errors import Misconfigured
from xops.core.writes import APPEND, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from xops.core.versions import DataVersion


def refuse_untested(version: DataVersion) -> None:
    """Refuse to publish rows that are not those that were staged and tested.

    :raises Misconfigured: always.
    """
    raise Misconfigured(
        f"{version.name}: of batch {version.batch} {version.rows} rows are left since a later batch has some of its "
        "keys, and these were not tested as they are now; stage and test the batch again"
    )


class DatasetStore(Protocol):
    """Datasets of one kind: Iceberg tables, Parquet prefixes or SQL tables.

    A batch is staged where no reader sees it, tested there, and then published in one atomic step or set aside. Every
    method may be killed at any line and called again with the same arguments; what it had done it then finds. At each
    moment a row of a staged batch is staged, published or in quarantine: in one of the three, once.

    On a dataset a batch has the rows of the delivery that was staged last of those that were published; an earlier
    delivery of it that comes to be published later is refused.
    """

    def stage(self, rows: pa.Table, *, table: str, batch: str, write: Write = APPEND, source: str = "") -> DataVersion:
        """Put a batch where no reader sees it; the dataset is made at its first batch.

        :param source: where the rows came from, for the record.
        :raises Misconfigured: when there are no rows or they do not fit the dataset.
        """

    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version: staged, published or quarantined.

        :param columns: only these, in this order; None for all.
        :param batches: only these; None for all.
        :raises Misconfigured: when the version has expired or lacks a column.
        """

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version, without reading a row.

        :raises Misconfigured: when the version has expired.
        """

    def publish(self, version: DataVersion, *, audit: Callable[[DataVersion], None] = refuse_untested) -> DataVersion:
        """Show a staged batch to readers in one atomic step; publishing it again changes nothing.

        :param audit: tests rows that differ from those staged, because others were published meanwhile; it raises
            to keep them from readers.
        :raises Refused: when a later delivery of the batch was published.
        :raises Misconfigured: when the batch is neither staged nor published.
        """

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside with every row, and say where; readers see no change."""

    def split(self, version: DataVersion, *, passing: pa.Table, failing: pa.Table) -> DataVersion:
        """Set the failing rows of a staged batch aside in one atomic step; give the staged version of the others.

        :param passing: with ``failing``, every row of the batch.
        """

    def quarantined(self, table: str) -> list[DataVersion]:
        """Give what is in quarantine, oldest first: for each batch set aside a version of those of its rows."""

    def release(self, version: DataVersion, *, passing: pa.Table, failing: pa.Table) -> DataVersion | None:
        """Publish rows out of quarantine in one atomic step, and keep the others there.

        :param version: one of :meth:`quarantined`.
        :param passing: with ``failing``, every row of it.
        :returns: the published version; None when this version has left quarantine already.
        :raises Refused: when a later delivery of the batch was published.
        """

    def published(self, table: str) -> DataVersion | None:
        """Give the version that readers see, or None while nothing was published."""

    def versions(self, table: str) -> list[DataVersion]:
        """Give every version that readers see or have ever seen, oldest first; those that expired are left out."""


def store_of(table: str, *, iceberg_conn_id: str) -> DatasetStore:
    """Open the store of a dataset.

    :param table: ``namespace.table`` of the Iceberg catalog that ``iceberg_conn_id`` names; ``sql://conn_id/schema.table``
        for a table of a database; a folder or ``s3://conn_id@bucket/prefix`` for plain Parquet files.
    """
    if table.startswith("sql://"):
        from xops.hooks.sql_datasets import SqlDatasets

        return SqlDatasets()
    if "://" in table or table.startswith("/"):
        from xops.hooks.parquet_prefixes import ParquetPrefixes

        return ParquetPrefixes()
    from xops.hooks.iceberg_tables import IcebergHook

    return IcebergHook(iceberg_conn_id)
