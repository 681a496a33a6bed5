"""Sweeps: a training function tried under many parameters, each trial a mapped task, and the best one trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.model.holdout import Holdout, deal
from xops.core.model.search_space import grid, refuse_space
from xops.core.model.sweep import CHECK, Rule, Sweep, judge_sweep
from xops.operators.base import CheckOperator, GateName, Judged, XopsOperator, origin_of
from xops.operators.training import TrainModelOperator
from xops.operators.training_rows import asked_by, learnable, newest
from xops.operators.trials import RunTrialOperator, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from xops.core.model.training import AskedBy
    from xops.hooks.store.evidence import EvidenceStore

__all__ = ["ChooseTrialOperator", "PlanSweepOperator", "RunTrialOperator", "grid", "sweep_model"]

_MOST = 10_000  # trials of one sweep


class PlanSweepOperator(XopsOperator):
    """Plan the trials of a sweep: pin the rows, deal them into folds, and open a run in MLflow for the trials.

    Either the parameters of each trial are given as ``points``, or Optuna samples them from a ``space``. The plan is
    kept; a retry finds it and changes nothing.

    :param model: the registered model.
    :param train: the function or its dotted path, as of :class:`~xops.operators.training.TrainModelOperator`.
    :param features: Iceberg table of features.
    :param labels: Iceberg table of labels; the features' own when None.
    :param on: the column that joins the two.
    :param target: the labels' column.
    :param columns: the features it is given, in order.
    :param holdout: rows that no trial sees: :class:`~xops.core.model.holdout.Holdout` or its arguments. Its groups are
        those that a fold keeps together.
    :param window: how many batches are learned from, at least 1.
    :param hyperparameters: parameters that every trial has, strict JSON (templated).
    :param seed: of the folds, of Optuna's sampling, and of every training; 0 when None.
    :param points: the parameters of each trial, a list of them, such as :func:`grid` gives (templated).
    :param space: by parameter ``{"low": 0.01, "high": 0.3}`` with ``"log": True`` or ``"step"`` if wanted, whole
        numbers where all of them are; or a list of values.
    :param trials: how many are sampled from ``space`` (templated).
    :param metric: what a fold is scored by: a scorer's name of scikit-learn, such as ``neg_log_loss``; or with one fold
        a metric that the function gives beside its model.
    :param direction: ``maximize`` or ``minimize``; that of scikit-learn's scorer when None.
    :param simplest: parameters by which a trial is simpler when smaller, ``-name`` when larger; with them the simplest
        within one standard error of the best is chosen.
    :param folds: each is scored by a model of the others; 1 for none, where the function scores itself.
    :param kind: what the model is asked for: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
    :param prune: give a sampled trial up between folds when it is worse than the median of those before.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``[{"sweep", "number"}, ...]``, to be mapped over by RunTrialOperator.
    """

    template_fields = ("hyperparameters", "points", "trials")

    def __init__(
        self,
        *,
        model: str,
        train: str | Callable[..., Any],
        features: str,
        labels: str | None = None,
        on: str,
        target: str,
        columns: Sequence[str],
        holdout: Holdout | Mapping[str, Any],
        window: int = 3,
        hyperparameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        points: Sequence[Mapping[str, Any]] = (),
        space: Mapping[str, Any] | None = None,
        trials: int | str | None = None,
        metric: str,
        direction: str | None = None,
        simplest: Sequence[str] = (),
        folds: int = 5,
        kind: str = "binary",
        prune: bool = False,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.train = train
        self.features = features
        self.labels = labels
        self.on = on
        self.target = target
        self.columns = columns
        self.holdout = holdout
        self.window = window
        self.hyperparameters = hyperparameters
        self.seed = seed
        self.points = points
        self.space = space
        self.trials = trials
        self.metric = metric
        self.direction = direction
        self.simplest = simplest
        self.folds = folds
        self.kind = kind
        self.prune = prune
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> list[dict[str, Any]]:
        """Keep the plan, open the run, and name the trials."""
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.models.retrain_requests import RetrainRequests
        from xops.hooks.models.sweeps import Sweeps, open_parent

        asker = asked_by(context, RetrainRequests(self.model).still_open())
        sweep = Sweeps().plan(self._planned(origin_of(context).key, asker))
        open_parent(MlflowHook(self.mlflow_conn_id), sweep)
        self.log.info("%s: %s trials, and of them %s", sweep.name, sweep.trials, sweep.rule)
        return [{"sweep": sweep.key, "number": number} for number in range(sweep.trials)]

    def _planned(self, key: str, asker: AskedBy) -> Sweep:
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.models import training_code

        name, function = training_code.function_of(self.train)
        lake = IcebergHook(self.iceberg_conn_id)
        record = newest(
            lake, model=self.model, features=self.features, labels=self.labels, on=self.on, target=self.target,
            columns=self.columns, holdout=self.holdout, window=self.window, asker=asker,
            code=f"{name}@{training_code.source_hash(function)}",
        )  # fmt: skip
        fixed = training_code.parameters(self.hyperparameters, self.seed, self.model)
        points = [training_code.parameters(point, None, self.model) for point in self.points or ()]
        training_code.parameters(dict.fromkeys(self.space or {}), None, self.model)  # its names will be parameters'
        seed = fixed.get("seed")
        sweep = Sweep(
            model=self.model, key=key, record=record, rule=self._rule(), trials=self._number(points), fixed=fixed,
            points=tuple(points), space=dict(self.space or {}), folds=self.folds, kind=self.kind, prune=self.prune,
            seed=seed if type(seed) is int else 0,
        )  # fmt: skip
        self._refuse(sweep)
        frame = learnable(lake, self.model, record)
        deal(frame[record.holdout.by].to_numpy(), sweep.folds, sweep.seed)
        return replace(sweep, record=replace(record, rows=len(frame)))

    def _rule(self) -> Rule:
        from xops.checks.battery.metric import greater_is_better

        if self.direction not in ("maximize", "minimize", None):
            raise Misconfigured(
                f"{self.model}: direction maximize or minimize was wanted, found {self.direction!r:.80}"
            )
        if self.folds < 1:
            raise Misconfigured(f"{self.model}: at least 1 fold was wanted, found {self.folds}")
        own = self.folds == 1 and self.direction is not None
        known = None if own else greater_is_better(self.metric, self.kind)
        wanted = known if self.direction is None else self.direction == "maximize"
        if known not in (None, wanted):
            raise Misconfigured(f"{self.model}: of {self.metric} the other direction is the better one")
        return Rule(self.metric, bool(wanted), tuple(self.simplest))

    def _number(self, points: Sequence[Any]) -> int:
        if bool(points) == bool(self.space):
            raise Misconfigured(f"{self.model}: points, or a space to sample from, were wanted, and not both")
        if points and self.trials is not None:
            raise Misconfigured(f"{self.model}: trials is for a space; there are {len(points)} points")
        try:
            number = len(points) or int(self.trials)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = 0
        if not 1 <= number <= _MOST:
            raise Misconfigured(f"{self.model}: trials: 1 to {_MOST} were wanted, found {points or self.trials!r:.80}")
        return number

    def _refuse(self, sweep: Sweep) -> None:
        """See that no parameter is given twice, and that the rule can be held against every trial."""
        if sweep.space:
            refuse_space(sweep.space)
        elif sweep.prune:
            raise Misconfigured(f"{self.model}: prune is for trials that are sampled from a space")
        tried = [set(point) for point in sweep.points] or [set(sweep.space)]
        twice = sorted({name for names in tried for name in names} & set(sweep.fixed))
        if twice:
            raise Misconfigured(f"{self.model}: {bounded(', '.join(twice))} is a hyperparameter and swept as well")
        absent = [name for name in sweep.rule.simplest if any(name.removeprefix("-") not in one for one in tried)]
        if absent or (sweep.rule.simplest and sweep.folds == 1):
            raise Misconfigured(
                f"{self.model}: simplest: swept parameters, and 2 folds or more, were wanted; found "
                f"{', '.join(absent) or '1 fold'}"
            )


class ChooseTrialOperator(CheckOperator):
    """Choose the best trial of a sweep by the plan's rule, and keep the choice, with its reason, as evidence.

    It waits for every trial, whatever became of it: one that failed or was lost is a warning, and none that is complete
    leaves the verdict unknown. What nobody ended is ended here, in Optuna and in MLflow.

    :param sweep: what PlanSweepOperator returned (templated).
    :param study_conn_id: as of RunTrialOperator.
    :param mlflow_conn_id: connection of MLflow.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence; its verdict's facts have the chosen trial's number and ``params``.
    """

    default_gate: GateName = "fail"
    template_fields = ("sweep",)

    def __init__(
        self,
        *,
        sweep: Any,
        study_conn_id: str | None = None,
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", "all_done")
        super().__init__(**kwargs)
        self.sweep = sweep
        self.study_conn_id = study_conn_id
        self.mlflow_conn_id = mlflow_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Choose, and end what is open."""
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.models.studies import Study
        from xops.hooks.models.sweeps import Sweeps, end_parent

        sweeps = Sweeps()
        key, _ = numbered(self.sweep[0] if isinstance(self.sweep, list) and self.sweep else self.sweep)
        sweep = sweeps.planned(key)
        if sweep.space:
            Study(sweep, self.study_conn_id).close()
        verdict = judge_sweep(sweep, sweeps.trials(sweep))
        end_parent(MlflowHook(self.mlflow_conn_id), sweep, verdict.facts.get("params", {}))
        return Judged(verdict, sweep.model, f"{CHECK}-{sweep.key[:8]}")


def sweep_model(
    group_id: str = "sweep",
    *,
    at_once: int | None = None,
    study_conn_id: str | None = None,
    requirements: Sequence[str] | None = None,
    **arguments: Any,
) -> Any:
    """Make the tasks of a sweep in a DAG: plan, the trials side by side, choose, and train the chosen on all rows.

    :param group_id: of the group that the tasks are in.
    :param at_once: how many trials run side by side; Airflow's own limits when None. With 1 each trial knows all those
        before it, and the sweep is the same each time.
    :param study_conn_id: as of :class:`RunTrialOperator`.
    :param requirements: as of :class:`~xops.operators.training.TrainModelOperator`.
    :param arguments: those of :class:`PlanSweepOperator`.
    :returns: the output of TrainModelOperator: the candidate.
    """
    from airflow.sdk import TaskGroup

    learning = {name: value for name, value in arguments.items() if name in _LEARNING}
    places = {name: value for name, value in arguments.items() if name in ("mlflow_conn_id", "iceberg_conn_id")}
    choosing = {name: value for name, value in places.items() if name == "mlflow_conn_id"}
    with TaskGroup(group_id):
        plan = PlanSweepOperator(task_id="plan", **arguments)
        trials = RunTrialOperator.partial(
            task_id="trial", train=arguments["train"], study_conn_id=study_conn_id,
            max_active_tis_per_dagrun=at_once, **places,
        ).expand(trial=plan.output)  # fmt: skip
        chosen = ChooseTrialOperator(task_id="choose", sweep=plan.output, study_conn_id=study_conn_id, **choosing)
        trials >> chosen
        return TrainModelOperator(
            task_id="train", trial=chosen.output, requirements=requirements, **learning, **places
        ).output


_LEARNING = ("model", "train", "features", "labels", "on", "target", "columns", "holdout", "window")
