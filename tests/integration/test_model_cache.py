"""Models that were fetched are kept on this machine: whole or not at all, compared at each use, and not for ever."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks import settings
from xops.hooks.models import model_cache
from xops.hooks.models.model_cache import ModelCache
from xops.hooks.models.model_files import manifest_digest
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import MANIFEST

pytestmark = pytest.mark.integration


@pytest.fixture
def registered(mlflow):
    """Give a model with one version, and its manifest."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5})
    fitted = LogisticRegression().fit(frame, [False, False, True, True] * 5)
    model = f"model {uuid.uuid4().hex}"
    MlflowHook().train_version(Training(model, "a1", {}, {}, {}, {}), fitted, frame, requirements=["scikit-learn"])
    mlflow.proxy.forget()
    return model, MlflowHook().version(model, "1").tags[MANIFEST]


def fetches(mlflow):
    return [call for call in mlflow.proxy.seen if call.startswith("GET") and "model.skops" in call]


def load_in_a_process(home, host, model, manifest, fatal=False):
    """Ask for the files in a process of its own, or die when they are fetched and not yet in place."""
    settings.home = lambda: Path(home)
    os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({"conn_type": "mlflow", "host": host})
    if fatal:
        model_cache.refuse_changed = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    with MlflowHook().recorded_files(model, "1", manifest) as folder:
        return manifest_digest(folder)


def test_a_second_load_fetches_nothing_in_this_process_or_another(mlflow, registered, tmp_path, in_processes):
    model, manifest = registered
    MlflowHook().load(model, "1", manifest=manifest)
    assert len(fetches(mlflow)) == 1
    MlflowHook().load(model, "1", manifest=manifest)
    given = str(tmp_path / "xops"), mlflow.proxy.url, model, manifest
    assert in_processes(load_in_a_process, [given] * 2) == [manifest] * 2
    assert len(fetches(mlflow)) == 1


def test_processes_that_load_at_once_leave_one_whole_entry(mlflow, registered, tmp_path, in_processes):
    model, manifest = registered
    given = str(tmp_path / "xops"), mlflow.proxy.url, model, manifest
    assert in_processes(load_in_a_process, [given] * 4) == [manifest] * 4
    folder = tmp_path / "xops" / "models"
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [manifest]
    assert manifest_digest(folder / manifest) == manifest


def test_a_process_that_is_killed_while_it_fetches_leaves_nothing_that_is_read(mlflow, registered, tmp_path):
    import multiprocessing

    model, manifest = registered
    given = str(tmp_path / "xops"), mlflow.proxy.url, model, manifest, True
    process = multiprocessing.get_context("forkserver").Process(target=load_in_a_process, args=given)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    (half,) = (path for path in (tmp_path / "xops" / "models").iterdir() if path.is_dir())
    assert half.name != manifest
    MlflowHook().load(model, "1", manifest=manifest)
    assert [path.name for path in half.parent.iterdir() if path.is_dir()] == [manifest]


@pytest.mark.parametrize("spoil", ["a byte", "a file less", "a file more"])
def test_an_entry_that_was_changed_is_not_loaded_but_fetched_anew(mlflow, registered, tmp_path, spoil):
    model, manifest = registered
    MlflowHook().load(model, "1", manifest=manifest)
    weights = tmp_path / "xops" / "models" / manifest / "model.skops"
    if spoil == "a byte":
        weights.write_bytes(b"P" + weights.read_bytes()[1:][::-1])
    elif spoil == "a file less":
        weights.unlink()
    else:
        (weights.parent / "sitecustomize.py").write_text("")
    MlflowHook().load(model, "1", manifest=manifest)
    assert len(fetches(mlflow)) == 2
    assert manifest_digest(weights.parent) == manifest


def test_what_is_another_than_was_recorded_is_not_kept(mlflow, registered, tmp_path):
    model, _ = registered
    with pytest.raises(Misconfigured, match="the model's files changed"):
        MlflowHook().load(model, "1", manifest="0" * 64)
    assert not [path for path in (tmp_path / "xops" / "models").iterdir() if path.is_dir()]


def test_a_manifest_that_is_the_name_of_another_place_is_refused(mlflow, registered, tmp_path):
    model, manifest = registered
    for forged in (f"../../dags/{manifest}", f"{tmp_path}/dags/{manifest}", manifest.upper(), ""):
        with pytest.raises(Misconfigured, match="64 hexadecimal digits were wanted"):
            MlflowHook().load(model, "1", manifest=forged)
    assert fetches(mlflow) == []
    assert not (tmp_path / "dags").exists()


def test_what_lies_there_under_the_name_of_mlflow_s_own_note_is_not_taken_along(mlflow, registered):
    model, manifest = registered
    (mlflow.files(model, "1") / "registered_model_meta").write_text("a pickle, maybe")
    with MlflowHook().recorded_files(model, "1", manifest) as folder:
        assert not (folder / "registered_model_meta").exists()
    (folder / "registered_model_meta").write_text("a pickle, maybe")
    with MlflowHook().recorded_files(model, "1", manifest) as folder:
        assert not (folder / "registered_model_meta").exists()


def test_a_fetch_that_fails_is_an_outage_and_leaves_nothing(mlflow, registered, tmp_path, mlflow_down):
    model, manifest = registered
    hook = MlflowHook()
    mlflow.proxy.fail_next("GET .*/artifacts/model.skops$", "half response")
    with pytest.raises(Unavailable):
        hook.load(model, "1", manifest=manifest)
    assert not [path for path in (tmp_path / "xops" / "models").iterdir() if path.is_dir()]
    hook.load(model, "1", manifest=manifest)
    mlflow_down()
    hook.load(model, "1", manifest=manifest)


def test_without_a_folder_of_its_own_each_load_fetches(mlflow, registered, monkeypatch):
    model, manifest = registered
    monkeypatch.setattr(ModelCache, "_writable", lambda _: False)
    for _ in range(2):
        MlflowHook().load(model, "1", manifest=manifest)
    assert len(fetches(mlflow)) == 2
    with pytest.raises(Misconfigured, match="the model's files changed"):
        MlflowHook().load(model, "1", manifest="0" * 64)


@pytest.fixture
def filled(tmp_path):
    """Give a cache and a function that puts an entry of ten bytes there, asked for so many days ago."""
    cache = ModelCache(tmp_path / "models")

    def put(content, days=0):
        def fetch(place):
            (place / "weights").write_text(content * 10)
            return place

        (example := tmp_path / f"example {content}").mkdir()
        manifest = manifest_digest(fetch(example))
        with cache.directory(manifest, "models:/m/1", fetch) as entry:
            pass
        moment = time.time() - days * 24 * 3600
        os.utime(entry, (moment, moment))
        return manifest

    return cache, put


def entries(cache):
    return {path.name for path in cache.folder.iterdir() if path.is_dir()}


def test_what_nobody_asked_for_in_a_month_goes(filled):
    cache, put = filled
    new, old = put("b", days=29), put("a", days=31)
    assert cache.sweep(dry_run=True) == [old]
    assert entries(cache) == {old, new}
    assert cache.sweep() == [old]
    assert entries(cache) == {new}


def test_what_is_beyond_the_size_goes_the_longest_unasked_first(filled, monkeypatch):
    monkeypatch.setattr(model_cache, "LARGEST", 20)
    cache, put = filled
    first, second = put("a", days=2), put("b", days=1)
    third = put("c")
    assert first != second
    assert entries(cache) == {second, third}


def test_nothing_goes_while_anybody_reads(filled):
    cache, put = filled
    old = put("a", days=31)
    with cache._lock(model_cache.fcntl.LOCK_SH):
        assert cache.sweep() == []
    assert cache.sweep() == [old]
