"""How much memory a process holds with its children; what several share counts once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
            peak.megabytes = max(peak.megabytes, sum(map(_megabytes, _tree(os.getpid()))))
            if done.wait(_PAUSE):
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        done.set()
        watching.join()


def _tree(process: int) -> Iterator[int]:
    yield process
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in _read(task).split():
            yield from _tree(int(child))


def _megabytes(process: int) -> float:
    _, _, told = _read(Path(f"/proc/{process}/smaps_rollup")).partition("\nPss:")
    return 1024 * int(told.split()[0]) / 1e6 if told else 0.0


def _read(file: Path) -> str:
    """Give a file of a process; nothing once it has ended."""
    try:
        return file.read_text()
    except OSError:
        return ""
