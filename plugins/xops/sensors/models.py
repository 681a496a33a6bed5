"""Waiting for a model: for a new champion, or for an alias to be set."""

from __future__ import annotations

from typing import Any

from xops.sensors.base import XopsSensor


class ModelAliasSensor(XopsSensor):
    """Wait until an alias of a registered model names a version, or another one than before.

    ``champion`` and ``previous`` are what the promotion log says, whatever MLflow shows; other aliases are MLflow's.

    :param model: the registered model (templated).
    :param alias: the alias (templated).
    :param after: a version: wait for another one; empty for any (templated).
    :param mlflow_conn_id: connection of MLflow.
    :param deferrable: see :class:`~xops.sensors.base.XopsSensor`.
    :returns: ``{"model", "alias", "version"}``.
    """

    template_fields = ("model", "alias", "after")
    question = "alias"

    def __init__(
        self,
        *,
        model: str,
        alias: str = "champion",
        after: str = "",
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.alias = alias
        self.after = after
        self.mlflow_conn_id = mlflow_conn_id

    def arguments(self) -> dict[str, Any]:
        """Give the question's arguments."""
        return {
            "model": self.model,
            "alias": self.alias,
            "after": str(self.after),
            "mlflow_conn_id": self.mlflow_conn_id,
        }
