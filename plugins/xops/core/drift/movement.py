"""What moved in a column, told from two profiles of it without a row and, unless allowed, without a raw value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xops.core.numerics import np
from xops.core.profile.profiles import ColumnProfile
from xops.core.strict_json import plain

_PARTS = ("lowest tenth", "from there to the median", "from the median to the highest tenth", "highest tenth")
_MOST = 5  # categories told


def movement(reference: ColumnProfile, current: ColumnProfile, *, raw_values: bool = False) -> dict[str, Any]:
    """Give what moved between two profiles of one column's bins, both with values, as plain strict JSON.

    ``null_share`` is of both sides' rows, reference first. On the number line: ``mean`` and ``deviation`` of both
    sides; ``parts``, by how much each part of the reference's values grew or shrank; ``outside``, the share of current
    values outside the bins that the reference reaches; if allowed, ``range`` of both sides. Else: ``new``, the share of
    current values in categories that the reference has not; ``gone``, the share of the reference's in categories that
    came no more; ``most``, the greatest change of one category; if allowed, ``categories``, those that changed most, by
    name.

    :param raw_values: whether the ends of ranges and the names of categories may be told: they are somebody's data.
    """
    told: dict[str, Any] = {"null_share": [side.nulls / max(side.rows, 1) for side in (reference, current)]}
    told |= (_on_the_line if reference.spec.kind.on_a_line else _of_categories)(reference, current, raw_values)
    return dict(plain(told))


def sentence(moved: Mapping[str, Any]) -> str:
    """Say in one line what :func:`movement` gave."""
    named = ", ".join(f"{name} {change:+.1%}" for name, change in moved.get("categories", {}).items())
    if "parts" not in moved:
        fresh = f"{moved['new']:.1%} of values are in categories that the reference has not"
        return f"{fresh}; one category moved by {moved['most']:.1%}" + (f"; {named}" if named else "")
    parts = ", ".join(f"{part} {change:+.1%}" for part, change in moved["parts"].items())
    outside = f"; {moved['outside']:.1%} of values are outside the reference's range" if moved["outside"] else ""
    old, new = map(float, moved["mean"])  # of the greatest numbers it may be the text "Infinity"
    return f"mean {old:.6g} -> {new:.6g}; values by the reference's parts: {parts}{outside}"


def _on_the_line(reference: ColumnProfile, current: ColumnProfile, raw_values: bool) -> dict[str, Any]:
    both = reference, current
    tenths = reference.quantiles(np.array([0.1, 0.5, 0.9]))
    shift = current.between(tenths) / current.values - reference.between(tenths) / reference.values
    held = np.flatnonzero(reference.counts)[[0, -1]]
    inside = int(current.counts[held[0] : held[1] + 1].sum())
    told = {
        "mean": [side.mean for side in both],
        "deviation": [side.deviation for side in both],
        "parts": dict(zip(_PARTS, shift.tolist(), strict=True)),
        "outside": 1 - inside / current.values,
    }
    return told | ({"range": [[side.low, side.high] for side in both]} if raw_values else {})


def _of_categories(reference: ColumnProfile, current: ColumnProfile, raw_values: bool) -> dict[str, Any]:
    old, new = reference.counts / reference.values, current.counts / current.values
    change = new - old
    told: dict[str, Any] = {
        "new": float(new[old == 0].sum()),
        "gone": float(old[new == 0].sum()),
        "most": float(np.abs(change).max()),
    }
    if raw_values:
        names = reference.spec.names
        most = [place for place in np.argsort(-np.abs(change[: len(names)]))[:_MOST] if change[place]]
        told["categories"] = {names[place]: float(change[place]) for place in most}
    return told
