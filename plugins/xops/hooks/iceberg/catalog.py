"""An Iceberg catalog by Airflow connection: opened, and asked for its tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseHook

from xops.core.dataset.lineage import Place
from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.evidence import slug
from xops.hooks import settings
from xops.hooks.store.once import first_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class IcebergCatalog(BaseHook):
    """One Iceberg catalog.

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

    def table(self, table: str) -> Table:
        """Open a table as it stands now.

        :raises Misconfigured: when there is none, naming those there are.
        """
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        with self.answering():
            try:
                return self.catalog.load_table(table)
            except NoSuchTableError as error:
                with contextlib.suppress(NoSuchNamespaceError):
                    known = [".".join(name) for name in self.catalog.list_tables(table.rsplit(".", 1)[0])]
                    raise Misconfigured(
                        f"Iceberg table {table} does not exist; its namespace has {bounded(', '.join(known) or 'none')}"
                    ) from error
                raise Misconfigured(f"Iceberg table {table} does not exist, nor does its namespace") from error

    def _open(self) -> Catalog:
        from pyiceberg.catalog import load_catalog

        properties = self._properties()
        marker = settings.home() / f"catalog-{slug(self.conn_id)}.ready"
        with first_time(marker), self.answering():  # two processes that make the catalog's tables at once collide
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

    def place(self, table: str) -> Place:
        """Give the name by which lineage knows a table."""
        return Place(f"iceberg://{self.conn_id}", table)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turn what is raised when the catalog or its store is out of reach into :class:`Unavailable`."""
        from pyiceberg.exceptions import CommitStateUnknownException, ServerError, ServiceUnavailableError
        from sqlalchemy.exc import OperationalError

        try:
            yield
        except Unavailable:
            raise
        except (OperationalError, CommitStateUnknownException, ServerError, ServiceUnavailableError, OSError) as error:
            raise Unavailable(f"Iceberg catalog {self.conn_id}: {bounded(error)}") from error
