"""SHAP values of a sample of rows, within a time that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xops.checks.battery.disturbances import SEED, numbers
from xops.checks.battery.exam import Unmeasured
from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xops.checks.battery.exam import Exam

    Values = Callable[[pd.DataFrame], NDArray[np.float64]]

_BACKGROUND = 20
_GROWTH = 4  # by how much more rows are explained at once than before
_SAFE = 2.0  # times its estimate that rows may take


@dataclass(frozen=True, slots=True)
class Attribution:
    """The mean absolute SHAP value of each feature.

    :param method: ``tree``, ``linear`` or ``kernel``.
    :param rows: how many rows there was time for.
    :param asked: how many were asked for.
    :param values: by feature, the largest first.
    """

    method: str
    rows: int
    asked: int
    values: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        features = [{"feature": name, "value": value} for name, value in self.values.items()]
        return {"method": self.method, "rows": self.rows, "asked": self.asked, "features": features}


def attribution(exam: Exam, rows: NDArray[np.intp], *, budget: float) -> Attribution:
    """Explain the candidate's answers to some rows, as many as the time allows.

    Rows are explained in growing portions, each only when twice the time that it takes by the rows before is left.

    :param budget: seconds.
    :raises Unmeasured: when the library cannot explain the model, or one row takes longer.
    :raises Misconfigured: when shap is missing.
    """
    deadline = time.monotonic() + budget
    columns = list(exam.candidate.columns)
    frame = exam.frame[columns].iloc[np.random.default_rng(SEED).permutation(rows)]
    method, explain = _explainer(exam, frame, deadline)
    total, done, size, each = np.zeros(len(columns)), 0, 1, 0.0
    while done < len(frame) and time.monotonic() + _SAFE * size * each < deadline:
        start, portion = time.monotonic(), frame.iloc[done : done + size]
        values = np.abs(_asked(explain, portion))
        if values.shape[:2] != portion.shape:
            raise Unmeasured(f"SHAP gave values of shape {values.shape} for rows of shape {portion.shape}")
        total += values.reshape(*portion.shape, -1).sum(axis=(0, 2))
        each = (time.monotonic() - start) / len(portion)
        done += len(portion)
        left = int((deadline - time.monotonic()) / (_SAFE * max(each, 1e-9)))
        size = max(min(size * _GROWTH, left), 1)
    if not done:
        raise Unmeasured(f"no row could be explained in {budget} s")
    order = np.argsort(-total, kind="stable")
    return Attribution(method, done, len(frame), {columns[place]: float(total[place] / done) for place in order})


def _asked(explain: Values, portion: pd.DataFrame) -> NDArray[np.float64]:
    try:
        return np.asarray(explain(portion), dtype=float)
    except Exception as error:  # whatever the library raises, these rows were not explained
        raise Unmeasured(f"SHAP cannot explain it: {bounded(repr(error), 200)}") from error


def _explainer(exam: Exam, frame: pd.DataFrame, deadline: float) -> tuple[str, Values]:
    """Choose how the model is explained: by its trees, its coefficients, or else by asking it."""
    try:
        import shap
    except ImportError as error:
        raise Misconfigured("explanation: shap is missing; install it with pip install 'xops[battery]'") from error
    model = exam.candidate.model
    if len(numbers(frame, exam.candidate.columns)) < frame.shape[1]:
        raise Unmeasured("SHAP values are computed of numbers, and not all features are")
    background = frame.iloc[:_BACKGROUND]
    if hasattr(model, "coef_"):
        return "linear", shap.LinearExplainer(model, background).shap_values
    try:
        tree = shap.TreeExplainer(model)
    except Exception:  # noqa: BLE001 - the library has many ways to say that there are no trees in it
        return "kernel", _kernel(exam, background, deadline)
    return "tree", lambda portion: tree.shap_values(portion, check_additivity=False)


def _kernel(exam: Exam, background: pd.DataFrame, deadline: float) -> Values:
    import pandas as pd
    import shap

    columns, answers = list(background.columns), exam.answers

    def ask(values: NDArray[np.float64]) -> NDArray[np.float64]:
        asked = answers.on(pd.DataFrame(values, columns=columns))
        return asked.probabilities if exam.kind.classifies else asked.predicted

    samples = 2 * len(columns) + 64
    many = np.repeat(background.to_numpy(dtype=float), samples, axis=0)
    start = time.monotonic()
    ask(many[: len(background)])
    if (time.monotonic() - start) * 2 > deadline - time.monotonic():
        raise Unmeasured("the model is too slow to be explained by asking it in the time allowed")
    start = time.monotonic()
    ask(many)
    if (time.monotonic() - start) * _SAFE > deadline - time.monotonic():
        raise Unmeasured("the model is too slow to be explained by asking it in the time allowed")
    kernel = shap.KernelExplainer(ask, background.to_numpy(dtype=float))
    return lambda portion: kernel.shap_values(portion.to_numpy(dtype=float), nsamples=samples, silent=True)
