"""What a training records of its function, data and surroundings; and the function in a notebook and in a DAG."""

import datetime as dt
import hashlib
import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.core.model.training import AskedBy
from xops.decorators import train_model
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models import training_code
from xops.hooks.models.champions import load_version, training_record
from xops.operators.training import TrainModelOperator
from xops.operators.training_rows import learnable, newest

pytestmark = pytest.mark.integration

FLIGHTS = "nyc.flights"
TASK = {
    "features": FLIGHTS, "on": "id", "target": "late", "columns": ["distance"], "holdout": {"by": "day", "share": 0.5},
    "requirements": ["scikit-learn"],
}  # fmt: skip


@pytest.fixture
def lake():
    """Give a table that has its own labels, of each kind."""
    chance, ids = np.random.default_rng(0), np.arange(200)
    distance = chance.normal(size=200)
    rows = {"id": ids, "day": [f"day {number}" for number in ids % 20], "distance": distance, "late": distance > 0}
    hook = IcebergHook()
    hook.publish(
        hook.stage(pa.table(rows | {"where": np.asarray(["a", "b", "c"])[ids % 3]}), table=FLIGHTS, batch="2013-01")
    )
    return hook


@pytest.fixture
def run(mlflow, lake):
    """Give a function that executes a training as a task."""

    def execute(operator, run_id="run 1"):
        ti = SimpleNamespace(dag_id="d", run_id=run_id, task_id=operator.task_id, map_index=-1, try_number=1)
        return operator.execute({"ti": ti, "dag_run": SimpleNamespace(run_type="manual")})

    return execute


@pytest.fixture
def model():
    return f"model {uuid.uuid4().hex}"


def fit(frame, params):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(frame[["distance"]], frame[frame.columns[-1]])


def fit_all(frame, params):
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier().fit(frame[frame.columns[:-1]], frame["late"])


def fit_with_more(frame, params):
    drawn = np.random.rand()  # noqa: NPY002 - what scikit-learn draws from
    return fit(frame, params), {
        "metrics": {"drawn": drawn},
        "artifacts": {"cards/card.md": "# A card\n", "raw": b"\x00"},
    }


def test_a_run_says_what_a_training_was_made_of(mlflow, run, model):
    for seed, run_id in ((7, "run 1"), (7, "run 2"), (8, "run 3")):
        run(
            TrainModelOperator(task_id="train", model=model, train=f"{__name__}.fit_with_more", seed=seed, **TASK),
            run_id,
        )
    first, second, third = sorted(mlflow.runs(model), key=lambda found: found.info.start_time)
    assert first.data.metrics["drawn"] == second.data.metrics["drawn"] != third.data.metrics["drawn"]
    assert first.data.params == {"seed": "7", "xops.window": "3"}
    folder = mlflow.direct.download_artifacts(first.info.run_id, "")
    kept = {name: open(f"{folder}/{name}", "rb").read() for name in ("cards/card.md", "raw", "environment.txt")}  # noqa: SIM115, PTH123
    assert (kept["cards/card.md"], kept["raw"]) == (b"# A card\n", b"\x00")
    lock = kept["environment.txt"].decode().splitlines()
    assert {line.split("==")[0] for line in lock} >= {"scikit-learn", "numpy", "scipy", "joblib"}
    tags = mlflow.versions(model)[0].tags
    assert tags["xops.environment"] == training_code.environment_of(["scikit-learn"])[0]
    assert tags["xops.code"] == f"{__name__}.fit_with_more@{training_code.source_hash(fit_with_more)}"


def fit_with_its_own(frame, params):
    params["layers"].append(params.pop("window"))
    return fit(frame, params), {"metrics": {"rows": params["layers"][-1]}}


def test_what_the_function_was_given_and_gave_is_recorded_as_it_was(mlflow, run, model):
    given = {"layers": [8], "window": 24}
    run(TrainModelOperator(task_id="train", model=model, train=fit_with_its_own, hyperparameters=given, **TASK))
    (found,) = mlflow.runs(model)
    assert found.data.params == {"layers": "[8]", "window": "24", "xops.window": "3"}
    assert found.data.metrics["rows"] == 24
    assert given == {"layers": [8], "window": 24}


@pytest.mark.parametrize(("length", "whole"), [(6000, True), (6001, False), (500_000, False)])
def test_a_parameter_longer_than_mlflow_keeps_is_whole_in_a_file_of_the_run(mlflow, run, model, length, whole):
    given = {"words": "é" * length, "depth": 3}
    answer = run(TrainModelOperator(task_id="train", model=model, train=fit, hyperparameters=given, **TASK))
    (found,) = mlflow.runs(model)
    assert (answer["version"], found.info.status, found.data.params["depth"]) == ("1", "FINISHED", "3")
    files = {file.path for file in mlflow.direct.list_artifacts(found.info.run_id)}
    if whole:
        assert found.data.params["words"] == given["words"]
        assert "params.json" not in files
    else:
        kept = hashlib.sha256(given["words"].encode()).hexdigest()
        assert found.data.params["words"] == f"sha256:{kept}, {length} characters, see params.json"
        assert json.loads(Path(mlflow.direct.download_artifacts(found.info.run_id, "params.json")).read_text()) == {
            **given, "xops.window": 3,
        }  # fmt: skip


def test_columns_by_the_hundreds_are_kept_and_by_the_thousands_refused_before_anything_is_recorded(mlflow, run, model):
    names = [f"a_name_as_long_as_those_of_generated_features_{number:04d}" for number in range(2500)]
    ids = np.arange(40)
    rows = {"id": ids, "day": [f"day {number}" for number in ids % 20], "late": ids % 2 == 0, "distance": ids * 1.0}
    hook = IcebergHook()
    hook.publish(hook.stage(pa.table(rows | dict.fromkeys(names, ids * 1.0)), table="nyc.wide", batch="2013-01"))
    task = TASK | {"features": "nyc.wide"}
    wide = {"columns": ["distance", *names[:300]], "task_id": "train", "model": model, "train": fit_all}
    assert run(TrainModelOperator(**task | wide))["version"] == "1"
    assert len(training_record(model, "1", conn_id="mlflow_default").columns) == 301
    (found,) = mlflow.runs(model)
    assert re.fullmatch(r"sha256:\w{64}, \d+ characters, see the tag of the version", found.data.tags["xops.columns"])
    with pytest.raises(AirflowFailException, match="columns: at most 100000 characters were wanted"):
        run(TrainModelOperator(**task | wide | {"columns": ["distance", *names], "model": "wider"}))
    assert mlflow.runs("wider") == []


def test_the_environment_is_another_with_another_package(monkeypatch):
    assert training_code.environment_of(["numpy"]) == training_code.environment_of(["numpy>=1"])
    assert training_code.environment_of(["numpy"])[0] != training_code.environment_of(["numpy", "pandas"])[0]
    assert training_code.installed(["no-such-package", "./a/folder"]) == []


def test_the_commit_is_that_of_the_function_s_file(tmp_path, monkeypatch):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "committed_fit.py").write_text("def fit(frame, params):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    function = training_code.function_of("committed_fit.fit")[1]
    git("init", "-q")
    assert training_code.code_tags(function) == {}
    git("add", ".")
    git("commit", "-qm", "one")
    commit = git("rev-parse", "HEAD")
    assert training_code.code_tags(function) == {"xops.commit": commit}
    (tmp_path / "committed_fit.py").write_text("def fit(frame, params):\n    return 1\n")
    assert training_code.code_tags(function) == {"xops.commit": f"{commit}+"}


def test_a_table_may_hold_its_own_labels_of_more_than_two_classes(mlflow, run, model):
    made = run(TrainModelOperator(task_id="train", model=model, train=fit, **TASK | {"target": "where"}))
    trained = load_version(model, made["version"], conn_id="mlflow_default")
    assert list(trained.fitted.classes_) == ["a", "b", "c"]
    assert trained.record.labels == trained.record.features
    assert trained.record.code.startswith("test_training.fit@")


def test_a_decorated_function_trains_in_a_notebook_and_is_a_task_in_a_dag(run, model):
    import pandas as pd
    from airflow.sdk import DAG

    decorated = train_model(model=model, **TASK)(fit)
    frame = pd.DataFrame({"distance": [1.0, 2.0, -1.0, -2.0], "late": [True, True, False, False]})
    assert decorated(frame, {}).predict(frame[["distance"]]).tolist() == frame["late"].tolist()
    assert decorated(frame=frame, params={}).predict(frame[["distance"]]).tolist() == frame["late"].tolist()
    with DAG("training", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        output = decorated()
    assert dag.task_ids == ["fit"]
    assert output.operator is dag.get_task("fit")
    assert run(dag.get_task("fit"))["version"] == "1"


def test_a_decorated_function_needs_no_airflow_in_a_notebook():
    code = (
        "import sys, json; sys.modules['airflow'] = None; from xops.decorators import train_model;"
        "print(json.dumps(train_model(model='m', features='t')(lambda frame, params: [frame, params])(1, 2)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, 2]


def test_lists_and_structures_are_features_like_any_other(lake):
    ids = np.arange(12)
    features = {
        "id": ids, "day": [f"day {one}" for one in ids], "words": [[float(one), 1.5] for one in ids],
        "about": [{"of": int(one)} for one in ids],
    }  # fmt: skip
    labels = pa.table({"id": ids[::-1], "late": [None if one % 4 == 0 else bool(one % 2) for one in ids[::-1]]})
    for table, rows in (("nyc.words", pa.table(features)), ("nyc.heard", labels)):
        lake.publish(lake.stage(rows, table=table, batch="2013-01"))
    record = newest(
        lake, model="m", features="nyc.words", labels="nyc.heard", on="id", target="late", columns=["words", "about"],
        holdout={"by": "day", "share": 0.3}, window=1, asker=AskedBy.MANUAL, code="c",
    )  # fmt: skip
    frame = learnable(lake, "m", record)
    kept = [int(one) for one in ids if one % 4 and not record.holdout.mask(np.array([f"day {one}"]))[0]]
    assert frame["id"].tolist() == kept
    assert [words.tolist() for words in frame["words"]] == [[float(one), 1.5] for one in kept]
    assert frame["about"].tolist() == [{"of": one} for one in kept]
    assert frame["late"].tolist() == [bool(one % 2) for one in kept]
