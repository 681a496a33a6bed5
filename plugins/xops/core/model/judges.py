"""Judging models and their scores: pure functions from measured numbers to a Verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.model.ranking import auc, auc_difference
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_CLASS = 30  # rows of the rarer class below which intervals of ranks are not to be trusted


def judge_scores(scores: NDArray[np.float64], *, subject: str, wanted_rows: int, facts: Mapping[str, Any]) -> Verdict:
    """Judge what a model gave before anybody reads it: one probability a row, each in [0, 1].

    :param scores: shape (rows,).
    :param wanted_rows: how many rows were to be scored.
    """
    if not len(scores):
        return Verdict("scores", subject, _unknown(("row_count", "probability"), subject, "no row was scored"), facts)
    valid = int(np.count_nonzero((scores >= 0) & (scores <= 1)))
    rows = Finding("row_count", subject, _outcome(len(scores) == wanted_rows > 0), len(scores), wanted_rows, "rows")
    within = Finding("probability", subject, _outcome(valid == len(scores)), valid, len(scores), "rows", len(scores))
    return Verdict("scores", subject, (rows, within), facts)


def judge_performance(
    labels: NDArray[np.bool_],
    scores: NDArray[np.float64],
    *,
    subject: str,
    reference_auc: float,
    max_auc_drop: float,
    max_calibration_gap: float,
    min_rows: int,
    facts: Mapping[str, Any],
) -> Verdict:
    """Judge a champion's scores once the labels have come.

    Two findings: the fall of the area under the ROC curve from ``reference_auc``, and the calibration gap, which is
    the absolute difference between the mean score and the share of positive labels. Both limits are inclusive.

    :param labels: shape (rows,).
    :param scores: shape (rows,), each in [0, 1].
    :param reference_auc: the champion's area on the rows it was judged on before its promotion.
    :param min_rows: below it, with fewer than :data:`MIN_CLASS` rows of a class, or with a score that is not finite,
        the findings are unknown.
    """
    why_not = _too_little(labels, min_rows) or _not_finite(scores, "champion")
    if why_not:
        return Verdict("performance", subject, _unknown(("auc_drop", "calibration_gap"), subject, why_not), facts)
    size = len(labels)
    area = auc(labels, scores)
    drop = reference_auc - area
    share, mean = float(labels.mean()), float(scores.mean())
    gap = abs(mean - share)
    return Verdict(
        "performance",
        subject,
        (
            Finding(
                "auc_drop",
                subject,
                _outcome(drop <= max_auc_drop),
                drop,
                max_auc_drop,
                size=size,
                reason=f"AUC {area:.4f}, it was {reference_auc:.4f} at promotion; a drop of {max_auc_drop} is allowed",
            ),
            Finding(
                "calibration_gap",
                subject,
                _outcome(gap <= max_calibration_gap),
                gap,
                max_calibration_gap,
                size=size,
                reason=f"mean score {mean:.4f}, {share:.4f} were positive; a gap of {max_calibration_gap} is allowed",
            ),
        ),
        {**facts, "auc": area},
    )


def judge_candidate(
    labels: NDArray[np.bool_],
    candidate: NDArray[np.float64],
    champion: NDArray[np.float64] | None,
    *,
    groups: NDArray[Any] | None = None,
    subject: str,
    min_auc: float,
    min_gain: float,
    min_rows: int,
    confidence: float,
    facts: Mapping[str, Any],
) -> Verdict:
    """Judge a candidate on rows that neither it nor the champion was trained on.

    It passes when its area under the ROC curve is at least ``min_auc`` and, where there is a champion, when the lower
    end of DeLong's interval of the gain is above ``min_gain``: by chance alone a candidate that is no better passes
    with probability (1 - confidence) / 2, nearly: the interval holds for large samples, and :data:`MIN_CLASS` keeps
    small ones out.

    :param labels: shape (rows,).
    :param candidate: the candidate's scores, shape (rows,).
    :param champion: the champion's scores on the same rows; None when there is no champion.
    :param groups: one group's name a row where rows of a group (a day) resemble each other; None where they do not.
    :param min_rows: below it, with fewer than :data:`MIN_CLASS` rows of a class, or with a score that is not finite,
        the findings are unknown.
    """
    if not 0 < confidence < 1:
        raise Misconfigured(f"{subject}: a confidence in (0, 1) was wanted, found {confidence}")
    wanted = ("auc",) if champion is None else ("auc", "auc_gain")
    why_not = _too_little(labels, min_rows) or _not_finite(candidate, "candidate") or _not_finite(champion, "champion")
    if why_not:
        return Verdict("evaluation", subject, _unknown(wanted, subject, why_not), facts)
    size = len(labels)
    area = auc(labels, candidate)
    findings = [Finding("auc", subject, _outcome(area >= min_auc), area, min_auc, size=size)]
    measured: dict[str, Any] = {"auc": area, "champion_auc": None}
    if champion is not None:
        compared = auc_difference(labels, candidate, champion, groups=groups, confidence=confidence)
        measured["champion_auc"] = compared.second
        findings.append(
            Finding(
                "auc_gain",
                subject,
                _outcome(compared.low > min_gain),
                compared.first - compared.second,
                min_gain,
                size=size,
                reason=f"AUC {compared.first:.4f} against the champion's {compared.second:.4f}: gain between "
                f"{compared.low:+.4f} and {compared.high:+.4f} at {confidence:.0%}, more than {min_gain:+.4f} wanted",
            )
        )
    return Verdict("evaluation", subject, tuple(findings), {**facts, **measured})


def judge_drift(
    columns: Sequence[str],
    found: Mapping[str, tuple[str, float, float]],
    missing: Mapping[str, str],
    *,
    subject: str,
    max_share: float,
    sizes: tuple[int, int],
    min_rows: int,
    facts: Mapping[str, Any],
    chance: Mapping[str, str] | None = None,
    moves: Mapping[str, str] | None = None,
    shares: Sequence[Finding] = (),
    undecided: Mapping[str, tuple[float, float]] | None = None,
) -> Verdict:
    """Judge how far the current rows are from the reference, column by column and as a whole.

    A column that drifted alone is a warning; the dataset fails when the share of drifted columns reaches
    ``max_share``. Every column asked for has a finding: one that could not be measured is unknown. So is the share
    where it hangs on columns that may be on either side of their limits.

    :param columns: the columns asked for.
    :param found: by column, the method, its distance, and the limit at which it counts as drifted.
    :param missing: by column that could not be measured, the reason.
    :param max_share: share of the measured columns, in (0, 1], at which the dataset fails (inclusive).
    :param sizes: rows of the reference and of the current side.
    :param min_rows: with fewer rows on either side, nothing is measured: distances of small samples are noise.
    :param chance: by column whose distance is no more than chance makes, the sentence that says so: it did not drift.
    :param moves: by column that drifted, what moved.
    :param shares: findings on nulls, NaN and infinities; they stand beside the distances, which leave these out.
    :param undecided: by column whose limit lies between them, the least and the greatest distance that it may have.
    """
    if not 0 < max_share <= 1:
        raise Misconfigured(f"{subject}: a max_share in (0, 1] was wanted, found {max_share}")
    chance, moves, undecided = chance or {}, moves or {}, undecided or {}
    if not columns:
        nothing = Finding("drift", "dataset", Outcome.UNKNOWN, reason="no column was asked for")
        return Verdict("drift", subject, (nothing,), facts)
    if min(sizes) < max(min_rows, 1):
        why = f"{sizes[0]} reference and {sizes[1]} current rows, at least {max(min_rows, 1)} of each are needed"
        found, missing, shares = {}, dict.fromkeys(columns, why), ()
    findings = []
    for column in columns:
        if column in found:
            method, distance, limit = found[column]
            ends = undecided.get(column)
            moved = ends is not None or (not distance < limit and column not in chance)  # NaN counts as moved
            told = f"{distance} against {limit}: {moves[column]}" if column in moves else ""
            if ends:
                told = f"{distance}, by rows between {ends[0]} and {ends[1]}: on either side of the limit {limit}"
            outcome, reason = (Outcome.WARN, told) if moved else (Outcome.PASS, chance.get(column, ""))
            findings.append(
                Finding(method, column, outcome, distance, limit, size=sizes[1], reason=reason, interval=ends)
            )
        else:
            why = missing.get(column, "the drift report has no word about this column")
            findings.append(Finding("drift", column, Outcome.UNKNOWN, reason=why))
    measured = [finding for finding in findings if finding.outcome is not Outcome.UNKNOWN]
    if not measured:
        unmeasured = Finding("share_of_drifted_columns", "dataset", Outcome.UNKNOWN, reason=findings[0].reason)
        return Verdict("drift", subject, (*findings, unmeasured, *shares), facts)
    drifted = [finding.subject for finding in measured if finding.outcome is Outcome.WARN]
    surely = [column for column in drifted if column not in undecided]
    share, least = (len(columns) / len(measured) for columns in (drifted, surely))
    outcome, reason = _outcome(share < max_share), f"{len(drifted)} of {len(measured)} columns drifted"
    if least < max_share <= share:
        outcome, reason = Outcome.UNKNOWN, f"{reason}, or only {len(surely)}: the others are too near to their limits"
    reason = f"{reason}: {', '.join(drifted) or 'none'}"
    findings.append(
        Finding("share_of_drifted_columns", "dataset", outcome, share, max_share, size=sizes[1], reason=reason)
    )
    return Verdict("drift", subject, (*findings, *shares), facts)


def _outcome(holds: bool | np.bool_) -> Outcome:
    return Outcome.PASS if holds else Outcome.FAIL


def _unknown(checks: Sequence[str], subject: str, why: str) -> tuple[Finding, ...]:
    return tuple(Finding(check, subject, Outcome.UNKNOWN, reason=why) for check in checks)


def _too_little(labels: NDArray[np.bool_], min_rows: int) -> str:
    positive = int(np.count_nonzero(labels))
    rarer = min(positive, len(labels) - positive)
    if len(labels) < min_rows:
        return f"{len(labels)} labelled rows, at least {min_rows} are needed"
    if rarer < MIN_CLASS:
        return f"{positive} positive and {len(labels) - positive} negative rows, {MIN_CLASS} of each are needed"
    return ""


def _not_finite(scores: NDArray[np.float64] | None, whose: str) -> str:
    if scores is None or bool(np.isfinite(scores).all()):
        return ""
    return f"{int(np.count_nonzero(~np.isfinite(scores)))} of the {whose}'s scores are not finite"
