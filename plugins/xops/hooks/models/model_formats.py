"""The formats in which a model is kept that load without running code of its files."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.hooks.models import flavors, torch_models
from xops.hooks.models.trusted_types import TRUSTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_ABOUT = "xops"  # what MLmodel's metadata hold of us


@dataclass(frozen=True, slots=True)
class BoosterClassifier:
    """A LightGBM booster with the classes of the classifier that it came from.

    :param booster: the booster; it gives one probability a row for two classes, else one for each class.
    :param classes: the classes, in order.
    """

    booster: Any
    classes: tuple[Any, ...]

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, in the order of the columns of :meth:`predict_proba`."""
        import numpy as np

        return np.asarray(self.classes)

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Give the probability of each class, shape (rows, classes)."""
        import numpy as np

        given = np.asarray(self.booster.predict(frame), dtype=float)
        return given if given.ndim == 2 else np.column_stack([1 - given, given])  # noqa: PLR2004 - dimensions

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Give the likeliest class of each row."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(frame).argmax(axis=1)]
        return chosen


@dataclass(frozen=True, slots=True)
class FrameBooster:
    """A booster of XGBoost that takes a frame; by itself it takes its own matrices only."""

    booster: Any

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Give what the booster gives, a row each."""
        import numpy as np
        import xgboost

        return np.asarray(self.booster.predict(xgboost.DMatrix(frame)))


@dataclass(frozen=True, slots=True)
class Format:
    """A way to keep a model that loads without running code that the files bring.

    :param library: the package whose models it is for.
    :param loader: what MLflow calls it.
    :param file: where the model itself is.
    :param packages: what is imported when it is loaded, to be pinned.
    :param save: writes a model with MLflow's own arguments; given also the packages that ``load`` would be given.
    :param load: reads it, given the name for messages, the path, what MLmodel says, and the installed packages whose
        classes it may call.
    """

    library: str
    loader: str
    file: str
    packages: tuple[str, ...]
    save: Callable[..., None]
    load: Callable[[str, Path, dict[str, Any], Sequence[str]], Any]


def format_of(fitted: Any) -> Format:
    """Give the format for a model: that of its library, scikit-learn's for all others."""
    if isinstance(fitted, torch_models.TorchModel):
        return TORCH
    owners = {parent.__module__.partition(".")[0] for parent in type(fitted).__mro__}
    return next((known for known in FORMATS if known.library in owners), SKOPS)


def requirements_of(fitted: Any) -> list[str]:
    """Pin what a model needs to load again, so that MLflow does not spend eight seconds to find out."""
    packages = dict.fromkeys((*format_of(fitted).packages, *_within(fitted)))
    return [_pinned(package) for package in packages]


def _within(fitted: Any) -> list[str]:
    """Give the libraries of other models that a scikit-learn model is made of, as a pipeline that ends in a booster."""
    parts = fitted.get_params(deep=True).values() if hasattr(fitted, "get_params") else ()
    owners = {type(part).__module__.partition(".")[0] for part in parts}
    return sorted(owners & {known.library for known in FORMATS})


def _pinned(package: str) -> str:
    """Give an installed package and its version; to ask each distribution what it brings takes half a second."""
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    for name in _DISTRIBUTIONS.get(package, (package,)):
        with contextlib.suppress(PackageNotFoundError):
            return f"{name}=={version(name)}"
    name = packages_distributions()[package][0]
    return f"{name}=={version(name)}"


def asked(fitted: Any) -> Any:
    """Give what takes a frame by ``predict``: the model itself, or a wrapper of one whose ``predict`` takes another."""
    if type(fitted).__module__.startswith("xgboost") and type(fitted).__name__ == "Booster":
        return FrameBooster(fitted)
    if flavors.is_python_model(fitted):
        return SimpleNamespace(predict=lambda frame: flavors.ask_python_model(fitted, frame))
    return fitted


def answers(fitted: Any, frame: pd.DataFrame) -> NDArray[Any]:
    """Give what a model answers: probabilities where it has them, else what it predicts."""
    import numpy as np

    model = asked(fitted)
    return np.asarray(model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame))


def described(folder: Path) -> dict[str, Any]:
    """Give what the file MLmodel of a directory says; nothing of it is believed, only what is refused by it."""
    import yaml

    try:
        found = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Misconfigured(f"{folder.name}: MLmodel cannot be read: {bounded(error)}") from error
    return found if isinstance(found, dict) else {}


def safe_format(folder: Path, said: dict[str, Any]) -> Format | None:
    """Give the format of a model directory; None when loading it as it asks would run code of its own."""
    named = said.get("flavors") or {}
    python = named.get("python_function") or {}
    if said.get("model_code_path") or any("model_code_path" in (one or {}) for one in named.values()):
        return None
    if any((one or {}).get("code") for one in named.values()):
        return None
    return next(
        (one for one in FORMATS if one.loader == python.get("loader_module") and (folder / one.file).is_file()), None
    )


def import_skops() -> Any:
    """Import skops, which asks every loaded module for every function: Airflow's old names warn a thousand times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io


def _save_skops(fitted: Any, folder: Path, arguments: dict[str, Any], _packages: Sequence[str]) -> None:
    import_skops()
    import mlflow.sklearn

    answered = "predict_proba" if hasattr(fitted, "predict_proba") else "predict"
    mlflow.sklearn.save_model(
        fitted, folder, serialization_format="skops", skops_trusted_types=list(TRUSTED), pyfunc_predict_fn=answered,
        **arguments,
    )  # fmt: skip


def _load_skops(name: str, path: Path, *_: Any) -> Any:
    skops_io = import_skops()
    strangers = sorted(set(skops_io.get_untrusted_types(file=path)) - set(TRUSTED))
    if strangers:
        raise Misconfigured(f"{name}: it holds types that are not trusted, so it is not loaded: {bounded(strangers)}")
    return skops_io.load(path, trusted=list(TRUSTED))


def _save_lightgbm(fitted: Any, folder: Path, arguments: dict[str, Any], _packages: Sequence[str]) -> None:
    """Write the booster; of a classifier the classes beside it. The wrapper itself would be a pickle."""
    import mlflow.lightgbm

    if callable(getattr(fitted, "objective", None)):
        raise Misconfigured("LightGBM: an objective that is a function cannot be kept; name one of LightGBM's own")
    classes = getattr(fitted, "classes_", None)
    about = {} if classes is None else {_ABOUT: {"classes": classes.tolist()}}
    mlflow.lightgbm.save_model(getattr(fitted, "booster_", fitted), folder, metadata=about, **arguments)


def _load_lightgbm(_name: str, path: Path, said: dict[str, Any], _packages: Sequence[str]) -> Any:
    import lightgbm

    booster = lightgbm.Booster(model_file=str(path))
    about = (said.get("metadata") or {}).get(_ABOUT) or {}
    return BoosterClassifier(booster, tuple(about["classes"])) if "classes" in about else booster


def _save_xgboost(fitted: Any, folder: Path, arguments: dict[str, Any], _packages: Sequence[str]) -> None:
    import mlflow.xgboost

    mlflow.xgboost.save_model(fitted, folder, model_format="ubj", **arguments)


def _load_xgboost(name: str, path: Path, said: dict[str, Any], _packages: Sequence[str]) -> Any:
    import xgboost

    kind = str(((said.get("flavors") or {}).get("xgboost") or {}).get("model_class")).rpartition(".")[2]
    if kind not in _XGBOOST:
        raise Misconfigured(f"{name}: one of {', '.join(_XGBOOST)} was wanted as XGBoost's model, found {kind}")
    loaded = getattr(xgboost, kind)()
    loaded.load_model(path)
    return FrameBooster(loaded) if kind == "Booster" else loaded


_XGBOOST: Sequence[str] = ("Booster", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
_SKLEARN = ("numpy", "pandas", "sklearn")
_DISTRIBUTIONS = {"sklearn": ("scikit-learn",), "xgboost": ("xgboost", "xgboost-cpu")}  # where not of the same name
_TORCH = ("numpy", "pandas", "torch", "safetensors")
TORCH = Format(
    "torch", torch_models.LOADER, torch_models.FILE, _TORCH, torch_models.save_torch, torch_models.load_torch
)
SKOPS = Format("sklearn", "mlflow.sklearn", "model.skops", (*_SKLEARN, "skops"), _save_skops, _load_skops)
FORMATS = (
    Format("lightgbm", "mlflow.lightgbm", "model.lgb", (*_SKLEARN, "lightgbm"), _save_lightgbm, _load_lightgbm),
    Format("xgboost", "mlflow.xgboost", "model.ubj", (*_SKLEARN, "xgboost"), _save_xgboost, _load_xgboost),
    TORCH,
    SKOPS,
)
