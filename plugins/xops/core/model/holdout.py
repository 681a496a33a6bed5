"""Rows set aside for judging: the same rows for every model that is ever trained on the dataset."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Holdout:
    """Whole groups (days, customers) that no model of this dataset is trained on.

    A group is set aside when the hash of its name falls below ``share``. The choice depends on nothing else, so a
    candidate and the champion before it set the same groups aside and can be compared on them.

    :param by: the column that names the group; rows of one group stay together, so neighbours do not leak.
    :param share: the share of groups set aside, in (0, 1).
    """

    by: str
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise Misconfigured(f"holdout: a share in (0, 1) was wanted, found {self.share}")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | Holdout) -> Holdout:
        """Read it from a DAG file's dict.

        :raises Misconfigured: for a name that is none of its own, or when ``by`` is missing.
        """
        if isinstance(settings, Holdout):
            return settings
        try:
            return cls(**settings)
        except TypeError as error:
            raise Misconfigured(f"holdout: {error}") from error

    def mask(self, groups: NDArray[Any]) -> NDArray[np.bool_]:
        """Give True for each row whose group is set aside.

        :param groups: one value a row, shape (rows,). Dates and times of any unit, and whole numbers as integers or
            floats, name the same group.
        """
        names, inverse = np.unique(_as_text(np.asarray(groups)), return_inverse=True)
        aside = np.array([_place(name) < self.share for name in names], dtype=bool)
        mask: NDArray[np.bool_] = aside[inverse] if len(names) else np.zeros(0, dtype=bool)
        return mask

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)


def deal(groups: NDArray[Any], folds: int, seed: int) -> NDArray[np.intp]:
    """Deal rows into folds, shape (rows,): a group stays together, and the folds are about equally long.

    The groups are taken in an order that depends on their names and the seed alone, each to the shortest fold.

    :param groups: one group's name a row, shape (rows,).
    :raises Misconfigured: when there are fewer groups than folds.
    """
    names, inverse, sizes = np.unique(_as_text(groups), return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise Misconfigured(f"folds: at most as many as there are groups were wanted, {len(names)}; found {folds}")
    order = sorted(range(len(names)), key=lambda place: hashlib.sha256(f"{seed} {names[place]}".encode()).digest())
    fold, lengths = np.zeros(len(names), dtype=np.intp), [0] * folds
    for place in order:
        fold[place] = shortest = lengths.index(min(lengths))
        lengths[shortest] += int(sizes[place])
    dealt: NDArray[np.intp] = fold[inverse]
    return dealt


def _as_text(groups: NDArray[Any]) -> NDArray[np.str_]:
    """Give groups as texts that depend on the value alone: not on how a library stored it, nor on other rows."""
    if groups.dtype.kind == "M":
        return np.datetime_as_string(groups.astype("datetime64[us]"))
    if groups.dtype.kind not in "fO":
        return groups.astype(str)
    return np.array([_name(value) for value in groups.tolist()], dtype=str)


def _name(value: Any) -> str:
    if value is None or value != value:  # NaN, NaT  # noqa: PLR0124
        return "NaT"
    if isinstance(value, dt.date):
        return str(np.datetime64(value, "us"))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _place(name: str) -> float:
    """Give where ``name`` falls in [0, 1)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
