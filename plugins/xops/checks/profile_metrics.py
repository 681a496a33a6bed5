"""Evidently's own preset of data drift, filled from profiles: no metric is calculated anew."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evidently.core.metric_types import MetricResult
    from evidently.core.report import Snapshot
    from evidently.legacy.calculations.data_drift import ColumnDataDriftMetrics
    from evidently.legacy.model.widget import BaseWidgetInfo

_TITLES = {  # as Evidently names them
    "wasserstein": "Wasserstein distance (normed)",
    "jensenshannon": "Jensen-Shannon distance",
    "psi": "PSI",
    "kolmogorov_smirnov": "K-S distance",
    "total_variation": "Total-Variation-Distance",
    "cramers_v": "Cramér's V",
    "domain_classifier": "Domain classifier (ROC AUC)",
}
_NAMES = {title: name for name, title in _TITLES.items()}


def column_drift(
    name: str, *, kind: str, method: str, limit: float, distance: float, drifted: bool, sides: Sequence[dict[str, Any]]
) -> ColumnDataDriftMetrics:
    """Give a column's drift as Evidently's renderers take it.

    :param kind: ``num`` or ``cat``.
    :param method: its key in :data:`xops.core.drift.distances.MEASURES`.
    :param sides: the bars of the reference and of the current side: ``x`` the edges or categories, ``y`` the counts.
    """
    from evidently.legacy.calculations.data_drift import ColumnDataDriftMetrics, DriftStatsField
    from evidently.legacy.metric_results import Distribution, DistributionIncluded

    fields = [
        DriftStatsField(distribution=Distribution(**side), small_distribution=DistributionIncluded(**points(side)))
        for side in sides
    ]
    return ColumnDataDriftMetrics(
        column_name=harmless(name),
        column_type=kind,
        stattest_name=_TITLES[method],
        stattest_threshold=limit,
        drift_score=distance,
        drift_detected=drifted,
        reference=fields[0],
        current=fields[1],
        scatter=None,
    )


def preset(
    columns: Sequence[ColumnDataDriftMetrics],
    missing: Mapping[str, str],
    tiles: Sequence[BaseWidgetInfo] = (),
    *,
    max_share: float,
    name: str,
    facts: dict[str, str],
) -> Snapshot:
    """Give the snapshot that Evidently's preset of data drift makes: the tiles, the table, and a metric a column.

    It holds Evidently's classes only, so that any Evidently opens it.

    :param missing: by column that could not be measured, the reason: a table of its own after the others.
    :param tiles: what is drawn after the preset's own table.
    :param max_share: the share of drifted columns at which the dataset drifted.
    :param name: the snapshot's name.
    :param facts: its metadata.
    """
    import datetime as dt

    from evidently.core.report import Snapshot
    from evidently.core.serialization import ReportModel, SnapshotModel

    drifted = sum(column.drift_detected for column in columns)
    share = drifted / max(len(columns), 1)
    results = _results(columns, drifted, share, max_share)
    model = SnapshotModel(
        report=ReportModel(items=[]),
        name=name,
        timestamp=dt.datetime.now(dt.UTC),
        metadata=facts,
        tags=[],
        metric_results=results,
        top_level_metrics=list(results),
        widgets=[*_widgets(columns, drifted, share, max_share), *tiles, *_unmeasured(missing)],
        tests_widgets=[],
    )
    return Snapshot.load_model(model)


def _widgets(
    columns: Sequence[ColumnDataDriftMetrics], drifted: int, share: float, max_share: float
) -> list[BaseWidgetInfo]:
    """Draw what the preset draws, by the renderers that it draws with."""
    from evidently.legacy.metrics.data_drift.data_drift_table import DataDriftTableRenderer
    from evidently.legacy.metrics.data_drift.dataset_drift_metric import DataDriftMetricsRenderer

    found = SimpleNamespace(
        dataset_drift=share >= max_share,
        drift_share=max_share,
        number_of_columns=len(columns),
        number_of_drifted_columns=drifted,
        share_of_drifted_columns=share,
        drift_by_columns={column.column_name: column for column in columns},
        dataset_columns=SimpleNamespace(utility_columns=SimpleNamespace(target=None, prediction=None)),
        current_fi=None,
        reference_fi=None,
    )
    options = SimpleNamespace(render_options=SimpleNamespace(raw_data=False))
    metric: Any = SimpleNamespace(get_result=lambda: found, get_options=lambda: options)
    return [*DataDriftMetricsRenderer().render_html(metric), *DataDriftTableRenderer().render_html(metric)]


def _unmeasured(missing: Mapping[str, str]) -> list[BaseWidgetInfo]:
    from evidently.legacy.renderers.html_widgets import table_data

    if not missing:
        return []
    return [
        table_data(
            column_names=("Column", "Not measured because"),
            data=[(harmless(name), harmless(why)) for name, why in missing.items()],
            title="Not measured",
        )
    ]


def _results(
    columns: Sequence[ColumnDataDriftMetrics], drifted: int, share: float, max_share: float
) -> dict[str, MetricResult]:
    from evidently.metrics import DriftedColumnsCount, ValueDrift

    count: Any = DriftedColumnsCount(drift_share=max_share).to_calculation()
    calculations = [(count, count.result(drifted, share))]
    for column in columns:
        calculation: Any = ValueDrift(
            column=column.column_name, method=_NAMES[column.stattest_name], threshold=column.stattest_threshold
        ).to_calculation()
        calculations.append((calculation, calculation.result(column.drift_score)))
    for calculation, result in calculations:
        result.widget = []
        result.set_metric_location(calculation.to_metric_config())
    return {calculation.id: result for calculation, result in calculations}


def harmless(text: str) -> str:
    """Give text that looks the same and opens or ends no script: Evidently writes it into one as it is."""
    return text.replace("<", "<\u200b")


def points(side: dict[str, Any]) -> dict[str, Any]:
    """Give the bars as the table draws them within a row: a place and a height each."""
    ends = side["x"]
    places = ends if len(ends) == len(side["y"]) else [(one + other) / 2 for one, other in itertools.pairwise(ends)]
    return {"x": places, "y": side["y"]}
