"""SQL databases behind Airflow connections, and what goes wrong with them told apart."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

_TOO_MUCH = "54"  # SQLSTATEs of what no table or statement may hold
_BOUNDS = {"connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 5, "tcp_user_timeout": 60_000}


def engine_of(conn_id: str) -> Engine:
    """Give the SQLAlchemy engine of an Airflow connection.

    :raises Misconfigured: when there is no such connection, or it is not one to a database.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        hook: Any = BaseHook.get_hook(conn_id)
        arguments = _BOUNDS if hook.conn_type == "postgres" else {}
        return hook.get_sqlalchemy_engine({"connect_args": dict(arguments)} if arguments else None)
    except AirflowNotFoundException as error:
        raise Misconfigured(f"Airflow connection {conn_id} does not exist; make one to the database") from error
    except (AirflowException, AttributeError, ImportError, ArgumentError, NoSuchModuleError) as error:
        raise Misconfigured(
            f"Airflow connection {conn_id}: one to an SQL database was wanted, with its provider installed: "
            f"{bounded(error)}"
        ) from error


def driver_of(conn_id: str) -> tuple[str, Callable[[], Any]]:
    """Give SQLAlchemy's name of a connection's driver, and what connects, for a library that makes its own engine.

    So no URL of its holds credentials, and a socket's folder may be the host.

    :raises Misconfigured: as :func:`engine_of`.
    """
    engine = engine_of(conn_id)
    places, named = engine.dialect.create_connect_args(engine.url)
    bounds = _BOUNDS if engine.dialect.name == "postgresql" else {}
    return engine.url.drivername, lambda: engine.dialect.connect(*places, **{**named, **bounds})


def _state(error: Any) -> str:
    """Give the SQLSTATE of an error of PostgreSQL, as either driver has it; empty of another."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def _primary(error: Any) -> str:
    """Give what is wrong without the detail, in which PostgreSQL shows the row."""
    return getattr(getattr(error, "diag", None), "message_primary", None) or str(error)


@contextlib.contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn what a database refuses into :class:`Misconfigured`, and one that is out of reach into :class:`Unavailable`.

    :param what: what was asked of it, as an error names it.
    """
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

    try:
        yield
    except DBAPIError as error:
        if isinstance(error, (OperationalError, InterfaceError)) and not _state(error.orig).startswith(_TOO_MUCH):
            raise Unavailable(f"{what}: {bounded(error.orig)}") from error
        raise Misconfigured(f"{what}: the database refused: {bounded(_primary(error.orig))}") from error
    except SQLAlchemyError as error:
        raise Misconfigured(f"{what}: {bounded(error)}") from error
