"""A shop whose orders land in a dataset of one kind or another: its tasks, run one by one as Airflow runs them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors

from xops.hooks.datasets.store import store_of
from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator
from xops.operators.quarantine import ReleaseQuarantineOperator

UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}
MANY = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 3}}
KNOWN = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount"}}


class Lake:
    """A dataset of one kind, and what a test asks of it."""

    def __init__(self, table):
        self.table, self.store = table, store_of(table, iceberg_conn_id="iceberg_default")

    def published(self):
        return self.store.published(self.table)

    def quarantined(self):
        return self.store.quarantined(self.table)

    def versions(self):
        return self.store.versions(self.table)

    def rows(self, version):
        return self.store.rows(version, batches=[version.batch] if version.batch else None)


class Shop:
    """One DAG's tasks, run one by one as Airflow runs them; an XCom value is what came back of strict JSON."""

    def __init__(self, folder, table):
        self.folder, self.table = folder, table

    def execute(self, operator, run_id="run 1"):
        ti = SimpleNamespace(dag_id="shop", run_id=run_id, task_id=operator.task_id, map_index=-1, try_number=1)
        ti.xcom_push = lambda **_: None
        context = {"ti": ti, "outlet_events": OutletEventAccessors(), "params": {}}
        return json.loads(json.dumps(operator.execute(context), allow_nan=False))

    def suite(self, *expectations):
        path = self.folder / "suite.json"
        path.write_text(json.dumps({"name": "orders", "expectations": expectations}))
        return str(path)

    def stage(self, *amounts, batch="01", ids=None, **how):
        ids = ids or list(range(len(amounts)))
        table = pa.table({"id": pa.array(ids, pa.int64()), "amount": pa.array(amounts, pa.float64())})
        pq.write_table(table, self.folder / "batch.parquet")
        source = str(self.folder / "batch.parquet")
        return self.execute(StageDataOperator(task_id="stage", source=source, table=self.table, batch=batch, **how))

    def test(self, staged, *expectations, **how):
        suite = self.suite(*expectations)
        return self.execute(DataTestOperator(task_id="test", version=staged, suite=suite, gate="record", **how))

    def publish(self, staged, *tested, run_id="run 1", **how):
        publish = PublishDataOperator(task_id="publish", version=staged, verdicts=list(tested), **how)
        return self.execute(publish, run_id)

    def deliver(self, *amounts, suite=(UNIQUE, POSITIVE, KNOWN), on_fail="quarantine_rows", batch="01", **how):
        """Stage, test and publish a batch; give what was refused, if it was."""
        staged = self.stage(*amounts, batch=batch, **how)
        try:
            return self.publish(staged, self.test(staged, *suite), on_fail=on_fail)
        except AirflowFailException as refused:
            return str(refused)

    def release(self, *expectations, run_id="run 1", **how):
        suite = self.suite(*expectations)
        return self.execute(ReleaseQuarantineOperator(task_id="release", table=self.table, suite=suite, **how), run_id)
