"""Model directories: their manifest, and loading one without running code that it brings."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.core.evidence import digest

# What a scikit-learn tree ensemble or pipeline is made of, beyond what skops trusts by itself. None of these runs
# code of the file's choosing when it is loaded.
TRUSTED = (
    "numpy.dtype",
    "sklearn._loss._loss.CyAbsoluteError",
    "sklearn._loss._loss.CyExponentialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfGammaLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss._loss.CyHalfPoissonLoss",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn._loss._loss.CyPinballLoss",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogLink",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.AbsoluteError",
    "sklearn._loss.loss.ExponentialLoss",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.PinballLoss",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)


_NOTE = "registered_model_meta"  # MLflow's note of where a copy was downloaded from; no part of the model


def manifest(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file of a model directory, by its path within it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _NOTE)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def manifest_digest(folder: Path) -> str:
    """Give one digest for a whole model directory, as 64 hexadecimal digits."""
    return digest(manifest(folder))


def save(fitted: Any, folder: Path, *, example: Any, requirements: list[str]) -> None:
    """Write a scikit-learn classifier as a model directory of MLflow's that :func:`load` reads again.

    :param example: a frame of the model's input, for the signature; its values are not kept.
    :param requirements: pip requirements; MLflow would spend eight seconds to find them out.
    """
    import_skops()
    import mlflow.sklearn
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        fitted,
        folder,
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED),
        pip_requirements=requirements,
        signature=infer_signature(example, fitted.predict_proba(example)[:, 1]),
        pyfunc_predict_fn="predict_proba",
    )


def load(folder: Path, *, name: str, wanted: str | None) -> Any:
    """Load the scikit-learn model in ``folder`` after its bytes were compared with the manifest digest ``wanted``.

    :param name: the model version, for messages.
    :param wanted: the digest that was recorded for it; None only for a model that has none yet.
    :raises Misconfigured: when a byte differs, when the format is not skops, or when it holds a type that is not on
        the trusted list; nothing is deserialised then.
    """
    found = manifest_digest(folder)
    if wanted is not None and found != wanted:
        raise Misconfigured(
            f"{name}: the model's files changed after they were recorded (manifest {wanted[:12]}… was wanted, found "
            f"{found[:12]}…); nothing was loaded. Restore the artefact or train anew"
        )
    path = folder / "model.skops"
    if not path.exists():
        there = ", ".join(manifest(folder)) or "nothing"
        raise Misconfigured(f"{name}: a model in skops format (model.skops) was wanted, found {bounded(there)}")
    skops_io = import_skops()
    strangers = sorted(set(skops_io.get_untrusted_types(file=path)) - set(TRUSTED))
    if strangers:
        raise Misconfigured(f"{name}: it holds types that are not trusted, so it is not loaded: {bounded(strangers)}")
    return skops_io.load(path, trusted=list(TRUSTED))


def import_skops() -> Any:
    """Import skops, which asks every loaded module for every function: Airflow's old names warn a thousand times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io
