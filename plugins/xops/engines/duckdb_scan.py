"""One dataset version, read once: each piece is counted for the profile, and passed on to DuckDB for what SQL asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.numerics import np
from xops.core.profile.profiles import Profile
from xops.core.profile.spec import PROFILER, ColumnSpec, Kind, ProfileSpec, kind_of
from xops.core.suite.plan import Counted, Different, Sought
from xops.engines.arrow_values import numbers, sql_type
from xops.engines.counting import HELD, Frequent, NumberCounter, counters_of, value_of
from xops.engines.duckdb_query import connected, parquet, statement
from xops.engines.files.parquet_files import unwritten
from xops.engines.one_read import OneRead, feed
from xops.engines.scan import Scanned
from xops.engines.sources import ParquetFiles, Rows, Source, reading, source_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.engines.counting import ColumnCounter

MEMORY = "384MB"
_PLACE = re.compile(r"\br(\d+)\b")


def profiler() -> str:
    """Give the version of the counting here."""
    return PROFILER


class DuckdbScan:
    """One dataset version, scanned once for all that is asked.

    In SQL that callers hand in, a column goes by its place: ``r0``, ``r1``... No name of a column is ever part of a
    statement, so there is none that could break out of it.

    :param rows: a path, a glob, a URL or a list of them that name Parquet files of one schema; an Arrow table; a
        frame of pandas; or any :class:`~xops.engines.sources.Source`.
    :param version: the name of the version that the rows are; profiles carry it.
    :param memory_limit: DuckDB's; past it, it spills to disk. Empty for its own, 80 % of the memory.
    """

    def __init__(self, rows: Rows, *, version: str, memory_limit: str = MEMORY) -> None:
        self.version = version
        self.memory_limit = memory_limit
        self._source: Source = source_of(rows)
        self._types: dict[str, str] = {}

    def types(self) -> Mapping[str, str]:
        """Give the columns with their SQL types, without reading a row.

        :raises Misconfigured: when two columns have one name, or the files cannot be read.
        """
        if not self._types:
            with reading(self.version):
                schema = self._source.schema
            twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
            if twice:
                raise Misconfigured(f"{self.version}: columns of one name: {bounded(', '.join(twice))}; rename them")
            self._types = {field.name: sql_type(field.type) for field in schema}
        return self._types

    def spec(self, columns: Sequence[str] | None = None, *, distinct: bool = True) -> ProfileSpec:
        """Decide the bins for these rows as a reference; columns that the rows lack are left out.

        Least and greatest values come from the footers of Parquet files. What these do not tell is found by a first
        pass over only the columns concerned: the categories, and every column that has no footer. About where the
        median is, a few rows tell.

        :param distinct: whether different numbers are to be counted; it costs as much as all the rest.
        """
        types = self.types()
        wanted = [name for name in dict.fromkeys(columns or types) if name in types]
        known: dict[str, Any] = dict(self._source.bounds())
        lines = [name for name in wanted if kind_of(types[name]).on_a_line]
        finders: dict[str, NumberCounter | Frequent] = {}
        for name in wanted:
            kind = kind_of(types[name])
            if kind is Kind.CATEGORY:
                finders[name] = Frequent()
            elif kind.on_a_line and name not in known:
                finders[name] = NumberCounter(ColumnSpec(name, types[name]), sketched=False)
        self._feed(finders)
        for name, finder in finders.items():
            known[name] = finder.names() if isinstance(finder, Frequent) else finder.ends
        known |= {name: (*known[name], middle) for name, middle in self._middles(lines).items() if known.get(name)}
        return ProfileSpec(
            tuple(ColumnSpec.of(name, types[name], known.get(name)) for name in wanted), distinct, profiler()
        )

    def scan(
        self,
        aggregates: Mapping[str, str] | None = None,
        profile: ProfileSpec | None = None,
        *,
        projections: Sequence[str] = (),
        counted: Mapping[str, Counted] | None = None,
    ) -> Scanned:
        """Read the rows once, for all that is asked.

        :param aggregates: SQL aggregates over ``r<place>`` and what ``projections`` name, by a name of the caller's.
        :param profile: the bins; a column that is missing is left out, one of another kind keeps only its nulls.
        :param projections: ``expression AS name``, computed a row before the aggregates; no ``r<n>``.
        :param counted: what :meth:`countable` gave, by names of the caller's too.
        """
        if not aggregates and profile is None:
            raise Misconfigured(f"{self.version}: a scan was asked for nothing")
        fitted, counted = profile.fitted(self.types()) if profile else None, counted or {}
        counters = counters_of(fitted, counted.values()) if fitted else {}
        values: dict[str, Any] = {}
        if aggregates:
            values, rows = self._queried(aggregates, projections, counters)
        else:
            with reading(self.version):
                rows = feed(self._source, counters)
        if fitted is None:
            return Scanned(values, None)
        values |= {name: value_of(one, counters) for name, one in counted.items()}
        found = tuple(counter.profile() for counter in counters.values())
        return Scanned(values, Profile((self.version,), fitted, rows, found))

    def countable(self, asked: Mapping[str, Counted], profile: ProfileSpec) -> dict[str, Counted]:
        """Give what is cheaper counted beside a profile than asked of DuckDB: texts in dictionaries, few keys."""
        texts = [spec.name for spec in profile.fitted(self.types()).columns if spec.kind is Kind.CATEGORY]
        coded, rows = self._source.coded(texts), self._source.num_rows
        fits = {Sought: coded, Different: texts if rows is not None and rows <= HELD else ()}
        return {name: one for name, one in asked.items() if one.column in fits[type(one)]}

    def plan(self, aggregates: Mapping[str, str], projections: Sequence[str] = ()) -> str:
        """Give DuckDB's plan of the statement over the stream, as it explains it."""
        places = self._passed(aggregates, projections)
        asked = statement(aggregates, projections, rows="one_read", places=places)
        with connected(self.version, self.memory_limit) as connection:
            connection.register("one_read", OneRead(self._source, {}, places))
            (answer,) = connection.execute(f"EXPLAIN {asked}").fetchall()
        return str(answer[-1])

    def _queried(
        self, aggregates: Mapping[str, str], projections: Sequence[str], counters: Mapping[str, ColumnCounter]
    ) -> tuple[dict[str, Any], int]:
        """Ask DuckDB, over the stream; files here that are not counted it reads itself, which is a little cheaper."""
        files = self._source.files if not counters and isinstance(self._source, ParquetFiles) else []
        here = [file.path for file in files] if all(file.path for file in files) else []
        places = list(range(len(self._source.schema))) if here else self._passed(aggregates, projections)
        asked = statement(aggregates, projections, rows=parquet(here) if here else "one_read", places=places)
        threads = 1 if counters else 0  # a counted stream comes from one thread
        with (
            unwritten(files),
            connected(self.version, self.memory_limit, threads=threads) as connection,
        ):
            stream = None
            if not here:
                with reading(self.version):
                    stream = OneRead(self._source, counters, places)
                connection.register("one_read", stream)
            try:
                answer = connection.execute(asked).fetchone() or ()
            except Exception:
                if stream is not None and stream.error is not None:
                    with reading(self.version):
                        raise stream.error from None
                raise
        return dict(zip(aggregates, answer, strict=True)), stream.rows if stream else 0

    def _passed(self, aggregates: Mapping[str, str], projections: Sequence[str]) -> list[int]:
        """Give the places of the columns that are named; of a text that looks like a name, one too many."""
        named = {int(place) for text in (*aggregates.values(), *projections) for place in _PLACE.findall(text)}
        size = len(self._source.schema)
        return sorted(place for place in named if place < size) or list(range(min(size, 1)))

    def _middles(self, columns: Sequence[str]) -> dict[str, float]:
        """Give about the median of each column that has a finite value among a few of its rows."""
        seen: dict[str, list[NDArray[np.float64]]] = {name: [] for name in columns}
        with reading(self.version):
            for batch in self._source.sample(columns) if columns else ():
                for name, held in seen.items():
                    values, scale = numbers(batch.column(name))
                    with np.errstate(invalid="ignore"):  # a signalling NaN is one all the same
                        held.append(values.astype(np.float64) * scale)
        every = {name: np.concatenate(held) for name, held in seen.items() if held}
        finite = {name: values[np.isfinite(values)] for name, values in every.items()}
        return {name: float(np.median(values)) for name, values in finite.items() if len(values)}

    def _feed(self, finders: Mapping[str, Any]) -> None:
        if finders:
            with reading(self.version):
                feed(self._source, finders)
