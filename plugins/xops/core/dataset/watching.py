"""What a watcher has announced, and what it has still to announce."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Begin(StrEnum):
    """What a watcher that never ran before announces of what it finds."""

    ALL = "all"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that a watcher announces once.

    :param key: what makes it different from every other: a version, or a file and its content's mark.
    :param payload: what the event carries; plain JSON.
    """

    key: str
    payload: Mapping[str, Any]


def unannounced(sightings: Sequence[Sighting], announced: Collection[str] | None, begin: Begin) -> list[Sighting]:
    """Give what is to be announced now, oldest first.

    :param sightings: what is there, oldest first.
    :param announced: the keys that were announced; None when the watcher never ran before.
    """
    if announced is None:
        return list(sightings) if begin is Begin.ALL else list(sightings[-1:])
    known = set(announced)
    return [sighting for sighting in sightings if sighting.key not in known]
