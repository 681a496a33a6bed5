"""Drift reports in an Evidently workspace, where its own UI shows them over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.hooks import settings

if TYPE_CHECKING:
    from evidently.core.report import Snapshot


def keep(snapshot: Snapshot, *, project: str, workspace: str) -> str:
    """Add a snapshot to a project of a workspace, which is made if it is not there.

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
        added = opened.add_run(home.id, snapshot)
    except (RequestException, OSError) as error:
        raise Unavailable(f"Evidently workspace {workspace}: {bounded(error)}") from error
    return str(getattr(added, "id", added))


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
