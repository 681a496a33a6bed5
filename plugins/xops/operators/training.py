"""A model from a user's function: trained on named data, and recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.strict_json import dumps
from xops.hooks import traced
from xops.operators.base import XopsOperator, origin_of, verdicts_of
from xops.operators.training_rows import asked_by, learnable, learned_profile, newest, run_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from airflow.sdk import Context

    from xops.core.model.holdout import Holdout
    from xops.core.model.training import AskedBy, TrainingRecord
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.models.sweeps import Chosen


_ANSWERS = "xops.answers"  # the batches of the requests that a training answers, for its retry to close those only


class TrainModelOperator(XopsOperator):
    """Train a model by a user's function and register it as a candidate.

    It learns from the newest batches that have both features and labels in the published tables, less the holdout.
    Expanded over ``hyperparameters`` each of its instances registers a version, and their runs lie beneath one.
    Started by an asset event it answers the open retrain requests; when there is none, because the event was doubled
    or late, it is skipped.

    :param model: the registered model.
    :param train: the function ``(frame, params) -> fitted`` or its dotted path: the frame has ``columns`` and
        ``target``, the fitted model is scikit-learn's, LightGBM's or XGBoost's. It may give
        ``(fitted, {"metrics": {name: number}, "artifacts": {path: text, bytes or Path}})``, which the run then has.
        It runs in a notebook as well.
    :param features: Iceberg table of features.
    :param labels: Iceberg table of labels; the features' own when None.
    :param on: the column that joins the two.
    :param target: the labels' column.
    :param columns: the features it is given, in order.
    :param holdout: rows it is not given: :class:`~xops.core.model.holdout.Holdout` or its arguments.
    :param window: how many batches it learns from, at least 1; the run has it as ``xops.window``.
    :param hyperparameters: what the function is given as ``params``, strict JSON (templated).
    :param seed: of Python's and numpy's chance, and in ``params``; that of ``hyperparameters`` when None.
    :param trial: what ChooseTrialOperator returned: its parameters are taken, and the rows of its sweep, whatever was
        published since (templated).
    :param requirements: pip requirements of the model; those of its library when None.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``{"model", "version", "asked_by", "rows", "batches"}``.
    """

    template_fields = ("hyperparameters", "trial")

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
        trial: Any = None,
        requirements: Sequence[str] | None = None,
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
        self.trial = trial
        self.requirements = requirements
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Train, record, register, and answer the requests."""
        from xops.hooks.models.champions import training_record
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.models.retrain_requests import RetrainRequests

        requests, hook, key = RetrainRequests(self.model), MlflowHook(self.mlflow_conn_id), origin_of(context).key
        still_open = requests.still_open()  # one that is opened while this trains is for the next
        version = hook.trained_before(self.model, key)
        if version is None:
            answers = [str(request["batch"]) for request in still_open]
            version = self._train(hook, context, asked_by(context, still_open), answers)
        for batch in json.loads(hook.version(self.model, version).tags.get(_ANSWERS, "[]")):
            requests.close(batch, {"version": version})
        record = training_record(self.model, version, conn_id=self.mlflow_conn_id)
        return {
            "model": self.model,
            "version": version,
            "asked_by": str(record.asked_by),
            "rows": record.rows,
            "batches": list(record.batches),
        }

    def _train(self, hook: MlflowHook, context: Context, asker: AskedBy, answers: list[str]) -> str:
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.models import training_code
        from xops.hooks.models.model_files import PROFILE
        from xops.hooks.models.model_formats import requirements_of
        from xops.hooks.models.registry import Training

        name, function = training_code.function_of(self.train)
        chosen = self._chosen(hook)
        params = training_code.parameters(chosen.params if chosen else self.hyperparameters, self.seed, self.model)
        code = f"{name}@{training_code.source_hash(function)}"
        lake = IcebergHook(self.iceberg_conn_id)
        frame, record = self._rows(lake, asker, code, chosen.record if chosen else None)
        tags = record.to_tags()
        fitted = training_code.call(
            name, function, frame[[*self.columns, self.target]].reset_index(drop=True), dict(params)
        )
        example = frame[list(self.columns)].head(100)
        training_code.refuse_unusable(name, fitted.model, example)
        requirements = list(self.requirements or requirements_of(fitted.model))
        environment, lock = training_code.environment_of(requirements)
        own = {"rows": float(len(frame))}
        if frame[self.target].dtype == bool:
            own["positive_share"] = float(frame[self.target].mean())
        training = Training(
            model=self.model,
            key=origin_of(context).key,
            params=params | {"xops.window": self.window},
            tags=tags
            | training_code.code_tags(function)
            | run_tags(context)
            | (chosen.tags if chosen else self._mapped(hook, context))
            | {_ANSWERS: json.dumps(answers), "xops.environment": environment},
            metrics=own | fitted.metrics,
            inputs={
                "features": (record.features.name, record.features.snapshot),
                "labels": (record.labels.name, record.labels.snapshot),
            },
            files=fitted.files | {"environment.txt": lock},
            beside={PROFILE: dumps(learned_profile(lake, record, frame).to_json())},
        )
        version = str(hook.train_version(training, fitted.model, example, requirements=requirements))
        traced.wrote(traced.model_version(self.model, version, self.mlflow_conn_id, self.columns))
        return version

    def _chosen(self, hook: MlflowHook) -> Chosen | None:
        """Read what a sweep chose, if it is a sweep's parameters that are to be trained."""
        from xops.hooks.models.sweeps import Chosen

        if self.trial is None:
            return None
        if self.hyperparameters or self.seed is not None:
            raise Misconfigured(f"{self.model}: a trial has its hyperparameters and seed; give none beside it")
        chosen = Chosen.of(*verdicts_of([self.trial])[0], hook=hook, model=self.model)
        swept = (chosen.record.features.table, chosen.record.on, chosen.record.target, chosen.record.columns)
        if swept != (self.features, self.on, self.target, tuple(self.columns)):
            raise Misconfigured(f"{self.model}: features, on, target and columns of the sweep were wanted: {swept}")
        return chosen

    def _mapped(self, hook: MlflowHook, context: Context) -> dict[str, str]:
        """Put the runs of a mapped task beneath one."""
        from xops.hooks.models.sweeps import beneath_one

        origin = origin_of(context)
        return {} if origin.map_index < 0 else beneath_one(hook, self.model, replace(origin, map_index=-1).key)

    def _rows(
        self, lake: IcebergHook, asker: AskedBy, code: str, swept: TrainingRecord | None
    ) -> tuple[pd.DataFrame, TrainingRecord]:
        """Read the rows to learn from, and say which they are."""
        if swept is not None:
            record = replace(swept, asked_by=asker, code=code)
        else:
            record = newest(
                lake, model=self.model, features=self.features, labels=self.labels, on=self.on, target=self.target,
                columns=self.columns, holdout=self.holdout, window=self.window, asker=asker, code=code,
            )  # fmt: skip
        frame = learnable(lake, self.model, record)
        return frame, replace(record, rows=len(frame))
