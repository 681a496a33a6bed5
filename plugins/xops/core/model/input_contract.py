"""Whether a model can still be given what it was trained on: its columns, and the kind of value in each."""

from __future__ import annotations

from collections.abc import Mapping

_FAMILIES = {  # by the first letters of MLflow's and of Arrow's names of types
    "number": ("int", "uint", "long", "float", "double", "halffloat", "decimal"),
    "text": ("string", "large_string", "str", "object", "dictionary"),
    "boolean": ("bool",),
    "time": ("date", "datetime", "timestamp"),
    "bytes": ("binary", "large_binary"),
}


def family(kind: str) -> str:
    """Give the family of a type by its name, as MLflow's signatures or Arrow's schemas write it; itself if unknown."""
    return next((name for name, starts in _FAMILIES.items() if kind.lower().startswith(starts)), kind)


def misfits(wanted: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Say what keeps rows from being given to a model; nothing when they fit.

    :param wanted: the columns of the model's signature, with their types; an empty type fits any.
    :param found: the columns of the rows, with their types.
    """
    absent = tuple(f"column {name} is missing" for name in wanted if name not in found)
    changed = tuple(
        f"column {name} is {found[name]}, the model was trained on {kind}"
        for name, kind in wanted.items()
        if kind and name in found and family(found[name]) != family(kind)
    )
    return absent + changed
