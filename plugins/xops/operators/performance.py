"""The champion's scores held against the labels, once these have come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from xops.core.errors import Misconfigured
from xops.operators.base import CheckOperator, GateName, Judged, champion_or_skip, published_or_refuse

if TYPE_CHECKING:
    from airflow.sdk import Context

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.store.evidence import EvidenceStore


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

        from xops.core.model.judges import judge_performance
        from xops.hooks.iceberg.tables import IcebergHook

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
