"""A dataset shown again as readers saw it before, on record: who asked for it, why, and what was set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.dataset.versions import table_named
from xops.core.errors import Misconfigured
from xops.core.evidence import slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xops.core.dataset.versions import DataVersion


def roll_back(
    version: str | Mapping[str, Any] | DataVersion, *, key: str, by: str, reason: str, iceberg_conn_id: str
) -> dict[str, Any]:
    """Let readers see an earlier version again, and keep a record of it in the store.

    The record is written before and after: killed in between and asked again with the same key, it is finished.

    :param version: it, or its name: ``table@snapshot``, ``table@tag``, ``table@moment``.
    :param key: names the record.
    :param by: who asks.
    :param reason: why, for a person.
    :returns: the record: ``table``, ``before`` and ``version`` by name, ``by``, ``reason``, ``at``, ``done``.
    :raises Misconfigured: without a reason, or when readers cannot go back to that version.
    """
    from xops.hooks.datasets.store import store_of
    from xops.hooks.datasets.versions import versions_of
    from xops.hooks.store.evidence import now
    from xops.hooks.store.objects import Objects

    if not isinstance(reason, str) or not reason.strip():
        raise Misconfigured(f"a rollback: a reason was wanted, which is kept in its record; found {reason!r:.80}")
    table = table_named(version)
    lake = store_of(table, iceberg_conn_id=iceberg_conn_id)
    to, before = versions_of(table, iceberg_conn_id=iceberg_conn_id).find(version), lake.published(table)
    objects, path = Objects.configured(), f"rollbacks/{slug(table)}/{key}.json"
    record = objects.get_json(path)
    if record is None or record["done"]:
        names = {"table": table, "before": before.name if before else "", "version": to.name}
        record = names | {"by": by, "reason": reason, "at": now(), "done": False}
        objects.put_json(path, record)
    lake.roll_back(to)
    objects.put_json(path, record | {"done": True})
    return record | {"done": True}
