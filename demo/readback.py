"""What happened, read back from Iceberg, MLflow and the evidence store: never from what was meant to happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xops.core.verdict import Verdict

_QUOTED = 3  # findings
FLIGHTS, LABELS, MODEL = "nyc.flights", "nyc.labels", "flights_delay"


class Readback:
    """The stores of the demo's Airflow, whose settings are in this process's environment."""

    def __init__(self) -> None:
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.models.promotion_log import PromotionLog
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.models.retrain_requests import RetrainRequests
        from xops.hooks.store.evidence import EvidenceStore

        self.store = EvidenceStore()
        self.lake = IcebergHook()
        self.mlflow = MlflowHook()
        self.log = PromotionLog(MODEL)
        self.requests = RetrainRequests(MODEL)

    def batches(self, table: str = FLIGHTS) -> list[dict[str, Any]]:
        """Give every delivery and what became of it, oldest first; rows and versions as Iceberg has them."""
        deliveries = sorted(self.store.objects.all_json(f"batches/{table}/"), key=lambda delivery: delivery["at"])
        return [
            {
                "batch": delivery["batch"],
                "rows": self._rows(table, delivery),
                "outcome": delivery["outcome"],
                "failed": delivery.get("failed", []),
                "version": self._snapshot(table, delivery),
            }
            for delivery in deliveries
        ]

    def models(self) -> list[dict[str, Any]]:
        """Give every version that was trained, oldest first."""
        from xops.core.model.training import TrainingRecord

        promoted = {entry.version for entry in self.log.read()}
        models = []
        for version in self.mlflow.versions(MODEL):
            record = TrainingRecord.from_tags(version.tags, f"models:/{MODEL}/{version.version}")
            evaluated = self.store.latest("evaluation", MODEL, str(version.version))
            facts = evaluated.verdict.facts if evaluated else {}
            models.append(
                {
                    "version": str(version.version),
                    "trained_on": record.features.snapshot,
                    "batches": list(record.batches),
                    "rows": record.rows,
                    "auc": facts.get("auc"),
                    "champion_auc": facts.get("champion_auc"),
                    "outcome": "promoted" if str(version.version) in promoted else "refused",
                    "asked_by": str(record.asked_by),
                    "reasons": reasons(evaluated.verdict) if evaluated else [],
                }
            )
        return models

    def decisions(self) -> list[dict[str, Any]]:
        """Give every decision on retraining, oldest first."""
        return [{key: made[key] for key in ("batch", "decision", "reasons")} for made in self.requests.decisions()]

    def promotions(self) -> list[dict[str, Any]]:
        """Give the promotion log."""
        return [
            {"entry": entry.number, "from": entry.previous, "to": entry.version, "kind": str(entry.kind)}
            for entry in self.log.read()
        ]

    def champion(self) -> str:
        """Give the champion's version."""
        return str(self.log.read()[-1].version)

    def newest_report(self) -> str | None:
        """Give the id of the newest drift report."""
        found = [evidence.report for evidence in self.store.about("drift", MODEL) if evidence.report]
        return found[-1] if found else None

    def unclean_snapshots(self) -> list[str]:
        """Give the snapshots that ``main`` ever showed with a quarantined file or a forbidden row."""
        import pyarrow.compute as pc

        unclean, quarantined = [], set(self.lake.quarantined_files(FLIGHTS))
        for version in self.lake.versions(FLIGHTS):
            rows = self.lake.rows(version, columns=["flight_id", "distance", "carrier"])
            forbidden = pc.or_(pc.less(rows["distance"], 0), pc.equal(rows["carrier"], "??"))
            doubled = pc.count_distinct(rows["flight_id"]).as_py() < rows.num_rows
            if quarantined & self.lake.files(version) or doubled or pc.any(forbidden).as_py():
                unclean.append(version.snapshot)
        return unclean

    def batch(self, batch: str, table: str = "flights") -> str:
        """Say what became of the newest delivery of a batch."""
        found = [delivery for delivery in self.batches(f"nyc.{table}") if delivery["batch"] == batch][-1]
        failed = f", failed: {'; '.join(found['failed'])}" if found["failed"] else ""
        return f"{found['outcome']}, {found['rows']:,} rows{failed}"

    def model(self, version: str | None = None) -> str:
        """Say what became of a candidate, the newest when None."""
        model = next(one for one in reversed(self.models()) if version in (None, one["version"]))
        against = f" against the champion's {model['champion_auc']:.3f}" if model["champion_auc"] else ""
        reason = f" ({'; '.join(model['reasons'][:_QUOTED])})" if model["reasons"] else ""
        window = f"{model['rows']:,} rows of {model['batches'][0]} to {model['batches'][-1]}"
        outcome = f"AUC {model['auc']:.3f}{against}, {model['outcome']}{reason}"
        return f"version {model['version']}, asked by {model['asked_by']}, {window}: {outcome}"

    def scored(self, batch: str) -> str:
        """Say who scored a batch."""
        facts = self.store.about("scores", MODEL, batch)[-1].verdict.facts
        return f"{facts['rows']:,} rows by version {facts['model_version']}"

    def watched(self, batch: str) -> str:
        """Say what the monitoring found of a batch."""
        drift = self.store.about("drift", MODEL, batch)[-1].verdict
        performance = self.store.about("performance", MODEL)
        newest = f"; {performance[-1].batch} performance {performance[-1].verdict.outcome}" if performance else ""
        area = f" (AUC {performance[-1].verdict.facts['auc']:.3f})" if performance else ""
        share = next(finding for finding in drift.findings if finding.check == "share_of_drifted_columns")
        return f"drift {drift.outcome}, {share.reason}{newest}{area}"

    def decision(self) -> dict[str, Any]:
        """Give the newest decision."""
        return self.decisions()[-1]

    def promotion(self) -> str:
        """Say the newest entry of the promotion log."""
        entry = self.promotions()[-1]
        return f"entry {entry['entry']}: {entry['kind']} from version {entry['from']} to {entry['to']}"

    def _snapshot(self, table: str, delivery: dict[str, Any]) -> str:
        if delivery["outcome"] == "published":
            return str(delivery["version"]).rpartition("@")[2]
        return str(self.lake.table(table).refs()[delivery["branch"]].snapshot_id)

    def _rows(self, table: str, delivery: dict[str, Any]) -> int:
        from xops.core.dataset.versions import DataVersion

        version = DataVersion(table, self._snapshot(table, delivery))
        return int(self.lake.batches(version)[delivery["batch"]])


def reasons(verdict: Verdict) -> list[str]:
    """Give the findings that stand against a candidate; of one that has none how many it met, and what it gained."""
    if verdict.failed:
        return [str(finding) for finding in verdict.failed]
    gained = [finding for finding in verdict.findings if finding.check.endswith("_gain")] or verdict.findings[:1]
    return [f"{len(verdict.findings)} findings and none against it", *map(str, gained)]
