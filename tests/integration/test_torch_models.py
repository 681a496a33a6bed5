"""PyTorch models: the same after loading, their architecture from the user's own code and from nowhere else.

PyTorch is large and comes by itself: ``pip install "xops[torch]"``. Without it these tests are skipped.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import uuid

import numpy as np
import pandas as pd
import pytest

from xops.core.errors import Misconfigured
from xops.hooks.models import model_files
from xops.hooks.models.model_formats import answers, requirements_of
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.torch_models import FILE, TorchClassifier, TorchModel
from xops.hooks.models.training_code import refuse_unusable
from xops.hooks.models.versions import MANIFEST

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: it is the extra xops[torch], which no lock file has"
)
pytestmark = pytest.mark.integration

CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame({"distance": CHANCE.normal(size=90), "hour": CHANCE.integers(0, 24, 90).astype(float)})
SOURCE = """
import torch
from os import mkdir


class Net(torch.nn.Module):
    def __init__(self, hidden=4, outputs=1):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, hidden), torch.nn.BatchNorm1d(hidden), torch.nn.Dropout(0.5),
            torch.nn.Linear(hidden, outputs),
        )

    def forward(self, rows):
        return self.layers(rows)


class Tied(Net):
    def __init__(self, hidden=2):
        super().__init__(hidden, hidden)
        self.layers[3].weight = self.layers[0].weight


class NoModule:
    def __init__(self, path):
        mkdir(path)


def build(path):
    mkdir(path)
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """Give a module of the user's own, on the path beside the DAGs."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "nets_of_mine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path / "dags")
    yield importlib.import_module("nets_of_mine")
    del sys.modules["nets_of_mine"]


def trained(module):
    """Move weights and running means away from where a new module has them."""
    torch.manual_seed(1)
    for _ in range(3):
        module.train()(torch.randn(32, 2)).square().mean().backward()
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(0.1)
    return module


def kept(fitted, folder, **more):
    model_files.save(fitted, folder, example=FRAME, requirements=["torch"], **more)
    return model_files.load(folder, name="models:/m/1", wanted=model_files.manifest_digest(folder), **more)


def test_a_module_comes_back_as_it_was(nets, tmp_path):
    regressor = TorchModel(trained(nets.Net(8)), {"hidden": 8})
    late = TorchClassifier(trained(nets.Net()), {}, (False, True))
    which = TorchClassifier(trained(nets.Net(outputs=3)), {"outputs": 3}, np.asarray(["a", "b", "c"]))
    doubles = TorchModel(trained(nets.Net()).double(), {})
    for place, fitted in enumerate((regressor, late, which, doubles, TorchModel(trained(nets.Tied(2)), {"hidden": 2}))):
        loaded = kept(fitted, tmp_path / str(place))
        np.testing.assert_allclose(answers(loaded, FRAME), answers(fitted, FRAME), rtol=1e-6)
        if isinstance(fitted, TorchClassifier):
            assert (loaded.predict(FRAME) == fitted.predict(FRAME)).all()
        assert not [path for path in (tmp_path / str(place)).rglob("*") if path.suffix in (".pkl", ".pt", ".pth")]
    assert regressor.predict(FRAME).shape == (90,)
    assert late.predict_proba(FRAME).shape == (90, 2)
    np.testing.assert_allclose(which.predict_proba(FRAME).sum(axis=1), 1)
    assert set(which.predict(FRAME)) <= {"a", "b", "c"}
    assert late.predict(FRAME).dtype == bool


def test_mlflow_s_own_loader_finds_it_too(nets, tmp_path):
    import mlflow.pyfunc

    fitted = TorchModel(trained(nets.Net()), {})
    kept(fitted, tmp_path / "m")
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(FRAME), fitted.predict(FRAME))


def test_swapped_weights_are_found(nets, tmp_path):
    kept(TorchModel(trained(nets.Net()), {}), tmp_path / "m")
    manifest = model_files.manifest_digest(tmp_path / "m")
    kept(TorchModel(nets.Net(), {}), tmp_path / "other")
    shutil.copy(tmp_path / "other" / FILE, tmp_path / "m" / FILE)
    with pytest.raises(Misconfigured, match="nothing was loaded"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=manifest)


@pytest.mark.parametrize("build", ["NoModule", "build", "mkdir", "torch", "nothing"])
def test_only_a_module_class_of_the_module_itself_is_called(nets, tmp_path, build):
    from safetensors.torch import save_model

    kept(TorchModel(nets.Net(), {}), tmp_path / "m")
    header = {"xops": json.dumps({"build": f"nets_of_mine.{build}", "arguments": {"path": str(tmp_path / "it ran")}})}
    save_model(nets.Net(), str(tmp_path / "m" / FILE), metadata=header)
    with pytest.raises(Misconfigured, match="class of a module of yours was wanted"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=None)
    assert not (tmp_path / "it ran").exists()


def test_what_is_installed_is_called_only_where_the_connection_names_it(nets, tmp_path, monkeypatch):
    fitted = TorchModel(torch.nn.modules.linear.Linear(2, 1), {"in_features": 2, "out_features": 1})
    with pytest.raises(Misconfigured, match="add it to the list architectures"):
        kept(fitted, tmp_path / "no")
    np.testing.assert_array_equal(
        kept(fitted, tmp_path / "m", architectures=["torch"]).predict(FRAME), fitted.predict(FRAME)
    )
    place = {"conn_type": "mlflow", "host": "/x", "extra": {"architectures": ["torch"]}}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(place))
    assert MlflowHook().architectures() == ("torch",)
    place["extra"]["architectures"] = "torch"
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(place))
    with pytest.raises(Misconfigured, match="a list of package names was wanted"):
        MlflowHook().architectures()


def test_what_would_not_be_loaded_again_is_refused_when_it_is_saved(nets, tmp_path):
    with pytest.raises(Misconfigured, match=r"weights are not of nets_of_mine.Net"):
        kept(TorchModel(nets.Net(8), {}), tmp_path / "m")
    with pytest.raises(Misconfigured, match="arguments in strict JSON were wanted"):
        kept(TorchModel(nets.Net(), {"hidden": object()}), tmp_path / "m")
    for refuse in (lambda bare: kept(bare, tmp_path / "m"), lambda bare: refuse_unusable("fit", bare, FRAME)):
        with pytest.raises(Misconfigured, match=r"given as TorchModel\(module, arguments\)"):
            refuse(nets.Net())

    class Here(torch.nn.Linear):
        """A class that no module has."""

    with pytest.raises(Misconfigured, match="class of a module of yours was wanted"):
        kept(TorchModel(Here(2, 1), {}), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_pytorch_model_is_registered_and_loaded_as_any_other(nets, mlflow):
    model = f"model {uuid.uuid4().hex}"
    fitted = TorchClassifier(trained(nets.Net()), {}, (False, True))
    pinned = requirements_of(fitted)
    assert [name.split("==")[0] for name in pinned] == ["numpy", "pandas", "torch", "safetensors"]
    version = MlflowHook().train_version(Training(model, "a1", {}, {}, {}, {}), fitted, FRAME, requirements=pinned)
    manifest = MlflowHook().version(model, version).tags[MANIFEST]
    loaded = MlflowHook().load(model, version, manifest=manifest)
    np.testing.assert_allclose(loaded.predict_proba(FRAME), fitted.predict_proba(FRAME), rtol=1e-6)
