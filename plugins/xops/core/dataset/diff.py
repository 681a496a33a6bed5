"""What became different from one version of a dataset to another, in counts and without anybody's values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.strict_json import plain


class Change(StrEnum):
    """What happened to a column."""

    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "retyped"


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that one version has and the other has not, or has with another type.

    :param before: its type in the earlier version; empty where it is added.
    :param after: its type in the later version; empty where it is removed.
    """

    column: str
    change: Change
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure of a column's profile that is not the same in both versions.

    :param figure: ``null_share``, ``distinct``, ``mean`` or ``deviation``.
    :param before: in the earlier version; None where it cannot be told.
    :param after: in the later version.
    """

    column: str
    figure: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """The differences between two versions.

    :param before: name of the earlier version.
    :param after: name of the later version.
    :param key: the columns that identify a row.
    :param rows_before: rows of the earlier version.
    :param rows_after: rows of the later version.
    :param added: rows whose key only the later version has.
    :param removed: rows whose key only the earlier version has.
    :param changed: rows of one key that differ in a column that both versions have.
    :param by_column: of the changed rows, how many differ in a column; only columns with a change, in the later
        version's order.
    :param schema: columns that came, went, or changed type.
    :param profile: figures of the columns' profiles that moved; empty also where profiles were not asked for.
    :param keys: keys of changed, added and removed rows, where showing values is allowed.
    """

    before: str
    after: str
    key: tuple[str, ...]
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    by_column: Mapping[str, int] = field(default_factory=dict)
    schema: tuple[ColumnChange, ...] = ()
    profile: tuple[Moved, ...] = ()
    keys: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rows_before - self.removed + self.added != self.rows_after:
            raise ValueError(
                f"{self.before} to {self.after}: {self.rows_before} rows less {self.removed} and {self.added} more "
                f"do not make {self.rows_after}"
            )

    @property
    def same(self) -> bool:
        """Whether both versions hold the same rows under the same schema."""
        return not (self.added or self.removed or self.changed or self.schema)

    def __str__(self) -> str:
        """Say it in one line."""
        columns = ", ".join(f"{change.column} {change.change}" for change in self.schema) or "the same"
        return (
            f"{self.before} to {self.after}: {self.added} rows added, {self.removed} removed, {self.changed} changed; "
            f"columns: {columns}"
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        document: dict[str, Any] = plain(asdict(self))
        return document


def schema_changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ColumnChange, ...]:
    """Compare two schemas, each a type by column name; removed columns first, in the order of their schemas."""
    removed = [ColumnChange(name, Change.REMOVED, before=kind) for name, kind in before.items() if name not in after]
    added = [ColumnChange(name, Change.ADDED, after=kind) for name, kind in after.items() if name not in before]
    retyped = [
        ColumnChange(name, Change.RETYPED, before[name], kind)
        for name, kind in after.items()
        if name in before and before[name] != kind
    ]
    return (*removed, *added, *retyped)


def moved_figures(before: Profile, after: Profile) -> tuple[Moved, ...]:
    """Compare the profiles of two versions, column by column, where both have the column."""
    found = []
    for column in after.columns:
        earlier = before.column(column.spec.name)
        if earlier is not None:
            was, now = _figures(earlier), _figures(column)
            found += [
                Moved(column.spec.name, figure, was[figure], now[figure])
                for figure in now
                if was[figure] != now[figure]
            ]
    return tuple(found)


def _figures(column: ColumnProfile) -> dict[str, float | None]:
    return {
        "null_share": column.nulls / column.rows if column.rows else None,
        "distinct": column.distinct,
        "mean": None if math.isnan(column.mean) else column.mean,
        "deviation": None if math.isnan(column.deviation) else column.deviation,
    }
