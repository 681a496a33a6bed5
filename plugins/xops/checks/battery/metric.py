"""Metrics by scikit-learn's names, or a user's function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from xops.checks.battery.answers import Kind
from xops.checks.battery.exam import Exam
from xops.core.errors import Misconfigured, bounded
from xops.core.numerics import np

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK_UP = {"brier_score_loss": "neg_brier_score", "brier_score": "neg_brier_score", "r2_score": "r2"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a user's own.

    :param function: ``(truth, given) -> float``. The truth is as in the exam's target.
    :param of: what is given: ``labels`` (classes), ``probabilities`` of shape (rows, classes), ``scores`` of a binary
        model, or what a regression or a ranking ``predicted``.
    :param greater_is_better: whether a larger value is better.
    """

    function: Callable[[Any, Any], float]
    of: Literal["labels", "probabilities", "scores", "predicted"] = "labels"
    greater_is_better: bool = True


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """A metric as it is computed.

    :param name: as it was asked for.
    :param bare: scikit-learn's name of the scorer without ``neg_``; empty for a user's own.
    :param of: of which answers, as of :class:`Metric`.
    :param flip: -1 where the name starts with ``neg_``.
    :param sign: 1 where a larger value is better, else -1.
    :param function: ``(truth, given) -> float``, classes as places for scikit-learn's, by name for a user's own.
    """

    name: str
    bare: str
    of: str
    flip: int
    sign: int
    function: Callable[[Any, Any], float]


def named_metric(name: str, exam: Exam, own: Mapping[str, Metric]) -> NamedMetric:
    """Find a metric by its name.

    :param own: metrics of a user's own; they come first.
    :raises Misconfigured: for a name that is no metric of this kind of model.
    """
    if name in own:
        metric = own[name]
        return NamedMetric(name, "", metric.of, 1, 1 if metric.greater_is_better else -1, metric.function)
    if exam.kind is Kind.RANKING:
        if name != "ndcg":
            raise Misconfigured(f"metric {name}: of a ranking ndcg was wanted, or a function of your own")
        return NamedMetric(name, name, "predicted", 1, 1, _by_query)
    scorer, bare = _scorer(name)
    of = _answers_for(name, scorer, exam.kind)
    keywords = dict(scorer._kwargs)  # noqa: SLF001 - scikit-learn has no other way to ask
    if bare == "log_loss":
        keywords["labels"] = np.arange(len(exam.classes))
    function = scorer._score_func  # noqa: SLF001
    flip = -1 if name.startswith("neg_") else 1
    of_one = of == "probabilities" and exam.kind is Kind.BINARY

    def score(truth: Any, given: Any) -> float:
        return flip * float(function(truth, given[:, 1] if of_one else given, **keywords))

    return NamedMetric(name, bare, of, flip, flip * int(scorer._sign), score)  # noqa: SLF001


def greater_is_better(name: str, kind: str) -> bool:
    """Tell whether a larger value of a metric is better.

    :param kind: what the model is asked for.
    :raises Misconfigured: for a name that is no metric of this kind of model.
    """
    if kind not in set(Kind):
        raise Misconfigured(f"kind: one of {', '.join(Kind)} was wanted, found {kind!r:.80}")
    if kind == Kind.RANKING:
        if name != "ndcg":
            raise Misconfigured(f"metric {name}: of a ranking ndcg was wanted, or a function of your own")
        return True
    scorer, _ = _scorer(name)
    _answers_for(name, scorer, Kind(kind))
    return bool(scorer._sign * (-1 if name.startswith("neg_") else 1) > 0)  # noqa: SLF001


def _scorer(name: str) -> tuple[Any, str]:
    """Find a scorer by its name, or by that of the metric behind it; and the name without its sign."""
    from sklearn.metrics import get_scorer, get_scorer_names

    known = set(get_scorer_names())
    for one in (name, _LOOK_UP.get(name, name), f"neg_{name}", name.removesuffix("_score")):
        if one in known:
            return get_scorer(one), one.removeprefix("neg_")
    raise Misconfigured(f"metric {bounded(name, 80)}: a scorer's name of scikit-learn was wanted, or a function")


def _answers_for(name: str, scorer: Any, kind: Kind) -> str:
    method = scorer._response_method  # noqa: SLF001
    regression = scorer._score_func.__module__ == "sklearn.metrics._regression"  # noqa: SLF001
    if regression is kind.classifies:
        raise Misconfigured(f"metric {name}: it is none for a model whose answers are of the kind {kind}")
    if regression:
        return "predicted"
    if method == "predict":
        return "labels"
    return "probabilities" if method == "predict_proba" or kind is Kind.MULTICLASS else "scores"


def _by_query(truth: Any, given: Any) -> float:
    raise NotImplementedError("it is measured query by query")
