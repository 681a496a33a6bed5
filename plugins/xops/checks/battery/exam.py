"""The rows that nobody trained on, and the models that are asked about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xops.checks.battery.answers import Answers, Kind, Unmeasured, floats, places_in
from xops.checks.battery.contender import Contender, row_hashes
from xops.core.errors import Misconfigured, Refused
from xops.core.numerics import np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Exam:
    """The held-out rows that every check of the battery is given, with what the models answer on them.

    :param frame: the rows: features of both models, and whatever else a check reads. They are not to be changed.
    :param target: the true answers, shape (rows,), none missing.
    :param kind: what the models are asked for; a text will do.
    :param candidate: the model that is judged.
    :param champion: the model that it would replace; None while there is none.
    :param groups: one group's name a row where rows of a group (a day, a customer; of a ranking, the query) resemble
        each other, shape (rows,); None where rows are independent.
    :param key: the columns that tell one row from another; all where none are named. Of these are the hashes that a
        contender's ``trained_on`` holds.
    :param sensitive: the columns that say who somebody is; a check tells their values where its ``shown`` names them.
    :param facts: versions, batches, digests of the data: plain JSON.
    :raises Misconfigured: when lengths differ, a column is there twice, or a ranking has no groups.
    :raises Refused: when a model was trained on one of the rows.
    """

    frame: pd.DataFrame
    target: NDArray[Any]
    kind: Kind
    candidate: Contender
    champion: Contender | None = None
    groups: NDArray[Any] | None = None
    key: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        object.__setattr__(self, "target", np.asarray(self.target))
        twice = self.frame.columns[self.frame.columns.duplicated()]
        if len(twice):
            raise Misconfigured(f"exam: the column {twice[0]} is there twice")
        for what, given in (("target", self.target), ("groups", self.groups)):
            if given is not None and np.shape(given) != (len(self.frame),):
                raise Misconfigured(f"exam: {what} of shape ({len(self.frame)},) was wanted, found {np.shape(given)}")
        if self.kind is Kind.RANKING and self.groups is None:
            raise Misconfigured("exam: a ranking is judged query by query; groups, one query's name a row, are missing")
        for one in (self.candidate, self.champion):
            if one is not None and one.trained_on is not None:
                self._refuse_trained(one, one.trained_on)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.frame)

    @cached_property
    def classes(self) -> NDArray[Any]:
        """The classes in order, the positive one of two last; of the candidate, or else of the rows."""
        if not self.kind.classifies:
            return np.zeros(0)
        own = getattr(self.candidate.model, "classes_", None)
        classes = np.unique(self.target) if own is None else np.asarray(own)
        if self.kind is Kind.BINARY and len(classes) != 2:  # noqa: PLR2004
            raise Unmeasured(f"two classes were wanted, found {len(classes)}")
        return classes

    @cached_property
    def truth(self) -> NDArray[Any]:
        """The true answers as numbers, shape (rows,): places in ``classes``, or floats.

        :raises Unmeasured: when there is no row, one class only, or a target that is missing or no class.
        """
        if not self.rows:
            raise Unmeasured("the exam has no rows")
        if not self.kind.classifies:
            target = floats(self.target)
            if target is None:
                raise Unmeasured("the target is not of numbers")
            if not np.isfinite(target).all():
                raise Unmeasured(f"{int(np.count_nonzero(~np.isfinite(target)))} rows have no finite target")
            if self.kind is Kind.RANKING and (target < 0).any():
                raise Unmeasured(f"{int(np.count_nonzero(target < 0))} rows have a relevance below 0")
            return target
        truth = places_in(self.target, self.classes)
        strange = int(np.count_nonzero(truth < 0))
        if strange:
            raise Unmeasured(f"the target of {strange} rows is none of the candidate's classes")
        if len(np.unique(truth)) < 2:  # noqa: PLR2004
            raise Unmeasured(f"all {self.rows} rows are of one class")
        return truth

    @cached_property
    def answers(self) -> Answers:
        """What the candidate answers."""
        return Answers(self.candidate, self.frame, self.kind, self.classes)

    @cached_property
    def champion_answers(self) -> Answers | None:
        """What the champion answers; None while there is none."""
        return None if self.champion is None else Answers(self.champion, self.frame, self.kind, self.classes)

    def without(self, stopped: Mapping[str, str]) -> Exam:
        """Give the same exam, in which some models are not asked.

        :param stopped: by model why.
        """

        def told(contender: Contender) -> Contender:
            return replace(contender, stopped=stopped.get(contender.name, contender.stopped))

        champion = None if self.champion is None else told(self.champion)
        return replace(self, candidate=told(self.candidate), champion=champion)

    def _refuse_trained(self, contender: Contender, trained_on: NDArray[np.uint64]) -> None:
        hashes = row_hashes(self.frame, self.key or list(self.frame.columns))
        known = int(np.count_nonzero(np.isin(hashes, trained_on)))
        if known:
            raise Refused(
                f"{contender.name} was trained on {known} of the exam's {self.rows} rows; "
                "it can be judged only on rows that it has not seen"
            )
