"""Whether a model can still be given what it was trained on: its columns, and the kind of value in each."""

from __future__ import annotations

from collections.abc import Mapping

from xops.core.contract.column_types import kind_of_values


def misfits(wanted: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Say what keeps rows from being given to a model; nothing when they fit.

    :param wanted: the columns of the model's signature, with their types; an empty type fits any.
    :param found: the columns of the rows, with their types.
    """
    absent = tuple(f"column {name} is missing" for name in wanted if name not in found)
    changed = tuple(
        f"column {name} is {found[name]}, the model was trained on {kind}"
        for name, kind in wanted.items()
        if kind and name in found and kind_of_values(found[name]) != kind_of_values(kind)
    )
    return absent + changed
