"""A model version carries the profile of the rows that it learned from, and drift is held against that alone."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.core.gate import Rule
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.champions import training_profile, training_record
from xops.hooks.models.promotions import Asker, Promotions
from xops.hooks.models.registry import MlflowHook
from xops.hooks.models.versions import MANIFEST
from xops.operators.drift import DriftCheckOperator
from xops.operators.training import TrainModelOperator

pytestmark = pytest.mark.integration

TABLE, COLUMNS = "nyc.flights", ["distance", "seats", "origin"]
ROWS = 2000


def flights(shift=0.0, first=0):
    chance = np.random.default_rng(first)
    distance = chance.normal(shift, 1, ROWS)
    return pa.table(
        {
            "id": np.arange(first, first + ROWS),
            "day": [f"day {number % 20}" for number in range(ROWS)],
            "distance": distance,
            "seats": pa.array(chance.integers(50, 300, ROWS), mask=chance.random(ROWS) < 0.1),
            "origin": chance.choice(["JFK", "EWR"], ROWS),
            "late": distance > 0,
        }
    )


def fit(frame, params):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(
        frame[COLUMNS].fillna(0), frame["late"]
    )


@pytest.fixture
def lake():
    hook = IcebergHook()
    hook.publish(hook.stage(flights(), table=TABLE, batch="2013-01"))
    return hook


@pytest.fixture
def champion(mlflow, lake):
    """Give a model that was trained by a person's run of a bundle's version, and promoted."""
    model = f"model {uuid.uuid4().hex}"
    bundle = SimpleNamespace(name="main", version="4a1b2c3")
    ti = SimpleNamespace(
        dag_id="d", run_id="run 1", task_id="train", map_index=-1, try_number=1, bundle_instance=bundle
    )
    task = TrainModelOperator(
        task_id="train", model=model, train=fit, features=TABLE, on="id", target="late", columns=COLUMNS,
        holdout={"by": "day", "share": 0.3}, requirements=["scikit-learn"],
    )  # fmt: skip
    dag_run = SimpleNamespace(run_type="manual", triggering_user_name="anna")
    version = task.execute({"ti": ti, "dag_run": dag_run})["version"]
    promotions = Promotions(model)
    facts = {"champion": None, "manifest": promotions.hook.version(model, version).tags[MANIFEST]}
    verdict = Verdict("evaluation", f"models:/{model}/1", (Finding("auc", "m", Outcome.PASS, 0.8, 0.7),), facts)
    promotions.promote(version, [("evidence", verdict)], Asker("key", 1, "a test"), reason="", rule=Rule())
    return model


def check(**given):
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="drift", map_index=-1, xcom_push=lambda **_: None)
    return DriftCheckOperator(task_id="drift", features=TABLE, **given).execute({"ti": ti})["verdict"]


def test_the_profile_is_that_of_the_rows_it_was_given(champion):
    record = training_record(champion, "1", conn_id="mlflow_default")
    profile = training_profile(champion, "1", conn_id="mlflow_default")
    assert profile.rows == record.rows < ROWS
    table = flights().to_pandas()
    learned = table[~record.holdout.mask(table["day"].to_numpy())]
    distance, seats, origin = (profile.column(name) for name in COLUMNS)
    assert distance.mean == pytest.approx(learned["distance"].mean())
    assert (seats.spec.type, seats.nulls) == ("BIGINT", learned["seats"].isna().sum())
    assert origin.nulls == 0


def test_drift_reads_no_row_that_the_champion_learned_from(champion, lake, reads):
    lake.publish(lake.stage(flights(2.0, first=ROWS), table=TABLE, batch="2013-02"))
    verdict = check(model=champion)
    assert reads == [("2013-02",)]
    outcomes = {finding["subject"].rsplit("/")[-1]: finding["outcome"] for finding in verdict["findings"]}
    assert outcomes["distance"] == "warn"
    assert outcomes["origin"] == "pass"
    assert check(reference=f"models:/{champion}@champion")["findings"] == verdict["findings"]
    assert reads == [("2013-02",)]
    lake.publish(lake.stage(flights(first=2 * ROWS), table=TABLE, batch="2013-03"))
    assert check(model=champion)["outcome"] == "pass"
    assert reads == [("2013-02",), ("2013-03",)]


def test_the_profile_is_there_when_the_registry_s_files_are_not(champion, lake, mlflow_down):
    check(model=champion)
    assert check(model=champion, current="2013-01")["outcome"] == "pass"
    with pytest.raises(AirflowFailException, match="a model or a reference was wanted, and not both"):
        check(model=champion, reference="2013-01")


def test_a_changed_profile_is_found_as_any_changed_file(mlflow, champion, lake):
    path = mlflow.files(champion, "1") / "profile.json"
    path.write_bytes(path.read_bytes().replace(b'"rows":', b'"rows": 1'))
    with pytest.raises(AirflowFailException, match="the model's files changed"):
        check(model=champion)


def test_a_version_says_who_asked_for_it_and_which_bundle_trained_it(champion):
    tags = MlflowHook().version(champion, "1").tags
    assert (tags["xops.bundle"], tags["xops.asked_by_person"]) == ("main@4a1b2c3", "anna")
    assert json.loads(tags["xops.batches"]) == ["2013-01"]
