"""What one fresh process measures; the last line it prints is its result."""

from __future__ import annotations

import sys
from importlib import import_module


def call(task: str, *arguments: str) -> str:
    """Run a task, such as ``drift.scan``; only its own module is imported, for imports are measured too."""
    subject, _, name = task.partition(".")
    return str(getattr(import_module(f"benchmarks.{subject}"), name)(*arguments))


if __name__ == "__main__":
    print(call(*sys.argv[1:]))
