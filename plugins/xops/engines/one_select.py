"""A suite decided by footers and one SELECT over the rows; the same reading makes a profile where one is wanted."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import bounded
from xops.core.suite.compiler import compile_expectation, entry_of
from xops.core.suite.plan import EVERY, Column, Kind, Plan, columns_of
from xops.engines.duckdb_query import Unanswered, connected, parquet, statement
from xops.engines.files.footers import stated
from xops.engines.files.parquet_files import Opened, here, unwritten
from xops.engines.files.plain_files import long_footers, plain_files
from xops.engines.scan import Scanned
from xops.engines.sources import ArrowRows, ParquetFiles, Rows, Source, reading, source_of

if TYPE_CHECKING:
    from xops.core.profile.profiles import Profile
    from xops.core.profile.spec import ProfileSpec
    from xops.engines.duckdb_scan import DuckdbScan

_LOG = logging.getLogger(__name__)
_COLUMN = re.compile(r"\bc(\d+)\b")


@dataclass(frozen=True, slots=True)
class Examined:
    """What one reading of a version told.

    :param entries: for each expectation the entry of the validation result; None where Great Expectations has to
        decide.
    :param profile: the profile, if one was asked for.
    :param types: the schema: columns by their names, with their SQL types.
    """

    entries: list[dict[str, Any] | None]
    profile: Profile | None
    types: Mapping[str, str]


def decide(rows: Rows, suite: Mapping[str, Any], *, memory_limit: str = "") -> list[dict[str, Any] | None]:
    """Decide what can be decided of a suite without Great Expectations.

    Where values turn out to repeat, a second SELECT over those columns alone counts the rows that share one.

    :param rows: as :class:`~xops.engines.duckdb_scan.DuckdbScan` takes them.
    :param memory_limit: DuckDB's, as ``2GB``; past it, it spills to disk. Empty for DuckDB's own, 80 % of the memory.
    :returns: for each expectation the entry of the validation result; None where Great Expectations has to decide.
    :raises Misconfigured: when a file is missing or is no Parquet file.
    """
    name = str(suite.get("name") or "suite")
    with reading(name):
        decided = _decide_plain(rows, suite, name, memory_limit)
        if decided is not None:
            return decided
        from xops.engines.duckdb_scan import DuckdbScan

        source = source_of(rows)
        columns = _columns(source)
        known = _stated(source, columns)
        plans = _plans(suite, columns, known)
        engine = DuckdbScan(_by_place(source), version=name, memory_limit=memory_limit)
        measured, _ = _measure(engine, source, columns, plans, None, known=known)
    return _entries(suite, plans, measured)


def _decide_plain(
    rows: Rows, suite: Mapping[str, Any], name: str, memory_limit: str
) -> list[dict[str, Any] | None] | None:
    """Decide, as :func:`decide`, of plain Parquet files with short footers on this machine; None of other rows."""
    paths = here(rows) if isinstance(rows, (str, list, tuple)) else []
    if not paths or long_footers(paths):
        return None
    with unwritten([Opened(path, path) for path in paths]), connected(name, memory_limit) as connection:
        files = plain_files(connection, paths)
        if files is None:
            return None
        plans, places = _plans(suite, files.columns, files.stated), range(len(files.columns))

        def ask(asks: Sequence[str], _: ProfileSpec | None) -> Scanned:
            projections = _projections(files.columns, asks)
            asked = statement({ask: ask for ask in asks}, projections, rows=parquet(paths), places=places)
            return Scanned(dict(zip(asks, connection.execute(asked).fetchone() or (), strict=True)), None)

        measured, _ = _measured(ask, files.columns, plans, None, known=files.stated)
    return _entries(suite, plans, measured)


def examine(
    rows: Rows, suite: Mapping[str, Any], profile: ProfileSpec | None, *, version: str, memory_limit: str = ""
) -> Examined:
    """Answer all that is asked of a version by reading it once: its tests, its profile and its schema.

    :param profile: the bins, usually those of a reference; None for no profile.
    :param version: the name of the version, which its profile carries.

    The rest is as for :func:`decide`.
    """
    from xops.engines.duckdb_scan import DuckdbScan

    source = source_of(rows)
    engine = DuckdbScan(source, version=version, memory_limit=memory_limit)
    types, columns = engine.types(), _columns(source)
    with reading(version):
        known = _stated(source, columns)
        plans = _plans(suite, columns, known)
        measured, found = _measure(engine, source, columns, plans, profile, known=known)
    return Examined(_entries(suite, plans, measured), found, types)


def _measure(
    engine: DuckdbScan,
    source: Source,
    columns: Sequence[Column],
    plans: Sequence[Plan | None],
    profile: ProfileSpec | None,
    *,
    known: Mapping[str, Any],
) -> tuple[Mapping[str, Any] | None, Profile | None]:
    """Find what the plans ask; None where DuckDB cannot answer, unless the files themselves are at fault."""

    def ask(asks: Sequence[str], profile: ProfileSpec | None) -> Scanned:
        may_be = {ask: one for plan in plans if plan for ask, one in plan.counted.items() if ask in asks}
        counted = engine.countable(may_be, profile) if profile else {}
        left = [ask for ask in asks if ask not in counted]
        projections = _projections(columns, left)
        return engine.scan({ask: ask for ask in left}, profile, projections=projections, counted=counted)

    try:
        return _measured(ask, columns, plans, profile, known=known)
    except Unanswered as error:
        if isinstance(source, ParquetFiles):
            raise
        _LOG.warning("the suite is left to Great Expectations: %s", bounded(error))
        return None, engine.scan(profile=profile).profile if profile else None


def _measured(
    ask: Callable[[Sequence[str], ProfileSpec | None], Scanned],
    columns: Sequence[Column],
    plans: Sequence[Plan | None],
    profile: ProfileSpec | None,
    *,
    known: Mapping[str, Any],
) -> tuple[Mapping[str, Any], Profile | None]:
    """Find what the plans ask by one reading, or by a second one where values turn out to repeat.

    :param ask: reads the rows for aggregates, and for a profile.
    :param known: aggregates that need no reading.
    """
    made, measured = [plan for plan in plans if plan], dict(known)
    asks = _open(made, measured, [ask for plan in made for ask in plan.asks])
    spared = {ask for plan in made for ask, implied in plan.implied.items() if implied.by & set(asks)}
    found: Profile | None = None
    counted = {f"count({column.sql})": column for column in columns if profile and profile.column(column.name)}
    for asked in ([ask for ask in asks if ask not in spared], asks, None):
        every = asked if asked is not None else [ask for plan in made for ask in plan.recount(measured)]
        left = _open(made, measured, every)
        if found is None and profile is not None:
            scanned = ask([ask for ask in left if ask not in counted and ask != EVERY], profile)
            found = scanned.profile
            measured |= {**scanned.values, **_told(found, counted)}
        elif left:
            measured |= ask(left, None).values
    return measured, found


def _told(profile: Profile | None, counted: Mapping[str, Column]) -> dict[str, int]:
    """Give the rows that a profile has counted, and how many values of columns; NaN, as in pandas, is missing.

    :param counted: by the aggregate, the column whose values it counts.
    """
    assert profile is not None  # noqa: S101 - it was asked for
    told = {EVERY: profile.rows}
    for ask, column in counted.items():
        found = profile.column(column.name)
        assert found is not None  # noqa: S101 - as of every column of its bins
        told[ask] = found.rows - found.nulls - (found.nan if column.kind in (Kind.FLOAT, Kind.FLOAT32) else 0)
    return told


def _stated(source: Source, columns: Sequence[Column]) -> Mapping[str, Any]:
    return stated([file.footer for file in source.files], columns) if isinstance(source, ParquetFiles) else {}


def _plans(suite: Mapping[str, Any], columns: Sequence[Column], known: Mapping[str, Any]) -> list[Plan | None]:
    return [compile_expectation(expectation, columns, known=known) for expectation in suite["expectations"]]


def _open(plans: Sequence[Plan], measured: dict[str, Any], asks: Sequence[str]) -> list[str]:
    """Give what of the asks is not known and does not follow from what is; what follows is added."""
    for plan in plans:
        for ask, implied in plan.implied.items():
            value = implied.value(measured) if ask not in measured else None
            if value is not None:
                measured[ask] = value
    return [ask for ask in dict.fromkeys(asks) if ask not in measured]


def _projections(columns: Sequence[Column], asks: Sequence[str]) -> list[str]:
    named = {int(place) for ask in asks for place in _COLUMN.findall(ask)}
    return [column.projection for column in columns if column.place in named]


def _columns(source: Source) -> list[Column]:
    return columns_of((field.name, str(field.type)) for field in source.schema)


def _by_place(source: Source) -> Source:
    """Give a table whose columns do not share names; those that do are left to Great Expectations."""
    if isinstance(source, ArrowRows) and len(set(source.schema.names)) < len(source.schema):
        return ArrowRows(source.table.rename_columns([f"r{place}" for place in range(len(source.schema))]))
    return source


def _entries(
    suite: Mapping[str, Any], plans: Sequence[Plan | None], measured: Mapping[str, Any] | None
) -> list[dict[str, Any] | None]:
    entries: list[dict[str, Any] | None] = []
    for asked, plan in zip(suite["expectations"], plans, strict=True):
        answer = plan.answer(measured) if plan and measured is not None else None
        entries.append(entry_of(asked, answer) if answer else None)
    return entries
