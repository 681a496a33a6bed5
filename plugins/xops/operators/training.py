"""A model from a user's function: trained on named data, and recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from xops.core.errors import Misconfigured
from xops.core.model.holdout import Holdout
from xops.core.model.training import AskedBy, TrainingRecord
from xops.hooks import traced
from xops.operators.base import XopsOperator, origin_of, published_or_refuse
from xops.operators.exam import labelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from airflow.sdk import Context


_ANSWERS = "xops.answers"  # the batches of the requests that a training answers, for its retry to close those only


class TrainModelOperator(XopsOperator):
    """Train a model by a user's function and register it as a candidate.

    It learns from the newest batches that have both features and labels in the published tables, less the holdout.
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
    :param window: how many batches it learns from, at least 1.
    :param hyperparameters: what the function is given as ``params``, strict JSON (templated).
    :param seed: of Python's and numpy's chance, and in ``params``; that of ``hyperparameters`` when None.
    :param requirements: pip requirements of the model; those of its library when None.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``{"model", "version", "asked_by", "rows", "batches"}``.
    """

    template_fields = ("hyperparameters",)

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
            version = self._train(hook, key, _asked_by(context, still_open), answers)
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

    def _train(self, hook: Any, key: str, asked_by: AskedBy, answers: list[str]) -> str:
        from xops.hooks.models import training_code
        from xops.hooks.models.model_formats import requirements_of
        from xops.hooks.models.registry import Training

        name, function = training_code.function_of(self.train)
        params = training_code.parameters(self.hyperparameters, self.seed, self.model)
        frame, record = self._rows(asked_by, f"{name}@{training_code.source_hash(function)}")
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
            key=key,
            params=params | {"window": self.window},
            tags=record.to_tags()
            | training_code.code_tags(function)
            | {_ANSWERS: json.dumps(answers), "xops.environment": environment},
            metrics=fitted.metrics | own,
            inputs={
                "features": (record.features.name, record.features.snapshot),
                "labels": (record.labels.name, record.labels.snapshot),
            },
            files=fitted.files | {"environment.txt": lock},
        )
        version = str(hook.train_version(training, fitted.model, example, requirements=requirements))
        traced.wrote(traced.model_version(self.model, version, self.mlflow_conn_id, self.columns))
        return version

    def _rows(self, asked_by: AskedBy, code: str) -> tuple[pd.DataFrame, TrainingRecord]:
        """Read the rows to learn from, and say which they are."""
        from xops.hooks.iceberg.tables import IcebergHook

        if self.window < 1:
            raise Misconfigured(f"{self.model}: a window of at least 1 batch was wanted, found {self.window}")
        lake, holdout = IcebergHook(self.iceberg_conn_id), Holdout.of(self.holdout)
        features = published_or_refuse(lake, self.features)
        labels = features if self.labels is None else published_or_refuse(lake, self.labels)
        batches = [batch for batch in lake.batches(features) if batch in lake.batches(labels)][-self.window :]
        if not batches:
            raise Misconfigured(f"{self.model}: {features.name} and {labels.name} have no batch in common")
        frame = labelled(lake, features, labels, batches, [*self.columns, holdout.by], on=self.on, target=self.target)
        frame = frame[~holdout.mask(frame[holdout.by].to_numpy())]
        if frame.empty:
            raise Misconfigured(
                f"{self.model}: {', '.join(batches)} have no labelled row outside the holdout; nothing to train on"
            )
        record = TrainingRecord(
            features=features, labels=labels, batches=tuple(batches), on=self.on, target=self.target,
            columns=tuple(self.columns), holdout=holdout, rows=len(frame), asked_by=asked_by, code=code,
        )  # fmt: skip
        return frame, record


def _asked_by(context: Context, still_open: Sequence[Mapping[str, Any]]) -> AskedBy:
    kind = str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type))
    if kind == "asset_triggered" and not still_open:
        raise AirflowSkipException("no retrain request is open: the event that started this run was answered before")
    if kind in ("asset_triggered", "scheduled") and still_open:
        return AskedBy.DRIFT
    return AskedBy.CALENDAR if kind == "scheduled" else AskedBy.MANUAL
