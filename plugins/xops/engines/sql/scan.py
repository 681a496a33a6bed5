"""Tables of a database, scanned where they are: all that is asked of a table is one SELECT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from xops.core.errors import Misconfigured
from xops.core.profile.profiles import Profile
from xops.core.profile.spec import ColumnSpec, ProfileSpec, kind_of
from xops.core.profile.spec import Kind as ProfileKind
from xops.core.suite.plan import Kind
from xops.engines.own_queries import counting, only_query
from xops.engines.scan import Scanned
from xops.engines.sql import column_counts, tallied, tallies
from xops.engines.sql.columns import described, describing
from xops.engines.sql.dialect import Dialect
from xops.engines.sql.statement import batch_of, select, select_counted, table_of

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp

_FIGURES = 1600  # columns that PostgreSQL gives in one row at most, less a few
_ROWS = "count(*)"
_ARROW = {
    Kind.INTEGER: "int64", Kind.FLOAT: "float64", Kind.FLOAT32: "float32", Kind.BOOLEAN: "bool", Kind.STRING: "string",
    Kind.CATEGORY: "string", Kind.DATE: "date32", Kind.TIMESTAMP: "timestamp[us]",
}  # fmt: skip


class Session(Protocol):
    """A connection to a database, in one transaction that sees one state of it."""

    dialect: Dialect

    def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        """Give the rows of a SELECT."""


class SqlScan:
    """A table or view, as one session sees it.

    :param session: where it is reached.
    :param table: its name as it is written in the database, ``schema.table``.
    :param version: the name of the state that is seen; profiles carry it.
    :raises Misconfigured: when the session sees no such table.
    """

    def __init__(self, session: Session, table: str, *, version: str) -> None:
        self.session = session
        self.version = version
        self.name = table
        self.table = table_of(table)
        self.columns, self._types = described(session.fetch(describing(self.table, session.dialect)), session.dialect)
        if not self.columns:
            raise Misconfigured(f"table {table}: no such table, none that this login may see, or one without columns")

    def types(self) -> Mapping[str, str]:
        """Give the columns with the names that DuckDB has for their types."""
        return self._types

    @cached_property
    def profiler(self) -> str:
        """The version of the counting of profiles here."""
        if self.session.dialect.hashed:
            return tallies.profiler(self.session.dialect)
        return column_counts.profiler(self.session.fetch(column_counts.SAMPLE)[0])

    def spec(self, columns: Sequence[str] | None = None, *, distinct: bool = True) -> ProfileSpec:
        """Decide the bins for these rows as a reference, by at most two statements; absent columns are left out."""
        profiler = self.profiler
        places = {name: place for place, name in enumerate(self._types)}
        wanted = [name for name in dict.fromkeys(columns or self._types) if name in self._types]
        kinds = {name: kind_of(self._types[name]) for name in wanted}
        known: dict[str, Any] = {}
        lines = [name for name in wanted if kinds[name].on_a_line]
        if lines:
            asked = [column_counts.parsed(f"{end}(v{places[name]})") for name in lines for end in ("min", "max")]
            (found,) = self.session.fetch(self._statement(asked))
            for at, name in enumerate(lines):
                known[name] = found[2 * at : 2 * at + 2] if found[2 * at] is not None else None
        texts = [places[name] for name in wanted if kinds[name] is ProfileKind.CATEGORY]
        if texts:
            known |= self._frequent(texts)
        bins = tuple(ColumnSpec.of(name, self._types[name], known.get(name)) for name in wanted)
        return ProfileSpec(bins, distinct, profiler)

    def scan(self, aggregates: Mapping[str, str] | None = None, profile: ProfileSpec | None = None) -> Scanned:
        """Read the rows once, for all that is asked.

        :param aggregates: aggregates in DuckDB's SQL over ``r<place>`` and ``c<place>``, by a name of the caller's.
        :param profile: the bins; see :meth:`DuckdbScan.scan`.
        :raises Misconfigured: when the bins were made by another engine, whose hashes differ.
        """
        asked: dict[Any, str | exp.Expr] = dict(aggregates or {})
        fitted = self._fitted(profile) if profile else None
        if fitted and self.session.dialect.hashed:
            return self._grouped(aggregates or {}, fitted)
        if fitted:
            asked[_ROWS, ""] = _ROWS
            for spec, place in self._placed(fitted):
                found = column_counts.aggregates(place, spec, sketched=fitted.distinct)
                asked |= {(spec.name, name): ask for name, ask in found.items()}
        if len(asked) > _FIGURES:
            raise Misconfigured(
                f"table {self.name}: {len(asked)} figures were asked for, {_FIGURES} fit one statement; "
                "profile fewer columns"
            )
        (row,) = self.session.fetch(self._statement(list(asked.values())))
        measured = dict(zip(asked, row, strict=True))
        values = {name: measured[name] for name in aggregates or ()}
        if fitted is None:
            return Scanned(values, None)
        rows = measured[_ROWS, ""]
        columns = tuple(
            column_counts.read(
                spec,
                rows,
                {key[1]: got for key, got in measured.items() if key[0] == spec.name and isinstance(key, tuple)},
            )
            for spec in fitted.columns
        )
        return Scanned(values, Profile((self.version,), fitted, rows, columns))

    def _grouped(self, aggregates: Mapping[str, str], profile: ProfileSpec) -> Scanned:
        """Read the rows once where a profile is made by grouping."""
        asks, dialect = [*aggregates.values(), _ROWS], self.session.dialect
        asked = tallies.of(self._placed(profile), dialect, sketched=profile.distinct)
        found = self.session.fetch(
            select_counted(self.table, self.columns, asks, dialect, further=self._further(), counted=asked)
        )
        (figures,) = (row[len(tallies.FIELDS) :] for row in found if int(row[0]) == tallies.NO_SLOT)
        rows = int(figures[-1])
        columns = tallied.read(profile.columns, rows, asked, found)
        values = dict(zip(aggregates, figures, strict=False))
        return Scanned(values, Profile((self.version,), profile, rows, tuple(columns)))

    def rows_beside(self, table: str) -> int | None:
        """Count the rows of another table in the same state; None where this login sees no such table.

        :param table: as the database writes it; without a schema, one in that of this table.
        """
        from sqlglot import exp

        other = table_of(table)
        if not other.args.get("db"):
            other = exp.table_(other.this, *(self.table.args.get(part) for part in ("db", "catalog")))
        if not described(self.session.fetch(describing(other, self.session.dialect)), self.session.dialect)[0]:
            return None
        counted = exp.select(exp.Count(this=exp.Star())).from_(other)
        ((rows,),) = self.session.fetch(counted.sql(dialect=self.session.dialect.name))
        return int(rows)

    def count_rows(self, query: str) -> int:
        """Count the rows of a query of a user's, in the same state.

        :raises Misconfigured: when it is anything but one query that only reads, or the database refuses it.
        """
        ((rows,),) = self.session.fetch(
            counting(only_query(query, self.session.dialect.name), self.session.dialect.name)
        )
        return int(rows)

    def rows(self, names: Sequence[str], limit: int) -> pa.Table:
        """Fetch at most ``limit`` rows of some columns, for what only Great Expectations can decide."""
        import pyarrow as pa
        from sqlglot import exp

        asked = exp.select(*(exp.column(name, quoted=True) for name in names)).from_(self.table).limit(limit)
        found = self.session.fetch(asked.sql(dialect=self.session.dialect.name))
        kinds = {column.name: column.kind for column in self.columns}
        arrays = [_array([row[at] for row in found], kinds[name]) for at, name in enumerate(names)]
        return pa.table(dict(zip(names, arrays, strict=True)))

    def _statement(self, asked: Sequence[str | exp.Expr]) -> str:
        return select(self.table, self.columns, asked, self.session.dialect, self._further())

    def _further(self) -> dict[str, exp.Expr]:
        if not self.session.dialect.hashed:
            return {f"v{place}": column_counts.value(place, kind) for place, kind in enumerate(self._types.values())}
        return {
            f"v{place}": tallies.value(place, kind, self.session.dialect)
            for place, kind in enumerate(self._types.values())
        }

    def _frequent(self, places: Sequence[int]) -> dict[str, list[str]]:
        values = self._further()
        statement = batch_of(
            self.table, self.columns, {f"v{place}": values[f"v{place}"] for place in places}, self.session.dialect
        )
        names = list(self._types)
        found: dict[int, tuple[int, list[str]]] = {}
        for place, name, many in self.session.fetch(statement + self._ranked(places)):
            found.setdefault(place, (many, []))[1].append(name)
        return {names[place]: column_counts.most_frequent(texts, many) for place, (many, texts) in found.items()}

    def _ranked(self, places: Sequence[int]) -> str:
        if not self.session.dialect.hashed:
            return column_counts.categories(places)
        return tallies.parsed(tallies.categories(places)).sql(self.session.dialect.name)

    def _fitted(self, profile: ProfileSpec) -> ProfileSpec:
        if profile.profiler != self.profiler:
            raise Misconfigured(
                f"table {self.name}: the bins were made by profiler {profile.profiler}, here counts {self.profiler}; "
                "their counts would not add up: pin a reference that was profiled in this database"
            )
        return profile.fitted(self._types)

    def _placed(self, profile: ProfileSpec) -> list[tuple[ColumnSpec, int]]:
        places = {name: place for place, name in enumerate(self._types)}
        return [(spec, places[spec.name]) for spec in profile.columns]


def _array(values: list[Any], kind: Kind) -> pa.Array:
    import pyarrow as pa

    if kind in _ARROW:
        return pa.array(values, pa.type_for_alias(_ARROW[kind]) if "[" not in _ARROW[kind] else pa.timestamp("us"))
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
