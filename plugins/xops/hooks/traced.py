"""Notes what hooks read and write while a task runs, for its lineage. Outside of a task nothing is noted."""

from __future__ import annotations

import contextlib
import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from xops.core.dataset.lineage import Place, Source, Touched, Trace, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from xops.core.dataset.versions import DataVersion
    from xops.core.verdict import Verdict

_TRACE: ContextVar[Trace | None] = ContextVar("xops_trace", default=None)
P = ParamSpec("P")
R = TypeVar("R")


class Placed(Protocol):
    """A store that says where its datasets are."""

    def place(self, table: str) -> Place:
        """Give where a dataset is."""


Store = TypeVar("Store", bound=Placed)


@contextlib.contextmanager
def tracing() -> Iterator[Trace]:
    """Note what the body reads, writes and judges."""
    trace = Trace()
    token = _TRACE.set(trace)
    try:
        yield trace
    finally:
        _TRACE.reset(token)


def read(touched: Touched) -> None:
    """Note that a dataset was read."""
    trace = _TRACE.get()
    if trace is not None:
        trace.read(touched)


def wrote(touched: Touched) -> None:
    """Note that a dataset was written."""
    trace = _TRACE.get()
    if trace is not None:
        trace.wrote(touched)


def judged(verdict: Verdict) -> None:
    """Note what was found."""
    trace = _TRACE.get()
    if trace is not None:
        trace.judged(verdict)


def made(place: Place, columns: Mapping[str, Sequence[tuple[Place, str]]], version: str = "") -> None:
    """Note from which columns those of a dataset were made."""
    made_from = {name: tuple(Source(*source) for source in sources) for name, sources in columns.items()}
    wrote(Touched(place, version, made_from=made_from))


def model_version(model: str, version: str, conn_id: str, columns: Sequence[str] = ()) -> Touched:
    """Give a model version as something that is read or written.

    :param columns: what it is given to score.
    """
    return Touched(Place(f"mlflow://{conn_id}", model), version, dict.fromkeys(columns, ""))


def reads_rows(
    method: Callable[Concatenate[Store, DataVersion, P], pa.Table],
) -> Callable[Concatenate[Store, DataVersion, P], pa.Table]:
    """Note the version that a store's ``rows`` read."""

    @functools.wraps(method)
    def rows(store: Store, version: DataVersion, *given: P.args, **more: P.kwargs) -> pa.Table:
        found = method(store, version, *given, **more)
        nulls = {name: found[name].null_count for name in found.column_names}
        read(Touched(store.place(version.table), version.snapshot, _types(found), found.num_rows, nulls))
        return found

    return rows


def stages_rows(
    method: Callable[Concatenate[Store, pa.Table, P], DataVersion],
) -> Callable[Concatenate[Store, pa.Table, P], DataVersion]:
    """Note the version that a store's ``stage`` wrote, and the source it names."""

    @functools.wraps(method)
    def stage(store: Store, rows: pa.Table, *given: P.args, **more: P.kwargs) -> DataVersion:
        staged = method(store, rows, *given, **more)
        origins = sources_of(str(more.get("source") or ""))
        for origin in origins:
            read(Touched(origin, columns=_types(rows), rows=staged.rows if len(origins) == 1 else None))
        made_from = (
            {name: tuple(Source(origin, name) for origin in origins) for name in _types(rows)} if origins else {}
        )
        place = store.place(staged.table)
        wrote(Touched(place, staged.snapshot, _types(rows), staged.rows, made_from=made_from))
        return staged

    return stage


def publishes(
    method: Callable[Concatenate[Store, DataVersion, P], DataVersion],
) -> Callable[Concatenate[Store, DataVersion, P], DataVersion]:
    """Note the version that a store's ``publish`` read, and the one that readers see from then on."""

    @functools.wraps(method)
    def publish(store: Store, version: DataVersion, *given: P.args, **more: P.kwargs) -> DataVersion:
        published = method(store, version, *given, **more)
        place = store.place(version.table)
        read(Touched(place, version.snapshot, rows=version.rows))
        wrote(Touched(place, published.snapshot, rows=published.rows))
        return published

    return publish


def _types(rows: Any) -> dict[str, str]:
    return {field.name: str(field.type) for field in rows.schema}
