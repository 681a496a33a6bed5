"""What happens to rows on their way to a model: noise, gaps, wrong units, strange values, another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.numerics import np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SEED = 20130101  # the same rows are disturbed alike in each attempt of a task, and for candidate and champion
FAR = 10.0  # ranges beyond its own that a value out of range lies
BOUNDS = (0.01, 0.99)  # quantiles of a column between which its values are plausible


@dataclass(frozen=True, slots=True)
class Strength:
    """How much rows are disturbed.

    :param noise: the standard deviation of the noise on each column of numbers, as a share of the column's own.
    :param missing: the share of cells that are missing, in [0, 1].
    :param flipped: the share of cells of other columns that have the value of another row, in [0, 1].
    :param outside: the share of rows with one number far out of its column's range, in [0, 1].
    :param units: by column the factor of a wrong unit, such as 1.609 for kilometres in place of miles.
    """

    noise: float
    missing: float
    flipped: float
    outside: float
    units: Mapping[str, float]

    def times(self, factor: float) -> Strength:
        """Give a strength in which shares and noise are so many times as large."""
        shares = [min(one * factor, 1.0) for one in (self.missing, self.flipped, self.outside)]
        return Strength(self.noise * factor, *shares, self.units)


Disturbance = Callable[["pd.DataFrame", tuple[str, ...], Strength], "pd.DataFrame"]


def numbers(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Give the columns that hold numbers; true and false are none."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return [one for one in columns if is_numeric_dtype(frame[one]) and not is_bool_dtype(frame[one])]


def others(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Give the columns that hold something else than numbers."""
    there = numbers(frame, columns)
    return [one for one in columns if one not in there]


def plausible(frame: pd.DataFrame, columns: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the bounds between which each column's values are plausible, each of shape (columns,)."""
    low, high = np.nanquantile(values_of(frame, columns), BOUNDS, axis=0)
    return low, high


def values_of(frame: pd.DataFrame, columns: list[str]) -> NDArray[np.float64]:
    """Give columns of numbers as floats, shape (rows, columns); what is missing is NaN."""
    values: NDArray[np.float64] = frame[columns].to_numpy(dtype=float, na_value=np.nan)
    return values


def with_values(frame: pd.DataFrame, columns: list[str], values: NDArray[np.float64]) -> pd.DataFrame:
    """Give the frame with other numbers; in a column of integers they are rounded."""
    import pandas as pd

    changed: dict[Any, Any] = {}
    for place, one in enumerate(columns):
        kept, given = frame[one].dtype, values[:, place]
        if kept.kind in "iu":
            given = np.rint(given)
        changed[one] = (
            pd.array(given, dtype=kept)
            if pd.api.types.is_extension_array_dtype(kept)
            else (given.astype(kept if kept.kind in "iu" else float))
        )
    return with_columns(frame, changed)


def with_columns(frame: pd.DataFrame, changed: Mapping[Any, Any]) -> pd.DataFrame:
    """Give the frame with other columns under their names, which may be numbers: ``assign`` takes texts alone."""
    given = frame.copy(deep=False)
    for name, values in changed.items():
        given[name] = values
    return given


def _noise(frame: pd.DataFrame, columns: tuple[str, ...], strength: Strength) -> pd.DataFrame:
    there = numbers(frame, columns)
    values = values_of(frame, there)
    scale = strength.noise * np.nanstd(values, axis=0)
    return with_values(frame, there, values + scale * _chance().normal(size=values.shape))


def _missing(frame: pd.DataFrame, columns: tuple[str, ...], strength: Strength) -> pd.DataFrame:
    chance = _chance()
    gappy = {one: _gappy(frame[one], chance.random(len(frame)) < strength.missing) for one in columns}
    return with_columns(frame, gappy)


def _gappy(column: pd.Series, gone: NDArray[np.bool_]) -> pd.Series:
    """Give a column without some of its values: of texts None, of numbers NaN, else what its own type has for it."""
    from pandas.api.types import is_extension_array_dtype

    if is_extension_array_dtype(column.dtype) or column.dtype.kind in "mM":
        return column.mask(gone)
    if column.dtype.kind in "iuf":
        return column.astype(float).mask(gone)
    values = column.astype(object)
    values[gone] = np.nan if column.dtype.kind == "b" else None
    return values


def _units(frame: pd.DataFrame, columns: tuple[str, ...], strength: Strength) -> pd.DataFrame:
    there = numbers(frame, columns)
    wrong = {one: factor for one, factor in strength.units.items() if one in there}
    return with_columns(frame, {one: frame[one] * factor for one, factor in wrong.items()})


def _flipped(frame: pd.DataFrame, columns: tuple[str, ...], strength: Strength) -> pd.DataFrame:
    chance = _chance()
    changed: dict[str, Any] = {}
    for one in others(frame, columns):
        other = frame[one].to_numpy()[chance.permutation(len(frame))]
        hit = chance.random(len(frame)) < strength.flipped
        changed[one] = frame[one].mask(hit, other)
    return with_columns(frame, changed)


def _outside(frame: pd.DataFrame, columns: tuple[str, ...], strength: Strength) -> pd.DataFrame:
    chance = _chance()
    there = [one for one in numbers(frame, columns) if frame[one].notna().any()]
    if not there:
        return frame
    values = values_of(frame, there)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    rows = np.flatnonzero(chance.random(len(frame)) < strength.outside)
    place = chance.integers(len(there), size=len(rows))
    far = FAR * np.maximum(high - low, 1.0)[place]
    values[rows, place] = np.where(chance.random(len(rows)) < 1 / 2, low[place] - far, high[place] + far)
    return with_columns(frame, {one: values[:, at] for at, one in enumerate(there)})


def _chance() -> np.random.Generator:
    return np.random.default_rng(SEED)


DISTURBANCES: dict[str, Disturbance] = {
    "noise": _noise,
    "missing": _missing,
    "units": _units,
    "categories": _flipped,
    "out_of_range": _outside,
}
NEEDS_NUMBERS = ("noise", "out_of_range", "search")
