"""The trials of a sweep, each a mapped task."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.model.holdout import deal
from xops.core.model.sweep import State, Sweep, Trial
from xops.operators.base import XopsOperator
from xops.operators.training_rows import learnable

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from airflow.sdk import Context

    from xops.hooks.models.studies import Study
    from xops.hooks.models.sweeps import Sweeps


class RunTrialOperator(XopsOperator):
    """Try one set of parameters: train on all folds but one, score that one, and so on; no model is kept.

    Killed and retried it goes on with the fold after the last one that was scored, under the same parameters. The run
    in MLflow, beneath the sweep's, has the parameters, the mean score, its standard error, and each fold's score.

    :param trial: one of those that PlanSweepOperator returned (templated).
    :param train: the function or its dotted path, as the plan has it.
    :param study_conn_id: Airflow connection of Optuna's storage: PostgreSQL, or ``sqlite`` with a file's path as its
        host; a file of our own when None, on one machine only.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``{"number", "params", "state", "scores", "reason"}``.
    """

    template_fields = ("trial",)

    def __init__(
        self,
        *,
        trial: Any,
        train: str | Callable[..., Any],
        study_conn_id: str | None = None,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.trial = trial
        self.train = train
        self.study_conn_id = study_conn_id
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - the plan has the key
        """Go on with the trial to its end, then record it."""
        from xops.hooks.models.studies import Study
        from xops.hooks.models.sweeps import Sweeps

        sweeps = Sweeps()
        key, number = numbered(self.trial)
        sweep = sweeps.planned(key)
        study = Study(sweep, self.study_conn_id) if sweep.space else None
        began, trial = int(time.time() * 1000), self._begun(sweeps, sweep, study, number)
        try:
            trial = self._to_the_end(sweeps, sweep, study, trial)
        except Misconfigured as error:
            trial = replace(trial, state=State.FAILED, reason=bounded(error))
            raise
        finally:
            if trial.state is not State.RUNNING:
                self._ended(sweeps, sweep, study, trial, began)
        return trial.to_json()

    @staticmethod
    def _begun(sweeps: Sweeps, sweep: Sweep, study: Study | None, number: int) -> Trial:
        """Give the trial as far as it is; one that failed is tried again under the same parameters."""
        there = sweeps.trial(sweep, number)
        if study is not None:
            sampled = study.params(number, there.params if there else None)
        if there is None:
            there = Trial(number, {**sweep.fixed, **(sampled if study is not None else sweep.points[number])})
            sweeps.keep(sweep, there)
        return replace(there, state=State.RUNNING, reason="") if there.state is State.FAILED else there

    def _to_the_end(self, sweeps: Sweeps, sweep: Sweep, study: Study | None, trial: Trial) -> Trial:
        if trial.state is not State.RUNNING:
            return trial
        frame = self._rows(sweep)
        dealt = deal(frame[sweep.record.holdout.by].to_numpy(), sweep.folds, sweep.seed)
        for fold in range(len(trial.scores), sweep.folds):
            score = self._score(sweep, trial, frame, dealt == fold)
            trial = replace(trial, scores=(*trial.scores, score))
            sweeps.keep(sweep, trial)
            more = fold + 1 < sweep.folds
            if more and sweep.prune and study is not None and study.give_up(trial.number, trial.scores):
                return replace(trial, state=State.PRUNED)
        return replace(trial, state=State.COMPLETE)

    def _rows(self, sweep: Sweep) -> pd.DataFrame:
        from xops.hooks.iceberg.tables import IcebergHook

        frame = learnable(IcebergHook(self.iceberg_conn_id), sweep.model, sweep.record)
        return frame.reset_index(drop=True)

    def _score(self, sweep: Sweep, trial: Trial, frame: pd.DataFrame, aside: Any) -> float:
        """Train on the rows that are not aside, and score those that are."""
        from xops.checks.battery.answers import Kind, Unmeasured
        from xops.checks.battery.contender import Contender
        from xops.checks.battery.exam import Exam
        from xops.checks.battery.measure import score
        from xops.hooks.models import training_code
        from xops.hooks.models.model_formats import asked

        record, single = sweep.record, sweep.folds == 1
        name, function = training_code.function_of(self.train)
        learned = (frame if single else frame[~aside]).reset_index(drop=True)
        fitted = training_code.call(name, function, learned[[*record.columns, record.target]], dict(trial.params))
        if single:
            if sweep.rule.metric not in fitted.metrics:
                raise Misconfigured(f"{name}: {sweep.rule.metric} was wanted among its metrics, as the sweep's score")
            return fitted.metrics[sweep.rule.metric]
        held = frame[aside].reset_index(drop=True)
        training_code.refuse_unusable(name, fitted.model, held[list(record.columns)])
        exam = Exam(
            frame=held, target=held[record.target].to_numpy(), kind=Kind(sweep.kind),
            candidate=Contender(name, asked(fitted.model), record.columns), groups=held[record.holdout.by].to_numpy(),
        )  # fmt: skip
        try:
            return score(exam, sweep.rule.metric)
        except Unmeasured as error:
            raise Misconfigured(f"{sweep.rule.metric} of fold {len(trial.scores)}: {error}") from error

    def _ended(self, sweeps: Sweeps, sweep: Sweep, study: Study | None, trial: Trial, began: int) -> None:
        from xops.hooks.models import training_code
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.models.sweeps import record_trial

        sweeps.keep(sweep, trial)
        if study is not None:
            study.tell(trial.number, trial.state, trial.score)
        _, function = training_code.function_of(self.train)
        record_trial(MlflowHook(self.mlflow_conn_id), sweep, trial, began, training_code.code_tags(function))


def numbered(trial: Any) -> tuple[str, int]:
    """Read a trial's sweep and number.

    :raises Misconfigured: when it is something else.
    """
    try:
        return str(trial["sweep"]), int(trial["number"])
    except (TypeError, KeyError, ValueError) as error:
        raise Misconfigured(f"a trial was wanted, as PlanSweepOperator names it; found {trial!r:.200}") from error
