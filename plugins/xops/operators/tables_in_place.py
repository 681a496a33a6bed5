"""Tables of a database tested where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.evidence import digest
from xops.core.suite.compiler import untested
from xops.core.suite.results import judge_expectations
from xops.operators.base import Judged

if TYPE_CHECKING:
    from xops.checks.table_suite import Tested
    from xops.engines.sql.scan import SqlScan
    from xops.hooks.store.evidence import EvidenceStore


@dataclass(frozen=True, slots=True)
class TableTest:
    """What is to be tested, and within which bounds; see :class:`~xops.operators.datasets.DataTestOperator`."""

    table: str
    sql_conn_id: str
    suite: str
    time_limit: float
    fetch_rows: int
    profile: bool
    batch: str

    def judge(self, store: EvidenceStore) -> Judged:
        """Read, test and profile by one SELECT, in one transaction that only reads."""
        from xops.checks.expectation_suite import read_suite
        from xops.checks.table_suite import validate_table
        from xops.engines.sql.scan import SqlScan
        from xops.hooks.sql.tables import SqlTablesHook
        from xops.hooks.store.profiles import ProfileStore

        if isinstance(self.fetch_rows, bool) or not isinstance(self.fetch_rows, int) or self.fetch_rows < 0:
            raise Misconfigured(f"fetch_rows: a whole number from 0 on was wanted, found {self.fetch_rows!r}")
        suite, about = read_suite(self.suite), f"{self.sql_conn_id}/{self.table}"
        with SqlTablesHook(self.sql_conn_id).session(self.time_limit) as session:
            scan = SqlScan(session, self.table, version=f"{about}@{session.snapshot}")
            profiles = ProfileStore(store.objects)
            bins = (lambda: profiles.pinned(about, scan.profiler, scan.spec)) if self.profile else None
            tested = validate_table(scan, suite, profile=bins, fetch_rows=self.fetch_rows)
        facts = {
            "version": _version(scan, tested),
            "suite": suite.get("name", self.suite),
            "profile": profiles.keep(tested.profile) if tested.profile else None,
            "not_profiled": _not_profiled(scan, tested),
        }
        verdict = judge_expectations(
            suite["expectations"],
            tested.entries,
            columns=[column.name for column in scan.columns],
            rows=tested.rows,
            subject=about,
            facts=facts,
            untested=untested(suite),
        )
        return Judged(verdict, about, self.batch)


def _version(scan: SqlScan, tested: Tested) -> dict[str, Any]:
    """Say what is known of the state that was tested, and no more: the rows themselves have no digest.

    Two tests with equal snapshots saw the same rows; two with different ones may have seen the same rows or others.
    """
    return {
        "table": scan.name,
        "snapshot": getattr(scan.session, "snapshot", "") or None,
        "rows": tested.rows,
        "columns": digest(dict(scan.types()))[:16],
    }


def _not_profiled(scan: SqlScan, tested: Tested) -> list[str]:
    """Give the columns that the table got after the bins of its profiles were pinned."""
    profiled = {column.spec.name for column in tested.profile.columns} if tested.profile else set(scan.types())
    return sorted(set(scan.types()) - profiled)
