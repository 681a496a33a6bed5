"""Score each month of flights as soon as it is published."""

from __future__ import annotations

from airflow.sdk import dag

from flights.assets import FLIGHTS, FLIGHTS_TABLE, MODEL, RETRIES, SCORES, SCORES_TABLE
from xops.operators.scoring import ScoreBatchOperator


@dag(schedule=[FLIGHTS], tags=["xops", "serving"], max_active_runs=1, default_args=RETRIES)
def flights_scoring():
    """Give each new flight its chance of being late, by the champion."""
    ScoreBatchOperator(
        task_id="score", model=MODEL, features=FLIGHTS_TABLE, scores=SCORES_TABLE, on="flight_id", outlets=[SCORES]
    )


flights_scoring()
