"""Training data: data that failed a test, is old, small or not allowed for the purpose is caught, one by one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.training_data import FACTS, TrainingData, known_of
from xops.core.errors import Misconfigured
from xops.core.evidence import Evidence, Origin
from xops.core.verdict import Finding, Outcome, Verdict

pytestmark = pytest.mark.integration

FRAME = pd.DataFrame({"rain": np.arange(4.0), "sex": ["f", "m", "f", "m"]})
ORIGIN = Origin(dag_id="d", run_id="r", task_id="t")
ALL = TrainingData(
    max_age=timedelta(days=7), min_rows=100, tags={"rain": [], "sex": ["personal"]}, refused=["sensitive"]
)


def of_test(outcome="pass", days=1):
    finding = Finding("expect", "rain", Outcome(outcome), reason="so it is")
    moment = datetime.now(UTC) - timedelta(days=days)
    return Evidence(Verdict("data_test", "rain", [finding]), "lake.rain", "b", ORIGIN, moment.isoformat())


def judged(check=ALL, *, rows=1000, **batches):
    facts = {FACTS: known_of("lake.rain@1", rows, batches)}
    exam = Exam(FRAME, np.array([0, 1, 0, 1]), "binary", Contender("m/2", None, ("rain", "sex")), facts=facts)
    return {f"{finding.check} {finding.subject}": finding for finding in check(exam)}


def against(found, outcome=Outcome.FAIL):
    return {name for name, finding in found.items() if finding.outcome is outcome}


def test_data_that_is_fit_passes():
    found = judged(a=of_test(days=30), b=of_test("warn"))
    assert against(found, Outcome.PASS) | against(found, Outcome.WARN) == set(found)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("changed", "caught"),
    [
        ({"a": of_test("fail"), "b": of_test()}, "data_tests lake.rain@1"),
        ({"a": of_test(days=8)}, "training_data_age lake.rain@1"),
        ({"a": of_test(), "rows": 99}, "training_rows lake.rain@1"),
        (
            {"a": of_test(), "check": TrainingData(tags={"rain": [], "sex": ["personal"]}, refused=["personal"])},
            "allowed_tags sex",
        ),
    ],
    ids=["failed", "old", "small", "refused"],
)
def test_data_unfit_in_one_way_is_caught(changed, caught):
    assert against(judged(**changed)) == {caught}


def test_what_nobody_tested_or_tagged_is_unknown():
    found = judged(a=of_test(), b=None)
    assert against(found, Outcome.UNKNOWN) == {"data_tests lake.rain@1"}
    assert found["data_tests lake.rain@1"].reason == "no evidence of any test of b"
    found = judged(TrainingData(tags={"rain": []}, refused=["personal"], max_age=timedelta(1)), a=None)
    unknown = {"data_tests lake.rain@1", "training_data_age lake.rain@1", "allowed_tags sex"}
    assert against(found, Outcome.UNKNOWN) == unknown
    exam = Exam(FRAME, np.array([0, 1, 0, 1]), "binary", Contender("m/2", None, ("rain",)))
    assert {finding.outcome for finding in TrainingData(max_age=timedelta(1))(exam)} == {Outcome.UNKNOWN}
    with pytest.raises(Misconfigured, match="fill tags"):
        TrainingData(refused=["personal"])
