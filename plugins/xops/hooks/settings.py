"""What the installation says of itself: the `[xops]` section of Airflow's configuration."""

from __future__ import annotations

import os
from pathlib import Path

_ONE_MACHINE = ("LocalExecutor", "SequentialExecutor")


def home() -> Path:
    """Give the folder where xops keeps what has no better place: ``$AIRFLOW_HOME/xops``."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "xops"


def store_url() -> str:
    """Give ``[xops] store``: where evidence, reports and the promotion log are kept; empty for the default folder."""
    from airflow.sdk import conf

    return str(conf.get("xops", "store", fallback=""))


def evidently_workspace() -> str:
    """Give ``[xops] evidently_workspace``: where drift reports are kept for Evidently's own UI; empty for nowhere."""
    from airflow.sdk import conf

    return str(conf.get("xops", "evidently_workspace", fallback=""))


def advisories() -> str:
    """Give ``[xops] advisories``: the folder or zip of known vulnerabilities; empty for none."""
    from airflow.sdk import conf

    return str(conf.get("xops", "advisories", fallback=""))


def one_machine() -> bool:
    """Tell whether every task runs on this machine, so that a local folder is seen by all of them."""
    from airflow.sdk import conf

    executors = str(conf.get("core", "executor", fallback="LocalExecutor")).split(",")
    return all(name.split(":")[-1].rsplit(".", 1)[-1].strip() in _ONE_MACHINE for name in executors)
