"""Models of each library: the same after loading, and no byte of a hostile directory deserialised."""

import functools
import importlib.metadata
import json
import pickle
import shutil
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.pyfunc import PythonModel

from xops.core.errors import Misconfigured
from xops.hooks.models import model_files, model_formats, torch_models
from xops.hooks.models.model_formats import answers, requirements_of
from xops.hooks.models.registry import MlflowHook

pytestmark = pytest.mark.integration

CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame({"distance": CHANCE.normal(size=90), "hour": CHANCE.integers(0, 24, 90).astype(float)})
LATE = (FRAME["distance"] + CHANCE.normal(size=90) > 0).to_numpy()
WHICH = np.asarray(["on time", "late", "cancelled"])[np.arange(90) % 3]
MINUTES = FRAME["distance"].to_numpy() * 7


def _sklearn():
    from sklearn import ensemble, linear_model, pipeline, preprocessing

    yield "pipeline", pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()), LATE
    yield "multiclass", linear_model.LogisticRegression(), WHICH
    yield "linear", linear_model.LinearRegression(), MINUTES
    for kind, target in (("Classifier", LATE), ("Classifier", WHICH), ("Regressor", MINUTES)):
        for name in ("RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting"):
            size = {"max_iter": 3} if name[0] == "H" else {"n_estimators": 3}
            yield f"{name}{kind} {target.dtype}", getattr(ensemble, name + kind)(**size), target


def _composed():
    """Give models that are made of others, and what they are asked of beside numbers."""
    import lightgbm
    import xgboost
    from sklearn import (
        calibration,
        compose,
        ensemble,
        feature_selection,
        gaussian_process,
        linear_model,
        model_selection,
        neural_network,
        preprocessing,
        tree,
    )
    from sklearn.gaussian_process import kernels
    from sklearn.pipeline import make_pipeline

    coded = compose.make_column_transformer(
        (preprocessing.OneHotEncoder(), ["carrier"]), ("passthrough", ["distance", "hour"])
    )
    boosters = [
        (xgboost.XGBClassifier(n_estimators=3), LATE), (xgboost.XGBRegressor(n_estimators=3), MINUTES),
        (lightgbm.LGBMClassifier(n_estimators=3, verbose=-1), WHICH),
        (lightgbm.LGBMRegressor(n_estimators=3, verbose=-1), MINUTES), (linear_model.LogisticRegression(), LATE),
    ]  # fmt: skip
    yield from ((f"one-hot {type(last).__name__}", make_pipeline(coded, last), target) for last, target in boosters)
    yield "categories", ensemble.HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=3), LATE
    first, second = linear_model.LogisticRegression(), tree.DecisionTreeClassifier(random_state=0)
    others = {
        "voting": (ensemble.VotingClassifier([("a", first), ("b", second)], voting="soft"), WHICH),
        "stacking": (ensemble.StackingClassifier([("a", first), ("b", second)]), LATE),
        "calibrated": (calibration.CalibratedClassifierCV(second, cv=2), LATE),
        "calibrated by steps": (calibration.CalibratedClassifierCV(second, cv=2, method="isotonic"), LATE),
        "search": (model_selection.GridSearchCV(second, {"max_depth": [1, 2]}, cv=2), LATE),
        "network": (neural_network.MLPRegressor(max_iter=300, random_state=0, tol=1), MINUTES),
        "selected": (make_pipeline(feature_selection.SelectKBest(k=1), first), LATE),
        "process": (gaussian_process.GaussianProcessRegressor(kernels.RBF() + kernels.WhiteKernel()), MINUTES),
    }
    scaled = ((name, make_pipeline(preprocessing.StandardScaler(), one), of) for name, (one, of) in others.items())
    yield from scaled


def _lightgbm():
    import lightgbm

    few = {"n_estimators": 3, "verbose": -1}
    yield "LGBM binary", lightgbm.LGBMClassifier(**few), LATE
    yield "LGBM multiclass", lightgbm.LGBMClassifier(**few), WHICH
    yield "LGBM regressor", lightgbm.LGBMRegressor(**few), MINUTES


def _xgboost():
    import xgboost

    yield "XGB binary", xgboost.XGBClassifier(n_estimators=3), LATE.astype(int)
    yield "XGB multiclass", xgboost.XGBClassifier(n_estimators=3), np.arange(90) % 3
    yield "XGB regressor", xgboost.XGBRegressor(n_estimators=3), MINUTES


MODELS = [*_sklearn(), *_lightgbm(), *_xgboost()]


def kept(fitted, folder):
    model_files.save(fitted, folder, example=FRAME, requirements=["numpy"])
    return model_files.load(folder, name="models:/m/1", wanted=model_files.manifest_digest(folder))


@pytest.mark.parametrize(("model", "target"), [pytest.param(*rest, id=name) for name, *rest in _composed()])
def test_a_model_that_is_made_of_others_comes_back_as_it_was(tmp_path, model, target):
    carrier = pd.Series(np.asarray(["AA", "UA", "É"])[np.arange(90) % 3], dtype="category")
    frame = FRAME.assign(carrier=carrier) if "carrier" in str(model) or "from_dtype" in str(model) else FRAME
    fitted = model.fit(frame, target)
    model_files.save(fitted, tmp_path / "m", example=frame, requirements=requirements_of(fitted))
    wanted = model_files.manifest_digest(tmp_path / "m")
    loaded = model_files.load(tmp_path / "m", name="models:/m/1", wanted=wanted)
    np.testing.assert_allclose(answers(loaded, frame), answers(fitted, frame), rtol=1e-6)
    library = type(fitted[-1] if hasattr(fitted, "steps") else fitted).__module__.partition(".")[0]
    pinned = " ".join(requirements_of(fitted)).replace("scikit-learn", "sklearn")
    assert f"{library}==" in pinned.replace("-cpu", "")
    assert "skops==" in pinned


def test_a_function_that_nobody_trusts_is_refused_within_a_partial_that_is(tmp_path, monkeypatch):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    fitted = make_pipeline(FunctionTransformer(functools.partial(shifted)), LinearRegression()).fit(FRAME, MINUTES)
    with monkeypatch.context() as patched:
        patched.setattr(model_formats, "TRUSTED", (*model_formats.TRUSTED, f"{__name__}.shifted"))
        model_files.save(fitted, tmp_path / "m", example=FRAME, requirements=["numpy"])
    with pytest.raises(Misconfigured, match=r"types that are not trusted.*\.shifted"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=None)


@pytest.mark.parametrize(("model", "target"), [pytest.param(*rest, id=name) for name, *rest in MODELS])
def test_a_model_comes_back_as_it_was(tmp_path, model, target):
    from sklearn.base import clone

    fitted = clone(model).fit(FRAME, target)
    loaded = kept(fitted, tmp_path / "m")
    np.testing.assert_allclose(answers(loaded, FRAME), answers(fitted, FRAME), rtol=1e-6)
    assert (loaded.predict(FRAME) == fitted.predict(FRAME)).all()
    if hasattr(fitted, "classes_"):
        assert list(loaded.classes_) == list(fitted.classes_)
    assert not list((tmp_path / "m").glob("*.pkl"))


def test_no_installed_package_is_searched_for_its_modules(tmp_path, monkeypatch, caplog):
    from mlflow.utils import requirements_utils
    from sklearn.linear_model import LinearRegression

    monkeypatch.setattr(requirements_utils, "_MODULES_TO_PACKAGES", None)
    monkeypatch.setattr("importlib_metadata.packages_distributions", lambda: pytest.fail("half a second"))
    fitted = LinearRegression().fit(FRAME, MINUTES)
    model_files.save(fitted, tmp_path / "model", example=FRAME, requirements=["numpy==1.0", "scikit-learn"])
    assert requirements_utils._MODULES_TO_PACKAGES is None
    assert "required: numpy==1.0" in caplog.text
    assert "unexpected" not in caplog.text


@pytest.mark.parametrize("form", model_formats.FORMATS, ids=lambda form: form.library)
def test_what_a_model_needs_is_pinned_without_asking_every_distribution(form, monkeypatch):
    owners = importlib.metadata.packages_distributions()
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: pytest.fail("half a second"))
    for package in set(form.packages) & owners.keys():
        pinned, _, version = model_formats._pinned(package).partition("==")
        assert pinned in owners[package]
        assert version == importlib.metadata.version(pinned)


def test_a_package_of_an_unknown_distribution_is_pinned_all_the_same():
    assert model_formats._pinned("yaml").startswith(("PyYAML==", "pyyaml=="))


def test_boosters_come_back_as_they_were(tmp_path):
    import lightgbm
    import xgboost

    light = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(FRAME, LATE), 3)
    extreme = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FRAME, LATE), 3)
    for place, fitted in enumerate((light, extreme)):
        assert (kept(fitted, tmp_path / str(place)).predict(FRAME) == answers(fitted, FRAME)).all()


def test_an_objective_that_is_a_function_is_refused(tmp_path):
    import lightgbm

    fitted = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1, objective=lambda y, p: (p - y, np.ones_like(y)))
    with pytest.raises(Misconfigured, match="an objective that is a function cannot be kept"):
        kept(fitted.fit(FRAME, MINUTES), tmp_path / "m")


class Reduced:
    """Makes a folder when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.canary),)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("whole") / "m"
    kept(LogisticRegression().fit(FRAME, LATE), folder)
    return folder


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "it ran"


def _with(folder, *, python=None, sklearn=None, **more):
    said = yaml.safe_load((folder / "MLmodel").read_text())
    said["flavors"]["python_function"] |= python or {}
    said["flavors"]["sklearn"] |= sklearn or {}
    (folder / "MLmodel").write_text(yaml.safe_dump(said | more))


def a_pickle(folder, canary):
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Reduced(canary)))
    _with(folder, sklearn={"pickled_model": "model.pkl", "serialization_format": "pickle"})


def a_cloudpickle(folder, canary):
    import cloudpickle

    place = str(canary)

    class Late:
        def __setstate__(self, state):
            import os

            os.mkdir(place)  # noqa: PTH102 - as who does harm would

        def __getstate__(self):
            return {"some": "state"}

    a_pickle(folder, canary)
    (folder / "model.pkl").write_bytes(cloudpickle.dumps(Late()))


def a_pickle_of_another_name(folder, canary):
    a_pickle(folder, canary)
    (folder / "model.pkl").rename(folder / "requirements.txt")
    _with(folder, sklearn={"pickled_model": "requirements.txt"})


def a_loader_module(folder, canary):
    (folder / "code").mkdir()
    (folder / "code" / "their_loader.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n_load_pyfunc = print\n")
    _with(folder, python={"loader_module": "their_loader", "code": "code"})


def code_beside_a_safe_model(folder, canary):
    a_loader_module(folder, canary)
    _with(folder, python={"loader_module": "mlflow.sklearn"})


def a_model_from_code(folder, canary):
    (folder / "model.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    _with(folder, python={"loader_module": "mlflow.pyfunc.model", "model_code_path": "model.py"})


def a_library_that_is_none_of_xgboost_s(folder, canary):
    (folder / "model.skops").rename(folder / "model.ubj")
    said = yaml.safe_load((folder / "MLmodel").read_text())
    said["flavors"] = {
        "xgboost": {"model_class": "os.mkdir"},
        "python_function": {"loader_module": "mlflow.xgboost"},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(said))


def a_module_that_torch_would_unpickle(folder, canary):
    (folder / "data").mkdir()
    with zipfile.ZipFile(folder / "data" / "model.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Reduced(canary)))
        archive.writestr("archive/version", "3\n")
    said = yaml.safe_load((folder / "MLmodel").read_text())
    said["flavors"] = {
        "pytorch": {"model_data": "data", "serialization_format": "pickle"},
        "python_function": {"loader_module": "mlflow.pytorch", "data": "data"},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(said))


def weights(folder, build, **arguments):
    """Let a directory be one of PyTorch weights that are said to be of ``build(**arguments)``."""
    (folder / "data").mkdir()
    header = json.dumps({"__metadata__": {"xops": json.dumps({"build": build, "arguments": arguments})}}).encode()
    (folder / torch_models.FILE).write_bytes(len(header).to_bytes(8, "little") + header)
    said = yaml.safe_load((folder / "MLmodel").read_text())
    said["flavors"] = {"python_function": {"loader_module": torch_models.LOADER, "data": torch_models.FILE}}
    (folder / "MLmodel").write_text(yaml.safe_dump(said))


def weights_of_a_system_call(folder, canary):
    weights(folder, "os.mkdir", path=str(canary))


def weights_of_a_builtin(folder, canary):
    weights(folder, "builtins.exec", source=f"import os; os.mkdir({str(canary)!r})")


def weights_of_a_program(folder, canary):
    weights(folder, "subprocess.Popen", args=["mkdir", str(canary)])


def weights_of_what_is_installed(folder, canary):
    weights(folder, "numpy.memmap", filename=str(canary), mode="w+", shape=[1])


def weights_of_a_class_that_they_bring(folder, canary):
    weights(folder, "their_net.Net")
    (folder / "their_net.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    (folder / "data" / "their_net.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")


def weights_of_no_name(folder, canary):
    weights(folder, "exec", source=f"import os; os.mkdir({str(canary)!r})")


HOSTILE = [
    a_pickle, a_cloudpickle, a_pickle_of_another_name, a_loader_module, code_beside_a_safe_model, a_model_from_code,
    a_library_that_is_none_of_xgboost_s, a_module_that_torch_would_unpickle, weights_of_a_system_call,
    weights_of_a_builtin, weights_of_a_program, weights_of_what_is_installed, weights_of_a_class_that_they_bring,
    weights_of_no_name,
]  # fmt: skip
PICKLES = [a_pickle, a_pickle_of_another_name, a_module_that_torch_would_unpickle]


@pytest.mark.parametrize("forge", HOSTILE, ids=lambda forge: forge.__name__)
def test_a_hostile_directory_is_refused_before_anything_of_it_runs(tmp_path, whole, canary, forge):
    forge(folder := shutil.copytree(whole, tmp_path / "m"), canary)
    with pytest.raises(Misconfigured, match=r"models:/m/1: .* was wanted"):
        model_files.load(folder, name="models:/m/1", wanted=model_files.manifest_digest(folder))
    assert not canary.exists()


@pytest.mark.parametrize("forge", PICKLES, ids=lambda forge: forge.__name__)
def test_a_pickle_that_does_harm_is_refused_even_where_pickles_are_allowed(tmp_path, whole, canary, forge):
    forge(folder := shutil.copytree(whole, tmp_path / "m"), canary)
    with pytest.raises(Misconfigured, match=r"the scan found posix\.mkdir in"):
        model_files.load(folder, name="models:/m/1", wanted=None, allow_pickle=True)
    assert not canary.exists()


def test_without_the_scanner_no_pickle_is_loaded(tmp_path, whole, canary, monkeypatch):
    a_pickle(folder := shutil.copytree(whole, tmp_path / "m"), canary)
    monkeypatch.setitem(sys.modules, "picklescan.scanner", None)
    with pytest.raises(Misconfigured, match=r"install the extra xops\[pickle\]"):
        model_files.load(folder, name="models:/m/1", wanted=None, allow_pickle=True)
    assert not canary.exists()


def test_the_example_of_input_that_is_kept_is_nobody_s(tmp_path):
    from mlflow.models import Model
    from sklearn.dummy import DummyClassifier

    given = pd.DataFrame(
        {
            "distance": [100.5, 200.0],
            "seats": [3, 4],
            "late": [True, True],
            "origin": ["JFK", "EWR"],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02"]),
            "gate": [None, None],
        }
    )
    model_files.save(DummyClassifier().fit(given, [True, False]), tmp_path / "m", example=given, requirements=["numpy"])
    kept_row = Model.load(tmp_path / "m").load_input_example(str(tmp_path / "m"))
    assert list(kept_row.columns) == list(given.columns)
    assert kept_row[["distance", "seats", "late", "origin"]].to_numpy().tolist() == [[150.25, 4, False, "text"]]
    written = "".join(path.read_text() for path in (tmp_path / "m").glob("*.json"))
    assert not [value for value in ("100.5", "JFK", "EWR", "2026-01-0") if value in written]


def test_swapped_weights_are_found(tmp_path, whole):
    from sklearn.linear_model import LogisticRegression

    kept(LogisticRegression().fit(FRAME, ~LATE), other := tmp_path / "other")
    folder = shutil.copytree(whole, tmp_path / "m")
    manifest = model_files.manifest_digest(folder)
    shutil.copy(other / "model.skops", folder)
    with pytest.raises(Misconfigured, match="nothing was loaded"):
        model_files.load(folder, name="models:/m/1", wanted=manifest)


def shifted(values):
    """Be a function of one's own, which skops trusts nobody with."""
    return values + 1


def test_what_has_no_safe_format_is_pickled_only_where_that_is_allowed(tmp_path):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    fitted = make_pipeline(FunctionTransformer(shifted), LinearRegression()).fit(FRAME, MINUTES)
    with pytest.raises(Misconfigured, match=r"shifted.*set allow_pickle to true"):
        model_files.save(fitted, tmp_path / "no", example=FRAME, requirements=["numpy"])
    model_files.save(fitted, tmp_path / "m", example=FRAME, requirements=["numpy"], allow_pickle=True)
    with pytest.raises(Misconfigured, match="set allow_pickle to true"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=None)
    loaded = model_files.load(tmp_path / "m", name="models:/m/1", wanted=None, allow_pickle=True)
    assert (loaded.predict(FRAME) == fitted.predict(FRAME)).all()


def test_a_model_of_any_library_is_kept_in_mlflow_s_flavor_where_pickles_are_allowed(tmp_path):
    import statsmodels.api

    fitted = statsmodels.api.OLS(MINUTES, FRAME).fit()
    with pytest.raises(Misconfigured, match=r"RegressionResultsWrapper.*set allow_pickle to true"):
        model_files.save(fitted, tmp_path / "no", example=FRAME, requirements=["numpy"])
    model_files.save(fitted, tmp_path / "m", example=FRAME, requirements=["numpy"], allow_pickle=True)
    assert "statsmodels" in model_formats.described(tmp_path / "m")["flavors"]
    with pytest.raises(Misconfigured, match="set allow_pickle to true"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=None)
    loaded = model_files.load(tmp_path / "m", name="models:/m/1", wanted=None, allow_pickle=True)
    np.testing.assert_allclose(loaded.predict(FRAME), fitted.predict(FRAME))


class Doubled(PythonModel):
    """A function of its own for MLflow, which gives it a context."""

    def predict(self, context, model_input):  # noqa: ARG002 - as MLflow calls it
        return model_input["distance"] * 2


class Tripled(PythonModel):
    """A function of its own for MLflow."""

    def predict(self, model_input):
        return model_input["distance"] * 3


@pytest.mark.parametrize(("fitted", "times"), [(Doubled(), 2), (Tripled(), 3)])
def test_a_python_function_of_mlflow_is_kept_where_pickles_are_allowed(tmp_path, fitted, times):
    with pytest.raises(Misconfigured, match="set allow_pickle to true"):
        model_files.save(fitted, tmp_path / "no", example=FRAME, requirements=["numpy"])
    model_files.save(fitted, tmp_path / "m", example=FRAME, requirements=["numpy"], allow_pickle=True)
    with pytest.raises(Misconfigured, match="set allow_pickle to true"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=None)
    loaded = model_files.load(tmp_path / "m", name="models:/m/1", wanted=None, allow_pickle=True)
    np.testing.assert_allclose(loaded.predict(FRAME), FRAME["distance"] * times)


@pytest.mark.parametrize(
    ("extra", "allowed"), [({}, False), ({"allow_pickle": True}, True), ({"allow_pickle": "no"}, False)]
)
def test_the_connection_says_whether_pickles_are_allowed(monkeypatch, extra, allowed):
    assert MlflowHook().allows_pickle() is False
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": "/x", "extra": extra}))
    assert MlflowHook().allows_pickle() is allowed


def test_a_library_that_is_not_installed_is_named(tmp_path, monkeypatch):
    import lightgbm

    kept(lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(FRAME, MINUTES), tmp_path / "m")
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(Misconfigured, match="models:/m/1: lightgbm is wanted to load it"):
        model_files.load(tmp_path / "m", name="models:/m/1", wanted=None)


def test_every_format_is_found_by_the_files_that_it_writes():
    assert len({one.file for one in model_formats.FORMATS} | {one.loader for one in model_formats.FORMATS}) == 8
