"""Model directories: their manifest, and loading one without running code that it brings."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.evidence import digest
from xops.core.model.model_file import ModelFile
from xops.hooks.models import flavors, torch_models
from xops.hooks.models.model_formats import FORMATS, answers, described, format_of, safe_format

if TYPE_CHECKING:
    import pandas as pd

NOTE = "registered_model_meta"  # MLflow's note of where a copy was downloaded from; no part of the model
PROFILE = "profile.json"  # of the rows that a model learned from, beside it
_TRUST = "Where its author is trusted, set allow_pickle to true in the extra of MLflow's connection"


def manifest(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file of a model directory, by its path within it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_digest(folder: Path) -> str:
    """Give one digest for a whole model directory, as 64 hexadecimal digits."""
    return digest(manifest(folder))


def refuse_changed(name: str, wanted: str, found: str) -> None:
    """Refuse a model directory whose digest is another than the one that was recorded.

    :param name: the model version, for the message.
    :raises Misconfigured: when they differ.
    """
    if found != wanted:
        raise Misconfigured(
            f"{name}: the model's files changed after they were recorded (manifest {wanted[:12]}… was wanted, found "
            f"{found[:12]}…); nothing was loaded. Restore the artefact or train anew"
        )


def inspected(
    folder: Path, *, name: str, wanted: str | None, allow_pickle: bool = False, architectures: Sequence[str] = ()
) -> tuple[Any, ModelFile]:
    """Load a model as :func:`load` does, and say what its files are; one that is refused is None, with the reason.

    :raises Misconfigured: when there is no MLmodel to be read.
    """
    try:
        known, refused = safe_format(folder, described(folder)), ""
        fitted = load(folder, name=name, wanted=wanted, allow_pickle=allow_pickle, architectures=architectures)
    except Misconfigured as error:
        known, fitted, refused = None, None, str(error)
    listed = folder / "requirements.txt"
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines() if listed.is_file() else []
    return fitted, ModelFile(
        form=known.file if known else "",
        size=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path != folder / NOTE),
        manifest=manifest_digest(folder),
        recorded=wanted or "",
        requirements=tuple(line.strip() for line in lines if line.strip() and not line.startswith("#")),
        refused=refused,
    )


def save(
    fitted: Any,
    folder: Path,
    *,
    example: Any,
    requirements: list[str],
    allow_pickle: bool = False,
    architectures: Sequence[str] = (),
) -> None:
    """Write a model as a model directory of MLflow's that :func:`load` reads again, in its library's own format.

    :param example: a frame of the model's input, for the signature and an example of input; its values are not kept.
    :param requirements: pip requirements; MLflow would spend eight seconds to find them out.
    :param allow_pickle: what has no safe format is kept in MLflow's own flavor, which pickles as a rule.
    :param architectures: installed packages whose PyTorch classes may be called when it is loaded.
    :raises Misconfigured: when it has no safe format and pickles are not allowed; MLflow's reason names the type.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature

    torch_models.refuse_bare(fitted)
    answered = answers(fitted, example)
    if answered.ndim == 2 and answered.shape[1] == 2:  # noqa: PLR2004 - two classes: the positive one's probability
        answered = answered[:, 1]
    arguments = {
        "signature": infer_signature(example, answered), "pip_requirements": requirements,
        "input_example": made_up(example),
    }  # fmt: skip
    with _requirements_by_their_names():
        try:
            format_of(fitted).save(fitted, folder, arguments, architectures)
        except MlflowException as error:
            if not allow_pickle:
                raise Misconfigured(
                    f"{type(fitted).__name__}: it cannot be kept in a format that loads without running code: "
                    f"{bounded(error)}. {_TRUST}"
                ) from error
            shutil.rmtree(folder, ignore_errors=True)
            flavors.save_in_flavor(fitted, folder, arguments)


@contextlib.contextmanager
def _requirements_by_their_names() -> Iterator[None]:
    """Let MLflow look a requirement up by its name alone, to warn where another version is installed.

    It would first read which modules each installed package has, half a second, for packages that pip does not know.
    """
    from mlflow.utils import requirements_utils

    before = requirements_utils._MODULES_TO_PACKAGES  # noqa: SLF001
    requirements_utils._MODULES_TO_PACKAGES = before or {}  # noqa: SLF001
    try:
        yield
    finally:
        requirements_utils._MODULES_TO_PACKAGES = before  # noqa: SLF001


def made_up(frame: pd.DataFrame) -> pd.DataFrame:
    """Give one row as those of a frame are, of values that are nobody's: means of numbers, and ``text`` for texts."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_float_dtype, is_integer_dtype

    def value(column: pd.Series) -> pd.Series:
        if column.isna().all():
            return pd.Series([None])
        if is_bool_dtype(column):
            return pd.Series([False])
        if is_float_dtype(column):
            return pd.Series([column.mean()], dtype=column.dtype)
        if is_integer_dtype(column):
            return pd.Series([round(column.mean())], dtype=column.dtype)
        return pd.Series([pd.Timestamp(0)]) if is_datetime64_any_dtype(column) else pd.Series(["text"])

    return pd.DataFrame({name: value(frame[name]) for name in frame.columns})


def load(
    folder: Path, *, name: str, wanted: str | None, allow_pickle: bool = False, architectures: Sequence[str] = ()
) -> Any:
    """Load the model in ``folder`` after its bytes were compared with the manifest digest ``wanted``.

    :param name: the model version, for messages.
    :param wanted: the digest that was recorded for it; None only where it was compared before, or there is none yet.
    :param allow_pickle: a model that runs code when it is loaded is loaded all the same, after a scan.
    :param architectures: installed packages whose PyTorch classes may be called.
    :raises Misconfigured: when a byte differs, when loading would run code and that is not allowed, or when it holds
        a type that is not on the trusted list; nothing is deserialised then.
    """
    if wanted is not None:
        refuse_changed(name, wanted, manifest_digest(folder))
    said = described(folder)
    known = safe_format(folder, said)
    if known is not None:
        try:
            return known.load(name, folder / known.file, said, architectures)
        except ImportError as error:
            raise Misconfigured(f"{name}: {known.library} is wanted to load it: {bounded(error)}") from error
    if not allow_pickle:
        safe, there = ", ".join(one.file for one in FORMATS), ", ".join(manifest(folder)) or "nothing"
        raise Misconfigured(
            f"{name}: a model that loads without running code ({safe}) was wanted, found {bounded(there)}; nothing was "
            f"loaded. {_TRUST}"
        )
    return flavors.load_scanned(name, folder, said)
