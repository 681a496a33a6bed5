"""The processes beneath one, and the memory that they hold; of Linux, elsewhere nothing is seen."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def beneath(process: int) -> Iterator[int]:
    """Give the children of a process, and theirs."""
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in _read(task).split():
            yield int(child)
            yield from beneath(int(child))


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
