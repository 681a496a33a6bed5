"""The exam of the battery: what models of every kind answer, and what is made of answers that cannot be."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from xops.checks.battery.answers import BadAnswer, Kind, Unmeasured, places_in
from xops.checks.battery.check import findings_of, judge
from xops.checks.battery.contender import Contender, row_hashes
from xops.checks.battery.exam import Exam
from xops.core.errors import Misconfigured, Refused, Unavailable
from xops.core.verdict import Finding, Outcome

pytestmark = pytest.mark.integration

CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": CHANCE.normal(size=60), "z": CHANCE.normal(size=60)})
TARGET = np.where(FRAME["x"] + CHANCE.normal(size=60) > 0, "late", "in time")
COLUMNS = ("x", "z")


def model(**methods):
    return SimpleNamespace(**{name: (lambda frame, give=give: give(frame)) for name, give in methods.items()})


def exam_of(candidate, *, target=TARGET, kind="binary", frame=FRAME, columns=COLUMNS, **changed):
    return Exam(frame, target, Kind(kind), Contender("models:/m/2", candidate, columns), **changed)


def shares(exam):
    return [Finding("share", exam.candidate.name, Outcome.PASS, float(exam.answers.probabilities[:, 1].mean()))]


def test_probabilities_come_from_a_classifier_a_booster_and_a_pyfunc_alike():
    fitted = LogisticRegression().fit(FRAME, TARGET)
    given = fitted.predict_proba(FRAME)
    sorted_otherwise = model(predict_proba=lambda frame: fitted.predict_proba(frame)[:, ::-1])
    sorted_otherwise.classes_ = fitted.classes_[::-1]
    for one in (
        fitted,
        model(predict=fitted.predict_proba),
        model(predict=lambda frame: fitted.predict_proba(frame)[:, 1]),
        model(predict=lambda frame: fitted.predict_proba(frame).astype(np.float32)),
    ):
        exam = exam_of(one)
        np.testing.assert_allclose(exam.answers.probabilities, given, atol=1e-7)
        np.testing.assert_array_equal(exam.answers.labels, exam.truth * 0 + (given[:, 1] > 0.5))
    champion = Contender("models:/m/1", sorted_otherwise, COLUMNS)
    np.testing.assert_allclose(exam_of(fitted, champion=champion).champion_answers.probabilities, given)


def test_a_model_is_asked_once_for_each_kind_of_answer():
    asked = []
    fitted = LogisticRegression().fit(FRAME, TARGET)
    one = model(predict_proba=lambda frame: asked.append(len(frame)) or fitted.predict_proba(frame))
    exam = exam_of(one)
    assert exam.answers.probabilities is exam.answers.probabilities
    assert exam.answers.scores.tolist() == exam.answers.probabilities[:, 1].tolist()
    exam.answers.on(FRAME.head(7)).probabilities  # noqa: B018
    assert asked == [60, 7]


def test_a_model_without_probabilities_ranks_by_its_decision():
    fitted = LinearSVC().fit(FRAME, TARGET)
    exam = exam_of(fitted)
    np.testing.assert_allclose(exam.answers.scores, fitted.decision_function(FRAME))
    assert (exam.classes[exam.answers.labels] == fitted.predict(FRAME)).all()
    with pytest.raises(BadAnswer, match="gives no probabilities"):
        exam.answers.probabilities  # noqa: B018


def test_a_class_that_only_the_candidate_knows_has_no_chance_for_the_champion():
    target = np.array(["a", "b", "c"] * 20)
    champion = LogisticRegression().fit(FRAME[target != "c"], target[target != "c"])
    exam = exam_of(
        LogisticRegression().fit(FRAME, target),
        target=target, kind="multiclass", champion=Contender("models:/m/1", champion, COLUMNS),
    )  # fmt: skip
    assert exam.champion_answers.probabilities[:, 2].tolist() == [0.0] * 60


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda frame: np.full((len(frame), 2), np.nan), "gave 60 rows an answer that is not finite"),
        (lambda frame: np.full((len(frame), 3), 1 / 3), r"gave shape \(60, 3\); \(60, 2\) was wanted"),
        (lambda frame: np.full((len(frame) - 1, 2), 0.5), r"gave shape \(59, 2\) for 60 rows"),
        (lambda frame: np.tile([-0.2, 1.2], (len(frame), 1)), r"gave 60 rows a probability outside \[0, 1\]"),
        (lambda frame: np.full((len(frame), 2), 0.4), "gave 60 rows probabilities whose sum is not 1"),
        (lambda frame: np.full((len(frame), 2), "much"), "gives no probabilities"),
        (lambda _: 0.5, r"gave shape \(\) for 60 rows"),
        (lambda frame: frame["no such column"], "cannot answer: KeyError"),
    ],
)
def test_an_answer_that_cannot_be_fails_the_candidate_and_leaves_the_champion_unknown(answer, said):
    odd, fine = model(predict_proba=answer), LogisticRegression().fit(FRAME, TARGET)
    (finding,) = findings_of(shares, exam_of(odd))
    assert finding.outcome is Outcome.FAIL
    with pytest.raises(BadAnswer, match=said):
        exam_of(odd).answers.probabilities  # noqa: B018

    def against(exam):
        return shares(exam) if exam.champion_answers.scores.sum() else []

    (finding,) = findings_of(against, exam_of(fine, champion=Contender("models:/m/1", odd, COLUMNS)))
    assert finding.outcome is Outcome.UNKNOWN
    assert finding.reason.startswith("models:/m/1 ")


def test_a_champion_with_other_features_leaves_the_comparison_unknown():
    champion = Contender("models:/m/1", LogisticRegression().fit(FRAME, TARGET), ("x", "wind"))
    exam = exam_of(LogisticRegression().fit(FRAME, TARGET), champion=champion)
    with pytest.raises(BadAnswer, match="models:/m/1 needs the columns wind, the rows lack them"):
        exam.champion_answers.labels  # noqa: B018


def test_rows_without_a_key_are_told_apart_by_lists_and_dicts_too():
    frame = FRAME.assign(seen=[[place] for place in range(60)], of=[{"a": place} for place in range(60)])
    stored = frame.assign(seen=[np.array([place]) for place in range(60)])
    known = Contender("models:/m/2", LogisticRegression().fit(FRAME, TARGET), COLUMNS,
                      trained_on=row_hashes(stored.head(7), list(frame.columns)))  # fmt: skip
    with pytest.raises(Refused, match="was trained on 7 of the exam's 60 rows"):
        Exam(frame, TARGET, "binary", known)
    with pytest.raises(Misconfigured, match="told apart by the column flight, which they lack"):
        Exam(frame, TARGET, "binary", known, key=("flight",))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frame": FRAME.head(0), "target": TARGET[:0]}, "the exam has no rows"),
        ({"target": np.full(60, "late")}, "all 60 rows are of one class"),
        ({"target": np.full(60, "never")}, "the target of 60 rows is none of the candidate's classes"),
    ],
)
def test_rows_that_nothing_can_be_measured_on_leave_the_check_unknown(changed, said):
    exam = exam_of(LogisticRegression().fit(FRAME, TARGET), **changed)
    with pytest.raises(Unmeasured, match=said):
        exam.truth  # noqa: B018


def test_a_regression_predicts_one_finite_number_a_row():
    target = FRAME["x"].to_numpy() * 2
    fitted = LinearRegression().fit(FRAME, target[:, None])
    np.testing.assert_allclose(exam_of(fitted, target=target, kind="regression").answers.predicted, target)
    odd = model(predict=lambda frame: np.full(len(frame), np.inf))
    with pytest.raises(BadAnswer, match="gave 60 rows an answer that is not finite"):
        exam_of(odd, target=target, kind="regression").answers.predicted  # noqa: B018
    with pytest.raises(Unmeasured, match="1 rows have no finite target"):
        exam_of(odd, target=np.where(np.arange(60) == 3, np.nan, target), kind="regression").truth  # noqa: B018


def test_rows_that_a_model_was_trained_on_are_refused_by_their_content():
    fitted = LogisticRegression().fit(FRAME, TARGET)
    seen = pd.concat([FRAME.iloc[[3, 8]], pd.DataFrame({"x": [9.0], "z": [9.0]})])[["x"]]
    trained = Contender("models:/m/1", fitted, COLUMNS, trained_on=row_hashes(seen, ["x"]))
    with pytest.raises(Refused, match="models:/m/1 was trained on 2 of the exam's 60 rows"):
        exam_of(fitted, champion=trained, key=("x",))
    assert exam_of(fitted, champion=trained, key=("z",)).rows == 60


def test_a_row_hashes_alike_however_its_numbers_are_stored():
    one = pd.DataFrame({"id": pd.Series([1, 2], dtype="int32"), "name": pd.Categorical(["a", None])})
    two = pd.DataFrame({"id": pd.Series([1, 2], dtype="float64"), "name": pd.Series(["a", None], dtype=object)})
    assert row_hashes(one, ["id", "name"]).tolist() == row_hashes(two, ["id", "name"]).tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": TARGET[:5]}, "target of shape"),
        ({"groups": np.zeros(3)}, "groups of shape"),
        ({"kind": "ranking"}, "a ranking is judged query by query"),
    ],
)
def test_an_exam_that_does_not_fit_together_is_a_mistake(changed, said):
    with pytest.raises(Misconfigured, match=said):
        exam_of(None, **changed)


def test_no_check_hides_what_another_found():
    def broken(exam):
        raise KeyError("here")

    exam = exam_of(LogisticRegression().fit(FRAME, TARGET))
    verdict = judge(exam, [broken, shares, lambda _: []], facts={"champion": None})
    assert [finding.outcome for finding in verdict.findings] == ["unknown", "pass", "unknown"]
    assert set(verdict.facts["curves"]) == {"roc", "precision and recall", "classes that the candidate gives"}
    assert {name: told for name, told in verdict.facts.items() if name != "curves"} == {
        "champion": None,
        "held_out_rows": 60,
    }


@pytest.mark.parametrize("error", [Misconfigured, Unavailable])
def test_a_mistake_and_an_outage_are_not_findings(error):
    def check(exam):
        raise error("so it is")

    with pytest.raises(error):
        findings_of(check, exam_of(LogisticRegression().fit(FRAME, TARGET)))


@pytest.mark.parametrize(
    "classes", [[False, True], [0, 1], [1.0, 0.0], ["late", "a"], np.array(["b", 1], dtype=object)]
)
def test_a_class_is_found_by_its_value_in_whatever_order_and_type(classes):
    classes = np.asarray(classes)
    given = np.asarray([*classes[[1, 0, 1]].tolist()], dtype=classes.dtype)
    assert places_in(given, classes).tolist() == [1, 0, 1]
    assert places_in(np.array([True, 2, 0], dtype=object), np.array([0, 1])).tolist() == [1, -1, 0]
    assert places_in(np.array([np.nan, 7, 1]), np.array([0, 1])).tolist() == [-1, -1, 1]
    assert places_in(np.array(["c", "a"]), np.array(["a", "b"])).tolist() == [-1, 0]
