"""Datasets described once, so that whatever is asked of them later needs no row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.strict_json import plain
from xops.operators.base import XopsOperator, champion_or_skip

if TYPE_CHECKING:
    from airflow.sdk import Context


class ProfileOperator(XopsOperator):
    """Profile batches of a table by one scan each, and keep the profiles; one that is there is not made again.

    A drift check over windows of the table then reads no row.

    :param table: Iceberg table.
    :param version: a batch's name, a list of them, a window such as ``window("30 days")``, a data version or its name,
        such as ``nyc.flights@closed``; the newest published batch when empty (templated).
    :param model: count by the bins of what this model's champion learned from, as its drift check does. When empty, by
        the table's own, as checks without a model do.
    :param raw_values: whether the figures may hold the least and the greatest value of each column.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: the profile's digest, the version, batches and rows, and the figures of each column.
    """

    template_fields = ("version",)

    def __init__(
        self,
        *,
        table: str,
        version: Any = None,
        model: str = "",
        raw_values: bool = False,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.version = version
        self.model = model
        self.raw_values = raw_values
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Profile what is not profiled yet."""
        from xops.core.profile.merging import figures
        from xops.hooks.drift_sides import side_of, trained_on
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.models.champions import training_record
        from xops.hooks.store.objects import Objects
        from xops.hooks.store.profiles import ProfileStore

        lake, profiles = IcebergHook(self.iceberg_conn_id), ProfileStore(Objects.configured())
        side = side_of(lake, self.table, self.version)
        if self.model:
            record = training_record(self.model, champion_or_skip(self.model), conn_id=self.mlflow_conn_id)
            spec = profiles.of(lake, trained_on(record), record.columns).spec
        else:
            spec = profiles.bins(lake, side)
        profile = profiles.merged(lake, side, spec)
        self.log.info("profile %s of %s: %s rows", profile.digest, f"{side.version.name}/{side.span}", profile.rows)
        return {
            "profile": profile.digest,
            "version": side.version.to_json(),
            "batches": list(side.batches),
            "rows": profile.rows,
            "columns": plain(figures(profile, raw_values=self.raw_values)),
        }
