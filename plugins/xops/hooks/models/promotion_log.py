"""The promotion log in the store: appended by create-if-absent, so of racing promoters exactly one gets each entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xops.core.errors import Fenced, Misconfigured, Unavailable
from xops.core.model.promotion import (
    Entry,
    checkpoint_folder,
    checkpoint_path,
    entry_of,
    entry_path,
    in_order,
    log_folder,
)
from xops.hooks.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable

_RACES = 100
CHECKPOINT = 100  # entries between two checkpoints


class PromotionLog:
    """Who is champion of a model, who was, and why.

    Every hundredth append leaves a checkpoint: all entries so far in one object, so that a long log is read by few
    requests. A checkpoint is a copy; without it the same log is read, slower.

    :param model: the registered model.
    :param objects: where the log lies; the configured store when None.
    :raises Misconfigured: when the model has no name.
    """

    def __init__(self, model: str, objects: Objects | None = None) -> None:
        if not model.strip():
            raise Misconfigured("promotion log: the name of a registered model was wanted, it is empty")
        self.model = model
        self.objects = objects or Objects.configured()
        self._known: tuple[Entry, ...] = ()

    def read(self) -> tuple[Entry, ...]:
        """Give the entries from first to last; of those that this log gave before only the newer are fetched.

        :raises ValueError: when one is missing.
        """
        known = self._known or self._checkpointed()
        after = entry_path(self.model, len(known)) if known else ""
        newer = self.objects.all_json(log_folder(self.model), after=after)
        self._known = in_order((*known, *map(Entry.from_json, newer)))
        return self._known

    def _checkpointed(self) -> tuple[Entry, ...]:
        checkpoints = self.objects.paths(checkpoint_folder(self.model))
        documents = (self.objects.get_json(checkpoints[-1]) if checkpoints else None) or []
        return tuple(map(Entry.from_json, documents))

    def claim(self, key: str, attempt: int) -> None:
        """Say that attempt ``attempt`` of a task has started: from here on no earlier one may append."""
        self.objects.put_json(f"claims/{key}/{attempt:06d}.json", {"model": self.model})

    def append(self, key: str, attempt: int, propose: Callable[[tuple[Entry, ...]], Entry]) -> Entry:
        """Append the entry of task ``key``, or give the one that it appended before.

        :param attempt: the attempt claimed with :meth:`claim`.
        :param propose: from the log as it stands to the next entry; it may refuse by raising. Called again when
            another promoter was faster.
        :raises Fenced: when a later attempt of the task has started.
        """
        for _ in range(_RACES):
            log = self.read()
            mine = entry_of(log, key)
            if mine is not None:
                return mine
            entry = propose(log)
            self._unfenced(key, attempt)
            if self.objects.create_json(entry_path(self.model, entry.number), entry.to_json()):
                self._checkpoint((*log, entry))
                return entry
        raise Unavailable(f"promotion log of {self.model}: {_RACES} others were faster; try again later")

    def _checkpoint(self, log: tuple[Entry, ...]) -> None:
        """Copy a log whose length calls for it into one object; the copy before it is dropped."""
        if len(log) % CHECKPOINT:
            return
        mine = checkpoint_path(self.model, len(log))
        self.objects.put_json(mine, [entry.to_json() for entry in log])
        for path in self.objects.paths(checkpoint_folder(self.model)):
            if path < mine:
                self.objects.delete(path)

    def _unfenced(self, key: str, attempt: int) -> None:
        claims = self.objects.paths(f"claims/{key}/")
        newest = max((int(path.rsplit("/", 1)[-1].removesuffix(".json")) for path in claims), default=attempt)
        if newest > attempt:
            raise Fenced(
                f"promotion log of {self.model}: attempt {newest} of this task has started; attempt {attempt} is "
                "an orphan and appends nothing"
            )
