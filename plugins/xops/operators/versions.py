"""Versions of a dataset: tagged, compared, gone back to, and let go of when nobody needs them any more."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from xops.core.dataset.versions import table_named
from xops.core.errors import Misconfigured
from xops.operators.base import XopsOperator, announce, origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class TagVersionOperator(XopsOperator):
    """Give a version of a dataset a name that never moves, and that keeps it from expiring.

    An SQL table keeps its newest version only, so none of it can be tagged. Setting the same tag again changes nothing.

    :param version: a data version, or its name: ``table``, ``table@snapshot``, ``table@moment`` (templated).
    :param tag: a letter, then at most 79 letters, digits, dots, dashes and underscores (templated).
    :param iceberg_conn_id: connection of the catalog.
    :returns: the data version.
    :raises Misconfigured: when the tag names another version already.
    """

    template_fields = ("version", "tag")

    def __init__(self, *, version: Any, tag: str, iceberg_conn_id: str = "iceberg_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.tag = tag
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Find the version and tag it."""
        from xops.hooks.datasets.versions import versions_of

        versions = versions_of(table_named(self.version), iceberg_conn_id=self.iceberg_conn_id)
        tagged = versions.tag(versions.find(self.version), self.tag)
        self.log.info("tag %s names %s", self.tag, tagged.name)
        return tagged.to_json()


class DiffVersionsOperator(XopsOperator):
    """Compare two versions of a dataset: rows added, removed and changed, the schema, and the profiles.

    Of an SQL table that is a batch that is staged or in quarantine, and what readers see of that batch; so is it of a
    Parquet prefix, when one side is no version that readers have seen.

    :param before: the earlier data version, or its name: ``table@tag``, ``table@snapshot``, ``table@moment``
        (templated).
    :param after: the later one; ``table`` for what readers see (templated).
    :param key: columns that identify a row.
    :param profile: whether to compare the columns' profiles too, which reads every row of both versions.
    :param iceberg_conn_id: connection of the catalog.
    :returns: the difference, as :class:`~xops.core.dataset.diff.VersionDiff`'s JSON: counts, no values.
    """

    template_fields = ("before", "after")

    def __init__(
        self,
        *,
        before: Any,
        after: Any,
        key: Sequence[str],
        profile: bool = False,
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.before = before
        self.after = after
        self.key = key
        self.profile = profile
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Find both versions and compare them."""
        from xops.hooks.datasets.versions import versions_of
        from xops.hooks.store.objects import Objects
        from xops.hooks.store.profiles import ProfileStore

        versions = versions_of(table_named(self.after), iceberg_conn_id=self.iceberg_conn_id)
        found = versions.diff(
            versions.find(self.before),
            versions.find(self.after),
            key=self.key,
            profiles=ProfileStore(Objects.configured()) if self.profile else None,
        )
        self.log.info("%s", found)
        return found.to_json()


class RollbackDatasetOperator(XopsOperator):
    """Let readers see an earlier version of a dataset again, in one atomic step.

    What was published since goes to quarantine, row by row, from where ReleaseQuarantineOperator publishes it again;
    rows that it had taken the place of are back. An SQL table keeps its newest version only, and is refused.

    :param version: a data version that readers saw, or its name: ``table@snapshot``, ``table@tag``, ``table@moment``
        (templated).
    :param reason: why, for a person; required, and kept in the record of the rollback (templated).
    :param iceberg_conn_id: connection of the catalog.
    :returns: the record; the version that readers see is also the ``extra`` of the events of its outlets.
    :raises Misconfigured: when what readers see does not stand on the version.
    """

    template_fields = ("version", "reason")

    def __init__(self, *, version: Any, reason: str, iceberg_conn_id: str = "iceberg_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.reason = reason
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Go back, and tell who waits for the dataset."""
        from xops.hooks.datasets.rollbacks import roll_back
        from xops.hooks.datasets.versions import versions_of

        origin = origin_of(context)
        by = f"{origin.dag_id}/{origin.run_id}/{origin.task_id}"
        done = roll_back(self.version, key=origin.key, by=by, reason=self.reason, iceberg_conn_id=self.iceberg_conn_id)
        self.log.info("%s: readers see %s again, they saw %s", done["table"], done["version"], done["before"])
        shown = versions_of(done["table"], iceberg_conn_id=self.iceberg_conn_id).find(done["version"])
        announce(context, self.outlets, shown.to_json())
        return done


class ExpireVersionsOperator(XopsOperator):
    """Let go of the versions of a dataset that nobody needs, and after a grace period of their files.

    A version stays while a branch or a tag shows it, a registered model was trained on it, recent evidence names it,
    or readers saw it recently. When MLflow cannot be asked, nothing goes.

    Of an SQL table deliveries go that wait, or were divided, and were overtaken by a later one of their batch.

    :param table: the dataset (templated).
    :param older_than_days: a version stays for so long after readers saw the last of it, in any case.
    :param evidence_days: versions that evidence of so many days names stay.
    :param grace_days: a data file without a version stays for so long; longer than any task stages or reads. The days
        count from the run that first found it so.
    :param dry_run: only tell what would go (templated).
    :param mlflow_conn_ids: connections of every MLflow whose models were trained on the table.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``{"table", "expired", "kept", "files", "waiting", "dry_run"}``; ``kept`` has the reasons by snapshot.
    """

    template_fields = ("table", "dry_run")

    def __init__(
        self,
        *,
        table: str,
        older_than_days: float = 30,
        evidence_days: float = 90,
        grace_days: float = 3,
        dry_run: Any = False,
        mlflow_conn_ids: Sequence[str] = ("mlflow_default",),
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.older_than_days = older_than_days
        self.evidence_days = evidence_days
        self.grace_days = grace_days
        self.dry_run = dry_run
        self.mlflow_conn_ids = mlflow_conn_ids
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Ask everybody who may need a version, then remove what nobody does."""
        from xops.hooks.datasets.expiry import VersionExpiry, expirable
        from xops.hooks.models.registry import MlflowHook
        from xops.hooks.store.objects import Objects

        ages = (self.older_than_days, self.evidence_days, self.grace_days)
        if min(ages) < 0:
            raise Misconfigured(f"expiry of {self.table}: days of 0 or more were wanted, found {ages}")
        if str(self.dry_run) not in ("True", "False"):
            raise Misconfigured(
                f"expiry of {self.table}: dry_run true or false was wanted, found {self.dry_run!r:.100}"
            )
        older_than, evidence_of, grace = (dt.timedelta(days=days) for days in ages)
        kind = expirable(self.table, iceberg_conn_id=self.iceberg_conn_id)
        registries = [MlflowHook(conn_id) for conn_id in self.mlflow_conn_ids]
        done = VersionExpiry(kind, registries, Objects.configured()).expire(
            self.table, older_than=older_than, evidence_of=evidence_of, grace=grace, dry_run=str(self.dry_run) == "True"
        )
        for snapshot, reasons in done.plan.kept.items():
            self.log.info("kept %s@%s: %s", self.table, snapshot, "; ".join(reasons))
        self.log.info(
            "%s: %s versions %s, %s kept; %s files without a version removed, %s wait",
            self.table, len(done.plan.expired), "would go" if done.dry_run else "gone", len(done.plan.kept),
            len(done.files), done.waiting,
        )  # fmt: skip
        return done.to_json()
