"""Metrics as functions of sums: scikit-learn is the oracle."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from xops.core.model.metrics import MANY_CLASSES, additive, ndcg

pytestmark = pytest.mark.unit

CHANCE = np.random.default_rng(3)
ROWS = 80
NAMES = {
    "accuracy": oracle.accuracy_score,
    "matthews_corrcoef": oracle.matthews_corrcoef,
    "balanced_accuracy": oracle.balanced_accuracy_score,
    **{
        f"{name}_{average}": lambda truth, given, one=one, average=average: one(truth, given, average=average)
        for name, one in (
            ("f1", oracle.f1_score),
            ("precision", oracle.precision_score),
            ("recall", oracle.recall_score),
        )
        for average in ("macro", "weighted")
    },
}


def value(name, truth, given, classes=0):
    metric = additive(name, classes)
    return float(metric.value(np.array([np.sum(one) for one in metric.columns(truth, given, classes)])))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_metric_of_classes_is_scikit_learns(name, classes):
    truth, given = CHANCE.integers(classes, size=(2, ROWS))
    assert value(name, truth, given, classes) == pytest.approx(NAMES[name](truth, given))


@pytest.mark.parametrize("name", ["f1_macro", "precision_macro", "recall_macro"])
def test_a_class_that_is_nowhere_does_not_count(name):
    truth, given = CHANCE.integers(2, size=(2, ROWS))
    assert value(name, truth, given, 3) == pytest.approx(NAMES[name](truth, given))


@pytest.mark.parametrize("name", ["f1", "precision", "recall"])
@pytest.mark.parametrize("given", [CHANCE.integers(2, size=ROWS), np.zeros(ROWS, int)], ids=["some", "none"])
def test_a_metric_of_the_positive_class_is_scikit_learns(name, given):
    truth = CHANCE.integers(2, size=ROWS)
    wanted = getattr(oracle, f"{name}_score")(truth, given, zero_division=0)
    assert value(name, truth, given, 2) == pytest.approx(wanted)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_metric_of_probabilities_is_scikit_learns(classes):
    truth, given = CHANCE.integers(classes, size=ROWS), CHANCE.dirichlet(np.ones(classes), size=ROWS)
    given[0] = np.eye(classes)[(truth[0] + 1) % classes]  # sure, and wrong
    labels = range(classes)
    assert value("log_loss", truth, given) == pytest.approx(oracle.log_loss(truth, given, labels=labels))
    wanted = oracle.brier_score_loss(truth, given if classes > 2 else given[:, 1], labels=labels)
    assert value("brier_score", truth, given) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "name",
    ["mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "mean_absolute_percentage_error", "r2"],
)
def test_a_metric_of_numbers_is_scikit_learns(name):
    truth, given = CHANCE.normal(1e6, 1, size=(2, ROWS))
    wanted = {"r2": oracle.r2_score}.get(name) or getattr(oracle, name)
    assert value(name, truth, given) == pytest.approx(wanted(truth, given), rel=1e-9)


def test_a_ranking_is_measured_query_by_query_as_by_scikit_learn():
    queries = CHANCE.integers(5, size=ROWS)
    relevance, scores = CHANCE.integers(4, size=ROWS).astype(float), CHANCE.integers(6, size=ROWS).astype(float)
    relevance[queries == 3] = 0
    wanted = [oracle.ndcg_score([relevance[queries == one]], [scores[queries == one]]) for one in range(5)]
    np.testing.assert_allclose(ndcg(relevance, scores, queries), wanted)
    for top in (1, 3, 10):
        wanted = [oracle.ndcg_score([relevance[queries == one]], [scores[queries == one]], k=top) for one in range(5)]
        np.testing.assert_allclose(ndcg(relevance, scores, queries, top), wanted)


def test_a_coefficient_that_is_not_defined_is_0_as_with_scikit_learn():
    assert value("matthews_corrcoef", np.arange(ROWS) % 2, np.zeros(ROWS, int), 2) == 0


def test_what_is_no_function_of_few_sums_is_none():
    assert additive("average_precision", 2) is None
    assert additive("f1_macro", MANY_CLASSES + 1) is None
    assert additive("f1_macro", MANY_CLASSES) is not None
