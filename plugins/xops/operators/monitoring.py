"""The champion watched: how far its input moved, and how well it does once labels come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from xops.core.drift import DriftRules, compare
from xops.core.errors import Misconfigured
from xops.core.judges import judge_drift, judge_performance
from xops.core.verdict import Outcome
from xops.operators.base import CheckOperator, GateName, Judged, champion_or_skip, published_or_refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from xops.hooks.evidence_store import EvidenceStore
    from xops.hooks.iceberg_tables import IcebergHook


class DriftCheckOperator(CheckOperator):
    """Compare a batch with the data that the champion learned from, and keep Evidently's report if it does not pass.

    Both sides are profiled, each by one scan of every row, and the profiles are kept: a version is never scanned twice.

    :param model: the registered model; its champion's training data are the reference.
    :param features: Iceberg table of features.
    :param batch: the batch; the newest published one when empty (templated).
    :param max_share: share of drifted columns at which the verdict is ``fail``, in (0, 1].
    :param min_rows: with fewer rows on a side nothing is measured.
    :param rules: arguments of :class:`~xops.core.drift.DriftRules`: methods, limits, sample-size guard.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``record`` by default.
    :returns: the evidence, with the id of the report where there is one.
    """

    default_gate: GateName = "record"
    template_fields = ("batch",)

    def __init__(
        self,
        *,
        model: str,
        features: str,
        batch: str = "",
        max_share: float = 0.5,
        min_rows: int = 500,
        rules: Mapping[str, Any] | None = None,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.features = features
        self.batch = batch
        self.max_share = max_share
        self.min_rows = min_rows
        self.rules = rules
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Profile both sides, or find their profiles; measure, judge, and draw what does not pass."""
        from xops.checks.drift_report import render
        from xops.hooks.champions import training_record
        from xops.hooks.iceberg_tables import IcebergHook
        from xops.hooks.profile_store import ProfileStore

        lake, version = IcebergHook(self.iceberg_conn_id), champion_or_skip(self.model)
        record = training_record(self.model, version, conn_id=self.mlflow_conn_id)
        features = published_or_refuse(lake, self.features)
        batch = self.batch or list(lake.batches(features))[-1]
        columns, profiles = list(record.columns), ProfileStore(store.objects)
        reference = profiles.reference(
            f"{record.features.name}/{','.join(record.batches)}",
            columns,
            lambda: lake.rows(record.features, columns=columns, batches=record.batches),
        )
        there = [column for column in columns if column in lake.columns(features.table)]
        current = profiles.current(
            f"{features.name}/{batch}", reference.spec, lambda: lake.rows(features, columns=there, batches=[batch])
        )
        drift = compare(reference, current, columns, DriftRules(**(self.rules or {})))
        verdict = judge_drift(
            columns,
            drift.found,
            drift.missing,
            subject=f"{self.features}/{batch}",
            max_share=self.max_share,
            sizes=(reference.rows, current.rows),
            min_rows=self.min_rows,
            chance=drift.chance,
            moves=drift.moves,
            shares=drift.shares,
            facts={
                "batch": batch,
                "model_version": version,
                "reference": record.features.name,
                "reference_batches": record.batches,
                "reference_profile": reference.digest,
                "current": features.name,
                "current_profile": current.digest,
            },
        )
        html = None if verdict.outcome is Outcome.PASS else render(reference, current, drift)
        return Judged(verdict, self.model, batch, html)


class PerformanceCheckOperator(CheckOperator):
    """Compare the champion's scores of a batch with the labels, once these have come.

    :param model: the registered model.
    :param scores: Iceberg table of scores.
    :param labels: Iceberg table of labels.
    :param on: the column that joins the two.
    :param target: the labels' column, true or false.
    :param batch: the batch; the newest one with scores and labels when empty (templated).
    :param max_auc_drop: how far the area under the ROC curve may fall from its value at promotion, inclusive.
    :param max_calibration_gap: how far mean score and share of positives may be apart, inclusive.
    :param min_rows: with fewer labelled rows nothing is measured.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``record`` by default.
    :returns: the evidence.
    """

    default_gate: GateName = "record"
    template_fields = ("batch",)

    def __init__(
        self,
        *,
        model: str,
        scores: str,
        labels: str,
        on: str,
        target: str,
        batch: str = "",
        max_auc_drop: float = 0.05,
        max_calibration_gap: float = 0.05,
        min_rows: int = 500,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.scores = scores
        self.labels = labels
        self.on = on
        self.target = target
        self.batch = batch
        self.max_auc_drop = max_auc_drop
        self.max_calibration_gap = max_calibration_gap
        self.min_rows = min_rows
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Join scores and labels of the batch and measure."""
        import numpy as np

        from xops.hooks.iceberg_tables import IcebergHook

        lake = IcebergHook(self.iceberg_conn_id)
        batch = self.batch or self._newest(lake)
        found = _labelled_scores(lake, self.scores, self.labels, batch, on=self.on, target=self.target)
        scored_by = str(found["model_version"][0]) if found.num_rows else champion_or_skip(self.model)
        verdict = judge_performance(
            np.asarray(found[self.target], dtype=bool),
            np.asarray(found["score"], dtype=float),
            subject=f"models:/{self.model}/{scored_by}",
            reference_auc=_auc_at_promotion(store, self.model, scored_by),
            max_auc_drop=self.max_auc_drop,
            max_calibration_gap=self.max_calibration_gap,
            min_rows=self.min_rows,
            facts={"batch": batch, "model_version": scored_by, "scores": self.scores, "labels": self.labels},
        )
        return Judged(verdict, self.model, batch)

    def _newest(self, lake: IcebergHook) -> str:
        scores, labels = lake.published(self.scores), lake.published(self.labels)
        both = set(lake.batches(scores) if scores else ()) & set(lake.batches(labels) if labels else ())
        if not both:
            raise AirflowSkipException(f"no batch of {self.scores} has labels yet")
        return max(both)


def _labelled_scores(lake: IcebergHook, scores: str, labels: str, batch: str, *, on: str, target: str) -> Any:
    given = lake.rows(published_or_refuse(lake, scores), columns=[on, "score", "model_version"], batches=[batch])
    known = lake.rows(published_or_refuse(lake, labels), columns=[on, target], batches=[batch])
    joined = given.join(known, keys=on, join_type="inner")
    return joined.filter(joined[target].is_valid())


def _auc_at_promotion(store: EvidenceStore, model: str, version: str) -> float:
    """Give the area under the ROC curve that a version had on the rows held out when it was evaluated."""
    evaluated = store.latest("evaluation", model, version)
    if evaluated is None or "auc" not in evaluated.verdict.facts:
        raise Misconfigured(f"models:/{model}/{version}: no evaluation is on record to compare its performance with")
    return float(evaluated.verdict.facts["auc"])
