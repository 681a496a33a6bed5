"""Counting the values of a column, batch by batch, into its profile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from xops.core.numerics import np
from xops.core.profile import distinct
from xops.core.profile.profiles import ColumnProfile
from xops.core.profile.spec import BINS, CELLS, NEAR, OTHERS, ColumnSpec, Kind, ProfileSpec, cells_of
from xops.core.profile.value_hash import Hashes, different, hash_numbers, hash_strings
from xops.core.suite.plan import Counted, Sought
from xops.engines import arrow_values
from xops.engines.arrow_values import Array, Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 16_384  # numbers that are counted at once: few enough to stay in the processor's cache
HELD = 4_194_304  # rows up to which a hash of each is held where it is asked how many are different
_TOP_OF_BATCH = 4096
_KEPT = 65_536
_TOP_NAMES = 256
_MANY = 10_000  # different texts from which on only the most frequent few get a count of their own
_FEW = 32
_STARTS = np.arange(-1.0, BINS + 1)  # of the slots, in bins from the grid's start
_MIDDLES = _STARTS + 0.5


class ColumnCounter(Protocol):
    """Counts one column."""

    def add(self, array: Array) -> None:
        """Count the values of a batch."""

    def profile(self) -> ColumnProfile:
        """Give what was counted."""


def counter_of(spec: ColumnSpec, *, sketched: bool) -> ColumnCounter:
    """Give what counts a column.

    :param sketched: whether the different values of a column on the number line are sketched.
    """
    if spec.kind.on_a_line:
        return NumberCounter(spec, sketched=sketched)
    return TextCounter(spec) if spec.kind is Kind.CATEGORY else FlagCounter(spec)


def counters_of(spec: ProfileSpec, counted: Iterable[Counted]) -> dict[str, ColumnCounter]:
    """Give what counts each column of a profile, and what is counted beside it of columns of texts."""
    sought: dict[str, dict[str, None]] = {}
    held = set()
    for one in counted:
        if isinstance(one, Sought):
            sought.setdefault(one.column, {}).update(dict.fromkeys(one.texts))
        else:
            held.add(one.column)
    return {
        column.name: TextCounter(column, sought.get(column.name, ()), held=column.name in held)
        if column.name in sought or column.name in held
        else counter_of(column, sketched=spec.distinct)
        for column in spec.columns
    }


def value_of(one: Counted, counters: Mapping[str, ColumnCounter]) -> int:
    """Give what was counted beside a profile."""
    counter = counters[one.column]
    if not isinstance(counter, TextCounter):
        raise TypeError(f"column {one.column}: texts were wanted")
    return one.value([counter.found[text] for text in one.texts]) if isinstance(one, Sought) else counter.different


class NumberCounter:
    """Counts what lies on the number line; without a grid only the least and the greatest finite value.

    :param spec: the bins.
    :param sketched: whether different values are sketched, where they do not have a bin each.
    """

    def __init__(self, spec: ColumnSpec, *, sketched: bool) -> None:
        self.spec = spec
        self.low, self.high = math.inf, -math.inf
        self._rows = self._nulls = self._nan = self._above_all = self._below_all = 0
        self._first = self._second = self._beyond = 0.0
        self._counts = np.zeros(spec.slots, np.int64)
        self._sums = np.zeros(spec.slots)
        cells = 2 * CELLS if spec.grid and not spec.whole else 0
        self._near, self._near_sums = np.zeros(cells, np.int64), np.zeros(cells)
        self._at_edges = np.zeros(max(len(spec.edges) - 1, 0), np.int64)
        self._seen = distinct.nothing() if sketched and spec.grid and spec.grid.step != 1 else None

    def add(self, array: Array) -> None:
        """Count the values of a batch."""
        values, scale = arrow_values.numbers(array)
        middles = self.spec.whole and scale == 1 and values.dtype.kind in "iu"
        self._rows += len(array)
        self._nulls += len(array) - len(values)
        with np.errstate(all="ignore"):  # numbers near the greatest there is are counted above all bins
            for start in range(0, len(values), _BLOCK):
                block = values[start : start + _BLOCK].astype(np.float64, copy=False)
                self._add(block if scale == 1 else block * scale, middles=middles)

    def _add(self, values: NDArray[np.float64], *, middles: bool) -> None:
        """Count.

        :param middles: whether each value is known to lie in the middle of its bin.
        """
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(low) or not math.isfinite(high):
            values = self._finite(values)
            if not len(values):
                return
            low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        grid = self.spec.grid
        if grid is None:
            return
        scaled = values - grid.low
        scaled *= 1 / grid.step
        if low < grid.low or high >= grid.top:
            places = np.clip(np.floor(scaled), -1, BINS).astype(np.intp)
            self._beyond += float((values[values > grid.top] - grid.top).sum())
            self._moments(values - self.spec.origin, 1.0)
            scaled[(places < 0) | (places == BINS)] = 0.0
        else:
            places = scaled.astype(np.intp)
            self._moments(scaled - BINS // 2, grid.step)
        places += 1
        counts = np.bincount(places, minlength=BINS + 2)
        self._counts += counts
        if middles:
            self._sums += counts * _MIDDLES
        else:
            self._sums += np.bincount(places, scaled, BINS + 2)
        if not self.spec.whole:
            self._add_near(scaled, places, counts, grid.centre)
        if len(self._at_edges):
            self._at_edges += np.histogram(values, self.spec.edges)[0]
        if self._seen is not None:
            distinct.mark(self._seen, hash_numbers(values))

    def _add_near(
        self, scaled: NDArray[np.float64], places: NDArray[np.intp], counts: NDArray[np.intp], centre: int
    ) -> None:
        """Count the values near the centre in finer cells.

        :param scaled: the values, in bins from the grid's start.
        :param places: their slots.
        :param counts: how many there are in each slot.
        """
        start, end = max(centre - NEAR, 0) + 1, min(centre + NEAR, BINS) + 1
        held = int(counts[start:end].sum())
        if not held:
            return
        if held < len(scaled):
            scaled = scaled.take(np.flatnonzero((places >= start) & (places < end)))
        apart = scaled - centre
        cells = cells_of(apart)
        self._near += np.bincount(cells, minlength=2 * CELLS)
        self._near_sums += np.bincount(cells, apart, 2 * CELLS)

    def _finite(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        self._nan += int(np.count_nonzero(np.isnan(values)))
        self._above_all += int(np.count_nonzero(values == math.inf))
        self._below_all += int(np.count_nonzero(values == -math.inf))
        return values[np.isfinite(values)]

    def _moments(self, apart: NDArray[np.float64], unit: float) -> None:
        """Add up distances from the origin, given in a unit."""
        self._first += unit * float(apart.sum())
        self._second += unit * (unit * float(np.einsum("i,i", apart, apart)))  # BLAS would keep other threads busy

    @property
    def ends(self) -> tuple[float, float] | None:
        """The least and the greatest finite value; None without one."""
        return (self.low, self.high) if self.low <= self.high else None

    def profile(self) -> ColumnProfile:
        """Give what was counted."""
        low, high = self.ends or (None, None)
        if self._seen is not None and self._rows > self._counts.sum():
            distinct.mark_missing(self._seen)
        return ColumnProfile(
            self.spec,
            self._rows,
            self._nulls,
            self._counts,
            self._nan,
            self._above_all,
            self._below_all,
            low=low,
            high=high,
            first=self._first,
            second=self._second,
            beyond=self._beyond,
            at_edges=self._at_edges,
            sketch=None if self._seen is None else distinct.packed(self._seen),
            sums=(self._sums - self._counts * _STARTS[: self.spec.slots])[1:-1],
            near=self._near,
            near_sums=self._near_sums,
        )


class TextCounter:
    """Counts categories: those of the spec each, the others by their hash.

    :param sought: texts of which each is counted, whatever other has its hash.
    :param held: whether every hash is held, 8 bytes a row, so that the different ones can be counted.
    """

    def __init__(self, spec: ColumnSpec, sought: Collection[str] = (), *, held: bool = False) -> None:
        self.spec = spec
        hashes = hash_strings(list(spec.names))
        self._order = np.argsort(hashes)
        self._known = hashes[self._order]
        self._counts = np.zeros(spec.slots, np.int64)
        self._rows = self._nulls = 0
        self._seen = distinct.nothing()
        self.found = dict.fromkeys(sought, 0)
        self._sought = hash_strings(list(sought))
        self._held: list[Hashes] | None = [] if held else None

    def add(self, array: Array) -> None:
        """Count the values of a batch."""
        array = arrow_values.plain(array)  # a dictionary may hold a null of its own
        hashes, times, texts = arrow_values.hashed(array)
        if self.found:
            self._find(hashes, times, texts)
        if self._held is not None:
            self._held.append(hashes)
        self._rows += len(array)
        self._nulls += array.null_count
        distinct.mark(self._seen, hashes)
        self._counts += np.bincount(self._slots(hashes), times, self.spec.slots).astype(np.int64)

    @property
    def different(self) -> int:
        """How many hashes there are, NULL having one too."""
        return different(np.concatenate(self._held or [np.zeros(0, np.uint64)])) + bool(self._nulls)

    def _find(self, hashes: Hashes, times: NDArray[np.int64] | None, texts: Texts) -> None:
        """Count the texts that are sought: where their hashes are, the texts themselves are looked at."""
        places = np.flatnonzero(np.isin(hashes, self._sought))
        for place, text in zip(places.tolist(), texts(places), strict=True):
            if text in self.found:
                self.found[text] += 1 if times is None else int(times[place])

    def _slots(self, hashes: Hashes) -> NDArray[np.intp]:
        slots = len(self.spec.names) + (hashes & np.uint64(OTHERS - 1)).astype(np.intp)
        if len(self._known):
            places = np.searchsorted(self._known, hashes).clip(max=len(self._known) - 1)
            named = self._known[places] == hashes
            slots[named] = self._order[places[named]]
        return slots

    def profile(self) -> ColumnProfile:
        """Give what was counted."""
        if self._nulls:
            distinct.mark_missing(self._seen)
        return ColumnProfile(self.spec, self._rows, self._nulls, self._counts, sketch=distinct.packed(self._seen))


class FlagCounter:
    """Counts booleans; of columns of other sorts only the nulls."""

    def __init__(self, spec: ColumnSpec) -> None:
        self.spec = spec
        self._counts = np.zeros(spec.slots, np.int64)
        self._rows = self._nulls = 0

    def add(self, array: Array) -> None:
        """Count the values of a batch."""
        array = arrow_values.plain(array)
        self._rows += len(array)
        self._nulls += array.null_count
        if self.spec.kind is Kind.BOOLEAN:
            self._counts[:2] += array.false_count, array.true_count

    def profile(self) -> ColumnProfile:
        """Give what was counted."""
        return ColumnProfile(self.spec, self._rows, self._nulls, self._counts)


class Frequent:
    """Finds the most frequent texts of a column, exactly up to 4,096 different ones a batch and 65,536 in all."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._seen = distinct.nothing()

    def add(self, array: Array) -> None:
        """Count the values of a batch."""
        hashes, times, texts = arrow_values.hashed(array)
        distinct.mark(self._seen, hashes)
        each, first, place = np.unique(hashes, return_index=True, return_inverse=True)
        total = np.bincount(place, times, len(each)) if len(each) else np.zeros(0)
        most = np.argsort(-total, kind="stable")[:_TOP_OF_BATCH]
        self._times.update(dict(zip(texts(first[most]), total[most].astype(int).tolist(), strict=True)))
        if len(self._times) > _KEPT:
            self._times = Counter(dict(self._times.most_common(_KEPT // 2)))

    def names(self) -> list[str]:
        """Give the most frequent texts, most frequent first; fewer where there are so many that they say little."""
        many = distinct.estimate(distinct.packed(self._seen)) > _MANY
        ranked = sorted(self._times.items(), key=lambda found: (-found[1], found[0]))
        return [name for name, _ in ranked[: _FEW if many else _TOP_NAMES]]
