"""However the demo ends, nothing that it started goes on."""

from __future__ import annotations

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
    """Give the living processes that the demo in ``folder`` started, whoever their parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("XOPS_LANDING", "").startswith(str(folder)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


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
        # airflow standalone has started its own children by then
        started = eventually(lambda: len(descendants(tmp_path)) >= 5, 90)
        demo.send_signal(how)
        demo.wait(timeout=60)
    assert started
    assert eventually(lambda: not descendants(tmp_path), 30), descendants(tmp_path)
