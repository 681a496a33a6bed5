"""A process that explains one model's answers row by row, and sends a line of JSON for each portion of them.

It is run by its path. The first argument is a folder with ``path.json`` and ``answers.pickle``, which the parent has
just written of objects that it holds; the second the bytes that it may take. The parent kills it when its time is over.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_BACKGROUND = 20
_MOST = 256  # rows that are explained at once
_GROWTH = 4


def main(folder: Path, allowed: int) -> None:
    """Explain the rows in portions that grow, the single ones first."""
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a model prints is no line
    sys.path[:] = json.loads((folder / "path.json").read_text())
    from xops.checks.battery.resources_child import limit_memory
    from xops.core.errors import FOREIGN

    limit_memory(allowed)
    try:
        answers, single = pickle.loads((folder / "answers.pickle").read_bytes())  # noqa: S301
        for line in _explained(answers, single):
            lines.write(json.dumps(line) + "\n")
    except MemoryError:
        lines.write(json.dumps({"why": "SHAP took more memory than it is allowed, and was stopped"}) + "\n")
    except FOREIGN as error:  # the parent says what a foreign model or library raised
        lines.write(json.dumps({"why": f"SHAP cannot explain it: {error!r:.200}"}) + "\n")


def _explained(answers: Any, single: int) -> Iterator[dict[str, Any]]:
    import numpy as np

    frame = answers.frame
    method, explain = _explainer(answers)
    total, alone, done, size = np.zeros(frame.shape[1]), [], 0, 1
    first = answers.on(frame.head(single))
    labels = first.probabilities.argmax(axis=1) if answers.kind.classifies and single else [0] * single
    while done < len(frame):
        values = explain(frame.iloc[done : done + size])
        if done < single:
            alone.append(_of_class(values[0], labels[done], answers.kind).tolist())
        total += np.abs(values).reshape(*values.shape[:2], -1).sum(axis=(0, 2))
        done += len(values)
        size = 1 if done < single else min(size * _GROWTH, _MOST)
        yield {"method": method, "rows": done, "total": total.tolist(), "alone": alone}


def _of_class(values: Any, label: int, kind: Any) -> Any:
    """Give a row's values towards the positive class, or of several classes towards the one that was predicted."""
    if values.ndim == 1:
        return values
    return values[:, -1 if kind == "binary" else int(label)]


def _explainer(answers: Any) -> tuple[str, Callable[[Any], Any]]:
    """Choose how a model is explained: by its trees, its coefficients, or else by asking it."""
    import shap
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    from xops.core.errors import FOREIGN

    frame = answers.frame
    model = answers.contender.model
    model = model.get_booster() if hasattr(model, "get_booster") else getattr(model, "booster", model)
    ways: list[tuple[str, Callable[[], Callable[[Any], Any]]]] = []
    if all(is_numeric_dtype(frame[one]) or is_bool_dtype(frame[one]) for one in frame.columns):
        if hasattr(model, "coef_"):
            ways.append(("linear", lambda: shap.LinearExplainer(model, frame.iloc[:_BACKGROUND]).shap_values))
        ways.append(("tree", lambda: _trees(shap.TreeExplainer(model))))
    for method, make in ways:
        try:
            explain = _checked(make())
            explain(frame.iloc[:1])
        except FOREIGN:  # the library has many ways to say that it cannot; asking is left
            continue
        return method, explain
    return "kernel", _checked(_kernel(answers))


def _trees(tree: Any) -> Callable[[Any], Any]:
    return lambda portion: tree.shap_values(portion, check_additivity=False)


def _checked(explain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import numpy as np

    def values(portion: Any) -> Any:
        given = np.asarray(explain(portion), dtype=float)
        if given.shape[:2] != portion.shape or not np.isfinite(given).all():
            raise ValueError(f"SHAP gave values of shape {given.shape} for rows of shape {portion.shape}")
        return given

    return values


def _kernel(answers: Any) -> Callable[[Any], Any]:
    """Explain by asking; each value is named by a row that has it, so that texts and gaps can be dealt like numbers."""
    import numpy as np
    import pandas as pd
    import shap

    from xops.checks.battery.contender import hashable

    frame = answers.frame
    named = pd.DataFrame({one: pd.factorize(hashable(frame[one]), use_na_sentinel=False)[0] for one in frame.columns})
    first = {one: np.unique(named[one], return_index=True)[1] for one in frame.columns}

    def ask(codes: Any) -> Any:
        columns = {one: frame[one].array.take(first[one][codes[:, at].astype(int)]) for at, one in enumerate(first)}
        asked = answers.on(pd.DataFrame(columns))
        return asked.probabilities if answers.kind.classifies else asked.predicted

    kernel = shap.KernelExplainer(ask, named.iloc[:_BACKGROUND].to_numpy(dtype=float))
    samples = 2 * frame.shape[1] + 64

    def explain(portion: Any) -> Any:
        rows = named.loc[portion.index].to_numpy(dtype=float)
        return kernel.shap_values(rows, nsamples=samples, silent=True)

    return explain


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
