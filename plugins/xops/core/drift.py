"""How far a dataset moved, column by column, from two profiles of the same bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xops.core.distances import MEASURES, chance, has_few_values
from xops.core.errors import Misconfigured
from xops.core.profile_spec import Kind, comparable
from xops.core.profiles import ColumnProfile, Profile
from xops.core.verdict import Finding, Outcome


@dataclass(frozen=True, slots=True)
class DriftRules:
    """What counts as drift.

    :param methods: a method of :data:`~xops.core.distances.MEASURES` by column, or by kind (``number``, ``category``);
        else Wasserstein for what has a number line, and Jensen-Shannon for categories and for up to 5 values.
    :param limits: the distance from which on a column counts as drifted (inclusive), by column or by kind.
    :param limit: the same for all others.
    :param share_limit: by how much the share of nulls, of NaN or of infinities may differ before it is a warning.
    :param alpha: a large distance counts only if chance makes one as large in any column at most this often.
    """

    methods: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    limit: float = 0.1
    share_limit: float = 0.1
    alpha: float = 0.05

    def __post_init__(self) -> None:
        unknown = sorted(set(self.methods.values()) - set(MEASURES))
        if unknown:
            raise Misconfigured(f"drift method {', '.join(unknown)}: one of {', '.join(MEASURES)} was wanted")

    def of(self, reference: ColumnProfile) -> tuple[str, float]:
        """Give the method and the limit of a column."""
        name, kind = reference.spec.name, reference.spec.kind
        on_a_line = kind.on_a_line and not has_few_values(reference)
        usual = "wasserstein" if on_a_line else "jensenshannon"
        method = self.methods.get(name, self.methods.get(str(kind), usual))
        return method, self.limits.get(name, self.limits.get(str(kind), self.limit))


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found.

    :param found: by column, the method, its distance, and the limit at which it counts as drifted.
    :param missing: by column that could not be measured, the reason.
    :param chance: by column whose distance is no more than chance makes of so few rows, a sentence that says so.
    :param moves: by column that drifted, what moved.
    :param shares: findings on the shares of nulls, of NaN and of infinities.
    """

    found: Mapping[str, tuple[str, float, float]]
    missing: Mapping[str, str]
    chance: Mapping[str, str]
    moves: Mapping[str, str]
    shares: tuple[Finding, ...]


def compare(reference: Profile, current: Profile, columns: Sequence[str], rules: DriftRules | None = None) -> Drift:
    """Measure how far the current side is from the reference.

    :param columns: the columns asked for; each is either found or missing in the answer.
    :raises Misconfigured: when a column was counted by different bins, or a method does not fit it.
    """
    rules = rules or DriftRules()
    found, missing, by_chance, moves = {}, {}, {}, {}
    shares: list[Finding] = []
    for name in columns:
        old, new = reference.column(name), current.column(name)
        if old is None:
            missing[name] = "the reference lacks this column"
            continue
        if new is None:
            missing[name] = "the current rows lack this column"
            continue
        shares += _shares(old, new, rules.share_limit)
        why = _why_not(old, new)
        if why:
            missing[name] = why
            continue
        method, limit = rules.of(old)
        if method in ("wasserstein", "kolmogorov_smirnov") and not old.spec.kind.on_a_line:
            raise Misconfigured(f"column {name} holds {old.spec.type}; {method} needs numbers, take jensenshannon")
        distance = MEASURES[method](old, new)
        found[name] = method, distance, limit
        if not distance < limit:
            odds = chance(old, new)
            if odds > rules.alpha / len(columns):
                by_chance[name] = f"{distance} is no more than chance makes of {new.values} values (p = {odds:.2g})"
            else:
                moves[name] = explain(old, new)
    return Drift(found, missing, by_chance, moves, tuple(shares))


def explain(reference: ColumnProfile, current: ColumnProfile) -> str:
    """Say in one line what moved: where values left and came, and what the reference has not."""
    counts = reference.counts / max(reference.values, 1), current.counts / max(current.values, 1)
    if not reference.spec.kind.on_a_line:
        fresh = float(counts[1][counts[0] == 0].sum())
        most = float(np.abs(counts[1] - counts[0]).max())
        return f"{fresh:.1%} of values are in categories that the reference has not; one category moved by {most:.1%}"
    tenths = reference.quantiles(np.array([0.1, 0.5, 0.9]))
    shift = (current.between(tenths) / max(current.values, 1) - reference.between(tenths) / reference.values).tolist()
    parts = ("lowest tenth", "from there to the median", "from the median to the highest tenth", "highest tenth")
    said = ", ".join(f"{part} {change:+.1%}" for part, change in zip(parts, shift, strict=True))
    beyond = float(counts[1][0] + counts[1][-1])
    outside = f"; {beyond:.1%} of values are outside the reference's range" if beyond else ""
    return f"mean {reference.mean:.6g} -> {current.mean:.6g}; values by the reference's parts: {said}{outside}"


def _why_not(reference: ColumnProfile, current: ColumnProfile) -> str:
    """Say why a column cannot be compared; empty when it can.

    :raises Misconfigured: when both sides could be counted, but by different bins.
    """
    if reference.spec.kind is Kind.OTHER or not comparable(reference.spec.type, current.spec.type):
        return (
            f"it is {reference.spec.type} in the reference and {current.spec.type} now; numbers, dates, texts or "
            "booleans of one kind were wanted"
        )
    for name, side in (("reference", reference), ("current rows", current)):
        if not side.values:
            return f"it has no value in the {name}: {_why_empty(side)}"
    if reference.spec != current.spec:
        raise Misconfigured(f"column {reference.spec.name}: the two profiles were counted by different bins")
    return ""


def _why_empty(side: ColumnProfile) -> str:
    counts = {"rows": side.rows, "nulls": side.nulls, "NaN": side.nan, "infinite": side.above_all + side.below_all}
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _shares(reference: ColumnProfile, current: ColumnProfile, limit: float) -> list[Finding]:
    """Hold the share of each sort of value that is no value against the reference's; where neither has it, nothing."""
    findings = []
    counts = {
        "null_share": (reference.nulls, current.nulls),
        "nan_share": (reference.nan, current.nan),
        "infinite_share": (reference.above_all + reference.below_all, current.above_all + current.below_all),
    }
    for check, (was, is_now) in counts.items():
        old, new = was / max(reference.rows, 1), is_now / max(current.rows, 1)
        if not (old or new):
            continue
        outcome = Outcome.WARN if abs(new - old) >= limit else Outcome.PASS
        reason = f"{check.replace('_', ' ')} {old:.2%} in the reference, {new:.2%} now"
        findings.append(Finding(check, current.spec.name, outcome, new - old, limit, size=current.rows, reason=reason))
    return findings
