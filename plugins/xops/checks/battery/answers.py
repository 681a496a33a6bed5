"""What a model answers on some rows, read once, and refused where it cannot be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery.contender import Contender
from xops.core.errors import FOREIGN, bounded
from xops.core.numerics import np
from xops.core.verdict import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_ROUNDING = 1e-6  # by which a library's single-precision probabilities may leave [0, 1] or miss a sum of 1


class Kind(StrEnum):
    """What a model is asked for."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    RANKING = "ranking"

    @property
    def classifies(self) -> bool:
        """Whether the answer is a class."""
        return self in (Kind.BINARY, Kind.MULTICLASS)


class Unmeasured(ValueError):
    """Nothing can be measured: no rows, one class, too few. The check's finding is ``unknown``, with this reason.

    :cvar outcome: of the finding about the candidate.
    """

    outcome: ClassVar[Outcome] = Outcome.UNKNOWN


class BadAnswer(Unmeasured):
    """A model gave no answer, or one that cannot be: NaN, a wrong shape, a probability of 1.2.

    :param name: the model.
    """

    outcome: ClassVar[Outcome] = Outcome.FAIL

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")
        self.name = name


class NoAnswer(BadAnswer):
    """A model gives no answers of this kind, or is not asked: nothing is wrong with one, and nothing is measured."""

    outcome: ClassVar[Outcome] = Outcome.UNKNOWN


@dataclass(frozen=True)
class Answers:
    """What one model answers on some rows: each kind of answer asked for once, when it is first read.

    Every reading raises :class:`BadAnswer` where the model gives none, or one that cannot be.

    :param contender: the model.
    :param frame: the rows.
    :param kind: what it is asked for.
    :param classes: the classes in the exam's order; empty unless it classifies.
    """

    contender: Contender
    frame: pd.DataFrame
    kind: Kind
    classes: NDArray[Any]

    def on(self, frame: pd.DataFrame) -> Answers:
        """Give the same model's answers on other rows."""
        return replace(self, frame=frame)

    @property
    def asked(self) -> bool:
        """Whether the model was asked for any answer yet."""
        return not {"predicted", "labels", "probabilities", "scores"}.isdisjoint(self.__dict__)

    @cached_property
    def predicted(self) -> NDArray[np.float64]:
        """What a regression or a ranking predicts, shape (rows,)."""
        return self._finite(self._numbers(self._one_a_row(self._asked("predict"))))

    @cached_property
    def labels(self) -> NDArray[np.intp]:
        """The places in ``classes`` of the predicted classes, shape (rows,)."""
        given = self._asked("predict")
        if not self._has("predict_proba") and _look_like_probabilities(given, self.classes):
            return self.probabilities.argmax(axis=1)
        places = places_in(self._one_a_row(given), self.classes)
        strange = int(np.count_nonzero(places < 0))
        if strange:
            raise BadAnswer(self.contender.name, f"gave {strange} rows a class that the exam does not have")
        return places

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each class, shape (rows, classes); each in [0, 1], each row's sum 1."""
        if not self.gives_probabilities:
            raise NoAnswer(self.contender.name, "gives no probabilities")
        given = np.asarray(self._asked("predict_proba" if self._has("predict_proba") else "predict"))
        if given.dtype.kind not in "fiub" or (given.ndim == 1 and len(self.classes) > 2):  # noqa: PLR2004
            raise BadAnswer(self.contender.name, "gives no probabilities")
        if given.ndim == 1 and len(self.classes) == 2:  # noqa: PLR2004 - a binary model that gives its positive class's
            given = np.column_stack([1 - given.astype(float), given])
        given = self._finite(self._in_order(given.astype(float)))
        outside = int(np.count_nonzero(((given < -_ROUNDING) | (given > 1 + _ROUNDING)).any(axis=1)))
        if outside:
            raise BadAnswer(self.contender.name, f"gave {outside} rows a probability outside [0, 1]")
        astray = int(np.count_nonzero(np.abs(given.sum(axis=1) - 1) > 1e3 * _ROUNDING))
        if astray:
            raise BadAnswer(self.contender.name, f"gave {astray} rows probabilities whose sum is not 1")
        return given.clip(0, 1)

    @cached_property
    def gives_probabilities(self) -> bool:
        """Whether the model gives probabilities at all, good ones or not."""
        return self._has("predict_proba") or _look_like_probabilities(self._asked("predict"), self.classes)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """What ranks the rows of a binary model, shape (rows,): the positive class's probability, else its decision."""
        if not self._has("predict_proba") and self._has("decision_function"):
            return self._finite(self._numbers(self._one_a_row(self._asked("decision_function"))))
        scores: NDArray[np.float64] = self.probabilities[:, 1]
        return scores

    def _has(self, method: str) -> bool:
        return hasattr(self.contender.model, method)

    def _asked(self, method: str) -> NDArray[Any]:
        if self.contender.stopped:
            raise NoAnswer(self.contender.name, f"was not asked: {self.contender.stopped}")
        if self.contender.refused:
            raise BadAnswer(self.contender.name, f"was not loaded: {self.contender.refused}")
        absent = [column for column in self.contender.columns if column not in self.frame.columns]
        if absent:
            raise BadAnswer(
                self.contender.name, f"needs the columns {bounded(', '.join(map(str, absent)))}, the rows lack them"
            )
        if not self._has(method):
            raise BadAnswer(self.contender.name, f"has no {method}")
        try:
            given = np.asarray(getattr(self.contender.model, method)(self.frame[list(self.contender.columns)]))
        except FOREIGN as error:  # whatever a foreign model raises means that it gave no answer
            raise BadAnswer(self.contender.name, f"cannot answer: {bounded(repr(error), 200)}") from error
        if given.ndim == 0 or len(given) != len(self.frame):
            raise BadAnswer(self.contender.name, f"gave shape {given.shape} for {len(self.frame)} rows")
        return given

    def _one_a_row(self, given: NDArray[Any]) -> NDArray[Any]:
        if given.ndim == 2 and given.shape[1] == 1:  # noqa: PLR2004
            given = given[:, 0]
        if given.ndim != 1:
            raise BadAnswer(self.contender.name, f"gave shape {given.shape}; one value a row was wanted")
        return given

    def _in_order(self, given: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put the model's classes in the exam's order; a class that it does not know has probability 0."""
        own = getattr(self.contender.model, "classes_", None)
        own = self.classes if own is None else np.asarray(own)
        if given.ndim != 2 or given.shape[1] != len(own):  # noqa: PLR2004
            raise BadAnswer(
                self.contender.name, f"gave shape {given.shape}; ({len(self.frame)}, {len(own)}) was wanted"
            )
        if np.array_equal(own, self.classes):
            return given
        place = {name: place for place, name in enumerate(own.tolist())}
        ordered = np.zeros((len(given), len(self.classes)))
        for column, name in enumerate(self.classes.tolist()):
            if name in place:
                ordered[:, column] = given[:, place[name]]
        return ordered

    def _numbers(self, given: NDArray[Any]) -> NDArray[np.float64]:
        numbers = floats(given)
        if numbers is None:
            raise BadAnswer(self.contender.name, f"gave values of the type {given.dtype}; numbers were wanted")
        return numbers

    def _finite(self, given: NDArray[np.float64]) -> NDArray[np.float64]:
        strange = int(np.count_nonzero(~np.isfinite(given).reshape(len(given), -1).all(axis=1)))
        if strange:
            raise BadAnswer(self.contender.name, f"gave {strange} rows an answer that is not finite")
        return given


def floats(given: NDArray[Any]) -> NDArray[np.float64] | None:
    """Give numbers as floats, what is missing as NaN, shape (rows,); None where some are no numbers."""
    import pandas as pd

    try:
        return pd.Series(given).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        return None


def places_in(given: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Give the place of each value among the classes; -1 for a value that is none."""
    if {given.dtype.kind, classes.dtype.kind} <= set("biuf") or given.dtype.kind == classes.dtype.kind == "U":
        order = np.argsort(classes)
        places = order[np.searchsorted(classes, given, sorter=order).clip(max=len(classes) - 1)]
        return np.where(classes[places] == given, places, -1)
    place = {name: place for place, name in enumerate(classes.tolist())}
    return np.array([place.get(name, -1) for name in given.tolist()], dtype=np.intp)


def _look_like_probabilities(given: NDArray[Any], classes: NDArray[Any]) -> bool:
    """Tell whether what ``predict`` gave are probabilities, as a booster's or a pyfunc's may be."""
    if given.ndim == 2:  # noqa: PLR2004
        return given.shape[1] > 1
    if given.dtype.kind != "f" or len(classes) != 2:  # noqa: PLR2004
        return False
    return classes.dtype.kind != "f" or bool((places_in(given, classes) < 0).any())
