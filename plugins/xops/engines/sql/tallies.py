"""A profile of a table in a database that can group but not tally: rows are counted by column and slot.

Each row is looked at once for each of a number of tallies: the bins of a column, its further edges, its sketch. What
comes out is a row a slot, at most some thousands a column.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.profile.distinct import BITS, EVERY
from xops.core.profile.spec import BINS, OTHERS, PROFILER, ColumnSpec, Grid, Kind, kind_of

if TYPE_CHECKING:
    from sqlglot import exp

    from xops.engines.sql.dialect import Dialect

FIELDS = ("tally", "slot", "many", "low", "high", "total", "squares", "beyond", "bits")
NO_SLOT = -1  # of the one row that holds the other figures
NULL, NAN, ABOVE_ALL, BELOW_ALL = -2, -3, -4, -5  # slots of what is no finite value
WORD = 32  # bits that a row of a sketch holds
_GREATEST = f"CAST('{sys.float_info.max!r}' AS DOUBLE)"
_FIRST = "CASE WHEN abs(d) > 1e300 THEN CAST('Infinity' AS DOUBLE) ELSE d END"
_SECOND = "CASE WHEN abs(d) > 1e140 THEN CAST('Infinity' AS DOUBLE) WHEN abs(d) < 1e-140 THEN 0 ELSE d * d END"
_TOP_NAMES = 256


@dataclass(frozen=True, slots=True)
class Tally:
    """What rows are grouped by for one column, as expressions over ``batch``.

    :param column: the column's place in the profile.
    :param what: ``values``, ``edges`` or ``sketch``.
    :param slot: a row's slot; null for a row that is not counted.
    :param value: a finite number whose range and sums are wanted; empty for none.
    :param origin: what the sums are taken about.
    :param top: above which the distances are summed.
    :param bit: one bit of a word of the sketch; empty for none.
    """

    column: int
    what: str
    slot: exp.Expr
    value: str = ""
    origin: float = 0.0
    top: float = math.inf
    bit: exp.Expr | None = None


def profiler(dialect: Dialect) -> str:
    """Give the version of the counting here: ours, without sums by bin, with this database's hashes."""
    return f"{PROFILER}-{dialect.name}-unsummed"


def value(place: int, type_name: str, dialect: Dialect) -> exp.Expr:
    """Give what is counted of the raw column ``r<place>``: a finite double, or text."""
    kind, r = kind_of(type_name), f"r{place}"
    if kind is Kind.TIMESTAMP:
        words = dialect.moments["ZONE" in type_name].format(r=r)
        return _double(parsed(words, dialect.name))
    if kind is Kind.DATE:
        return parsed(f"CAST(date_diff('day', DATE '1970-01-01', {r}) AS DOUBLE)")
    if kind is Kind.BOOLEAN:
        return parsed(f"CASE WHEN {r} THEN 'true' WHEN NOT {r} THEN 'false' END")
    if kind.on_a_line:
        double = f"CAST({r} AS DOUBLE)"
        return parsed(f"CASE WHEN abs({double}) <= {_GREATEST} THEN {double} END")
    return parsed(f"CAST({r} AS TEXT)") if kind is Kind.CATEGORY else parsed(f"CASE WHEN {r} IS NOT NULL THEN 1 END")


def categories(places: Sequence[int]) -> str:
    """Give the end of a statement, in DuckDB's SQL, that finds the most frequent texts of columns ``v<place>``."""
    each = " UNION ALL ".join(f"SELECT {place} AS place" for place in places)
    name = _by("place", {place: f"v{place}" for place in places}, "TEXT")
    named = f"SELECT place, {name} AS name FROM batch CROSS JOIN ({each}) AS places"  # noqa: S608 - places only
    counted = (
        f"SELECT place, name, count(*) AS many FROM ({named}) AS named WHERE NOT name IS NULL GROUP BY place, name"  # noqa: S608
    )
    rank = "row_number() OVER (PARTITION BY place ORDER BY many DESC, name) AS rank"
    ranked = f"SELECT place, name, {rank}, count(*) OVER (PARTITION BY place) AS names FROM ({counted}) AS counted"  # noqa: S608
    return f"SELECT place, name, names FROM ({ranked}) AS ranked WHERE rank <= {_TOP_NAMES} ORDER BY place, rank"  # noqa: S608


def of(placed: Sequence[tuple[ColumnSpec, int]], dialect: Dialect, *, sketched: bool) -> list[Tally]:
    """Give what is counted of columns, given with their places in the table."""
    made = []
    for column, (spec, place) in enumerate(placed):
        v, on_a_line, grid = f"v{place}", spec.kind.on_a_line, spec.grid
        about = (grid.top if grid else math.inf, spec.origin)
        made.append(Tally(column, "values", _slot(place, spec, dialect), v if on_a_line else "", about[1], about[0]))
        if grid and len(spec.edges) > 1:
            made.append(Tally(column, "edges", parsed(_edge(v, spec.edges))))
        if spec.kind is Kind.CATEGORY or (sketched and grid is not None and grid.step != 1):
            word, bit = _sketch(v, spec.kind, dialect)
            made.append(Tally(column, "sketch", word, bit=bit))
    return made


def placed(asked: Sequence[Tally]) -> exp.Expr:
    """Give the SELECT that lays each row of ``batch`` beside each of the ``tallies``."""
    from sqlglot import exp

    def each(cases: Mapping[int, exp.Expr | str | None], kind: str) -> exp.Expr:
        return _cases("tally", {at: found for at, found in cases.items() if found}, kind)

    ends = {at: one for at, one in enumerate(asked) if one.value}
    columns = {
        "slot": each({at: one.slot for at, one in enumerate(asked)}, "BIGINT"),
        "v": each({at: one.value for at, one in ends.items()}, "DOUBLE"),
        "d": each({at: f"{one.value} - {_number(one.origin)}" for at, one in ends.items()}, "DOUBLE"),
        "past": each(
            {at: f"{one.value} - {_number(one.top)}" for at, one in ends.items() if math.isfinite(one.top)}, "DOUBLE"
        ),
        "bit": each({at: one.bit for at, one in enumerate(asked)}, "BIGINT"),
    }
    found = exp.select("tally", *(tree.as_(name) for name, tree in columns.items())).from_("batch")
    return found.join("tallies", join_type="cross")


def numbers(asked: Sequence[Tally]) -> exp.Expr:
    """Give the SELECT of ``tallies``, the numbers of what is counted."""
    return parsed(" UNION ALL ".join(f"SELECT {at} AS tally" for at in range(len(asked))))


def counted() -> exp.Expr:
    """Give the SELECT of the counts, with one row more of no tally, beside which the other figures stand."""
    sums = {"total": _FIRST, "squares": _SECOND, "beyond": "CASE WHEN past > 0 THEN past ELSE 0 END"}
    figures = ["count(*) AS many", "min(v) AS low", "max(v) AS high"]
    figures += [f"sum({words}) AS {name}" for name, words in sums.items()]
    nothing = {"low": "DOUBLE", "high": "DOUBLE", **dict.fromkeys(sums, "DOUBLE"), "bits": "BIGINT"}
    none = ", ".join(f"CAST(NULL AS {kind})" for kind in nothing.values())
    return parsed(
        f"SELECT tally, slot, {', '.join(figures)}, bit_or(bit) AS bits FROM placed WHERE NOT slot IS NULL "  # noqa: S608
        f"GROUP BY tally, slot UNION ALL SELECT {NO_SLOT}, {NO_SLOT}, 0, {none}"
    )


def parsed(words: str, dialect: str = "duckdb") -> exp.Expr:
    """Read SQL without any name or value of a user."""
    import sqlglot

    return sqlglot.parse_one(words, read=dialect)


def _double(tree: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    return exp.cast(tree, exp.DataType.build("DOUBLE", dialect="duckdb"))


def _slot(place: int, spec: ColumnSpec, dialect: Dialect) -> exp.Expr:
    """Give the slot of a value: its bin or category, 0 where there are none; below 0 for what is not finite."""
    r, v, kind = f"r{place}", f"v{place}", spec.kind
    cases = [(f"{r} IS NULL", str(NULL))]
    if kind is Kind.NUMBER:
        double = f"CAST({r} AS DOUBLE)"
        nan = f"{double} = CAST('NaN' AS DOUBLE)" if dialect.nan_equals else f"isnan({double})"
        cases += [(nan, str(NAN)), (f"{double} > {_GREATEST}", str(ABOVE_ALL)), (f"{v} IS NULL", str(BELOW_ALL))]
    others = parsed("0")
    if spec.grid is not None:
        cases += _bins(v, spec.grid)
        low, rate = _number(spec.grid.low), _number(1 / spec.grid.step)
        others = parsed(f"CAST(floor(({v} - {low}) * {rate}) AS BIGINT) + 1")
    elif kind is Kind.CATEGORY:
        others = _hash_bits(f"({len(spec.names)} + (h & {OTHERS - 1}))", v, dialect)
    slots = parsed(f"CASE {' '.join(f'WHEN {test} THEN {slot}' for test, slot in cases)} END")
    for at, name in enumerate(spec.names):
        slots = _when(slots, v, name, at)
    slots.set("default", others)
    return slots


def _bins(v: str, grid: Grid) -> list[tuple[str, str]]:
    """Give what is outside the bins, and then nothing that is far enough off for a step to overflow."""
    low, rate = _number(grid.low), _number(1 / grid.step)
    past = f"floor(({v} - {low}) * {rate}) >= {BINS}"
    return [(f"{v} < {low}", "0"), (f"{v} > {_number(grid.top + grid.step)}", str(BINS + 1)), (past, str(BINS + 1))]


def _when(slots: Any, v: str, name: str, at: int) -> Any:
    from sqlglot import exp

    return slots.when(exp.column(v).eq(exp.Literal.string(name)), exp.Literal.number(at), copy=False)


def _edge(v: str, edges: Sequence[float]) -> str:
    """Give the number of the interval between two edges; the last one includes its end, as numpy's."""
    cases = [
        f"WHEN {v} >= {_number(low)} AND {v} {'<=' if at == len(edges) - 2 else '<'} {_number(high)} THEN {at}"
        for at, (low, high) in enumerate(itertools.pairwise(edges))
    ]
    return f"CASE {' '.join(cases)} END"


def _sketch(v: str, kind: Kind, dialect: Dialect) -> tuple[exp.Expr, exp.Expr]:
    """Give the word of a value's bit in the bitmaps of :mod:`xops.core.profile.distinct`, and the bit in it."""
    text = v if kind is Kind.CATEGORY else f"CAST({v} + 0.0 AS TEXT)"  # -0 is 0
    which = " + ".join(f"CASE WHEN (h & {every - 1}) = 0 THEN 1 ELSE 0 END" for every in EVERY)
    word = f"CASE WHEN NOT {v} IS NULL THEN ({which}) * {BITS // WORD} + ((h >> {20 + 5}) & {BITS // WORD - 1}) END"
    bit = f"CAST(1 AS BIGINT) << CAST((h >> 20) & {WORD - 1} AS INTEGER)"
    return _hash_bits(word, text, dialect), _hash_bits(bit, text, dialect)


def _hash_bits(words: str, text: str, dialect: Dialect) -> exp.Expr:
    """Give an expression over ``h``, the hash of a text."""
    from sqlglot import exp

    hashed = parsed(dialect.hashed.format(v="v"), dialect.name)
    for column in list(hashed.find_all(exp.Column)):
        column.replace(parsed(text))
    return parsed(words).transform(
        lambda node: hashed.copy() if isinstance(node, exp.Column) and node.name == "h" else node
    )


def _cases(of: str, cases: Mapping[int, exp.Expr | str], kind: str) -> exp.Expr:
    """Give the value of one of several expressions, by a number."""
    from sqlglot import exp

    if not cases:
        return parsed(f"CAST(NULL AS {kind})")
    made = exp.Case(this=exp.column(of))
    for at, found in cases.items():
        made = made.when(exp.Literal.number(at), parsed(found) if isinstance(found, str) else found, copy=False)
    return made


def _by(of: str, cases: Mapping[int, str], kind: str) -> str:
    return _cases(of, cases, kind).sql("duckdb")


def _number(number: float) -> str:
    return f"CAST('{float(number)!r}' AS DOUBLE)"
