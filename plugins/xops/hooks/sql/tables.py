"""Tables of a database, reached by an Airflow connection of any type that has a DB-API hook."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable, Unmeasured, bounded
from xops.engines.sql.dialect import Dialect, dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = logging.getLogger(__name__)
_DAY = 86_400
_ANSWER_SECONDS = 10  # for a server that takes a connection, or leaves one hanging
_POSTGRES_BOUNDS = {
    "connect_timeout": _ANSWER_SECONDS,
    "keepalives_idle": _ANSWER_SECONDS,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "xops",
}
_POSTGRES_STATES = {  # by SQLSTATE or its class: what is to be done about it
    "57014": Unmeasured,  # the statement ran past its limit
    "22": Unmeasured,  # a value that cannot be computed with
    "25": Misconfigured,  # a view that writes
    "42": Misconfigured,  # no such table, no permission
    "54": Misconfigured,  # more than a statement may hold
    "3D": Misconfigured,
    "3F": Misconfigured,
    "28": Misconfigured,  # who are you
}
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry")  # libpq has no codes for these


@dataclass(frozen=True, slots=True)
class SqlSession:
    """One transaction; see :class:`xops.engines.sql.scan.Session`.

    :param dialect: the database's SQL.
    :param connection: the DB-API connection.
    :param name: the Airflow connection, for messages.
    :param snapshot: the name of the state that the transaction sees, where the database has one; else empty.
    """

    dialect: Dialect
    connection: Any
    name: str
    snapshot: str = ""

    def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        """Give the rows of a statement.

        :raises Unmeasured: when it ran past the session's limit, or met a value it cannot compute with.
        :raises Misconfigured: when the database refuses it: no such table, no permission.
        :raises Unavailable: when the database is gone, or cannot now.
        """
        with _translated(self.name), contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]


class SqlTablesHook:
    """Reads tables of a database where they are.

    :param sql_conn_id: a connection of a type whose hook is a ``DbApiHook``: ``postgres``, ``snowflake``, ...
    """

    def __init__(self, sql_conn_id: str) -> None:
        self.sql_conn_id = sql_conn_id

    @contextlib.contextmanager
    def session(self, time_limit: float) -> Iterator[SqlSession]:
        """Open a transaction that only reads, sees one state of the database, and whose statements end in time.

        :param time_limit: seconds after which the server itself cancels a statement, above 0.
        :raises Misconfigured: for a connection that is none of a database whose SQL is known, or lacks its driver.
        :raises Unavailable: when the database does not answer within seconds.
        """
        if isinstance(time_limit, bool) or not isinstance(time_limit, (int, float)) or not 0 < time_limit <= _DAY:
            raise Misconfigured(
                f"{self.sql_conn_id}: a time limit of more than 0 and at most 86400 s was wanted, found {time_limit!r}"
            )
        hook = self._hook()
        dialect = dialect_of(hook.dialect_name)
        with _translated(self.sql_conn_id):
            connection = hook.get_conn()
        try:
            session = SqlSession(dialect, connection, self.sql_conn_id)
            with _translated(self.sql_conn_id), contextlib.closing(connection.cursor()) as cursor:
                for statement in _prologue(dialect, time_limit):
                    cursor.execute(statement)
                if not _prologue(dialect, time_limit):
                    _LOG.warning("%s sets no time limit of its own; execution_timeout is the bound", dialect.name)
            if dialect.name == "postgres":
                ((snapshot,),) = session.fetch("SELECT pg_catalog.pg_current_snapshot()::text")
                session = SqlSession(dialect, connection, self.sql_conn_id, str(snapshot))
            yield session
        finally:
            with contextlib.suppress(Exception):  # what it had to say was said, and nothing was written
                connection.rollback()
            with contextlib.suppress(Exception):
                connection.close()

    def _hook(self) -> Any:
        """Give Airflow's hook for the connection, bounded where its database may hang."""
        from airflow.sdk import BaseHook
        from airflow.sdk.exceptions import AirflowException

        try:
            connection = BaseHook.get_connection(self.sql_conn_id)
        except AirflowException as error:
            raise Misconfigured(f"connection {self.sql_conn_id}: {bounded(error)}") from error
        try:
            from airflow.providers.common.sql.hooks.sql import DbApiHook

            if connection.conn_type == "postgres":
                connection = copy.copy(connection)
                connection.extra = json.dumps(_POSTGRES_BOUNDS | dict(connection.extra_dejson))
                from airflow.providers.postgres.hooks.postgres import PostgresHook

                return PostgresHook(postgres_conn_id=self.sql_conn_id, connection=connection)
            hook = connection.get_hook()
        except (ImportError, AirflowException) as error:
            driver = "xops[postgres]" if connection.conn_type == "postgres" else "its provider"
            raise Misconfigured(
                f"connection {self.sql_conn_id} of type {connection.conn_type}: install {driver}: {bounded(error)}"
            ) from error
        if not isinstance(hook, DbApiHook):
            raise Misconfigured(
                f"connection {self.sql_conn_id}: one to a database was wanted, found the type {connection.conn_type}"
            )
        return hook


def _prologue(dialect: Dialect, time_limit: float) -> list[str]:
    """Give the statements that begin a transaction; their text has no value of a user."""
    milliseconds, seconds = max(int(time_limit * 1000), 1), max(int(time_limit), 1)
    if dialect.name == "postgres":
        return [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
            "SET LOCAL datestyle = 'ISO'",
            "SET LOCAL timezone = 'UTC'",
        ]
    if dialect.name == "snowflake":
        return [f"ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {seconds}"]
    if dialect.name == "trino":
        return [f"SET SESSION query_max_run_time = '{seconds}s'"]
    if dialect.name == "databricks":
        return [f"SET STATEMENT_TIMEOUT = {seconds}"]
    return []


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    """Raise one of our errors for one of a driver, by the DB-API's names of errors and PostgreSQL's codes."""
    try:
        yield
    except Exception as error:
        kind = _kind_of(error)
        if kind is None:
            raise
        raise kind(f"{name}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """Give what the driver says; of a value that it cannot compute with only the kind, because it quotes the value."""
    code = _code(error)
    if code.startswith("22") or "DataError" in _names(error):
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()  # DivisionByZero, and the like
        return f"{kind} (SQLSTATE {code or 'unknown'}), in a value that is not shown"
    return bounded(error)


def _code(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def _names(error: Exception) -> set[str]:
    return {base.__name__ for base in type(error).__mro__}


def _kind_of(error: Exception) -> type[Exception] | None:
    names, code = _names(error), _code(error)
    for state in (code, code[:2]):
        if state in _POSTGRES_STATES:
            return _POSTGRES_STATES[state]
    if isinstance(error, ImportError):
        return Misconfigured
    if "DataError" in names:
        return Unmeasured
    if names & {"OperationalError", "InterfaceError", "InternalError", "TimeoutError", "ConnectionError"}:
        refused = not code and any(words in str(error) for words in _REFUSALS)
        return Misconfigured if refused else Unavailable
    if names & {"ProgrammingError", "NotSupportedError"}:
        return Misconfigured
    return Unavailable if "Error" in names and code else None
