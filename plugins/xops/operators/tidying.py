"""The janitor: what killed trainings left in MLflow is brought to an end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from xops.operators.base import CheckOperator, Judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from xops.hooks.store.evidence import EvidenceStore


A_DAY = timedelta(days=1)


class TidyModelsOperator(CheckOperator):
    """End the runs and model directories that killed trainings left, and set aliases to what the promotion logs say.

    A run that is still running is finished when its training registered a version, else failed; of runs and versions
    that a lost answer doubled one counts. What was set right is a warning. To be run once a day; done twice, the
    second time finds nothing. What is not ours is not touched.

    :param models: registered models; every one that our operators trained when empty (templated).
    :param older_than: what began later than this before now may still be at work, and is left alone.
    :param mlflow_conn_id: connection of MLflow.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence, about ``models``.
    """

    template_fields = ("models",)

    def __init__(
        self,
        *,
        models: Sequence[str] = (),
        older_than: timedelta = A_DAY,
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.models = models
        self.older_than = older_than
        self.mlflow_conn_id = mlflow_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Find, set right, and say what was found."""
        from xops.hooks.models.tidying import tidy

        return Judged(tidy(self.models, older_than=self.older_than, conn_id=self.mlflow_conn_id), "models")
