"""How far a dataset moved, column by column, from two profiles of the same bins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xops.core.drift.chance import chance, share_chance
from xops.core.drift.distances import MEASURES, has_few_values, measured
from xops.core.drift.movement import movement, sentence
from xops.core.errors import Misconfigured, bounded
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import Kind, comparable
from xops.core.verdict import Finding, Outcome

_FAMILIES = {Kind.INTEGER: Kind.NUMBER, Kind.DECIMAL: Kind.NUMBER}
_TOLD_APART = ("text", "embedding")  # sorts of columns that have limits, see xops.core.drift.separation
_LINE_ONLY = ("wasserstein", "kolmogorov_smirnov")


@dataclass(frozen=True, slots=True)
class DriftRules:
    """What counts as drift.

    :param methods: a method of :data:`~xops.core.drift.distances.MEASURES` by column or by kind; a column's own goes
        before its kind's. Kinds are ``number`` (and, if they differ, ``integer`` and ``decimal``), ``date``,
        ``timestamp``, ``boolean`` and ``category``. Else Wasserstein for what has a number line, and
        Jensen-Shannon for categories and for up to 5 values.
    :param limits: the distance from which on a column counts as drifted (inclusive), by column or by kind; for a
        ``text`` and an ``embedding`` the area under the ROC curve of a classifier that tells the sides apart, which is
        0.55 otherwise.
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
        unknown = sorted(map(str, set(self.methods.values()) - set(MEASURES)))
        if unknown:
            raise Misconfigured(f"drift method {', '.join(unknown)}: one of {', '.join(MEASURES)} was wanted")
        for name, limit in (*self.limits.items(), ("limit", self.limit), ("share_limit", self.share_limit)):
            if not isinstance(limit, (int, float)) or not limit > 0:
                raise Misconfigured(f"drift limit of {name}: a number above 0 was wanted, found {limit!r}")
        if not 0 < self.alpha < 1:
            raise Misconfigured(f"drift rules: an alpha in (0, 1) was wanted, found {self.alpha}")

    @classmethod
    def given(cls, rules: Mapping[str, Any] | None) -> DriftRules:
        """Read rules from the arguments of an operator.

        :raises Misconfigured: when one is unknown or of another sort than was wanted.
        """
        try:
            return cls(**(rules or {}))
        except (TypeError, AttributeError) as error:
            raise Misconfigured(f"drift rules: {bounded(error)}; methods, limits, limit, share_limit, alpha") from error

    def of(self, reference: ColumnProfile) -> tuple[str, float]:
        """Give the method and the limit of a column."""
        kind = reference.spec.kind
        usual = "wasserstein" if kind.on_a_line and not has_few_values(reference) else "jensenshannon"
        keys = (reference.spec.name, str(kind), str(_FAMILIES.get(kind, kind)))
        method = next((self.methods[key] for key in keys if key in self.methods), usual)
        return method, next((self.limits[key] for key in keys if key in self.limits), self.limit)

    def check(self, columns: Iterable[str]) -> None:
        """Refuse a rule about a column that is not asked for: it would decide nothing.

        :raises Misconfigured: naming it.
        """
        stray = sorted({*self.methods, *self.limits} - {*columns} - {*map(str, Kind), *_TOLD_APART})
        if stray:
            raise Misconfigured(f"drift rules: {bounded(', '.join(stray))}: neither a column asked for nor a kind")


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found.

    :param found: by column, the method, its distance, and the limit at which it counts as drifted.
    :param missing: by column that could not be measured, the reason.
    :param chance: by column whose distance is no more than chance makes of so few rows, a sentence that says so.
    :param moves: by column that drifted, what moved, in one line.
    :param movements: by column that could be measured, what moved, as :func:`xops.core.drift.movement.movement` gives
        it.
    :param shares: findings on the shares of nulls, of NaN and of infinities.
    :param undecided: by column of which the profiles do not tell on which side of its limit it is, the least and the
        greatest distance that its rows may have.
    """

    found: Mapping[str, tuple[str, float, float]]
    missing: Mapping[str, str]
    chance: Mapping[str, str]
    moves: Mapping[str, str]
    movements: Mapping[str, Mapping[str, Any]]
    shares: tuple[Finding, ...]
    undecided: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def compare(
    reference: Profile,
    current: Profile,
    columns: Sequence[str],
    rules: DriftRules | None = None,
    *,
    raw_values: bool = False,
) -> Drift:
    """Measure how far the current side is from the reference.

    :param columns: the columns asked for; each is either found or missing in the answer.
    :param raw_values: whether names of categories and the ends of ranges may be told.
    :raises Misconfigured: when a column was counted by different bins, or a rule does not fit it.
    """
    rules = rules or DriftRules()
    rules.check(columns)
    found, missing, by_chance, moves, movements, undecided = {}, {}, {}, {}, {}, {}
    shares: list[Finding] = []
    for name in columns:
        old, new = reference.column(name), current.column(name)
        if old is None or new is None:
            missing[name] = f"the {'reference lacks' if old is None else 'current rows lack'} this column"
            continue
        level = rules.alpha / len(columns)
        shares += _shares(old, new, rules.share_limit, level)
        why = _why_not(old, new)
        if why:
            missing[name] = why
            continue
        method, limit = rules.of(old)
        if method in _LINE_ONLY and not old.spec.kind.on_a_line:
            raise Misconfigured(f"column {name} holds {old.spec.type}; {method} needs numbers, take jensenshannon")
        distance, least, most = measured(method, old, new)
        if math.isnan(distance):
            missing[name] = f"its {method} is not a number: there are values too great to be added up"
            continue
        found[name] = method, distance, limit
        movements[name] = movement(old, new, raw_values=raw_values)
        if most < limit:
            continue
        odds = chance(old, new)
        if odds > level:
            by_chance[name] = f"{distance} is no more than chance makes of {new.values} values (p = {odds:.2g})"
        elif least < limit:
            undecided[name] = least, most
        if name not in by_chance and not distance < limit:
            moves[name] = sentence(movements[name])
    return Drift(found, missing, by_chance, moves, movements, tuple(shares), undecided)


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


def _shares(reference: ColumnProfile, current: ColumnProfile, limit: float, level: float) -> list[Finding]:
    """Hold the share of each sort of value that is no value against the reference's; where neither has it, nothing.

    :param level: how often chance alone may make the difference for it still to be a warning.
    """
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
        moved = abs(new - old) >= limit and share_chance((was, reference.rows), (is_now, current.rows)) <= level
        outcome = Outcome.WARN if moved else Outcome.PASS
        reason = f"{check.replace('_', ' ')} {old:.2%} in the reference, {new:.2%} now"
        findings.append(Finding(check, current.spec.name, outcome, new - old, limit, size=current.rows, reason=reason))
    return findings
