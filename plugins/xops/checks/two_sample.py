"""Evidently's classifiers that tell samples of texts and of embeddings apart."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from xops.core.drift.separation import MIN_ROWS, Separation
from xops.core.errors import bounded
from xops.core.numerics import np
from xops.core.profile.value_hash import hash_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

SAMPLE = 2000  # rows of a side that are looked at, at most


def tell_apart(reference: Iterable[pa.Array], current: Iterable[pa.Array], sort: str) -> Separation | str:
    """Measure how well a classifier tells two columns apart, on a sample that is the same for the same rows.

    :param reference: the column, piece by piece; no more than the sample and a piece is held.
    :param sort: ``text`` or ``embedding``.
    :returns: a sentence that says why it was not measured, where it could not be.
    """
    sides = [_sample(side) for side in (reference, current)]
    sizes = len(sides[0]), len(sides[1])
    if min(sizes) < MIN_ROWS:
        return f"{sizes[0]} reference and {sizes[1]} current values, at least {MIN_ROWS} of each are needed to tell"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            area = (_texts if sort == "text" else _embeddings)(*sides)
        except ValueError as error:
            return f"no classifier could be made: {bounded(error, 200)}"
    return Separation(area, sizes) if np.isfinite(area) else "no classifier could be made: its area is not a number"


def _sample(pieces: Iterable[pa.Array]) -> pa.Array:
    """Take the values whose places, hashed, come first, in their order: all values of few, of many a fair sample."""
    import pyarrow as pa

    kept, hashes, seen = pa.nulls(0), np.zeros(0, np.uint64), 0
    for piece in pieces:
        values = piece.drop_null()
        among = hash_numbers(np.arange(seen, seen + len(values), dtype=np.float64))
        seen += len(values)
        near = among < hashes.max() if len(hashes) == SAMPLE else np.ones(len(values), bool)
        chosen = values.filter(pa.array(near))
        kept, hashes = pa.concat_arrays([kept, chosen]) if len(kept) else chosen, np.append(hashes, among[near])
        first = np.sort(np.argsort(hashes)[:SAMPLE])
        kept, hashes = kept.take(first), hashes[first]
    return kept


def _texts(reference: pa.Array, current: pa.Array) -> float:
    import pandas as pd
    from evidently.legacy.utils.data_drift_utils import calculate_text_drift_score

    sides = [pd.Series(side.to_pylist(), dtype=str) for side in (reference, current)]
    return float(calculate_text_drift_score(*sides, bootstrap=False)[0])


def _embeddings(reference: pa.Array, current: pa.Array) -> float:
    """Give the area of Evidently's model for embeddings.

    :raises ValueError: when they are of several lengths, or hold what is not finite.
    """
    import pandas as pd
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import model

    rows = [side.to_pylist() for side in (reference, current)]
    lengths = {len(vector) for side in rows for vector in side}
    if len(lengths) != 1 or not max(lengths):
        raise ValueError(f"vectors of one length were wanted, found {bounded(sorted(lengths), 80)}")
    old, new = (np.array(side, float) for side in rows)
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise ValueError("finite numbers were wanted in all vectors")
    return float(model(bootstrap=False)(pd.DataFrame(new), pd.DataFrame(old))[0])
