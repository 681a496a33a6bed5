"""What is unusual about a batch, by the batches before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.operators.base import CheckOperator, Judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from xops.hooks.store.evidence import EvidenceStore


class AnomalyCheckOperator(CheckOperator):
    """Compare a batch with the published batches before it: volume, lag, nulls, values, categories. No rule is needed.

    Each figure is held against what its own history lets one expect, by weekday where the weekdays differ and batches
    are named after their dates. With all figures together, chance alone fails one batch in sixty at most. With fewer
    than 14 batches to compare with, a figure is recorded as a warning: "learning". Where a new level was published for
    7 batches it counts as one, and 7 batches later it is what a batch is held against.

    :param version: the data version, as StageDataOperator returns it (templated).
    :param columns: the columns to look at; every one when empty.
    :param time: a column of times, for the lag between its newest value and the staging; empty for none.
    :param window: how many batches to look back on, at most.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence.
    """

    template_fields = ("version",)

    def __init__(
        self,
        *,
        version: Any,
        columns: Sequence[str] = (),
        time: str = "",
        window: int = 60,
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.columns = columns
        self.time = time
        self.window = window
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Measure the batch, find the figures of those before it, compare."""
        from xops.core.anomaly.judge import judge_anomalies
        from xops.core.anomaly.surprise import LEARNING
        from xops.hooks.datasets.batch_history import BatchHistory
        from xops.hooks.datasets.store import store_of

        version = DataVersion.from_json(self.version)
        if not version.batch:
            raise Misconfigured(f"{version.name}: a version of one batch was wanted, as StageDataOperator returns it")
        if self.window < LEARNING:
            raise Misconfigured(
                f"{self.task_id}: a window of {LEARNING} batches at least was wanted, not {self.window}"
            )
        lake = store_of(version.table, iceberg_conn_id=self.iceberg_conn_id)
        batches = BatchHistory(lake, store.objects, columns=self.columns, time=self.time)
        verdict = judge_anomalies(
            batches.before(version, self.window),
            batches.of(version),
            subject=version.name,
            facts={"version": version.to_json(), "window": self.window},
        )
        return Judged(verdict, version.table, version.batch)
