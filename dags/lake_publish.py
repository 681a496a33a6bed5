"""A month of flights from a bucket into the lake: its good rows are published, the others wait until they pass."""

from __future__ import annotations

import os

from airflow.sdk import Asset, Param, dag

from flights.assets import INCLUDE, RETRIES
from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator
from xops.operators.quarantine import ReleaseQuarantineOperator

LANDING = os.environ.get("XOPS_LAKE_LANDING", "s3://aws_landing@landing")
TABLE = "lake.flights"
LAKE = Asset(name="lake_flights", uri="x-iceberg://lake/flights")
SUITE = f"{INCLUDE}/suites/flights.json"
BATCH = Param("2013-01", type="string", pattern=r"^\d{4}-\d{2}$", title="Month", description="Which month it is")


@dag(schedule=None, params={"batch": BATCH}, tags=["xops", "dataops"], max_active_runs=1, default_args=RETRIES)
def lake_publish():
    """Publish the flights of a month that pass their tests, and set the others aside, row by row."""
    staged = StageDataOperator(
        task_id="stage",
        source=f"{LANDING}/flights/{{{{ params.batch }}}}.parquet",
        types={"flight_id": "int64", "day": "date32", "distance": "int32"},
        table=TABLE,
        batch="{{ params.batch }}",
    )
    tested = DataTestOperator(task_id="test", version=staged.output, suite=SUITE, gate="record")
    PublishDataOperator(
        task_id="publish",
        version=staged.output,
        verdicts=[tested.output],
        on_fail="quarantine_rows",
        outlets=[LAKE],
    )


@dag(schedule=None, params={"batch": BATCH}, tags=["xops", "dataops"], max_active_runs=1, default_args=RETRIES)
def lake_release():
    """Publish the flights of a month that were set aside and pass today's suite."""
    ReleaseQuarantineOperator(task_id="release", table=TABLE, suite=SUITE, batch="{{ params.batch }}", outlets=[LAKE])


lake_publish()
lake_release()
