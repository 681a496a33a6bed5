"""A sweep as it is kept: its plan and its trials in the store, and what people see of them in MLflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Refused
from xops.core.evidence import digest
from xops.core.model.sweep import CHECK, State, Sweep, Trial
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xops.core.model.training import TrainingRecord
    from xops.core.verdict import Verdict

PARENT = "mlflow.parentRunId"
SWEEP, TRIAL = "xops.sweep", "xops.trial"
_NAME = "mlflow.runName"


class Sweeps:
    """Sweeps in the store, under ``sweeps/``: one plan each, and one object for each trial.

    :param objects: where they lie; the configured store when None.
    """

    def __init__(self, objects: Objects | None = None) -> None:
        self.objects = objects or Objects.configured()

    def plan(self, sweep: Sweep) -> Sweep:
        """Keep a plan, and give the one that counts: that of the first attempt of the task."""
        self.objects.create_json(f"sweeps/{sweep.key}/plan.json", sweep.to_json())
        return self.planned(sweep.key)

    def planned(self, key: str) -> Sweep:
        """Give a plan.

        :raises Misconfigured: when there is none.
        """
        found = self.objects.get_json(f"sweeps/{key}/plan.json")
        if found is None:
            raise Misconfigured(
                f"sweep {key:.80}: no such plan is kept; a trial as PlanSweepOperator gives it was wanted"
            )
        return Sweep.from_json(found)

    def keep(self, sweep: Sweep, trial: Trial) -> None:
        """Keep how far a trial is."""
        self.objects.put_json(f"sweeps/{sweep.key}/trials/{trial.number:06d}.json", trial.to_json())

    def trial(self, sweep: Sweep, number: int) -> Trial | None:
        """Give how far a trial is; None before it was begun."""
        found = self.objects.get_json(f"sweeps/{sweep.key}/trials/{number:06d}.json")
        return None if found is None else Trial.from_json(found)

    def trials(self, sweep: Sweep) -> list[Trial]:
        """Give every trial that was begun, in order; one that nobody works at any more has failed."""
        found = map(Trial.from_json, self.objects.all_json(f"sweeps/{sweep.key}/trials/"))
        lost = {"state": State.FAILED, "reason": "its task ended before it did"}
        return [replace(trial, **lost) if trial.state is State.RUNNING else trial for trial in found]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a sweep chose.

    :param params: of the chosen trial.
    :param record: the rows of the sweep.
    :param tags: that lead from a training on them back to the sweep.
    """

    params: dict[str, Any]
    record: TrainingRecord
    tags: dict[str, str]

    @classmethod
    def of(cls, evidence: str, verdict: Verdict, *, hook: MlflowHook, model: str) -> Chosen:
        """Read it from what ChooseTrialOperator recorded.

        :raises Refused: when no trial was chosen. :raises Misconfigured: for another verdict, or another model's.
        """
        if verdict.check != CHECK:
            raise Misconfigured(f"{model}: the evidence of ChooseTrialOperator was wanted, found {verdict.check}")
        if "params" not in verdict.facts:
            raise Refused(f"{model}: the sweep chose no trial: {verdict}")
        sweep = Sweeps().planned(verdict.facts["sweep"])
        if sweep.model != model:
            raise Misconfigured(f"{model}: the trial is of a sweep of {sweep.model}")
        tags = {SWEEP: sweep.key, TRIAL: str(verdict.facts["trial"]), "xops.sweep_evidence": evidence}
        return cls(dict(verdict.facts["params"]), sweep.record, tags | _beneath(hook, sweep))


def open_parent(hook: MlflowHook, sweep: Sweep) -> str:
    """Give the run of a sweep, made where there is none; it goes on until :func:`end_parent`."""
    return hook.record_run(_training(sweep, sweep.key, _about(sweep), {_NAME: f"sweep {sweep.key[:8]}"}))


def end_parent(hook: MlflowHook, sweep: Sweep, chosen: Mapping[str, Any]) -> None:
    """End the run of a sweep, with the parameters of the chosen trial; without any it failed."""
    params = _about(sweep) | {f"best.{name}": value for name, value in chosen.items()}
    hook.end_run(hook.record_run(_training(sweep, sweep.key, params, {})), "FINISHED" if chosen else "FAILED")


def _about(sweep: Sweep) -> dict[str, Any]:
    return {**sweep.fixed, "metric": sweep.rule.metric, "folds": sweep.folds, "trials": sweep.trials}


def record_trial(hook: MlflowHook, sweep: Sweep, trial: Trial, began: int, code: Mapping[str, str]) -> None:
    """Record a trial that came to an end as a run beneath the sweep's: parameters and scores, and no model.

    :param began: when it was begun, milliseconds since 1970.
    :param code: tags that say which code was run.
    """
    metric = sweep.rule.metric
    metrics = {
        name: value for name, value in ((metric, trial.score), ("standard_error", trial.error)) if value is not None
    }
    tags = {_NAME: f"trial {trial.number}", TRIAL: str(trial.number)} | _beneath(hook, sweep)
    training = _training(sweep, digest([sweep.key, trial.number])[:32], trial.params, {**tags, **code}, metrics)
    run = hook.record_run(training, began=began, steps={f"{metric}_of_fold": trial.scores})
    hook.end_run(run, {State.COMPLETE: "FINISHED", State.PRUNED: "KILLED"}.get(trial.state, "FAILED"))


def beneath_one(hook: MlflowHook, model: str, key: str) -> dict[str, str]:
    """Give the tag that puts the runs of a mapped training beneath one run, made and ended where there is none.

    :param key: idempotency key of the task without its map index.
    """
    parent = hook.run_of(model, key)
    if parent is None:
        parent = hook.record_run(Training(model, key, {}, {_NAME: f"mapped {key[:8]}"}, {}, {}))
        hook.end_run(parent, "FINISHED")
    return {PARENT: parent}


def _beneath(hook: MlflowHook, sweep: Sweep) -> dict[str, str]:
    """Give the tag that puts a run beneath that of a sweep; none where somebody deleted that."""
    parent = hook.run_of(sweep.model, sweep.key)
    return {PARENT: parent} if parent else {}


def _training(
    sweep: Sweep,
    key: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    metrics: Mapping[str, float] | None = None,
) -> Training:
    record = sweep.record
    return Training(
        model=sweep.model,
        key=key,
        params=params,
        tags={**record.to_tags(), SWEEP: sweep.key, **tags},
        metrics=metrics or {},
        inputs={
            "features": (record.features.name, record.features.snapshot),
            "labels": (record.labels.name, record.labels.snapshot),
        },
    )
