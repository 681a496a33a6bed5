"""Trainings in a real MLflow server, behind a proxy that loses requests and answers; and models that are not loaded."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.models import mlflow_connection
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import KEY, MANIFEST

pytestmark = pytest.mark.integration

PINNED = ["scikit-learn"]
LATE = [False, False, True, True] * 5


@pytest.fixture
def model():
    """Give the name of a registered model that no other test uses."""
    return f"model {uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def example():
    import pandas as pd

    return pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5})


@pytest.fixture(scope="module")
def fitted(example):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(example, LATE)


@pytest.fixture(scope="module")
def train(fitted, example):
    """Give a function that trains by the connection, as a task with the given key does."""

    def run(model, key="a1"):
        training = Training(
            model=model,
            key=key,
            params={"max_iter": 100},
            tags={"xops.asked_by": "manual"},
            metrics={"rows": 20.0},
            inputs={"features": ("nyc.flights@123", "123")},
        )
        return MlflowHook().train_version(training, fitted, example, requirements=PINNED)

    return run


@pytest.fixture(scope="module")
def trained_once(mlflow_server, train):
    """Give a model with one version, and a copy of its files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": mlflow_server.proxy.url})
        )
        train("trained once")
    files = mlflow_server.files("trained once", "1")
    shutil.copytree(files, copy := files.with_name("copy"))
    return "trained once", files, copy


@pytest.fixture
def trained(mlflow, trained_once):
    """Give a model with one version, whose files are put back after the test."""
    name, files, copy = trained_once
    yield name
    shutil.rmtree(files, ignore_errors=True)
    shutil.copytree(copy, files)


@pytest.fixture
def canary(tmp_path):
    """Give a file that appears when a model's own code runs."""
    return tmp_path / "it ran"


class Hostile:
    """Makes a folder when pickle or skops brings it back."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __setstate__(self, state):
        Path(state["canary"]).mkdir()


@pytest.fixture
def hostile(canary):
    """Give a model that runs code of its own when it is loaded by whoever trusts it, in skops format."""
    import skops.io

    content, name = skops.io.dumps(Hostile(canary)), f"{Hostile.__module__}.Hostile"
    assert skops.io.get_untrusted_types(data=content) == [name]
    skops.io.loads(content, trusted=[name])
    assert canary.exists()
    canary.rmdir()
    return content, name


def test_a_training_leaves_one_finished_run_and_one_version(mlflow, train, model):
    version = train(model)
    (run,), (registered,) = mlflow.runs(model), mlflow.versions(model)
    assert (registered.version, registered.run_id, registered.status) == (version, run.info.run_id, "READY")
    assert run.info.status == "FINISHED"
    assert run.data.params == {"max_iter": "100"}
    assert run.data.metrics == {"rows": 20.0}
    assert [given.dataset.name for given in run.inputs.dataset_inputs] == ["nyc.flights@123"]
    assert registered.tags[KEY] == run.data.tags[KEY] == "a1"
    assert registered.tags["xops.asked_by"] == "manual"


def test_a_model_comes_back_as_it_was_trained(trained, fitted, example):
    hook = MlflowHook()
    manifest = hook.version(trained, "1").tags[MANIFEST]
    assert hook.manifest(trained, "1") == manifest
    loaded = hook.load(trained, "1", manifest=manifest)
    assert (loaded.predict_proba(example) == fitted.predict_proba(example)).all()


def test_a_task_that_trains_again_gets_the_version_it_had(mlflow, train, model):
    assert train(model, "a1") == train(model, "a1") == MlflowHook().trained_before(model, "a1")
    assert len(mlflow.runs(model)) == len(mlflow.versions(model)) == 1
    assert train(model, "b2") == "2"
    assert [str(version.version) for version in MlflowHook().versions(model)] == ["1", "2"]
    assert MlflowHook().trained_before(model, "c3") is None


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("POST .*/runs/create$", "lost response"),
        ("POST .*/runs/create$", "lost request"),
        ("POST .*/registered-models/create$", "lost response"),
        ("POST .*/registered-models/create$", "lost request"),
        ("POST .*/model-versions/create$", "lost response"),
        ("POST .*/model-versions/create$", "lost request"),
        ("POST .*/model-versions/create$", "half response"),
        ("PUT .*/model.skops$", "lost request"),
    ],
)
def test_whatever_gets_lost_a_retry_leaves_one_version_and_one_run(mlflow, train, model, call, fault):
    mlflow.proxy.fail_next(call, fault)
    try:
        first = train(model)
    except Unavailable:
        first = None
    assert mlflow.proxy.struck
    again = train(model)
    (version,), (run,) = mlflow.versions(model), mlflow.runs(model)
    assert again == version.version == (first or version.version)
    assert (version.run_id, run.info.status) == (run.info.run_id, "FINISHED")
    assert MlflowHook().manifest(model, again) == version.tags[MANIFEST]


def test_what_creates_is_sent_once_although_its_answer_is_lost(mlflow, train, model):
    creating = ["runs/create", "model-versions/create"]
    for call in creating:
        mlflow.proxy.fail_next(f"POST .*/{call}$", "lost response")
    assert train(model) == "1"
    assert len(mlflow.proxy.struck) == 2
    sent = [call.rsplit("mlflow/", 1)[-1] for call in mlflow.proxy.seen]
    assert [sent.count(call) for call in creating] == [1, 1]


def test_of_versions_and_runs_with_one_key_the_oldest_counts(mlflow, train, model):
    train(model)
    (version,) = mlflow.versions(model)
    experiment = mlflow.direct.get_experiment_by_name(model).experiment_id
    mlflow.direct.create_run(experiment, tags={KEY: "a1"})  # what an orphan leaves behind
    mlflow.direct.create_model_version(
        model, version.source, version.run_id, tags={KEY: "a1"}, model_id=version.source.removeprefix("models:/")
    )
    assert train(model) == MlflowHook().trained_before(model, "a1") == "1"
    assert [run.info.run_id for run in mlflow.runs(model)] == [version.run_id]


def test_a_model_that_would_not_be_loaded_again_is_not_registered(mlflow, model, example):
    from sklearn.linear_model import LogisticRegression

    class OfMyOwn(LogisticRegression):
        """A type that nobody trusts."""

    training = Training(model, "a1", {}, {}, {}, {})
    with pytest.raises(Misconfigured, match="OfMyOwn"):
        MlflowHook().train_version(training, OfMyOwn().fit(example, LATE), example, requirements=PINNED)
    assert mlflow.versions(model) == []


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda hook, model: hook.version(model, "1"), id="version"),
        pytest.param(lambda hook, model: hook.manifest(model, "1"), id="manifest"),
        pytest.param(lambda hook, model: hook.load(model, "1", manifest=None), id="load"),
        pytest.param(lambda hook, model: hook.set_alias(model, "champion", "1"), id="alias"),
        pytest.param(lambda hook, model: hook.aliases(model), id="aliases"),
    ],
)
def test_a_model_that_does_not_exist_is_named(mlflow, model, ask):
    with pytest.raises(Misconfigured, match=model):
        ask(MlflowHook(), model)


def test_a_version_that_does_not_exist_is_named(mlflow, trained):
    for version in ("2", "latest"):
        with pytest.raises(Misconfigured, match=f"{version}"):
            MlflowHook().version(trained, version)


@pytest.mark.parametrize("name", ["it's", "a' or name != '", "back\\slash"])
def test_a_name_that_would_end_its_quotation_is_refused(mlflow, name):
    with pytest.raises(Misconfigured, match="quotes and backslashes are not allowed"):
        MlflowHook().trained_before(name, "a1")
    assert mlflow.proxy.seen == []


def test_an_alias_points_to_what_it_was_last_set_to(mlflow, trained):
    for _ in range(2):
        MlflowHook().set_alias(trained, "champion", "1")
    assert MlflowHook().aliases(trained) == {"champion": "1"}


def test_a_server_that_is_down_is_unavailable_within_a_minute(mlflow_at, nobody_listens, train, model):
    mlflow_at(nobody_listens)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=rf"MLflow \(mlflow_default, {nobody_listens}\) did not answer: ") as lost:
        train(model)
    assert time.monotonic() - began < 60
    assert len(str(lost.value)) < 700
    answered, said = MlflowHook().test_connection()
    assert not answered
    assert nobody_listens in said


def test_a_server_that_says_nothing_is_given_up_after_three_tries(mlflow, monkeypatch):
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # ten seconds are meant
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    for _ in range(9):
        mlflow.proxy.fail_next("GET .*/model-versions/get", "silence")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer"):
        MlflowHook().version("flights_delay", "1")
    assert 3 <= time.monotonic() - began < 6
    assert len(mlflow.proxy.struck) == 3


def test_the_bounds_keep_a_silent_server_under_a_minute():
    bounds = {name: float(value) for name, value in mlflow_connection._BOUNDS.items() if value.isdigit()}
    tries, wait = bounds["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] + 1, bounds["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    pauses = sum(bounds["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] * 2**n for n in range(int(tries) - 1))
    assert tries * wait + pauses < 60


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_cannot_now_is_unavailable(mlflow, model, status):
    mlflow.proxy.fail_next("registered-models/get", status)
    with pytest.raises(Unavailable), MlflowHook().client(retries=0) as client:
        client.get_registered_model(model)


@pytest.mark.parametrize("faults", [["half response"], [503] * 3], ids=["cut short", "refused"])
def test_files_that_cannot_be_fetched_now_are_fetched_later(mlflow, trained, monkeypatch, faults):
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    for fault in faults:
        mlflow.proxy.fail_next("GET .*/artifacts/model.skops$", fault)
    with pytest.raises(Unavailable, match="did not answer"):
        MlflowHook().manifest(trained, "1")
    assert MlflowHook().manifest(trained, "1")


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_not_accepted_are_a_mistake(mlflow, model, status):
    mlflow.proxy.fail_next("registered-models/get", status)
    with pytest.raises(Misconfigured), MlflowHook().client(retries=0) as client:
        client.get_registered_model(model)


def test_credentials_are_left_nowhere(mlflow, mlflow_down, train, model, everything_said):
    given = json.loads(os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"])
    before = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    train(model)
    MlflowHook().manifest(model, "1")
    mlflow_down()
    with pytest.raises(Unavailable) as lost:
        MlflowHook().version(model, "1")
    assert {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")} == before
    (run,), (version,) = mlflow.runs(model), mlflow.versions(model)
    kept = {"run": str(run.to_dictionary()), "version": str(dict(version)), "said": everything_said()}
    kept |= {"error": repr(lost.value), "cause": repr(lost.value.__cause__)}
    assert "Retrying" in kept["said"]
    for secret in (given["login"], given["password"]):
        assert [place for place, text in kept.items() if secret in text] == []


def test_the_credentials_of_the_connection_are_sent(mlflow_at, model):
    """A server that knows one user: what the proxy sees is what MLflow's client sent."""
    heard = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def hear():
            for _ in range(2):
                caller, _ = server.accept()
                heard.append(caller.recv(65536).decode())
                caller.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                caller.close()

        listener = threading.Thread(target=hear, daemon=True)
        listener.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        mlflow_at(url)
        with pytest.raises(Misconfigured):
            MlflowHook().version(model, "1")
        mlflow_at(url, login=None, password="token-4711")
        with pytest.raises(Misconfigured):
            MlflowHook().version(model, "1")
        listener.join(10)
    assert "Authorization: Basic YW5uYS1vZi1sb29wYmFjazpzZXNhbWUtb3Blbi00NzEx" in heard[0]
    assert "Authorization: Bearer token-4711" in heard[1]


def test_credentials_in_the_host_are_refused(mlflow_at):
    mlflow_at("http://anna:sesame@127.0.0.1:5000")
    with pytest.raises(Misconfigured, match="put credentials into login and password, not into the host") as refused:
        MlflowHook().version("flights_delay", "1")
    assert "sesame" not in str(refused.value)


def test_a_connection_without_a_host_is_refused(mlflow_at):
    mlflow_at("")
    with pytest.raises(Misconfigured, match="the tracking server's URL was wanted as host, it is empty"):
        MlflowHook().version("flights_delay", "1")


def test_a_local_folder_is_refused_where_tasks_run_on_several_machines(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(Misconfigured, match=r"connection mlflow_default does not exist.*make the connection"):
        MlflowHook().version("flights_delay", "1")


def test_files_that_were_changed_are_found_before_anything_is_loaded(mlflow, trained, hostile, canary):
    manifest = MlflowHook().version(trained, "1").tags[MANIFEST]
    (mlflow.files(trained, "1") / "model.skops").write_bytes(hostile[0])
    with pytest.raises(Misconfigured, match=f"models:/{trained}/1: the model's files changed.*nothing was loaded"):
        MlflowHook().load(trained, "1", manifest=manifest)
    assert not canary.exists()


@pytest.mark.parametrize("change", ["a bit flipped", "a file more", "a file less", "a file renamed"])
def test_any_change_of_a_model_directory_is_found(mlflow, trained, change):
    manifest, folder = MlflowHook().version(trained, "1").tags[MANIFEST], mlflow.files(trained, "1")
    path = folder / "requirements.txt"
    if change == "a bit flipped":
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif change == "a file more":
        (folder / "loader.py").write_text("")
    elif change == "a file less":
        path.unlink()
    else:
        path.rename(folder / "requirement.txt")
    with pytest.raises(Misconfigured, match="the model's files changed after they were recorded"):
        MlflowHook().load(trained, "1", manifest=manifest)


def test_a_pickled_model_is_refused_before_it_is_unpickled(mlflow, trained, canary):
    folder = mlflow.files(trained, "1")
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Hostile(canary)))
    hook = MlflowHook()
    with pytest.raises(
        Misconfigured, match=r"a model that loads without running code .* was wanted, found .*model.pkl"
    ):
        hook.load(trained, "1", manifest=hook.manifest(trained, "1"))
    assert not canary.exists()
    pickle.loads((folder / "model.pkl").read_bytes())
    assert canary.exists()  # it was hostile indeed


def test_a_type_that_nobody_trusts_is_named_and_not_loaded(mlflow, trained, hostile, canary):
    content, name = hostile
    (mlflow.files(trained, "1") / "model.skops").write_bytes(content)
    hook = MlflowHook()
    with pytest.raises(Misconfigured, match=f"models:/{trained}/1: it holds types that are not trusted.*{name}"):
        hook.load(trained, "1", manifest=hook.manifest(trained, "1"))
    assert not canary.exists()


def test_the_types_that_a_model_says_it_trusts_count_for_nothing(mlflow, trained, hostile, canary):
    content, name = hostile
    folder = mlflow.files(trained, "1")
    (folder / "model.skops").write_bytes(content)
    described = (folder / "MLmodel").read_text()
    assert "skops_trusted_types:\n" in described
    described = described.replace("skops_trusted_types:\n", f"skops_trusted_types:\n    - {name}\n")
    (folder / "MLmodel").write_text(described)
    hook = MlflowHook()
    with pytest.raises(Misconfigured, match="it holds types that are not trusted"):
        hook.load(trained, "1", manifest=hook.manifest(trained, "1"))
    assert not canary.exists()


def test_a_model_without_files_is_refused(mlflow, trained):
    shutil.rmtree(mlflow.files(trained, "1"))
    with pytest.raises((Misconfigured, Unavailable)):
        MlflowHook().load(trained, "1", manifest=None)


def begin_at_home(home, key):
    """Begin a training as one of several processes on a machine where MLflow was never used."""
    os.environ["AIRFLOW_HOME"] = str(home)
    os.environ.pop("AIRFLOW_CONN_MLFLOW_DEFAULT", None)  # the process that this one was forked from may have had one
    return MlflowHook()._run(Training("flights_delay", key, {}, {}, {}, {}))


def test_four_processes_may_begin_at_once_where_nobody_used_mlflow_before(tmp_path, in_processes):
    runs = in_processes(begin_at_home, [(tmp_path, key) for key in ("a1", "b2", "c3", "d4")])
    with MlflowHook().client() as client:
        experiment = client.get_experiment_by_name("flights_delay")
        found = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_id for run in found) == sorted(runs)
    assert {run.data.tags[KEY] for run in found} == {"a1", "b2", "c3", "d4"}


def test_no_process_that_uses_a_model_sends_telemetry(mlflow, trained):
    silenced = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "CI", "PYTEST_CURRENT_TEST", "PYTEST_VERSION")
    quiet = {name: value for name, value in os.environ.items() if name not in silenced}
    code = (
        f"from xops.hooks.models.registry import MlflowHook; MlflowHook().manifest({trained!r}, '1');"
        "from mlflow.telemetry import get_telemetry_client; print(get_telemetry_client())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=quiet)
    assert done.stdout.splitlines()[-1] == "None"
