"""Data versions as Iceberg snapshots: a batch lands on an audit branch, and `main` moves only when it may."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseHook

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.evidence import slug
from xops.core.versions import DataVersion
from xops.hooks import settings
from xops.hooks.once import first_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

BATCH = "batch"  # the column, added at staging, that says which batch a row came with
_STANDS_FOR = "xops.stands-for"
_RACES = 20


class IcebergHook(BaseHook):
    """Tables of one Iceberg catalog.

    :param conn_id: an Airflow connection: ``host`` is the catalog's URI, ``login`` and ``password`` its credentials,
        ``extra`` its further properties as pyiceberg names them (``type``, ``warehouse``, ``s3.endpoint``...). Where
        no such connection exists, the catalog is an SQLite file under AIRFLOW_HOME, for one machine only.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "iceberg_default"
    conn_type = "iceberg"
    hook_name = "Iceberg (xops)"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._catalog: Catalog | None = None

    @property
    def catalog(self) -> Catalog:
        """The catalog, opened at first use.

        :raises Misconfigured: when the properties do not describe one.
        :raises Unavailable: when it does not answer.
        """
        if self._catalog is None:
            self._catalog = self._open()
        return self._catalog

    def stage(self, rows: pa.Table, *, table: str, batch: str, stands_for: str = "") -> DataVersion:
        """Put the rows of a batch onto its audit branch; ``main`` does not move.

        On the branch they stand in for whatever rows of that batch the table has, so a batch that is delivered or
        staged again is never doubled. The table is made at the first batch, partitioned by batch.

        :param rows: any schema that fits the table's.
        :param stands_for: the snapshot of an earlier staging whose rows these are; :meth:`publish` uses it.
        :raises Misconfigured: when there are no rows or they do not fit.
        """
        import pyarrow as pa
        from pyiceberg.exceptions import CommitFailedException, ValidationException

        if not rows.num_rows:
            raise Misconfigured(f"{table}: batch {batch} has no rows; at least one was wanted")
        if BATCH in rows.column_names:
            others = set(rows[BATCH].unique().to_pylist()) - {batch}
            if others:
                raise Misconfigured(
                    f"{table}: the rows of batch {batch} have a column {BATCH!r} of their own, with {bounded(others)}; "
                    "that name is taken by the batch a row came with, so rename the source's column"
                )
            rows = rows.drop_columns([BATCH])
        rows = _storable(rows, table, batch).append_column(BATCH, pa.array([batch] * rows.num_rows, pa.string()))
        for _ in range(_RACES):
            target = self._table(table, rows.schema)
            try:
                with self._answering(), contextlib.redirect_stdout(io.StringIO()):  # pyiceberg prints what does not fit
                    return self._stage_once(target, rows, table, batch, stands_for)
            except (CommitFailedException, ValidationException):
                continue
            except (ValueError, TypeError, NotImplementedError, pa.ArrowException) as error:
                if self.table(table).metadata_location != target.metadata_location:
                    continue  # another batch landed meanwhile, which pyiceberg says in this way too
                wrong = _differences(rows.schema, target) or bounded(error)
                raise Misconfigured(f"{table}: batch {batch} does not fit the table: {wrong}") from error
        raise Unavailable(f"{table}: others wrote {_RACES} times while batch {batch} was staged; try again later")

    def _stage_once(self, target: Table, rows: pa.Table, table: str, batch: str, stands_for: str) -> DataVersion:
        from pyiceberg.expressions import EqualTo
        from pyiceberg.table.update.snapshot import ManageSnapshots

        branch, head = f"audit-{slug(batch)}", _head(target)
        if branch in target.refs():
            target.manage_snapshots().remove_branch(branch).commit()
        # pyiceberg's own retry forgets that the branch was to be made, and appends to another staging of the batch
        once = {**target.metadata.properties, "commit.retry.num-retries": "0"}
        target.metadata = target.metadata.model_copy(update={"properties": once})
        with target.transaction() as staging:
            ManageSnapshots(staging).create_branch(head, branch).commit()
            if batch in self._batches(target, head):
                staging.delete(EqualTo(BATCH, batch), branch=branch)
            staging.append(rows, {"xops.batch": batch, _STANDS_FOR: stands_for}, branch=branch)
        staged = target.snapshot_by_name(branch)
        return DataVersion(table, str(staged.snapshot_id), batch, branch, rows.num_rows)  # type: ignore[union-attr]

    def publish(self, version: DataVersion) -> DataVersion:
        """Move ``main`` to a staged batch in one atomic step; publishing it again changes nothing.

        When ``main`` moved since the batch was staged, the same rows are staged anew on top of it first.

        :raises Misconfigured: when the batch is neither staged nor published.
        """
        from pyiceberg.exceptions import CommitFailedException

        for _ in range(_RACES):
            target = self.table(version.table)
            published = _published_as(target, version.snapshot)
            if published is not None:
                return DataVersion(version.table, published, version.batch, "", version.rows)
            quarantine = _quarantine_of(version)
            if quarantine in target.refs():
                raise Misconfigured(f"{version.name}: it is quarantined on branch {quarantine}, and not published")
            if target.snapshot_by_id(int(version.snapshot)) is None:
                raise Misconfigured(
                    f"{version.name}: this snapshot is gone, so there is nothing to publish; stage the batch again"
                )
            if _head(target) not in _history(target, int(version.snapshot)):
                rows = self.rows(version, batches=[version.batch])
                stands_for = version.snapshot
                version = self.stage(rows, table=version.table, batch=version.batch, stands_for=stands_for)
                continue
            with self._answering(), contextlib.suppress(CommitFailedException):
                snapshots = target.manage_snapshots()
                snapshots = snapshots.set_current_snapshot(int(version.snapshot))
                (snapshots.remove_branch(version.branch) if _heads(target, version) else snapshots).commit()
        raise Unavailable(
            f"{version.table}: main was moved by others {_RACES} times while batch {version.batch} waited"
        )

    def quarantine(self, version: DataVersion) -> str:
        """Set a staged batch aside under a branch of its own, with every row; ``main`` does not move.

        :returns: the branch: ``quarantine-<batch>-<snapshot>``.
        """
        from pyiceberg.exceptions import CommitFailedException

        target = self.table(version.table)
        branch = _quarantine_of(version)
        for _ in range(_RACES):
            if branch in target.refs():
                return branch
            with self._answering(), contextlib.suppress(CommitFailedException):
                snapshots = target.manage_snapshots().create_branch(int(version.snapshot), branch)
                if _heads(target, version):
                    snapshots = snapshots.remove_branch(version.branch)
                snapshots.commit()
            target = self.table(version.table)
        raise Unavailable(f"{version.table}: others wrote {_RACES} times while batch {version.batch} was set aside")

    def rows(
        self, version: DataVersion, *, columns: Sequence[str] | None = None, batches: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version.

        :param columns: only these, in this order; None for all.
        :param batches: only these; None for all.
        :raises Misconfigured: when the version has expired or lacks a column.
        """
        from pyiceberg.expressions import AlwaysTrue, In

        target = self.table(version.table)
        if target.snapshot_by_id(int(version.snapshot)) is None:
            raise Misconfigured(f"{version.name}: this snapshot has expired or never was; take another version")
        names = [field.name for field in target.schema().fields]
        absent = [column for column in columns or () if column not in names]
        if absent:
            raise Misconfigured(f"{version.name}: no column {', '.join(absent)}; it has {bounded(', '.join(names))}")
        scan = target.scan(
            In(BATCH, set(batches)) if batches is not None else AlwaysTrue(),
            selected_fields=tuple(columns) if columns else ("*",),
            snapshot_id=int(version.snapshot),
        )
        found = scan.to_arrow()
        return found.select(list(columns)) if columns else found

    def columns(self, table: str) -> list[str]:
        """Give the columns that a table has now, in order."""
        return [field.name for field in self.table(table).schema().fields]

    def published(self, table: str) -> DataVersion | None:
        """Give the version that ``main`` shows, or None while nothing was published."""
        with self._answering():
            if not self.catalog.table_exists(table):
                return None
        target = self.table(table)
        head = target.current_snapshot()
        first = head is None or (head.parent_snapshot_id is None and not self._batches(target, head.snapshot_id))
        return None if head is None or first else DataVersion(table, str(head.snapshot_id))

    def batches(self, version: DataVersion) -> dict[str, int]:
        """Give the batches that a version holds, in order, each with its number of rows; read from metadata."""
        return self._batches(self.table(version.table), int(version.snapshot))

    def history(self, table: str) -> list[str]:
        """Give every snapshot that ``main`` shows or has ever shown, oldest first; those that expired are left out."""
        target = self.table(table)
        shown = [entry.snapshot_id for entry in target.metadata.snapshot_log] + _history(target)[::-1]
        return [str(snapshot) for snapshot in dict.fromkeys(shown) if target.snapshot_by_id(snapshot) is not None]

    def deliveries(self, version: DataVersion) -> dict[str, str]:
        """Give the batches that a version holds, each with the snapshot that last wrote it."""
        partitions = self.table(version.table).inspect.partitions(snapshot_id=int(version.snapshot)).to_pylist()
        return {row["partition"][BATCH]: str(row["last_updated_snapshot_id"]) for row in partitions}

    def quarantined_files(self, table: str) -> dict[str, str]:
        """Give the data files of quarantined batches, each with its quarantine branch."""
        from pyiceberg.expressions import EqualTo

        target, found = self.table(table), {}
        for branch, ref in target.refs().items():
            snapshot = target.snapshot_by_id(ref.snapshot_id)
            if branch.startswith("quarantine-") and snapshot is not None and snapshot.summary is not None:
                only = EqualTo(BATCH, snapshot.summary.additional_properties["xops.batch"])
                files = target.scan(only, snapshot_id=ref.snapshot_id).plan_files()
                found |= {task.file.file_path: branch for task in files}
        return found

    def files(self, version: DataVersion) -> set[str]:
        """Give the data files of a version."""
        tasks = self.table(version.table).scan(snapshot_id=int(version.snapshot)).plan_files()
        return {task.file.file_path for task in tasks}

    def table(self, table: str) -> Table:
        """Open a table as it stands now.

        :raises Misconfigured: when there is none, naming those there are.
        """
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        with self._answering():
            try:
                return self.catalog.load_table(table)
            except NoSuchTableError as error:
                with contextlib.suppress(NoSuchNamespaceError):
                    known = [".".join(name) for name in self.catalog.list_tables(table.rsplit(".", 1)[0])]
                    raise Misconfigured(
                        f"Iceberg table {table} does not exist; its namespace has {bounded(', '.join(known) or 'none')}"
                    ) from error
                raise Misconfigured(f"Iceberg table {table} does not exist, nor does its namespace") from error

    @staticmethod
    def _batches(target: Table, snapshot: int) -> dict[str, int]:
        partitions = target.inspect.partitions(snapshot_id=snapshot).to_pylist()
        return dict(sorted((row["partition"][BATCH], row["record_count"]) for row in partitions))

    def _table(self, table: str, schema: pa.Schema) -> Table:
        """Open a table, or make it with ``schema``, partitioned by batch."""
        from pyiceberg.exceptions import (
            CommitFailedException,
            NamespaceAlreadyExistsError,
            TableAlreadyExistsError,
        )
        from sqlalchemy.exc import IntegrityError

        if not all(part.isidentifier() for part in table.split(".")) or "." not in table:
            raise Misconfigured(f"Iceberg table {table}: a name of the form namespace.table was wanted")
        faster = (TableAlreadyExistsError, NamespaceAlreadyExistsError, CommitFailedException, IntegrityError)
        for _ in range(_RACES):
            with self._answering(), contextlib.suppress(*faster):
                if not self.catalog.table_exists(table):
                    self._make(table, schema)
                return self.table(table)
        raise Unavailable(f"Iceberg table {table}: others were making it {_RACES} times; try again later")

    def _make(self, table: str, schema: pa.Schema) -> None:
        """Make a table and its first snapshot, which a branch needs to start from, in one step."""
        from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException
        from pyiceberg.transforms import IdentityTransform

        self.catalog.create_namespace_if_not_exists(table.rsplit(".", 1)[0])
        try:
            with self.catalog.create_table_transaction(table, schema) as making:
                making.update_spec().add_field(BATCH, IdentityTransform(), BATCH).commit()
                making.append(schema.empty_table())
        except (UnsupportedPyArrowTypeException, ValueError, TypeError, NotImplementedError) as error:
            raise Misconfigured(f"Iceberg table {table} cannot be made: {bounded(error)}") from error

    def _open(self) -> Catalog:
        from pyiceberg.catalog import load_catalog

        properties = self._properties()
        marker = settings.home() / f"catalog-{slug(self.conn_id)}.ready"
        with first_time(marker), self._answering():  # two processes that make the catalog's tables at once collide
            return load_catalog(self.conn_id, **properties)

    def _properties(self) -> dict[str, str]:
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            connection = self.get_connection(self.conn_id)
        except AirflowNotFoundException:
            return self._embedded()
        if not connection.host:
            raise Misconfigured(f"connection {self.conn_id}: the catalog's URI was wanted as host, it is empty")
        properties = {str(name): str(value) for name, value in connection.extra_dejson.items()}
        secrets = [secret for secret in (connection.login, connection.password) if secret]
        credential = ":".join(secrets)
        if credential and "://" in connection.host and not connection.host.startswith(("http:", "https:")):
            scheme, rest = connection.host.split("://", 1)
            quoted = ":".join(quote(secret, safe="") for secret in secrets)
            return properties | {"uri": f"{scheme}://{quoted}@{rest}"}
        return properties | {"uri": connection.host} | ({"credential": credential} if credential else {})

    def _embedded(self) -> dict[str, str]:
        if not settings.one_machine():
            raise Misconfigured(
                f"Airflow connection {self.conn_id} does not exist, and the embedded SQLite catalog serves one machine "
                "only; make the connection with the catalog's URI as its host and its warehouse in extra"
            )
        home = settings.home()
        home.mkdir(parents=True, exist_ok=True)
        return {"type": "sql", "uri": f"sqlite:///{home / 'catalog.db'}", "warehouse": f"file://{home / 'warehouse'}"}

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        from pyiceberg.exceptions import ServerError, ServiceUnavailableError
        from sqlalchemy.exc import OperationalError

        try:
            yield
        except (OperationalError, ServerError, ServiceUnavailableError, OSError) as error:
            raise Unavailable(f"Iceberg catalog {self.conn_id}: {bounded(error)}") from error


def _quarantine_of(version: DataVersion) -> str:
    return f"quarantine-{slug(version.batch)}-{version.snapshot}"


def _heads(target: Table, version: DataVersion) -> bool:
    """Tell whether a version is still the head of its audit branch, and not another staging of the batch."""
    ref = target.refs().get(version.branch)
    return ref is not None and ref.snapshot_id == int(version.snapshot)


def _published_as(target: Table, snapshot: str) -> str | None:
    """Give the snapshot of ``main`` that shows a staged one: itself, or the one that stands for it; None without."""
    for ancestor in _history(target):
        found = target.snapshot_by_id(ancestor)
        stands_for = found.summary.additional_properties.get(_STANDS_FOR) if found and found.summary else None
        if snapshot in (str(ancestor), stands_for):
            return str(ancestor)
    return None


def _head(target: Table) -> int:
    """Give the snapshot that ``main`` shows; a table that :class:`IcebergHook` made has one from the start."""
    return _history(target)[0]


def _history(target: Table, snapshot: int | None = None) -> list[int]:
    """Give a snapshot and those it stands on, newest first; ``main``'s when None."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = target.current_snapshot() if snapshot is None else target.snapshot_by_id(snapshot)
    return [ancestor.snapshot_id for ancestor in ancestors_of(newest, target.metadata)]


def _storable(rows: pa.Table, table: str, batch: str) -> pa.Table:
    """Give the rows with the types that Iceberg stores: timestamps in microseconds, and those with a zone in UTC.

    :raises Misconfigured: when two columns share a name, or a timestamp would lose digits.
    """
    import pyarrow as pa
    from pyarrow import types

    doubled = sorted({name for name in rows.column_names if rows.column_names.count(name) > 1})
    if doubled:
        raise Misconfigured(f"{table}: batch {batch} has more than one column {bounded(', '.join(doubled))}")
    for place, field in enumerate(rows.schema):
        if types.is_dictionary(field.type):
            rows = rows.set_column(place, field.name, rows[field.name].cast(field.type.value_type))
        if types.is_timestamp(field.type):
            wanted = pa.timestamp("us", "UTC" if field.type.tz else None)
            try:
                rows = rows.set_column(place, field.name, rows[field.name].cast(wanted))
            except pa.ArrowInvalid as error:
                raise Misconfigured(f"{table}: batch {batch}, column {field.name}: {bounded(error)}") from error
    return rows


def _differences(found: pa.Schema, target: Table) -> str:
    """Say which columns a table lacks or has with another type."""
    wanted = {field.name: str(field.type).removeprefix("large_") for field in target.schema().as_arrow()}
    return bounded(
        "; ".join(
            f"{field.name} is {field.type}, the table has {wanted.get(field.name, 'no such column')}"
            for field in found
            if wanted.get(field.name) != str(field.type).removeprefix("large_")
        )
    )
