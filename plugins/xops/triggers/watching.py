"""Triggers for Airflow's ``AssetWatcher``: an event for each new file, each new version, each new champion."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from xops.core.dataset.watching import Begin, Sighting, unannounced
from xops.core.errors import Misconfigured, Unavailable
from xops.hooks import watched
from xops.triggers.asking import Asking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTLED = 5.0  # seconds in which Airflow has stored an event; it takes one or two


class WatchTrigger(BaseEventTrigger):
    """Announce each new thing of a place once, for good.

    What was announced is kept in the store, a few seconds after the event. So what happens while the triggerer is down
    is announced when it is back, and what was announced is not announced again; only what a triggerer announced in its
    last seconds may come a second time, in an event of the same content, rather than never.

    :param poll_interval: seconds between two looks.
    """

    begin: Begin = Begin.NEWEST

    def __init__(self, *, poll_interval: float = 30.0) -> None:
        super().__init__()
        self.poll_interval = poll_interval
        self._announced: frozenset[str] | None = None
        self._kept: frozenset[str] | None = None

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Give the constructor's arguments but ``poll_interval``; they tell the watcher from every other."""

    @abstractmethod
    def sightings(self) -> list[Sighting]:
        """Give what there is now, oldest first; may block."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class and its arguments."""
        return self._classpath, self.arguments() | {"poll_interval": self.poll_interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, announce, look again, for ever."""
        asking = Asking(self._look, name=f"{type(self).__name__} {self.arguments()}", every=self.poll_interval)
        while True:
            there, fresh = await asking.answer()
            for sighting in fresh:
                yield TriggerEvent(dict(sighting.payload))
            self._announced = frozenset(sighting.key for sighting in there)
            await asyncio.sleep(min(SETTLED, self.poll_interval) if fresh else self.poll_interval)

    @property
    def _classpath(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}"

    def _look(self) -> tuple[list[Sighting], list[Sighting]]:
        """Keep what was announced, then look: give what there is, and what of it is new."""
        store = watched.Announced([self._classpath, self.arguments()])
        try:
            if self._announced is None:
                self._kept = store.read()
            elif self._announced != self._kept:
                store.write(self._announced)
                self._kept = self._announced
            known = self._kept if self._announced is None else self._announced
            there = self.sightings()
        except Misconfigured as error:  # a table or a bucket that is made later is watched from then on
            raise Unavailable(str(error)) from error
        return there, unannounced(there, known, self.begin)


class FileTrigger(WatchTrigger):
    """An event for each new file in a folder or under a bucket's prefix; one that is written anew is new.

    Files that lie there when it first runs are announced too. The event's payload: ``url``, ``path`` below the folder,
    ``written_at``, and ``mark``, which changes with the content.

    :param url: ``/folder``, ``s3://conn_id@bucket/prefix``, ``gs://...``, ``az://...``.
    :param pattern: a glob over the path below ``url``; ``*`` matches slashes too.
    :param settled_seconds: a file counts when it was written so long ago: on a folder it may still be growing.
    :param poll_interval: seconds between two looks.
    """

    begin = Begin.ALL

    def __init__(
        self, *, url: str, pattern: str = "*", settled_seconds: float = 5.0, poll_interval: float = 30.0
    ) -> None:
        super().__init__(poll_interval=poll_interval)
        self.url = url
        self.pattern = pattern
        self.settled_seconds = settled_seconds

    def arguments(self) -> dict[str, Any]:
        """Give what it watches."""
        return {"url": self.url, "pattern": self.pattern, "settled_seconds": self.settled_seconds}

    def sightings(self) -> list[Sighting]:
        """Give the files."""
        return watched.files(self.url, self.pattern, self.settled_seconds)


class DataVersionTrigger(WatchTrigger):
    """An event for each new version that readers of a dataset see; its payload is the data version.

    When it first runs, the version of that moment is announced.

    :param table: the dataset.
    :param iceberg_conn_id: connection of the catalog.
    :param poll_interval: seconds between two looks.
    """

    def __init__(self, *, table: str, iceberg_conn_id: str = "iceberg_default", poll_interval: float = 30.0) -> None:
        super().__init__(poll_interval=poll_interval)
        self.table = table
        self.iceberg_conn_id = iceberg_conn_id

    def arguments(self) -> dict[str, Any]:
        """Give what it watches."""
        return {"table": self.table, "iceberg_conn_id": self.iceberg_conn_id}

    def sightings(self) -> list[Sighting]:
        """Give the versions."""
        return watched.versions(self.table, self.iceberg_conn_id)


class ModelAliasTrigger(WatchTrigger):
    """An event for each new champion of a model, or whenever another alias is set to another version.

    ``champion`` is what the promotion log says: the payload is the log's entry, and none is left out. For any other
    alias MLflow is asked, which keeps no history: of changes between two looks only the last is seen. When it first
    runs, the champion or the alias of that moment is announced.

    :param model: the registered model.
    :param alias: the alias.
    :param mlflow_conn_id: connection of MLflow; not used for ``champion``.
    :param poll_interval: seconds between two looks.
    """

    def __init__(
        self,
        *,
        model: str,
        alias: str = "champion",
        mlflow_conn_id: str = "mlflow_default",
        poll_interval: float = 30.0,
    ) -> None:
        super().__init__(poll_interval=poll_interval)
        self.model = model
        self.alias = alias
        self.mlflow_conn_id = mlflow_conn_id

    def arguments(self) -> dict[str, Any]:
        """Give what it watches."""
        return {"model": self.model, "alias": self.alias, "mlflow_conn_id": self.mlflow_conn_id}

    def sightings(self) -> list[Sighting]:
        """Give the champions, or the version of the alias."""
        if self.alias == "champion":
            return watched.champions(self.model)
        return watched.alias(self.model, self.alias, self.mlflow_conn_id)
