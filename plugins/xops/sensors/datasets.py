"""Waiting for data: for a version, a batch or a tag, and for data that is fresh."""

from __future__ import annotations

from typing import Any

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.sensors.base import XopsSensor


class DataVersionSensor(XopsSensor):
    """Wait until readers of a dataset see a new version, a batch, or a tag is set.

    :param version: ``table`` for what readers see, or ``table@tag`` (templated).
    :param batch: wait until the version holds this batch; empty for any (templated).
    :param after: a data version: wait for another one; None for any (templated).
    :param iceberg_conn_id: connection of the catalog.
    :param deferrable: see :class:`~xops.sensors.base.XopsSensor`.
    :returns: the data version.
    """

    template_fields = ("version", "batch", "after")
    question = "version"

    def __init__(
        self,
        *,
        version: str,
        batch: str = "",
        after: Any = None,
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.batch = batch
        self.after = after
        self.iceberg_conn_id = iceberg_conn_id

    def arguments(self) -> dict[str, Any]:
        """Give the question's arguments."""
        after = DataVersion.from_json(self.after).to_json() if self.after else None
        return {
            "version": self.version,
            "batch": self.batch,
            "after": after,
            "iceberg_conn_id": self.iceberg_conn_id,
        }


class FreshnessSensor(XopsSensor):
    """Wait until what readers see of a dataset was published recently.

    :param table: the dataset (templated).
    :param within_minutes: how long ago it may have been published, counted back from now, inclusive.
    :param iceberg_conn_id: connection of the catalog.
    :param deferrable: see :class:`~xops.sensors.base.XopsSensor`.
    :returns: the data version, and ``published_at``.
    """

    template_fields = ("table",)
    question = "freshness"

    def __init__(
        self,
        *,
        table: str,
        within_minutes: float,
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.within_minutes = within_minutes
        self.iceberg_conn_id = iceberg_conn_id

    def arguments(self) -> dict[str, Any]:
        """Give the question's arguments."""
        if not self.within_minutes > 0:
            raise Misconfigured(f"within_minutes: more than 0 was wanted, found {self.within_minutes!r:.100}")
        within = self.within_minutes * 60
        return {"table": self.table, "within": within, "iceberg_conn_id": self.iceberg_conn_id}
