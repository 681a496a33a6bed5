"""A model that sits the exam, and the rows that it learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.numerics import np
from xops.core.strict_json import dumps

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Learned:
    """Rows that a model was trained on, for whoever compares them with the exam's.

    :param frame: its features, and whatever else a check reads.
    :param target: their targets, shape (rows,).
    """

    frame: pd.DataFrame
    target: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that sits the exam: the candidate or the champion.

    :param name: the name to quote: ``models:/flights_delay/2``.
    :param model: a fitted model of any framework, or a pyfunc: it has ``predict(frame)``, and for probabilities
        ``predict_proba(frame)`` or a ``predict`` that gives them.
    :param columns: the features it reads, in order.
    :param trained_on: hashes of the rows that it was trained on, as :func:`row_hashes` gives them; None when the
        holdout alone tells.
    :param learned: those rows themselves; None where they are not at hand.
    :param size: bytes of its files as they are stored; None where it has none.
    :param refused: why it was not loaded, so that it answers nothing; empty when it was.
    :param stopped: why it is not asked in this process, which it could end or hold up; empty when it is.
    """

    name: str
    model: Any
    columns: tuple[str, ...]
    trained_on: NDArray[np.uint64] | None = None
    learned: Learned | None = None
    size: int | None = None
    refused: str = ""
    stopped: str = ""


def row_hashes(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.uint64]:
    """Give a 64-bit hash of each row's content in some columns, shape (rows,).

    Give the key alone where rows have one, else features and target. Numbers hash alike however they are stored, lists
    and arrays of the same values too.

    :raises Misconfigured: when the rows lack one of the columns.
    """
    import pandas as pd

    absent = [column for column in columns if column not in frame.columns]
    if absent:
        raise Misconfigured(f"rows are told apart by the column {bounded(absent[0], 80)}, which they lack")

    read = frame[list(columns)].reset_index(drop=True)
    numbers = [column for column in read.columns if pd.api.types.is_numeric_dtype(read[column])]
    read = read.astype(dict.fromkeys(numbers, "float64")).astype(
        {column: object for column in read.columns if column not in numbers}
    )
    for column in read.columns.difference(numbers, sort=False):
        read[column] = hashable(read[column])
    hashes: NDArray[np.uint64] = pd.util.hash_pandas_object(read, index=False).to_numpy(dtype=np.uint64)
    return hashes


def hashable(column: pd.Series) -> pd.Series:
    """Give a column whose values can be told apart: lists, arrays and the like as texts of what they hold."""
    if not column.map(_holds_others).any():
        return column
    return column.map(lambda value: _text(value) if _holds_others(value) else value)


def _holds_others(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, Mapping, np.ndarray))


def _text(value: Any) -> str:
    """Write a value that holds others as canonical JSON; what has none there as Python writes it."""
    try:
        return dumps(value).decode()
    except TypeError:
        return repr(value)
