"""The whole loop on real flights, each DAG run in this process: the story that the demo plays on a real Airflow."""

from __future__ import annotations

import importlib.util
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from demo.readback import Readback
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.registry import MlflowHook

pytestmark = [pytest.mark.dags, pytest.mark.timeout(600)]

DATA = Path(__file__).parents[2] / "include" / "data"


@pytest.fixture(scope="module")
def play(dag_bag):
    """Run a DAG to its end and give its task instances' states by task."""
    defaults = {dag_id: dag.params.dump() for dag_id, dag in dag_bag.dags.items()}

    def run(dag_id, **conf):
        # a run leaves its conf behind in the DAG's params, so each begins with all of them
        done = dag_bag.dags[dag_id].test(run_conf={**defaults[dag_id], **conf})
        return {ti.task_id: str(ti.state) for ti in done.get_task_instances()}

    return run


@pytest.fixture(scope="module")
def broken_may(tmp_path_factory):
    """Give May's file as a broken upstream would send it."""
    spec = importlib.util.spec_from_file_location("break_batch", DATA / "break_batch.py")
    breaking = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(breaking)
    path = tmp_path_factory.mktemp("landing") / "2013-05.parquet"
    pq.write_table(breaking.broken(pq.read_table(DATA / "flights" / "2013-05.parquet")), path)
    return str(path)


@pytest.fixture(scope="module")
def answer(airflow_db):
    """Give a function that answers the next question to a person by Airflow's own API, as the UI does."""
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    token = client.app.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="anna", role="admin"))
    client.headers = {"Authorization": f"Bearer {token}"}

    def wait_and_answer(option):
        place = "/api/v2/dags/train_and_promote/dagRuns/~/hitlDetails"
        deadline = time.monotonic() + 240
        while not (asked := client.get(place, params={"response_received": False}).json()["hitl_details"]):
            assert time.monotonic() < deadline, "nobody was asked"
            time.sleep(0.5)
        (question,) = asked
        ti = question["task_instance"]
        place = f"/api/v2/dags/{ti['dag_id']}/dagRuns/{ti['dag_run_id']}/taskInstances/{ti['task_id']}/-1/hitlDetails"
        said = client.patch(place, json={"chosen_options": [option], "params_input": {"remark": "as agreed"}})
        assert said.status_code == 200, said.text
        return question

    return wait_and_answer


@pytest.fixture(scope="module")
def review(play, answer):
    """Give a function that plays the DAG with a person in it; gives its states and what the person was asked."""

    def run(option):
        with ThreadPoolExecutor(1) as person:
            asked = person.submit(answer, option)
            return play("train_and_promote"), asked.result()

    return run


@pytest.fixture(scope="module")
def story(play, review, broken_may):
    """Play January to August; give the states of the runs that tests ask about, by name."""
    runs = {}
    for month in ("2013-01", "2013-02", "2013-03"):
        play("flights_dataops", batch=month)
        play("flights_labels", batch=month)
    runs["first training"] = play("flights_training")
    for before, month in itertools.pairwise(f"2013-{month:02}" for month in range(3, 9)):
        if month != "2013-04":
            play("flights_labels", batch=before)
        if month == "2013-05":
            runs["broken delivery"] = play("flights_dataops", batch=month, source=broken_may)
            runs["scoring after the broken delivery"] = play("flights_scoring")
            runs["monitoring of the broken delivery"] = play("flights_monitoring", batch=month)
        runs[f"delivery {month}"] = play("flights_dataops", batch=month)
        runs[f"scoring {month}"] = play("flights_scoring")
        runs[f"monitoring {month}"] = play("flights_monitoring")
        if Readback().decision()["decision"] == "retrain":
            runs[f"training after {month}"] = play("flights_training")
    runs["bad training"] = play("flights_training", shuffle_labels=True)
    runs["scoring again"] = play("flights_scoring")
    play("flights_dataops", batch="2013-08")
    runs["scoring of a second delivery"] = play("flights_scoring")
    runs["rollback"] = play("flights_rollback", to="previous", reason="try it")
    runs["forward"] = play("flights_rollback", to="3", reason="and back")
    runs["rejected"] = review("Reject")
    runs["approved"] = review("Approve")
    runs["production"] = play("promote_to_production")
    runs["swept"] = play("sweep_and_promote", trials=4)
    runs["rollback to a refused version"] = play("flights_rollback", to="2", reason="try it")
    return runs


@pytest.fixture
def read(story):
    """Give what the stores say after the story."""
    return Readback()


def test_every_real_month_is_published_with_every_row(read):
    published = {batch["batch"]: batch["rows"] for batch in read.batches() if batch["outcome"] == "published"}
    files = {f"2013-{month:02}": DATA / "flights" / f"2013-{month:02}.parquet" for month in range(1, 9)}
    assert published == {month: pq.read_metadata(path).num_rows for month, path in files.items()}


def test_the_broken_month_is_quarantined_with_every_row_and_the_reason(story, read, broken_may):
    assert story["broken delivery"] == {"stage": "success", "test": "failed", "publish": "failed"}
    (quarantined,) = [batch for batch in read.batches() if batch["outcome"] == "quarantined"]
    assert quarantined["rows"] == pq.read_metadata(broken_may).num_rows
    assert set(quarantined["failed"]) == {
        "expect_column_values_to_be_unique on flight_id",
        "expect_column_values_to_be_in_set on carrier",
        "expect_column_values_to_be_between on distance",
        "expect_column_values_to_not_be_null on temp",
    }


def test_no_snapshot_of_main_ever_showed_a_row_that_the_suite_forbids(read):
    assert read.unclean_snapshots() == []
    quarantined = {batch["version"] for batch in read.batches() if batch["outcome"] == "quarantined"}
    assert not quarantined & {version.snapshot for version in read.lake.versions("nyc.flights")}


def test_broken_data_is_neither_scored_nor_a_reason_to_retrain(story, read):
    assert story["scoring after the broken delivery"] == {"score": "skipped"}
    first = next(made for made in read.decisions() if made["batch"] == "2013-05")
    assert first["decision"] == "wait"
    assert first["reasons"][0].startswith("2013-05 is broken data, not drift")


def test_one_bad_month_is_waited_out_and_a_second_asks_for_retraining(read):
    decisions = {made["batch"]: made["decision"] for made in read.decisions()}
    assert decisions == {
        "2013-04": "wait",
        "2013-05": "retrain",
        "2013-06": "wait",
        "2013-07": "retrain",
        "2013-08": "wait",
    }


def test_retraining_after_a_merely_harder_month_gains_nothing_and_is_refused(story, read):
    assert story["training after 2013-05"] == {"train": "success", "evaluate": "skipped", "promote": "skipped"}
    second = read.models()[1]
    assert second["batches"] == ["2013-02", "2013-03", "2013-04"]
    assert second["outcome"] == "refused"
    gained = next(reason for reason in second["reasons"] if reason.startswith("roc_auc_gain"))
    assert "between -" in gained  # chance alone could have given it


def test_once_the_champion_is_stale_the_new_version_beats_it_and_is_promoted(story, read):
    assert story["training after 2013-07"]["promote"] == "success"
    third = read.models()[2]
    assert third["batches"] == ["2013-04", "2013-05", "2013-06"]
    assert third["outcome"] == "promoted"
    assert third["auc"] > third["champion_auc"] + 0.02
    told = read.model("3")
    assert "promoted (" in told
    assert "findings and none against it; roc_auc_gain on models:/flights_delay/3: gain 0.0" in told


def test_a_candidate_trained_on_shuffled_labels_is_refused(story, read):
    assert story["bad training"] == {"train": "success", "evaluate": "skipped", "promote": "skipped"}
    assert read.models()[3]["outcome"] == "refused"
    assert read.models()[3]["auc"] < 0.6
    assert "refused (roc_auc on models:/flights_delay/4: 0." in read.model("4")


def test_each_candidate_was_put_to_the_whole_battery(story, read):
    asked = {"roc_auc", "log_loss_not_worse", "slices", "calibration_error", "flips_missing", "near_duplicates",
             "never_falls_with", "never_rises_with", "importance", "peak_megabytes", "data_tests"}  # fmt: skip
    for evidence in read.store.about("evaluation", "flights_delay"):
        assert asked - {finding.check for finding in evidence.verdict.findings} <= {"log_loss_not_worse"}
        assert evidence.report


def test_a_rollback_and_the_way_forward_are_entries_of_the_log(story, read):
    assert story["rollback to a refused version"] == {"rollback": "failed"}
    assert read.promotions() == [
        {"entry": 1, "from": None, "to": "1", "kind": "promote"},
        {"entry": 2, "from": "1", "to": "3", "kind": "promote"},
        {"entry": 3, "from": "3", "to": "1", "kind": "rollback"},
        {"entry": 4, "from": "1", "to": "3", "kind": "rollback"},
    ]
    assert read.mlflow.aliases("flights_delay") == {"champion": "3", "previous": "1", "challenger": "4"}


def test_a_candidate_that_a_person_rejects_is_not_promoted(story, read):
    states, _ = story["rejected"]
    assert states == {"train": "success", "evaluate": "success", "approve": "skipped", "promote": "skipped"}
    (refused,) = read.store.about("approval", "flights_delay_reviewed", "1")
    assert str(refused.verdict.failed[0]) == "approval on models:/flights_delay_reviewed/1: anna refused"


def test_a_candidate_that_a_person_approves_is_promoted_on_that_evidence(story, read):
    states, asked = story["approved"]
    assert set(states.values()) == {"success"}
    (entry,) = PromotionLog("flights_delay_reviewed").read()
    (approval,) = read.store.about("approval", "flights_delay_reviewed", entry.version)
    assert approval.id in entry.evidence
    assert approval.verdict.facts["by"] == "anna"
    assert approval.verdict.facts["answers"] == {"remark": "as agreed"}
    assert approval.verdict.facts["manifest"] == entry.manifest
    assert asked["subject"] == "Promote this model? models:/flights_delay_reviewed/2"
    assert "| ✓ pass | auc |" in asked["body"]
    assert entry.manifest in asked["body"]


def test_a_champion_is_promoted_in_production_with_the_same_files_and_its_evidence(story, read):
    assert story["production"] == {"copy": "success", "promote": "success"}
    (entry,) = PromotionLog("flights_delay_production").read()
    made = PromotionLog("flights_delay").read()[-1]
    assert entry.manifest == made.manifest
    production = MlflowHook("mlflow_production")
    assert production.aliases("flights_delay_production") == {"champion": entry.version}
    assert production.versions("flights_delay") == []
    kinds = {evidence.verdict.check for evidence in read.store.of("flights_delay_production", entry.version)}
    assert kinds == {"evaluation", "copy"}


def test_a_sweep_promotes_a_model_of_the_parameters_that_it_chose(story, read):
    assert set(story["swept"].values()) == {"success"}
    assert len(story["swept"]) == 6  # of the trials the last one's state
    (entry,) = PromotionLog("flights_delay_swept").read()
    version = read.mlflow.version("flights_delay_swept", entry.version)
    (chosen,) = read.store.about("sweep", "flights_delay_swept")
    facts = chosen.verdict.facts
    assert facts["states"]["complete"] + facts["states"]["pruned"] == 4
    assert version.tags["xops.sweep_evidence"] == chosen.id
    with read.mlflow.client() as client:
        params = client.get_run(version.run_id).data.params
        runs = client.search_runs([client.get_experiment_by_name("flights_delay_swept").experiment_id])
    assert {name: str(value) for name, value in facts["params"].items()}.items() <= params.items()
    assert sum("mlflow.parentRunId" in run.data.tags for run in runs) == 5
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}


def test_each_delivery_is_scored_once_by_the_champion_of_its_day(story, read):
    assert story["scoring again"] == {"score": "skipped"}
    assert story["scoring of a second delivery"] == {"score": "success"}
    scores = read.lake.batches(read.lake.published("nyc.scores"))
    assert scores["2013-08"] == pq.read_metadata(DATA / "flights" / "2013-08.parquet").num_rows
    by = {
        evidence.batch: evidence.verdict.facts["model_version"]
        for evidence in read.store.about("scores", "flights_delay")
    }
    assert by == {"2013-04": "1", "2013-05": "1", "2013-06": "1", "2013-07": "1", "2013-08": "3"}


def test_the_newest_drift_report_is_evidentlys_page(read):
    dag_id, html = read.store.report(read.newest_report())
    assert dag_id == "flights_monitoring"
    assert b"root_metric_" in html  # what Evidently names its page's parts


def test_every_column_that_the_model_reads_has_a_finding_in_each_drift_verdict(read):
    from flights.delay import FEATURES

    for evidence in read.store.about("drift", "flights_delay"):
        assert {*FEATURES, "dataset"} == {finding.subject for finding in evidence.verdict.findings}
