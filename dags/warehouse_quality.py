"""A month of flights and labels in a warehouse: tested where it is, and announced when all of it is as it should be."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Param, dag, task

from flights.assets import INCLUDE, RETRIES
from xops.operators.datasets import DataTestOperator

WAREHOUSE = Asset(name="warehouse_flights", uri="x-warehouse://nyc/flights")
MONTH = Param("2013-01", type="string", pattern=r"^\d{4}-\d{2}$", title="Month", description="Which month it holds")


@dag(schedule=None, params={"month": MONTH}, tags=["xops", "dataops"], max_active_runs=1, default_args=RETRIES)
def warehouse_quality():
    """Test and profile the tables of the connection `warehouse` by one SELECT each, and tell readers when both pass."""
    tests = [
        DataTestOperator(
            task_id=f"test_{table}",
            table=f"nyc.{table}",
            sql_conn_id="warehouse",
            suite=f"{INCLUDE}/suites/{table}.json",
            batch="{{ params.month }}",
            profile=True,
            time_limit=300,
        )
        for table in ("flights", "labels")
    ]

    @task(outlets=[WAREHOUSE])
    def announce(evidence: list[Any], *, outlet_events: Any) -> None:
        outlet_events[WAREHOUSE].extra = {"evidence": [one["id"] for one in evidence]}

    announce([test.output for test in tests])


warehouse_quality()
