"""Whether a model knows what it could not know: a feature that tells the target, or rows that it has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery.answers import Kind, Unmeasured
from xops.checks.battery.contender import hashable
from xops.checks.battery.disturbances import SEED, numbers, values_of, with_columns
from xops.core.errors import Misconfigured
from xops.core.model.intervals import Interval, Units, correct, intervals_of_rows
from xops.core.model.limits import judge_limit
from xops.core.model.ranking import auc_interval
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xops.checks.battery.contender import Learned
    from xops.checks.battery.exam import Exam

_FOLDS = 5
_LEAVES = 64
_FITTED = 20_000  # rows that it is fitted on at most; more would not move 64 leaves
_LEAF = 20  # rows that a leaf of the cross-fitted tree needs
_SHIFTS = 4  # grids that near-duplicates are looked for in
_SAME = 1e-9  # relative
_FEW = 10  # categories, of which fewer tell nothing of an encoding
_SMOOTHED = (10, 100)  # rows that honest encodings are drawn to the mean of all by


@dataclass(frozen=True, slots=True)
class Leakage:
    """Features that tell the target alone, encodings of targets of the future, and rows that the model has seen.

    What is alone is measured on the exam's rows by a small tree, cross-fitted (whole groups in a fold). The rest needs
    what the candidate was trained on, and is unknown without: overlap by key its ``trained_on``; near-duplicates, time
    and encodings its ``learned`` rows.

    :param max_alone: the largest area under the ROC curve (of more classes, the largest of one against the rest), or
        R2 of a regression, that a single feature may reach, inclusive.
    :param max_near: the largest share of rows that may have a near-duplicate among the rows learned from, beyond the
        share that has one when each column is dealt anew, and three of its standard errors, inclusive; not judged when
        None.
    :param near: by how much of its standard deviation in the exam a number may differ in a near-duplicate; other
        columns are equal in one. Two rows this near are found with a chance of 1 - (d / 10)**4 or more, d being the
        number of columns times their distance in ``near``.
    :param time: the column by which every row learned from has to be before every row of the exam; none when None.
    :param known: by feature the column of the time at which it was known: in no row later than ``time``.
    :param encodings: by feature the column of categories that it encodes by their mean target.
    :param confidence: of all intervals of a kind together, in (0, 1).
    :raises Misconfigured: when ``known`` is given without ``time``.
    """

    max_alone: float = 0.95
    max_near: float | None = 0.01
    near: float = 0.001
    time: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    encodings: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.95
    name: ClassVar[str] = "leakage"

    def __post_init__(self) -> None:
        correct(self.confidence, 1)
        if self.known and self.time is None:
            raise Misconfigured("leakage: known compares with the time of the prediction; name its column in time")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each feature, for each kind of overlap, and for each encoding."""
        _ = exam.truth
        found = [self._alone(exam, column) for column in exam.candidate.columns]
        found.append(self._by_key(exam))
        if self.max_near is not None:
            found.append(self._measured(exam, "near_duplicates", self.max_near, self._near_duplicates))
        if self.time is not None:
            found.append(self._measured(exam, "learned_from_later_rows", 0, self._later))
        found += [self._known_later(exam, feature, column) for feature, column in self.known.items()]
        return found + [self._encoding(exam, feature, column) for feature, column in self.encodings.items()]

    def _alone(self, exam: Exam, column: str) -> Finding:
        check = "r2_alone" if exam.kind in (Kind.REGRESSION, Kind.RANKING) else "roc_auc_alone"
        confidence = correct(self.confidence, len(exam.candidate.columns))
        try:
            found = _reached(exam, column, confidence)
        except Unmeasured as error:
            return Finding(check, column, Outcome.UNKNOWN, limit=self.max_alone, reason=str(error))
        return judge_limit(check, column, found, self.max_alone, least=False, rows=exam.rows)

    @staticmethod
    def _by_key(exam: Exam) -> Finding:
        """Judge the overlap by key: an exam that has one is refused, so what is known is none."""
        subject, trained_on = exam.candidate.name, exam.candidate.trained_on
        if trained_on is None:
            why = "it is not known on which rows the candidate was trained"
            return Finding("overlap", subject, Outcome.UNKNOWN, limit=0, reason=why)
        why = f"none of the exam's rows is among the {len(trained_on)} that it was trained on"
        return Finding("overlap", subject, Outcome.PASS, 0, 0, size=exam.rows, reason=why)

    @staticmethod
    def _measured(exam: Exam, check: str, limit: float, of: Any) -> Finding:
        """Judge a share of the exam's rows that is counted, not estimated."""
        subject = exam.candidate.name
        try:
            share, what = of(exam)
        except Unmeasured as error:
            return Finding(check, subject, Outcome.UNKNOWN, limit=limit, reason=str(error))
        outcome = Outcome.PASS if share <= limit else Outcome.FAIL
        return Finding(check, subject, outcome, share, limit, size=exam.rows, reason=f"{share:.4g} of the rows {what}")

    def _near_duplicates(self, exam: Exam) -> tuple[float, str]:
        learned, columns = _learned(exam), list(exam.candidate.columns)
        _present(columns, exam.frame, learned.frame)
        if not columns:
            raise Unmeasured("the model reads no columns")
        near = _near(learned.frame, exam.frame, columns, self.near)
        deal = np.random.default_rng(SEED).permutation
        dealt = with_columns(exam.frame, {one: exam.frame[one].array.take(deal(exam.rows)) for one in columns})
        chance = float(_near(learned.frame, dealt, columns, self.near).mean())
        noise = 3 * (chance * (1 - chance) / exam.rows) ** 0.5  # by which shares that are alike may differ
        what = f"have a near-duplicate among those that it learned from, beyond the {chance:.4g} that chance gives"
        return max(float(near.mean()) - chance - noise, 0.0), what

    def _later(self, exam: Exam) -> tuple[float, str]:
        learned = _learned(exam)
        _present([str(self.time)], exam.frame, learned.frame)
        _told(self.time, exam.frame, learned.frame)
        last = learned.frame[self.time].max()
        return float((exam.frame[self.time] <= last).mean()), "are not after the last that it learned from"

    def _known_later(self, exam: Exam, feature: str, column: str) -> Finding:
        absent = [one for one in (column, str(self.time)) if one not in exam.frame.columns]
        if absent:
            why = f"the rows lack the column {absent[0]}"
            return Finding("known_later", feature, Outcome.UNKNOWN, limit=0, reason=why)
        try:
            _told(self.time, exam.frame)
        except Unmeasured as error:
            return Finding("known_later", feature, Outcome.UNKNOWN, limit=0, reason=str(error))
        given = exam.frame[feature].notna() if feature in exam.frame.columns else True
        untold = int((exam.frame[column].isna() & given).sum())
        if untold:
            why = f"of {untold} rows it is not known when they had their value"
            return Finding("known_later", feature, Outcome.UNKNOWN, limit=0, reason=why)
        share = float((exam.frame[column] > exam.frame[self.time]).mean())
        outcome = Outcome.FAIL if share > 0 else Outcome.PASS
        why = f"{share:.4g} of the rows have a value that was known only after {self.time}"
        return Finding("known_later", feature, outcome, share, 0, size=exam.rows, reason=why)

    @staticmethod
    def _encoding(exam: Exam, feature: str, column: str) -> Finding:
        """Judge whether an encoding follows the exam's own targets further than those learned from explain.

        By category, the rank correlation of the encoding with the mean target in the exam, both less what the mean
        target learned from tells of them, plain and smoothed; one-sided, at a chance of one in a thousand. An honest
        encoding of more rows than are in ``learned`` would be accused.
        """
        try:
            correlation, chance, categories = _follows(exam, _learned(exam), feature, column)
        except Unmeasured as error:
            return Finding("encodes_exam", feature, Outcome.UNKNOWN, limit=0, reason=str(error))
        outcome = Outcome.FAIL if chance < 1e-3 else Outcome.PASS  # noqa: PLR2004
        why = f"correlation with the exam's targets beyond the past: {correlation:.3g}, of {categories} categories"
        return Finding("encodes_exam", feature, outcome, correlation, 0, size=exam.rows, reason=why)


def _learned(exam: Exam) -> Learned:
    if exam.candidate.learned is None:
        raise Unmeasured("the rows that the candidate learned from are not at hand")
    return exam.candidate.learned


def _present(columns: Sequence[str], *frames: pd.DataFrame) -> None:
    absent = [column for column in columns for frame in frames if column not in frame.columns]
    if absent:
        raise Unmeasured(f"the rows lack the column {absent[0]}")


def _told(column: str | None, *frames: pd.DataFrame) -> None:
    """Have every row tell its time, in one type of it: what is missing is before and after nothing."""
    untold = sum(int(frame[column].isna().sum()) for frame in frames)
    if untold:
        raise Unmeasured(f"{untold} rows have no {column}")
    if len({frame[column].dtype.kind for frame in frames}) > 1:
        raise Unmeasured(f"{column} is of another type in the rows that were learned from")


def _reached(exam: Exam, column: str, confidence: float) -> Interval:
    """Give what a cross-fitted tree of one feature reaches."""
    from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
    from sklearn.tree import DecisionTreeRegressor

    _present([column], exam.frame)
    values, truth = _coded(exam.frame, column)[:, None], exam.truth
    units = exam.rows if exam.groups is None else len(np.unique(exam.groups.astype(str)))
    if np.isnan(values).all():
        raise Unmeasured("every value is missing")
    if units < 2 or exam.rows < 2 * _LEAF:  # noqa: PLR2004
        raise Unmeasured(f"{exam.rows} rows of {units} groups are too few to fit and to judge")
    folds = min(_FOLDS, units)
    split = KFold(folds, shuffle=True, random_state=SEED) if exam.groups is None else GroupKFold(folds)
    groups, chance = None if exam.groups is None else exam.groups.astype(str), np.random.default_rng(SEED)
    parts = [(chance.permutation(train)[:_FITTED], rest) for train, rest in split.split(values, truth, groups)]
    shape = {"max_leaf_nodes": _LEAVES, "min_samples_leaf": min(_LEAF, exam.rows // 10), "random_state": SEED}
    if not exam.kind.classifies:
        said = cross_val_predict(DecisionTreeRegressor(**shape), values, truth, cv=parts)

        def r2(places: NDArray[np.intp]) -> NDArray[np.float64]:
            spread = np.square(truth[places] - truth[places].mean()).sum()
            return np.array([1 - np.square(truth[places] - said[places]).sum() / spread])

        return intervals_of_rows(r2, Units.of(exam.rows, exam.groups), confidence=confidence)[0]
    there = [one for one in range(len(exam.classes)) if 0 < np.count_nonzero(truth == one) < exam.rows]
    chances = {
        one: cross_val_predict(DecisionTreeRegressor(**shape), values, (truth == one).astype(float), cv=parts)
        for one in (there[1:] if exam.kind is Kind.BINARY else there)
    }
    areas = [
        auc_interval(truth == one, said, groups=exam.groups, confidence=confidence) for one, said in chances.items()
    ]
    return max(areas, key=lambda area: area.value)


def _coded(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Give a column as numbers; categories by their place, the missing one NaN."""
    import pandas as pd

    if numbers(frame, (column,)):
        values = values_of(frame, [column])[:, 0]
        return np.where(np.isfinite(values), values, np.nan)
    codes, _ = pd.factorize(hashable(frame[column]), sort=False)
    return np.where(codes < 0, np.nan, codes)


def _near(learned: pd.DataFrame, exam: pd.DataFrame, columns: list[str], near: float) -> NDArray[np.bool_]:
    """Tell which rows share a cell of one of some shifted grids with a row that was learned from."""
    import pandas as pd

    there = numbers(exam, tuple(columns))
    others = [one for one in columns if one not in there]
    width = 10 * near * np.nanstd(values_of(exam, there), axis=0)
    width = np.where(width > 0, width, 1.0)
    chance, found = np.random.default_rng(SEED), np.zeros(len(exam), dtype=bool)
    for _ in range(_SHIFTS):
        shift = chance.random(len(there))
        hashes = []
        for frame in (learned, exam):
            cells = pd.DataFrame(np.floor(values_of(frame, there) / width + shift))
            named = {f"other {place}": hashable(frame[one]).array.astype(object) for place, one in enumerate(others)}
            hashes.append(pd.util.hash_pandas_object(cells.assign(**named), index=False))
        found |= np.isin(hashes[1].to_numpy(), hashes[0].to_numpy())
    return found


def _follows(exam: Exam, learned: Learned, feature: str, column: str) -> tuple[float, float, int]:
    """Give the partial rank correlation, its chance where there is none, and of how many categories it is."""
    import pandas as pd
    from scipy.stats import spearmanr

    _present([feature, column], exam.frame)
    _present([column], learned.frame)
    if exam.kind is Kind.MULTICLASS:
        raise Unmeasured("an encoding of more than two classes is not judged")
    target = (learned.target == exam.classes[1]) if exam.kind is Kind.BINARY else learned.target
    said = exam.frame.groupby(column)[feature]
    if float((said.max() - said.min()).max()) > _SAME * float(exam.frame[feature].abs().max()):
        raise Unmeasured(f"it has more than one value in a category of {column}")
    past = pd.Series(np.asarray(target, dtype=float)).groupby(learned.frame[column].to_numpy())
    means = pd.DataFrame(
        {
            "was": past.mean(),
            "rows": past.size(),
            "now": pd.Series(exam.truth.astype(float)).groupby(exam.frame[column].to_numpy()).mean(),
            "says": said.mean(),
        }
    ).dropna()
    if len(means) < _FEW:
        raise Unmeasured(f"{len(means)} categories in both, at least {_FEW} are needed")
    mean, count = float(np.mean(target)), means["rows"]
    smoothed = [(means["was"] * count + mean * rows) / (count + rows) for rows in _SMOOTHED]
    was = np.column_stack([np.ones(len(means)), means["was"], *smoothed])
    rest = [means[one] - was @ np.linalg.lstsq(was, means[one].to_numpy(), rcond=None)[0] for one in ("now", "says")]
    if float(np.abs(rest[1]).max()) <= _SAME * float(np.abs(means["says"]).max()):
        return 0.0, 1.0, len(means)
    correlation, chance = spearmanr(*rest, alternative="greater")
    return float(correlation), float(chance), len(means)
