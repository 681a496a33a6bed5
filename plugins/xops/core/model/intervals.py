"""How sure a measured number is: intervals by resampling units that are independent, whole groups or rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite, log, sqrt
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2_000
BLOCKS = 20_000  # more independent rows than this are resampled as so many random blocks of equal size
FEW = 50  # with fewer units the bootstrap's interval is too short; the jackknife's with Student's t is not
DELETED = 50  # blocks at most that are left out in turn of a statistic which is no function of sums
_COPIED = 200  # rows up to which such a statistic is computed on resampled copies
_TAIL = 10  # resamples that must lie beyond either end
_ROUNDING = 1e-12  # relative; sums in another order
_CHUNK = 1_000_000  # counts drawn at once
_SEED = 20130101  # the same rows give the same interval in each attempt of a task


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured number, and between which values the true one lies.

    :param value: as measured.
    :param low: lower end.
    :param high: upper end.
    :param error: standard error, in the number's own unit.
    :param units: how many independent units it rests on: rows, blocks of rows or groups.
    :param confidence: coverage of the interval, in (0, 1).
    :param method: ``bca``, ``jackknife``, or the name of an exact form.
    """

    value: float
    low: float
    high: float
    error: float
    units: int
    confidence: float
    method: str

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.value:.4g}, between {self.low:.4g} and {self.high:.4g} at {self.confidence:.4g}"


@dataclass(frozen=True, slots=True)
class Units:
    """The independent units that rows belong to.

    :param codes: each row's unit, shape (rows,), from 0.
    :param number: how many units there are.
    :param grouped: whether they are groups that somebody named, and not rows.
    """

    codes: NDArray[np.intp]
    number: int
    grouped: bool

    @classmethod
    def of(cls, rows: int, groups: NDArray[Any] | None = None) -> Units:
        """Take groups as they are; independent rows one by one, or beyond :data:`BLOCKS` in random blocks.

        :param groups: one group's name a row, shape (rows,).
        """
        if groups is not None:
            names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
            return cls(codes.astype(np.intp), len(names), grouped=True)
        if rows <= BLOCKS:
            return cls(np.arange(rows), rows, grouped=False)
        codes = np.random.default_rng(_SEED).permutation(rows) % BLOCKS
        return cls(codes, BLOCKS, grouped=False)

    def sums(self, columns: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
        """Sum columns of shape (rows,) within each unit: shape (units, columns)."""
        return np.column_stack([np.bincount(self.codes, weights=one, minlength=self.number) for one in columns])


@dataclass(frozen=True, slots=True)
class OfSums:
    """A statistic that is a function of sums over rows.

    :param sums: the sums within each unit, shape (units, k).
    :param value: gives the statistic of sums of shape (..., k), in shape (...). It must not depend on the scale of
        the sums: one of them is the number of rows.
    """

    sums: NDArray[np.float64]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def correct(confidence: float, number: int) -> float:
    """Give the confidence of each of ``number`` intervals that together hold with ``confidence`` (Bonferroni).

    :raises Misconfigured: when ``confidence`` is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise Misconfigured(f"a confidence in (0, 1) was wanted, found {confidence}")
    return 1 - (1 - confidence) / max(number, 1)


def intervals_of_sums(statistics: Sequence[OfSums], *, confidence: float) -> list[Interval]:
    """Give the interval of each statistic; all share their resamples, so they may be compared.

    From :data:`FEW` units on it is the bootstrap's BCa interval (Efron 1987), with counts in place of copies: the same
    distribution as that of a plain bootstrap of the units. With fewer it is the jackknife's with Student's t, which is
    the one that holds for few groups (MacKinnon, Nielsen, Webb 2023).

    :param statistics: of the same units.
    """
    units = len(statistics[0].sums)
    whole = [one.sums.sum(axis=0) for one in statistics]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [float(one.value(total)) for one, total in zip(statistics, whole, strict=True)]
        left_out = [one.value(total - one.sums) for one, total in zip(statistics, whole, strict=True)]
        drawn: list[NDArray[np.float64] | None] = [None] * len(statistics)
        if units >= FEW:
            drawn = list(_drawn(statistics, _resamples(confidence)))
    return [interval_from(*each, confidence=confidence) for each in zip(values, left_out, drawn, strict=True)]


def intervals_of_rows(
    statistics: Callable[[NDArray[np.intp]], NDArray[np.float64]], units: Units, *, confidence: float
) -> list[Interval]:
    """Give the intervals of statistics that are no functions of sums, such as an average precision.

    Up to :data:`_COPIED` independent rows it is the BCa interval over copies. Beyond, and for groups, blocks of whole
    units are left out in turn: a grouped jackknife with Student's t, at :data:`DELETED` times the cost of one value. It
    is rough for what is not smooth, such as a median.

    :param statistics: gives them for rows named by their places, shape (statistics,); NaN where one is not defined.
    """
    rows, chance = len(units.codes), np.random.default_rng(_SEED)
    everything, drawn = np.arange(rows), None
    values = statistics(everything)
    blocks = min(units.number, DELETED)
    if not units.grouped and rows <= _COPIED:
        blocks = rows
        drawn = np.array([statistics(chance.integers(rows, size=rows)) for _ in range(_resamples(confidence))])
    of_row = (chance.permutation(units.number) % max(blocks, 1))[units.codes]
    left_out = np.array([statistics(everything[of_row != one]) for one in range(blocks)]).reshape(blocks, -1)
    return [
        interval_from(
            float(value), left_out[:, place], None if drawn is None else drawn[:, place], confidence=confidence
        )
        for place, value in enumerate(values)
    ]


def interval_from(
    value: float, left_out: NDArray[np.float64], drawn: NDArray[np.float64] | None, *, confidence: float
) -> Interval:
    """Give the interval of a statistic from its values without each unit, and of each resample.

    It reaches from minus to plus infinity where these are not defined: nothing can be told then.

    :param left_out: shape (units,).
    :param drawn: shape (resamples,); None for the jackknife's interval with Student's t.
    """
    from scipy.stats import norm, t

    units, tail = len(left_out), (1 - confidence) / 2
    deviation = left_out.mean() - left_out if units else left_out
    error = sqrt(float(np.square(deviation).sum()) * (units - 1) / units) if units > 1 else inf
    if not (isfinite(value) and isfinite(error)):
        return Interval(value, -inf, inf, inf, units, confidence, "jackknife")
    if drawn is None:
        reach = float(t.isf(tail, units - 1)) * error
        return Interval(value, value - reach, value + reach, error, units, confidence, "jackknife")
    drawn = drawn[np.isfinite(drawn)]
    spread = float(np.power(np.square(deviation).sum(), 1.5))
    acceleration = float(np.power(deviation, 3).sum()) / (6 * spread) if spread else 0.0
    equal = np.abs(drawn - value) <= _ROUNDING * abs(value)
    below = (np.count_nonzero((drawn < value) & ~equal) + np.count_nonzero(equal) / 2) / max(len(drawn), 1)
    if (
        not 0 < below < 1
    ):  # the statistic of the resamples never reaches the one of the rows: no quantile means anything
        return Interval(value, -inf, inf, error, units, confidence, "bca")
    bias = float(norm.ppf(below))
    ends = [bias + side for side in (float(norm.ppf(tail)), float(norm.isf(tail)))]
    shares = [float(norm.cdf(bias + end / (1 - acceleration * end))) for end in ends]
    low, high = np.quantile(drawn, shares)
    return Interval(value, float(low), float(high), error, units, confidence, "bca")


def needed_rows(interval: Interval, rows: int, distance: float, *, power: float = 0.9) -> int | None:
    """Give how many rows alike it takes to tell, with ``power``, that the true value is ``distance`` from a limit.

    The error of a few rows is a guess itself: where it is a tenth too small, the power is still above 0.8.

    :param interval: as measured on ``rows``.
    :returns: None when no number of rows would do: the distance is not above zero.
    """
    from scipy.stats import norm

    deviate = float(norm.isf((1 - interval.confidence) / 2))
    error = interval.error or (interval.high - interval.low) / deviate  # a share of none or all has one end alone
    if not distance > 0 or not isfinite(error):
        return None
    reach = (deviate + float(norm.ppf(power))) * error
    return ceil(rows * (reach / distance) ** 2)


def wilson(count: float, rows: float, *, confidence: float) -> Interval:
    """Give Wilson's interval (1927) of a share; ``rows`` may be an effective number, and is above 0."""
    from scipy.stats import norm

    z = float(norm.isf((1 - confidence) / 2))
    share = count / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    error = sqrt(share * (1 - share) / rows)
    low, high = max(middle - reach, 0.0) if count else 0.0, min(middle + reach, 1.0) if count < rows else 1.0
    return Interval(share, low, high, error, int(rows), confidence, "wilson")


def paired_shares(gained: int, lost: int, rows: int, *, confidence: float) -> Interval:
    """Give the interval of the difference of two shares on the same rows.

    Source: Bonett and Price (2012), which Fagerland, Lydersen, Laake (2014) recommend; one row is added to each of the
    two counts, so models that agree everywhere have an interval too.

    :param gained: rows that only the first model has right.
    :param lost: rows that only the second has right.
    """
    from scipy.stats import norm

    share = [(count + 1) / (rows + 2) for count in (gained, lost)]
    middle = share[0] - share[1]
    error = sqrt(max(sum(share) - middle**2, 0.0) / (rows + 2))
    reach = float(norm.isf((1 - confidence) / 2)) * error
    low, high = max(middle - reach, -1.0), min(middle + reach, 1.0)
    return Interval((gained - lost) / rows, low, high, error, rows, confidence, "bonett-price")


def mcnemar(gained: int, lost: int) -> float:
    """Give the chance that a model no better has as many gains: McNemar's exact test, one-sided."""
    from scipy.stats import binom

    return float(binom.sf(gained - 1, gained + lost, 0.5)) if gained + lost else 1.0


def rule_of_three(rows: int, *, confidence: float) -> float:
    """Give the largest share of rows that an event which occurred in none of ``rows`` may have, one-sided."""
    return min(-log((1 - confidence) / 2) / max(rows, 1), 1.0)


def _resamples(confidence: float) -> int:
    return max(RESAMPLES, ceil(2 * _TAIL / (1 - confidence)))


def _drawn(statistics: Sequence[OfSums], resamples: int) -> list[NDArray[np.float64]]:
    """Give each statistic of each resample: units are counted, not copied."""
    sums = np.hstack([one.sums for one in statistics])
    units = len(sums)
    chance, totals = np.random.default_rng(_SEED), []
    step = max(_CHUNK // units, 1)
    for start in range(0, resamples, step):
        number = min(step, resamples - start)
        places = chance.integers(units, size=(number, units)) + np.arange(number)[:, None] * units
        counts = np.bincount(places.ravel(), minlength=number * units).reshape(number, units)
        totals.append(counts.astype(float) @ sums)
    ends = np.cumsum([one.sums.shape[1] for one in statistics])[:-1]
    parts = np.split(np.concatenate(totals), ends, axis=1)
    return [one.value(part) for one, part in zip(statistics, parts, strict=True)]
