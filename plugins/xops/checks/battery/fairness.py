"""Whether a model treats groups of people alike: fairlearn's metrics of each, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery.answers import Kind
from xops.checks.battery.exam import Exam
from xops.core.errors import Misconfigured
from xops.core.model.fairness import difference, rate, ratio
from xops.core.model.intervals import Interval, Units, correct, intervals_of_rows
from xops.core.model.limits import judge_limit
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Rate = Callable[[NDArray[np.bool_], NDArray[np.bool_]], tuple[NDArray[np.bool_], NDArray[np.bool_]]]

MISSING = "missing"
# of truth and prediction: what counts, and among which rows
_RATES: dict[str, Rate] = {
    "selection_rate": lambda _, said: (said, np.ones(len(said), dtype=bool)),
    "accuracy": lambda true, said: (true == said, np.ones(len(said), dtype=bool)),
    "true_positive_rate": lambda true, said: (said, true),
    "false_negative_rate": lambda true, said: (~said, true),
    "false_positive_rate": lambda true, said: (said, ~true),
    "true_negative_rate": lambda true, said: (~said, ~true),
    "precision": lambda true, said: (true, said),
}


@dataclass(frozen=True, slots=True)
class Fairness:
    """Metrics of fairlearn in each group of people, and how far the highest and the lowest are apart.

    Groups are the values of each column, and with ``intersections`` those of each pair of columns. Each finding passes
    when its whole interval is within the limit, fails when none of it is, and is unknown in between. A group of at
    least ``min_share`` of the rows, but of fewer than ``min_rows``, cannot be measured: it is an unknown of its own.

    :param columns: the columns that say who somebody is.
    :param ratios: by metric the least ratio of the lowest group's to the highest one's, inclusive, in [0, 1].
    :param differences: by metric the largest difference between two groups, inclusive.
        Metrics are ``selection_rate``, ``true_positive_rate``, ``false_positive_rate``, ``true_negative_rate``,
        ``false_negative_rate``, ``accuracy`` and ``precision`` of a binary model; of more classes those of each class
        against the rest; and a function of ``sklearn.metrics`` of whatever it predicts, such as
        ``mean_absolute_error``: of numbers there is no other equality than that of errors.
    :param intersections: whether pairs of columns are judged as well.
    :param min_rows: the rows that a group's metric has to rest on: of a true positive rate, positive ones.
    :param min_share: the share of the rows below which a group is left out, in [0, 1).
    :param shown: columns whose values may be told. Groups of others are told by number, that of the most rows first.
    :param max_groups: a column of more groups is unknown: its values are to be put into fewer first.
    :param confidence: of all intervals together, in (0, 1).
    :raises Misconfigured: when nothing is asked for, or fairlearn is missing.
    """

    columns: Sequence[str]
    ratios: Mapping[str, float] = field(default_factory=dict)
    differences: Mapping[str, float] = field(default_factory=dict)
    intersections: bool = True
    shown: Sequence[str] = ()
    min_rows: int = 50
    min_share: float = 0.02
    max_groups: int = 50
    confidence: float = 0.95
    name: ClassVar[str] = "fairness"

    def __post_init__(self) -> None:
        correct(self.confidence, 1)
        if not (self.columns and (self.ratios or self.differences)):
            raise Misconfigured("fairness: at least one column, and a limit for one metric were wanted")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each metric of each column, and for groups that are too small."""
        truth, said = exam.truth, exam.answers.labels if exam.kind.classifies else exam.answers.predicted
        asked: list[tuple[str, ...]] = [(column,) for column in self.columns]
        asked += combinations(self.columns, 2) if self.intersections else ()
        metrics = dict.fromkeys([*self.ratios, *self.differences])
        parts = {metric: _parts(exam, metric, (truth, said)) for metric in metrics}
        number = sum(len(parts[metric]) for limits in (self.ratios, self.differences) for metric in limits)
        confidence = correct(self.confidence, len(asked) * number)
        found: list[Finding] = []
        for columns in asked:
            people = _People.of(exam, columns, self.max_groups, self.shown)
            found += [
                finding
                for metric in metrics
                for part in parts[metric]
                for finding in self._judged(exam, replace(people, name=people.name + part.name), part, confidence)
            ]
        return found

    def _judged(self, exam: Exam, people: _People, part: _Part, confidence: float) -> list[Finding]:
        metric = part.metric
        ends = [("ratio", self.ratios[metric])] if metric in self.ratios else []
        ends += [("difference", self.differences[metric])] if metric in self.differences else []
        if people.why:
            return [self._unknown(f"{metric}_{end}", people.name, limit, people.why) for end, limit in ends]
        if len(people.names) == 1:
            why = f"1 group, {people.names[0]}; two are needed"
            return [self._unknown(f"{metric}_{end}", people.name, limit, why) for end, limit in ends]
        values, among = _by_group(part, people)
        share = np.bincount(people.codes, minlength=len(people.names)) / exam.rows
        large = [place for place in range(len(people.names)) if share[place] >= self.min_share]
        judged = [place for place in large if np.count_nonzero(among & (people.codes == place)) >= self.min_rows]
        small = len(large) - len(judged)
        why = f"{len(judged)} groups of at least {self.min_rows} rows that {metric} rests on, two are needed"
        if len(judged) < 2:  # noqa: PLR2004
            return [self._unknown(f"{metric}_{end}", people.name, limit, why) for end, limit in ends]
        each = correct(confidence, len(judged) - 1)
        measured = {
            place: _interval(part, exam, people.codes == place, value=float(values[place]), confidence=each)
            for place in judged
        }
        found = [self._apart(f"{metric}_{end}", people, measured, limit, exam.rows) for end, limit in ends]
        if small:
            reason = f"{small} groups have fewer than {self.min_rows} rows that it rests on; they are not measured"
            found.append(self._unknown(metric, people.name, self.min_rows, reason))
        return found

    @staticmethod
    def _apart(check: str, people: _People, measured: Mapping[int, Interval], limit: float, rows: int) -> Finding:
        lowest, highest = (pick(measured, key=lambda place: measured[place].value) for pick in (min, max))
        detail = {
            "lowest": people.names[lowest],
            "highest": people.names[highest],
            "groups": [
                {
                    "group": people.names[place],
                    "rows": int(np.count_nonzero(people.codes == place)),
                    "value": one.value,
                    "interval": one.ends,
                }
                for place, one in measured.items()
            ],
        }
        if check.endswith("_ratio"):
            apart = ratio(measured[lowest], measured[highest])
        else:
            apart = difference(measured[highest], measured[lowest])
        least = check.endswith("_ratio")
        return judge_limit(check, people.name, apart, limit, least=least, rows=rows, detail=detail)

    @staticmethod
    def _unknown(check: str, subject: str, limit: Any, why: str) -> Finding:
        return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=why)


def four_fifths(columns: Sequence[str], *, min_rows: int = 50, shown: Sequence[str] = ()) -> Fairness:
    """Ask for the four-fifths rule: the lowest group's selection rate is at least 0.8 of the highest one's.

    Groups of less than 2 % of the rows are left out. Source: Uniform Guidelines on Employee Selection Procedures,
    29 CFR 1607.4 D and 1607.15 A (2).
    """
    return Fairness(columns, ratios={"selection_rate": 0.8}, min_share=0.02, min_rows=min_rows, shown=shown)


@dataclass(frozen=True, slots=True)
class _People:
    """The groups of one or two columns; or why there are none."""

    name: str
    codes: NDArray[np.intp]
    names: list[str]
    why: str = ""

    @classmethod
    def of(cls, exam: Exam, columns: tuple[str, ...], most: int, shown: Sequence[str]) -> _People:
        name, nobody = " x ".join(map(str, columns)), np.zeros(0, dtype=np.intp)
        absent = [column for column in columns if column not in exam.frame.columns]
        if absent:
            return cls(name, nobody, [], f"the rows lack the column {absent[0]}")
        texts = [exam.frame[column].astype(object) for column in columns]
        texts = [text.where(text.notna(), MISSING).astype(str) for text in texts]
        many = {column: text.nunique() for column, text in zip(columns, texts, strict=True)}
        wide = [column for column in columns if many[column] > most]
        if wide:
            return cls(name, nobody, [], f"{wide[0]} has {many[wide[0]]} groups, at most {most} can be judged")
        texts = [text if column in shown else _numbered(text) for column, text in zip(columns, texts, strict=True)]
        words = texts[0] if len(texts) == 1 else texts[0].str.cat(texts[1:], sep=" x ")
        names, codes = np.unique(words.to_numpy(dtype=str), return_inverse=True)
        return cls(name, codes, names.tolist())


def _numbered(texts: pd.Series) -> pd.Series:
    """Give each value a number in its place, that of the most rows the first; what is missing keeps its name."""
    there = texts[texts != MISSING].value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    numbers = {text: f"group {number}" for number, text in enumerate(there.index, 1)}
    return texts.map(numbers | {MISSING: MISSING})


@dataclass(frozen=True, slots=True)
class _Part:
    """One metric of all answers, or of one class against the rest.

    :param name: what is added to the groups' name: nothing, or the class.
    :param kind: what the answers are of.
    :param truth: the true answers, shape (rows,).
    :param said: the model's, shape (rows,).
    """

    metric: str
    name: str
    kind: Kind
    truth: NDArray[Any]
    said: NDArray[Any]


def _parts(exam: Exam, metric: str, answers: tuple[NDArray[Any], NDArray[Any]]) -> list[_Part]:
    truth, said = answers
    if metric not in _RATES or metric == "accuracy" or exam.kind is not Kind.MULTICLASS:
        return [_Part(metric, "", exam.kind, truth, said)]
    return [
        _Part(metric, f", class {name}", Kind.BINARY, (truth == place).astype(int), (said == place).astype(int))
        for place, name in enumerate(exam.classes.tolist())
    ]


def _by_group(part: _Part, people: _People) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give fairlearn's value of each group, and the rows that the metric rests on."""
    try:
        from fairlearn.metrics import MetricFrame
    except ImportError as error:
        raise Misconfigured("fairness: fairlearn is missing; install it with pip install 'xops[battery]'") from error
    truth, said = part.truth, part.said
    function = _function(part.metric, part.kind)
    frame = MetricFrame(metrics=function, y_true=truth, y_pred=said, sensitive_features=people.codes)
    values: NDArray[np.float64] = frame.by_group.to_numpy(dtype=float)
    if part.metric in _RATES and part.kind is Kind.BINARY:
        return values, _RATES[part.metric](truth == 1, said == 1)[1]
    return values, np.ones(len(truth), dtype=bool)


def _function(metric: str, kind: Kind) -> Callable[..., float]:
    """Find a metric by its name: fairlearn's rates of a binary model, else scikit-learn's functions."""
    import fairlearn.metrics as rates
    import sklearn.metrics as others

    fairlearns = metric in _RATES and hasattr(rates, metric)
    if fairlearns and kind is not Kind.BINARY:
        raise Misconfigured(f"fairness: {metric} is one of binary models, found a model of the kind {kind}")
    function: Callable[..., float] | None = getattr(rates, metric, None) if fairlearns else None
    function = function or getattr(others, f"{metric}_score", None) or getattr(others, metric, None)
    if function is None:
        raise Misconfigured(f"fairness: a metric of fairlearn or scikit-learn was wanted, found {metric}")
    return function


def _interval(part: _Part, exam: Exam, rows: NDArray[np.bool_], *, value: float, confidence: float) -> Interval:
    """Give the interval of one group's metric."""
    metric, kind, truth, said = part.metric, part.kind, part.truth[rows], part.said[rows]
    groups = None if exam.groups is None else exam.groups[rows]
    if metric in _RATES and (kind is Kind.BINARY or metric == "accuracy"):
        counted, among = (
            _RATES[metric](truth == 1, said == 1)
            if kind is Kind.BINARY
            else (truth == said, np.ones(len(truth), dtype=bool))
        )
        return rate(counted, among, groups, confidence=confidence)
    function = _function(metric, kind)

    def of(places: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.array([float(function(truth[places], said[places])) if len(places) else np.nan])

    (found,) = intervals_of_rows(of, Units.of(len(truth), groups), confidence=confidence)
    return Interval(value, found.low, found.high, found.error, found.units, found.confidence, found.method)
