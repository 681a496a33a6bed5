"""A person is asked: who is told, who may answer until when, and what silence means; by Airflow's own parts."""

from __future__ import annotations

import datetime as dt
import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from airflow.models.hitl import HITLDetail
from airflow.providers.standard.operators import hitl
from airflow.sdk import DAG, BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

from xops.core.evidence import Evidence, Origin
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.store.evidence import EvidenceStore
from xops.operators.approval import ApproveModelOperator

pytestmark = pytest.mark.integration

NAME = "models:/returns/4"
VERDICT = Verdict(
    "evaluation", NAME, (Finding("auc", NAME, Outcome.PASS, 0.71, 0.6),), {"champion": None, "manifest": "0" * 64}
)
JUDGED = Evidence(VERDICT, "returns", "4", Origin("d", "r", "evaluate"), "2026-01-06T05:00:00+00:00").to_json()
TWO_DAYS = dt.timedelta(days=2)
ANNA = {"id": "anna", "name": "Anna"}
CONTEXT = {
    "ti": SimpleNamespace(dag_id="d", run_id="r", task_id="approve", map_index=-1, xcom_push=lambda **_: None),
    "task_instance": SimpleNamespace(id="of the task"),
}


class Teller(BaseNotifier):
    """Keeps what it is told of."""

    def __init__(self):
        super().__init__()
        self.told = []

    def notify(self, context):
        """Keep the task."""
        self.told.append(context["ti"].task_id)


@pytest.fixture
def make():
    """Give a function that makes the operator."""

    def operator(**more):
        candidate = {"model": "returns", "version": "4"}
        return ApproveModelOperator(
            task_id="approve", candidate=candidate, verdicts=[JUDGED], response_timeout=TWO_DAYS, **more
        )

    return operator


def answered(options, user, *, timedout=False):
    """Give what Airflow resumes the task with, made by Airflow's own model of the answer."""
    at = dt.datetime(2026, 1, 6, 9, tzinfo=dt.UTC)
    detail = HITLDetail(chosen_options=options, params_input={}, responded_by=user, responded_at=at)
    return detail.as_resume_event_payload(timedout=timedout)


def test_the_question_goes_to_those_assigned_with_the_evidence_and_a_deadline_and_notifiers_tell_of_it(
    make, monkeypatch
):
    asked, teller = {}, Teller()
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: asked.update(given))
    with pytest.raises(TaskAwaitingInput) as parked:
        make(assigned_users=[ANNA], notifiers=[teller]).execute(CONTEXT)
    assert parked.value.timeout == TWO_DAYS
    assert asked["assigned_users"] == [ANNA]
    assert asked["subject"] == f"Promote this model? {NAME}"
    assert "| ✓ pass | auc |" in asked["body"]
    assert "0" * 64 in asked["body"]
    assert (asked["options"], asked["defaults"]) == (["Approve", "Reject"], ["Reject"])
    assert teller.told == ["approve"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (answered(["Reject"], ANNA), "Anna refused"),
        (answered(["Reject"], None, timedout=True), "nobody answered in time"),
        (answered(["Approve"], None, timedout=True), "nobody answered in time"),  # where somebody set that default
    ],
)
def test_no_and_silence_let_nothing_through_and_are_kept(make, event, said):
    with pytest.raises(AirflowSkipException, match=said):
        make().execute_complete(CONTEXT, event)
    (kept,) = EvidenceStore().about("approval", "returns", "4")
    assert kept.verdict.failed[0].reason == said


def test_a_yes_is_kept_with_who_gave_it_and_when(make):
    kept = make().execute_complete(CONTEXT, answered(["Approve"], ANNA))
    assert kept["verdict"]["outcome"] == "pass"
    facts = kept["verdict"]["facts"]
    assert (facts["by"], facts["at"], facts["manifest"]) == ("Anna", "2026-01-06T09:00:00+00:00", "0" * 64)


def test_a_candidate_that_a_check_refused_is_put_to_nobody(monkeypatch, make):
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **_: pytest.fail("somebody was asked"))
    failed = Evidence(
        Verdict("evaluation", NAME, (Finding("auc", NAME, Outcome.FAIL, 0.5, 0.6),)), "returns", "4",
        Origin("d", "r", "evaluate"), "2026-01-06T05:00:00+00:00",
    )  # fmt: skip
    operator = make()
    operator.verdicts = [failed.to_json()]
    with pytest.raises(Exception, match="is not put to anybody"):
        operator.execute(CONTEXT)


@pytest.fixture
def people(airflow_db):
    """Give a function that gives a person's client of Airflow's own API."""
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    app = create_app(apps="core")

    def person(name, role="op"):
        token = app.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username=name, role=role))
        return TestClient(app, headers={"Authorization": f"Bearer {token}"})

    return person


@pytest.fixture
def play(airflow_db, monkeypatch, tmp_path):
    """Give a function that runs a DAG to its end, known to the database and beside no other."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    empty = {"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"}
    bundles = json.dumps([empty | {"kwargs": {"path": str(tmp_path)}}])
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", bundles)

    def run(dag):
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        DagBundlesManager().sync_bundles_to_db()
        bag = DagBag(str(tmp_path))
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        return {ti.task_id: str(ti.state) for ti in dag.test().get_task_instances()}

    return run


def test_those_assigned_answer_by_airflows_api_others_may_not_and_its_scheduler_makes_silence_a_no(
    play, people, tmp_path
):
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    with DAG("approvals", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        for name, seconds in (("yes", 600), ("no", 600), ("silence", 1)):
            ApproveModelOperator(
                task_id=name, candidate={"model": "returns", "version": "4"}, verdicts=[JUDGED], assigned_users=[ANNA],
                response_timeout=dt.timedelta(seconds=seconds),
            )  # fmt: skip
    anna, bob, said = people("anna"), people("bob"), {}

    def answer(who, task, option):
        place = f"/api/v2/dags/approvals/dagRuns/{said['run']}/taskInstances/{task}/-1/hitlDetails"
        return who.patch(place, json={"chosen_options": [option], "params_input": {}}).status_code

    def meet():
        asked, place, deadline = [], "/api/v2/dags/approvals/dagRuns/~/hitlDetails", time.monotonic() + 60
        while len(asked) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
            asked = anna.get(place).json()["hitl_details"]
        said["run"] = asked[0]["task_instance"]["dag_run_id"]
        said["bob"] = answer(bob, "yes", "Approve")
        said["anna"] = answer(anna, "yes", "Approve"), answer(anna, "no", "Reject")
        time.sleep(1)
        SchedulerJobRunner(Job()).check_awaiting_input_timeouts()

    with ThreadPoolExecutor(1) as meeting:
        met = meeting.submit(meet)
        states = play(dag)
        met.result()
    assert (said["bob"], said["anna"]) == (403, (200, 200))
    assert states == {"yes": "success", "no": "skipped", "silence": "skipped"}
    kept = {evidence.origin.task_id: evidence.verdict for evidence in EvidenceStore().about("approval", "returns", "4")}
    assert kept["yes"].facts["by"] == "anna"
    assert [kept[task].failed[0].reason for task in ("no", "silence")] == ["anna refused", "nobody answered in time"]
