"""What every kind of dataset offers for write-audit-publish, and which kind a dataset is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xops.core.dataset.writes import APPEND, Write

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import pyarrow as pa

    from xops.core.dataset.lineage import Place
    from xops.core.dataset.versions import DataVersion
    from xops.engines.sources import Batches
    from xops.hooks.datasets.rows import Portion


class DatasetStore(Protocol):
    """Datasets of one kind: Iceberg tables, Parquet prefixes or SQL tables.

    A batch is staged where no reader sees it, tested there, and then published in one atomic step or set aside. Every
    method may be killed at any line and called again with the same arguments; what it had done it then finds. At each
    moment a row of a staged batch is staged, published or in quarantine: in one of the three, once.

    On a dataset a batch has the rows of the delivery that was staged last of those that were published; an earlier
    delivery of it that comes to be published later is refused.
    """

    def stage(
        self,
        rows: pa.Table | pa.RecordBatchReader,
        *,
        table: str,
        batch: str,
        write: Write = APPEND,
        source: str = "",
    ) -> DataVersion:
        """Put a batch where no reader sees it; the dataset is made at its first batch.

        :param rows: of a stream only some are held at a time.
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

    def stream(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> Batches:
        """Give a version as rows that are read in pieces, in the same order as often as they are asked for."""

    def schema(self, version: DataVersion) -> pa.Schema:
        """Give the columns of a version, without reading a row.

        :raises Misconfigured: when the version has expired.
        """

    def publish(self, version: DataVersion) -> DataVersion:
        """Show a staged batch to readers in one atomic step; publishing it again changes nothing.

        Rows that a later batch supersedes by then are left out; the ``rows`` of the version say how many are shown.

        :raises Refused: when a later delivery of the batch was published, or when its mode cannot place its rows.
        :raises Misconfigured: when the batch is neither staged nor published.
        """

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside with every row, and say where; readers see no change.

        :raises Refused: when its rows were published, or released from quarantine, meanwhile.
        """

    def split(self, version: DataVersion, *, passing: Portion, failing: Portion) -> DataVersion:
        """Set the failing rows of a staged batch aside in one atomic step; give the staged version of the others.

        :param passing: with ``failing``, every row of the batch.
        """

    def quarantined(self, table: str) -> list[DataVersion]:
        """Give what is in quarantine, oldest first: for each batch set aside a version of those of its rows."""

    def source(self, version: DataVersion) -> str:
        """Say where the rows of a staged or quarantined version came from; empty when that is not known."""

    def beside(self, version: DataVersion) -> Batches | None:
        """Give the rows that readers see of the delivery that a quarantined version is of; None without any."""

    def release(
        self, version: DataVersion, *, passing: Portion, failing: Portion, in_place_of_later: bool = False
    ) -> DataVersion | None:
        """Publish rows out of quarantine in one atomic step, and keep the others there.

        Rows of a delivery that is published in part join it; others take the place of what there is of the batch.

        :param version: one of :meth:`quarantined`.
        :param passing: with ``failing``, every row of it; at least one.
        :param in_place_of_later: whether they are the latest delivery of their batch from now on, and take the place of
            one that was staged later and published.
        :returns: the published version, also when they were released before; None when they left in another way.
        :raises Refused: when a later delivery of the batch was published.
        """

    def published(self, table: str) -> DataVersion | None:
        """Give the version that readers see, or None while nothing was published."""

    def deliveries(self, version: DataVersion) -> dict[str, str]:
        """Give the batches that a version holds, each with a name of its rows that they have in other versions too."""

    def staged_as(self, version: DataVersion, batch: str) -> set[str]:
        """Give the snapshots as which the rows were staged, or set aside, that a version has of a batch."""

    def staged_at(self, version: DataVersion, batch: str) -> dt.datetime | None:
        """Give when the rows that a version has of a batch were staged; None where that is no longer known."""

    def place(self, table: str) -> Place:
        """Give the name by which lineage knows a dataset."""

    def roll_back(self, version: DataVersion) -> list[DataVersion]:
        """Let readers see an earlier version again, in one atomic step.

        What was published since goes to quarantine: of each batch the rows that readers see of it now.

        :param version: one of :meth:`versions`.
        :returns: what was set aside; nothing when readers see the version already.
        :raises Misconfigured: when what readers see does not stand on it.
        :raises Refused: when the kind of dataset keeps no earlier rows.
        """

    def versions(self, table: str) -> list[DataVersion]:
        """Give every version that readers see or have ever seen, oldest first; those that expired are left out."""


def store_of(table: str, *, iceberg_conn_id: str) -> DatasetStore:
    """Open the store of a dataset.

    :param table: it, or the name of a version of it: ``namespace.table`` of the Iceberg catalog that
        ``iceberg_conn_id`` names; ``sql://conn_id/schema.table`` for a table of a database; a folder or
        ``s3://conn_id@bucket/prefix`` for plain Parquet files.
    """
    if table.startswith("sql://"):
        from xops.hooks.datasets.sql_datasets import SqlDatasets

        return SqlDatasets()
    if "://" in table or table.startswith("/"):
        from xops.hooks.datasets.parquet_prefixes import ParquetPrefixes

        return ParquetPrefixes()
    from xops.hooks.iceberg.tables import IcebergHook

    return IcebergHook(iceberg_conn_id)
