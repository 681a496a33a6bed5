"""The whole battery put to models and tables of every kind: no check breaks, and each tells what it can."""

from dataclasses import replace
from types import SimpleNamespace

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from xops.checks.battery.behaviour import Behaviour, Change
from xops.checks.battery.calibration import Calibration
from xops.checks.battery.check import findings_of, judge
from xops.checks.battery.contender import Contender, Learned, row_hashes
from xops.checks.battery.exam import Exam
from xops.checks.battery.explanation import Explanation
from xops.checks.battery.fairness import Fairness
from xops.checks.battery.leakage import Leakage
from xops.checks.battery.performance import Performance
from xops.checks.battery.resources import Resources
from xops.checks.battery.robustness import Robustness
from xops.checks.battery.slices import Slices
from xops.core.errors import Misconfigured
from xops.core.page.report import report_of
from xops.core.verdict import Outcome
from xops.hooks.models.model_formats import FrameBooster

pytestmark = pytest.mark.integration

ROWS = 600
CHANCE = np.random.default_rng(6)
FRAME = pd.DataFrame(
    {
        "rain": CHANCE.normal(size=2 * ROWS),
        "wind": CHANCE.normal(size=2 * ROWS),
        "hour": CHANCE.integers(24, size=2 * ROWS),
        "origin": CHANCE.choice(["EWR", "JFK", "LGA"], size=2 * ROWS),
        "weekend": CHANCE.random(2 * ROWS) < 0.3,
        "sex": CHANCE.choice(["f", "m"], size=2 * ROWS),
    }
)
ODDS = (2 * FRAME["rain"] + FRAME["weekend"] + 0.7 * CHANCE.normal(size=2 * ROWS)).to_numpy()
LATE = ODDS > 0
HOW = np.array(["early", "in time", "late"])[np.digitize(ODDS, [-1.5, 1])]
GAIN = np.clip(np.round(ODDS + 1), 0, 4)
QUERY = np.repeat(np.arange(2 * ROWS // 10), 10)
NUMBERS = ("rain", "wind", "hour")
METRICS = {
    "binary": ("roc_auc", "accuracy", "log_loss"),
    "multiclass": ("accuracy", "f1_macro"),
    "regression": ("r2", "mean_absolute_error"),
    "ranking": ("ndcg",),
}
DISTURBED = dict.fromkeys(("noise", "missing", "units", "out_of_range", "row_order", "column_order", "search"), 1.0)


def battery(kind, feature, sex, of=None):
    """Give every check of answers, with limits that nothing exceeds: what is left to go wrong is the measuring."""
    classifies = kind in ("binary", "multiclass")
    worst = {"log_loss": 9.0, "r2": -9.0, "mean_absolute_error": 99.0}
    return [
        Performance(
            limits={metric: worst.get(metric, 0.0) for metric in METRICS[kind]},
            not_worse=dict.fromkeys(METRICS[kind], 50.0),
        ),
        Slices(columns=[feature, sex], max_worse=200.0),
        *([Calibration(max_error=1.0)] if classifies else []),
        Fairness([sex], differences={"selection_rate" if classifies else "mean_absolute_error": 99.0}, min_rows=10),
        Explanation(forbidden=["name"], rows=200, min_rank_correlation=-1.0),
        Robustness(DISTURBED, units={feature: 10.0}, max_loss=99.0, search_rows=30, search_steps=3),
        Leakage(max_alone=1.0, max_near=1.0),
        Behaviour([Change("same", "same", to={sex: "f"})], rising=[feature], of=of, rows=50, max_share=1.0),
    ]


def exam_of(candidate, champion, columns=NUMBERS, kind="binary", frame=FRAME, target=LATE):
    learned, held_out = frame[:ROWS], frame[ROWS:].reset_index(drop=True)
    seen, known = row_hashes(learned, list(learned.columns)), Learned(learned, np.asarray(target[:ROWS]))
    return Exam(
        held_out, target[ROWS:], kind, Contender("m/2", candidate, columns, seen, known),
        Contender("m/1", champion, columns), groups=QUERY[ROWS:] if kind == "ranking" else None,
    )  # fmt: skip


def fitted(model, target=LATE, columns=NUMBERS, frame=FRAME, **more):
    return model.fit(frame[list(columns)][:ROWS], target[:ROWS], **more)


def lgbm(kind=lightgbm.LGBMClassifier):
    return kind(n_estimators=5, n_jobs=1, verbose=-1)


def numbered():
    """Give a table whose columns are named by numbers, and models of bare arrays."""
    frame = FRAME[[*NUMBERS, "sex"]].set_axis([0, 1, 2, 3], axis=1)
    models = [one.fit(frame[[0, 1, 2]][:ROWS].to_numpy(), LATE[:ROWS]) for one in (trees(), trees())]
    return exam_of(*models, (0, 1, 2), frame=frame), (0, 3)


def trees():
    return HistGradientBoostingClassifier(max_iter=5)


def nullable():
    """Give a table of pandas' own types with gaps, and pipelines on it."""
    frame = FRAME.astype({"rain": "Float64", "hour": "Int64", "weekend": "boolean", "origin": "string"})
    for column in ("rain", "hour", "weekend", "origin"):
        frame.loc[np.random.default_rng(len(column)).random(len(frame)) < 0.1, column] = pd.NA
    columns = ("rain", "hour", "wind")
    models = (fitted(make_pipeline(SimpleImputer(), LogisticRegression()), frame=frame, columns=columns), lgbm())
    return exam_of(models[0], fitted(models[1], frame=frame, columns=columns), columns, frame=frame), ("rain", "origin")


def of_texts():
    """Give classes of texts, and pipelines that read texts."""
    columns = ("rain", "wind", "origin")
    encoded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["origin"]), remainder="passthrough")
    pipeline = fitted(make_pipeline(encoded, HistGradientBoostingClassifier(max_iter=5)), HOW, columns)
    rival = fitted(make_pipeline(encoded, trees()), HOW, columns)
    return exam_of(pipeline, rival, columns, "multiclass", target=pd.array(HOW, dtype="string")), ("rain", "sex")


def rankers():
    """Give rankers of two libraries."""
    sizes, queries = np.full(ROWS // 10, 10), QUERY[:ROWS]
    one = fitted(lgbm(lightgbm.LGBMRanker), GAIN, group=sizes)
    other = fitted(xgboost.XGBRanker(n_estimators=5, n_jobs=1), GAIN, qid=queries)
    return exam_of(one, other, kind="ranking", target=GAIN), ("rain", "sex")


def boosters(kind):
    """Give the libraries' own boosters; that of XGBoost as the registry hands it out."""

    def of():
        target, objective, other = {
            "binary": (LATE, "binary", "binary:logistic"),
            "regression": (ODDS, "regression", "reg:squarederror"),
        }[kind]
        learned = FRAME[list(NUMBERS)][:ROWS]
        light = lightgbm.train(
            {"objective": objective, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(learned, target[:ROWS]), 5
        )
        extreme = xgboost.train({"objective": other, "nthread": 1}, xgboost.DMatrix(learned, target[:ROWS]), 5)
        return exam_of(light, FrameBooster(extreme), kind=kind, target=target), ("rain", "sex")

    return of


KINDS = {
    "columns named by numbers": numbered,
    "pandas' nullable types": nullable,
    "classes and features that are texts": of_texts,
    "rankers": rankers,
    "boosters of two classes": boosters("binary"),
    "boosters of numbers": boosters("regression"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_measures_what_it_is_asked(kind):
    exam, (feature, sex) = KINDS[kind]()
    checks = battery(str(exam.kind), feature, sex, of="late" if exam.kind == "multiclass" else None)
    asked_again = [one for one in checks if one.name in ("performance", "explanation", "robustness")]
    for verdict in (judge(exam, checks, facts={}), judge(swapped(exam), asked_again, facts={})):
        assert [str(one) for one in verdict.findings if one.outcome is not Outcome.PASS] == []
        assert verdict.to_json() == type(verdict).from_json(verdict.to_json()).to_json()
        assert report_of(verdict)


@pytest.mark.parametrize("kind", ["columns named by numbers", "pandas' nullable types", "rankers"])
def test_a_process_of_its_own_is_asked_as_this_one_is(kind):
    exam, _ = KINDS[kind]()
    (finding,) = findings_of(Resources({"row_seconds": 60.0}, rounds=3, batch_rows=5), exam)
    assert finding.outcome is Outcome.PASS


def swapped(exam):
    """Give the exam with the champion for its candidate."""
    candidate = replace(exam.champion, trained_on=exam.candidate.trained_on, learned=exam.candidate.learned)
    return replace(exam, candidate=candidate, champion=replace(exam.candidate, trained_on=None, learned=None))


def test_what_a_champion_cannot_answer_leaves_the_comparison_unknown_and_the_candidate_judged():
    exam = exam_of(fitted(lgbm()), fitted(LogisticRegression()))
    found = findings_of(Robustness({"missing": 1.0}, more_than_champion=1.0), exam)
    assert [(one.check, str(one.outcome)) for one in found] == [
        ("flips_missing", "pass"), ("flips_missing_more", "unknown"),
    ]  # fmt: skip
    assert "m/1 cannot answer" in found[1].reason


def test_a_ranking_is_explained_by_whole_queries_and_what_its_order_loses():
    exam, _ = rankers()
    importance = next(one for one in findings_of(Explanation(rows=100), exam) if one.check == "importance")
    assert importance.size == 100
    rain = next(one for one in importance.detail["features"] if one["feature"] == "rain")
    assert importance.detail["features"][0] is rain
    assert 0 < rain["interval"][0] < rain["interval"][1] < 1


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("regression", np.array(["much"] * ROWS), "the target is not of numbers"),
        ("regression", pd.array([1.0, None] * (ROWS // 2), dtype="Float64"), f"{ROWS // 2} rows have no finite target"),
        ("ranking", -np.ones(ROWS), f"{ROWS} rows have a relevance below 0"),
    ],
)
def test_a_target_that_cannot_be_leaves_every_check_unknown(kind, target, said):
    exam = exam_of(fitted(LinearRegression()), fitted(LinearRegression()), kind=kind, target=GAIN)
    strange = replace(exam, target=target)
    for check in (Slices(), Explanation(), Robustness(), Leakage(), Performance(limits={METRICS[kind][0]: 0.0})):
        (finding,) = findings_of(check, strange)
        assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, said)


def test_a_model_of_numbers_that_answers_with_texts_fails():
    exam = exam_of(fitted(LogisticRegression(), HOW), fitted(LinearRegression(), ODDS), kind="regression", target=ODDS)
    (finding,) = findings_of(Performance(limits={"r2": 0.0}), exam)
    assert finding.outcome is Outcome.FAIL
    assert "numbers were wanted" in finding.reason


def test_a_column_that_is_there_twice_is_a_mistake():
    twice = FRAME.set_axis(["rain", "rain", *FRAME.columns[2:]], axis=1)
    with pytest.raises(Misconfigured, match="the column rain is there twice"):
        Exam(twice, LATE, "binary", Contender("m/2", None, NUMBERS))


def test_directions_of_a_classifier_without_chances_are_unknown_and_its_classes_are_compared():
    exam = exam_of(fitted(LinearSVC()), fitted(LogisticRegression()))
    changes = [Change("wind", "same", to={"wind": 0.0}), Change("more rain", "not_lower", add={"rain": 1.0})]
    same, more, rising = findings_of(Behaviour(changes, rising=["rain"], max_share=0.5), exam)
    assert same.outcome is Outcome.PASS
    for finding in (more, rising):
        assert (finding.outcome, finding.observed) == (Outcome.UNKNOWN, None)
        assert "gives no probabilities" in finding.reason


@pytest.mark.parametrize("sex", [["f"], {"sex": "f"}])
def test_people_are_told_apart_by_values_of_any_type_and_what_is_no_number_gets_no_other_unit(sex):
    exam = exam_of(fitted(lgbm()), fitted(lgbm()))
    unknown = replace(exam.candidate, trained_on=None)  # by the row's hash, for which a list has none
    strange = replace(exam, frame=exam.frame.assign(sex=[sex] * ROWS), candidate=unknown)
    (finding,) = findings_of(Fairness(["sex"], differences={"accuracy": 0.1}), strange)
    assert (finding.outcome, finding.reason[:9]) == (Outcome.UNKNOWN, "1 group, ")
    strange = replace(exam, frame=exam.frame.assign(hour=pd.Categorical(exam.frame["hour"])))
    (finding,) = findings_of(Robustness({"units": 1.0}, units={"hour": 10.0}), strange)
    assert finding.reason == "the model reads no numbers of the columns hour"
    (finding,) = findings_of(Behaviour([Change("later", "same", add={"hour": 1})]), strange)
    assert finding.reason.startswith("the rows hold no numbers of hour")


@pytest.mark.parametrize(
    "value",
    [lambda at: [at % 3, 1.5], lambda at: np.array([at % 3]), lambda at: {"a": at % 3}],
    ids=["list", "array", "dict"],
)
def test_a_feature_of_lists_hides_no_finding_of_the_others(value):
    frame = FRAME.assign(words=pd.Series([value(at) for at in range(ROWS)], dtype=object))
    columns, learned = (*NUMBERS, "words"), Learned(frame, LATE)
    asked = fitted(LogisticRegression())
    model = SimpleNamespace(
        classes_=asked.classes_, predict_proba=lambda given: asked.predict_proba(given[list(NUMBERS)])
    )
    model.predict = lambda given: asked.predict(given[list(NUMBERS)])
    exam = Exam(frame, LATE, "binary", Contender("m/2", model, columns, learned=learned))
    checks = [Slices(columns=["words"]), Leakage(), Explanation(rows=60, shap=True), Robustness({"categories": 1.0})]
    found = {f"{one.check} {one.subject}": one for check in checks for one in findings_of(check, exam)}
    assert "broke" not in " ".join(one.reason for one in found.values())
    assert found["roc_auc_alone words"].outcome is Outcome.PASS
    assert found["near_duplicates m/2"].observed > 0.5  # they are the rows themselves
    assert found["importance m/2"].detail["shap_by"]["rows"] == 60


def test_two_rows_are_too_few_and_nobody_says_how_many_would_do():
    exam = exam_of(fitted(lgbm()), fitted(lgbm()))
    rows = [int(np.flatnonzero(exam.target == late)[0]) for late in (False, True)]
    few = replace(exam, frame=exam.frame.iloc[rows].reset_index(drop=True), target=exam.target[rows])
    found = findings_of(Robustness({"noise": 0.5}, more_than_champion=0.1), few)
    assert [one.check for one in found] == ["flips_noise", "flips_noise_more"]
    assert "broke" not in " ".join(one.reason for one in found)


def test_errors_of_a_single_query_are_unknown():
    exam, _ = rankers()
    (finding,) = findings_of(
        Fairness(["sex"], differences={"mean_absolute_error": 1.0}), replace(exam, groups=np.zeros(ROWS))
    )
    assert finding.outcome is Outcome.UNKNOWN
    assert "broke" not in finding.reason
