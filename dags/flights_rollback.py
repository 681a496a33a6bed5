"""Put a former champion back, by hand."""

from __future__ import annotations

from airflow.sdk import Param, dag

from flights.assets import CHAMPION, MODEL, RETRIES
from xops.operators.promotion import RollbackModelOperator


@dag(
    schedule=None,
    params={
        "to": Param("previous", type="string", title="Version", description="`previous`, or a version's number"),
        "reason": Param("", type="string", pattern=r"\S", title="Reason", description="Kept in the promotion log"),
        "force": Param(False, type="boolean", title="Force", description="Even if today's data do not fit the version"),
    },
    tags=["xops", "serving"],
    max_active_runs=1,
    default_args=RETRIES,
)
def flights_rollback():
    """Make the previous champion, or one named, the champion again."""
    RollbackModelOperator(
        task_id="rollback",
        model=MODEL,
        to="{{ params.to }}",
        reason="{{ params.reason }}",
        force="{{ params.force }}",
        outlets=[CHAMPION],
    )


flights_rollback()
