"""Performance of a candidate: every metric, with and without a champion, and how often its gate errs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xops.checks.battery.answers import Unmeasured
from xops.checks.battery.check import findings_of
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.metric import Metric
from xops.checks.battery.performance import Performance
from xops.core.errors import Misconfigured
from xops.core.model.intervals import BLOCKS, OfSums, Units, intervals_of_sums, paired_shares
from xops.core.model.limits import judge_gain
from xops.core.model.metrics import additive
from xops.core.model.ranking import auc_difference
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


class Column:
    """A model whose answer is a column."""

    def __init__(self, name):
        self.name, self.classes_ = name, np.array([False, True])

    def predict_proba(self, frame):
        return np.column_stack([1 - frame[self.name], frame[self.name]])

    def predict(self, frame):
        return (frame[self.name] > 0.5).to_numpy()


def columns_exam(rows, *, noise=(0.3, 0.6), seed=0, **changed):
    """Give an exam of two models that see the true log odds, each with its noise: the candidate with the first."""
    chance = np.random.default_rng(seed)
    odds = chance.normal(size=rows)
    late = chance.random(rows) < 1 / (1 + np.exp(-odds))
    frame = pd.DataFrame(
        {
            name: 1 / (1 + np.exp(-(odds + scale * chance.normal(size=rows))))
            for name, scale in zip("ab", noise, strict=True)
        }
    )
    given = {
        "candidate": Contender("m/2", Column("a"), ("a",)),
        "champion": Contender("m/1", Column("b"), ("b",)),
    }
    return Exam(frame, late, "binary", **given | changed)


def real(load, estimator, kind, seed=0):
    """Give an exam of one of scikit-learn's own data sets, half of which the model learned from."""
    frame, target = load(return_X_y=True, as_frame=True)
    learned = np.random.default_rng(seed).random(len(frame)) < 0.5
    fitted = make_pipeline(StandardScaler(), estimator).fit(frame[learned], target[learned])
    held = frame[~learned].reset_index(drop=True)
    return Exam(held, target[~learned].to_numpy(), kind, Contender("m/2", fitted, tuple(frame.columns)))


def outcomes(findings):
    return {finding.check: finding.outcome for finding in findings}


@pytest.mark.parametrize(
    ("load", "estimator", "kind", "limits"),
    [
        (
            load_breast_cancer,
            LogisticRegression(),
            "binary",
            ["roc_auc", "average_precision", "f1", "neg_log_loss", "log_loss", "brier_score_loss", "accuracy_score",
             "matthews_corrcoef", "d2_log_loss_score", "balanced_accuracy", "neg_brier_score"],
        ),
        (
            load_wine,
            LogisticRegression(),
            "multiclass",
            ["roc_auc_ovr", "f1_macro", "log_loss", "brier_score", "accuracy", "matthews_corrcoef", "recall_weighted"],
        ),
        (
            load_diabetes,
            LinearRegression(),
            "regression",
            ["r2", "neg_mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "max_error",
             "median_absolute_error", "explained_variance"],
        ),
    ],
    ids=["binary", "multiclass", "regression"],
)  # fmt: skip
def test_every_metric_is_scikit_learns_and_lies_in_its_interval(load, estimator, kind, limits, monkeypatch):
    monkeypatch.setattr("xops.core.model.intervals.RESAMPLES", 200)
    exam = real(load, estimator, kind)
    found = Performance(limits=dict.fromkeys(limits, 0.5), min_rows=80)(exam)
    for name, finding in zip(limits, found, strict=True):
        wanted = None
        for one in (name, f"neg_{name}", name.removesuffix("_score"), f"neg_{name.removesuffix('_loss')}"):
            if one in oracle.get_scorer_names():
                sign = -1 if one.startswith("neg_") and not name.startswith("neg_") else 1
                wanted = sign * oracle.get_scorer(one)(exam.candidate.model, exam.frame, exam.target)
        wanted = -oracle.get_scorer("neg_brier_score")(
            exam.candidate.model, exam.frame, exam.target
        ) if name == "brier_score" else wanted  # fmt: skip
        assert finding.observed == pytest.approx(wanted), name
        low, high = (float(end) for end in finding.interval)
        assert low <= finding.observed <= high, name
        assert finding.size == exam.rows


def test_a_candidate_worse_overall_is_caught_and_a_fine_one_passes():
    fine = columns_exam(3000, noise=(0.3, 0.6))
    worse = columns_exam(3000, noise=(2.0, 0.3))
    check = Performance(
        limits={"roc_auc": 0.65}, better={"log_loss": 0}, not_worse={"accuracy": 0.02, "f1": 0.02, "roc_auc": 0.01}
    )
    assert set(outcomes(check(fine)).values()) == {PASS}
    assert outcomes(check(worse)) == {
        "roc_auc": FAIL, "log_loss_gain": FAIL, "accuracy_not_worse": FAIL, "f1_not_worse": FAIL,
        "roc_auc_not_worse": FAIL,
    }  # fmt: skip


def test_an_equal_candidate_on_few_rows_is_unknown_and_says_what_it_would_take():
    (finding,) = Performance(not_worse={"accuracy": 0.01})(columns_exam(300, noise=(0.3, 0.3)))
    assert finding.outcome is UNKNOWN
    assert "too few rows to tell, about" in finding.reason


def test_a_gain_by_days_is_judged_by_days():
    apart, together = (columns_exam(2000, groups=groups) for groups in (None, np.arange(2000) // 200))
    check = Performance(better={"log_loss": 0, "accuracy": 0, "average_precision": 0})
    rows, days = check(apart), check(together)
    assert {finding.detail["units"] for finding in days} == {10}
    assert {finding.detail["method"] for finding in days} == {"jackknife"}
    assert [one.observed for one in rows] == pytest.approx([one.observed for one in days])


def test_the_first_candidate_is_judged_by_limits_alone_and_by_nothing_is_unknown():
    exam = columns_exam(500, champion=None)
    assert outcomes(Performance(limits={"roc_auc": 0.6}, better={"roc_auc": 0})(exam)) == {"roc_auc": PASS}
    (finding,) = findings_of(Performance(better={"roc_auc": 0}), exam)
    assert finding.outcome is UNKNOWN


def test_a_metric_of_a_users_own_is_given_classes_by_their_names():
    exam = real(load_wine, LogisticRegression(), "multiclass")
    cost = Metric(lambda truth, given: float(np.mean((truth == 2) & (given != 2))), greater_is_better=False)
    (finding,) = Performance(limits={"missed": 0.2}, functions={"missed": cost}, min_rows=80)(exam)
    assert finding.outcome is PASS
    assert finding.detail["method"] in ("bca", "jackknife")


def broken(truth, given):
    raise ArithmeticError("divided by nothing")


def test_a_metric_that_raises_is_unknown_and_hides_no_other():
    check = Performance(limits={"mine": 1, "roc_auc": 0.6}, not_worse={"mine": 1}, functions={"mine": Metric(broken)})
    found = check(columns_exam(500))
    assert outcomes(found) == {"mine": UNKNOWN, "roc_auc": PASS, "mine_not_worse": UNKNOWN}
    assert "the metric raised ArithmeticError" in found[0].reason


def test_a_champion_with_other_features_leaves_the_gain_unknown_and_the_limit_judged():
    champion = Contender("m/1", Column("wind"), ("wind",))
    found = Performance(limits={"roc_auc": 0.6}, better={"roc_auc": 0, "f1": 0})(columns_exam(500, champion=champion))
    assert outcomes(found) == {"roc_auc": PASS, "roc_auc_gain": UNKNOWN, "f1_gain": UNKNOWN}
    assert "m/1 needs the columns wind, the rows lack them" in found[1].reason


def test_a_column_without_a_value_is_the_candidates_to_answer_for():
    frame, target = load_diabetes(return_X_y=True, as_frame=True)
    fitted = LinearRegression().fit(frame, target)
    exam = Exam(
        frame.assign(bmi=np.nan), target.to_numpy(), "regression", Contender("m/2", fitted, tuple(frame.columns))
    )
    (finding,) = findings_of(Performance(limits={"r2": 0.1}), exam)
    assert finding.outcome is FAIL
    assert "m/2 cannot answer: ValueError" in finding.reason
    assert "\n" not in finding.reason


def test_too_few_rows_and_one_class_leave_it_unknown():
    with pytest.raises(Unmeasured, match="99 rows, at least 100 are needed"):
        Performance(limits={"roc_auc": 0.6})(columns_exam(99))
    exam = columns_exam(200)
    same = Exam(exam.frame, np.ones(200, bool), "binary", exam.candidate)
    (finding,) = findings_of(Performance(limits={"accuracy": 0.6}), same)
    assert (finding.outcome, finding.reason) == (UNKNOWN, "all 200 rows are of one class")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "at least one metric was wanted"),
        ({"not_worse": {"f1": 0}}, "margins above 0 were wanted in not_worse"),
        ({"limits": {"f1": 0.5}, "confidence": 1}, "a confidence in"),
        ({"limits": {"no such": 0.5}}, "metric no such: a scorer's name of scikit-learn was wanted"),
        ({"limits": {"r2": 0.5}}, "metric r2: it is none for a model whose answers are of the kind binary"),
    ],
)
def test_what_cannot_be_asked_is_a_mistake(asked, said):
    with pytest.raises(Misconfigured, match=said):
        Performance(**asked)(columns_exam(200))


def test_a_ranking_is_judged_query_by_query():
    chance = np.random.default_rng(0)
    relevance = chance.integers(4, size=6000).astype(float)
    frame = pd.DataFrame({"a": relevance + chance.normal(size=6000), "b": chance.normal(size=6000)})
    models = {name: SimpleNamespace(predict=lambda rows, name=name: rows[name]) for name in "ab"}
    exam = Exam(
        frame, relevance, "ranking", Contender("m/2", models["a"], ("a",)), Contender("m/1", models["b"], ("b",)),
        groups=np.arange(6000) // 20,
    )  # fmt: skip
    value, gain = Performance(limits={"ndcg": 0.8}, better={"ndcg": 0.05})(exam)
    wanted = [oracle.ndcg_score([relevance[at : at + 20]], [frame["a"][at : at + 20]]) for at in range(0, 6000, 20)]
    assert value.observed == pytest.approx(np.mean(wanted))
    assert (value.outcome, gain.outcome) == (PASS, PASS)
    assert value.detail["units"] == 300
    with pytest.raises(Misconfigured, match="of a ranking ndcg was wanted"):
        Performance(limits={"roc_auc": 0.8})(exam)


# How often it errs


def test_paired_intervals_are_those_of_a_plain_bootstrap_of_2000_resamples():
    exam = columns_exam(BLOCKS)
    names = ["roc_auc", "log_loss", "brier_score", "f1", "accuracy"]
    found = Performance(better=dict.fromkeys(names, 0), confidence=1 - 0.05 * 5)(exam)  # 0.95 for each of the five
    chance, truth = np.random.default_rng(9), exam.truth
    given = [one.probabilities[:, 1] for one in (exam.answers, exam.champion_answers)]
    values = {name: [] for name in names}
    for _ in range(2000):
        places = chance.integers(exam.rows, size=exam.rows)
        drawn = [_plain(truth[places], one[places]) for one in given]
        for name, sign in zip(names, (1, -1, -1, 1, 1), strict=True):
            values[name].append(sign * (drawn[0][name] - drawn[1][name]))
    for name, finding in zip(names, found, strict=True):
        error = np.std(values[name])
        noise = 3 * error * np.sqrt(2) * np.sqrt(0.025 * 0.975 / 2000) / 0.0584  # of a quantile, density of the normal
        wanted = np.quantile(values[name], [0.025, 0.975])
        assert finding.interval == pytest.approx(wanted.tolist(), abs=noise), name


def _plain(truth, given):
    """Give metrics by their definitions."""
    order = np.argsort(given)
    place = np.empty(len(given))
    place[order] = np.arange(1, len(given) + 1)  # ties come of copies alone, of the same class
    positive = int(truth.sum())
    late, said = truth == 1, given > 0.5
    return {
        "roc_auc": (place[late].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)),
        "log_loss": -np.log(np.where(late, given, 1 - given)).mean(),
        "brier_score": np.square(given - truth).mean(),
        "f1": 2 * (late & said).sum() / (late.sum() + said.sum()),
        "accuracy": (late == said).mean(),
    }


@pytest.mark.parametrize("name", ["log_loss", "brier_score", "f1", "mean_absolute_error", "root_mean_squared_error"])
@pytest.mark.parametrize("units", [250, 15])
def test_intervals_cover_the_truth_93_to_97_times_in_100(name, units, monkeypatch):
    monkeypatch.setattr("xops.core.model.intervals.RESAMPLES", 600)
    chance, metric, trials, of_group = np.random.default_rng(4), additive(name, 2), 1000, 1 if units == 250 else 20

    def simulated(groups):
        odds = chance.normal(size=(groups, of_group)) + (of_group > 1) * 0.5 * chance.normal(size=(groups, 1))
        given = 1 / (1 + np.exp(-1.3 * odds.ravel()))
        truth = chance.random(groups * of_group) < 1 / (1 + np.exp(-odds.ravel()))
        if "error" in name:
            return truth + chance.normal(size=len(truth)), odds.ravel()
        return truth.astype(int), (given > 0.5) if name == "f1" else np.column_stack([1 - given, given])

    def sums_of(groups):
        truth, given = simulated(groups)
        codes = Units(np.repeat(np.arange(groups), of_group), groups, grouped=of_group > 1)
        return codes.sums(metric.columns(truth, given, 2))

    true = float(metric.value(sums_of(1_000_000 // of_group).sum(axis=0)))
    hits = 0
    for _ in range(trials):
        (found,) = intervals_of_sums([OfSums(sums_of(units), metric.value)], confidence=0.95)
        hits += found.low <= true <= found.high
    assert 0.93 <= hits / trials <= 0.97


def admitted(gains, margin):
    """Give the share of candidates that pass, and the number of rows that the first of them stated."""
    found = [judge_gain("g", "m", gain, -margin, rows=rows, chance=None) for gain, rows in gains]
    return np.mean([finding.outcome is PASS for finding in found])


def simulated_accuracy(rows, worse, trials, seed):
    """Give intervals of the gain of candidates that are right ``worse`` less often than the champion."""
    chance = np.random.default_rng(seed)
    gained, lost = chance.multinomial(rows, [0.08, 0.08 + worse, 0.84 - worse], size=trials)[:, :2].T
    return [(paired_shares(int(a), int(b), rows, confidence=0.95), rows) for a, b in zip(gained, lost, strict=True)]


def simulated_auc(rows, worse, trials, seed):
    from xops.core.model.intervals import Interval

    chance, found = np.random.default_rng(seed), []
    for _ in range(trials):
        late = chance.random(rows) < 0.3
        champion = 1.2 * late + chance.normal(size=rows)
        noise = 0.5 * chance.normal(size=rows)
        candidate = champion + noise if worse else champion + np.roll(noise, 1)
        rival = champion + 0.5 * chance.normal(size=rows) if not worse else champion
        both = auc_difference(late, candidate, rival)
        gain = Interval(both.first - both.second, both.low, both.high, both.error, rows, 0.95, "delong")
        found.append((gain, rows))
    return found


def test_a_candidate_worse_by_the_margin_is_admitted_at_most_5_times_in_100():
    margin = 0.02
    for rows in (400, 2000, 8000):
        assert admitted(simulated_accuracy(rows, margin, 2000, rows), margin) <= 0.05
    from scipy.stats import norm

    margin = norm.cdf(1.2 / np.sqrt(2)) - norm.cdf(1.2 / np.sqrt(2 + 0.25))  # what the noise costs
    assert admitted(simulated_auc(500, worse=True, trials=1500, seed=1), margin) <= 0.05


@pytest.mark.parametrize("seed", [3, 11])
def test_an_equal_candidate_is_refused_at_most_20_times_in_100_at_the_stated_size(seed):
    from xops.core.model.intervals import needed_rows

    pilot, margin = simulated_accuracy(500, 0, 1, seed)[0][0], 0.02
    rows = needed_rows(pilot, 500, margin)
    assert 1500 < rows < 8000
    assert admitted(simulated_accuracy(rows, 0, 2000, seed + 100), margin) >= 0.8
    pilot, margin = simulated_auc(500, worse=False, trials=1, seed=seed)[0][0], 0.02
    rows = needed_rows(pilot, 500, margin)
    assert admitted(simulated_auc(rows, worse=False, trials=400, seed=seed + 100), margin) >= 0.8


def test_equal_candidates_seldom_pass_any_of_five_metrics_as_better():
    check = Performance(better=dict.fromkeys(["roc_auc", "log_loss", "brier_score", "f1", "accuracy"], 0))
    passed = 0
    for seed in range(40):
        found = check(columns_exam(300, noise=(0.5, 0.5), seed=seed))
        passed += any(finding.outcome is PASS for finding in found)
    assert passed <= 4  # 1 is to be expected


def test_the_model_that_learned_nothing_fails():
    exam = real(load_breast_cancer, DummyClassifier(strategy="prior"), "binary")
    (finding,) = Performance(limits={"roc_auc": 0.8})(exam)
    assert finding.outcome is FAIL
