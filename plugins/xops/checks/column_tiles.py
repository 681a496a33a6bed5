"""A tile a column as Evidently's summary presets draw it, told from two profiles: figures, and both distributions."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from xops.checks.profile_metrics import harmless, points
from xops.core.profile.spec import Kind

if TYPE_CHECKING:
    from evidently.legacy.model.widget import BaseWidgetInfo

    from xops.core.profile.profiles import ColumnProfile

Bars = Mapping[str, list[Any]]
_FEW = 3  # categories of which each has a line
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - times of a profile are counted from there without a zone


def tile(reference: ColumnProfile, current: ColumnProfile, bars: Sequence[Bars]) -> BaseWidgetInfo:
    """Draw one column; of few or no values what is not known is empty.

    :param bars: as :func:`xops.checks.drift_report.drawn` gives them, the reference's first.
    """
    from evidently.legacy.renderers.html_widgets import rich_data

    both = current, reference
    kind = "Datetime" if reference.spec.kind in (Kind.DATE, Kind.TIMESTAMP) else "Categorical"
    kind = kind if kind == "Datetime" or not reference.spec.kind.on_a_line else "Numerical"
    lines = {"count": [f"{side.rows:0.2f}" for side in both]}
    gone = [(side.nulls + side.nan, max(side.rows, 1)) for side in both]
    lines["missing"] = [f"{missing:0.2f} ({100 * missing / rows:0.2f}%)" for missing, rows in gone]
    if kind == "Categorical":
        lines |= _categories(both)
    else:
        lines |= {"min": [_shown(side, side.low) for side in both], "max": [_shown(side, side.high) for side in both]}
    if kind == "Numerical":
        lines |= {"mean": [f"{side.mean:0.2f}" for side in both], "std": [f"{_deviation(side):0.2f}" for side in both]}
    return rich_data(
        title=harmless(reference.spec.name),
        description=kind,
        header=["current", "reference"],
        metrics=[{"label": label, "values": values} for label, values in lines.items()],
        graph=_graph(bars[1], bars[0]),
    )


def _shown(side: ColumnProfile, value: float | None) -> str:
    if value is None:
        return ""
    if side.spec.kind is Kind.DATE:
        return str((_EPOCH + dt.timedelta(value)).date())
    return str(_EPOCH + dt.timedelta(microseconds=value)) if side.spec.kind is Kind.TIMESTAMP else f"{value:0.2f}"


def _deviation(side: ColumnProfile) -> float:
    """Give the deviation over n - 1, which Evidently shows."""
    return side.deviation * math.sqrt(side.values / (side.values - 1)) if side.values > 1 else math.nan


def _categories(both: Sequence[ColumnProfile]) -> dict[str, list[str]]:
    """Give a line a category of few, else the most common one; those without a count of their own are not told."""
    names = both[1].spec.names
    counts = [dict(zip(names, side.counts.tolist(), strict=False)) for side in both]
    if len(names) <= _FEW and not any(side.counts[len(names) :].any() for side in both):
        sides = list(zip(counts, both, strict=True))
        return {
            harmless(name): [
                f"{float(found[name])} ({found[name] / max(side.values, 1) * 100:0.0f}%)" for found, side in sides
            ]
            for name in names
        }
    most = [max(found, key=lambda name: found[name], default="") for found in counts]
    told = zip(most, counts, strict=True)
    return {
        "most common": [f"Label: {harmless(name)} count: {float(found[name])}" if name else "" for name, found in told]
    }


def _graph(current: Bars, reference: Bars) -> dict[str, Any]:
    """Give the two distributions in the layout of Evidently's own figure, with its switch from counts to percents."""
    made = copy.deepcopy(_figure())
    sides = [points(dict(side)) for side in (current, current, reference, reference)]
    for trace, side in zip(made["data"], sides, strict=True):
        share = 1 if trace["visible"] else 100 / max(sum(side["y"]), 1)
        trace |= {"x": side["x"], "y": [count * share for count in side["y"]]}
    return made


@cache
def _figure() -> dict[str, Any]:
    """Give Evidently's figure of nothing; made once, for that takes long."""
    from evidently.legacy.metric_results import Distribution, HistogramData
    from evidently.legacy.options import ColorOptions
    from evidently.legacy.utils.visualizations import plot_distr_with_perc_button

    nothing = HistogramData.from_distribution(Distribution(x=[0], y=[0]))
    figure = plot_distr_with_perc_button(
        hist_curr=nothing, hist_ref=nothing, xaxis_name="", yaxis_name="Count", yaxis_name_perc="Percent",
        same_color=False, color_options=ColorOptions(), subplots=False, to_json=False,
    )  # fmt: skip
    return dict(json.loads(figure.to_json()))
