"""A user's training function: found, called, and what it gave back checked; with the code and packages it ran on."""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import json
import math
import posixpath
import random
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from xops.core.errors import FOREIGN, Misconfigured, bounded
from xops.core.evidence import digest

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[\w\-. :/]{1,250}")  # what MLflow takes as the name of a parameter or a metric
_PART = 255  # bytes that the name of a file may have
_OURS = ("environment.txt", "params.json", "card")  # what else a run keeps


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training function gave.

    :param model: the fitted model.
    :param metrics: finite numbers by name.
    :param files: contents by path within the run.
    """

    model: Any
    metrics: dict[str, float]
    files: dict[str, bytes]


def function_of(train: str | Callable[..., Any]) -> tuple[str, Callable[..., Any]]:
    """Give the name and the function for a dotted path or a function.

    :raises Misconfigured: when it cannot be imported, or is no function.
    """
    if isinstance(train, str):
        name, (module, _, attribute) = train, train.rpartition(".")
        try:
            function = getattr(importlib.import_module(module), attribute)
        except FOREIGN as error:
            raise Misconfigured(f"training function {train}: it cannot be imported: {bounded(repr(error))}") from error
    else:
        name, function = getattr(train, "__qualname__", repr(train)), train
    if not inspect.isfunction(inspect.unwrap(function)):
        raise Misconfigured(f"training function {name}: a function was wanted, found {type(function).__name__}")
    return (
        name if isinstance(train, str) else f"{Path(inspect.getfile(inspect.unwrap(function))).stem}.{name}"
    ), function


def parameters(given: Any, seed: int | None, model: str) -> dict[str, Any]:
    """Give a function's parameters as a dict of its own, with the seed in it.

    :raises Misconfigured: when they are no dict of strict JSON, have a name that MLflow does not keep, or name another
        seed.
    """
    try:
        params: dict[str, Any] = dict(given or {})
        same = json.loads(json.dumps(params, allow_nan=False)) == params
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"{model}: hyperparameters in strict JSON were wanted: {bounded(error)}") from error
    if not same:
        raise Misconfigured(f"{model}: hyperparameters in strict JSON were wanted, with texts as keys and no tuples")
    if strange := [name for name in params if not _kept(name)]:
        raise Misconfigured(f"{model}: hyperparameters: names that MLflow keeps were wanted, found {bounded(strange)}")
    if seed is not None and params.setdefault("seed", seed) != seed:
        raise Misconfigured(f"{model}: seed is {seed}, and {params['seed']} in the hyperparameters; give one of them")
    return params


def call(name: str, function: Callable[..., Any], frame: pd.DataFrame, params: dict[str, Any]) -> Fitted:
    """Call a training function, with Python's and numpy's chance seeded where ``params`` have a whole number as seed.

    :raises Misconfigured: for what it raises, except an OSError: a file or a service may be there later.
    """
    import numpy as np

    if type(seed := params.get("seed")) is int and 0 <= seed < 2**32:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - scikit-learn's own default is this one
    try:
        answer = function(frame, copy.deepcopy(params))
    except OSError:
        raise
    except FOREIGN as error:
        raise Misconfigured(f"training function {name} raised {bounded(repr(error))}") from error
    fitted, extra = answer, {}
    if isinstance(answer, tuple):
        if len(answer) != 2 or not isinstance(answer[1], Mapping):  # noqa: PLR2004 - the model, and what is beside it
            raise Misconfigured(f"{name}: a model, or a model and a dict was wanted, found a tuple of {len(answer)}")
        fitted, extra = answer
    if unknown := sorted(map(str, extra.keys() - {"metrics", "artifacts"})):
        raise Misconfigured(f"{name}: metrics and artifacts were wanted beside the model, found {bounded(unknown)}")
    if flat := sorted(part for part, held in extra.items() if not isinstance(held, Mapping)):
        raise Misconfigured(f"{name}: a dict was wanted as {' and '.join(flat)}")
    metrics = {str(key): _number(name, key, value) for key, value in extra.get("metrics", {}).items()}
    files = {_path(name, key): _content(name, key, value) for key, value in extra.get("artifacts", {}).items()}
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    if both := sorted(folders & files.keys()):
        raise Misconfigured(f"{name}: artifacts: {bounded(both)} cannot be a file and a folder")
    return Fitted(fitted, metrics, files)


def refuse_unusable(name: str, fitted: Any, example: pd.DataFrame) -> None:
    """Let a model answer an example before it is kept.

    :raises Misconfigured: when it is no model, cannot answer, or gives anything but one finite answer a row.
    """
    import numpy as np
    import pandas as pd

    from xops.hooks.models.model_formats import answers
    from xops.hooks.models.torch_models import refuse_bare

    refuse_bare(fitted)
    if fitted is None or isinstance(fitted, type) or not hasattr(fitted, "predict"):
        raise Misconfigured(f"{name} gave {type(fitted).__name__}; a fitted model with predict was wanted")
    try:
        answered = answers(fitted, example)
    except FOREIGN as error:
        raise Misconfigured(f"{name}: its model cannot answer {len(example)} rows: {bounded(repr(error))}") from error
    if answered.shape[:1] != (len(example),):
        raise Misconfigured(f"{name}: its model gave shape {answered.shape} for {len(example)} rows")
    rows = answered.reshape(len(example), -1)
    if wrong := int((~(np.isfinite(rows) if rows.dtype.kind in "fc" else pd.notna(rows)).all(axis=1)).sum()):
        raise Misconfigured(f"{name}: its model answers {wrong} of {len(example)} rows with NaN or infinity")


def code_tags(function: Callable[..., Any]) -> dict[str, str]:
    """Give the git commit that a function's file is in, if any; ``+`` at its end says that the file was changed."""
    file = Path(inspect.getfile(inspect.unwrap(function))).resolve()
    commit = _git(file, "rev-parse", "HEAD")
    if not commit or not _git(file, "ls-files", "--", str(file)):
        return {}
    return {"xops.commit": commit + ("+" if _git(file, "status", "--porcelain", "--", str(file)) else "")}


def source_hash(function: Callable[..., Any]) -> str:
    """Give the first 12 digits of the SHA-256 of the module that a function is in."""
    function = inspect.unwrap(function)
    return hashlib.sha256(inspect.getsource(inspect.getmodule(function) or function).encode()).hexdigest()[:12]


def installed(requirements: Sequence[str]) -> list[str]:
    """Give what is installed of some requirements and of what they require in turn, ``name==version``, sorted."""
    from importlib.metadata import PackageNotFoundError, distribution

    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str] = {}
    waiting = list(requirements)
    while waiting:
        try:
            wanted = Requirement(waiting.pop())
            name = wanted.name.lower().replace("_", "-")
            if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
                continue
            there = distribution(wanted.name)
        except (InvalidRequirement, PackageNotFoundError):
            continue
        found[name] = there.version
        waiting += there.requires or []
    return sorted(f"{name}=={version}" for name, version in found.items())


def environment_of(requirements: Sequence[str]) -> tuple[str, bytes]:
    """Give the digest of the installed packages that a model needs, and their list as a file."""
    lock = installed(requirements)
    return digest({"installed": lock}), ("\n".join(lock) + "\n").encode()


def _git(file: Path, *arguments: str) -> str:
    try:
        command = ["git", "-C", str(file.parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _number(name: str, key: object, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not _kept(str(key)):
        raise Misconfigured(f"{name}: metric {key!r:.80}: a name that MLflow keeps was wanted")
    if not math.isfinite(number):
        raise Misconfigured(f"{name}: metric {key!r:.80}: a finite number was wanted, found {value!r:.80}")
    return number


def _kept(name: str) -> bool:
    """Tell whether MLflow keeps a parameter or a metric of this name; in some stores it is a path."""
    leads_out = name == "." or name.startswith(("/", ".."))
    return bool(_NAME.fullmatch(name)) and posixpath.normpath(name) == name and not leads_out


def _path(name: str, key: object) -> str:
    path = PurePosixPath(str(key))
    if path.is_absolute() or not path.parts or ".." in path.parts or not str(path).isprintable():
        raise Misconfigured(f"{name}: artifact {key!r:.80}: a relative path without .. was wanted")
    if max(len(part.encode()) for part in path.parts) > _PART:
        raise Misconfigured(f"{name}: artifact {key!r:.80}: a name of at most {_PART} bytes was wanted")
    if path.parts[0] in _OURS:
        raise Misconfigured(f"{name}: artifact {key!r:.80}: the run keeps {path.parts[0]} itself; name it otherwise")
    return str(path)


def _content(name: str, key: object, value: Any) -> bytes:
    if isinstance(value, Path):
        try:
            return value.read_bytes()
        except OSError as error:
            raise Misconfigured(f"{name}: artifact {key!r:.80} cannot be read: {bounded(error)}") from error
    if not isinstance(value, str | bytes):
        raise Misconfigured(f"{name}: artifact {key!r:.80}: text, bytes or a Path was wanted, found {type(value)}")
    return value.encode() if isinstance(value, str) else value
