"""A champion carried into another registry, on a real MLflow server and a local one, cut off on the way."""

from __future__ import annotations

import json
import uuid

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from xops.core.errors import Misconfigured
from xops.core.evidence import Origin
from xops.core.gate import Rule
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.models.copies import copy_champion
from xops.hooks.models.promotions import Asker, Promotions
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import MANIFEST
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.objects import Objects

pytestmark = pytest.mark.integration


@pytest.fixture
def production(tmp_path, monkeypatch):
    """Give the hook of another registry, in a folder."""
    connection = {"conn_type": "mlflow", "host": str(tmp_path / "production")}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_PRODUCTION", json.dumps(connection))
    return MlflowHook("mlflow_production")


@pytest.fixture
def model(mlflow):
    """Give a model whose second version is champion, with its evidence, a report, and a card beside the model."""
    name = f"model {uuid.uuid4().hex}"
    frame = pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5})
    fitted = LogisticRegression().fit(frame, [False, False, True, True] * 5)
    hook, store = MlflowHook(), EvidenceStore()
    for key in ("first", "second"):
        training = Training(
            name, key, {"c": 1}, {"xops.code": "flights.fit@abc"}, {"rows": 20.0}, {"features": ("nyc.flights@1", "1")}
        )
        version = hook.train_version(training, fitted, frame, requirements=["scikit-learn"])
    mlflow.direct.log_text(hook.version(name, version).run_id, "# The card", "card/model-card.md")
    facts = {"champion": None, "manifest": hook.version(name, version).tags[MANIFEST]}
    verdict = Verdict("evaluation", f"models:/{name}/2", (Finding("auc", "m", Outcome.PASS, 0.8, 0.7),), facts)
    kept = store.record(verdict, origin=Origin("train", "run", "evaluate"), about=name, batch=version, html=b"<p>")
    Promotions(name).promote(
        version, [(kept.id, verdict)], Asker("key", 1, "train/run/promote"), reason="better", rule=Rule()
    )
    return name


@pytest.fixture
def copy(model, production, tmp_path):
    """Give a function that copies the champion as a task does, into the other registry and a store of its own."""
    source_store = Objects(str(tmp_path / "xops" / "store"))

    def run(key="copy"):
        return copy_champion(
            model, to_model="flights", key=key, source=MlflowHook(), source_store=source_store, target=production
        )

    return run


def test_a_champion_arrives_with_its_files_its_training_and_its_evidence(
    model, production, copy, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__XOPS__STORE", str(tmp_path / "production store"))
    copied = copy()
    version = production.version("flights", copied.version)
    assert (copied.version, copied.source, copied.entry) == ("1", f"models:/{model}/2", 1)
    assert production.manifest("flights", "1") == copied.manifest == version.tags[MANIFEST]
    assert version.tags["xops.copied_from"] == f"models:/{model}/2"
    assert version.tags["xops.code"] == "flights.fit@abc"
    with production.client() as client:
        run = client.get_run(version.run_id)
        assert (run.data.params, run.data.metrics) == ({"c": "1"}, {"rows": 20.0})
        assert run.inputs.dataset_inputs[0].dataset.name == "nyc.flights@1"
        assert [file.path for file in client.list_artifacts(version.run_id, "card")] == ["card/model-card.md"]
    (evidence,) = EvidenceStore().of("flights", "1")
    assert evidence.verdict.subject == f"models:/{model}/2"
    assert EvidenceStore().report(evidence.report) == ("train", b"<p>")


def test_a_copy_that_was_cut_off_is_finished_by_its_retry(production, copy, monkeypatch):
    for step in ("_register", "manifest"):
        with monkeypatch.context() as cut:
            cut.setattr(MlflowHook, step, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                copy()
    copy()
    assert copy() == copy()
    assert [str(version.version) for version in production.versions("flights")] == ["1"]


def test_what_was_never_promoted_is_not_copied(production, tmp_path):
    with pytest.raises(Misconfigured, match="only what was promoted there is copied"):
        copy_champion(
            "nothing", to_model="flights", key="k", source=MlflowHook(), source_store=Objects(), target=production
        )


def test_a_champion_whose_files_changed_is_not_copied(model, mlflow, production, copy):
    files = mlflow.files(model, "2")
    (files / "MLmodel").write_text((files / "MLmodel").read_text() + "\n")
    with pytest.raises(Misconfigured, match="its files changed after it was promoted"):
        copy()
    assert production.versions("flights") == []
