"""The champion at work: each new batch scored once, and the scores judged before anybody reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from xops.core.verdict import Verdict
from xops.hooks import traced
from xops.operators.base import CheckOperator, Judged, announce, origin_of, published_or_refuse

if TYPE_CHECKING:
    from airflow.sdk import Context

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.champions import Trained
    from xops.hooks.store.evidence import EvidenceStore


class ScoreBatchOperator(CheckOperator):
    """Score the batches newer than the champion's training that nobody has scored, and publish the scores.

    A batch that was delivered again is scored again; one whose scoring was cut short is not taken for scored.

    The scores are judged before anybody reads them: one for each row, each a probability. Skipped while there is no
    champion or nothing to score, so an event that comes twice or late does no harm.

    :param model: the registered model.
    :param features: Iceberg table of features.
    :param scores: Iceberg table of scores: ``on``, ``score``, ``model_version``.
    :param on: the column that identifies a row.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence of the newest batch scored.
    """

    def __init__(
        self,
        *,
        model: str,
        features: str,
        scores: str,
        on: str,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.features = features
        self.scores = scores
        self.on = on
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:
        """Score each waiting batch; the last one's verdict is the task's."""
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.models.champions import champion_version, load_champion

        if champion_version(self.model) is None:
            raise AirflowSkipException(f"{self.model} has no champion yet, so there is nothing to score with")
        lake, champion = IcebergHook(self.iceberg_conn_id), load_champion(self.model, conn_id=self.mlflow_conn_id)
        waiting = self._waiting(lake, champion, store)
        if not waiting:
            raise AirflowSkipException(f"every batch of {self.features} is scored")
        *earlier, newest = waiting
        for batch in earlier:
            judged = self._score(lake, champion, batch)
            store.record(judged.verdict, origin=origin_of(context), about=judged.about, batch=batch)
            if not judged.verdict.outcome.passes:
                return judged
        judged = self._score(lake, champion, newest)
        announce(context, self.outlets, dict(judged.verdict.facts))
        return judged

    def _waiting(self, lake: IcebergHook, champion: Trained, store: EvidenceStore) -> list[str]:
        """Give the batches whose present delivery has no evidence of passing scores, in order."""
        features = lake.published(self.features)
        deliveries = lake.deliveries(features) if features else {}
        newest_seen = max(champion.record.batches)
        waiting = []
        for batch in sorted(batch for batch in deliveries if batch > newest_seen):
            scored = store.latest("scores", self.model, batch)
            done = scored is not None and scored.verdict.outcome.passes
            if not done or scored.verdict.facts.get("delivery") != deliveries[batch]:
                waiting.append(batch)
        return waiting

    def _score(self, lake: IcebergHook, champion: Trained, batch: str) -> Judged:
        import pyarrow as pa

        from xops.core.model.judges import judge_scores

        features = published_or_refuse(lake, self.features)
        rows = lake.rows(features, columns=[self.on, *champion.record.columns], batches=[batch])
        given = champion.scores(rows.to_pandas(date_as_object=False))
        facts = {
            "batch": batch,
            "features": features.name,
            "delivery": lake.deliveries(features)[batch],
            "model_version": champion.version,
            "rows": rows.num_rows,
        }
        subject = f"{self.scores}/{batch}"
        verdict = judge_scores(given, subject=subject, wanted_rows=rows.num_rows, facts=facts)
        if verdict.outcome.passes:
            versions = pa.array([champion.version] * rows.num_rows, pa.string())
            table = pa.table({self.on: rows[self.on], "score": given, "model_version": versions})
            published = lake.publish(lake.stage(table, table=self.scores, batch=batch))
            sources = [(lake.place(self.features), column) for column in champion.record.columns]
            traced.made(lake.place(self.scores), {"score": sources}, published.snapshot)
            verdict = Verdict(verdict.check, verdict.subject, verdict.findings, {**facts, "version": published.name})
        return Judged(verdict, self.model, batch)
