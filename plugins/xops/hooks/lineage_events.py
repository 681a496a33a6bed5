"""A task's trace handed to Airflow: as OpenLineage facets, and to Airflow's own collector of hook lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.errors import bounded
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage

    from xops.core.dataset.lineage import Touched, Trace
    from xops.core.verdict import Verdict


def operator_lineage(trace: Trace) -> OperatorLineage:
    """Give a trace as what Airflow's OpenLineage provider asks an operator for."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset

    inputs = [
        InputDataset(
            touched.place.namespace,
            touched.place.name,
            facets=_facets(touched),
            inputFacets=_input_facets(touched, trace.verdicts_on(touched)),
        )
        for touched in trace.inputs
    ]
    outputs = [
        OutputDataset(
            touched.place.namespace,
            touched.place.name,
            facets=_facets(touched),
            outputFacets=_output_facets(touched),
        )
        for touched in trace.outputs
    ]
    return OperatorLineage(inputs=inputs, outputs=outputs)


def collect(trace: Trace, hook: Any) -> None:
    """Give a trace to Airflow's collector of hook lineage; without a reader of it that costs nothing.

    :param hook: whoever touched the datasets, for the collector's record.
    """
    from airflow.sdk.lineage import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    for touched in trace.inputs:
        collector.add_input_asset(hook, uri=touched.place.uri, asset_extra={"version": touched.version})
    for touched in trace.outputs:
        collector.add_output_asset(hook, uri=touched.place.uri, asset_extra={"version": touched.version})


def _facets(touched: Touched) -> dict[str, Any]:
    from openlineage.client.facet_v2 import (
        column_lineage_dataset,
        dataset_version_dataset,
        datasource_dataset,
        schema_dataset,
    )

    facets: dict[str, Any] = {
        "dataSource": datasource_dataset.DatasourceDatasetFacet(touched.place.namespace, touched.place.uri)
    }
    if touched.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(touched.version)
    if touched.columns:
        fields = [
            schema_dataset.SchemaDatasetFacetFields(name, kind, ordinal_position=place)
            for place, (name, kind) in enumerate(touched.columns.items(), start=1)
        ]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields)
    if touched.made_from:
        made = {
            name: column_lineage_dataset.Fields(
                [
                    column_lineage_dataset.InputField(source.place.namespace, source.place.name, source.column)
                    for source in sources
                ]
            )
            for name, sources in touched.made_from.items()
        }
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(made)
    return facets


def _input_facets(touched: Touched, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    from openlineage.client.facet_v2 import data_quality_assertions_dataset, data_quality_metrics_input_dataset

    facets: dict[str, Any] = {}
    if touched.rows is not None:
        columns = {
            name: data_quality_metrics_input_dataset.ColumnMetrics(nullCount=nulls, count=float(touched.rows - nulls))
            for name, nulls in touched.nulls.items()
        }
        facets["dataQualityMetrics"] = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            columns, rowCount=touched.rows
        )
    assertions = [_assertion(finding, touched) for verdict in verdicts for finding in verdict.findings]
    if assertions:
        facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions)
    return facets


def _assertion(finding: Finding, touched: Touched) -> Any:
    """Give a finding as an assertion: one that warned has failed, and its severity says that it stops nothing."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset

    return data_quality_assertions_dataset.Assertion(
        assertion=finding.check,
        success=finding.outcome is Outcome.PASS,
        column=finding.subject if finding.subject in touched.columns else None,
        name=f"{finding.check} on {finding.subject}",
        severity="warn" if finding.outcome is Outcome.WARN else "error",
        description=bounded(finding.reason) or None,
        expected=None if finding.limit is None else bounded(finding.limit),
        actual=None if finding.observed is None else bounded(finding.observed),
    )


def _output_facets(touched: Touched) -> dict[str, Any]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    if touched.rows is None:
        return {}
    return {"outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(touched.rows)}
