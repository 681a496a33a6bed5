"""Sweeps: trials as tasks that may be killed, in the store, in MLflow and in Optuna; and the one that is trained."""

import datetime as dt
import json
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.core.errors import Unavailable
from xops.core.model.sweep import State, Trial
from xops.hooks import settings
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.champions import load_version
from xops.hooks.models.studies import Study
from xops.hooks.models.sweeps import Sweeps
from xops.hooks.models.tidying import tidy
from xops.operators.sweeps import ChooseTrialOperator, PlanSweepOperator, grid, sweep_model
from xops.operators.training import TrainModelOperator
from xops.operators.trials import RunTrialOperator

pytestmark = pytest.mark.integration

FLIGHTS = "nyc.flights"
SPACE = {"C": {"low": 1e-4, "high": 10.0, "log": True}, "tol": [1e-4, 1e-3]}
FIT = f"{__name__}.fit"


def fit(frame, params):
    from sklearn.linear_model import LogisticRegression

    chosen = {name: value for name, value in params.items() if name in ("C", "tol")}
    return LogisticRegression(**chosen).fit(frame[["distance", "noise"]], frame["late"])


def fit_unless_large(frame, params):
    if params["C"] > 0.03:
        raise ValueError(f"C is {params['C']}")
    return fit(frame, params)


def fit_booster(frame, params):
    import xgboost

    rows = xgboost.DMatrix(frame[["distance", "noise"]], label=frame["late"])
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, **params}, rows, 5)


def fit_and_score(frame, params):
    return fit(frame, params), {"metrics": {"smallness": 1 / params["C"]}}


def planned(sweep_of):
    """Give the plan that a test's only sweep has, from what RunTrialOperator is given."""
    return Sweeps().planned(sweep_of["verdict"]["facts"]["sweep"])


def study_of(sweep, conn_id=None):
    """Give Optuna's trials of a sweep."""
    study = Study(sweep, conn_id)
    with study._answering():
        return study._study.trials


@pytest.fixture
def lake():
    """Give a table of which some columns are chance."""
    chance, ids = np.random.default_rng(0), np.arange(400)
    distance, noise = chance.normal(size=(2, 400))
    rows = {"id": ids, "day": [f"day {number}" for number in ids % 40], "distance": distance, "noise": noise}
    hook = IcebergHook()
    late = distance + chance.normal(size=400) > 0
    hook.publish(hook.stage(pa.table(rows | {"late": late}), table=FLIGHTS, batch="2013-01"))
    return hook


@pytest.fixture
def learning(lake):
    """Give what every operator here is told of the data."""
    return {
        "features": FLIGHTS, "on": "id", "target": "late", "columns": ["distance", "noise"],
        "holdout": {"by": "day", "share": 0.2},
    }  # fmt: skip


@pytest.fixture
def model():
    return f"model {uuid.uuid4().hex}"


def run(operator, map_index=-1, run_id="run 1"):
    """Execute an operator as a task."""
    pushed = {}
    ti = SimpleNamespace(
        dag_id="d", run_id=run_id, task_id=operator.task_id, map_index=map_index, try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )  # fmt: skip
    return operator.execute({"ti": ti, "dag_run": SimpleNamespace(run_type="manual"), "outlet_events": {}})


@pytest.fixture
def sweep(mlflow, learning, model):
    """Give a function that plays a sweep one trial after the other: its trials, and the evidence of the choice."""

    def play(run_id="run 1", train=FIT, **more):
        given = {"model": model, "train": train, "metric": "log_loss", "folds": 4, **learning, **more}
        plan = run(PlanSweepOperator(task_id="plan", **given), run_id=run_id)
        done = []
        for number, trial in enumerate(plan):
            try:
                done.append(run(RunTrialOperator(task_id="trial", trial=trial, train=train), number, run_id))
            except AirflowFailException as error:
                done.append(str(error))
        return done, run(ChooseTrialOperator(task_id="choose", sweep=plan, gate="record"), run_id=run_id)

    return play


def test_a_grid_is_tried_point_by_point_and_the_best_is_trained(mlflow, sweep, learning, model):
    done, evidence = sweep(points=grid({"C": [1e-4, 1.0], "tol": [1e-4, 1e-3]}), hyperparameters={"seed": 3})
    facts = evidence["verdict"]["facts"]
    assert [trial["params"] for trial in done] == [
        {"seed": 3, "C": c, "tol": tol} for c in (1e-4, 1.0) for tol in (1e-4, 1e-3)
    ]
    assert facts["trial"] == min(range(4), key=lambda number: np.mean(done[number]["scores"]))
    assert mlflow.versions(model) == []
    made = run(
        TrainModelOperator(
            task_id="train", model=model, train=FIT, trial=evidence, requirements=["scikit-learn"], **learning
        )
    )
    version = mlflow.versions(model)[0]
    runs = {
        found.data.tags.get("xops.trial", "parent"): found
        for found in mlflow.runs(model)
        if found.info.run_id != version.run_id
    }
    assert sorted(runs) == ["0", "1", "2", "3", "parent"]
    parent = runs.pop("parent")
    assert {found.data.tags["mlflow.parentRunId"] for found in runs.values()} == {parent.info.run_id}
    assert {found.info.status for found in (*runs.values(), parent)} == {"FINISHED"}
    assert runs["2"].data.metrics["log_loss"] == pytest.approx(np.mean(done[2]["scores"]))
    assert made["version"] == "1"
    assert version.tags["xops.sweep_evidence"] == evidence["id"]
    password = json.loads(os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"])["password"]
    assert password not in json.dumps([done, evidence, made])  # what goes by XCom
    assert facts["params"]["C"] == load_version(model, "1", conn_id="mlflow_default").fitted.C


def test_sampled_trials_are_the_same_each_time_they_run_in_order(sweep):
    first, one = sweep("run 1", space=SPACE, trials=11, seed=5)
    second, two = sweep("run 2", space=SPACE, trials=11, seed=5)
    third, _ = sweep("run 3", space=SPACE, trials=11, seed=6)
    assert first == second
    assert one["verdict"]["facts"]["params"] == two["verdict"]["facts"]["params"]
    assert [trial["params"] for trial in first] != [trial["params"] for trial in third]
    assert len({trial["params"]["C"] for trial in first}) == 11


def test_a_trial_that_the_function_refuses_is_a_warning_and_may_be_tried_again(mlflow, sweep):
    done, evidence = sweep(train=f"{__name__}.fit_unless_large", space=SPACE, trials=4, seed=2)
    failed = [number for number, trial in enumerate(done) if isinstance(trial, str)]
    assert failed
    verdict = evidence["verdict"]
    assert verdict["outcome"] == "warn"
    assert "raised ValueError('C is " in verdict["findings"][0]["reason"]
    assert verdict["facts"]["states"] == {"running": 0, "complete": 4 - len(failed), "pruned": 0, "failed": len(failed)}
    before = {trial.user_attrs["xops.trial"]: trial.params for trial in study_of(planned(evidence))}
    statuses = {run.data.tags.get("xops.trial"): run.info.status for run in mlflow.runs(planned(evidence).model)}
    assert {number for number, status in statuses.items() if status == "FAILED"} == {str(number) for number in failed}
    trial = {"sweep": planned(evidence).key, "number": failed[0]}
    again = run(RunTrialOperator(task_id="trial", trial=trial, train=FIT))  # as after a mended function
    assert (again["state"], again["params"]) == ("complete", {"seed": 2, **before[failed[0]]})


def leave(frame, params):
    sys.exit(0)


def test_a_trial_that_ends_its_process_has_failed_and_no_run_goes_on(mlflow, sweep):
    done, evidence = sweep(train=f"{__name__}.leave", points=grid({"C": [0.1, 1.0]}))
    assert all("raised SystemExit(0)" in one for one in done)
    assert evidence["verdict"]["facts"]["states"]["failed"] == 2
    assert {run.info.status for run in mlflow.runs(planned(evidence).model)} == {"FAILED"}


def test_trials_worse_than_most_are_given_up_between_folds(mlflow, sweep):
    bad, good = {"low": 1e-9, "high": 1e-8}, [1.0]
    done, evidence = sweep(space={"C": good, "tol": [1e-4]}, trials=1)
    done, evidence = sweep("run 2", space={"C": {**bad, "high": 10.0, "log": True}}, trials=14, prune=True, seed=1)
    pruned = [trial for trial in done if trial["state"] == "pruned"]
    assert pruned
    assert all(len(trial["scores"]) < 4 for trial in pruned)
    assert evidence["verdict"]["outcome"] == "pass"
    runs = {run.data.tags["xops.trial"]: run for run in mlflow.runs(planned(evidence).model)
            if run.data.tags.get("xops.sweep") == planned(evidence).key and "xops.trial" in run.data.tags}  # fmt: skip
    assert {runs[str(trial["number"])].info.status for trial in pruned} == {"KILLED"}
    states = {trial.user_attrs["xops.trial"]: trial.state.name for trial in study_of(planned(evidence))}
    assert {number for number, state in states.items() if state == "PRUNED"} == {trial["number"] for trial in pruned}


def test_a_function_that_scores_itself_is_trained_once_a_trial(sweep):
    done, evidence = sweep(
        train=f"{__name__}.fit_and_score", points=grid({"C": [0.1, 0.5]}), folds=1, metric="smallness",
        direction="maximize",
    )  # fmt: skip
    assert [trial["scores"] for trial in done] == [[10.0], [2.0]]
    assert evidence["verdict"]["findings"][1]["reason"].endswith("of equal ones the earliest: smallness 10")


def test_a_booster_that_takes_no_frame_is_scored_and_a_name_may_have_dots(mlflow, learning):
    model = f"shop.returns.{uuid.uuid4().hex}"
    given = {"model": model, "train": f"{__name__}.fit_booster", **learning}
    plan = run(PlanSweepOperator(
        task_id="plan", metric="log_loss", folds=2, points=grid({"max_depth": [1, 2]}), **given
    ))  # fmt: skip
    for trial in plan:
        run(RunTrialOperator(task_id="trial", trial=trial, train=given["train"]), trial["number"])
    evidence = run(ChooseTrialOperator(task_id="choose", sweep=plan))
    assert run(TrainModelOperator(task_id="train", trial=evidence, **given))["version"] == "1"
    assert load_version(model, "1", conn_id="mlflow_default").fitted


def run_trial(home, host, given, trial, conn):
    """Run a trial in a process of its own."""
    settings.home = lambda: Path(home)
    os.environ |= conn
    os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({"conn_type": "mlflow", "host": host})
    return run(RunTrialOperator(task_id="trial", trial=trial, train=FIT, **given), trial["number"])


@pytest.mark.parametrize("storage", ["postgres", "file"])
def test_trials_side_by_side_share_a_study(mlflow, learning, model, tmp_path, in_processes, storage, request):
    given, conn = {}, {}
    if storage == "postgres":
        request.getfixturevalue("postgres")
        given = {"study_conn_id": "postgres_default"}
        conn = {"AIRFLOW_CONN_POSTGRES_DEFAULT": os.environ["AIRFLOW_CONN_POSTGRES_DEFAULT"]}
    plan = run(PlanSweepOperator(
        task_id="plan", model=model, train=FIT, metric="log_loss", folds=2, space=SPACE, trials=4, **learning
    ))  # fmt: skip
    doubled = [*plan, plan[0]]  # an orphan beside its retry
    home = str(tmp_path / "xops")
    done = in_processes(run_trial, [(home, mlflow.proxy.url, given, trial, conn) for trial in doubled])
    assert [isinstance(trial, dict) and trial["state"] for trial in done] == ["complete"] * 5, done
    chosen = run(ChooseTrialOperator(task_id="choose", sweep=plan, **given))
    trials = study_of(planned(chosen), given.get("study_conn_id"))
    counted = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert sorted({trial.user_attrs["xops.trial"] for trial in counted}) == [0, 1, 2, 3]
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
    assert len({trial.params["C"] for trial in counted}) == 4
    tagged = [found.data.tags["xops.trial"] for found in mlflow.runs(model) if "xops.trial" in found.data.tags]
    assert sorted(tagged) == ["0", "1", "2", "3"]


def test_the_chosen_is_trained_on_the_rows_of_the_sweep_whatever_was_published_since(lake, sweep, learning, model):
    _, evidence = sweep(points=[{"C": 1.0}])
    more = lake.rows(lake.published(FLIGHTS), columns=["id", "day", "distance", "noise", "late"]).slice(0, 50)
    lake.publish(lake.stage(more, table=FLIGHTS, batch="2013-02"))
    made = run(TrainModelOperator(
        task_id="train", model=model, train=FIT, trial=evidence, requirements=["scikit-learn"], **learning
    ))  # fmt: skip
    assert made["batches"] == ["2013-01"]
    assert made["rows"] == planned(evidence).record.rows


def test_a_training_that_is_expanded_registers_each_and_its_runs_lie_beneath_one(mlflow, learning, model):
    given = {"task_id": "train", "model": model, "train": FIT, "requirements": ["scikit-learn"], **learning}
    for number, point in enumerate([{"C": 1.0}, {"C": 2.0}, {"C": 2.0}]):
        run(TrainModelOperator(hyperparameters=point, **given), min(number, 1))  # the third is a retry of the second
    assert [version.version for version in mlflow.versions(model)] == ["1", "2"]
    runs = mlflow.runs(model)
    (parent,) = {found.data.tags["mlflow.parentRunId"] for found in runs if "mlflow.parentRunId" in found.data.tags}
    assert len(runs) == 3
    assert {found.info.status for found in runs} == {"FINISHED"}
    assert parent in {found.info.run_id for found in runs}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "points, or a space to sample from, were wanted, and not both"),
        ({"points": [{"C": 1}], "space": SPACE, "trials": 2}, "and not both"),
        ({"space": SPACE}, "trials: 1 to 10000 were wanted, found None"),
        ({"space": SPACE, "trials": "many"}, "trials: 1 to 10000 were wanted, found 'many'"),
        ({"space": {"C": {"low": 2, "high": 1}}, "trials": 2}, "parameter C: low below high"),
        ({"space": {"C{1}": [1, 2]}, "trials": 2}, "names that MLflow keeps were wanted"),
        ({"points": [{"../C": 1}]}, "names that MLflow keeps were wanted"),
        ({"points": [{"C": 1}], "trials": 1}, "trials is for a space; there are 1 points"),
        ({"points": [{"C": object()}]}, "strict JSON were wanted"),
        ({"points": [{"C": 1}], "prune": True}, "prune is for trials that are sampled"),
        ({"points": [{"C": 1}], "hyperparameters": {"C": 2}}, "C is a hyperparameter and swept as well"),
        ({"points": [{"C": 1}], "metric": "beauty"}, "metric beauty: a scorer's name of scikit-learn was wanted"),
        ({"points": [{"C": 1}], "metric": "r2"}, "metric r2: it is none for a model"),
        ({"points": [{"C": 1}], "kind": "poem"}, "kind: one of binary, multiclass, regression, ranking was wanted"),
        ({"points": [{"C": 1}], "direction": "maximize"}, "of log_loss the other direction is the better one"),
        ({"points": [{"C": 1}], "direction": "up"}, "direction maximize or minimize was wanted"),
        ({"points": [{"C": 1}], "folds": 0}, "at least 1 fold was wanted"),
        ({"points": [{"C": 1}], "folds": 99}, "folds: at most as many as there are groups were wanted"),
        ({"points": [{"C": 1}], "folds": 1}, None),  # a name of scikit-learn's has its direction
        ({"points": [{"C": 1}], "folds": 1, "metric": "mine"}, "metric mine: a scorer's name"),
        ({"points": [{"C": 1}], "simplest": ["depth"]}, "simplest: swept parameters, .* found depth"),
        ({"points": [{"C": 1}], "simplest": ["C"], "folds": 1}, "found 1 fold"),
        ({"points": [{"C": 1}], "model": "a/b"}, "model name 'a/b': a name without / and : was wanted"),
        ({"points": [{"C": 1}], "train": "no.such"}, "training function no.such: it cannot be imported"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(mlflow, learning, model, wrong, why):
    given = {"model": model, "train": FIT, "metric": "log_loss", **learning, **wrong}
    operator = PlanSweepOperator(task_id="plan", **given)
    if why is None:
        assert len(run(operator)) == 1
        return
    with pytest.raises(AirflowFailException, match=why):
        run(operator)


def test_what_is_not_of_this_sweep_is_not_trained(sweep, learning, model):
    _, evidence = sweep(points=[{"C": 1.0}])
    nothing = {**evidence, "verdict": {**evidence["verdict"], "facts": {"sweep": "x"}}}
    other = {**evidence, "verdict": {**evidence["verdict"], "check": "drift"}}
    for trial, more, why in (
        (evidence, {"hyperparameters": {"C": 2}}, "a trial has its hyperparameters and seed; give none beside it"),
        (evidence, {"model": "another"}, f"another: the trial is of a sweep of {model}"),
        (nothing, {}, "the sweep chose no trial"),
        (other, {}, "the evidence of ChooseTrialOperator was wanted, found drift"),
        ({"number": 1}, {}, "evidence was wanted"),
        (evidence, {"columns": ["distance"]}, "features, on, target and columns of the sweep were wanted"),
    ):
        operator = TrainModelOperator(
            task_id="train", **{"model": model, "train": FIT, "trial": trial, **learning, **more}
        )
        with pytest.raises(AirflowFailException, match=why):
            run(operator)
    for trial, why in (({"sweep": "x", "number": 0}, "no such plan is kept"), ("x", "a trial was wanted")):
        with pytest.raises(AirflowFailException, match=why):
            run(RunTrialOperator(task_id="trial", trial=trial, train=FIT))


@pytest.fixture
def sampled(mlflow, learning, model):
    """Give a trial that is to be sampled."""
    given = {"model": model, "train": FIT, "metric": "log_loss", "space": SPACE, "trials": 1, **learning}
    (trial,) = run(PlanSweepOperator(task_id="plan", **given))
    return trial


def test_a_storage_that_is_missing_or_down_is_said_so(sampled, monkeypatch, everything_said, free_port):
    trial = {"task_id": "trial", "trial": sampled, "train": FIT}
    with pytest.raises(AirflowFailException, match="Airflow connection nowhere does not exist"):
        run(RunTrialOperator(**trial, study_conn_id="nowhere"))
    down = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": free_port(),
        "login": "anna",
        "password": "sesame4711",
    }
    monkeypatch.setenv("AIRFLOW_CONN_STUDIES", json.dumps(down))
    with pytest.raises(Unavailable, match=r"Optuna's storage \(studies\)") as lost:
        run(RunTrialOperator(**trial, study_conn_id="studies"))
    assert "sesame4711" not in everything_said() + repr(lost.value) + repr(lost.value.__cause__)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(AirflowFailException):  # MLflow's folder or Optuna's file, whichever is asked first
        run(RunTrialOperator(**trial))
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(AirflowFailException, match=r"install the extra xops\[sweeps\]"):
        run(RunTrialOperator(**trial))


def test_an_sqlite_file_may_be_named_by_a_connection(sampled, monkeypatch, tmp_path):
    place = {"conn_type": "sqlite", "host": str(tmp_path / "somewhere" / "trials.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STUDIES", json.dumps(place))
    assert run(RunTrialOperator(task_id="trial", trial=sampled, train=FIT, study_conn_id="studies"))["scores"]
    assert (tmp_path / "somewhere" / "trials.db").exists()


def test_a_sweep_in_a_dag_is_a_group_whose_trials_are_mapped(learning):
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    def written():
        with DAG("sweeping", schedule=None) as dag:
            sweep_model(model="m", train=fit, metric="log_loss", space=SPACE, trials=3, at_once=2, **learning)
        return dag

    dag = written()
    assert dag.task_ids == ["sweep.plan", "sweep.trial", "sweep.choose", "sweep.train"]
    assert dag.get_task("sweep.choose").trigger_rule == "all_done"
    assert dag.get_task("sweep.choose").upstream_task_ids == {"sweep.plan", "sweep.trial"}
    assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(written())  # no new version at each parse


def test_a_trial_whose_task_was_lost_is_failed_when_the_choice_is_made(mlflow, learning, model):
    given = {"model": model, "train": FIT, "metric": "log_loss", "folds": 2, "space": SPACE, "trials": 2, **learning}
    plan = run(PlanSweepOperator(task_id="plan", **given))
    run(RunTrialOperator(task_id="trial", trial=plan[0], train=FIT), 0)
    sweep = Sweeps().planned(plan[1]["sweep"])
    Sweeps().keep(sweep, Trial(1, Study(sweep).params(1)))  # as a task leaves it that is killed and not retried
    evidence = run(ChooseTrialOperator(task_id="choose", sweep=plan))
    assert evidence["verdict"]["outcome"] == "warn"
    assert evidence["verdict"]["findings"][0]["reason"].endswith("trial 1: its task ended before it did")
    assert [trial.state.name for trial in study_of(sweep)] == ["COMPLETE", "FAIL"]


def test_a_trial_may_end_in_an_orphan_between_two_calls_of_its_retry(mlflow, learning, model, monkeypatch):
    plan = run(PlanSweepOperator(
        task_id="plan", model=model, train=FIT, metric="log_loss", folds=2, space=SPACE, trials=1, **learning
    ))  # fmt: skip
    sweep = Sweeps().planned(plan[0]["sweep"])
    retry, orphan = Study(sweep), Study(sweep)
    retry.params(0)
    find = Study._find

    def found_as_the_orphan_ends_it(study, number):
        there = find(study, number)
        if study is retry:
            orphan.tell(number, State.COMPLETE, 0.5)
        return there

    monkeypatch.setattr(Study, "_find", found_as_the_orphan_ends_it)
    assert retry.give_up(0, (0.4, 0.6)) is False
    retry.tell(0, State.COMPLETE, 0.6)
    assert [trial.value for trial in study_of(sweep)] == [0.5]


def test_a_sweep_that_nobody_chose_from_is_ended_by_the_janitor(mlflow, learning, model):
    run(PlanSweepOperator(task_id="plan", model=model, train=FIT, metric="log_loss", points=[{"C": 1.0}], **learning))
    assert [found.info.status for found in mlflow.runs(model)] == ["RUNNING"]
    tidy([model], older_than=dt.timedelta(0))
    assert [found.info.status for found in mlflow.runs(model)] == ["FAILED"]
