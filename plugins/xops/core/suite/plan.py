"""What an expectation asks of a table, and what its columns are: the words that compiled suites are made of.

Column names never reach SQL. Everything here calls a column by its place: ``c0``, ``c1``, ...
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

EXACT = 2**53  # above it a double no longer holds every integer

EVERY = "count(*)"

Measured = Mapping[str, Any]


class NotCompiled(Exception):
    """An expectation that only Great Expectations can decide."""


class Kind(enum.Enum):
    """The families of columns that are treated alike."""

    INTEGER = "integer"
    FLOAT = "float"
    FLOAT32 = "float32"
    BOOLEAN = "boolean"
    STRING = "string"
    CATEGORY = "category"
    DATE = "date"
    TIMESTAMP = "timestamp"
    INSTANT = "instant"  # a timestamp with a time zone
    DECIMAL = "decimal"
    OTHER = "other"


TEXTS = (Kind.STRING, Kind.CATEGORY)
NUMBERS = (Kind.INTEGER, Kind.FLOAT)
SCALARS = tuple(kind for kind in Kind if kind is not Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    :param place: its place among the table's columns, from 0.
    :param dtype: the numpy type that pandas gives it when no value is null; empty where numpy has none.
    """

    name: str
    place: int
    kind: Kind
    dtype: str = ""

    @property
    def sql(self) -> str:
        """The column's values, with NaN as NULL: pandas takes both for missing."""
        return f"c{self.place}"

    @property
    def projection(self) -> str:
        """How ``sql`` is made of the raw column ``r<place>``."""
        raw = f"r{self.place}"
        if self.kind in (Kind.FLOAT, Kind.FLOAT32):
            return f"nullif({raw}::DOUBLE, 'NaN'::DOUBLE) AS {self.sql}"
        if self.kind is Kind.CATEGORY:
            return f"{raw}::VARCHAR AS {self.sql}"
        return f"{raw} AS {self.sql}"

    @property
    def present(self) -> str:
        """The condition that a value is there."""
        return f"{self.sql} IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the validation result says of one expectation; with ``error`` it was not decided, as in an exception."""

    success: bool
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def _none(_: Measured) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Implied:
    """An aggregate whose value may follow from others.

    :param by: those of which one is enough; where one is asked anyway, the aggregate itself waits for its answer.
    :param value: its value from what is known; None where that does not tell.
    """

    by: frozenset[str]
    value: Callable[[Measured], Any]


@dataclass(frozen=True, slots=True)
class Sought:
    """An aggregate that follows from how often each of some texts occurs in a column.

    :param column: whose name it is.
    :param texts: the different texts.
    :param value: from how often each occurs, in their order, to the aggregate's value.
    """

    column: str
    texts: tuple[str, ...]
    value: Callable[[Sequence[int]], int]


@dataclass(frozen=True, slots=True)
class Different:
    """An aggregate that is the number of different hashes of a column's values, NULL having one too.

    :param column: whose name it is.
    """

    column: str


Counted: TypeAlias = Sought | Different


@dataclass(frozen=True, slots=True)
class Plan:
    """One compiled expectation.

    :param asks: the aggregate expressions that it needs.
    :param answer: from them, as measured, to the answer; None when the values turn out to be Great Expectations' to
        judge.
    :param recount: further aggregates that are needed only because of what was measured.
    :param failing: the condition, perhaps with windows, of a row that is unexpected; empty when it is not single rows
        that fail.
    :param implied: of what is asked, what need not be measured where it follows from what is known.
    :param counted: of what is asked, what may be counted beside a profile instead, where that is cheaper.
    """

    asks: tuple[str, ...]
    answer: Callable[[Measured], Answer | None]
    recount: Callable[[Measured], tuple[str, ...]] = _none
    failing: str = ""
    implied: Mapping[str, Implied] = field(default_factory=dict)
    counted: Mapping[str, Counted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """An expectation's arguments beside the table's columns.

    :param columns: by name; None for a name that several columns share.
    :param where: the row condition as SQL, empty without one.
    :param known: aggregates that are known before a row is read.
    """

    kwargs: Mapping[str, Any]
    names: Sequence[str]
    columns: Mapping[str, Column | None]
    where: str = ""
    known: Measured = field(default_factory=dict)

    def column(self, *kinds: Kind, argument: str = "column") -> Column:
        """Give the column that an argument names, if it is of one of ``kinds``."""
        return self.named(self.kwargs[argument], *kinds)

    def named(self, name: str, *kinds: Kind) -> Column:
        """Give a column by its name, if it is of one of ``kinds``."""
        column = self.columns[name]
        if column is None or column.kind not in kinds:
            raise NotCompiled
        return column

    def those(self, *conditions: str) -> str:
        """Give the condition of the rows of the row condition for which the conditions hold; empty for every row."""
        return " AND ".join(condition for condition in (self.where, *conditions) if condition)

    def aggregate(self, function: str, *conditions: str) -> str:
        """Give an aggregate over the rows of the row condition for which the conditions hold."""
        every = self.those(*conditions)
        return f"{function} FILTER (WHERE {every})" if every else function

    def rows(self, *conditions: str) -> str:
        """Give the number of rows for which the conditions hold; DuckDB would copy every column for each FILTER."""
        every = self.those(*conditions)
        return f"count(CASE WHEN {every} THEN 1 END)" if every else EVERY

    def there(self, column: Column) -> str:
        """Give the number of a column's values that are there."""
        return self.aggregate(f"count({column.sql})")

    @property
    def mostly(self) -> float:
        """The share that is enough."""
        share = self.kwargs.get("mostly", 1)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise NotCompiled
        return float(share)

    def flag(self, argument: str, *, default: bool | None = False) -> bool:
        """Give a boolean argument."""
        value = self.kwargs.get(argument, default)
        if not isinstance(value, (bool, type(None))):
            raise NotCompiled
        return bool(value)


_TYPES = {
    "double": (Kind.FLOAT, "float64"),
    "float": (Kind.FLOAT32, "float32"),
    "bool": (Kind.BOOLEAN, "bool"),
    "string": (Kind.STRING, ""),
    "large_string": (Kind.STRING, ""),
    "date32[day]": (Kind.DATE, "datetime64[ms]"),
    **{
        f"{sign}int{bits}": (Kind.INTEGER, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
    },
}  # fmt: skip
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(, tz=.+)?\]")


def columns_of(schema: Iterable[tuple[str, str]]) -> list[Column]:
    """Give the columns of a schema, as pairs of a name and Arrow's text for its type."""
    return [Column(name, place, *_kind(text)) for place, (name, text) in enumerate(schema)]


def _kind(text: str) -> tuple[Kind, str]:
    if text in _TYPES:
        return _TYPES[text]
    if stamp := _TIMESTAMP.fullmatch(text):
        return (Kind.INSTANT, "") if stamp[2] else (Kind.TIMESTAMP, f"datetime64[{stamp[1]}]")
    if re.fullmatch(r"decimal\d+\(\d+, \d+\)", text):
        return Kind.DECIMAL, ""
    if re.match(r"dictionary<values=(large_)?string,", text):
        return Kind.CATEGORY, ""
    return Kind.OTHER, ""


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number that a double holds exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and abs(value) <= EXACT


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Whether a JSON value is text that SQL can hold."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def number(value: float) -> str:
    """Give a number as SQL: an integer where it is one, else a double and never a decimal."""
    return str(int(value)) if float(value).is_integer() else f"{float(value)!r}::DOUBLE"


def text(value: str) -> str:
    """Give text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def members(column: Column, values: Any) -> list[str]:
    """Give the different values of a set that a column can hold, as SQL.

    :raises NotCompiled: when the set holds values of other kinds, which pandas compares in ways of its own.
    """
    if not isinstance(values, list):
        raise NotCompiled
    fits = is_text if column.kind in TEXTS else _is_flag if column.kind is Kind.BOOLEAN else is_number
    if not all(map(fits, values)):
        raise NotCompiled
    different = list(dict.fromkeys(values))
    if column.kind in TEXTS:
        held = [text(value) for value in different]
    elif column.kind is Kind.BOOLEAN:
        held = [str(value).upper() for value in different]
    elif column.kind is Kind.INTEGER:
        held = [number(value) for value in different if float(value).is_integer()]
    elif column.kind is Kind.FLOAT:
        held = [f"{float(value)!r}::DOUBLE" for value in different]
    else:
        raise NotCompiled
    return held


def within(column: Column, values: Any) -> str:
    """Give the condition that a column's value is in a set; of NULL it is NULL."""
    held = members(column, values)
    return f"({column.sql} IN ({', '.join(held)}))" if held else f"({column.sql} <> {column.sql})"


def nulls_in(column: Column, measured: Measured) -> bool:
    """Whether the table, whatever the row condition, has nulls in a column; ``EVERY`` and ``count`` were asked."""
    return bool(measured[EVERY] > measured[f"count({column.sql})"])
