"""Training data: data that failed a test, is old, small or not allowed for the purpose is caught, one by one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from xops.checks.battery.contender import Contender, Learned
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


def judged(check=ALL, *, rows=1000, days=(30, 1), **batches):
    arrived = [None if one is None else datetime.now(UTC) - timedelta(days=one) for one in days]
    facts = {FACTS: known_of("lake.rain@1", rows, batches, arrived=arrived)}
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
        ({"a": of_test(), "days": (None, 9, 8)}, "training_data_age lake.rain@1"),
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
    found = judged(TrainingData(tags={"rain": []}, refused=["personal"], max_age=timedelta(1)), a=None, days=[None])
    unknown = {"data_tests lake.rain@1", "training_data_age lake.rain@1", "allowed_tags sex"}
    assert against(found, Outcome.UNKNOWN) == unknown
    exam = Exam(FRAME, np.array([0, 1, 0, 1]), "binary", Contender("m/2", None, ("rain",)))
    assert {finding.outcome for finding in TrainingData(max_age=timedelta(1))(exam)} == {Outcome.UNKNOWN}
    with pytest.raises(Misconfigured, match="fill tags"):
        TrainingData(refused=["personal"])


def learned(days, name="seen"):
    """Give an exam of a candidate that learned from rows that are so many days old."""
    rows = Learned(FRAME.assign(**{name: days}), np.array([0, 1, 0, 1]))
    return Exam(FRAME, np.array([0, 1, 0, 1]), "binary", Contender("m/2", None, ("rain",), learned=rows))


NOW = pd.Timestamp.now("UTC")


@pytest.mark.parametrize(
    ("seen", "outcome", "said"),
    [
        (
            [NOW - pd.Timedelta(days=9), NOW - pd.Timedelta(days=6)] * 2,
            "pass",
            "seen that it learned from was 6 days",
        ),
        ([NOW.tz_localize(None) - pd.Timedelta(days=8), pd.NaT] * 2, "fail", "was 8 days, 0:"),
        ([NOW.tz_convert("Asia/Tokyo") - pd.Timedelta(days=8)] * 4, "fail", "was 8 days, 0:"),
        ([pd.NaT] * 4, "unknown", "no row has a seen"),
        (["2026-01-01"] * 4, "unknown", "a column of times was wanted, seen is of the type"),
    ],
    ids=["new", "old", "old in Tokyo", "missing", "texts"],
)
def test_how_old_the_data_are_a_column_of_times_tells_and_no_test_of_them(seen, outcome, said):
    check = TrainingData(max_age=timedelta(days=7), time="seen")
    (found,) = [one for one in check(learned(seen)) if one.check == "training_data_age"]
    assert (found.outcome, said in found.reason) == (Outcome(outcome), True), found.reason
    (absent,) = [one for one in check(learned(seen, "other")) if one.check == "training_data_age"]
    assert (absent.outcome, absent.reason) == (Outcome.UNKNOWN, "the rows lack the column seen")
