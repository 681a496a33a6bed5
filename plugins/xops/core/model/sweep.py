"""Sweeps: what is tried, on which rows each trial is scored, and which trial is the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.core.model.training import TrainingRecord
from xops.core.numerics import np
from xops.core.strict_json import plain
from xops.core.verdict import Finding, Outcome, Verdict

CHECK = "sweep"


class State(StrEnum):
    """How far a trial is."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which trial is the best: that with the best mean score over its folds, of equal ones the earliest.

    :param metric: what a fold is scored by.
    :param maximize: whether a larger score is better.
    :param simplest: parameters by which a trial is simpler when they are smaller, or with ``-`` before the name when
        they are larger, the first counting most. With them the simplest trial within one standard error of the best
        score is taken (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3).
    """

    metric: str
    maximize: bool
    simplest: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in one sentence."""
        best = f"the {'highest' if self.maximize else 'lowest'} {self.metric}"
        if not self.simplest:
            return f"{best}, of equal ones the earliest"
        return f"the simplest by {', '.join(self.simplest)} within one standard error of {best}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters, and how it did.

    :param number: its place in the sweep, from 0.
    :param params: what the training function is given.
    :param state: how far it is.
    :param scores: of the folds that were scored, in order.
    :param reason: why it failed; empty otherwise.
    """

    number: int
    params: Mapping[str, Any]
    state: State = State.RUNNING
    scores: tuple[float, ...] = ()
    reason: str = ""

    @property
    def score(self) -> float | None:
        """The mean over the folds that were scored; None before the first."""
        return float(np.mean(self.scores)) if self.scores else None

    @property
    def error(self) -> float | None:
        """The standard error of the score over the folds; None of a single one."""
        many = len(self.scores) > 1
        return float(np.std(self.scores, ddof=1) / math.sqrt(len(self.scores))) if many else None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        fields: dict[str, Any] = plain(asdict(self))
        return fields

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Trial:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**document, "state": State(document["state"]), "scores": tuple(document["scores"])})


@dataclass(frozen=True, slots=True)
class Sweep:
    """Trials of one training function on the same rows, as they were planned.

    :param model: the registered model.
    :param key: idempotency key of the task that planned it.
    :param record: the rows: which versions, batches and columns, less which holdout.
    :param rule: which trial is the best.
    :param trials: how many are planned.
    :param points: the parameters of each trial; empty where they are sampled.
    :param space: where they are sampled from.
    :param fixed: parameters that every trial has.
    :param folds: into how many parts the rows are dealt; 1 for none, where the function scores itself.
    :param kind: what the model is asked for, as in the battery.
    :param prune: whether a trial that is worse than most is given up between folds.
    :param seed: of the folds and of the sampling.
    """

    model: str
    key: str
    record: TrainingRecord
    rule: Rule
    trials: int
    points: tuple[Mapping[str, Any], ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 5
    kind: str = "binary"
    prune: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """The name to quote."""
        return f"{self.model}.sweep.{self.key[:8]}"

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        fields: dict[str, Any] = plain({**asdict(self), "record": self.record.to_tags()})
        return fields

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Sweep:
        """Read what :meth:`to_json` wrote."""
        rule = document["rule"]
        return cls(
            **{
                **document,
                "record": TrainingRecord.from_tags(document["record"], f"a sweep of {document['model']}"),
                "rule": Rule(**{**rule, "simplest": tuple(rule["simplest"])}),
                "points": tuple(document["points"]),
            }
        )


def best_trial(trials: Iterable[Trial], rule: Rule) -> Trial | None:
    """Give the trial that the rule takes of those that are complete; None when none is.

    :raises Misconfigured: when ``simplest`` names what is no number in every trial.
    """
    sign = 1 if rule.maximize else -1
    complete = sorted(
        (trial for trial in trials if trial.state is State.COMPLETE and trial.score is not None),
        key=lambda trial: (-sign * _score(trial), trial.number),
    )
    if not complete or not rule.simplest:
        return complete[0] if complete else None
    worst = sign * _score(complete[0]) - (complete[0].error or 0.0)
    near = [trial for trial in complete if sign * _score(trial) >= worst]
    return min(near, key=lambda trial: _size(trial, rule.simplest))  # of equal ones the first: the better, the earlier


def judge_sweep(sweep: Sweep, trials: Sequence[Trial]) -> Verdict:
    """Say which trial is the best and why, and what became of the others.

    The facts have the chosen trial's number and ``params``, the rule, and every trial.

    :param trials: those that were begun; what was planned and is not among them never began.
    """
    chosen = best_trial(trials, sweep.rule)
    count = {state: sum(trial.state is state for trial in trials) for state in State}
    finished = count[State.COMPLETE] + count[State.PRUNED]
    said = [f"trial {trial.number}: {trial.reason}" for trial in trials if trial.state is State.FAILED]
    lost = f"{finished} of {sweep.trials} trials came to an end{': ' if said else ''}{bounded('; '.join(said))}"
    outcome = Outcome.UNKNOWN if chosen is None else Outcome.PASS if finished == sweep.trials else Outcome.WARN
    findings = [
        Finding("trials", sweep.name, outcome, finished, sweep.trials, unit="trials",
                reason="" if outcome is Outcome.PASS else lost)
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "sweep": sweep.key,
        "rule": str(sweep.rule),
        "metric": sweep.rule.metric,
        "states": {str(state): number for state, number in count.items()},
        "trials": [trial.to_json() | {"score": trial.score, "error": trial.error} for trial in trials],
    }
    if chosen is not None:
        findings.append(_chosen(sweep, chosen, best_trial(trials, Rule(sweep.rule.metric, sweep.rule.maximize))))
        facts |= {"trial": chosen.number, "params": dict(chosen.params)}
    return Verdict(CHECK, sweep.name, tuple(findings), facts)


def _chosen(sweep: Sweep, chosen: Trial, best: Trial | None) -> Finding:
    score, error = _score(chosen), chosen.error
    reason = f"{sweep.rule}: {sweep.rule.metric} {score:.6g}" + ("" if error is None else f" ± {error:.2g}")
    if best is not None and best is not chosen:
        reason += f"; trial {best.number} had {_score(best):.6g} ± {best.error:.2g}"
    return Finding(
        "best_trial", f"trial {chosen.number}", Outcome.PASS, score, None, reason=reason,
        interval=None if error is None else [score - error, score + error],
    )  # fmt: skip


def _score(trial: Trial) -> float:
    assert trial.score is not None  # noqa: S101 - complete trials have one
    return trial.score


def _size(trial: Trial, simplest: Sequence[str]) -> tuple[float, ...]:
    sizes = []
    for name in simplest:
        value = trial.params.get(name.removeprefix("-"))
        if not isinstance(value, int | float):
            raise Misconfigured(f"simplest: {name}: a number was wanted in trial {trial.number}, found {value!r:.80}")
        sizes.append(-value if name.startswith("-") else value)
    return tuple(sizes)
