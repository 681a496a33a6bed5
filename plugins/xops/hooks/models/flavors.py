"""Models without a format that loads without running code: kept in a flavor of MLflow's, scanned before each load."""

from __future__ import annotations

import importlib
import inspect
import io
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded

if TYPE_CHECKING:
    from pathlib import Path

# What MLflow and we write ourselves, and no pickle
_TEXTS = frozenset(
    {
        "MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "profile.json", "input_example.json",
        "serving_input_example.json",
    }
)  # fmt: skip


def is_python_model(fitted: Any) -> bool:
    """Tell whether a model is a ``mlflow.pyfunc.PythonModel``; MLflow is not imported to find out."""
    return any(
        f"{kind.__module__}.{kind.__name__}" == "mlflow.pyfunc.model.PythonModel" for kind in type(fitted).__mro__
    )


def ask_python_model(fitted: Any, frame: Any) -> Any:
    """Let a ``PythonModel`` answer, with or without a context."""
    given = (None, frame) if "context" in inspect.signature(fitted.predict).parameters else (frame,)
    return fitted.predict(*given)


def save_in_flavor(fitted: Any, folder: Path, arguments: dict[str, Any]) -> None:
    """Write a model as MLflow has it: a ``PythonModel``, or in the flavor of its library, else as a cloudpickle.

    :param arguments: of MLflow's ``save_model``.
    """
    if is_python_model(fitted):
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(str(folder), python_model=fitted, **arguments)
        return
    libraries = [kind.__module__.partition(".")[0] for kind in type(fitted).__mro__]
    flavor = next((found for library in libraries if (found := _flavor(library))), None)
    if flavor is not None and not flavor.__name__.endswith(".sklearn"):
        flavor.save_model(fitted, str(folder), **arguments)
        return
    import mlflow.sklearn

    mlflow.sklearn.save_model(fitted, folder, serialization_format="cloudpickle", **arguments)


def load_scanned(name: str, folder: Path, said: dict[str, Any]) -> Any:
    """Load a model that runs code when it is loaded, after every file of it was scanned.

    :param said: what its MLmodel says.
    :raises Misconfigured: when the scan finds what no model needs, or a file that it cannot read.
    """
    try:
        from picklescan.scanner import SafetyLevel, scan_bytes
    except ImportError as error:
        raise Misconfigured(
            f"{name}: a pickle is scanned before it is loaded; install the extra xops[pickle]"
        ) from error
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = scan_bytes(io.BytesIO(path.read_bytes()), path.name, path.suffix)
        wrong = [f"{one.module}.{one.name}" for one in found.globals if one.safety is SafetyLevel.Dangerous]
        if found.issues_count or (found.scan_err and path.name not in _TEXTS and path.suffix != ".py"):
            what = ", ".join(wrong) or "something that cannot be read"
            raise Misconfigured(f"{name}: the scan found {bounded(what)} in {path.name}; nothing was loaded")
    import mlflow.pyfunc

    known = [flavor for named in said.get("flavors") or {} if (flavor := _flavor(str(named)))]
    return (known[0] if known else mlflow.pyfunc).load_model(str(folder))


def _flavor(name: str) -> Any:
    """Give MLflow's module for a library; None where it has none that saves and loads models."""
    if not name.isidentifier():
        return None
    try:
        found = importlib.import_module(f"mlflow.{name}")
    except ImportError:
        return None
    return found if hasattr(found, "save_model") and hasattr(found, "load_model") else None
