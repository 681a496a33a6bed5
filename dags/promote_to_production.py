"""Carry the champion from the registry where models are made into the one where they are used."""

from __future__ import annotations

from airflow.sdk import dag

from flights.assets import CHAMPION, MODEL, PRODUCTION_CHAMPION, PRODUCTION_MODEL, RETRIES
from xops.operators.copies import CopyModelOperator
from xops.operators.promotion import PromoteModelOperator


@dag(schedule=[CHAMPION], max_active_runs=1, default_args=RETRIES, tags=["xops", "serving"])
def promote_to_production():
    """Copy each new champion byte for byte, with its evidence, and promote the copy."""
    copied = CopyModelOperator(
        task_id="copy",
        model=MODEL,
        to_model=PRODUCTION_MODEL,
        from_mlflow_conn_id="mlflow_default",
        mlflow_conn_id="mlflow_production",
    )
    PromoteModelOperator(
        task_id="promote",
        candidate=copied.output["candidate"],
        verdicts=[copied.output],
        reason="champion where it was made",
        mlflow_conn_id="mlflow_production",
        outlets=[PRODUCTION_CHAMPION],
    )


promote_to_production()
