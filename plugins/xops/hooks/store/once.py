"""Doing a thing once, however many processes of this machine come to it at the same moment."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def first_time(marker: Path) -> Iterator[bool]:
    """Hold the lock of ``marker`` and tell whether the body still has to do its work.

    The marker is set only when the body ends without an exception; a process killed inside leaves the work to the
    next one, so the body must bear being started again.
    """
    if marker.exists():
        yield False
        return
    marker.parent.mkdir(parents=True, exist_ok=True)
    with marker.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        todo = not marker.exists()
        yield todo
        if todo:
            marker.touch()
