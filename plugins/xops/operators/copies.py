"""A champion carried from one environment into the next, where it is judged and promoted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.verdict import Finding, Outcome, Verdict
from xops.operators.base import CheckOperator, Judged, origin_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from xops.hooks.store.evidence import EvidenceStore


class CopyModelOperator(CheckOperator):
    """Copy the champion of another registry into this one: files, training record, evidence and model card.

    It runs where the copy is to be used, and takes only what was promoted at its source. The files are compared with
    the manifest of the source's promotion log before and after. Cut off anywhere, its retry goes on: one run, one
    version. The copy is a candidate like any other; its XCom ``candidate`` is what EvaluateModelOperator and
    PromoteModelOperator take, and the verdict, about where it comes from, is one for the gate.

    :param model: the registered model at the source.
    :param to_model: the registered model here; the same name when empty.
    :param from_mlflow_conn_id: connection of the source's MLflow.
    :param from_store: the source's store, as ``[xops] store`` names it there; this Airflow's own when empty.
    :param mlflow_conn_id: connection of MLflow here.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence; under the key ``candidate``, ``{"model", "version"}``.
    """

    def __init__(
        self,
        *,
        model: str,
        to_model: str = "",
        from_mlflow_conn_id: str,
        from_store: str = "",
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.to_model = to_model
        self.from_mlflow_conn_id = from_mlflow_conn_id
        self.from_store = from_store
        self.mlflow_conn_id = mlflow_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:
        """Copy, and say what came over."""
        from xops.hooks.models.champions import champion_version
        from xops.hooks.models.copies import copy_champion
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.store.objects import Objects

        to_model = self.to_model or self.model
        copied = copy_champion(
            self.model,
            to_model=to_model,
            key=origin_of(context).key,
            source=MlflowHook(self.from_mlflow_conn_id),
            source_store=Objects(self.from_store) if self.from_store else store.objects,
            target=MlflowHook(self.mlflow_conn_id),
        )
        name = f"models:/{to_model}/{copied.version}"
        context["ti"].xcom_push(key="candidate", value={"model": to_model, "version": copied.version})
        finding = Finding("manifest", name, Outcome.PASS, copied.manifest, copied.manifest)
        facts = {
            "source": copied.source,
            "source_entry": copied.entry,
            "manifest": copied.manifest,
            "champion": champion_version(to_model),
            "evidence": copied.evidence,
        }
        return Judged(Verdict("copy", name, (finding,), facts), to_model, copied.version)
