"""The tables, the model and the assets of the flights example."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import Asset

MODEL = "flights_delay"
PRODUCTION_MODEL = "flights_delay_production"
REVIEWED_MODEL = "flights_delay_reviewed"
SWEPT_MODEL = "flights_delay_swept"
FLIGHTS_TABLE = "nyc.flights"
LABELS_TABLE = "nyc.labels"
SCORES_TABLE = "nyc.scores"

FLIGHTS = Asset(name="flights", uri="x-iceberg://nyc/flights")
LABELS = Asset(name="flight_labels", uri="x-iceberg://nyc/labels")
SCORES = Asset(name="flight_scores", uri="x-iceberg://nyc/scores")
CHAMPION = Asset(name="flights_delay_champion", uri="x-mlflow://flights_delay/champion")
PRODUCTION_CHAMPION = Asset(
    name="flights_delay_production_champion", uri="x-mlflow://flights_delay_production/champion"
)
REVIEWED_CHAMPION = Asset(name="flights_delay_reviewed_champion", uri="x-mlflow://flights_delay_reviewed/champion")
SWEPT_CHAMPION = Asset(name="flights_delay_swept_champion", uri="x-mlflow://flights_delay_swept/champion")
RETRAIN = Asset(name="flights_delay_retrain", uri="x-xops://flights_delay/retrain")

RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=10)}  # for services that are down; mistakes are not retried
INCLUDE = Path(os.environ.get("XOPS_INCLUDE", Path(__file__).parents[2] / "include"))
LANDING = os.environ.get("XOPS_LANDING", str(INCLUDE / "data"))
