"""A batch on its way to readers: staged, tested, and published or set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.sdk import TriggerRule

from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import BATCH, Write
from xops.core.errors import Misconfigured, Refused, bounded
from xops.core.evidence import slug
from xops.core.gate import admit
from xops.core.strict_json import dumps
from xops.operators.base import CheckOperator, Judged, XopsOperator, announce, origin_of, quality, verdicts_of
from xops.operators.quarantine import set_rows_aside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from airflow.sdk import Context

    from xops.core.contract.odcs import Contract
    from xops.core.evidence import Origin
    from xops.core.verdict import Verdict
    from xops.hooks.datasets.store import DatasetStore
    from xops.hooks.landing.sources import Address
    from xops.hooks.store.evidence import EvidenceStore


_LONGEST_BATCH = 100  # it is part of file names


class StageDataOperator(XopsOperator):
    """Land a batch on an audit branch of an Iceberg table, where nobody reads it before it is tested.

    Staging a batch again replaces what was staged or published of it; it never doubles rows. Of several deliveries of a
    batch the one that was staged last is published; of rows that ``overwrite`` or ``upsert`` puts in each other's place
    those of the later batch are, by name, in whatever order they come.

    :param source: where the rows are, in words of :func:`~xops.hooks.landing.sources.open_source` (templated): files by
        path or URL, a query or a table of a database, or a function.
    :param table: the Iceberg table, ``namespace.table``; made at the first batch (templated).
    :param batch: the batch's name, kept with each row in the column ``batch`` (templated).
    :param types: type of each column, as Arrow names it: ``int64``, ``date32``, ``decimal(10, 2)``... What CSV and
        JSON lines have in columns that are not named here is taken from their first rows, and logged (templated).
    :param contract: path of a contract, Open Data Contract Standard v3: its types are those of the columns that
        ``types`` does not name, and what it allows to change is what the batch may change (templated).
    :param dataset: the schema object of the contract; empty where it has one only (templated).
    :param file_format: ``csv``, ``jsonl`` or ``parquet``, where the files' names do not say it.
    :param mode: how the batch enters the table: ``append``; ``overwrite``, in the place of all rows of other batches
        that have its values in the columns ``by``; ``upsert``, in the place of single rows, by key. Rows that share a
        key are staged and tested, but not published.
    :param by: the partition columns of ``overwrite``, the key columns of ``upsert``. Of ``overwrite`` also the one
        partition that the batch is for, ``{"day": "{{ ds }}"}``: rows of another are refused, and a column that the
        source lacks is added (templated).
    :param evolve: whether the batch may add columns, which earlier rows then lack, and widen types. With a contract it
        is for that to say.
    :param iceberg_conn_id: connection of the catalog.
    :returns: the data version, as :class:`~xops.core.dataset.versions.DataVersion`'s JSON.
    :raises Misconfigured: when the source is missing, unreadable or empty, or does not fit its types or the table.
    """

    template_fields = ("source", "table", "batch", "types", "contract", "dataset", "by")

    def __init__(
        self,
        *,
        source: Address,
        table: str,
        batch: str,
        types: Mapping[str, str] | None = None,
        contract: str = "",
        dataset: str = "",
        file_format: str = "",
        mode: str = "append",
        by: Mapping[str, Any] | Sequence[str] | str = (),
        evolve: bool = False,
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.table = table
        self.batch = batch
        self.types = types
        self.contract = contract
        self.dataset = dataset
        self.file_format = file_format
        self.mode = mode
        self.by = by
        self.evolve = evolve
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Read the source and stage its rows."""
        from xops.hooks.datasets.store import store_of
        from xops.hooks.landing.sources import open_source

        if not isinstance(self.batch, str) or not 0 < len(self.batch) <= _LONGEST_BATCH:
            raise Misconfigured(
                f"staging {self.source}: a batch's name was wanted, a text of 1 to {_LONGEST_BATCH} characters; "
                f"found {self.batch!r:.150}"
            )
        store, contract = store_of(self.table, iceberg_conn_id=self.iceberg_conn_id), self._contract()
        write = Write.of(self.mode, self.by, evolve=self.evolve or contract is not None)
        delivery = open_source(self.source, file_format=self.file_format, types=self.types, contract=contract)
        if delivery.inferred:
            self.log.warning("types seen in the first rows, not declared: %s", delivery.described(delivery.inferred))
        if contract:
            self._refuse_changes(contract, delivery.schema, store)
        staged = store.stage(
            delivery.reader(),
            table=self.table,
            batch=self.batch,
            write=write,
            source=dumps(delivery.to_json()).decode(),
        )
        self.log.info("staged %s rows of batch %s on %s of %s", staged.rows, staged.batch, staged.branch, staged.table)
        return staged.to_json()

    def _contract(self) -> Contract | None:
        if not self.contract:
            return None
        if self.evolve:
            raise Misconfigured(f"evolve: the contract {self.contract} says what may change; leave one of them out")
        from xops.checks.contract_file import load_contract

        return load_contract(self.contract, self.dataset)

    def _refuse_changes(self, contract: Contract, schema: pa.Schema, store: DatasetStore) -> None:
        """Refuse a batch that would change the dataset's columns in a way that the contract does not allow."""
        from xops.checks.contract_file import columns_of_schema
        from xops.core.contract.schema_changes import CARRIED_OUT, refused

        published = store.published(self.table)
        if published is None:
            return
        before, after = (columns_of_schema(of, without=[BATCH]) for of in (store.schema(published), schema))
        wrong = [change for change in refused(before, after, contract.allowed) if change.change in CARRIED_OUT]
        if wrong:
            said = ", ".join(f"{change.column} {change.change} ({change.after})" for change in wrong)
            raise Misconfigured(
                f"batch {self.batch} changes {self.table}: {bounded(said)}; contract {contract.id} {contract.version} "
                f"allows {', '.join(sorted(contract.allowed)) or 'no change'}"
            )


class DataTestOperator(CheckOperator):
    """Test a data version, or a table of a database where it is, by a Great Expectations suite.

    Of a table, all that the database can decide is one SELECT, in a transaction that only reads and sees one state.

    :param version: the data version, as StageDataOperator returns it (templated).
    :param suite: path of the suite's JSON, or of a contract's YAML (templated). A suite is code that a person reviewed:
        never take it from params or XCom.
    :param iceberg_conn_id: connection of the catalog.
    :param table: instead of ``version``, a table or view as its database writes it, ``schema.table`` (templated).
    :param sql_conn_id: connection of that database.
    :param batch: a name for the evidence of this run of the table's test (templated).
    :param profile: whether the reading that tests also makes the profile, which is kept. The bins are pinned at the
        first profile, which takes up to two further readings.
    :param time_limit: seconds after which the database cancels a statement; what it was for is then unknown.
    :param fetch_rows: up to how many rows are fetched for expectations that only Great Expectations can decide; of a
        table that has more these are unknown.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence.
    """

    template_fields = ("version", "suite", "table", "batch")

    def __init__(
        self,
        *,
        suite: str,
        version: Any = None,
        iceberg_conn_id: str = "iceberg_default",
        table: str = "",
        sql_conn_id: str = "",
        batch: str = "",
        profile: bool = False,
        time_limit: float = 600,
        fetch_rows: int = 10_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.suite = suite
        self.iceberg_conn_id = iceberg_conn_id
        self.table = table
        self.sql_conn_id = sql_conn_id
        self.batch = batch
        self.profile = profile
        self.time_limit = time_limit
        self.fetch_rows = fetch_rows

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Run the suite on the rows."""
        if not self.table and not self.sql_conn_id:
            return self._judge_version(store)
        if self.version is not None or not (self.table and self.sql_conn_id):
            raise Misconfigured("either a version, or a table and its sql_conn_id were wanted")
        from xops.operators.tables_in_place import TableTest

        bounds = {"time_limit": self.time_limit, "fetch_rows": self.fetch_rows}
        test = TableTest(self.table, self.sql_conn_id, self.suite, **bounds, profile=self.profile, batch=self.batch)
        return test.judge(store)

    def _judge_version(self, store: EvidenceStore) -> Judged:
        from xops.checks.expectation_suite import read_suite, validate, validate_and_profile
        from xops.core.suite.compiler import untested
        from xops.core.suite.results import judge_expectations
        from xops.engines.duckdb_scan import DuckdbScan, profiler
        from xops.hooks.datasets.store import store_of
        from xops.hooks.store.profiles import ProfileStore

        version = DataVersion.from_json(self.version)
        suite = read_suite(self.suite)
        dataset = store_of(version.table, iceberg_conn_id=self.iceberg_conn_id)
        rows = dataset.stream(version, batches=[version.batch] if version.batch else None)
        facts = {
            "version": version.to_json(),
            "suite": suite.get("name", self.suite),
        }
        if self.profile:
            profiles, engine = ProfileStore(store.objects), DuckdbScan(rows, version=version.name)
            bins = profiles.pinned(version.table, profiler(), lambda: engine.spec(distinct=False))
            entries, profile = validate_and_profile(rows, suite, bins, version=version.name)
            facts["profile"] = profiles.keep(profile)
        else:
            entries = validate(rows, suite)
        facts["suite_digest"] = store.keep_suite(suite)  # a suite that cannot be run is not worth keeping
        verdict = judge_expectations(
            suite["expectations"],
            entries,
            columns=rows.schema.names,
            rows=rows.num_rows,
            subject=version.name,
            facts=facts,
            untested=untested(suite),
        )
        return Judged(verdict, version.table, version.batch)


OnFail = Literal["quarantine_batch", "quarantine_rows", "fail", "record"]


class PublishDataOperator(XopsOperator):
    """Move ``main`` to a staged batch that passed its tests, or set the batch aside with the reason.

    It runs as soon as its upstream tasks are done and the batch is staged, whatever the tests said. A batch that does
    not pass, or was not tested, goes to a quarantine branch with every row; then the task fails, so the run is red and
    nothing downstream reads the batch. So does an earlier delivery of a batch of which a later one was published.

    What became of every row is in the record of the batch: ``rows`` are ``published_rows``, ``superseded_rows`` that a
    later batch has the keys of, and ``quarantined_rows``.

    :param version: the staged data version (templated).
    :param verdicts: evidence of the tests, as check operators return it (templated).
    :param on_fail: what happens to a batch that does not pass. ``quarantine_batch``: it is set aside.
        ``quarantine_rows``: only the rows are that a failed expectation finds unexpected, and the others are published
        if they pass; the whole batch where it is not single rows that fail. ``fail``: it stays staged. ``record``: it
        is published all the same, provided that it was tested.
    :param iceberg_conn_id: connection of the catalog.
    :returns: the published data version; also as ``extra`` of the events of its outlets.
    """

    template_fields = ("version", "verdicts")

    def __init__(
        self,
        *,
        version: Any,
        verdicts: Sequence[Any],
        on_fail: OnFail = "quarantine_batch",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
        super().__init__(**kwargs)
        self.version = version
        self.verdicts = verdicts
        self.on_fail = on_fail
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Publish, or set aside and fail."""
        from xops.hooks.datasets.store import store_of
        from xops.hooks.store.evidence import EvidenceStore, now

        if self.on_fail not in get_args(OnFail):
            raise Misconfigured(f"on_fail: {', '.join(get_args(OnFail))} was wanted, found {self.on_fail!r:.100}")
        version, store, origin = DataVersion.from_json(self.version), EvidenceStore(), origin_of(context)
        dataset = store_of(version.table, iceberg_conn_id=self.iceberg_conn_id)
        path = f"batches/{slug(version.table)}/{slug(version.batch)}/{origin.key}.json"
        record = {"table": version.table, "batch": version.batch, "rows": version.rows, "staged": version.snapshot}
        record |= {"source": dataset.source(version), "at": now(), "failed": [], "evidence": [], "suites": []}
        staged, told = version, []
        try:
            told = judged = verdicts_of(self.verdicts)
            record |= _said(judged)
            try:
                admit([verdict for _, verdict in judged], version.name)
            except Refused:
                parted = self._admitted_all_the_same(dataset, store, version, judged, origin)
                if parted is None:
                    raise
                staged, told = parted
                record["evidence"] = list(dict.fromkeys([*record["evidence"], *(identity for identity, _ in told)]))
            published = dataset.publish(staged)
        except Refused as refusal:
            left = self._set_aside(dataset, staged, version.rows)
            store.objects.put_json(path, record | left)
            where = f"quarantined on branch {left['branch']}" if left["branch"] else "not published"
            raise Refused(
                f"batch {version.batch} of {version.table} is {where} "
                f"({version.rows} rows), main did not move: {refusal}"
            ) from refusal
        counts = _counts(published.rows, staged.rows - published.rows, version.rows - staged.rows)
        store.objects.put_json(path, record | counts | {"outcome": "published", "version": published.name})
        extra = published.to_json() | counts | quality(context, told, version.table)
        announce(context, self.outlets, extra | {"evidence": record["evidence"]})
        return published.to_json()

    def _admitted_all_the_same(
        self,
        dataset: DatasetStore,
        store: EvidenceStore,
        version: DataVersion,
        judged: Sequence[tuple[str, Verdict]],
        origin: Origin,
    ) -> tuple[DataVersion, Sequence[tuple[str, Verdict]]] | None:
        """Give what is to be published of a batch that does not pass, and what was found of that: id and verdict."""
        if not judged or any(verdict.subject != version.name for _, verdict in judged):
            return None
        if self.on_fail == "record":
            return version, judged
        parted = set_rows_aside(dataset, store, version, judged, origin) if self.on_fail == "quarantine_rows" else None
        if parted is None:
            return None
        staged, evidence = parted
        self.log.warning("%s of %s rows of %s are set aside", version.rows - staged.rows, version.rows, version.name)
        return staged, [(evidence.id, evidence.verdict)]

    def _set_aside(self, dataset: DatasetStore, staged: DataVersion, rows: int) -> dict[str, Any]:
        """Set what was refused aside, where it is wanted so; give what the record says of the batch's rows."""
        if self.on_fail == "fail":
            return {"outcome": "refused", "branch": "", **_counts(0, 0, 0)}
        return {"outcome": "quarantined", "branch": dataset.quarantine(staged), **_counts(0, 0, rows)}


def _counts(published: int, superseded: int, quarantined: int) -> dict[str, int]:
    return {"published_rows": published, "superseded_rows": superseded, "quarantined_rows": quarantined}


def _said(judged: Sequence[tuple[str, Verdict]]) -> dict[str, list[str]]:
    """Give what the record of a batch says of its verdicts."""
    verdicts = [verdict for _, verdict in judged]
    return {
        "failed": [f"{finding.check} on {finding.subject}" for verdict in verdicts for finding in verdict.failed],
        "evidence": [identity for identity, _ in judged],
        "suites": [verdict.facts["suite_digest"] for verdict in verdicts if "suite_digest" in verdict.facts],
    }
