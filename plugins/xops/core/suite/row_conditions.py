"""Row conditions of a suite: Great Expectations runs them as code, we read the part of them that is none."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xops.core.errors import bounded
from xops.core.suite.plan import NUMBERS, Column, Kind, NotCompiled, is_number, is_text, number, text, within

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip
_WORDS = {"IN": "in", "NOT_IN": "not in"}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_PIECES = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`([^`\n]+)`", re.DOTALL)
_GX_TEXT = ("great_expectations", "great_expectations__experimental__")


class UnsafeCondition(ValueError):
    """A row condition that is more than comparisons of columns with literals."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column beside a literal; ``operator`` is one of ``== != < <= > >= in``, ``not in``."""

    column: str
    operator: str
    literal: Any


@dataclass(frozen=True, slots=True)
class Nullity:
    """A column that is, or is not, null."""

    column: str
    null: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions of which all (``AND``) or any (``OR``) hold."""

    word: str
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition that does not hold."""

    part: Condition


Condition = Comparison | Nullity | Joined | Negated


def read_condition(kwargs: Mapping[str, Any]) -> Condition | None:
    """Read the row condition of an expectation's arguments; None without one.

    Understood are comparisons of a column with a literal, ``in`` lists, null tests, ``and``, ``or`` and ``not``: as
    text of pandas' ``query`` or of Great Expectations' ``col("x")``, or as the objects that it writes.

    :raises UnsafeCondition: for anything else, which would have to be run to know what it does.
    """
    given = kwargs.get("row_condition")
    if given is None or given == "":
        return None
    if isinstance(given, str):
        return _from_text(given, gx=kwargs.get("condition_parser") in _GX_TEXT)
    return _from_object(given)


def columns_in(condition: Condition) -> set[str]:
    """Give the names of the columns that a condition reads."""
    match condition:
        case Joined(parts=parts):
            return set().union(*(columns_in(part) for part in parts))
        case Negated(part=part):
            return columns_in(part)
    return {condition.column}


def as_sql(condition: Condition, columns: Mapping[str, Column | None]) -> str:
    """Give the condition as SQL that is never NULL: as in pandas, a comparison with a missing value is false.

    :raises NotCompiled: when a column is absent or is compared with a literal of another kind.
    """
    match condition:
        case Joined(word=word, parts=parts):
            return "(" + f" {word} ".join(as_sql(part, columns) for part in parts) + ")"
        case Negated(part=part):
            return f"(NOT {as_sql(part, columns)})"
    column = columns.get(condition.column)
    if column is None:
        raise NotCompiled
    if isinstance(condition, Nullity):
        return f"({column.sql} IS {'' if condition.null else 'NOT '}NULL)"
    if condition.operator in ("in", "not in"):
        inside = f"coalesce({within(column, condition.literal)}, FALSE)"
        return inside if condition.operator == "in" else f"(NOT {inside})"
    literal = _literal(column, condition.literal)
    if condition.operator == "!=":
        return f"({column.sql} IS DISTINCT FROM {literal})"
    return f"coalesce({column.sql} {condition.operator.replace('==', '=')} {literal}, FALSE)"


def _literal(column: Column, value: Any) -> str:
    if column.kind in NUMBERS and is_number(value):
        return number(value)
    if column.kind is Kind.STRING and is_text(value):
        return text(value)
    if column.kind is Kind.BOOLEAN and isinstance(value, bool):
        return str(value).upper()
    if column.kind in (Kind.DATE, Kind.TIMESTAMP) and isinstance(value, str):
        try:
            moment = dt.datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007 - a day of a calendar without zones
        except ValueError as error:
            raise NotCompiled from error
        return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"
    raise NotCompiled


def _from_object(given: Any) -> Condition:
    match given:
        case {"type": "comparison", "column": {"name": str(name)}, "operator": str(operator), "parameter": literal} if (
            _takes(_WORDS.get(operator, operator), literal)
        ):
            return Comparison(name, _WORDS.get(operator, operator), literal)
        case {"type": "nullity", "column": {"name": str(name)}, "is_null": bool(null)}:
            return Nullity(name, null)
        case {"type": "and" | "or" as word, "conditions": [_, *_] as parts}:
            return Joined(word.upper(), tuple(_from_object(part) for part in parts))
        case {"type": "pass_through", "pass_through_filter": str(words)}:
            return _from_text(words, gx=False)
    raise UnsafeCondition(f"{bounded(given, 200)} is no comparison of a column with a literal")


def _takes(operator: str, literal: Any) -> bool:
    """Tell whether an operator is one, and whether it takes a list where it is given one."""
    if isinstance(literal, list):
        return operator in _WORDS.values()
    return operator in _MIRRORED


def _from_text(words: str, *, gx: bool) -> Condition:
    quoted: list[str] = []

    def name(piece: re.Match[str]) -> str:
        if piece[1] is None:
            return piece[0]
        quoted.append(piece[1])
        return f"column_in_backticks_{len(quoted) - 1}"

    try:
        tree = ast.parse(_PIECES.sub(name, words).strip(), mode="eval").body
        return _Reader(tuple(quoted), gx).condition(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = str(error) if isinstance(error, UnsafeCondition) else "it cannot be read"
        raise UnsafeCondition(f"{bounded(words, 200)}: {reason}") from error


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads Python's syntax tree of a condition.

    :param quoted: the names that stood in backticks.
    :param gx: whether columns are written ``col("x")``.
    """

    quoted: Sequence[str]
    gx: bool

    def condition(self, tree: ast.expr) -> Condition:
        match tree:
            case ast.BoolOp(op=op, values=parts) if not self.gx:
                return Joined("AND" if isinstance(op, ast.And) else "OR", tuple(self.condition(part) for part in parts))
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as op, left=left, right=right) if not self.gx:
                word = "AND" if isinstance(op, ast.BitAnd) else "OR"
                return Joined(word, (self.condition(left), self.condition(right)))
            case ast.UnaryOp(op=ast.Not(), operand=part) if not self.gx:
                return Negated(self.condition(part))
            case ast.Call(
                func=ast.Attribute(value=column, attr="notnull" | "notna" | "isnull" | "isna" as attr),
                args=[],
                keywords=[],
            ):
                return Nullity(self.column(column), attr.startswith("is"))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                pairs = zip(sides[:-1], ops, sides[1:], strict=True)
                found = tuple(self.comparison(one, _OPERATORS.get(type(op), ""), other) for one, op, other in pairs)
                return found[0] if len(found) == 1 else Joined("AND", found)
        raise UnsafeCondition("only comparisons of columns with literals, null tests, and, or, not are read")

    def comparison(self, left: ast.expr, operator: str, right: ast.expr) -> Comparison:
        if self.is_column(left):
            literal = self.literal(right)
            if operator and isinstance(literal, list) == (operator in ("in", "not in")):
                return Comparison(self.column(left), operator, literal)
        elif operator in _MIRRORED:
            literal = self.literal(left)
            if not isinstance(literal, list):
                return Comparison(self.column(right), _MIRRORED[operator], literal)
        raise UnsafeCondition("a comparison of a column with a literal was wanted")

    def is_column(self, tree: ast.expr) -> bool:
        return isinstance(tree, ast.Call) if self.gx else isinstance(tree, ast.Name)

    def column(self, tree: ast.expr) -> str:
        match tree:
            case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]) if self.gx:
                return name
            case ast.Name(id=name) if not self.gx:
                place = re.fullmatch(r"column_in_backticks_(\d+)", name)
                return self.quoted[int(place[1])] if place and int(place[1]) < len(self.quoted) else name
        raise UnsafeCondition("a column was wanted")

    def literal(self, tree: ast.expr) -> Any:
        match tree:
            case ast.Constant(value=bool()) if self.gx:
                raise UnsafeCondition("Great Expectations reads no True or False there; compare with 1 or 0")
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self.literal(part) for part in parts]
        raise UnsafeCondition("a literal was wanted")
