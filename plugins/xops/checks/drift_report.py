"""Evidently's report of a drift verdict, drawn from two profiles: no row is read for it."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

from xops.checks.profile_metrics import harmless
from xops.core.numerics import np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidently.core.report import Snapshot

    from xops.core.drift.judge import Drift
    from xops.core.profile.profiles import ColumnProfile, Profile

_BARS = 30
_FURTHER = 10  # bars beyond the bins, at most, on either end
_MOST = 50  # categories drawn; the rest is one bar


def snapshot(
    reference: Profile, current: Profile, drift: Drift, *, max_share: float, name: str = "", facts: dict[str, str]
) -> Snapshot | None:
    """Give the snapshot that Evidently's preset of data drift makes, and after it a tile of each column's figures.

    :param drift: what :func:`xops.core.drift.judge.compare` found between the two.
    :param max_share: the share of drifted columns at which the dataset drifted.
    :param facts: what the snapshot carries as metadata.
    :returns: None when no column was measured.
    """
    if not drift.found:
        return None
    from xops.checks.column_tiles import tile
    from xops.checks.profile_metrics import column_drift, preset

    columns, tiles = [], []
    with _quiet():
        for column, (method, distance, limit) in drift.found.items():
            old, new = reference.column(column), current.column(column)
            if old is None or new is None:
                continue
            sides = drawn(old, new)
            tiles.append(tile(old, new, sides))
            columns.append(
                column_drift(
                    column,
                    kind="num" if old.spec.kind.on_a_line else "cat",
                    method=method,
                    limit=limit,
                    distance=distance,
                    drifted=bool(not distance < limit and column not in drift.chance),
                    sides=sides,
                )
            )
        return preset(columns, drift.missing, tiles, max_share=max_share, name=name, facts=facts)


def page(snapshot: Snapshot) -> bytes:
    """Give a snapshot as one HTML page that needs nothing else."""
    with _quiet():
        return snapshot.get_html_str(as_iframe=False).encode()


def drawn(reference: ColumnProfile, current: ColumnProfile) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Give the bars of a column's two sides: ``x`` has the edges or the categories, ``y`` the counts."""
    both = reference, current
    if not reference.spec.kind.on_a_line:
        names = reference.spec.names[:_MOST]
        rest = [int(side.counts[len(names) :].sum()) for side in both]
        told = [*map(harmless, names), *(["(others)"] if any(rest) else [])]
        first, second = (
            [*side.counts[: len(names)].tolist(), other][: len(told)] for side, other in zip(both, rest, strict=True)
        )
        return {"x": told, "y": first}, {"x": told, "y": second}
    grid = reference.spec.grid
    if grid is None:
        return {"x": [], "y": []}, {"x": [], "y": []}
    held = np.flatnonzero((reference.counts + current.counts)[1:-1])
    start, end = (int(held[0]), int(held[-1]) + 1) if len(held) else (0, 1)
    every = max(-(-(end - start) // _BARS), 1)
    starts = np.arange(start, end, every)
    bars = [np.add.reduceat(np.append(side.counts[1:-1][:end], 0), starts).astype(float) for side in both]
    width, low = grid.step * every, grid.low + grid.step * start
    high = low + width * len(starts)
    below = [_further(side.counts[0], (low - _mean_below(side)) / width) for side in both]
    above = [_further(side.counts[-1], (grid.top - high + _mean_above(side)) / width) for side in both]
    before, after = (max(map(len, further)) for further in (below, above))
    edges = low + width * np.arange(-before, len(starts) + after + 1)
    sides = []
    for inside, ahead, behind in zip(bars, below, above, strict=True):
        left = [0] * (before - len(ahead)) + ahead[::-1]
        right = behind + [0] * (after - len(behind))
        sides.append({"x": edges.tolist(), "y": [*left, *inside.tolist(), *right]})
    return sides[0], sides[1]


def _further(count: int, bars_away: float) -> list[int]:
    """Give the bars outside the bins: all that is there stands at its mean, or at the last of these bars."""
    if not count:
        return []
    return [0] * int(min(max(bars_away, 0), _FURTHER - 1)) + [int(count)]


def _mean_above(side: ColumnProfile) -> float:
    """Give how far the values above the bins are from their top, on average."""
    return side.beyond / side.counts[-1] if side.counts[-1] else 0.0


def _mean_below(side: ColumnProfile) -> float:
    """Give about where the values below the bins are: amid the least of all and the bins' start."""
    grid = side.spec.grid
    return (side.low + grid.low) / 2 if grid and side.low is not None else 0.0


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep numpy's and pandas' warnings about Evidently's inner doings out of the task's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
