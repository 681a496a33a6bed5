"""What tasks tell Airflow of their data: OpenLineage events of a real run, hook lineage, and asset events."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors

from xops.core.dataset.lineage import Touched, Trace
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.lineage_events import collect, operator_lineage
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.traced import tracing
from xops.operators.base import CheckOperator, Judged
from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator
from xops.operators.versions import DiffVersionsOperator

pytestmark = pytest.mark.integration

TABLE = "nyc.flights"
SUITE = {
    "name": "flights",
    "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "fare"}, "severity": "warning"},
    ],
}
STORY = """
import sys
from pathlib import Path
from airflow.sdk import DAG, Asset
from xops.hooks import settings
from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator

home = Path(sys.argv[1])
settings.home = lambda: home / "xops"
with DAG("lineage_story", schedule=None, params={"batch": "good"}) as dag:
    source, batch = f"{home}/{{{{ params.batch }}}}.parquet", "{{ params.batch }}"
    staged = StageDataOperator(task_id="stage", source=source, table="nyc.flights", batch=batch)
    tested = DataTestOperator(task_id="test", version=staged.output, suite=str(home / "suite.json"))
    PublishDataOperator(
        task_id="publish", version=staged.output, verdicts=[tested.output], outlets=[Asset("flights_of_the_story")]
    )
if __name__ == "__main__":
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(__file__)
    sync_bag_to_db(bag, "dags-folder", None)
    for batch in ("good", "bad"):
        bag.dags["lineage_story"].test(run_conf={"batch": batch})
"""


@pytest.fixture(scope="module")
def told(airflow_db, tmp_path_factory):
    """Run a good and a bad batch as DAG runs of a process that has OpenLineage's file transport; give the events."""
    home = tmp_path_factory.mktemp("story")
    (home / "suite.json").write_text(json.dumps(SUITE))
    pq.write_table(pa.table({"id": [1, 2, 3], "fare": [1.5, None, 2.5]}), home / "good.parquet")
    pq.write_table(pa.table({"id": [4, 4], "fare": [1.5, 2.5]}), home / "bad.parquet")
    (home / "story.py").write_text(STORY)
    transport = {"type": "file", "log_file_path": str(home / "events"), "append": True}
    environment = os.environ | {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__DISABLED": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }
    command = [sys.executable, str(home / "story.py"), str(home)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    said = [json.loads(line) for line in (home / "events").read_text().splitlines()]
    return SimpleNamespace(home=home, events=said)


def of(told, task, kind, place=0):
    """Give the event of a task's end in the good run (0) or the bad one (1)."""
    found = [
        event for event in told.events if event["job"]["name"] == f"lineage_story.{task}" and event["eventType"] == kind
    ]
    return found[place]


def assertions(event):
    return {
        (one["assertion"], one.get("column")): (one["success"], one["severity"])
        for dataset in event["inputs"]
        for one in dataset["inputFacets"].get("dataQualityAssertions", {}).get("assertions", [])
    }


def test_staging_tells_its_source_its_table_the_schema_and_where_each_column_came_from(told):
    event = of(told, "stage", "COMPLETE")
    (source,), (table,) = event["inputs"], event["outputs"]
    assert (source["namespace"], source["name"]) == ("file", str(told.home / "good.parquet"))
    assert (table["namespace"], table["name"]) == ("iceberg://iceberg_default", TABLE)
    fields = [(one["name"], one["type"], one["ordinal_position"]) for one in table["facets"]["schema"]["fields"]]
    assert fields == [("id", "int64", 1), ("fare", "double", 2)]
    (origin,) = table["facets"]["columnLineage"]["fields"]["fare"]["inputFields"]
    assert (origin["namespace"], origin["name"], origin["field"]) == ("file", source["name"], "fare")
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert table["facets"]["version"]["datasetVersion"].isdecimal()


def test_a_data_test_tells_each_assertion_and_counts_of_what_it_read(told):
    event = of(told, "test", "COMPLETE")
    (table,) = event["inputs"]
    assert assertions(event) == {
        ("expect_column_values_to_be_unique", "id"): (True, "error"),
        ("expect_column_values_to_not_be_null", "fare"): (False, "warn"),
    }
    metrics = table["inputFacets"]["dataQualityMetrics"]
    assert metrics["rowCount"] == 3
    assert metrics["columnMetrics"]["fare"]["nullCount"] == 1
    assert metrics["columnMetrics"]["fare"]["count"] == 2
    staged = of(told, "stage", "COMPLETE")["outputs"][0]["facets"]["version"]["datasetVersion"]
    assert table["facets"]["version"]["datasetVersion"] == staged


def test_a_data_test_that_fails_tells_what_it_found_all_the_same(told):
    event = of(told, "test", "FAIL")
    assert assertions(event)["expect_column_values_to_be_unique", "id"] == (False, "error")


def test_publishing_tells_the_version_that_readers_see(told):
    event = of(told, "publish", "COMPLETE")
    (table,) = event["outputs"]
    assert table["name"] == TABLE
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 3
    told_of = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert ("expect_column_values_to_be_unique on id", True) in {(one["name"], one["success"]) for one in told_of}


def test_no_event_holds_a_value_of_the_data(told):
    assert "1.5" not in json.dumps([event["inputs"] + event["outputs"] for event in told.events])


def test_every_facet_is_one_of_the_official_clients_classes_and_names_its_schema(told):
    from openlineage.client import facet_v2

    classes = {
        "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
        "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
        "dataSource": facet_v2.datasource_dataset.DatasourceDatasetFacet,
        "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
        "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
        "dataQualityMetrics": facet_v2.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
        "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    }
    seen = set()
    for event in told.events:
        for dataset in event["inputs"] + event["outputs"]:
            groups = (dataset.get(group) or {} for group in ("facets", "inputFacets", "outputFacets"))
            for name, facet in ((name, facet) for group in groups for name, facet in group.items()):
                assert facet["_schemaURL"] == classes[name]._get_schema()
                given = {key: value for key, value in facet.items() if key[0] != "_"}
                classes[name](**given)
                seen.add(name)
    assert seen == set(classes)


def context(*outlets):
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, xcom_push=lambda **_: None)
    return {"ti": ti, "outlet_events": OutletEventAccessors()}


def staged_batch(tmp_path, rows):
    path = tmp_path / "batch.parquet"
    pq.write_table(rows, path)
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))
    return StageDataOperator(task_id="stage", source=str(path), table=TABLE, batch="1").execute(context())


def test_without_openlineage_airflows_own_collector_is_told(tmp_path, monkeypatch):
    from airflow.sdk import lineage

    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    staged = staged_batch(tmp_path, pa.table({"id": [1], "fare": [1.5]}))
    told = collector.collected_assets
    assert f"file://{tmp_path}/batch.parquet" in [one.asset.uri for one in told.inputs]
    ((table, extra),) = [(one.asset.uri, one.asset.extra) for one in told.outputs]
    assert (table, extra) == ("iceberg://iceberg_default/nyc.flights", {"version": staged["snapshot"]})


def test_a_notebook_that_uses_the_hooks_is_noted_by_nobody(tmp_path):
    staged_batch(tmp_path, pa.table({"id": [1], "fare": [1.5]}))
    lake = IcebergHook()
    version = lake.versions(TABLE) or lake.published(TABLE)
    assert not version
    with tracing() as trace:
        pass
    assert (trace.inputs, trace.outputs, trace.verdicts) == ((), (), [])


def test_a_comparison_of_versions_tells_both(tmp_path):
    lake = IcebergHook()
    rows = pa.table({"id": [1, 2]})
    first = lake.publish(lake.stage(rows, table=TABLE, batch="1"))
    second = lake.publish(lake.stage(rows, table=TABLE, batch="1"))
    operator = DiffVersionsOperator(task_id="diff", before=first.name, after=second.name, key=["id"])
    operator.execute(context())
    told = operator.get_openlineage_facets_on_complete(None)
    assert [one.facets["version"].datasetVersion for one in told.inputs] == [first.snapshot, second.snapshot]
    assert [one.inputFacets["dataQualityMetrics"].rowCount for one in told.inputs] == [2, 2]


def test_an_operator_that_never_ran_tells_nothing():
    told = StageDataOperator(task_id="stage", source="x", table=TABLE, batch="1").get_openlineage_facets_on_failure(
        None
    )
    assert (told.inputs, told.outputs) == ([], [])


def test_what_was_not_measured_is_told_as_an_assertion_that_did_not_hold():
    trace = Trace()
    place = IcebergHook().place(TABLE)
    trace.read(Touched(place, "1", {"fare": "double"}))
    trace.judged(Verdict("drift", f"{TABLE}@1", (Finding("psi", "fare", "unknown", reason="too few rows"),)))
    (told,) = operator_lineage(trace).inputs
    (assertion,) = told.inputFacets["dataQualityAssertions"].assertions
    assert (assertion.success, assertion.severity, assertion.description) == (False, "error", "too few rows")
    collect(trace, None)


# What Airflow's data-quality provider writes and its require_quality reads, as its sources describe it.
SUMMARY = {
    "run_uid": str,
    "ruleset": str,
    "table": str,
    "score": float,
    "passed": int,
    "warned": int,
    "failed": int,
    "errored": int,
    "failed_rules": list,
    "warned_rules": list,
}


def would_require_quality_pass(events, least):
    """Decide as the provider's gate says it does: by the last event's score, which has to be a number."""
    summary = events[-1].extra.get("airflow.dataquality.result") if events else None
    score = summary.get("score") if isinstance(summary, dict) else None
    return isinstance(score, (int, float)) and not isinstance(score, bool) and score >= least


def test_an_asset_event_carries_version_verdict_and_the_summary_that_airflows_provider_reads(tmp_path):
    asset = Asset("flights_told")
    staged = staged_batch(tmp_path, pa.table({"id": [1, 2], "fare": [1.5, None]}))
    tested = DataTestOperator(task_id="test", version=staged, suite=str(tmp_path / "suite.json"))
    evidence = tested.execute(context())
    given = context()
    publish = PublishDataOperator(task_id="publish", version=staged, verdicts=[evidence], outlets=[asset])
    published = publish.execute(given)
    extra = given["outlet_events"][asset].extra
    assert json.loads(json.dumps(extra, allow_nan=False)) == extra
    assert (extra["table"], extra["snapshot"]) == (TABLE, published["snapshot"])
    assert (extra["verdict"], extra["evidence"]) == ("warn", [evidence["id"]])
    summary = extra["airflow.dataquality.result"]
    assert {name: type(value) for name, value in summary.items()} == SUMMARY
    assert (summary["score"], summary["ruleset"], summary["table"]) == (0.875, "flights", TABLE)
    assert summary["warned_rules"] == ["expect_column_values_to_not_be_null on fare"]
    assert int(summary["run_uid"], 16)
    event = SimpleNamespace(extra=extra)
    assert would_require_quality_pass([event], 0.875)
    assert not would_require_quality_pass([event], 0.9)


def test_of_a_batch_without_its_failing_rows_the_event_says_what_was_found_of_the_others(tmp_path):
    asset, given = Asset("flights_in_part"), context()
    staged = staged_batch(tmp_path, pa.table({"id": [1, 2, 2], "fare": [1.5, 2.5, 3.5]}))
    tested = DataTestOperator(task_id="test", version=staged, suite=str(tmp_path / "suite.json"), gate="record")
    how = {"version": staged, "verdicts": [tested.execute(context())], "on_fail": "quarantine_rows"}
    PublishDataOperator(task_id="publish", **how, outlets=[asset]).execute(given)
    extra = given["outlet_events"][asset].extra
    assert (extra["verdict"], extra["airflow.dataquality.result"]["score"]) == ("pass", 1.0)
    assert (extra["published_rows"], extra["quarantined_rows"]) == (1, 2)
    assert [EvidenceStore().about("data_test", TABLE)[-1].id] == extra["evidence"][-1:]


class Judge(CheckOperator):
    """Finds what it is told to find."""

    default_gate = "record"
    outcome = Outcome.FAIL

    def judge(self, _context, _store):
        return Judged(
            Verdict("drift", "delay", (Finding("psi", "fare", self.outcome, 0.3, 0.2, reason="why"),)), "delay"
        )


def test_a_check_tells_its_outlets_what_it_found():
    asset = Asset("delay_watched")
    given = context()
    Judge(task_id="judge", outlets=[asset]).execute(given)
    extra = given["outlet_events"][asset].extra
    assert extra["verdict"] == "fail"
    assert extra["airflow.dataquality.result"]["failed_rules"] == ["psi on fare"]
    assert not would_require_quality_pass([SimpleNamespace(extra=extra)], 0.5)


def test_a_refused_batch_is_told_of_before_the_task_fails(tmp_path):
    staged = staged_batch(tmp_path, pa.table({"id": [1, 1], "fare": [1.5, 2.0]}))
    tested = DataTestOperator(task_id="test", version=staged, suite=str(tmp_path / "suite.json"))
    with pytest.raises(AirflowFailException):
        tested.execute(context())
    (told,) = tested.get_openlineage_facets_on_failure(None).inputs
    assert not all(one.success for one in told.inputFacets["dataQualityAssertions"].assertions)
