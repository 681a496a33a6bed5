"""Metrics of Evidently whose values are known already; imported only to draw, because Evidently is."""

from __future__ import annotations

from typing import Any

from evidently.core.metric_types import (
    ColumnMetric,
    SingleValue,
    SingleValueCalculation,
    SingleValueMetric,
)
from evidently.legacy.calculations.data_drift import ColumnDataDriftMetrics, DriftStatsField
from evidently.legacy.metric_results import Distribution
from evidently.legacy.options import ColorOptions
from evidently.legacy.options.base import Options
from evidently.legacy.renderers.html_widgets import CounterData, counter, table_data
from evidently.metrics.column_statistics import ValueDriftCalculation

_HEAD = ("Column", "Type", "Stat test", "Distance", "Limit", "Data drift")


class ProfileDrift(ColumnMetric, SingleValueMetric):
    """The drift of one column, as measured from profiles.

    :param kind: ``num`` or ``cat``.
    :param reference: the bars of the reference: ``x`` and ``y``.
    :param current: those of the current rows.
    """

    kind: str
    measured_by: str
    limit: float
    distance: float
    drifted: bool
    reference: dict[str, Any]
    current: dict[str, Any]


class ProfileDriftCalculation(SingleValueCalculation[ProfileDrift]):
    """Draws Evidently's tile of a column's drift."""

    def display_name(self) -> str:
        """Name the tile."""
        return f"Value drift for {self.metric.column}"

    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:  # noqa: ARG002 - theirs
        """Give the distance with its tile."""
        metric = self.metric
        drift = ColumnDataDriftMetrics(
            column_name=metric.column,
            column_type=metric.kind,
            stattest_name=metric.measured_by,
            stattest_threshold=metric.limit,
            drift_score=metric.distance,
            drift_detected=metric.drifted,
            current=DriftStatsField(distribution=Distribution(**metric.current)),
            reference=DriftStatsField(distribution=Distribution(**metric.reference)),
            scatter=None,
        )
        result = self.result(metric.distance)
        result.widget = ValueDriftCalculation._render(self, drift, Options(), ColorOptions())  # noqa: SLF001 - the look
        return result


class DriftTable(SingleValueMetric):
    """The table over all columns, with how many drifted.

    :param lines: by column: name, type, method, distance, limit, and what was found.
    """

    lines: list[list[str]]


class DriftTableCalculation(SingleValueCalculation[DriftTable]):
    """Draws the table."""

    def display_name(self) -> str:
        """Name the table."""
        return "Data drift summary"

    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:  # noqa: ARG002 - theirs
        """Give the number of drifted columns with the table."""
        lines = self.metric.lines
        drifted = sum(line[-1] == "detected" for line in lines)
        measured = sum(not line[-1].startswith("not measured") for line in lines)
        counted = {
            "Columns": len(lines),
            "Measured": measured,
            "Drifted columns": drifted,
            "Share of drifted columns": f"{drifted / max(measured, 1):.3f}",
        }
        result = self.result(drifted)
        result.widget = [
            counter(counters=[CounterData(label, str(value)) for label, value in counted.items()]),
            table_data(column_names=_HEAD, data=lines, title="Data drift by column"),
        ]
        return result
