"""Whether a classifier can tell rows of one side from rows of the other: drift of texts and of embeddings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

from xops.core.drift.judge import Drift, DriftRules
from xops.core.profile.profiles import ColumnProfile
from xops.core.profile.spec import Kind

METHOD = "domain_classifier"
LIMIT = 0.55  # Evidently's
MIN_ROWS = 200  # of each side, half of which the classifier is judged on
_MOSTLY = 0.5  # share of different values from which on texts are no categories
_LONG = 20  # characters of a text on average
_EMBEDDING = re.compile(r"(LARGE_|FIXED_SIZE_)?LIST<\w+: (HALFFLOAT|FLOAT|DOUBLE|U?INT\d+)( NOT NULL)?>(\[\d+\])?")


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a classifier told two samples apart on the half of them that it had not learned from.

    :param area: the area under its ROC curve; 0.5 where it cannot tell.
    :param rows: rows of the reference's sample and of the current one's.
    """

    area: float
    rows: tuple[int, int]

    def interval(self, alpha: float) -> tuple[float, float]:
        """Give the area's interval of confidence 1 - ``alpha``, within [0, 1].

        Hanley and McNeil (1982), The meaning and use of the area under a ROC curve, for half the rows of each sample.
        """
        area, (first, second) = self.area, (max(rows / 2, 1) for rows in self.rows)
        one, other = area / (2 - area), 2 * area * area / (1 + area)
        spread = (first - 1) * (one - area * area) + (second - 1) * (other - area * area)
        error = math.sqrt(max(area * (1 - area) + spread, 0) / (first * second))
        margin = NormalDist().inv_cdf(1 - alpha / 2) * error
        return max(area - margin, 0.0), min(area + margin, 1.0)


def sort_of(column: ColumnProfile) -> str:
    """Tell ``text`` from ``embedding``; empty for a column that is compared in bins.

    A column of lists of numbers is an embedding; one of strings, mostly different, long and of several words, is text.
    """
    spec = column.spec
    if _EMBEDDING.fullmatch(spec.type):
        return "embedding"
    if spec.kind is not Kind.CATEGORY or (column.distinct or 0) < _MOSTLY * max(column.values, 1):
        return ""
    names = spec.names
    long = sum(map(len, names)) >= _LONG * len(names) and 2 * sum(" " in name for name in names) >= len(names)
    return "text" if long else ""


def separated(drift: Drift, found: Mapping[str, tuple[str, Separation | str]], rules: DriftRules) -> Drift:
    """Give what was found in bins, with texts and embeddings as a classifier tells them apart.

    :param found: by column, its sort, and how well it was told apart, or why that was not measured.
    """
    columns = max(len(drift.found) + len(drift.missing), 1)
    measured, missing, chance = dict(drift.found), dict(drift.missing), dict(drift.chance)
    moves, movements = dict(drift.moves), dict(drift.movements)
    for name, (sort, told) in found.items():
        for before in (measured, missing, chance, moves, movements):
            before.pop(name, None)
        if isinstance(told, str):
            missing[name] = told
            continue
        limit = rules.limits.get(name, rules.limits.get(sort, LIMIT))
        low, high = told.interval(rules.alpha / columns)
        measured[name] = METHOD, told.area, limit
        movements[name] = {"area": told.area, "interval": [low, high], "rows": list(told.rows)}
        said = f"a classifier tells {told.rows[1]} current rows from {told.rows[0]} of the reference by an area of"
        said = f"{said} {told.area:.3f} under its ROC curve, between {low:.3f} and {high:.3f}"
        if told.area >= limit:
            (moves if low > 0.5 else chance)[name] = said  # noqa: PLR2004 - what chance gives
    return replace(drift, found=measured, missing=missing, chance=chance, moves=moves, movements=movements)
