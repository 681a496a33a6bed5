"""PyTorch models: weights in safetensors, and the architecture by a class that the user has; no code of a file runs."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import FOREIGN, Misconfigured, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LOADER, FILE = __name__, "data/model.safetensors"
_ABOUT = "xops"  # the entry of the file's header that says what the weights belong to
_LONGEST_HEADER = 100_000_000  # what safetensors itself takes
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True, eq=False)
class TorchModel:
    """A PyTorch module as a training function gives it: fitted, and with the arguments that its class was called with.

    The module is given the columns as one tensor of floats, shape (rows, columns), and what it gives is the answer. It
    is loaded by calling its class anew and putting the weights in, so the class is to be in a module of your own.

    :param module: the fitted ``torch.nn.Module``.
    :param arguments: the keyword arguments of its class, strict JSON.
    """

    module: Any
    arguments: Mapping[str, Any]

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Give what the module gives, shape (rows,) where that is one number a row."""
        given = self._given(frame)
        return given[:, 0] if given.shape[1:] == (1,) else given

    def _given(self, frame: pd.DataFrame) -> NDArray[Any]:
        import numpy as np
        import torch

        weights = next(self.module.parameters(), torch.zeros(0))
        self.module.eval()
        with torch.inference_mode():
            rows = torch.tensor(frame.to_numpy(dtype=np.float64), dtype=weights.dtype, device=weights.device)
            given: NDArray[Any] = self.module(rows).to("cpu", torch.float64).numpy()
        return given


@dataclass(frozen=True, slots=True, eq=False)
class TorchClassifier(TorchModel):
    """A PyTorch module that tells classes apart.

    It gives logits: shape (rows,) or (rows, 1) for two classes, those of the second one; else (rows, classes).

    :param module: see :class:`TorchModel`.
    :param arguments: see :class:`TorchModel`.
    :param classes: the classes, in order.
    """

    classes: Sequence[Any]

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, in the order of the columns of :meth:`predict_proba`."""
        import numpy as np

        return np.asarray(self.classes)

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Give the probability of each class, shape (rows, classes)."""
        import numpy as np
        from scipy.special import softmax

        logits = self._given(frame).reshape(len(frame), -1)
        if logits.shape[1] == 1:
            logits = np.column_stack([np.zeros(len(frame)), logits])
        probabilities: NDArray[np.float64] = softmax(logits, axis=1)
        return probabilities

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Give the likeliest class of each row."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(frame).argmax(axis=1)]
        return chosen


def refuse_bare(fitted: Any) -> None:
    """Refuse a PyTorch module by itself: nobody would know what its class was called with.

    :raises Misconfigured: for such a module.
    """
    if any(f"{kind.__module__}.{kind.__name__}" == "torch.nn.modules.module.Module" for kind in type(fitted).__mro__):
        raise Misconfigured(
            f"{type(fitted).__name__}: a PyTorch module is given as TorchModel(module, arguments) or "
            "TorchClassifier(module, arguments, classes) of xops.hooks.models.torch_models, arguments being what its "
            "class was called with: it is loaded without running code of its file"
        )


def save_torch(fitted: TorchModel, folder: Path, arguments: dict[str, Any], packages: Sequence[str]) -> None:
    """Write a module's weights with the name and the arguments of its class, and see that they make it again.

    :param arguments: of MLflow's ``save_model``.
    :param packages: see :func:`load_torch`.
    :raises Misconfigured: when it would not be loaded again.
    """
    import mlflow.pyfunc
    import numpy as np
    from safetensors.torch import save_model

    kind = type(fitted.module)
    about = {"build": f"{kind.__module__}.{kind.__qualname__}", "arguments": dict(fitted.arguments)}
    if isinstance(fitted, TorchClassifier):
        about["classes"] = np.asarray(fitted.classes).tolist()
    try:
        header = {_ABOUT: json.dumps(about, allow_nan=False)}
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"{kind.__name__}: arguments in strict JSON were wanted: {bounded(error)}") from error
    with tempfile.TemporaryDirectory(prefix="xops-torch-") as scratch:
        weights = Path(scratch) / Path(FILE).name
        save_model(fitted.module, str(weights), metadata=header)
        load_torch(kind.__name__, weights, {}, packages)
        mlflow.pyfunc.save_model(str(folder), loader_module=LOADER, data_path=str(weights), **arguments)


def load_torch(name: str, path: Path, said: dict[str, Any], packages: Sequence[str]) -> TorchModel:  # noqa: ARG001
    """Call the class that a file names and put the file's weights in.

    :param name: the model version, for messages.
    :param packages: installed packages whose classes may be called; those that are not installed are the user's own.
    :raises Misconfigured: when the class is none of the user's, or the weights are another's.
    """
    try:
        about = json.loads(_header(path)[_ABOUT])
        build, arguments = str(about["build"]), dict(about["arguments"])
        classes = None if about.get("classes") is None else tuple(about["classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(
            f"{name}: {path.name} does not say what its weights are of: {bounded(repr(error))}"
        ) from error
    kind = _class_of(name, build, packages)
    from safetensors.torch import load_model

    try:
        module = kind(**arguments)
        load_model(module, str(path))
    except FOREIGN as error:
        raise Misconfigured(
            f"{name}: its weights are not of {build}({bounded(arguments, 200)}): {bounded(error)}"
        ) from error
    module.eval()
    return TorchModel(module, arguments) if classes is None else TorchClassifier(module, arguments, classes)


def _header(path: Path) -> dict[str, str]:
    """Give what a safetensors file says of itself: eight bytes of length, then JSON of that length.

    :raises ValueError: when it is no such file. :raises KeyError: when it says nothing.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header: dict[str, str] = json.loads(file.read(length))["__metadata__"]
    return header


def _load_pyfunc(path: str) -> TorchModel:
    """Load a model for whoever asks MLflow for it as a Python function; no packages but the user's own are called."""
    return load_torch(path, Path(path), {}, packages=())


def _class_of(name: str, build: str, packages: Sequence[str]) -> Any:
    """Give the module class of a dotted path, after it was seen where its package lies.

    Nothing that is installed is called with arguments of a file, for there is much that does harm when it is called:
    what is the user's own lies neither in the standard library nor among the installed packages.
    """
    where, _, attribute = build.rpartition(".")
    package = where.partition(".")[0]
    wanted = f"{name}: a torch.nn.Module class of a module of yours was wanted as architecture, found {build!r:.120}"
    if not package or package == "__main__" or not all(part.isidentifier() for part in build.split(".")):
        raise Misconfigured(f"{wanted}; put the class into a module that is imported where the model is loaded")
    if package not in packages and not _own(package):
        raise Misconfigured(
            f"{wanted}, which is not on the path or belongs to an installed package; nothing was loaded. Where "
            f"{package} is trusted, add it to the list architectures in the extra of MLflow's connection"
        )
    import torch

    try:
        kind = getattr(importlib.import_module(where), attribute)
    except FOREIGN as error:
        raise Misconfigured(f"{wanted}, which cannot be imported: {bounded(repr(error))}") from error
    if not isinstance(kind, type) or not issubclass(kind, torch.nn.Module) or kind.__module__ != where:
        raise Misconfigured(f"{wanted}, which is something else or from elsewhere")
    return kind


def _own(package: str) -> bool:
    """Tell whether a package is there and neither of the standard library nor installed."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    if spec is None or package in sys.stdlib_module_names:
        return False
    found = spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else [])
    places = [Path(place).resolve() for place in found]
    standard = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    return bool(places) and not any(
        _INSTALLED.intersection(place.parts) or any(map(place.is_relative_to, standard)) for place in places
    )
