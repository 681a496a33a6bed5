"""What a profile counts: for each column its kind and the bins, which a reference pins for good."""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.evidence import digest
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROFILER = "4"  # counts of two versions never add up
BINS = 2048
NEAR = 32  # bins on each side of a grid's centre that are counted in finer cells too
_OCTAVES = 12  # below ``NEAR``, to an 128th of a bin
_FINE = 32  # cells for each doubling of the distance from the centre
CELLS = 1 + _FINE * _OCTAVES  # on a side, with the innermost
OTHERS = 256  # buckets, by hash, for the categories that have no count of their own
_CELL_BITS = 47  # of a double's 52 that are beyond the first five after the leading one, which tell ``_FINE`` apart
_INNERMOST = (struct.unpack("q", struct.pack("d", NEAR * 2.0**-_OCTAVES))[0] >> _CELL_BITS) - 1
_NAMES = 256
_FAR = sys.float_info.max / 4
_LEAST_STEP = 1e-290  # of which a double still holds the inverse
_NAMES_BYTES = 24_000  # so that a column stays below 64 KiB
_NAME_BYTES = 6_000  # of the column itself, for the same reason


class Kind(StrEnum):
    """How a column is counted."""

    NUMBER = "number"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    OTHER = "other"

    @property
    def on_a_line(self) -> bool:
        """Whether it has bins on the number line: dates are days and timestamps microseconds since 1970."""
        return self not in (Kind.BOOLEAN, Kind.CATEGORY, Kind.OTHER)


_KINDS = (
    (r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)", Kind.INTEGER),
    (r"(FLOAT|DOUBLE)", Kind.NUMBER),
    (r"DECIMAL\(.*\)", Kind.DECIMAL),
    (r"DATE", Kind.DATE),
    (r"TIMESTAMP( WITH TIME ZONE|_S|_MS|_NS)?", Kind.TIMESTAMP),
    (r"BOOLEAN", Kind.BOOLEAN),
    (r"(VARCHAR|ENUM\(.*\)|UUID)", Kind.CATEGORY),
)


def comparable(first: str, second: str) -> bool:
    """Tell whether values of two SQL types can be counted in the same bins."""
    numbers = {Kind.NUMBER, Kind.INTEGER, Kind.DECIMAL}
    kinds = {kind_of(first), kind_of(second)}
    return kinds <= numbers or (len(kinds) == 1 and ("ZONE" in first) == ("ZONE" in second)) or first == second


@lru_cache(1024)
def kind_of(type_name: str) -> Kind:
    """Give the kind of a column from its SQL type, as DuckDB names types."""
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, type_name, re.DOTALL)), Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Grid:
    """``BINS`` bins of equal width; bin i holds low + i * step <= value < low + (i + 1) * step.

    :param centre: the number of the edge amid the values, about which bins are counted in finer cells too.
    """

    low: float
    step: float
    centre: int = 0

    @property
    def top(self) -> float:
        """The end of the last bin."""
        return self.low + BINS * self.step

    @property
    def edges(self) -> NDArray[np.float64]:
        """The ``BINS + 1`` edges."""
        with np.errstate(over="ignore"):  # a grid may reach to the greatest number there is
            return np.asarray(self.low + self.step * np.arange(BINS + 1), np.float64)

    @classmethod
    def over(cls, low: float, high: float, kind: Kind, middle: float = 0.0) -> Grid:
        """Lay bins over the values from ``low`` to ``high``, both inside; whole numbers get bins of their own.

        Where no number holds the distance of the two, what is beyond a quarter of the greatest number is outside.

        :param middle: about the median of the values: of a long tail most of them lie in few bins there.
        """
        grid = cls._over(low, high, kind)
        return replace(grid, centre=int(min(max(np.rint(middle / grid.step - grid.low / grid.step), 0), BINS)))

    @classmethod
    def _over(cls, low: float, high: float, kind: Kind) -> Grid:
        if not math.isfinite(high - low):
            low, high = max(low, -_FAR), min(high, _FAR)
        whole = kind in (Kind.INTEGER, Kind.DATE)
        if whole and high - low < BINS:
            return cls(low - 0.5, 1.0)
        width = high / BINS - low / BINS
        if width * BINS <= max(abs(low), abs(high)) * 1e-12 or width < _LEAST_STEP:
            step = max(abs(low) * 2.0**-20, 2.0**-10)
            return cls(low - step * (BINS // 2 + 0.5), step)
        return cls(low, float(math.ceil(width * (1 + 1e-6))) if whole else width * (1 + 1e-6))


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """How one column is counted.

    :param name: the column.
    :param type: its SQL type.
    :param grid: the bins of a column on the number line; None for others, and where the reference has no value.
    :param names: the categories with a count of their own, the most frequent of the reference.
    :param edges: further edges at which to count exactly, ascending; the last bin includes its end, as numpy's.
    """

    name: str
    type: str
    grid: Grid | None = None
    names: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def kind(self) -> Kind:
        """The column's kind."""
        return kind_of(self.type)

    @property
    def whole(self) -> bool:
        """Whether each whole number has a bin of its own, and lies in its middle."""
        return self.kind in (Kind.INTEGER, Kind.DATE) and self.grid is not None and self.grid.step == 1

    @property
    def origin(self) -> float:
        """The point that moments are taken about, amid the reference's values."""
        return self.grid.low + self.grid.step * (BINS // 2) if self.grid else 0.0

    @property
    def slots(self) -> int:
        """How many counts there are: below, the bins, above; or the names and then the buckets of the others."""
        if self.kind.on_a_line:
            return BINS + 2 if self.grid else 0
        return 0 if self.kind is Kind.OTHER else len(self.names) + OTHERS

    @classmethod
    def of(cls, name: str, type_name: str, found: Sequence[Any] | None) -> ColumnSpec:
        """Decide the bins.

        :param found: the least and the greatest finite value and, if known, about the median; or the most frequent
            categories, most frequent first; None when there is no value.
        """
        kind = kind_of(type_name)
        if kind is Kind.BOOLEAN:
            return cls(name, type_name, names=("false", "true"))
        if kind is Kind.OTHER or not found:
            return cls(name, type_name)
        if kind is Kind.CATEGORY:
            return cls(name, type_name, names=tuple(_that_fit(found)))
        return cls(name, type_name, Grid.over(float(found[0]), float(found[1]), kind, *map(float, found[2:])))


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """How a dataset is counted. Profiles of one spec add up.

    :param columns: the columns, in order.
    :param distinct: whether different numbers are counted; categories always are.
    :param profiler: the version of the counting.
    """

    columns: tuple[ColumnSpec, ...]
    distinct: bool = True
    profiler: str = PROFILER

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Misconfigured(f"a profile needs columns of different names; twice: {bounded(', '.join(twice))}")
        long = [name for name in names if len(json.dumps(name)) > _NAME_BYTES]
        if long:
            raise Misconfigured(
                f"a profile needs columns whose names take at most {_NAME_BYTES} bytes as JSON; "
                f"of {len(long)} they take more: {bounded(', '.join(name[:40] for name in long))}"
            )

    @property
    def digest(self) -> str:
        """The SHA-256 of all that decides what is counted."""
        return digest(self.to_json())

    def column(self, name: str) -> ColumnSpec | None:
        """Give how a column is counted, or None when it is not."""
        return next((column for column in self.columns if column.name == name), None)

    def fitted(self, types: Mapping[str, str]) -> ProfileSpec:
        """Give the same bins for those columns that a dataset has, given its columns' SQL types.

        A column that has become one of another kind is kept with its new type and without bins.
        """
        columns = (
            column if comparable(column.type, types[column.name]) else ColumnSpec(column.name, types[column.name])
            for column in self.columns
            if column.name in types
        )
        return replace(self, columns=tuple(columns))

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return {
            "profiler": self.profiler,
            "distinct": self.distinct,
            "columns": [asdict(column) for column in self.columns],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ProfileSpec:
        """Read what :meth:`to_json` wrote."""
        columns = (
            ColumnSpec(
                column["name"],
                column["type"],
                Grid(**column["grid"]) if column["grid"] else None,
                tuple(column["names"]),
                tuple(column["edges"]),
            )
            for column in document["columns"]
        )
        return cls(tuple(columns), document["distinct"], document["profiler"])


def cell_edges() -> NDArray[np.float64]:
    """Give the ``CELLS + 1`` edges of the finer cells on one side, as distances from the centre in bins."""
    starts = NEAR * 2.0 ** -np.arange(_OCTAVES, 0, -1.0)
    steps = np.outer(starts, 1 + np.arange(_FINE) / _FINE).ravel()
    return np.concatenate([[0.0], steps, [float(NEAR)]])


def cells_of(apart: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give the finer cell of each value, told by the bits of its distance from the centre in bins, up to ``NEAR``.

    Cells 0 to ``CELLS`` - 1 lie left of the centre, from it on, and hold their far edges; the others lie right of it
    and hold their near ones: so each lies within one bin.
    """
    left = apart < 0
    cells: NDArray[np.int64] = np.clip((np.abs(apart).view(np.int64) - left >> _CELL_BITS) - _INNERMOST, 0, CELLS - 1)
    cells[~left] += CELLS
    return cells


def _that_fit(names: Iterable[str]) -> list[str]:
    """Give as many names as fit a column's share of bytes; a very long one is counted among the others."""
    kept, room = [], _NAMES_BYTES
    for name in list(names)[:_NAMES]:
        size = len(json.dumps(name)) + 1
        if size <= min(room, _NAMES_BYTES // 16):
            kept.append(name)
            room -= size
    return kept
