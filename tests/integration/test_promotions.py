"""Champions on a real MLflow server: promoted, rolled back, reconciled, approved; killed and raced on the way."""

from __future__ import annotations

import json
import shutil
import uuid

import pyarrow as pa
import pytest

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured, Refused
from xops.core.gate import Rule
from xops.core.model.holdout import Holdout
from xops.core.model.training import AskedBy, TrainingRecord
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.promotions import Asker, Promotions
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import MANIFEST

pytestmark = pytest.mark.integration

FLIGHTS = "nyc.flights"
ALL_PASS = Rule()


@pytest.fixture(scope="module")
def fitted():
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5, "hour": [5, 6, 20, 21] * 5})
    return LogisticRegression().fit(frame, [False, False, True, True] * 5), frame


@pytest.fixture
def lake():
    rows = pa.table({"id": list(range(4)), "distance": [100.0, 200.0, 900.0, 1000.0], "hour": [5, 6, 20, 21]})
    hook = IcebergHook()
    hook.publish(hook.stage(rows, table=FLIGHTS, batch="2013-01"))
    return hook


@pytest.fixture
def register(fitted):
    """Give a function that registers versions of a model, as trainings do; the connection says where."""
    classifier, frame = fitted
    record = TrainingRecord(
        features=DataVersion(FLIGHTS, "1"), labels=DataVersion("nyc.labels", "1"), batches=("2013-01",), on="id",
        target="late", columns=("distance", "hour"), holdout=Holdout("day", 0.2), rows=20, asked_by=AskedBy.MANUAL,
        code="flights.fit@abc",
    )  # fmt: skip

    def put(model, versions):
        for version in range(1, versions + 1):
            training = Training(model, f"{model}-{version}", {}, record.to_tags(), {}, {})
            assert MlflowHook().train_version(training, classifier, frame, requirements=["scikit-learn"]) == str(
                version
            )
        return model

    return put


@pytest.fixture
def model(mlflow, register):
    """Give a model of three versions that nobody has promoted."""
    return register(f"model {uuid.uuid4().hex}", 3)


def judged(model, version, champion, manifest=None, outcome=Outcome.PASS, check="evaluation"):
    """Give what EvaluateModelOperator leaves of a version."""
    name = f"models:/{model}/{version}"
    manifest = manifest or MlflowHook().version(model, version).tags[MANIFEST]
    finding = Finding("auc", name, outcome, 0.8, 0.7, reason=f"found {outcome}")
    return [(f"evidence {version}", Verdict(check, name, (finding,), {"champion": champion, "manifest": manifest}))]


def ask(key="key 1", attempt=1):
    return Asker(key, attempt, "flights_training/run/promote")


def promoted(model, *versions):
    """Promote versions one after the other, and give what changes champions."""
    promotions, champion = Promotions(model), None
    for version in versions:
        evidence = judged(model, version, champion)
        promotions.promote(version, evidence, ask(f"promote {version}"), reason="better", rule=ALL_PASS)
        champion = version
    return promotions


def test_aliases_follow_the_log(model):
    promotions = promoted(model, "1")
    assert promotions.hook.aliases(model) == {"champion": "1", "challenger": "3"}
    promoted_again = promotions.promote("3", judged(model, "3", "1"), ask("promote 3"), reason="better", rule=ALL_PASS)
    assert (promoted_again.previous, promoted_again.version) == ("1", "3")
    assert promotions.hook.aliases(model) == {"champion": "3", "previous": "1"}


def test_a_promotion_asked_for_again_is_the_same_entry(model):
    promotions = promoted(model, "1", "2")
    again = promotions.promote("2", judged(model, "2", "1"), ask("promote 2", 2), reason="again", rule=ALL_PASS)
    assert again == promotions.log.read()[1]
    assert len(promotions.log.read()) == 2


def test_the_rule_decides_which_verdicts_are_enough(model):
    promotions = Promotions(model)
    evidence = judged(model, "1", None)
    with pytest.raises(Refused, match="approval was asked for and not measured"):
        promotions.promote("1", evidence, ask(), reason="", rule=Rule.of("person_agrees"))
    approval = judged(model, "1", None, check="approval")
    entry = promotions.promote("1", evidence + approval, ask(), reason="", rule=Rule.of("person_agrees"))
    assert entry.evidence == ("evidence 1", "evidence 1")
    warned = judged(model, "2", "1", outcome=Outcome.WARN)
    with pytest.raises(Refused, match="found warn"):
        promotions.promote("2", warned, ask("key 2"), reason="", rule=Rule.of("all_pass", {"auc": "critical"}))


def test_an_approval_of_other_files_promotes_nothing(model):
    evidence = judged(model, "1", None) + judged(model, "1", None, manifest="0" * 64, check="approval")
    with pytest.raises(Refused, match="its files changed after it was judged"):
        Promotions(model).promote("1", evidence, ask(), reason="", rule=ALL_PASS)


def test_a_rollback_needs_the_columns_that_the_version_was_trained_on(model, lake):
    from pyiceberg.types import StringType

    promotions = promoted(model, "1", "2")
    entry = promotions.roll_back("previous", ask("back"), reason="it is worse on Sundays")
    assert (entry.version, entry.overrode) == ("1", ())
    with lake.table(FLIGHTS).update_schema(allow_incompatible_changes=True) as change:
        change.delete_column("distance").delete_column("hour")
    with lake.table(FLIGHTS).update_schema() as change:
        change.add_column("hour", StringType())
    with pytest.raises(Refused) as refused:
        promotions.roll_back("previous", ask("forth"), reason="no, it is not")
    assert "column distance is missing" in str(refused.value)
    assert "column hour is large_string, the model was trained on long" in str(refused.value)
    assert promotions.hook.aliases(model)["champion"] == "1"
    forced = promotions.roll_back("previous", ask("forth"), reason="the features come back today", force=True)
    assert (forced.version, forced.reason) == ("2", "the features come back today")
    assert len(forced.overrode) == 2
    assert promotions.log.read()[-1] == forced


def test_a_rollback_needs_the_data_to_be_there_at_all(model):
    promotions = promoted(model, "1", "2")
    with pytest.raises(Refused, match=r"nyc\.flights does not exist"):
        promotions.roll_back("previous", ask("back"), reason="it is worse")


@pytest.mark.parametrize("blank", ["  ", "\n", None, 7])
def test_a_reason_that_says_nothing_is_refused(model, blank):
    promotions = promoted(model, "1")
    with pytest.raises(Misconfigured, match="a reason was wanted, found"):
        promotions.promote("2", judged(model, "2", "1"), ask("promote 2"), reason=blank, rule=ALL_PASS)
    with pytest.raises(Misconfigured, match="a reason was wanted, found"):
        promotions.roll_back("previous", ask("back"), reason=blank, force=True)
    assert len(promotions.log.read()) == 1


def test_an_alias_set_by_hand_is_found_reported_and_put_back(model):
    promotions = promoted(model, "1", "2")
    assert promotions.reconcile().outcome is Outcome.PASS
    promotions.hook.set_alias(model, "champion", "3")
    found = promotions.reconcile()
    assert found.outcome is Outcome.WARN
    assert "it was at 3, the promotion log says 2" in str(found)
    assert promotions.hook.aliases(model)["champion"] == "2"
    assert promotions.reconcile().outcome is Outcome.PASS


def test_of_more_versions_than_mlflow_gives_at_once_none_is_left_out(model, monkeypatch):
    monkeypatch.setattr("xops.hooks.models.versions._PAGE", 1)
    promotions = promoted(model, "1", "2")
    assert [version.version for version in promotions.hook.versions(model)] == ["1", "2", "3"]
    assert promotions.hook.aliases(model) == {"champion": "2", "previous": "1", "challenger": "3"}
    assert promotions.reconcile().outcome is Outcome.PASS


def test_an_alias_without_any_promotion_is_reported_and_left_alone(model):
    promotions = Promotions(model)
    promotions.hook.set_alias(model, "champion", "3")
    assert "it was at 3, the promotion log says nothing" in str(promotions.reconcile())
    assert promotions.hook.aliases(model) == {"champion": "3"}


def test_a_champion_that_was_deleted_is_reported(model, mlflow):
    promotions = promoted(model, "1", "2")
    mlflow.direct.delete_model_version(model, "2")
    found = promotions.reconcile()
    assert found.outcome is Outcome.FAIL
    assert "the champion was deleted from the registry" in str(found)


def test_a_champion_whose_files_changed_or_are_gone_is_reported(model, mlflow):
    promotions = promoted(model, "1")
    files = mlflow.files(model, "1")
    (files / "MLmodel").write_text((files / "MLmodel").read_text() + "\n")
    assert "files changed after it was promoted" in str(promotions.reconcile())
    shutil.rmtree(files)
    assert promotions.reconcile().outcome is Outcome.FAIL


def promote_in_a_process(home, host, model, version, champion, manifest, key):
    """Promote in a process of its own; a promoter that comes too late is refused."""
    import os
    from pathlib import Path

    from xops.hooks import settings

    settings.home = lambda: Path(home)
    os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({"conn_type": "mlflow", "host": host})
    evidence = judged(model, version, champion, manifest)
    try:
        return Promotions(model).promote(version, evidence, ask(key), reason="", rule=ALL_PASS).number
    except Refused:
        return "refused"


def test_of_promoters_that_saw_the_same_champion_one_wins_and_the_alias_is_its(model, mlflow, tmp_path, in_processes):
    promotions = promoted(model, "1")
    manifests = {version: MlflowHook().version(model, version).tags[MANIFEST] for version in ("2", "3")}
    where = str(tmp_path / "xops"), mlflow.proxy.url, model
    answers = in_processes(
        promote_in_a_process,
        [(*where, version, "1", manifests[version], f"{version} {n}") for version in ("2", "3") for n in range(2)],
    )
    assert sorted(answers, key=str) == [2, "refused", "refused", "refused"]
    assert promotions.hook.aliases(model)["champion"] == promotions.log.read()[-1].version
