"""Metrics that are functions of sums over rows, so that a resample of them is a product and not a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = Callable[[NDArray[Any], NDArray[Any], int], Iterator[NDArray[Any]]]
    Value = Callable[[NDArray[np.float64]], NDArray[np.float64]]

MANY_CLASSES = 12  # beyond it a table of true and predicted classes is too wide to be summed for each unit


@dataclass(frozen=True, slots=True)
class Additive:
    """A metric as sums over rows. Each equals scikit-learn's metric of that name.

    :param columns: gives what is summed, arrays of shape (rows,), from the truth, the answers and the number of
        classes.
    :param value: gives the metric of sums, shape (..., k), in shape (...).
    """

    columns: Columns
    value: Value


def additive(name: str, classes: int) -> Additive | None:
    """Give a metric by scikit-learn's name of it, without ``neg_``; None when it is not a function of few sums.

    Answers are places of classes for accuracy, precision, recall and F1; probabilities, shape (rows, classes), for
    ``log_loss`` and ``brier_score``; numbers for the metrics of a regression.
    """
    if name in _OF_A_TABLE:
        return Additive(_table, _OF_A_TABLE[name]) if classes <= MANY_CLASSES else None
    return _OF_ROWS.get(name)


def ndcg(
    relevance: NDArray[np.float64], scores: NDArray[np.float64], queries: NDArray[np.intp], top: int | None = None
) -> NDArray[np.float64]:
    """Give each query's normalised discounted cumulative gain, shape (queries,).

    Rows of equal score share the mean of their places' discounts. Equal to scikit-learn's ``ndcg_score``; 0 for a
    query without a relevant row.

    :param relevance: not negative, shape (rows,).
    :param queries: each row's query, from 0, shape (rows,).
    :param top: how many places of each query count; all when None.
    """
    number = int(queries.max()) + 1
    order = np.lexsort((-scores, queries))
    query = queries[order]
    start = np.searchsorted(query, np.arange(number))
    place = np.arange(len(query)) - start[query]
    discount = np.where(place < (len(query) if top is None else top), 1 / np.log2(place + 2), 0)
    tied = np.cumsum(np.r_[False, (np.diff(query) != 0) | (np.diff(scores[order]) != 0)])
    shared = (np.bincount(tied, weights=discount) / np.bincount(tied))[tied]
    gained = np.bincount(query, weights=relevance[order] * shared, minlength=number)
    best = np.lexsort((-relevance, queries))
    ideal = np.bincount(query, weights=relevance[best] * discount, minlength=number)
    return np.divide(gained, ideal, out=np.zeros(number), where=ideal > 0)


def _mean(part: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> Additive:
    def columns(truth: NDArray[Any], given: NDArray[Any], _: int) -> Iterator[NDArray[Any]]:
        yield np.ones(len(truth))
        yield part(truth, given)

    return Additive(columns, lambda sums: sums[..., 1] / sums[..., 0])


def _log_loss(truth: NDArray[Any], given: NDArray[Any]) -> NDArray[Any]:
    own = given[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(own, np.finfo(float).eps, 1)))


def _brier(truth: NDArray[Any], given: NDArray[Any]) -> NDArray[Any]:
    if given.shape[1] == 2:  # noqa: PLR2004 - of two classes the second says it all
        return np.asarray(np.square(given[:, 1] - truth))
    own = given[np.arange(len(truth)), truth]
    return np.asarray(np.square(given).sum(axis=1) - 2 * own + 1)


def _relative(truth: NDArray[Any], given: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.abs(given - truth) / np.maximum(np.abs(truth), np.finfo(float).eps))


def _explained(truth: NDArray[Any], given: NDArray[Any], _: int) -> Iterator[NDArray[Any]]:
    middle = truth - truth.mean()
    yield np.ones(len(truth))
    yield middle
    yield np.square(middle)
    yield np.square(given - truth)


def _r2(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = sums[..., 2] - np.square(sums[..., 1]) / sums[..., 0]
    return np.asarray(1 - sums[..., 3] / spread)


def _table(truth: NDArray[Any], given: NDArray[Any], classes: int) -> Iterator[NDArray[Any]]:
    for true in range(classes):
        for predicted in range(classes):
            yield (truth == true) & (given == predicted)


def _square(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    size = round(sums.shape[-1] ** 0.5)
    return sums.reshape(*sums.shape[:-1], size, size)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.zeros(np.shape(top)), where=bottom > 0)


def _by_class(what: str, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Give a metric of each class, how many rows are of each, and which are there at all."""
    table = _square(sums)
    right, true, predicted = np.diagonal(table, axis1=-2, axis2=-1), table.sum(axis=-1), table.sum(axis=-2)
    bottom = {"precision": predicted, "recall": true, "f1": (true + predicted) / 2}[what]
    return _ratio(right, bottom), true, (true + predicted) > 0


def _averages(what: str) -> dict[str, Value]:
    def binary(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_by_class(what, sums)[0][..., 1])

    def macro(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        value, _, there = _by_class(what, sums)
        return np.asarray((value * there).sum(axis=-1) / there.sum(axis=-1))

    def weighted(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        value, true, _ = _by_class(what, sums)
        return np.asarray((value * true).sum(axis=-1) / true.sum(axis=-1))

    return {what: binary, f"{what}_macro": macro, f"{what}_weighted": weighted}


def _balanced(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    recall, true, _ = _by_class("recall", sums)
    return np.asarray((recall * (true > 0)).sum(axis=-1) / (true > 0).sum(axis=-1))


def _correlation(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give Matthews's coefficient, in Gorodkin's form (2004) for any number of classes; 0 where it is not defined."""
    table = _square(sums)
    right, all_rows = np.trace(table, axis1=-2, axis2=-1), sums.sum(axis=-1)
    true, predicted = table.sum(axis=-1), table.sum(axis=-2)
    spread = [np.square(all_rows) - np.square(side).sum(axis=-1) for side in (true, predicted)]
    return _ratio(right * all_rows - (true * predicted).sum(axis=-1), np.sqrt(np.maximum(spread[0] * spread[1], 0.0)))


_SQUARED = _mean(lambda truth, given: np.square(given - truth))
_OF_ROWS = {
    "accuracy": _mean(lambda truth, given: truth == given),
    "log_loss": _mean(_log_loss),
    "brier_score": _mean(_brier),
    "mean_absolute_error": _mean(lambda truth, given: np.abs(given - truth)),
    "mean_absolute_percentage_error": _mean(_relative),
    "mean_squared_error": _SQUARED,
    "root_mean_squared_error": Additive(_SQUARED.columns, lambda sums: np.sqrt(_SQUARED.value(sums))),
    "r2": Additive(_explained, _r2),
}
_OF_A_TABLE = {
    **_averages("precision"),
    **_averages("recall"),
    **_averages("f1"),
    "balanced_accuracy": _balanced,
    "matthews_corrcoef": _correlation,
}
