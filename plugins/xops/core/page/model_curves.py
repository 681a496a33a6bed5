"""What is drawn of a whole model: ROC, precision and recall, confusion, residuals, gains of a ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.model.metrics import ndcg
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 60
_PLACES = 20
_CLASSES = 12


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


def gains_by_place(
    relevance: NDArray[np.float64], scores: NDArray[np.float64], queries: NDArray[np.intp]
) -> dict[str, list[float]]:
    """Give the mean normalised discounted cumulative gain of the first k places of each query, k from 1 to 20 at most.

    :param relevance: not negative, shape (rows,).
    :param scores: larger for what is put first, shape (rows,).
    :param queries: each row's query, from 0, shape (rows,).
    """
    places = range(1, min(int(np.bincount(queries).max()), _PLACES) + 1)
    means = np.array([ndcg(relevance, scores, queries, top).mean() for top in places])
    return {"places": [float(top) for top in places], "NDCG": _short(means)}


def confusion(truth: NDArray[np.intp], labels: NDArray[np.intp], names: list[str]) -> dict[str, Any]:
    """Give how many rows of each class were given each class; beyond the most frequent ones all others as one.

    :param truth: places of classes, shape (rows,).
    :param labels: places of the predicted classes, shape (rows,).
    :param names: of the classes.
    """
    often = np.argsort(-np.bincount(truth, minlength=len(names)), kind="stable")[:_CLASSES]
    kept = np.sort(often) if len(names) > _CLASSES else np.arange(len(names))
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    told = [names[one] for one in kept] + (["others"] if len(kept) < len(names) else [])
    counts = np.zeros((len(told), len(told)), dtype=int)
    np.add.at(counts, (place[truth], place[labels]), 1)
    return {"rows": told, "columns": told, "counts": counts.tolist()}


def _thinned(rising: NDArray[np.float64]) -> NDArray[np.intp]:
    places = np.searchsorted(rising, np.linspace(rising[0], rising[-1], _POINTS // 2), side="left")
    return np.append(places.clip(0, len(rising) - 1), len(rising) - 1)


def _short(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
