"""What killed trainings leave on a real MLflow server, and what is left of it after the janitor."""

import json
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest

from xops.cli import MISTAKE, main
from xops.core.model.promotion import Entry, Kind
from xops.core.verdict import Outcome
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.tidying import KINDS, tidy
from xops.hooks.models.versions import KEY, SUPERSEDED
from xops.hooks.store.evidence import EvidenceStore
from xops.operators.tidying import TidyModelsOperator

pytestmark = pytest.mark.integration

NOW, DAY = timedelta(0), timedelta(days=1)


@pytest.fixture
def model():
    return f"model {uuid.uuid4().hex}"


@pytest.fixture
def files(tmp_path):
    """Give a model directory; what is in it does not matter here."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    return folder


@pytest.fixture
def killed(mlflow, model, files, monkeypatch):
    """Give a function that trains and is killed at the nth request that changes something; False when it ended."""

    class Killed(BaseException):
        """Nothing catches it."""

    changing = (
        "create_run", "log_batch", "log_inputs", "create_logged_model", "log_model_artifacts", "finalize_logged_model",
        "log_outputs", "create_registered_model", "create_model_version", "set_terminated",
    )  # fmt: skip

    def until(step, counted, meant):
        def call(*args, **kwargs):
            if next(counted) == step:
                raise Killed
            return meant(*args, **kwargs)

        return call

    def train(step, key):
        from mlflow import MlflowClient

        with monkeypatch.context() as patch:
            counted = iter(range(100))
            for name in changing:
                patch.setattr(MlflowClient, name, until(step, counted, getattr(MlflowClient, name)))
            try:
                MlflowHook().add_version(Training(model, key, {}, {}, {"rows": 1.0}, {}), files)
            except Killed:
                return True
        return False

    return train


def found(verdict, model):
    return {kind: count for kind, count in verdict.facts["found"][model].items() if count}


def unfinished(mlflow, model):
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    return [one.model_id for one in mlflow.direct.search_logged_models([experiment]) if str(one.status) != "READY"]


def test_wherever_a_training_is_killed_nothing_is_stuck_after_the_janitor(mlflow, model, killed):
    steps = 0
    while killed(steps, f"key {steps}"):
        steps += 1
    assert steps == 10
    assert {run.info.status for run in mlflow.runs(model)} == {"RUNNING", "FINISHED"}
    assert unfinished(mlflow, model)
    tidy([model], older_than=NOW)
    registered = {version.tags[KEY] for version in mlflow.versions(model)}
    for run in mlflow.runs(model):
        assert run.info.status == ("FINISHED" if run.data.tags[KEY] in registered else "FAILED")
    assert unfinished(mlflow, model) == []
    assert registered == {"key 9", "key 10"}
    assert {version.source for version in mlflow.versions(model)} == model_uris(mlflow, model)
    assert found(tidy([model], older_than=NOW), model) == {}


def test_a_training_that_was_tidied_can_still_be_retried(mlflow, model, killed):
    assert killed(5, "a1")
    tidy([model], older_than=NOW)
    assert not killed(100, "a1")
    (run,), (version,) = mlflow.runs(model), mlflow.versions(model)
    assert (run.info.status, version.run_id) == ("FINISHED", run.info.run_id)


def model_uris(mlflow, model):
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    return {one.model_uri for one in mlflow.direct.search_logged_models([experiment])}


@pytest.mark.parametrize("retried", [False, True])
def test_a_model_directory_that_was_finished_and_never_registered_goes(mlflow, model, killed, retried):
    assert killed(8, "a1")
    assert killed(7, "a1")  # a retry creates no run
    assert not retried or not killed(100, "a1")
    verdict = tidy([model], older_than=NOW)
    assert found(verdict, model) == {"unregistered_models": 2} | ({} if retried else {"stuck_runs": 1})
    assert model_uris(mlflow, model) == {version.source for version in mlflow.versions(model)}
    assert len(mlflow.versions(model)) == retried
    assert found(tidy([model], older_than=NOW), model) == {}


def test_a_model_directory_whose_run_was_deleted_as_a_double_goes_too(mlflow, model, killed):
    assert killed(8, "a1")
    (run,) = mlflow.runs(model)
    mlflow.direct.delete_run(run.info.run_id)
    assert not killed(100, "a1")
    assert found(tidy([model], older_than=NOW), model) == {"unregistered_models": 1}
    assert model_uris(mlflow, model) == {version.source for version in mlflow.versions(model)}


def test_a_model_directory_that_somebody_registered_elsewhere_or_whose_version_a_person_deleted_stays(
    mlflow, model, killed
):
    assert killed(8, "a1")
    (uri,) = model_uris(mlflow, model)
    mlflow.direct.create_registered_model(f"{model} by hand")
    mlflow.direct.create_model_version(f"{model} by hand", uri, model_id=uri.removeprefix("models:/"))
    assert not killed(100, "b2")
    mlflow.direct.delete_model_version(model, "1")
    before = model_uris(mlflow, model)
    assert len(before) == 2
    tidy([model], older_than=NOW)
    assert model_uris(mlflow, model) == before


def test_what_may_still_be_at_work_is_left_alone(mlflow, model, killed):
    assert killed(5, "a1")
    verdict = tidy([model], older_than=DAY)
    assert (verdict.outcome, found(verdict, model)) == (Outcome.PASS, {})
    assert [run.info.status for run in mlflow.runs(model)] == ["RUNNING"]
    assert unfinished(mlflow, model)


def test_the_operator_keeps_what_it_found_as_evidence(mlflow, model, killed):
    assert killed(5, "a1")
    ti = SimpleNamespace(dag_id="tidy", run_id="run 1", task_id="tidy", map_index=-1, xcom_push=lambda **_: None)
    operator = TidyModelsOperator(task_id="tidy", models=[model], older_than=NOW)
    assert operator.execute({"ti": ti})["verdict"]["outcome"] == "warn"
    (kept,) = EvidenceStore().about("tidy", "models")
    assert kept.verdict.facts["found"][model]["stuck_runs"] == 1


def test_what_is_not_ours_is_left_alone(mlflow, model, killed):
    assert not killed(100, "a1")
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    theirs = mlflow.direct.create_run(experiment).info.run_id
    pending = mlflow.direct.create_logged_model(experiment, source_run_id=theirs).model_id
    assert found(tidy([model], older_than=NOW), model) == {}
    assert mlflow.direct.get_run(theirs).info.status == "RUNNING"
    assert str(mlflow.direct.get_logged_model(pending).status) == "PENDING"


@pytest.fixture
def doubled(mlflow, model, killed):
    """Let a model have two versions and two runs with one key; the younger ones have aliases and still run."""
    assert not killed(100, "a1")
    (version,) = mlflow.versions(model)
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    run = mlflow.direct.create_run(experiment, tags={KEY: "a1"}).info.run_id
    mlflow.direct.create_model_version(
        model, version.source, run, tags={KEY: "a1"}, model_id=version.source.removeprefix("models:/")
    )
    for alias in ("champion", "mine"):
        mlflow.direct.set_registered_model_alias(model, alias, "2")
    return version


def test_of_versions_and_runs_with_one_key_the_oldest_is_left(mlflow, model, doubled):
    verdict = tidy([model], older_than=NOW)
    assert found(verdict, model) == {"surplus_runs": 1, "superseded_versions": 1}
    assert verdict.outcome is Outcome.WARN
    assert [run.info.run_id for run in mlflow.runs(model)] == [doubled.run_id]
    assert [SUPERSEDED in version.tags for version in mlflow.versions(model)] == [False, True]
    assert MlflowHook().aliases(model) == {}
    assert tidy([model], older_than=NOW).outcome is Outcome.PASS


def test_the_run_of_the_version_is_kept_even_if_another_is_older(mlflow, model, doubled):
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    mlflow.direct.create_run(experiment, start_time=1, tags={KEY: "a1"})
    tidy([model], older_than=NOW)
    assert [run.info.run_id for run in mlflow.runs(model)] == [doubled.run_id]


def entry(model, number, version, previous, manifest="0" * 64):
    return Entry(
        number=number, model=model, previous=previous, version=version, kind=Kind.PROMOTE, manifest=manifest,
        key=f"key {number}", by="a test", reason="better", at="2026-01-01T00:00:00+00:00", evidence=(),
    )  # fmt: skip


def promote(model, version, manifest):
    log = PromotionLog(model)
    log.claim("p", 1)
    log.append("p", 1, lambda entries: entry(model, len(entries) + 1, version, None, manifest))


def test_aliases_follow_the_log_and_a_superseded_version_is_no_challenger(mlflow, model, doubled):
    promote(model, "1", MlflowHook().manifest(model, "1"))
    tidy([model], older_than=NOW)
    assert MlflowHook().aliases(model) == {"champion": "1"}
    assert tidy([model], older_than=NOW).outcome is Outcome.PASS


def test_a_superseded_version_that_was_promoted_all_the_same_stays_champion(mlflow, model, doubled):
    promote(model, "2", MlflowHook().manifest(model, "2"))
    tidy([model], older_than=NOW)
    assert MlflowHook().aliases(model)["champion"] == "2"
    assert found(tidy([model], older_than=NOW), model) == {}


def test_a_registered_model_that_was_deleted_fails_and_the_others_are_tidied(mlflow, model, doubled, files):
    promote(model, "1", MlflowHook().manifest(model, "1"))
    mlflow.direct.delete_registered_model(model)
    other = f"{model} b"
    MlflowHook().add_version(Training(other, "b2", {}, {}, {}, {}), files)
    verdict = tidy([model, other], older_than=NOW)
    assert [(one.check, one.subject) for one in verdict.failed] == [("registry", model)]
    assert found(verdict, other) == {}


def test_a_dry_run_says_the_same_and_changes_nothing(mlflow, model, doubled, killed, capsys):
    assert killed(5, "b2")
    assert killed(7, "b2")
    promote(model, "1", MlflowHook().manifest(model, "1"))
    before = mlflow.runs(model), mlflow.versions(model), MlflowHook().aliases(model)
    assert main(["tidy", model, "--older-than", "0", "--dry-run", "--json"]) == 0
    asked = json.loads(capsys.readouterr().out)
    after = mlflow.runs(model), mlflow.versions(model), MlflowHook().aliases(model)
    assert str(after) == str(before)
    assert asked["facts"]["found"][model] == tidy([model], older_than=NOW).facts["found"][model]
    assert set(asked["facts"]["found"][model].values()) == {1}


def test_without_names_every_model_of_ours_is_tidied(mlflow, model, killed, capsys):
    assert killed(5, "a1")
    mlflow.direct.create_experiment(theirs := f"their's {model}")
    assert main(["tidy", "--older-than", "0"]) == 0
    assert "stuck_runs" in capsys.readouterr().out
    assert [run.info.status for run in mlflow.runs(model)] == ["FAILED"]
    verdict = tidy(older_than=NOW)
    assert model in verdict.facts["found"]
    assert theirs not in verdict.facts["found"]
    assert set(verdict.facts["found"][model]) == set(KINDS)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["nobody's"], "quotes"),
        (["nobodys"], "has no run and no version"),
        (["--older-than", "nan"], "hours from 0 to"),
        (["--older-than", "1e300"], "hours from 0 to"),
    ],
)
def test_what_cannot_be_tidied_is_said(mlflow, capsys, asked, said):
    assert main(["tidy", *asked]) == MISTAKE
    assert said in capsys.readouterr().err
