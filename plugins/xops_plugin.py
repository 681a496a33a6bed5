"""The only file that Airflow executes of this bundle: thin, because every daemon and every task does."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class XopsPlugin(AirflowPlugin):
    """What the bundle adds to Airflow beyond operators and hooks: its reports, served behind Airflow's login."""

    name = "xops"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The report server. A property, so that only the api-server imports it."""
        from xops.ui.reports import app

        return [{"app": app, "url_prefix": "/xops", "name": "xops reports"}]
