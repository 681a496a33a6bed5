"""What a sweep tries: the points of a grid, or a space that is sampled from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from xops.core.errors import Misconfigured, bounded


def grid(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Give every combination of the values of some parameters, the last parameter changing fastest.

    :param values: by parameter, a list of what it may be.
    :raises Misconfigured: when a parameter has no value, or something else than a list of them.
    """
    for name, choices in values.items():
        _refuse_no_list(name, choices)
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]


def refuse_space(space: Mapping[str, Any]) -> None:
    """See that a search space can be sampled from.

    :param space: by parameter ``{"low", "high"}`` with ``step`` or ``log`` if wanted, whole numbers where all of them
        are; or a list of values.
    :raises Misconfigured: where it says something else.
    """
    if not space:
        raise Misconfigured("space: at least one parameter was wanted, found none")
    for name, said in space.items():
        if isinstance(said, Mapping):
            _refuse_range(name, said)
        else:
            _refuse_no_list(name, said)


def whole(said: Mapping[str, Any]) -> bool:
    """Tell whether a range is one of whole numbers."""
    return all(isinstance(said[name], int) for name in ("low", "high", "step") if name in said)


def _refuse_no_list(name: str, choices: Any) -> None:
    if not isinstance(choices, (list, tuple)) or not choices:
        raise Misconfigured(f"parameter {name}: a list of values or low and high were wanted, found {choices!r:.80}")
    if any(choice in choices[:place] for place, choice in enumerate(choices)):
        raise Misconfigured(f"parameter {name}: a value is named twice in {bounded(choices, 80)}")


def _refuse_range(name: str, said: Mapping[str, Any]) -> None:
    bounds = [said.get("low"), said.get("high"), said.get("step", 1)]
    numbers = [one for one in bounds if isinstance(one, int | float) and not isinstance(one, bool)]
    if not {"low", "high"} <= said.keys() <= {"low", "high", "step", "log"} or len(numbers) != len(bounds):
        raise Misconfigured(
            f"parameter {name}: low and high, and step or log, were wanted as numbers, found {bounded(dict(said), 120)}"
        )
    low, high, step = numbers
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise Misconfigured(f"parameter {name}: low below high was wanted, both finite; found {low} and {high}")
    if said.get("log") and (low <= 0 or "step" in said):
        raise Misconfigured(f"parameter {name}: with log a low above 0 and no step were wanted, found {dict(said)}")
    if "step" in said and not (step > 0 and math.isclose((high - low) / step, round((high - low) / step))):
        raise Misconfigured(
            f"parameter {name}: a whole number of steps from low to high was wanted, found {dict(said)}"
        )
