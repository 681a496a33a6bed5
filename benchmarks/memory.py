"""How much memory a process holds with its children; what several share counts once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from xops.checks.battery.process_tree import held, held_beneath

_PAUSE = 0.05  # seconds between two looks


@dataclass
class Peak:
    """The most that was seen.

    :param megabytes: of a tree of processes, each page divided by the number of processes that share it (PSS).
    """

    megabytes: float = 0.0


@contextmanager
def peak_of_tree() -> Iterator[Peak]:
    """Watch this process and its children, and theirs, from a thread; on Linux only."""
    peak, done = Peak(), threading.Event()

    def watch() -> None:
        while True:
            peak.megabytes = max(peak.megabytes, (held(os.getpid()) + held_beneath(os.getpid())) / 1e6)
            if done.wait(_PAUSE):
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        done.set()
        watching.join()
