"""Drift reports in an Evidently workspace, where its own UI shows them over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.hooks import settings

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

_KEY = "xops"  # in a snapshot's metadata


def keep(snapshot: Snapshot, *, project: str, workspace: str, key: str) -> str:
    """Add a snapshot to a project of a workspace, which is made if it is not there; or put it in the place of one.

    :param key: names what the snapshot is of, 32 hexadecimal digits: a project has one of a key, so that a task that is
        run again adds none. The snapshot says it in its metadata as ``xops``.
    :param workspace: a folder on this machine; or ``http(s)://host:port`` of Evidently's service, with the Airflow
        connection whose password is its secret before an ``@``.
    :returns: the snapshot's id there.
    :raises Unavailable: when the service does not answer.
    """
    from requests import RequestException

    opened = _open(workspace)
    try:
        found = [known for known in opened.search_project(project) if known.name == project]
        home = found[0] if found else opened.create_project(project)
        return _put(opened, home.id, snapshot, key)
    except (RequestException, OSError) as error:
        raise Unavailable(f"Evidently workspace {workspace}: {bounded(error)}") from error


def _put(opened: Any, project: UUID, snapshot: Snapshot, key: str) -> str:
    """Write a snapshot under an id made of its key; a service gives ids of its own, so there the earlier ones go."""
    model = snapshot.to_snapshot_model()
    model.metadata = {**model.metadata, _KEY: key}
    if hasattr(opened, "state"):
        opened.state.write_snapshot(project, UUID(key), model)
        return str(UUID(key))
    ask = opened._request  # noqa: SLF001 - Evidently has not yet written what lists and removes runs at a service
    for known in ask(f"/api/projects/{project}/snapshots", "GET").json():
        if known["metadata"].get(_KEY) == key:
            ask(f"/api/projects/{project}/{known['id']}", "DELETE")
    return str(opened.add_run(project, type(snapshot).load_model(model)).id)


def _open(workspace: str) -> Any:
    from evidently.ui.workspace import RemoteWorkspace, Workspace
    from requests import RequestException

    parts = urlsplit(workspace)
    if parts.scheme in ("", "file"):
        if not settings.one_machine():
            raise Misconfigured(
                f"Evidently workspace {workspace}: tasks run on more than one machine, which do not share this folder; "
                "take the URL of Evidently's service"
            )
        return Workspace.create(parts.path)
    if parts.scheme not in ("http", "https"):
        raise Misconfigured(f"Evidently workspace {workspace}: a folder or a URL with http:// or https:// was wanted")
    secret = None
    if parts.username:
        from airflow.sdk import BaseHook

        secret = BaseHook.get_connection(parts.username).password
    try:
        return RemoteWorkspace(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), secret=secret)
    except (RequestException, OSError) as error:
        raise Unavailable(f"Evidently workspace {workspace}: {bounded(error)}") from error
    except ValueError as error:
        raise Misconfigured(f"Evidently workspace {workspace}: {bounded(error)}") from error
