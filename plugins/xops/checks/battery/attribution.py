"""SHAP values of a sample of rows, computed in a process of its own that is killed when its time is over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.checks.battery import attribution_child
from xops.checks.battery.answers import Unmeasured
from xops.checks.battery.disturbances import SEED
from xops.checks.battery.process_tree import end, held_beneath
from xops.checks.battery.resources import line_of
from xops.core.errors import FOREIGN, Misconfigured, bounded
from xops.core.numerics import np
from xops.core.strict_json import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.checks.battery.answers import Answers
    from xops.checks.battery.exam import Exam

_BARS = 10  # features of a single row, the largest values first


@dataclass(frozen=True, slots=True)
class Attribution:
    """The mean absolute SHAP value of each feature, and those of some rows alone.

    :param method: ``tree``, ``linear`` or ``kernel``.
    :param rows: how many rows there was time for.
    :param asked: how many were asked for.
    :param values: by feature, the largest first.
    :param alone: by what is said of a row, its features and their values, the largest first.
    """

    method: str
    rows: int
    asked: int
    values: dict[str, float]
    alone: dict[str, list[dict[str, Any]]]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON, as a report draws it."""
        features = [{"feature": str(name), "value": value} for name, value in self.values.items()]
        told = {"method": self.method, "rows": self.rows, "asked": self.asked}
        return {"shap": features, "shap_by": told} | {f"shap of {name}": bars for name, bars in self.alone.items()}


def attribution(
    exam: Exam, rows: NDArray[np.intp], before: Answers | None, *, end: float, shown: Sequence[str], allowed: int
) -> Attribution:
    """Explain the candidate's answers to some rows, as many as the time allows.

    Single rows come first: the most confident of wrong answers, the median one, the least certain one.

    :param before: the answers to the rows; None where there was no time for them, so that no single row is chosen.
    :param end: when, by the monotonic clock, the process is killed; what it sent counts.
    :param shown: features whose values may be told of a single row.
    :param allowed: bytes that the process may take, and those that it starts; what it sent before it took more counts.
    :raises Unmeasured: when the library cannot explain the model, or one row takes longer.
    :raises Misconfigured: when shap is missing.
    """
    budget = end - time.monotonic()
    if find_spec("shap") is None:
        raise Misconfigured("explanation: shap is missing; install it with pip install 'xops[battery]'")
    contender, single = exam.candidate, {} if before is None else _single_rows(exam, rows, before)
    others = np.setdiff1d(rows, list(single.values()))
    order = [*single.values(), *np.random.default_rng(SEED).permutation(others)]
    frame = exam.frame[list(contender.columns)].iloc[order].reset_index(drop=True)
    answers = replace(exam.answers, contender=replace(contender, learned=None, trained_on=None), frame=frame)
    sent = _sent(answers, len(single), end, allowed)
    if not sent.get("rows"):
        raise Unmeasured(str(sent.get("why") or f"no row could be explained in {budget:.3g} s"))
    columns, done = contender.columns, int(sent["rows"])
    total = np.array(sent["total"])
    ordered = {columns[place]: float(total[place] / done) for place in np.argsort(-total, kind="stable")}
    alone = {
        name: _bars(exam, columns, (row, values), shown)
        for (name, row), values in zip(single.items(), sent["alone"], strict=False)
    }
    return Attribution(str(sent["method"]), done, len(order), ordered, alone)


def _single_rows(exam: Exam, rows: NDArray[np.intp], before: Answers) -> dict[str, int]:
    """Choose the rows that are explained one by one, by what is said of each; different ones."""
    if not exam.kind.classifies:
        said, off = before.predicted, np.abs(before.predicted - exam.truth[rows])
        chosen = [("the answer that is furthest off", off.argmax()), ("the median answer", _median(said))]
    else:
        try:
            chances = before.probabilities
        except Unmeasured:
            return {}
        sure, wrong = chances.max(axis=1), np.flatnonzero(chances.argmax(axis=1) != exam.truth[rows])
        chosen = [("the most confident of wrong answers", wrong[sure[wrong].argmax()])] if len(wrong) else []
        chosen += [("the median answer", _median(sure)), ("the least certain answer", sure.argmin())]
    found: dict[str, int] = {}
    for name, place in chosen:
        if int(rows[place]) not in found.values():
            found[name] = int(rows[place])
    return found


def _median(values: NDArray[np.float64]) -> np.intp:
    return np.argsort(values, kind="stable")[len(values) // 2]


def _bars(
    exam: Exam, columns: Sequence[str], one: tuple[int, Sequence[float]], shown: Sequence[str]
) -> list[dict[str, Any]]:
    row, values = one
    bars = []
    for place in np.argsort(-np.abs(values), kind="stable")[:_BARS]:
        name = columns[place]
        value = plain(exam.frame[name].iloc[row]) if name in shown else None
        bars.append(
            {"feature": f"{name} = {bounded(value, 40)}" if name in shown else str(name), "value": values[place]}
        )
    return bars


def _sent(answers: Answers, single: int, deadline: float, allowed: int) -> Mapping[str, Any]:
    """Give the last that the process sent before the deadline; with ``why`` when it gave up."""
    import cloudpickle

    with tempfile.TemporaryDirectory(prefix="xops-attribution-") as place:
        folder = Path(place)
        try:
            (folder / "answers.pickle").write_bytes(cloudpickle.dumps((answers, single)))
        except FOREIGN as error:  # whatever a foreign model raises, it cannot be handed over
            raise Unmeasured(f"it cannot be pickled for a process of its own: {bounded(repr(error), 200)}") from error
        (folder / "path.json").write_text(json.dumps(sys.path))
        last: dict[str, Any] = {}
        with subprocess.Popen(  # noqa: S603 - this interpreter, and a file of this package
            [sys.executable, attribution_child.__file__, str(folder), str(allowed)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"OMP_WAIT_POLICY": "passive"} | os.environ,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                while lines := line_of(process.stdout, deadline, lambda: held_beneath(process.pid) > allowed):
                    for line in lines.splitlines():
                        last |= json.loads(line)
                if lines is None and time.monotonic() < deadline:
                    last["why"] = "what SHAP started took more memory than it is allowed, and was stopped"
            finally:
                end(process.pid)
        return last
