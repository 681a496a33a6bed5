"""Whether to train anew: decided from the evidence, kept with its reasons, asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias

from xops.core.errors import Misconfigured
from xops.core.policy import Choice, RetrainPolicy, Window
from xops.core.verdict import Verdict
from xops.operators.base import XopsOperator, champion_or_skip, origin_of, published_or_refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Asset, Context

    from xops.hooks.store.evidence import EvidenceStore


class RetrainDecisionOperator(XopsOperator):
    """Decide from the recent evidence whether to ask for retraining, keep the decision, and open a request.

    A window is one batch, as the verdicts on drift and performance under the present champion judge it. A batch whose
    data tests failed is broken data and speaks against nothing.

    The event of ``asks`` is only a hint that a request is open: it is sent again while one is.

    :param model: the registered model.
    :param features: Iceberg table of features, whose data tests are looked up.
    :param labels: Iceberg table of labels, to count the new ones; needed when the policy has ``min_new_rows``.
    :param batch: the batch decided on; the newest one judged when empty (templated).
    :param policy: :class:`~xops.core.policy.RetrainPolicy` or its arguments.
    :param asks: the asset on which the training DAG is scheduled; it has an event only when retraining is asked for.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``{"batch", "decision", "reasons"}``.
    """

    template_fields = ("batch",)

    def __init__(
        self,
        *,
        model: str,
        features: str,
        labels: str = "",
        batch: str = "",
        policy: RetrainPolicy | Mapping[str, Any] | None = None,
        asks: Asset | None = None,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        if asks is not None:  # an alias has no event unless one is added; a plain outlet has one at every success
            kwargs["outlets"] = [*kwargs.get("outlets", ()), AssetAlias(f"{asks.name}-asked")]
        super().__init__(**kwargs)
        self.model = model
        self.features = features
        self.labels = labels
        self.batch = batch
        self.policy = policy
        self.asks = asks
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Gather the windows, decide, record, ask."""
        from xops.hooks.models.retrain_requests import RetrainRequests
        from xops.hooks.store.evidence import EvidenceStore

        requests, version = RetrainRequests(self.model), champion_or_skip(self.model)
        store = EvidenceStore()
        windows = gather_windows(store, self.model, self.features, version, until=self.batch)
        open_batches = [request["batch"] for request in requests.still_open()]
        batch = windows[-1].batch if windows else self.batch
        policy = RetrainPolicy.of(self.policy)
        decision = policy.decide(
            windows,
            requested=requests.asked(),
            batches=[evidence.batch for evidence in store.about("drift", self.model)],
            new_rows=self._new_rows() if policy.min_new_rows else None,
            open_request=next((asked for asked in open_batches if asked != batch), None),
        )
        answer = {"batch": batch, "decision": str(decision.choice), "reasons": list(decision.reasons)}
        requests.record_decision(origin_of(context).key, answer | {"model": self.model, "champion": version})
        if decision.choice is Choice.RETRAIN:
            requests.open(batch, {"reasons": answer["reasons"], "champion": version})
            open_batches.append(batch)
        self.log.info("after batch %s: %s (%s)", batch, answer["decision"], "; ".join(decision.reasons))
        if open_batches and self.asks is not None:
            context["outlet_events"][AssetAlias(f"{self.asks.name}-asked")].add(self.asks, extra=answer)
        return answer

    def _new_rows(self) -> int:
        """Count the labelled rows of the batches that came after those of the newest training."""
        from xops.core.model.training import TrainingRecord
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.models.registry import MlflowHook

        if not self.labels:
            raise Misconfigured(f"{self.task_id}: the policy has min_new_rows, so the table of labels is wanted")
        newest = MlflowHook(self.mlflow_conn_id).versions(self.model)[-1]
        record = TrainingRecord.from_tags(newest.tags, f"models:/{self.model}/{newest.version}")
        lake = IcebergHook(self.iceberg_conn_id)
        counts = lake.batches(published_or_refuse(lake, self.labels))
        return sum(rows for batch, rows in counts.items() if batch > max(record.batches))


def gather_windows(store: EvidenceStore, model: str, features: str, version: str, *, until: str = "") -> list[Window]:
    """Give what the evidence says of each batch under champion ``version``, in order.

    :param until: the newest batch looked at; the newest judged one when empty.
    """
    judged: dict[str, dict[str, Verdict]] = {}
    for check in ("drift", "performance"):
        for evidence in store.about(check, model):
            if evidence.verdict.facts.get("model_version") == version:
                judged.setdefault(evidence.batch, {})[check] = evidence.verdict
    if until:
        judged.setdefault(until, {})
    windows = []
    for batch in sorted(judged):
        if until and batch > until:
            continue
        verdicts, tests = judged[batch], store.latest("data_test", features, batch)
        reasons = {check: str(verdict) for check, verdict in verdicts.items()}
        if tests is not None:
            reasons["data_test"] = str(tests.verdict)
        outcomes = {check: verdict.outcome for check, verdict in verdicts.items()}
        windows.append(Window(batch, outcomes, reasons, tests.verdict.outcome if tests else None))
    return windows
