"""Parts of the rows: those that a column names, and those where a model does worst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from xops.core.model.intervals import Interval, Units, interval_from
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RARE = "any rare value"
MISSING = "missing"
_OVERLAP = 0.5  # of two slices that share more of their rows the worse one stands for both
_HALVES = 7  # the seed by which units are dealt to two halves


@dataclass(frozen=True, slots=True)
class Cut:
    """A column cut into slices that do not overlap.

    :param column: its name.
    :param codes: each row's slice, shape (rows,), from 0.
    :param names: what each slice is called.
    """

    column: str
    codes: NDArray[np.intp]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the rows.

    :param name: what they have in common.
    :param rows: which they are, shape (rows,).
    """

    name: str
    rows: NDArray[np.bool_]


def cut(column: str, values: NDArray[Any], *, bins: int, least: float) -> Cut:
    """Cut a column: numbers and times at their quantiles, whatever else by value.

    Values that fewer than ``least`` rows have are one slice, so that no slice names few people; missing ones are
    another. A column of few distinct numbers is cut by value.

    :param values: shape (rows,).
    :param bins: how many slices of numbers.
    """
    text = _texts(values, bins)
    names, codes, counts = np.unique(text, return_inverse=True, return_counts=True)
    kept = [str(name) for name, count in zip(names, counts, strict=True) if count >= least or name == MISSING]
    place = {name: number for number, name in enumerate(kept)}
    of_name = np.array([place.get(str(name), len(kept)) for name in names], dtype=np.intp)
    return Cut(column, of_name[codes], tuple(f"{column} {name}" for name in [*kept, RARE]))


def slices_of(one: Cut, *, least: float) -> list[Slice]:
    """Give a cut's slices of at least ``least`` rows, but none that holds every row."""
    counts = np.bincount(one.codes, minlength=len(one.names))
    return [
        Slice(name, one.codes == place)
        for place, name in enumerate(one.names)
        if max(least, 1) <= counts[place] < len(one.codes)
    ]


def halves(rows: int, groups: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Deal the units to two halves, whole groups where there are any: True is the half to search, False to test."""
    units = Units.of(rows, groups)
    side: NDArray[np.bool_] = np.random.default_rng(_HALVES).permutation(units.number) % 2 == 0
    return side[units.codes]


def worst_slices(
    cuts: Sequence[Cut], loss: NDArray[np.float64], among: NDArray[np.bool_], *, least: float, number: int
) -> list[Slice]:
    """Give the slices whose mean loss lies furthest above 0, in standard errors: of single columns and of pairs.

    They are found by looking, so they are to be tested on other rows. Every slice of :data:`RARE` values is left out.

    :param loss: shape (rows,).
    :param among: the rows that are looked at, shape (rows,); the slices given hold the others, too.
    :param least: how many of the rows looked at a slice has to have.
    :param number: how many to give at most; slices of mostly the same rows count once.
    """
    scored = [found for crossed in _crossed(cuts) for found in _scored(crossed, loss, among, least)]
    scored.sort(key=lambda found: found[0], reverse=True)
    chosen: list[Slice] = []
    for _, crossed, place in scored:
        rows = crossed.codes == place
        if not any(_share(rows, other.rows) > _OVERLAP for other in chosen):
            chosen.append(Slice(crossed.names[place], rows))
        if len(chosen) == number:
            break
    return chosen


def mean_loss(one: Slice, loss: NDArray[np.float64], groups: NDArray[Any] | None, *, confidence: float) -> Interval:
    """Give the mean of a slice's loss with Student's interval, by groups where there are any."""
    units = Units.of(int(one.rows.sum()), None if groups is None else np.asarray(groups)[one.rows])
    sums = units.sums([np.ones(len(units.codes)), loss[one.rows]])
    total = sums.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = total - sums
        left_out = rest[:, 1] / rest[:, 0]
    return interval_from(float(total[1] / total[0]), left_out, None, confidence=confidence)


def _texts(values: NDArray[Any], bins: int) -> NDArray[Any]:
    """Give each value's slice as a text."""
    times = values.dtype.kind == "M"
    if times:
        seconds = values.astype("datetime64[s]")
        values = np.where(np.isnat(seconds), np.nan, seconds.astype("int64").astype(float))
    if values.dtype.kind not in "fiu":
        missing = np.array([value is None or value != value for value in values.tolist()], dtype=bool)  # noqa: PLR0124
        return np.where(missing, MISSING, np.char.add("= ", values.astype(str)))
    known = np.isfinite(values)
    levels = np.unique(values[known])
    if len(levels) <= bins:
        return np.where(known, np.char.add("= ", values.astype(str)), MISSING)
    edges = np.unique(np.quantile(values[known], np.arange(1, bins) / bins))
    ends = [str(np.datetime64(int(edge), "s")) for edge in edges] if times else _told_apart(edges)
    names = [f"up to {ends[0]}", *(f"above {one}, up to {other}" for one, other in pairwise(ends))]
    named = np.array([*names, f"above {ends[-1]}", MISSING], dtype=object)
    return np.where(known, named[np.searchsorted(edges, values, side="left")], MISSING).astype(str)


def _told_apart(edges: NDArray[np.float64]) -> list[str]:
    """Write numbers with as few digits as tell them apart."""
    return next(
        texts for digits in (4, 6, 9, 17) if len(set(texts := [f"{edge:.{digits}g}" for edge in edges])) == len(edges)
    )


def _crossed(cuts: Sequence[Cut]) -> Iterator[Cut]:
    yield from cuts
    for one, other in combinations(cuts, 2):
        names = tuple(f"{a} and {b}" for a in one.names for b in other.names)
        yield Cut(f"{one.column}, {other.column}", one.codes * len(other.names) + other.codes, names)


def _scored(
    one: Cut, loss: NDArray[np.float64], among: NDArray[np.bool_], least: float
) -> Iterator[tuple[float, Cut, int]]:
    """Give the slices that are worse than 0, by how many standard errors."""
    size, codes, loss = len(one.names), one.codes[among], loss[among]
    rows = np.bincount(codes, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(codes, weights=loss, minlength=size) / rows
        spread = np.bincount(codes, weights=np.square(loss), minlength=size) / rows - np.square(mean)
        score = mean / np.sqrt(np.maximum(spread, np.finfo(float).tiny) / rows)
    for place in np.flatnonzero((rows >= max(least, 2)) & (mean > 0)):
        if RARE not in one.names[place]:
            yield float(score[place]), one, int(place)


def _share(rows: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(rows & other) / np.count_nonzero(rows | other))
