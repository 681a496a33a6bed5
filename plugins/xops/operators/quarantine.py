"""Rows in quarantine: set aside one by one, tested again by today's suite, and published when they pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Refused, bounded
from xops.core.evidence import Origin, slug
from xops.operators.base import XopsOperator, announce, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from xops.core.evidence import Evidence
    from xops.core.verdict import Verdict
    from xops.hooks.datasets.store import DatasetStore
    from xops.hooks.store.evidence import EvidenceStore


class ReleaseQuarantineOperator(XopsOperator):
    """Test what is in quarantine by today's suite, and publish the rows that pass; the others stay there.

    Rows that were set aside alone are tested together with the rest of their batch, which was published without them.
    Rows of a delivery that a later one has replaced stay, unless they are to take its place. Skipped while nothing is
    in quarantine; it fails when no row passes. Killed in the middle and started again, it releases each row once.

    :param table: the dataset (templated).
    :param suite: path of the suite's JSON (templated), as of DataTestOperator.
    :param batch: only what is set aside of this batch; empty for every batch (templated).
    :param in_place_of_later: whether what is released takes the place of a later delivery of the batch that was
        published, as if it were delivered now. Of one batch, which has to be named.
    :param iceberg_conn_id: connection of the catalog.
    :returns: ``released_rows`` and ``kept_rows``, and in ``releases`` what became of each batch set aside.
    """

    template_fields = ("table", "suite", "batch")

    def __init__(
        self,
        *,
        table: str,
        suite: str,
        batch: str = "",
        in_place_of_later: bool = False,
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.suite = suite
        self.batch = batch
        self.in_place_of_later = in_place_of_later
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Release what passes of each batch set aside."""
        from xops.checks.expectation_suite import read_suite
        from xops.hooks.datasets.store import store_of
        from xops.hooks.store.evidence import EvidenceStore

        if self.in_place_of_later and not self.batch:
            raise Misconfigured("in_place_of_later: the batch was wanted that is to take the place of a later delivery")
        suite, store, origin = read_suite(self.suite), EvidenceStore(), origin_of(context)
        dataset = store_of(self.table, iceberg_conn_id=self.iceberg_conn_id)
        path = f"releases/{slug(self.table)}/{origin.key}.json"
        work = _Releases(dataset, store, path, in_place_of_later=self.in_place_of_later)
        waiting = [version for version in dataset.quarantined(self.table) if self.batch in ("", version.batch)]
        work.finish(but=waiting)
        for version in waiting:
            work.release(version, suite, origin)
        if not work.done:
            raise AirflowSkipException(f"nothing of {self.table} {self.batch} is in quarantine".replace("  ", " "))
        counts = {side: sum(one[side] for one in work.done.values()) for side in ("released_rows", "kept_rows")}
        if not counts["released_rows"]:
            raise Refused(f"{self.table}: no row in quarantine passes: {bounded('; '.join(work.reasons()))}")
        announce(context, self.outlets, {**dataset.published(self.table).to_json(), **counts})  # type: ignore[union-attr]
        return {"table": self.table, **counts, "releases": list(work.done.values())}


class _Releases:
    """The releases of one task, each written down before it is done and again after it.

    :param path: where they are written down.
    :param in_place_of_later: see :meth:`~xops.hooks.datasets.store.DatasetStore.release`.
    """

    def __init__(self, dataset: DatasetStore, store: EvidenceStore, path: str, *, in_place_of_later: bool) -> None:
        self.dataset = dataset
        self.store = store
        self.path = path
        self.in_place_of_later = in_place_of_later
        self.done: dict[str, dict[str, Any]] = store.objects.get_json(path) or {}

    def finish(self, *, but: Sequence[DataVersion]) -> None:
        """Note the outcome of what an earlier attempt released and could not write down."""
        import pyarrow as pa

        names = [version.name for version in but]
        for name, entry in self.done.items():
            if name not in names and entry["released_rows"] and not entry["version"]:
                version = DataVersion.from_json(entry["quarantined"])
                published = self.dataset.release(version, passing=pa.table({}), failing=pa.table({}))
                self._note(name, {**entry, "version": published.name if published else ""})

    def release(self, version: DataVersion, suite: Mapping[str, Any], origin: Origin) -> None:
        """Test one batch set aside, and publish its rows that pass."""
        import pyarrow.compute as pc

        from xops.checks.passing_rows import divide
        from xops.engines.streams import chosen, together
        from xops.hooks.store.evidence import now

        rows, beside = self.dataset.stream(version, batches=[version.batch]), self.dataset.beside(version)
        division = divide(rows if beside is None else together(rows, beside), [suite], subject=version.name)
        released, failing = chosen(rows, division.passing), chosen(rows, pc.invert(division.passing))
        facts = {**division.verdict.facts, "suite_digest": self.store.keep_suite(suite)}
        verdict = replace(division.verdict, facts=facts)
        evidence = self.store.record(verdict, origin=origin, about=version.table, batch=version.batch)
        entry = {
            "batch": version.batch,
            "branch": version.branch,
            "quarantined": version.to_json(),
            "rows": rows.num_rows,
            "released_rows": released.num_rows,
            "kept_rows": failing.num_rows,
            "source": self.dataset.source(version),
            "evidence": evidence.id,
            "reason": "" if released.num_rows else str(verdict),
            "version": "",
            "at": now(),
        }
        self._note(version.name, entry)
        if not released.num_rows:
            return
        try:
            later = self.in_place_of_later
            published = self.dataset.release(version, passing=released, failing=failing, in_place_of_later=later)
        except Refused as refusal:
            entry |= {"released_rows": 0, "kept_rows": rows.num_rows, "reason": str(refusal)}
        else:
            entry |= {"version": published.name if published else ""}
        self._note(version.name, entry)

    def reasons(self) -> list[str]:
        """Give the reasons why nothing was released."""
        return [entry["reason"] for entry in self.done.values() if entry["reason"]]

    def _note(self, name: str, entry: dict[str, Any]) -> None:
        self.done = {**self.done, name: entry}
        self.store.objects.put_json(self.path, self.done)


def set_rows_aside(
    dataset: DatasetStore,
    store: EvidenceStore,
    version: DataVersion,
    judged: Sequence[tuple[str, Verdict]],
    origin: Origin,
) -> tuple[DataVersion, Evidence] | None:
    """Set the rows of a staged batch aside that fail its suites.

    :param judged: id and verdict of each check of the version.
    :returns: the staged version of the others, and the evidence that they pass; None when the batch can only be set
        aside as a whole.
    """
    import pyarrow.compute as pc

    from xops.checks.passing_rows import divide
    from xops.engines.streams import chosen

    verdicts = [verdict for _, verdict in judged if verdict.subject == version.name]
    suites = [verdict.facts.get("suite_digest") for verdict in verdicts if verdict.check == "data_test"]
    others = [verdict for verdict in verdicts if verdict.check != "data_test" and not verdict.outcome.passes]
    if len(verdicts) < len(judged) or others or not suites or None in suites:
        return None
    rows = dataset.stream(version, batches=[version.batch])
    division = divide(rows, [store.suite(str(suite)) for suite in suites], subject=version.name)
    if division.rest is None or division.rest is division.verdict:
        return None
    failing = chosen(rows, pc.invert(division.passing))
    staged = dataset.split(version, passing=chosen(rows, division.passing), failing=failing)
    verdict = replace(division.rest, subject=staged.name)
    return staged, store.record(verdict, origin=origin, about=version.table, batch=version.batch)
