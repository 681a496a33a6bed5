"""DuckDB as the engine: Parquet files, globs, lists of files and Arrow tables, out of core, in one scan."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xops.core.errors import Misconfigured, bounded
from xops.core.profile_spec import PROFILER, ColumnSpec, Kind, ProfileSpec, kind_of
from xops.core.profiles import Profile
from xops.engines import profile_sql
from xops.engines.footers import bounds, local_files
from xops.engines.scan import Scanned
from xops.engines.tally import NAME, Tally

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "384MB"


def profiler() -> str:
    """Give the version of the counting here: ours, and a sample of DuckDB's hash, which its releases may change."""
    import duckdb

    with duckdb.connect() as connection:
        (sample,) = connection.execute("select hash('xops')").fetchone() or (0,)
    return f"{PROFILER}-{sample:x}"


class DuckdbScan:
    """One dataset version, scanned by DuckDB.

    In SQL that callers hand in, a column goes by its place: ``r0``, ``r1``... No name of a column is ever part of a
    statement, so there is none that could break out of it.

    :param rows: an Arrow table, or a path, a glob or a list of them that name Parquet files of one schema.
    :param version: the name of the version that the rows are; profiles carry it.
    :param memory_limit: DuckDB's; past it, it spills to disk.
    """

    def __init__(self, rows: pa.Table | str | Sequence[str], *, version: str, memory_limit: str = MEMORY) -> None:
        self.version = version
        self.memory_limit = memory_limit
        self._paths: list[str] | None = None
        self._files: list[str] | None = None
        self._table: Any = None
        if isinstance(rows, (str, list, tuple)):
            self._paths = [rows] if isinstance(rows, str) else [str(path) for path in rows]
            if not self._paths:
                raise Misconfigured(f"{version}: at least one Parquet file was wanted, the list is empty")
            self._files = local_files(self._paths)
        else:
            self._table = rows
        self._types: dict[str, str] = {}

    def types(self) -> Mapping[str, str]:
        """Give the columns with their SQL types, without reading a row.

        :raises Misconfigured: when two columns have one name, or the files cannot be read.
        """
        if not self._types:
            with self._connected() as connection:
                described = connection.sql(f"FROM {self._source()}")
                found = list(zip(described.columns, map(str, described.types), strict=True))
            names = self._table.column_names if self._paths is None else [name for name, _ in found]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise Misconfigured(f"{self.version}: columns of one name: {bounded(', '.join(twice))}; rename them")
            self._types = {name: kind for name, (_, kind) in zip(names, found, strict=False)}
        return self._types

    def spec(self, columns: Sequence[str] | None = None, *, distinct: bool = True) -> ProfileSpec:
        """Decide the bins for these rows as a reference; columns that the rows lack are left out.

        Least and greatest values come from the footers of Parquet files. What these do not tell is found by a first
        pass over only the columns concerned: the categories, and every column of an Arrow table.

        :param distinct: whether different numbers are to be counted; it costs about as much as all the rest.
        """
        types = self.types()
        wanted = [name for name in dict.fromkeys(columns or types) if name in types]
        known: dict[str, Any] = dict(bounds(self._files)) if self._files else {}
        places = {name: place for place, name in enumerate(types)}
        unknown = []
        for name in wanted:
            kind = kind_of(types[name])
            if (kind.on_a_line and name not in known) or kind is Kind.CATEGORY:
                unknown.append(name)
        asked = [ask for name in unknown for ask in profile_sql.find(places[name], kind_of(types[name]))]
        if asked:
            values = [profile_sql.projection(places[name], types[name]) for name in unknown]
            answer = self._fetch(self._select(asked, values))
            for place, name in enumerate(unknown):
                first, second = answer[2 * place : 2 * place + 2]
                known[name] = profile_sql.found(first, second, kind_of(types[name]))
        bins = tuple(ColumnSpec.of(name, types[name], known.get(name)) for name in wanted)
        return ProfileSpec(bins, distinct, profiler())

    def scan(
        self,
        aggregates: Mapping[str, str] | None = None,
        profile: ProfileSpec | None = None,
        *,
        projections: Sequence[str] = (),
    ) -> Scanned:
        """Read the rows once, for all that is asked.

        :param aggregates: SQL aggregates over ``r<place>`` and what ``projections`` name, by a name of the caller's.
        :param profile: the bins; a column that is missing is left out, one of another kind keeps only its nulls.
        :param projections: ``expression AS name``, computed a row before the aggregates; no ``r<n>`` and no ``v<n>``.
        """
        aggregates = aggregates or {}
        fitted = profile.fitted(self.types()) if profile else None
        tally = _tally(fitted)
        answer = list(self._fetch(self.statement(aggregates, fitted, projections), tally))
        values = dict(zip(aggregates, answer, strict=False))
        if fitted is None:
            return Scanned(values, None)
        rows, rest = answer[len(aggregates)], iter(answer[len(aggregates) + 1 :])
        counts = iter(tally.counts() if tally else ())
        none = np.zeros(1, np.int64)
        found = tuple(
            profile_sql.read(
                spec,
                rows,
                {name: next(rest) for name in asked},
                next(counts) if spec.slots else none[spec.kind.on_a_line :],
            )
            for spec, asked in zip(fitted.columns, self._asked(fitted), strict=True)
        )
        return Scanned(values, Profile((self.version,), fitted, rows, found))

    def statement(
        self, aggregates: Mapping[str, str], profile: ProfileSpec | None, projections: Sequence[str] = ()
    ) -> str:
        """Give the one SELECT of :meth:`scan`."""
        asked, values = list(aggregates.values()), list(projections)
        if profile is not None:
            types = self.types()
            places = {name: place for place, name in enumerate(types)}
            values += [profile_sql.projection(places[spec.name], types[spec.name]) for spec in profile.columns]
            asked += ["count(*)", *(ask for column in self._asked(profile) for ask in column.values())]
            codes = [code for spec in profile.columns if (code := profile_sql.code(places[spec.name], spec))]
            asked += [f"sum({NAME}({', '.join(codes)}))"] if codes else []
        if not asked:
            raise Misconfigured(f"{self.version}: a scan was asked for nothing")
        return self._select(asked, values)

    def plan(self, aggregates: Mapping[str, str], profile: ProfileSpec | None, projections: Sequence[str] = ()) -> str:
        """Give DuckDB's plan of the statement, as it explains it."""
        fitted = profile.fitted(self.types()) if profile else None
        return str(self._fetch(f"EXPLAIN {self.statement(aggregates, fitted, projections)}", _tally(fitted))[-1])

    def _asked(self, profile: ProfileSpec) -> list[dict[str, str]]:
        types = self.types()
        places = {name: place for place, name in enumerate(types)}
        return [
            profile_sql.aggregates(places[spec.name], types[spec.name], spec, sketched=profile.distinct)
            for spec in profile.columns
        ]

    def _select(self, asked: Sequence[str], values: Sequence[str]) -> str:
        raw = ", ".join(f"r{place}" for place in range(len(self.types()))) or "r0"
        rows = ", ".join([f"source.{name}" for name in raw.split(", ")] + list(values))
        return (
            f"WITH batch AS NOT MATERIALIZED (SELECT {rows} FROM {self._source()} AS source({raw})) "  # noqa: S608 - places and quoted strings only
            f"SELECT {', '.join(asked)} FROM batch"
        )

    def _source(self) -> str:
        if self._paths is None:
            return "arrow_rows"
        return f"read_parquet([{', '.join(map(profile_sql.quoted, self._files or self._paths))}])"

    def _fetch(self, statement: str, tally: Tally | None = None) -> tuple[Any, ...]:
        with self._connected() as connection:
            if tally:
                tally.register(connection)
            return connection.execute(statement).fetchone() or ()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        config: dict[str, Any] = {"memory_limit": self.memory_limit, "preserve_insertion_order": "false"}
        try:
            with duckdb.connect(config=config) as connection:
                connection.execute("SET enable_progress_bar = false")
                if self._paths is None:
                    self._register(connection)
                yield connection
        except duckdb.Error as error:
            raise Misconfigured(f"{self.version}: its rows could not be read: {bounded(error)}") from error

    def _register(self, connection: duckdb.DuckDBPyConnection) -> None:
        import pyarrow as pa

        names = [f"r{place}" for place in range(self._table.num_columns)]
        table = self._table.rename_columns(names) if names else pa.table({"r0": pa.nulls(self._table.num_rows)})
        connection.register("arrow_rows", table)


def _tally(profile: ProfileSpec | None) -> Tally | None:
    """Make the counts of a profile: on the number line one a slot, for categories one more, of nulls."""
    sizes = [spec.slots + (not spec.kind.on_a_line) for spec in profile.columns if spec.slots] if profile else []
    return Tally(sizes) if sizes else None
