"""What sensors wait for: each question asks the services once and gives what it found, or None for not yet."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

from xops.core.dataset.version_names import VersionName
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

_ONE_AT_A_TIME = threading.Lock()  # MLflow's client takes its address and credentials from the process's environment
_PATIENCE = 8.0


def version_there(*, version: str, batch: str, after: Any, iceberg_conn_id: str) -> dict[str, Any] | None:
    """Give a version as soon as there is one of this name, it holds the batch, and it is another than ``after``.

    :param version: ``table`` for what readers see, ``table@tag``.
    :param batch: empty for any.
    :param after: a data version; None for any.
    """
    from xops.hooks.datasets.versions import versions_of

    name, versions = VersionName.read(version), versions_of(version, iceberg_conn_id=iceberg_conn_id)
    if versions.lake.published(name.table) is None or (name.tag and name.tag not in versions.tags(name.table)):
        return None
    found = versions.find(version)
    known = after is not None and DataVersion.from_json(after).snapshot == found.snapshot
    if known or (batch and batch not in versions.lake.deliveries(found)):
        return None
    return found.to_json()


def fresh_data(*, table: str, within: float, iceberg_conn_id: str) -> dict[str, Any] | None:
    """Give what readers see as soon as it was published within so many seconds of now, inclusive."""
    from xops.hooks.datasets.versions import versions_of

    versions = versions_of(table, iceberg_conn_id=iceberg_conn_id)
    published = versions.lake.published(table)
    if published is None:
        return None
    moment = versions.shown_since(published)
    age = (dt.datetime.now(dt.UTC) - moment).total_seconds()
    return published.to_json() | {"published_at": moment.isoformat()} if age <= within else None


def ordinary_data(*, table: str, iceberg_conn_id: str) -> dict[str, Any] | None:
    """Give what readers see as soon as the newest check of what they see of the newest batch found nothing unusual."""
    from xops.hooks.datasets.store import store_of
    from xops.hooks.store.evidence import EvidenceStore

    lake = store_of(table, iceberg_conn_id=iceberg_conn_id)
    published = lake.published(table)
    batch = max(lake.deliveries(published), default="") if published else ""
    if published is None or not batch:
        return None
    mine = {f"{table}@{snapshot}" for snapshot in (published.snapshot, *lake.staged_as(published, batch))}
    checks = [one for one in EvidenceStore().about("anomaly", table, batch) if one.verdict.subject in mine]
    ordinary = bool(checks) and checks[-1].verdict.outcome.passes
    return published.to_json() | {"batch": batch} if ordinary else None


def alias_set(*, model: str, alias: str, after: str, mlflow_conn_id: str) -> dict[str, Any] | None:
    """Give the model version of an alias as soon as there is one other than ``after``.

    The champion and the one before it are what the promotion log says; MLflow is asked for every other alias.

    :param after: a version; empty for none.
    """
    from xops.core.model.promotion import champion, previous_champion
    from xops.hooks.models.promotion_log import PromotionLog

    if alias in ("champion", "previous"):
        log = PromotionLog(model).read()
        version = champion(log) if alias == "champion" else previous_champion(log) if log else None
    else:
        version = mlflow_alias(model, alias, mlflow_conn_id)
    return None if version in (None, after) else {"model": model, "alias": alias, "version": version}


def mlflow_alias(model: str, alias: str, mlflow_conn_id: str) -> str | None:
    """Give the version that MLflow has for an alias, or None while there is none; one caller of a process at a time."""
    from xops.hooks.models.registry import MlflowHook

    if not _ONE_AT_A_TIME.acquire(timeout=_PATIENCE):
        raise Unavailable(f"MLflow ({mlflow_conn_id}): an earlier question is not answered yet")
    try:
        return MlflowHook(mlflow_conn_id).alias(model, alias)
    finally:
        _ONE_AT_A_TIME.release()


QUESTIONS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "version": version_there,
    "freshness": fresh_data,
    "ordinary": ordinary_data,
    "alias": alias_set,
}


def question(name: str) -> Callable[..., dict[str, Any] | None]:
    """Give the question of a name.

    :raises Misconfigured: when there is none.
    """
    if name not in QUESTIONS:
        raise Misconfigured(f"question {name!r:.100}: one of {', '.join(QUESTIONS)} was wanted")
    return QUESTIONS[name]
