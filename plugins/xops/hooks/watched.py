"""Places that are watched: each gives what there is now, oldest first, in one call that may block."""

from __future__ import annotations

import datetime as dt
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from xops.core.dataset.watching import Sighting
from xops.core.evidence import digest
from xops.hooks.questions import mlflow_alias
from xops.hooks.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Collection


def files(url: str, pattern: str, settled_seconds: float) -> list[Sighting]:
    """Give the files under a folder or a bucket's prefix, by the time of writing; a file written anew is a new one.

    :param pattern: a glob over the path below ``url``; ``*`` matches slashes too.
    :param settled_seconds: a file counts when it was written so long ago: on a folder it may still be growing.
    """
    newest = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=settled_seconds)
    found = [
        (written, path, mark)
        for path, written, mark in Objects(url).listed("")
        if fnmatchcase(path, pattern) and written <= newest
    ]
    return [
        Sighting(
            digest([path, mark, written.isoformat()])[:32],
            {"url": f"{url.rstrip('/')}/{path}", "path": path, "written_at": written.isoformat(), "mark": mark},
        )
        for written, path, mark in sorted(found)
    ]


def versions(table: str, iceberg_conn_id: str) -> list[Sighting]:
    """Give the versions that readers of a dataset see or have ever seen."""
    from xops.hooks.datasets.store import store_of

    store = store_of(table, iceberg_conn_id=iceberg_conn_id)
    shown = store.versions(table) if store.published(table) else []
    return [Sighting(version.snapshot, version.to_json()) for version in shown]


def champions(model: str) -> list[Sighting]:
    """Give every entry of a model's promotion log."""
    from xops.hooks.models.promotion_log import PromotionLog

    return [Sighting(str(entry.number), entry.to_json()) for entry in PromotionLog(model).read()]


def alias(model: str, name: str, mlflow_conn_id: str) -> list[Sighting]:
    """Give the version that MLflow has for an alias, or nothing while there is none."""
    version = mlflow_alias(model, name, mlflow_conn_id)
    return [] if version is None else [Sighting(version, {"model": model, "alias": name, "version": version})]


class Announced:
    """What a watcher has announced, kept in the store.

    One small object a watcher; what is no longer there is forgotten with the next change, so it stays as small as the
    place that is watched.

    :param watcher: what tells the watcher from every other; plain JSON.
    """

    def __init__(self, watcher: Any) -> None:
        self.watcher = watcher
        self.path = f"seen/{digest(watcher)[:32]}.json"

    def read(self) -> frozenset[str] | None:
        """Give the keys that were announced, or None when the watcher never ran before."""
        document = Objects.configured().get_json(self.path)
        return None if document is None else frozenset(document["announced"])

    def write(self, keys: Collection[str]) -> None:
        """Keep the keys that were announced."""
        Objects.configured().put_json(self.path, {"watcher": self.watcher, "announced": sorted(keys)})
