"""Requests for retraining: opened by a decision, closed by the training that answers. An asset event is only a hint."""

from __future__ import annotations

from typing import Any

from xops.core.errors import Misconfigured
from xops.core.evidence import slug
from xops.hooks.store.evidence import now
from xops.hooks.store.objects import Objects


class RetrainRequests:
    """The requests and decisions of one model.

    :param model: the registered model.
    :param objects: where they lie; the configured store when None.
    :raises Misconfigured: when the name is empty.
    """

    def __init__(self, model: str, objects: Objects | None = None) -> None:
        if not model.strip():
            raise Misconfigured("retrain requests: the name of a registered model was wanted, it is empty")
        self.objects = objects or Objects.configured()
        self._decisions = f"decisions/{slug(model)}/"
        self._opened = f"requests/{slug(model)}/opened/"
        self._closed = f"requests/{slug(model)}/closed/"

    def record_decision(self, key: str, decision: dict[str, Any]) -> None:
        """Keep what the task with idempotency key ``key`` decided; its retry rewrites it."""
        self.objects.put_json(f"{self._decisions}{key}.json", {**decision, "at": now()})

    def decisions(self) -> list[dict[str, Any]]:
        """Give every decision, oldest first."""
        return sorted(self.objects.all_json(self._decisions), key=lambda decision: str(decision["at"]))

    def open(self, batch: str, request: dict[str, Any]) -> None:
        """Ask for retraining after a batch; asking again for the same batch changes nothing."""
        self.objects.create_json(f"{self._opened}{slug(batch)}.json", {**request, "batch": batch, "at": now()})

    def close(self, batch: str, answer: dict[str, Any]) -> None:
        """Say which training answered the request made after a batch."""
        self.objects.create_json(f"{self._closed}{slug(batch)}.json", {**answer, "at": now()})

    def asked(self) -> list[str]:
        """Give the batches after which retraining was ever asked for, in order."""
        return [request["batch"] for request in self.objects.all_json(self._opened)]

    def still_open(self) -> list[dict[str, Any]]:
        """Give the requests that no training has answered, oldest batch first."""
        closed = {path.rsplit("/", 1)[-1] for path in self.objects.paths(self._closed)}
        requests = self.objects.all_json(self._opened)
        return [request for request in requests if f"{slug(request['batch'])}.json" not in closed]
