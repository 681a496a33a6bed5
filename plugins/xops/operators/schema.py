"""The columns of a batch, held against those of the published version and of a contract."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xops.core.contract.schema_changes import COMPATIBLE, Column, first_of_its_table, judge_schema
from xops.core.dataset.versions import DataVersion
from xops.core.dataset.writes import BATCH
from xops.core.verdict import Finding, Outcome, Verdict
from xops.operators.base import CheckOperator, Judged

if TYPE_CHECKING:
    from airflow.sdk import Context

    from xops.core.contract.odcs import Contract
    from xops.hooks.datasets.store import DatasetStore
    from xops.hooks.store.evidence import EvidenceStore


class SchemaCheckOperator(CheckOperator):
    """Compare the columns of a batch with those that readers have now, and with a contract.

    A change that breaks no reader (a new column that may be null, a wider type, another order) is a warning; one that
    does (a column that is gone, renamed, narrower, of another type, newly required or no longer so) fails. A contract
    may allow more, or less: its custom property ``schemaEvolution`` is ``none``, ``compatible`` or a list of changes.
    What a contract requires is counted in the rows, whatever the schema says of nulls.

    :param version: the data version, as StageDataOperator returns it (templated).
    :param contract: path of a contract, Open Data Contract Standard v3; empty for none (templated).
    :param dataset: the schema object of the contract; empty where it has one only (templated).
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence.
    """

    template_fields = ("version", "contract", "dataset")

    def __init__(
        self,
        *,
        version: Any,
        contract: str = "",
        dataset: str = "",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.contract = contract
        self.dataset = dataset
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Read both schemas, and the contract if there is one; compare."""
        from xops.checks.contract_file import columns_of_schema, load_contract
        from xops.hooks.datasets.store import store_of

        version = DataVersion.from_json(self.version)
        lake = store_of(version.table, iceberg_conn_id=self.iceberg_conn_id)
        contract = load_contract(self.contract, self.dataset) if self.contract else None
        allowed = contract.allowed if contract else COMPATIBLE
        batch, published = columns_of_schema(lake.schema(version), without=[BATCH]), lake.published(version.table)
        facts = {"version": version.to_json(), "published": published.name if published else None}
        if published:
            before = columns_of_schema(lake.schema(published), without=[BATCH])
            verdicts = [
                judge_schema(before, batch, subject=version.name, against="the published version", allowed=allowed,
                             facts=facts)
            ]  # fmt: skip
        else:
            verdicts = [first_of_its_table(version.name)]
        if contract:
            verdicts.append(self._against_contract(contract, batch, version, lake))
            facts |= {"contract": contract.id, "contract_version": contract.version}
        findings = tuple(finding for verdict in verdicts for finding in verdict.findings)
        return Judged(Verdict("schema", version.name, findings, facts), version.table, version.batch)

    def _against_contract(
        self, contract: Contract, batch: list[Column], version: DataVersion, lake: DatasetStore
    ) -> Verdict:
        wanted = {column.name: column.nullable for column in contract.columns}
        names = [column.name for column in batch if column.nullable and not wanted.get(column.name, True)]
        rows = lake.rows(version, columns=names, batches=[version.batch] if version.batch else None) if names else None
        filled = {name for name in names if rows is not None and not rows[name].null_count}
        # a column that always has its value keeps a promise that it may lack it
        found = [
            replace(column, nullable=wanted[column.name] if not column.nullable or column.name in filled else True)
            if column.name in wanted
            else column
            for column in batch
        ]
        against = f"contract {contract.id} {contract.version}"
        verdict = judge_schema(
            contract.columns, found, subject=version.name, against=against, allowed=contract.allowed, facts={}
        )
        untested = tuple(
            Finding("contract", place, Outcome.WARN, reason=f"{against}, {place}: not tested")
            for place in contract.outside
        )
        return replace(verdict, findings=verdict.findings + untested)
