"""Evidently's page of a drift verdict, drawn from two profiles: no row is read for it."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xops.core.profile_spec import BINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xops.core.drift import Drift
    from xops.core.profiles import ColumnProfile, Profile

_DRAWN = 64  # bins of the grid that make one bar
_MOST = 20  # categories drawn; the rest is one bar


def render(reference: Profile, current: Profile, drift: Drift) -> bytes | None:
    """Draw the drift table and each measured column's two distributions as Evidently does.

    :param drift: what :func:`xops.core.drift.compare` found between the two.
    :returns: one HTML page; None when no column was measured.
    """
    if not drift.found:
        return None
    with _quiet():
        return _page(reference, current, drift)


def _page(reference: Profile, current: Profile, drift: Drift) -> bytes:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report

    from xops.checks.profile_metrics import DriftTable, ProfileDrift

    lines = [name for name in drift.found if _spec(reference, name).kind.on_a_line]
    shape = DataDefinition(
        numerical_columns=lines, categorical_columns=[name for name in drift.found if name not in lines]
    )
    frame = pd.DataFrame({name: [0.0, 1.0] if name in lines else ["0", "1"] for name in drift.found})
    empty = Dataset.from_pandas(frame, data_definition=shape)  # Evidently wants a frame; what is drawn is in metrics
    table, tiles = [], []
    for name, (method, distance, limit) in drift.found.items():
        drifted = bool(not distance < limit and name not in drift.chance)
        kind = "num" if name in lines else "cat"
        sides = [drawn(side.column(name)) for side in (reference, current)]  # type: ignore[arg-type]
        table.append([name, kind, method, f"{distance:.6g}", f"{limit:g}", "detected" if drifted else "not detected"])
        tiles.append(
            ProfileDrift(
                column=name,
                kind=kind,
                measured_by=method,
                limit=limit,
                distance=distance,
                drifted=drifted,
                reference=sides[0],
                current=sides[1],
            )
        )
    missing = [[name, "", "", "", "", f"not measured: {why}"] for name, why in drift.missing.items()]
    snapshot = Report([DriftTable(lines=table + missing), *tiles], include_tests=False).run(empty, empty)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        snapshot.save_html(str(page))
        return page.read_bytes()


def drawn(side: ColumnProfile) -> dict[str, list[Any]]:
    """Give the bars of a column: ``x`` has the edges or the categories, ``y`` the counts."""
    if side.spec.grid is not None:
        edges = side.spec.grid.edges[::_DRAWN]
        bars = np.add.reduceat(side.counts[1:-1], range(0, BINS, _DRAWN))
        bars[0] += side.counts[0]
        bars[-1] += side.counts[-1]
        return {"x": edges.tolist(), "y": bars.tolist()}
    names = list(side.spec.names[:_MOST])
    rest = int(side.counts[len(names) :].sum())
    return {"x": [*names, "(others)"], "y": [*side.counts[: len(names)].tolist(), rest]}


def _spec(profile: Profile, name: str) -> Any:
    return next(column for column in profile.spec.columns if column.name == name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep numpy's and pandas' warnings about Evidently's inner doings out of the task's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
