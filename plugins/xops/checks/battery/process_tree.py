"""The processes beneath one, and the memory that they hold; of Linux, elsewhere nothing is seen."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEGABYTE = 1_000_000
_HEADROOM = 256 * MEGABYTE  # stacks of threads and the allocator's own, beyond which a process is stopped


def limit_of(megabytes: float) -> int:
    """Give the bytes beyond which a process that may take so many megabytes is stopped."""
    return int(megabytes * MEGABYTE) + _HEADROOM


def held_beneath(process: int) -> int:
    """Give the bytes that the processes beneath one hold."""
    return sum(map(held, _beneath(process)))


def _beneath(process: int) -> Iterator[int]:
    """Give the children of a process, and theirs."""
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in _read(task).split():
            yield int(child)
            yield from _beneath(int(child))


def held(process: int) -> int:
    """Give the bytes that a process holds, each page divided by the number of processes that share it (PSS)."""
    _, _, told = _read(Path(f"/proc/{process}/smaps_rollup")).partition("\nPss:")
    return 1024 * int(told.split()[0]) if told else 0


def end(process: int) -> None:
    """Kill a process that leads a session of its own, with whatever it started there."""
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def _read(file: Path) -> str:
    """Give a file of a process; nothing once it has ended."""
    try:
        return file.read_text()
    except OSError:
        return ""
