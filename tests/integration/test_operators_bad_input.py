"""Operators given what cannot work: they fail at once or are retried, say why, and leave nothing half-done."""

import copy
import json
import re
import shutil
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from xops.cli import main
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Unavailable
from xops.core.evidence import Evidence, Origin
from xops.core.model.promotion import champion
from xops.core.profile.profiles import together
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models import mlflow_connection
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.retrain_requests import RetrainRequests
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.objects import Objects
from xops.hooks.store.profiles import ProfileStore
from xops.operators.base import CheckOperator, Judged, origin_of
from xops.operators.datasets import DataTestOperator, PublishDataOperator, StageDataOperator
from xops.operators.drift import DriftCheckOperator
from xops.operators.evaluation import CheckModelOperator, EvaluateModelOperator
from xops.operators.performance import PerformanceCheckOperator
from xops.operators.promotion import PromoteModelOperator, RollbackModelOperator
from xops.operators.retraining import RetrainDecisionOperator
from xops.operators.scoring import ScoreBatchOperator
from xops.operators.training import TrainModelOperator

pytestmark = pytest.mark.integration

FLIGHTS, LABELS, SCORES = "nyc.flights", "nyc.labels", "nyc.scores"
SUITE = [
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "distance", "min_value": 0}},
]
BATCHES = Asset(name="flights", uri="x-iceberg://nyc/flights")
CHAMPION = Asset(name="champion", uri="x-mlflow://flights/champion")


def leave(*_):
    sys.exit(0)


class TaskInstance:
    """A running task as operators see it; it takes only XCom values that are strict JSON."""

    map_index = -1
    try_number = 1
    dag_id = "flights"

    def __init__(self, task_id, run_id):
        self.task_id = task_id
        self.run_id = run_id
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = strict(value)


def strict(value):
    """Give what comes back from XCom, where only plain classes and finite numbers go in."""
    came_back = json.loads(json.dumps(value, allow_nan=False))
    assert came_back == value
    return came_back


@pytest.fixture
def run():
    """Give a function that executes an operator as a task, and gives what its XCom holds."""

    def execute(operator, *, run_id="run 1", run_type="manual", ti=None, **ti_values):
        ti = ti or TaskInstance(operator.task_id, run_id)
        for name, value in ti_values.items():
            setattr(ti, name, value)
        execute.ti, execute.events = ti, OutletEventAccessors()
        context = {
            "ti": ti,
            "outlet_events": execute.events,
            "params": {},
            "dag_run": SimpleNamespace(run_type=run_type),
        }
        return strict(operator.execute(context))

    return execute


@pytest.fixture
def fails(run):
    """Give a function that executes an operator, sees it fail without retry, and gives what was said."""

    def execute(operator, **how):
        with pytest.raises(AirflowFailException) as failed:
            run(operator, **how)
        said = str(failed.value)
        assert "\n" not in said
        assert len(said) < 1500
        return said

    execute.run = run
    return execute


@pytest.fixture
def lake():
    return IcebergHook()


@pytest.fixture
def landing(tmp_path):
    """Give a function that puts a batch into a Parquet file."""

    def put(rows=8, name="batch.parquet", **columns):
        table = pa.table({"id": list(range(rows)), "distance": [float(row) for row in range(rows)], **columns})
        pq.write_table(table, tmp_path / name)
        return str(tmp_path / name)

    return put


@pytest.fixture
def suite_at(tmp_path):
    """Give a function that writes a suite and gives its path."""

    def put(*expectations, text=None):
        path = tmp_path / "suites" / "flights.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text if text is not None else json.dumps({"name": "flights", "expectations": expectations}))
        return str(path)

    return put


@pytest.fixture
def staged(run, landing):
    return run(StageDataOperator(task_id="stage", source=landing(), table=FLIGHTS, batch="2013-01"))


def everything_in_store():
    return Objects.configured().paths("")


# A batch on its way in


def test_a_missing_file_is_named(fails, lake, tmp_path):
    said = fails(StageDataOperator(task_id="stage", source=f"{tmp_path}/none.parquet", table=FLIGHTS, batch="2013-01"))
    assert said == f"StageDataOperator stage: source {tmp_path}/none.parquet: no such file"
    assert lake.published(FLIGHTS) is None


@pytest.mark.parametrize("content", [b"", b"id,distance\n1,2\n", b"PAR1 and then nothing", b"\x00" * 100])
def test_a_file_that_is_no_parquet_is_named(fails, lake, tmp_path, content):
    path = tmp_path / "batch.parquet"
    path.write_bytes(content)
    said = fails(StageDataOperator(task_id="stage", source=str(path), table=FLIGHTS, batch="2013-01"))
    assert f"source {path}: {'a whole Parquet file was wanted' if content else 'the file is empty'}" in said
    assert lake.published(FLIGHTS) is None


def test_a_file_cut_short_is_named(fails, lake, landing, tmp_path):
    whole = (tmp_path / "cut.parquet").with_name("batch.parquet")
    landing(5000)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-100])
    said = fails(StageDataOperator(task_id="stage", source=f"{tmp_path}/cut.parquet", table=FLIGHTS, batch="2013-01"))
    assert "a whole Parquet file was wanted" in said


def test_a_folder_is_no_file(fails, tmp_path):
    said = fails(StageDataOperator(task_id="stage", source=str(tmp_path), table=FLIGHTS, batch="2013-01"))
    assert f"source {tmp_path}: a file was wanted, this is a folder" in said


def test_a_source_that_does_not_answer_is_tried_again(run, nobody_listens):
    source = f"{nobody_listens}/batch.parquet"
    with pytest.raises(Unavailable, match=source):
        run(StageDataOperator(task_id="stage", source=source, table=FLIGHTS, batch="2013-01"))


@pytest.mark.parametrize("source", ["nonsense://host/batch.parquet", "batch.xlsx"])
def test_a_source_of_no_kind_that_there_is_is_named(fails, source):
    assert f"source {source}" in fails(
        StageDataOperator(task_id="stage", source=source, table=FLIGHTS, batch="2013-01")
    )


def test_an_empty_batch_is_refused(fails, lake, landing):
    said = fails(StageDataOperator(task_id="stage", source=landing(0), table=FLIGHTS, batch="2013-01"))
    assert "batch.parquet: it has no rows; at least one was wanted" in said
    assert lake.published(FLIGHTS) is None


def test_a_batch_without_a_name_is_refused(fails, landing):
    said = fails(StageDataOperator(task_id="stage", source=landing(), table=FLIGHTS, batch=""))
    assert "a batch's name was wanted, a text of 1 to 100 characters; found ''" in said


def test_a_batch_that_does_not_fit_leaves_no_branch(fails, lake, staged, tmp_path):
    pq.write_table(pa.table({"id": ["1"], "distnce": [1.0]}), tmp_path / "odd.parquet")
    said = fails(StageDataOperator(task_id="stage", source=f"{tmp_path}/odd.parquet", table=FLIGHTS, batch="2013-02"))
    assert "id is string, the table has int64; distnce is double, the table has no such column" in said
    assert sorted(lake.table(FLIGHTS).refs()) == ["audit-2013-01", "main"]


# A batch in its tests


def test_a_missing_suite_is_named_with_those_there_are(fails, staged, suite_at):
    path = suite_at().replace("flights.json", "flight.json")
    said = fails(DataTestOperator(task_id="test", version=staged, suite=path))
    assert f"suite {path}: no such file; " in said
    assert said.endswith("has flights.json")
    assert everything_in_store() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSON with a list `expectations` of `type` and `kwargs` was wanted: JSONDecodeError"),
        ("", "JSON with a list `expectations`"),
        ("[]", "JSON with a list `expectations`"),
        ("null", "JSON with a list `expectations`"),
        ('{"name": "flights"}', "KeyError('expectations')"),
        ('{"expectations": [{"kwargs": {}}]}', "KeyError('type')"),
        ('{"expectations": ["expect_column_to_exist"]}', "JSON with a list `expectations`"),
        ("\x89PNG", "JSON with a list `expectations`"),
    ],
)
def test_what_is_no_suite_is_named(fails, staged, suite_at, text, said):
    path = suite_at(text=text)
    assert f"suite {path}: " in (found := fails(DataTestOperator(task_id="test", version=staged, suite=path)))
    assert said in found
    assert everything_in_store() == []


def test_an_expectation_that_nobody_knows_is_a_mistake(fails, staged, suite_at):
    path = suite_at({"type": "expect_column_to_be_nice", "kwargs": {"column": "id"}}, *SUITE)
    said = fails(DataTestOperator(task_id="test", version=staged, suite=path))
    assert "suite flights: " in said
    assert "expect_column_to_be_nice" in said
    assert everything_in_store() == []


def test_arguments_that_an_expectation_lacks_are_named(fails, staged, suite_at):
    path = suite_at({"type": "expect_column_values_to_be_between", "kwargs": {"colunm": "id"}})
    said = fails(DataTestOperator(task_id="test", version=staged, suite=path))
    assert "column" in said
    assert everything_in_store() == []


def test_a_condition_that_is_code_is_refused_and_does_not_run(fails, staged, suite_at, tmp_path):
    attack = f"@pd.io.common.os.mkdir('{tmp_path}/it ran')"
    kwargs = {"column": "id", "row_condition": attack, "condition_parser": "pandas"}
    path = suite_at({"type": "expect_column_values_to_be_unique", "kwargs": kwargs})
    said = fails(DataTestOperator(task_id="test", version=staged, suite=path))
    assert "expect_column_values_to_be_unique has a row_condition, which is code" in said
    assert not (tmp_path / "it ran").exists()


def test_a_column_that_the_batch_lacks_fails_by_name(fails, run, staged, suite_at):
    path = suite_at({"type": "expect_column_values_to_be_between", "kwargs": {"column": "temp", "min_value": 0}})
    said = fails(DataTestOperator(task_id="test", version=staged, suite=path))
    assert "no column temp; the batch has id, distance, batch" in said
    (evidence,) = EvidenceStore().about("data_test", FLIGHTS, "2013-01")
    assert run.ti.pushed == {"return_value": evidence.to_json()}


def test_a_column_that_came_without_a_value_does_not_pass(fails, run, lake, staged, landing, suite_at):
    lake.publish(DataVersion.from_json(staged))
    pq.write_table(pa.table({"id": [100, 101]}), less := landing().replace("batch", "less"))
    second = run(StageDataOperator(task_id="stage", source=less, table=FLIGHTS, batch="2013-02"))
    said = fails(DataTestOperator(task_id="test", version=second, suite=suite_at(*SUITE)))
    assert "all 2 values are null" in said


def test_a_data_test_keeps_the_profile_of_the_rows_that_it_read(run, staged, landing, suite_at):
    second = run(StageDataOperator(task_id="stage", source=landing(rows=3), table=FLIGHTS, batch="2013-02"))
    for version in (staged, second):
        run(DataTestOperator(task_id="test", version=version, suite=suite_at(*SUITE), profile=True))
    store, kept = ProfileStore(Objects.configured()), []
    for batch in ("2013-01", "2013-02"):
        (evidence,) = EvidenceStore().about("data_test", FLIGHTS, batch)
        kept.append(store.get(evidence.verdict.facts["profile"]))
    assert [profile.rows for profile in kept] == [8, 3]
    assert together(kept).column("distance").high == 7


@pytest.mark.parametrize("version", [None, {}, {"table": FLIGHTS}, "nyc.flights@1", ["nyc.flights"]])
def test_what_is_no_data_version_is_refused(fails, suite_at, version):
    for operator in (
        DataTestOperator(task_id="test", version=version, suite=suite_at(*SUITE)),
        PublishDataOperator(task_id="publish", version=version, verdicts=[]),
    ):
        assert "a data version was wanted, as StageDataOperator returns it; found" in fails(operator)
    assert everything_in_store() == []


# A batch at the gate


def verdict(outcome=Outcome.PASS, subject="nyc.flights@1", check="data_test", **facts):
    return Verdict(check, subject, (Finding("rows", "id", outcome, 8, 1, reason="because"),), facts)


def evidence(judged):
    """Give a verdict as it comes by XCom."""
    return EvidenceStore().record(judged, origin=Origin("flights", "run 1", "test"), about="flights").to_json()


def publish(staged, *verdicts):
    return PublishDataOperator(task_id="publish", version=staged, verdicts=list(verdicts), outlets=[BATCHES])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "a verdict on it was wanted, none was given"),
        ([None], "check 1 of 1 left no verdict; what was not measured blocks"),
        ([{"outcome": Outcome.PASS}, None], "check 2 of 2 left no verdict; what was not measured blocks"),
        ([{}], "rows on id"),
        ([{"outcome": Outcome.FAIL}], "rows on id: because"),
        ([{"outcome": Outcome.UNKNOWN}], "because"),
        ([{"outcome": Outcome.PASS}, {"outcome": Outcome.FAIL}], "rows on id: because"),
        ([{"outcome": Outcome.PASS, "subject": "nyc.flights@7"}], "the verdict given is about nyc.flights@7"),
    ],
    ids=[
        "none",
        "of a task that did not run",
        "one of two died",
        "no outcome",
        "fail",
        "unknown",
        "one of two",
        "another version's",
    ],
)
def test_a_batch_without_a_passing_verdict_is_set_aside(fails, run, lake, staged, given, why):
    name = DataVersion.from_json(staged).name
    verdicts = [
        None if how is None else evidence(verdict(**{"outcome": Outcome.FAIL, "subject": name} | how)) for how in given
    ]
    said = fails(publish(staged, *verdicts))
    assert why in said
    branch = f"quarantine-2013-01-{staged['snapshot']}"
    assert f"batch 2013-01 of nyc.flights is quarantined on branch {branch} (8 rows), main did not move" in said
    assert lake.published(FLIGHTS) is None
    assert lake.table(FLIGHTS).scan().use_ref(branch).count() == 8
    (record,) = Objects.configured().all_json("batches/nyc.flights/")
    assert (record["outcome"], record["branch"], record["rows"]) == ("quarantined", branch, 8)
    assert len(run.events) == 0


def test_a_batch_that_passes_is_published_once_however_often_the_task_runs(run, lake, staged):
    passed = evidence(verdict(subject=DataVersion.from_json(staged).name))
    first = run(publish(staged, passed))
    assert run(publish(staged, passed)) == first
    assert lake.published(FLIGHTS).snapshot == first["snapshot"]
    (record,) = Objects.configured().all_json("batches/nyc.flights/")
    assert (record["outcome"], record["version"]) == ("published", lake.published(FLIGHTS).name)
    told = strict(run.events[BATCHES].extra)
    assert told.pop("airflow.dataquality.result")["score"] == 1
    counts = {"published_rows": first["rows"], "superseded_rows": 0, "quarantined_rows": 0}
    assert told == {**first, **counts, "evidence": [passed["id"]], "verdict": "pass"}


@pytest.mark.parametrize("given", [{"verdict": "pass"}, {"outcome": "pass"}, "pass"])
def test_what_is_no_evidence_is_refused(fails, lake, staged, given):
    assert "evidence" in fails(publish(staged, given))
    assert lake.published(FLIGHTS) is None


def test_a_verdict_that_contradicts_its_findings_is_refused(fails, lake, staged):
    forged = evidence(verdict(Outcome.FAIL, DataVersion.from_json(staged).name))
    forged["verdict"]["outcome"] = "pass"
    assert "its findings say fail" in fails(publish(staged, forged))
    assert lake.published(FLIGHTS) is None


class JudgeOperator(CheckOperator):
    """Judges as it was told to."""

    def __init__(self, *, outcome, **kwargs):
        super().__init__(**kwargs)
        self.outcome = outcome

    def judge(self, context, store):  # noqa: ARG002 - the interface
        return Judged(verdict(self.outcome, observed=float("nan"), rows=np.int64(8)), "flights", "2013-01", b"<p></p>")


@pytest.mark.parametrize("gate", ["fail", "skip", "record"])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_gate_acts_after_the_evidence_is_recorded_and_pushed(run, gate, outcome):
    operator = JudgeOperator(task_id="judge", outcome=outcome, gate=gate)
    if outcome.passes or gate == "record":
        assert run(operator) == run.ti.pushed["return_value"]
    else:
        with pytest.raises(AirflowSkipException if gate == "skip" else AirflowFailException, match="because"):
            run(operator)
    (recorded,) = EvidenceStore().about("data_test", "flights", "2013-01")
    assert run.ti.pushed == {"return_value": recorded.to_json()}
    assert recorded.verdict.outcome is outcome
    assert EvidenceStore().report(recorded.report) == ("flights", b"<p></p>")


def test_code_that_wants_to_end_the_process_fails_its_task_at_once(fails):
    class Check(CheckOperator):
        judge = leave

    assert "code that it called wanted to end the process: SystemExit(0)" in fails(Check(task_id="check"))


def test_a_gate_that_nobody_knows_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="gate of judge: fail, skip or record was wanted, found 'warn'"):
        JudgeOperator(task_id="judge", outcome=Outcome.PASS, gate="warn")


def test_a_verdict_that_cannot_be_kept_opens_no_gate(run, s3_at, nobody_listens, monkeypatch):
    s3_at(nobody_listens)
    monkeypatch.setenv("AIRFLOW__XOPS__STORE", "s3://xops_s3@evidence/prefix")
    with pytest.raises(Unavailable, match="evidence store s3://xops_s3@evidence/prefix"):
        run(JudgeOperator(task_id="judge", outcome=Outcome.PASS))
    assert run.ti.pushed == {}


def test_a_folder_that_other_machines_do_not_see_is_refused(fails, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    said = fails(JudgeOperator(task_id="judge", outcome=Outcome.PASS))
    assert "set [xops] store (AIRFLOW__XOPS__STORE) to a bucket" in said


def test_mapped_and_unmapped_tasks_have_origins_of_their_own(run):
    for map_index in (-1, 0, 1):
        run(JudgeOperator(task_id="judge", outcome=Outcome.PASS), map_index=map_index)
        run(JudgeOperator(task_id="judge", outcome=Outcome.PASS), map_index=map_index, try_number=2)
    recorded = EvidenceStore().about("data_test", "flights", "2013-01")
    assert [kept.origin.map_index for kept in recorded] == [-1, 0, 1]
    assert len({kept.origin.key for kept in recorded}) == 3


def test_a_task_that_is_not_mapped_has_one_origin_however_airflow_says_so():
    not_mapped = [SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=index) for index in (None, -1)]
    assert len({origin_of({"ti": ti}) for ti in not_mapped}) == 1


# A model in training


def fit(frame, params):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**params).fit(frame[["distance"]], frame["late"])


def fit_nothing(frame, params):
    """Forget to return the model."""


def fit_in_vain(frame, params):
    raise ArithmeticError("it does not converge")


class Leaving:
    """Ends whoever asks it."""

    predict = leave


def fit_what_leaves(frame, params):
    return Leaving()


def fit_scores(frame, params):
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(frame[["distance"]], frame["late"])


def fit_unfitted(frame, params):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


class Nowhere:
    """Answers nothing, in one of the ways that there are."""

    def __init__(self, nothing):
        self.nothing = nothing

    def predict(self, frame):
        return np.full(len(frame), self.nothing)


def fit_nan(frame, params):
    return Nowhere(np.nan)


def fit_none(frame, params):
    return Nowhere(None)


def fit_no_time(frame, params):
    return Nowhere(np.datetime64("NaT"))


def fit_and(extra):
    """Give a training function that gives more than the model."""
    return lambda frame, params: (fit(frame, params), extra)


def fit_and_more(frame, params):
    return fit(frame, params), {}, {}


def fit_without_a_service(frame, params):
    raise ConnectionError("the feature store is down")


fit_and_unknown = fit_and({"tables": {}})
fit_and_nan = fit_and({"metrics": {"gain": float("nan")}})
fit_and_escape = fit_and({"artifacts": {"../card.md": "x"}})
fit_and_list = fit_and({"metrics": [1]})
fit_and_none = fit_and({"artifacts": None})
fit_and_both = fit_and({"artifacts": {"cards": "x", "cards/card.md": "x"}})
fit_and_null = fit_and({"artifacts": {"card\0.md": "x"}})
fit_and_long = fit_and({"artifacts": {"x" * 256: "x"}})
fit_and_ours = fit_and({"artifacts": {"environment.txt": "x"}})
fit_and_params = fit_and({"artifacts": {"params.json": "{}"}})
fit_and_outside = fit_and({"metrics": {"../gain": 1}})
fit_and_missing = fit_and({"artifacts": {"card.md": Path("/no/such/file")}})
NOTHING_TO_CALL = 7


@pytest.fixture(scope="module")
def lab(mlflow_server, tmp_path_factory):
    """Give published flights and labels and a model of two versions, the second no better than the first."""
    home = tmp_path_factory.mktemp("lab")
    catalog = {"type": "sql", "warehouse": f"file://{home}/warehouse"}
    environment = {
        "AIRFLOW_CONN_ICEBERG_DEFAULT": {
            "conn_type": "iceberg",
            "host": f"sqlite:///{home}/catalog.db",
            "extra": catalog,
        },
        "AIRFLOW_CONN_MLFLOW_DEFAULT": {"conn_type": "mlflow", "host": mlflow_server.proxy.url},
    }
    chance = np.random.default_rng(0)
    distance = chance.normal(size=600)
    ids, days = np.arange(600), [f"day {number}" for number in np.arange(600) % 40]
    flights = pa.table({"id": ids, "day": days, "distance": distance})
    labels = pa.table({"id": ids, "late": distance + chance.normal(size=600) > 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xops.hooks.settings.home", lambda: home)
        for name, value in environment.items():
            patch.setenv(name, json.dumps(value))
        lake = IcebergHook()
        for table, rows in ((FLIGHTS, flights), (LABELS, labels)):
            lake.publish(lake.stage(rows, table=table, batch="2013-01"))
        model = f"flights {uuid.uuid4().hex}"
        runs = [
            {"ti": TaskInstance("", run), "dag_run": SimpleNamespace(run_type="manual")} for run in ("run 1", "run 2")
        ]
        for context in runs:
            context["ti"].task_id = "train"
        candidates = [training(model).execute(context) for context in runs]
        judged = [evaluation(candidate).execute(runs[0]) for candidate in candidates]
    return SimpleNamespace(model=model, candidates=candidates, judged=judged, environment=environment)


@pytest.fixture
def trained(lab, mlflow, monkeypatch):
    """Give the model of the lab, and put its files back after the test."""
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, json.dumps(value))
    folders = [mlflow.files(lab.model, candidate["version"]) for candidate in lab.candidates]
    kept = [shutil.copytree(folder, folder.with_name(uuid.uuid4().hex)) for folder in folders]
    yield lab
    for folder, whole in zip(folders, kept, strict=True):
        shutil.rmtree(folder)
        whole.rename(folder)


@pytest.fixture
def new_model(trained):
    """Give the name of a model that was never trained."""
    return f"flights {uuid.uuid4().hex}"


def training(model, function=f"{__name__}.fit", **changed):
    given = {
        "features": FLIGHTS,
        "labels": LABELS,
        "on": "id",
        "target": "late",
        "columns": ["distance"],
        "holdout": {"by": "day", "share": 0.5},
        "requirements": ["scikit-learn"],
    }
    return TrainModelOperator(task_id="train", model=model, train=function, **given | changed)


def untouched(mlflow, model):
    """Tell whether MLflow never heard of a model."""
    return mlflow.runs(model) == [] == mlflow.versions(model)


@pytest.mark.parametrize("function", ["no_such_module.fit", f"{__name__}.no_such_function", "fit", "", "os..path", "."])
def test_a_function_that_cannot_be_imported_is_named(fails, mlflow, new_model, function):
    said = fails(training(new_model, function))
    assert f"training function {function}: it cannot be imported: " in said
    assert untouched(mlflow, new_model)


def test_what_cannot_be_called_is_no_function(fails, mlflow, new_model):
    assert "NOTHING_TO_CALL" in fails(training(new_model, f"{__name__}.NOTHING_TO_CALL"))
    assert untouched(mlflow, new_model)


def test_a_module_with_a_mistake_in_it_is_named(fails, new_model, tmp_path, monkeypatch):
    (tmp_path / "mistaken.py").write_text("def fit(frame, params)\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "training function mistaken.fit: it cannot be imported" in fails(training(new_model, "mistaken.fit"))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("fit_nothing", "fit_nothing gave NoneType; a fitted model with predict was wanted"),
        ("fit_unfitted", "fit_unfitted: its model cannot answer 100 rows: NotFittedError"),
        ("fit_nan", "fit_nan: its model answers 100 of 100 rows with NaN or infinity"),
        ("fit_none", "fit_none: its model answers 100 of 100 rows with NaN or infinity"),
        ("fit_no_time", "fit_no_time: its model answers 100 of 100 rows with NaN or infinity"),
        ("leave", "leave raised SystemExit(0)"),
        ("fit_what_leaves", "fit_what_leaves: its model cannot answer 100 rows: SystemExit"),
        ("fit_in_vain", "fit_in_vain raised ArithmeticError('it does not converge')"),
        ("fit_and_more", "a model, or a model and a dict was wanted, found a tuple of 3"),
        ("fit_and_unknown", "metrics and artifacts were wanted beside the model, found ['tables']"),
        ("fit_and_nan", "metric 'gain': a finite number was wanted, found nan"),
        ("fit_and_escape", "artifact '../card.md': a relative path without .. was wanted"),
        ("fit_and_list", "a dict was wanted as metrics"),
        ("fit_and_none", "a dict was wanted as artifacts"),
        ("fit_and_both", "artifacts: ['cards'] cannot be a file and a folder"),
        ("fit_and_null", "a relative path without .. was wanted"),
        ("fit_and_long", "a name of at most 255 bytes was wanted"),
        ("fit_and_ours", "the run keeps environment.txt itself; name it otherwise"),
        ("fit_and_params", "the run keeps params.json itself; name it otherwise"),
        ("fit_and_outside", "metric '../gain': a name that MLflow keeps was wanted"),
        ("fit_and_missing", "artifact 'card.md' cannot be read"),
    ],
)
def test_what_a_function_gives_that_is_no_model_is_named(fails, mlflow, new_model, function, said):
    RetrainRequests(new_model).open("2013-01", {})
    assert said in fails(training(new_model, f"{__name__}.{function}"))
    assert untouched(mlflow, new_model)
    assert len(RetrainRequests(new_model).still_open()) == 1


def test_a_function_that_lacks_a_file_or_a_service_is_retried(run, mlflow, new_model):
    with pytest.raises(ConnectionError):
        run(training(new_model, f"{__name__}.fit_without_a_service"))
    assert untouched(mlflow, new_model)


@pytest.mark.parametrize(
    "params",
    [{"c": float("nan")}, {"c": object()}, {"c": (1, 2)}, {1: 2}, "{}", [1]],
    ids=lambda given: repr(given)[:15],
)
def test_parameters_that_are_no_strict_json_are_named(fails, mlflow, new_model, params):
    assert "hyperparameters in strict JSON were wanted" in fails(training(new_model, hyperparameters=params))
    assert untouched(mlflow, new_model)


@pytest.mark.parametrize("name", ["", "depth{1}", "a\nb", "../depth", "/depth", "a//b", ".", "x" * 251], ids=repr)
def test_a_parameter_whose_name_mlflow_does_not_keep_is_named_before_anything_is_recorded(
    fails, mlflow, new_model, name
):
    assert "names that MLflow keeps were wanted" in fails(training(new_model, hyperparameters={name: 1}))
    assert untouched(mlflow, new_model)


@pytest.mark.parametrize("name", ["", "  ", ".", "..", "a/b", "a:b", "a'b", "a\nb", "a\0b", "x" * 257], ids=repr)
def test_a_model_whose_name_no_registry_keeps_is_named_before_anything_is_recorded(fails, mlflow, name):
    before = {one.name for one in mlflow.direct.search_experiments()}
    assert re.search("name .* was wanted|are not allowed", fails(training(name)))
    assert {one.name for one in mlflow.direct.search_experiments()} == before


def test_two_seeds_are_refused(fails, new_model):
    said = fails(training(new_model, hyperparameters={"seed": 1}, seed=2))
    assert "seed is 2, and 1 in the hyperparameters" in said


def test_a_regression_is_trained_and_is_no_use_where_probabilities_are_wanted(run, fails, mlflow, new_model):
    candidate = run(training(new_model, f"{__name__}.fit_scores"))
    assert "is a LinearRegression without predict_proba" in fails(evaluation(candidate))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"features": "nyc.trains"}, "nyc.trains: nothing was published; publish a batch first"),
        ({"columns": ["distance", "temp"]}, "no column temp; it has id, day, distance, batch"),
        ({"target": "delayed"}, "no column delayed; it has id, late, batch"),
        ({"on": "flight"}, "no column flight; it has"),
        ({"holdout": {"by": "week"}}, "no column week; it has"),
        ({"holdout": {"share": 0.2}}, "holdout: "),
        ({"holdout": {"by": "day", "share": 1.5}}, "holdout: a share in (0, 1) was wanted, found 1.5"),
        ({"holdout": {"by": "day", "part": 0.2}}, "holdout: "),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_the_data_lack_is_named_before_anything_is_recorded(fails, mlflow, new_model, changed, said):
    assert said in fails(training(new_model, **changed))
    assert untouched(mlflow, new_model)


def test_a_holdout_that_leaves_no_row_to_learn_from_is_named(fails, mlflow, new_model):
    said = fails(training(new_model, holdout={"by": "day", "share": 0.999999}))
    assert "row" in said
    assert untouched(mlflow, new_model)


def test_a_training_that_nobody_asked_for_is_skipped(run, mlflow, new_model):
    with pytest.raises(AirflowSkipException, match="no retrain request is open"):
        run(training(new_model), run_type="asset_triggered")
    assert untouched(mlflow, new_model)


def test_a_training_while_mlflow_is_down_is_retried_and_answers_no_request(run, new_model, mlflow_down):
    RetrainRequests(new_model).open("2013-01", {})
    mlflow_down()
    with pytest.raises(Unavailable, match="did not answer"):
        run(training(new_model), run_type="asset_triggered")
    assert len(RetrainRequests(new_model).still_open()) == 1


def test_a_training_run_again_gives_the_same_and_answers_no_later_request(run, trained, mlflow):
    RetrainRequests(trained.model).open("2013-01", {})
    assert run(training(trained.model, f"{__name__}.fit_in_vain"), run_id="run 2") == trained.candidates[1]
    assert len(mlflow.versions(trained.model)) == 2
    assert [request["batch"] for request in RetrainRequests(trained.model).still_open()] == ["2013-01"]


def test_a_training_cut_off_before_it_answers_is_finished_by_its_retry(run, new_model, monkeypatch):
    def cut_off(*_):
        raise Unavailable("the store is gone")

    RetrainRequests(new_model).open("2013-01", {})
    with monkeypatch.context() as patch:
        patch.setattr(RetrainRequests, "close", cut_off)
        with pytest.raises(Unavailable):
            run(training(new_model), run_type="asset_triggered")
    RetrainRequests(new_model).open("2013-02", {})
    answer = run(training(new_model, f"{__name__}.fit_in_vain"), run_type="asset_triggered", try_number=2)
    assert (answer["version"], answer["asked_by"]) == ("1", "drift")
    assert [request["batch"] for request in RetrainRequests(new_model).still_open()] == ["2013-02"]


# A candidate before its judge


def evaluation(candidate, **changed):
    return EvaluateModelOperator(task_id="evaluate", candidate=candidate, min_rows=100, **changed)


@pytest.mark.parametrize("operator", ["evaluate", "promote"])
@pytest.mark.parametrize("candidate", [None, {}, {"model": "flights"}, "models:/flights/1", 3])
def test_what_is_no_candidate_is_refused(fails, candidate, operator):
    making = {"evaluate": evaluation, "promote": promotion}[operator]
    assert "a candidate was wanted, as TrainModelOperator returns it; found" in fails(making(candidate))


def test_a_model_that_does_not_exist_is_not_judged(fails, trained, new_model):
    said = fails(evaluation({"model": new_model, "version": "1"}))
    assert new_model in said
    assert "not found" in said
    assert everything_in_store() == []


def test_a_version_that_the_operator_did_not_train_is_not_judged(fails, mlflow, trained):
    version = mlflow.direct.get_model_version(trained.model, "1")
    foreign = mlflow.direct.create_model_version(
        trained.model, version.source, version.run_id, model_id=version.source.removeprefix("models:/")
    )
    try:
        said = fails(evaluation({"model": trained.model, "version": foreign.version}))
    finally:
        mlflow.direct.delete_model_version(trained.model, foreign.version)
    assert "is missing, so it is not known what it was trained on; a version that TrainModelOperator registered" in said


def test_a_judge_who_cannot_reach_mlflow_comes_back_later(run, trained, mlflow_down):
    mlflow_down()
    with pytest.raises(Unavailable):
        run(evaluation(trained.candidates[0]))
    assert everything_in_store() == []


def test_too_few_rows_to_judge_by_are_no_pass(fails, trained):
    operator = EvaluateModelOperator(task_id="evaluate", candidate=trained.candidates[0], min_rows=5000)
    assert "evaluation of models:/" in (said := fails(operator))
    assert "at least 5000 are needed" in said
    (kept,) = EvidenceStore().about("evaluation", trained.model)
    assert kept.verdict.outcome is Outcome.UNKNOWN


def rows_of_the_exam(exam):
    """Say what an exam holds."""
    agree = float((exam.answers.labels == exam.truth).mean())
    seen = {
        "rows": exam.rows,
        "groups": len(set(exam.groups)),
        "columns": sorted(exam.frame.columns),
        "trained_on": len(exam.candidate.trained_on),
        "champion": exam.champion and exam.champion.name,
    }
    yield Finding("agreement", exam.candidate.name, Outcome.PASS, agree, detail=seen)


def it_breaks(exam):
    raise ArithmeticError("divided by nothing")


def test_checks_of_the_battery_are_put_to_rows_that_nobody_trained_on(run, promoted):
    operator = EvaluateModelOperator(
        task_id="evaluate", candidate=promoted.candidates[1], checks=[rows_of_the_exam], sensitive=["sex"]
    )
    verdict = run(operator, run_id="run 2")["verdict"]
    (finding,) = verdict["findings"]
    seen = finding["detail"]
    assert seen["rows"] + seen["trained_on"] == 600
    assert seen["champion"] == f"models:/{promoted.model}/1"
    assert seen["columns"] == ["day", "distance", "id", "late"]
    assert finding["observed"] > 0.6
    assert {"champion", "manifest", "features", "held_out_rows"} <= verdict["facts"].keys()
    assert verdict["facts"]["training_data"]["rows"] == seen["trained_on"]


def test_a_check_of_the_battery_is_given_the_rows_that_the_candidate_learned_from(run, trained):
    seen = []

    def look(exam):
        seen.append(
            (set(exam.candidate.learned.frame["id"]), set(exam.frame["id"]), len(exam.candidate.learned.target))
        )
        return [Finding("look", "m", Outcome.PASS, 1, 1)]

    run(CheckModelOperator(task_id="check", candidate=trained.candidates[0], check=look))
    ((learned, held_out, targets),) = seen
    assert len(learned) == targets > len(held_out) > 0
    assert learned & held_out == set()


def test_one_check_alone_is_filed_under_its_name_and_its_defect_is_no_pass(fails, trained):
    operator = CheckModelOperator(task_id="check", candidate=trained.candidates[0], check=it_breaks)
    assert "the check broke: ArithmeticError('divided by nothing')" in fails(operator)
    (kept,) = EvidenceStore().about("it_breaks", trained.model)
    assert kept.verdict.outcome is Outcome.UNKNOWN


# A candidate at the gate


def promotion(candidate, *verdicts, **changed):
    return PromoteModelOperator(
        task_id="promote", candidate=candidate, verdicts=list(verdicts), reason="better", outlets=[CHAMPION], **changed
    )


def log_of(model):
    return [(entry.version, str(entry.kind)) for entry in PromotionLog(model).read()]


def admitted(lab, place, champion=None, **changed):
    """Promote a candidate on what its judge said, as if compared with ``champion``."""
    judged = copy.deepcopy(lab.judged[place])
    judged["verdict"]["facts"]["champion"] = champion
    return promotion(lab.candidates[place], judged, **changed)


def test_a_candidate_that_passes_becomes_champion_once(run, mlflow, trained):
    entry = run(admitted(trained, 0))
    assert strict(run.events[CHAMPION].extra) == entry
    assert (entry["number"], entry["version"], entry["evidence"]) == (1, "1", [trained.judged[0]["id"]])
    assert entry["manifest"] == trained.judged[0]["verdict"]["facts"]["manifest"]
    assert run(admitted(trained, 0), try_number=2) == entry
    assert log_of(trained.model) == [("1", "promote")]
    assert mlflow.direct.get_registered_model(trained.model).aliases["champion"] == "1"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (None, "a verdict on it was wanted, none was given; nothing unjudged is promoted"),
        ({"outcome": "fail"}, "is not promoted: evaluation of models:/"),
        ({"outcome": "unknown"}, "is not promoted: evaluation of models:/"),
        ({"subject": "models:/flights/7"}, "the verdict given is about models:/flights/7"),
        ({"facts": {"champion": "7"}}, "was compared with version 7, meanwhile None is champion; evaluate it again"),
        ({"facts": {"manifest": "0" * 64}}, "its files changed after it was judged; train it again"),
        ({"no facts": True}, "a verdict of EvaluateModelOperator was wanted, which knows champion and files"),
    ],
    ids=["no verdict", "fail", "unknown", "another version's", "another champion", "other files", "no facts"],
)
def test_a_candidate_without_a_passing_verdict_is_not_promoted(fails, trained, changed, why):
    judged = copy.deepcopy(trained.judged[0])
    said, (finding,) = judged["verdict"], judged["verdict"]["findings"]
    said["subject"] = (changed or {}).get("subject", said["subject"])
    said["outcome"] = finding["outcome"] = (changed or {}).get("outcome", "pass")
    finding["reason"] = "because"
    said["facts"] |= (changed or {}).get("facts", {})
    if changed and "no facts" in changed:
        said["facts"] = {}
    given = [] if changed is None else [judged]
    assert why in fails(promotion(trained.candidates[0], *given))
    assert log_of(trained.model) == []
    assert len(fails.run.events) == 0


def test_a_candidate_whose_bytes_changed_since_it_was_judged_is_not_promoted(fails, mlflow, trained):
    path = mlflow.files(trained.model, "1") / "requirements.txt"
    path.write_bytes(path.read_bytes() + b"#")
    assert "its files changed after it was judged; train it again" in fails(admitted(trained, 0))
    assert log_of(trained.model) == []


def test_a_candidate_that_was_compared_with_a_former_champion_is_judged_again_first(fails, run, trained):
    run(admitted(trained, 1), run_id="run 2")
    said = fails(admitted(trained, 0))
    assert f"models:/{trained.model}/1 was compared with version None, meanwhile 2 is champion" in said
    assert log_of(trained.model) == [("2", "promote")]


def test_a_candidate_no_better_than_the_champion_is_not_promoted(fails, run, promoted):
    said = fails(evaluation(promoted.candidates[1]), run_id="run 2")
    assert "auc_gain on models:/" in said
    assert "is not promoted" in fails(promotion(promoted.candidates[1], run.ti.pushed["return_value"]))
    assert log_of(promoted.model) == [("1", "promote")]


def test_a_promotion_that_cannot_reach_mlflow_comes_back_later(run, trained, mlflow_down):
    mlflow_down()
    with pytest.raises(Unavailable):
        run(admitted(trained, 0))
    assert log_of(trained.model) == []


def test_a_promotion_cut_off_between_log_and_alias_is_finished_by_its_retry(run, mlflow, promoted, monkeypatch):
    monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    for _ in range(3):
        mlflow.proxy.fail_next("POST .*/registered-models/alias$", 503)
    with pytest.raises(Unavailable):
        run(admitted(promoted, 1, champion="1"), run_id="run 2")
    assert log_of(promoted.model) == [("1", "promote"), ("2", "promote")]
    assert mlflow.direct.get_registered_model(promoted.model).aliases["champion"] == "1"
    assert run(admitted(promoted, 1, champion="1"), run_id="run 2", try_number=2)["number"] == 2
    assert mlflow.direct.get_registered_model(promoted.model).aliases == {"champion": "2", "previous": "1"}


def test_an_orphan_promotes_nothing(fails, trained):
    PromotionLog(trained.model).claim(Origin("flights", "run 1", "promote").key, 2)
    assert "attempt 2 of this task has started; attempt 1 is an orphan" in fails(admitted(trained, 0))
    assert log_of(trained.model) == []


# A way back


def rollback(model, **changed):
    return RollbackModelOperator(task_id="rollback", **{"model": model, "reason": "it is late itself"} | changed)


@pytest.fixture
def promoted(run, trained):
    """Give the lab's model with its first version as champion."""
    run(admitted(trained, 0))
    return trained


@pytest.fixture
def replaced(run, promoted):
    """Give a model whose second version is champion and whose first was."""
    run(admitted(promoted, 1, champion="1"), run_id="run 2")
    return promoted


def card_of(mlflow, model, version, name="model-card.md"):
    """Give a file of the card that MLflow has of a version."""
    run_id = mlflow.direct.get_model_version(model, version).run_id
    return Path(mlflow.direct.download_artifacts(run_id, f"card/{name}")).read_text(encoding="utf-8")


def test_a_promoted_version_has_a_model_card_with_what_its_people_said(run, trained, mlflow, tmp_path, capsys):
    (said := tmp_path / "card.md").write_text("## Intended use\nTo warn of delays.\n")
    store, judged = EvidenceStore(), Evidence.from_json(trained.judged[0])
    store.keep(judged, store)
    run(operator := admitted(trained, 0, card=str(said)))
    card = card_of(mlflow, trained.model, "1")
    for wanted in ("To warn of delays.", judged.id, "| promote | 1 |", "better", "Article 14"):
        assert wanted in card
    assert "To warn of delays." in card_of(mlflow, trained.model, "1", "model-card.html")
    said.unlink()
    operator.card = None
    run(operator, try_number=2)
    assert card_of(mlflow, trained.model, "1") == card
    assert main(["card", trained.model, "--json", "--out", str(tmp_path)]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown["markdown"] == card == (tmp_path / "model-card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("texts", ["## Intent\nx", "- a", "a: [", "intended_use: 3", None])
@pytest.mark.parametrize("suffix", ["md", "yaml"])
def test_a_card_that_cannot_be_read_promotes_nothing(fails, trained, tmp_path, texts, suffix):
    path = tmp_path / f"card.{suffix}"
    if texts is not None:
        path.write_text(texts)
    assert "card" in fails(admitted(trained, 0, card=str(path)))
    assert log_of(trained.model) == []


def test_a_card_that_cannot_be_written_undoes_no_promotion_and_is_written_by_a_retry(run, trained, mlflow, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    def denied(*_):
        raise MlflowException("no artifacts for you", error_code=PERMISSION_DENIED)

    operator = admitted(trained, 0, card={"intended_use": "To warn."})
    with (
        monkeypatch.context() as patch,
        pytest.raises(Unavailable, match="its model card is not written, the promotion log is"),
    ):
        patch.setattr(MlflowClient, "log_text", denied)
        run(operator)
    assert log_of(trained.model) == [("1", "promote")]
    run(operator, try_number=2)
    assert log_of(trained.model) == [("1", "promote")]
    assert "To warn." in card_of(mlflow, trained.model, "1")


def test_no_card_is_shown_of_a_model_that_was_never_promoted(trained, capsys):
    assert main(["card", trained.model]) == 2
    assert "nothing was promoted yet; name a version" in capsys.readouterr().err


def test_there_is_no_way_back_from_nothing(fails, trained):
    assert "nothing was ever promoted, so there is nothing to roll back to" in fails(rollback(trained.model))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "version 1 is the first champion; there is no previous one"),
        ({"to": "1"}, "version 1 is champion already"),
        ({"to": "2"}, "version 2 never was champion; versions that were: 1"),
        ({"to": "two"}, "version two never was champion; versions that were: 1"),
        ({"reason": "  "}, "a reason was wanted, found"),
    ],
)
def test_a_way_back_that_does_not_exist_is_not_taken(fails, promoted, changed, said):
    assert said in fails(rollback(promoted.model, **changed))
    assert log_of(promoted.model) == [("1", "promote")]


def test_the_way_back_is_one_step_and_once(run, mlflow, replaced):
    entry = run(rollback(replaced.model))
    assert run(rollback(replaced.model), try_number=2) == entry
    assert log_of(replaced.model) == [("1", "promote"), ("2", "promote"), ("1", "rollback")]
    assert mlflow.direct.get_registered_model(replaced.model).aliases["champion"] == "1"


def test_the_card_of_the_version_that_was_left_says_that_it_was_withdrawn_and_why(run, mlflow, replaced):
    run(rollback(replaced.model))
    card = card_of(mlflow, replaced.model, "2")
    assert card.startswith(f"# Model card: {replaced.model}, version 2, withdrawn\n".replace("_", "\\_"))
    assert "for version 1, by" in card
    assert "it is late itself" in card
    assert "withdrawn" in card_of(mlflow, replaced.model, "2", "model-card.html")
    back = card_of(mlflow, replaced.model, "1")
    assert "| rollback | 1 | 2 |" in back
    assert "withdrawn" not in back.partition("## Promotion history")[0]


def test_a_former_champion_whose_bytes_changed_is_not_put_back(fails, mlflow, replaced):
    path = mlflow.files(replaced.model, "1") / "model.skops"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "the model's files changed after they were recorded" in fails(rollback(replaced.model))
    assert champion(PromotionLog(replaced.model).read()) == "2"


# A champion at work


def scoring(model, **changed):
    return ScoreBatchOperator(
        task_id="score", **{"model": model, "features": FLIGHTS, "scores": SCORES, "on": "id"} | changed
    )


def drift(model, **changed):
    return DriftCheckOperator(task_id="drift", model=model, features=FLIGHTS, **changed)


def performance(model, **changed):
    return PerformanceCheckOperator(
        task_id="performance", model=model, scores=SCORES, labels=LABELS, on="id", target="late", **changed
    )


def decision(model, **changed):
    return RetrainDecisionOperator(task_id="decide", model=model, features=FLIGHTS, **changed)


@pytest.mark.parametrize("making", [scoring, drift, decision])
def test_without_a_champion_there_is_nothing_to_do(run, trained, making):
    with pytest.raises(AirflowSkipException, match="has no champion yet"):
        run(making(trained.model))
    assert everything_in_store() == []


@pytest.mark.parametrize("making", [scoring, drift])
def test_a_champion_out_of_reach_is_waited_for(run, promoted, mlflow_down, making):
    mlflow_down()
    with pytest.raises(Unavailable):
        run(making(promoted.model))
    assert IcebergHook().published(SCORES) is None


def test_a_champion_whose_bytes_changed_scores_nothing(fails, mlflow, promoted):
    path = mlflow.files(promoted.model, "1") / "model.skops"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "the model's files changed after they were recorded" in fails(scoring(promoted.model))
    assert IcebergHook().published(SCORES) is None


def test_nothing_new_to_score_is_skipped(run, promoted):
    with pytest.raises(AirflowSkipException, match=r"every batch of nyc.flights is scored"):
        run(scoring(promoted.model))


def test_drift_that_cannot_be_measured_is_unknown(run, promoted):
    answer = run(drift(promoted.model, current="2013-09"))
    assert answer["verdict"]["outcome"] == "unknown"
    assert re.search(r"[1-9]\d* reference and 0 current rows", json.dumps(answer))
    assert answer["report"] is None


def test_performance_without_scores_says_so(run, fails, promoted):
    with pytest.raises(AirflowSkipException, match=r"no batch of nyc.scores has labels yet"):
        run(performance(promoted.model))
    assert "nyc.scores: nothing was published" in fails(performance(promoted.model, batch="2013-01"))


@pytest.mark.parametrize("policy", [{"k": 3, "n": 2}, {"kk": 1}, {"cooldown": -1}, {"budget": -1}])
def test_a_policy_that_cannot_be_is_refused_and_decides_nothing(fails, promoted, policy):
    assert "retrain policy: " in fails(decision(promoted.model, policy=policy))
    assert RetrainRequests(promoted.model).decisions() == []
