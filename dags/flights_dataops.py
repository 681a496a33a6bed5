"""Land a month of flights, and a month later its labels: staged, tested, then published or set aside."""

from __future__ import annotations

from airflow.sdk import Param, dag

from flights.assets import FLIGHTS, FLIGHTS_TABLE, INCLUDE, LABELS, LABELS_TABLE, LANDING, RETRIES
from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator

BATCH = Param("2013-01", type="string", pattern=r"^\d{4}-\d{2}$", title="Month", description="Which month arrived")
FILE = Param("", type="string", title="File", description="Where it lies; empty for the landing folder")


@dag(
    schedule=None,
    params={"batch": BATCH, "source": FILE},
    tags=["xops", "dataops"],
    max_active_runs=1,
    default_args=RETRIES,
)
def flights_dataops():
    """Publish a month of flights when it passes its tests; set it aside when it does not."""
    staged = StageDataOperator(
        task_id="stage",
        source=f"{{{{ params.source or '{LANDING}/flights/' ~ params.batch ~ '.parquet' }}}}",
        table=FLIGHTS_TABLE,
        batch="{{ params.batch }}",
    )
    tested = DataTestOperator(task_id="test", version=staged.output, suite=f"{INCLUDE}/suites/flights.json")
    PublishDataOperator(task_id="publish", version=staged.output, verdicts=[tested.output], outlets=[FLIGHTS])


@dag(
    schedule=None,
    params={"batch": BATCH, "source": FILE},
    tags=["xops", "dataops"],
    max_active_runs=1,
    default_args=RETRIES,
)
def flights_labels():
    """Publish which flights of a month were late, once that is known."""
    staged = StageDataOperator(
        task_id="stage",
        source=f"{{{{ params.source or '{LANDING}/labels/' ~ params.batch ~ '.parquet' }}}}",
        table=LABELS_TABLE,
        batch="{{ params.batch }}",
    )
    tested = DataTestOperator(task_id="test", version=staged.output, suite=f"{INCLUDE}/suites/labels.json")
    PublishDataOperator(task_id="publish", version=staged.output, verdicts=[tested.output], outlets=[LABELS])


flights_dataops()
flights_labels()
