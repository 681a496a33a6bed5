"""Leakage: a model that knows what it could not know is caught, one way at a time; a fine one passes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine

from xops.checks.battery.contender import Contender, Learned, row_hashes
from xops.checks.battery.exam import Exam
from xops.checks.battery.leakage import Leakage
from xops.core.errors import Misconfigured, Refused
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

ROWS = 2000
COLUMNS = ("rain", "wind", "carrier", "carrier_rate")
ALL = Leakage(
    time="day", known={"rain": "rain_known"}, encodings={"carrier_rate": "carrier"}, max_near=0.01, max_alone=0.95
)


def flights(day, seed):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": np.arange(ROWS) + 10_000 * seed,
            "rain": chance.normal(size=ROWS),
            "wind": chance.normal(size=ROWS),
            "carrier": chance.integers(40, size=ROWS).astype(str),
            "day": pd.Timestamp(day) + pd.to_timedelta(chance.integers(20, size=ROWS), unit="D"),
        }
    )
    frame["rain_known"] = frame["day"] - pd.Timedelta(hours=1)
    odds = frame["rain"] + frame["carrier"].astype(int) / 40 - 0.5
    return frame, chance.random(ROWS) < 1 / (1 + np.exp(-2 * odds))


def rate(frame, late):
    return pd.Series(late.astype(float)).groupby(frame["carrier"]).mean()


def nothing(frame, late, learned):
    pass


def exam_of(change=nothing, **changed):
    """Give an exam whose rates of a carrier are those of the rows learned from; ``change`` alters rows in place."""
    learned, learned_late = flights("2013-01-01", 1)
    frame, late = flights("2013-02-01", 2)
    rates = rate(learned, learned_late)
    for one in (learned, frame):
        one["carrier_rate"] = one["carrier"].map(rates) * 0.8 + 0.1
    change(frame, late, learned)
    given = {"trained_on": row_hashes(learned, ["id"]), "learned": Learned(learned, learned_late)}
    return Exam(frame, late, "binary", Contender("m/2", None, COLUMNS, **given | changed), key=("id",))


def caught(exam, check=ALL):
    return {f"{finding.check} {finding.subject}" for finding in check(exam) if finding.outcome is Outcome.FAIL}


def tells(frame, late, learned):
    frame["wind"] = late + 0.1 * frame["wind"]


def copies(frame, late, learned):
    for column in COLUMNS:
        frame.loc[: ROWS // 4, column] = learned.loc[: ROWS // 4, column]
    frame["rain"] += 1e-7 * frame["wind"]


def later(frame, late, learned):
    learned.loc[5, "day"] = pd.Timestamp("2013-02-10")


def unknown_then(frame, late, learned):
    frame.loc[7, "rain_known"] = pd.Timestamp("2014-01-01")


def of_all(frame, late, learned):
    frame["carrier_rate"] = (frame["carrier_rate"] + frame["carrier"].map(rate(frame, late))) / 2


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (tells, "roc_auc_alone wind"),
        (copies, "near_duplicates m/2"),
        (later, "learned_from_later_rows m/2"),
        (unknown_then, "known_later rain"),
        (of_all, "encodes_exam carrier_rate"),
    ],
)
def test_each_leak_is_caught_by_its_own_finding(change, finding):
    assert caught(exam_of(change)) == {finding}


def test_a_model_without_leaks_passes():
    found = ALL(exam_of())
    assert {str(finding) for finding in found if finding.outcome is not Outcome.PASS} == set()
    assert len(found) == len(COLUMNS) + 5


def test_an_honest_encoding_is_seldom_accused():
    wrong = 0
    for seed in range(2, 62, 2):
        (learned, was), (frame, now) = flights("2013-01-01", seed), flights("2013-02-01", seed + 1)
        few = (learned["carrier"].astype(int) < 20) & (learned["rain"] > -1)
        learned, was = learned[~few].reset_index(drop=True), was[~few]
        past = pd.Series(was.astype(float)).groupby(learned["carrier"])
        frame["carrier_rate"] = frame["carrier"].map((past.sum() + 30 * was.mean()) / (past.size() + 30))
        exam = Exam(frame, now, "binary", Contender("m/2", None, (), learned=Learned(learned, was)))
        wrong += Leakage(encodings={"carrier_rate": "carrier"})(exam)[-1].outcome is Outcome.FAIL
    assert wrong <= 1


def test_a_row_that_was_trained_on_is_refused_before_any_check():
    def same(frame, late, learned):
        frame.loc[3, "id"] = learned.loc[3, "id"]

    with pytest.raises(Refused, match="m/2 was trained on 1 of the exam's 2000 rows"):
        exam_of(same)


@pytest.mark.parametrize("where", ["exam", "learned"])
def test_a_row_that_does_not_tell_its_time_is_not_taken_for_an_early_one(where):
    def untold(frame, late, learned):
        (frame if where == "exam" else learned).loc[3, "day"] = pd.NaT

    found = {finding.check: finding for finding in ALL(exam_of(untold))}
    assert found["learned_from_later_rows"].outcome is Outcome.UNKNOWN
    assert found["learned_from_later_rows"].reason == "1 rows have no day"
    assert (found["known_later"].outcome is Outcome.UNKNOWN) is (where == "exam")

    def unknown_when(frame, late, learned):
        frame.loc[3, "rain_known"] = pd.NaT

    found = {finding.check: finding for finding in ALL(exam_of(unknown_when))}
    assert found["known_later"].reason == "of 1 rows it is not known when they had their value"


def test_what_is_not_at_hand_is_unknown_with_its_reason():
    found = {finding.check: finding for finding in ALL(exam_of(trained_on=None, learned=None))}
    for check in ("near_duplicates", "learned_from_later_rows", "encodes_exam"):
        assert found[check].outcome is Outcome.UNKNOWN
        assert found[check].reason == "the rows that the candidate learned from are not at hand"
    assert found["overlap"].outcome is Outcome.UNKNOWN

    def bare(frame, late, learned):
        frame.drop(columns=["day"], inplace=True)  # noqa: PD002
        frame["wind"] = np.nan
        frame["carrier_rate"] += frame["rain"]

    found = {f"{finding.check} {finding.subject}": finding for finding in ALL(exam_of(bare))}
    assert found["roc_auc_alone wind"].reason == "every value is missing"
    assert found["known_later rain"].reason == "the rows lack the column day"
    assert found["learned_from_later_rows m/2"].outcome is Outcome.UNKNOWN
    assert found["encodes_exam carrier_rate"].reason == "it has more than one value in a category of carrier"
    with pytest.raises(Misconfigured, match="name its column in time"):
        Leakage(known={"rain": "rain_known"})


@pytest.mark.parametrize(("load", "kind", "check"), [
    (load_wine, "multiclass", "roc_auc_alone"), (load_diabetes, "regression", "r2_alone"),
])  # fmt: skip
def test_more_classes_and_numbers_are_judged_too(load, kind, check):
    frame, target = load(return_X_y=True, as_frame=True)
    frame["told"] = target * 2.0
    exam = Exam(frame, target.to_numpy(), kind, Contender("m/2", None, (frame.columns[1], "told")))
    found = {finding.subject: finding for finding in Leakage(max_alone=0.9)(exam) if finding.check == check}
    assert found["told"].outcome is Outcome.FAIL
    assert found[frame.columns[1]].outcome is Outcome.PASS
