"""MLflow that refuses, stalls, loses or cuts its answers, at any call of a training, promotion, loading or copy.

Whoever asked gets an error that a retry may mend, in bounded time; nothing is promoted meanwhile, and the retry ends as
if nothing had happened: one run, one version, one entry.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from xops.core.errors import Unavailable
from xops.core.gate import Rule
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks import settings
from xops.hooks.models import mlflow_connection
from xops.hooks.models.copies import copy_champion
from xops.hooks.models.model_files import manifest_digest
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.promotions import Asker, Promotions
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.tidying import tidy
from xops.hooks.models.versions import KEY, MANIFEST
from xops.hooks.store.objects import Objects

pytestmark = pytest.mark.integration

OUTAGES = [
    500, 503, (429, {"Retry-After": "86400"}), (503, {"Retry-After": "86400"}), 504, "lost request", "lost response",
    "half response",
]  # fmt: skip
ONE_IS_ENOUGH = pytest.mark.parametrize("mlflow", ["mlflow_server"], indirect=True)
CREATING = ["experiments/create", "runs/create", "logged-models", "registered-models/create", "model-versions/create"]
EVERY = 5  # so many calls apart are the moments from which MLflow is out


@pytest.fixture(params=["mlflow_server", "mlflow_server_on_postgres"], ids=["SQLite", "PostgreSQL"])
def mlflow(request, mlflow_at):
    """Give a server on each database, reached through a proxy that has no faults yet."""
    server = request.getfixturevalue(request.param)
    mlflow_at(server.proxy.url)
    server.proxy.forget()
    return server


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    """Let MLflow's client try again at once; how long its pauses are is asked elsewhere."""
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@pytest.fixture
def files(tmp_path):
    """Give a model directory; what is in it does not matter here."""
    (folder := tmp_path / "model").mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    return folder


@pytest.fixture
def train(files):
    """Give a function that trains, as the task with a key does."""

    def run(model, key="a1"):
        return MlflowHook().add_version(Training(model, key, {"c": 1}, {}, {"rows": 1.0}, {}), files)

    return run


def promote(model, version, champion, key):
    manifest = MlflowHook().version(model, version).tags[MANIFEST]
    facts = {"champion": champion, "manifest": manifest}
    verdict = Verdict("evaluation", f"models:/{model}/{version}", (Finding("auc", "m", Outcome.PASS, 0.8, 0.7),), facts)
    return Promotions(model).promote(version, [("evidence", verdict)], Asker(key, 1, key), reason="", rule=Rule())


def fetch(model, home):
    """Fetch the files of a model's first version into a cache that is empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xops.hooks.settings.home", lambda: home)
        manifest = MlflowHook().version(model, "1").tags[MANIFEST]
        with MlflowHook().recorded_files(model, "1", manifest) as folder:
            assert manifest_digest(folder) == manifest


def copy(model, name):
    """Copy a model's champion within one server."""
    store = Objects.configured()
    copy_champion(model, to_model=name, key="copy", source=MlflowHook(), source_store=store, target=MlflowHook())


@pytest.fixture
def model():
    return f"model {uuid.uuid4().hex}"


def outages(mlflow, do, subjects):
    """Do a thing once in peace, then once for each of some moments from which MLflow is out, and again when it is back.

    Gives what it was done to.
    """
    mlflow.proxy.forget()
    do(first := next(subjects))
    calls = len(mlflow.proxy.seen)
    assert calls > 1
    yield first
    for place, fault in zip(range(0, calls, EVERY if calls > EVERY else 1), itertools.cycle(OUTAGES), strict=False):
        subject = next(subjects)
        mlflow.proxy.forget()
        mlflow.proxy.fail_after(place, fault)
        began = time.monotonic()
        refused = False
        try:
            do(subject)
        except Unavailable:
            refused = True
        assert refused == bool(mlflow.proxy.struck), f"{fault} at call {place}"
        assert time.monotonic() - began < 30, f"{fault} at call {place}"
        mlflow.proxy.forget()
        do(subject)
        yield subject


def test_a_training_is_recorded_once_whenever_mlflow_is_out(mlflow, train, model):
    for name in outages(mlflow, train, (f"{model} {number}" for number in itertools.count())):
        (version,), (run,) = mlflow.versions(name), mlflow.runs(name)
        assert (version.run_id, run.info.status) == (run.info.run_id, "FINISHED")
        assert (run.data.params, run.data.metrics) == ({"c": "1"}, {"rows": 1.0})


def test_a_promotion_is_one_entry_whenever_mlflow_is_out(mlflow, train, model):
    versions = [train(model, "a1"), train(model, "b2")]
    log = PromotionLog(model)

    def change(number):
        before = log.read()
        mine = [entry for entry in before if entry.key == f"key {number}"]
        champion = mine[0].previous if mine else before[-1].version if before else None
        promote(model, versions[number % 2], champion, f"key {number}")

    for number in outages(mlflow, change, itertools.count()):
        entries = log.read()
        assert [entry.key for entry in entries] == [f"key {place}" for place in range(number + 1)]
        assert MlflowHook().aliases(model)["champion"] == entries[-1].version == versions[number % 2]


def test_a_model_is_loaded_whole_or_not_at_all_whenever_mlflow_is_out(mlflow, train, model, tmp_path):
    train(model)
    for _ in outages(mlflow, lambda number: fetch(model, tmp_path / str(number)), itertools.count()):
        pass


def test_a_champion_is_copied_once_whenever_mlflow_is_out(mlflow, train, model, monkeypatch):
    train(model)
    promote(model, "1", None, "key")
    for name in outages(mlflow, lambda name: copy(model, name), (f"{model} {number}" for number in itertools.count())):
        (version,), (run,) = mlflow.versions(name), mlflow.runs(name)
        assert version.tags[MANIFEST] == mlflow.versions(model)[0].tags[MANIFEST]
        assert run.info.status == "FINISHED"
        assert not PromotionLog(name).read()


@ONE_IS_ENOUGH
def test_a_server_that_asks_for_a_day_s_patience_costs_seconds(mlflow, train, model, monkeypatch):
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    mlflow.proxy.fail_after(0, (429, {"Retry-After": "86400"}))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        MlflowHook().versions(model)
    assert time.monotonic() - began < 20


DONE = {
    "training": lambda train, model, _: train(model, "key 2"),
    "promotion": lambda _, model, __: promote(model, "1", None, "key"),
    "loading": lambda _, model, home: fetch(model, home),
    "copy": lambda _, model, __: copy(model, f"{model} copied"),
}


@ONE_IS_ENOUGH
@pytest.mark.parametrize("what", DONE)
def test_a_server_that_hangs_in_the_middle_is_given_up(mlflow, train, model, monkeypatch, tmp_path, what):
    train(model)
    if what == "copy":
        promote(model, "1", None, "key")
    promoted = len(PromotionLog(model).read())
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # ten seconds are meant
    mlflow.proxy.fail_after(2, "silence")
    began = time.monotonic()
    with pytest.raises(Unavailable):
        DONE[what](train, model, tmp_path)
    assert time.monotonic() - began < 15
    assert mlflow.proxy.struck
    assert len(PromotionLog(model).read()) == promoted
    mlflow.proxy.forget()
    DONE[what](train, model, tmp_path)
    assert len(PromotionLog(model).read()) == promoted + (what == "promotion")
    assert len(mlflow.versions(model)) == 1 + (what == "training")


def train_in_a_process(home, connection, folder, model, number):
    """Train beside others, on the same version of the data."""
    settings.home = lambda: Path(home)
    os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = connection
    inputs = {"features": ("nyc.flights@7", "7"), "labels": ("nyc.labels@7", "7")}
    return MlflowHook().add_version(Training(model, f"key {number}", {}, {}, {}, inputs), Path(folder))


def test_trainings_that_begin_at_once_on_the_same_data_do_not_fail_each_other(
    mlflow, files, model, tmp_path, in_processes
):
    given = str(tmp_path / "xops"), os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"], str(files), model
    answers = in_processes(train_in_a_process, [(*given, number) for number in range(4)])
    assert sorted(answers) == ["1", "2", "3", "4"]
    assert all(len(run.inputs.dataset_inputs) == 2 for run in mlflow.runs(model))


RACED = {
    "SQLite": "(sqlite3.IntegrityError) UNIQUE constraint failed",
    "PostgreSQL": '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"',
}


@ONE_IS_ENOUGH
@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("said", RACED.values(), ids=RACED)
def test_what_another_wrote_at_the_same_moment_is_written_again_or_left_to_the_retry(mlflow, train, model, said, times):
    answer = json.dumps({"error_code": "BAD_REQUEST", "message": said}).encode()
    for _ in range(times):
        mlflow.proxy.fail_next("POST .*/runs/log-inputs$", (400, {}, answer))
    if times == 5:
        with pytest.raises(Unavailable, match="others wrote the same"):
            train(model)
    assert train(model) == "1"
    assert len(mlflow.proxy.struck) == times


def test_a_hundred_lost_answers_of_each_server_leave_no_second_run_and_no_second_version(mlflow, train, model):
    lost = 0
    for number in itertools.count():
        if lost >= 100:
            break
        mlflow.proxy.forget()
        for call in CREATING:
            mlflow.proxy.fail_next(f"POST .*/mlflow/{call}$", "lost response")
        name = f"{model} {number}"
        for attempt in itertools.count(1):
            assert attempt < 4
            try:
                version = train(name)
            except Unavailable:
                continue
            break
        lost += len(mlflow.proxy.struck)
        assert len(mlflow.proxy.struck) == len(CREATING)
        (found,), (run,) = mlflow.versions(name), mlflow.runs(name)
        assert (found.version, found.tags[KEY], found.run_id) == (version, "a1", run.info.run_id)
        assert run.info.status == "FINISHED"
    tidy([name], older_than=timedelta(0))
    assert tidy([name], older_than=timedelta(0)).outcome is Outcome.PASS
