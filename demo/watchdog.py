"""Ends every process of a demo once the demo itself has ended, by whatever cause: its end of our stdin closes then.

Airflow's and MLflow's servers start processes in sessions of their own and leave them behind when killed, so they are
found by a mark in their environment, not by parentage.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import psutil

from demo.stack import MARK

GRACE = 8.0


def marked(mark: str) -> list[psutil.Process]:
    """Give the living processes of the demo ``mark``, this one left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def sweep(mark: str) -> None:
    """Ask every process of the demo to end, and kill those that have not after :data:`GRACE` seconds."""
    until = time.monotonic() + GRACE
    for process in marked(mark):
        _tell(process, "terminate")
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.2)
    while remaining := marked(mark):
        for process in remaining:
            _tell(process, "kill")
        time.sleep(0.1)


def _tell(process: psutil.Process, what: str) -> None:
    with contextlib.suppress(psutil.Error):  # it ended meanwhile
        getattr(process, what)()


if __name__ == "__main__":
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # it has one thing to do, and does it last
    sys.stdin.buffer.read()
    sweep(sys.argv[1])
