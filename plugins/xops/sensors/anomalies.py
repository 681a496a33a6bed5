"""Waiting for data that are as usual."""

from __future__ import annotations

from typing import Any

from xops.sensors.base import XopsSensor


class AnomalySensor(XopsSensor):
    """Wait until the newest batch that readers of a dataset see was found ordinary by its newest anomaly check.

    Only checks of the delivery that readers see count. One that was never checked is waited for like one that is
    unusual. Figures that are still being learnt do not keep it waiting.

    :param table: the dataset (templated).
    :param iceberg_conn_id: connection of the catalog.
    :param deferrable: see :class:`~xops.sensors.base.XopsSensor`.
    :returns: the data version, with the batch.
    """

    template_fields = ("table",)
    question = "ordinary"

    def __init__(self, *, table: str, iceberg_conn_id: str = "iceberg_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.iceberg_conn_id = iceberg_conn_id

    def arguments(self) -> dict[str, Any]:
        """Give the question's arguments."""
        return {"table": self.table, "iceberg_conn_id": self.iceberg_conn_id}
