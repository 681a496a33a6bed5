"""A process that loads one model and measures it, line by line as it is asked; it needs nothing of xops.

It is run by its path. The first argument is a folder with ``path.json``, ``rows.pickle`` and ``model.pickle``, which
the parent has just written of objects that it holds; the second the bytes that the model may take.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Give the largest resident memory of this process so far, without the pages of files that it has mapped.

    Of the code of libraries so many pages are resident as the machine has in its cache at the moment.
    """
    if _STATUS.exists():  # elsewhere the figure below counts what the parent held when it forked
        return _told("VmHWM") - _told("RssFile")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def limit_memory(more: int) -> None:
    """Let this process take so many bytes more than now."""
    if _STATUS.exists():
        limit = _told("VmData") + more
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _told(what: str) -> int:
    return 1024 * int(_STATUS.read_text().split(f"{what}:")[1].split()[0])


def main(folder: Path, allowed: int) -> None:
    """Load the model, then answer each line of the input with one of JSON."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a model prints is no answer
    sys.path[:] = json.loads((folder / "path.json").read_text())
    rows = pickle.loads((folder / "rows.pickle").read_bytes())  # noqa: S301
    before = peak_bytes()
    limit_memory(allowed)
    try:
        start = time.perf_counter()
        with (folder / "model.pickle").open("rb") as file:  # which is not the model's memory
            model = pickle.load(file)  # noqa: S301
        predict = model.predict_proba if hasattr(model, "predict_proba") else model.predict
        loaded = time.perf_counter() - start
        predict(rows)
        predict(rows.iloc[:1])
        answers.write(json.dumps({"load_seconds": loaded, "peak_bytes": peak_bytes() - before}) + "\n")
        for line in sys.stdin:
            answers.write(json.dumps(_measured(predict, rows, int(line))) + "\n")
    except MemoryError:
        answers.write(json.dumps({"out_of_memory": True}) + "\n")
    except Exception as error:  # noqa: BLE001 - the parent says what a foreign model raised
        answers.write(json.dumps({"raised": repr(error)[:300]}) + "\n")


def _measured(predict: Any, rows: Any, singles: int) -> dict[str, float]:
    """Give the seconds of the batch, and of one row as the median of some."""
    start = time.perf_counter()
    predict(rows)
    batch = time.perf_counter() - start
    each = []
    for place in range(singles):
        one = rows.iloc[[place % len(rows)]]
        start = time.perf_counter()
        predict(one)
        each.append(time.perf_counter() - start)
    return {"batch_seconds": batch, "row_seconds": sorted(each)[len(each) // 2]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
