"""What one scan learned of a dataset version; profiles of one spec add up."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from xops.core.errors import Misconfigured
from xops.core.evidence import digest
from xops.core.numerics import np
from xops.core.profile import distinct
from xops.core.profile.spec import BINS, ColumnSpec, Kind, ProfileSpec
from xops.core.strict_json import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

Counts: TypeAlias = "NDArray[np.int64]"
Sums: TypeAlias = "NDArray[np.float64]"
COUNTS = ("counts", "at_edges", "near")
SUMS = ("sums", "near_sums")
WHOLE = ("rows", "nulls", "nan", "above_all", "below_all")
MOMENTS = ("first", "second", "beyond")
_PACKED = (*COUNTS, *SUMS, "sketch")


@dataclass(frozen=True, slots=True, eq=False)
class ColumnProfile:
    """What is known of one column. Counts add up exactly, sums as floating-point numbers do.

    :param spec: how it was counted.
    :param rows: the dataset's rows.
    :param nulls: rows without a value; NaN is a value.
    :param nan: rows that are not a number.
    :param above_all: rows that are plus infinity.
    :param below_all: rows that are minus infinity.
    :param counts: see :attr:`ColumnSpec.slots`; finite values only.
    :param low: the least finite value; None without one.
    :param high: the greatest finite value.
    :param first: the sum of (value - origin) over the finite values.
    :param second: the sum of (value - origin) squared.
    :param beyond: the sum of (value - top of the grid) over the finite values above it.
    :param at_edges: counts between the spec's further edges.
    :param sketch: of the different values; None when it was not made.
    :param sums: by bin, the sum of its values' distances from its start, in bins; empty where they were not summed.
    :param near: counts in the finer cells about the grid's centre: left of it from the centre on, then right of it.
    :param near_sums: by finer cell, the sum of its values' distances from the centre, in bins.
    """

    spec: ColumnSpec
    rows: int
    nulls: int
    counts: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    nan: int = 0
    above_all: int = 0
    below_all: int = 0
    low: float | None = None
    high: float | None = None
    first: float = 0.0
    second: float = 0.0
    beyond: float = 0.0
    at_edges: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    sketch: bytes | None = None
    sums: Sums = field(default_factory=lambda: np.zeros(0))
    near: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    near_sums: Sums = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        for name in (*COUNTS, *SUMS):
            given = getattr(self, name)
            array = np.asarray(given, np.int64 if name in COUNTS else np.float64)
            if array.flags.writeable:
                array = array.copy() if array is given else array
                array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def values(self) -> int:
        """How many values are neither null nor NaN nor infinite."""
        return self.rows - self.nulls - self.nan - self.above_all - self.below_all

    @property
    def mean(self) -> float:
        """The mean of the finite values; NaN without one, and for what is not on the number line."""
        if not self.values or not self.spec.kind.on_a_line:
            return math.nan
        mean = self.spec.origin + self.first / self.values
        return mean if math.isfinite(mean) else self._by_bins[0]

    @property
    def deviation(self) -> float:
        """The standard deviation (over n) of the finite values, from their shifted sums."""
        if not self.values or not self.spec.kind.on_a_line:
            return math.nan
        mean = self.first / self.values
        variance = self.second / self.values - mean * mean
        return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else self._by_bins[1]

    @property
    def _by_bins(self) -> tuple[float, float]:
        """Mean and deviation of values whose sums no double holds, from the sums by bin; NaN of values outside."""
        grid, inside = self.spec.grid, self.counts[1:-1]
        if grid is None or not len(self.sums) or int(inside.sum()) != self.values:
            return math.nan, math.nan
        places = np.arange(BINS) + self.sums / np.maximum(inside, 1)
        mean = float(inside @ places) / self.values
        spread = float(inside @ (places - mean) ** 2) / self.values
        return grid.low + grid.step * mean, grid.step * math.sqrt(spread)

    @property
    def distinct(self) -> float | None:
        """About how many different values there are; exact where each has a count of its own, None if not known."""
        exact = self.spec.kind is Kind.BOOLEAN or (
            self.spec.kind in (Kind.INTEGER, Kind.DATE)
            and self.spec.grid is not None
            and self.spec.grid.step == 1
            and not (self.counts[0] or self.counts[-1])
        )
        if exact or (self.spec.names and not self.counts[len(self.spec.names) :].any()):
            return float(np.count_nonzero(self.counts))
        if self.sketch is None:
            return None
        return max(distinct.estimate(self.sketch) - (self.values < self.rows), 0.0)  # null has a bit of its own

    def between(self, edges: NDArray[np.float64]) -> Counts:
        """Count in coarser bins, each edge taken to the nearest one of the grid; with below and above.

        :param edges: ascending, for example quantiles of the reference.
        """
        grid = self.spec.grid
        if grid is None:
            return np.zeros(len(edges) + 1, np.int64)
        with np.errstate(over="ignore"):
            places = np.clip(np.rint((edges - grid.low) / grid.step), 0, BINS).astype(np.int64) + 1
        return np.diff(np.concatenate([[0], self.counts.cumsum()[places - 1], [self.counts.sum()]]))

    def quantiles(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the values below which ``shares`` of the finite values lie, to the width of a bin."""
        grid = self.spec.grid
        if grid is None or not self.values:
            return np.full(len(shares), math.nan)
        ends = np.append(grid.edges, self.high if self.high is not None else grid.top)
        found = np.searchsorted(self.counts.cumsum(), shares * self.counts.sum())
        return np.asarray(ends[np.minimum(found, BINS + 1)], float)

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        """Give the profile of both sets of rows together."""
        return ColumnProfile.sum([self, other])

    @classmethod
    def sum(cls, parts: Sequence[ColumnProfile]) -> ColumnProfile:
        """Give the profile of all sets of rows together; of one or more.

        :raises Misconfigured: when they were counted by different bins.
        """
        spec = parts[0].spec
        if any(part.spec != spec for part in parts):
            raise Misconfigured(f"column {spec.name}: profiles by different bins do not add up; pin one reference")
        totals: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in (*WHOLE, *MOMENTS)}
        totals |= {name: _total([getattr(part, name) for part in parts]) for name in (*COUNTS, *SUMS)}
        return cls(
            spec,
            low=min((part.low for part in parts if part.low is not None), default=None),
            high=max((part.high for part in parts if part.high is not None), default=None),
            sketch=distinct.union([part.sketch for part in parts]),
            **totals,
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON, without its spec."""
        given = {name: plain(getattr(self, name)) for name in self.__slots__ if name not in ("spec", *_PACKED)}
        arrays = {name: _pack(getattr(self, name).astype(_type(name)).tobytes()) for name in (*COUNTS, *SUMS)}
        return given | arrays | {"sketch": None if self.sketch is None else _pack(self.sketch)}

    @classmethod
    def from_json(cls, spec: ColumnSpec, document: Mapping[str, Any]) -> ColumnProfile:
        """Read what :meth:`to_json` wrote."""
        sums = {name: float(document[name]) for name in MOMENTS}
        arrays = {name: np.frombuffer(_unpack(document[name]), _type(name)) for name in (*COUNTS, *SUMS)}
        sketch = None if document["sketch"] is None else _unpack(document["sketch"])
        return cls(spec, **{**document, **sums, **arrays, "sketch": sketch})


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What is known of a dataset version, or of several together.

    :param versions: names of the dataset versions that were counted, sorted.
    :param spec: how they were counted.
    :param rows: their rows.
    :param columns: one for each column of the spec, in its order.
    """

    versions: tuple[str, ...]
    spec: ProfileSpec
    rows: int
    columns: tuple[ColumnProfile, ...]

    @property
    def digest(self) -> str:
        """The name by content: the same for the same versions counted in the same way."""
        return profile_digest(self.versions, self.spec)

    def column(self, name: str) -> ColumnProfile | None:
        """Give a column's profile, or None when it has none."""
        return next((column for column in self.columns if column.spec.name == name), None)

    def __add__(self, other: Profile) -> Profile:
        """Give the profile of both sets of versions together.

        :raises Misconfigured: when they were counted in different ways.
        """
        return together([self, other])

    def __eq__(self, other: object) -> bool:
        """Tell whether everything that is known is the same."""
        return isinstance(other, Profile) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self.digest)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON: at most 64 KiB a column, whatever the data."""
        return {
            "versions": list(self.versions),
            "spec": self.spec.to_json(),
            "rows": self.rows,
            "columns": [column.to_json() for column in self.columns],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        """Read what :meth:`to_json` wrote."""
        spec = ProfileSpec.from_json(document["spec"])
        columns = zip(spec.columns, document["columns"], strict=True)
        return cls(
            tuple(document["versions"]),
            spec,
            document["rows"],
            tuple(ColumnProfile.from_json(column, found) for column, found in columns),
        )


def _type(name: str) -> str:
    return "<i8" if name in COUNTS else "<f8"


def _pack(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 1)).decode()


def _unpack(packed: str) -> bytes:
    return zlib.decompress(base64.b64decode(packed))


def profile_digest(versions: Iterable[str], spec: ProfileSpec) -> str:
    """Give the name under which the profile of ``versions`` by ``spec`` is kept: 64 hexadecimal digits."""
    return digest({"versions": sorted(versions), "spec": spec.to_json()})


def together(profiles: Iterable[Profile]) -> Profile:
    """Add profiles up: a window of 30 days from those of 30 days, without a row being read.

    :raises Misconfigured: when there are none, or they were counted in different ways.
    """
    given = list(profiles)
    if not given:
        raise Misconfigured("a window needs at least one profile, there are none")
    spec = given[0].spec
    for profile in given:
        if profile.spec != spec:
            raise Misconfigured(
                f"profiles of {given[0].versions[0]} and {profile.versions[0]} were counted by different bins or "
                "columns; pin one reference for both"
            )
    versions = sorted(version for profile in given for version in profile.versions)
    columns = zip(*(profile.columns for profile in given), strict=True)
    return Profile(
        tuple(versions), spec, sum(profile.rows for profile in given), tuple(map(ColumnProfile.sum, columns))
    )


def _total(arrays: Sequence[Counts | Sums]) -> Counts | Sums:
    total = arrays[0].copy()
    for array in arrays[1:]:
        total += array
    total.setflags(write=False)
    return total
