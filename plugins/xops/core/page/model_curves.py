"""Curves of a whole model, thinned to what a figure shows: ROC, precision and recall, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 60


def rates(happened: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, dict[str, list[float]]]:
    """Give the ROC and the precision-recall curve of a binary model, each of at most some 60 points.

    Equal scores are one step. Source: Fawcett (2006), An introduction to ROC analysis.

    :param happened: which rows are of the positive class, some but not all, shape (rows,).
    :param scores: larger for the positive class, shape (rows,).
    """
    order = np.argsort(-scores, kind="stable")
    came, ranked = happened[order], scores[order]
    steps = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(came)[steps]
    misses = steps + 1 - hits
    recall, false = hits / hits[-1], misses / misses[-1]
    precision = hits / (hits + misses)
    # as many points by either axis, so that a steep curve keeps its corner
    kept = np.unique(np.concatenate([_thinned(recall), _thinned(false)]))
    return {
        "roc": {
            "false_positive_rate": _short(np.append(0.0, false[kept])),
            "true_positive_rate": _short(np.append(0.0, recall[kept])),
        },
        "precision and recall": {"recall": _short(recall[kept]), "precision": _short(precision[kept])},
    }


def residuals(truth: NDArray[np.float64], predicted: NDArray[np.float64], *, bins: int = 10) -> dict[str, list[float]]:
    """Give the residuals ``truth - predicted`` of bins of as many rows each: mean prediction, and three quantiles.

    :param truth: shape (rows,), at least one row.
    :param predicted: shape (rows,).
    """
    parts = [part for part in np.array_split(np.argsort(predicted, kind="stable"), bins) if len(part)]
    left = truth - predicted
    low, middle, high = np.array([np.quantile(left[part], (0.1, 0.5, 0.9)) for part in parts]).T
    across = np.array([predicted[part].mean() for part in parts])
    return {"predicted": _short(across), "lowest tenth": _short(low), "median": _short(middle),
            "highest tenth": _short(high)}  # fmt: skip


def _thinned(rising: NDArray[np.float64]) -> NDArray[np.intp]:
    places = np.searchsorted(rising, np.linspace(rising[0], rising[-1], _POINTS // 2), side="left")
    return np.append(places.clip(0, len(rising) - 1), len(rising) - 1)


def _short(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
