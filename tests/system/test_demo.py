"""However the demo ends, nothing that it started goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


def descendants(folder):
    """Give the living processes that work in the demo's ``folder``, whoever their parent and whatever their name is."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def names(folder):
    """Give what Airflow's processes call themselves once they are at work."""
    for process in descendants(folder):
        with contextlib.suppress(psutil.Error):
            yield " ".join(process.cmdline())


def eventually(condition, seconds):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.3)
    return condition()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_running_after_the_demo_is_ended_by(how, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with subprocess.Popen(
        [sys.executable, "-m", "demo", "--folder", str(tmp_path)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    ) as demo:
        started = eventually(lambda: any("airflow api_server" in name for name in names(tmp_path)), 120)
        demo.send_signal(how)
        demo.wait(timeout=60)
    assert started
    assert eventually(lambda: not descendants(tmp_path), 30), descendants(tmp_path)
