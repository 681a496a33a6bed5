"""MLflow over an Airflow connection: bounded in time, and credentials only for the length of a call."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.evidence import slug
from xops.hooks import settings
from xops.hooks.store.once import first_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow.sdk import Connection
    from mlflow import MlflowClient

_REQUESTED = (
    "API request to",
    "failures occurred while downloading",
)  # how MLflow's client words what failed on the way
# What the server's database says when another process wrote the same at the same moment: SQLite and MySQL, PostgreSQL
_RACED = ("IntegrityError", "UniqueViolation")
_RACES = 5
_OUTAGES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
# A dead server costs a call at most three tries of 10 s and 3 s between them; MLflow's defaults would cost 20 minutes.
_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MlflowConnection(BaseHook):
    """MLflow's tracking server and registry.

    :param conn_id: an Airflow connection of type ``mlflow``: ``host`` is the server's URL, ``databricks``, a database
        URI, or the absolute path of a local folder; ``login`` and ``password`` the credentials of a server or of
        PostgreSQL, a password alone a token; ``extra.registry_uri`` a registry that is elsewhere,
        ``extra.insecure_tls`` true for an unverified certificate, ``extra.databricks_host`` the workspace where the
        host is ``databricks`` (the password is its token, or with a login a service principal's secret),
        ``extra.allow_pickle`` true for models that run code when they are loaded, which are scanned first,
        ``extra.architectures`` a list of installed packages whose PyTorch classes may be called to load a model.
        Where no such connection exists, a folder of its own under AIRFLOW_HOME, for one machine only.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Say how the connection form looks."""
        return {
            "hidden_fields": ["schema", "port"],
            "relabeling": {"host": "Tracking URI", "password": "Password or token"},
            "placeholders": {"host": "https://mlflow.example.com, databricks, or /an/absolute/folder"},
        }

    def test_connection(self) -> tuple[bool, str]:
        """Say whether MLflow answers, for the form's Test button."""
        try:
            with self.client(retries=0) as client:
                client.search_experiments(max_results=1)
        except (Misconfigured, Unavailable) as error:
            return False, str(error)
        return True, "MLflow answered"

    @contextlib.contextmanager
    def client(self, *, retries: int = 2) -> Iterator[MlflowClient]:
        """Give a client whose credentials and bounds are set for the length of the body, and no longer.

        :param retries: of HTTP requests; 0 where something is created, because MLflow retries POST too and would
            create it twice.
        :raises Misconfigured: what MLflow refuses. :raises Unavailable: when it does not answer.
        """
        tracking, registry, secrets = self._where()
        bounds = _BOUNDS | secrets | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries)}
        bounds |= {"MLFLOW_TRACKING_URI": tracking, "MLFLOW_REGISTRY_URI": registry}
        with _environment(bounds):
            import mlflow
            from mlflow import MlflowClient

            self._migrate_once(tracking)
            before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
            mlflow.set_tracking_uri(tracking)
            mlflow.set_registry_uri(registry)
            try:
                with self._answering(tracking):
                    yield MlflowClient(tracking, registry)
            finally:
                mlflow.set_tracking_uri(before[0])
                mlflow.set_registry_uri(before[1])

    def settled(self, do: Callable[[MlflowClient], None]) -> None:
        """Do what may be done twice, and again where another process had the server write the same at that moment.

        Its database takes one of the two, and the other is refused although nothing is wrong with it.
        """
        for _ in range(_RACES):
            try:
                with self.client() as client:
                    return do(client)
            except Unavailable as error:
                if not _raced(error):
                    raise
        raise Unavailable(f"MLflow ({self.conn_id}): others wrote the same {_RACES} times in a row; try again later")

    def _where(self) -> tuple[str, str, dict[str, str]]:
        """Give the tracking URI, the registry URI, and the credentials as MLflow's environment variables."""
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            connection = self.get_connection(self.conn_id)
        except AirflowNotFoundException:
            if not settings.one_machine():
                raise Misconfigured(
                    f"Airflow connection {self.conn_id} does not exist, and a local MLflow folder serves one machine "
                    "only; make the connection (type mlflow) with the tracking server's URL as its host"
                ) from None
            own = "mlflow" if self.conn_id == self.default_conn_name else slug(self.conn_id)
            return (local := _local(settings.home() / own)), local, {}
        tracking = _tracking_uri(connection, self.conn_id)
        extra = connection.extra_dejson
        registry = str(extra.get("registry_uri") or tracking)
        _refuse_credentials(registry, self.conn_id, "extra.registry_uri")
        return tracking, registry, _secrets(connection, tracking)

    def allows_pickle(self) -> bool:
        """Tell whether the connection lets models be loaded that run code of their own; no connection does not."""
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return self.get_connection(self.conn_id).extra_dejson.get("allow_pickle") is True
        except AirflowNotFoundException:
            return False

    def architectures(self) -> tuple[str, ...]:
        """Give the installed packages whose PyTorch classes may be called to load a model; none by default.

        :raises Misconfigured: when the connection has anything but a list of names there.
        """
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            given = self.get_connection(self.conn_id).extra_dejson.get("architectures", [])
        except AirflowNotFoundException:
            return ()
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise Misconfigured(
                f"connection {self.conn_id}: architectures: a list of package names was wanted in extra"
            )
        return tuple(given)

    def _artifacts(self) -> str | None:
        """Give where a local database keeps its artefacts; None where a server decides."""
        tracking = self._where()[0]
        if not tracking.startswith("sqlite:///"):
            return None
        return (Path(tracking.removeprefix("sqlite:///")).parent / "artifacts").as_uri()

    @staticmethod
    def _migrate_once(tracking: str) -> None:
        """Make the tables of a local SQLite file once: four processes that begin at once would break it for good."""
        if not tracking.startswith("sqlite:///"):
            return
        path = Path(tracking.removeprefix("sqlite:///"))
        with first_time(path.with_suffix(".ready")) as todo:
            if todo:
                from mlflow import MlflowClient

                MlflowClient(tracking).search_experiments(max_results=1)

    @contextlib.contextmanager
    def _answering(self, tracking: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException, RestException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import OperationalError

        try:
            yield
        except MlflowException as error:
            # MLflow's client gives INTERNAL_ERROR to its own refusals too; only a request that failed is an outage
            raced = error.error_code == "BAD_REQUEST" and _raced(error)
            requested = isinstance(error, RestException) or any(said in str(error) for said in _REQUESTED)
            if raced or error.error_code in _OUTAGES or (error.error_code == "INTERNAL_ERROR" and requested):
                raise Unavailable(f"MLflow ({self.conn_id}, {tracking}) did not answer: {bounded(error)}") from error
            raise Misconfigured(f"MLflow ({self.conn_id}, {tracking}) refused: {bounded(error)}") from error
        except (RequestException, OperationalError) as error:
            raise Unavailable(f"MLflow ({self.conn_id}, {tracking}) did not answer: {bounded(error)}") from error


def _raced(error: Exception) -> bool:
    return any(said in str(error) for said in _RACED)


def _tracking_uri(connection: Connection, conn_id: str) -> str:
    host = connection.host or ""
    if host.startswith("/"):
        return _local(Path(host))
    _refuse_credentials(host, conn_id, "the host")
    if "://" in host or host == "databricks":
        return host
    if not host:
        raise Misconfigured(f"connection {conn_id}: the tracking server's URL was wanted as host, it is empty")
    return f"{connection.schema or 'http'}://{host}" + (f":{connection.port}" if connection.port else "")


def _refuse_credentials(uri: str, conn_id: str, where: str) -> None:
    if "@" in uri:
        raise Misconfigured(f"connection {conn_id}: put credentials into login and password, not into {where}")


def _secrets(connection: Connection, tracking: str) -> dict[str, str]:
    """Give a connection's credentials as the environment variables that MLflow's client, or Databricks', reads."""
    extra, login, password = connection.extra_dejson, connection.login, connection.password or ""
    if tracking.startswith("databricks"):
        place = {"DATABRICKS_HOST": str(extra["databricks_host"])} if extra.get("databricks_host") else {}
        named = {"DATABRICKS_CLIENT_ID": login, "DATABRICKS_CLIENT_SECRET": password} if login else {}
        return place | (named or ({"DATABRICKS_TOKEN": password} if password else {}))
    if tracking.startswith("postgresql"):  # libpq's own variables: MLflow's are for servers
        named = {"PGUSER": login, "PGPASSWORD": password}
        return {name: value for name, value in named.items() if value}
    if "://" in tracking and not tracking.startswith(("http", "sqlite")) and (login or password):
        kind = tracking.partition(":")[0]
        raise Misconfigured(f"MLflow at {kind}: it takes no login from a connection; reach it through MLflow's server")
    secrets = {"MLFLOW_TRACKING_INSECURE_TLS": "true"} if extra.get("insecure_tls") else {}
    if login:
        return secrets | {"MLFLOW_TRACKING_USERNAME": login, "MLFLOW_TRACKING_PASSWORD": password}
    return secrets | ({"MLFLOW_TRACKING_TOKEN": password} if password else {})


def _local(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
