"""Which rows it is that fail a suite, by one SELECT in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.numerics import np
from xops.core.suite.compiler import compile_expectation
from xops.core.suite.plan import columns_of
from xops.engines.duckdb_query import Unanswered, connected
from xops.engines.duckdb_scan import MEMORY
from xops.engines.one_read import OneRead
from xops.engines.streams import numbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xops.engines.streams import Counted

_PLACE = "\0place"  # no column has this name


def failing_rows(rows: Counted, expectations: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_] | None:
    """Tell of each row whether one of the expectations, each of which failed, finds it unexpected.

    :param rows: of columns of different names.
    :returns: None when one of them is not about single rows, or is decided by Great Expectations: then it is not known
        which rows fail.
    """
    columns = columns_of((field.name, str(field.type)) for field in rows.schema)
    plans = [compile_expectation(expectation, columns) for expectation in expectations]
    conditions = [plan.failing for plan in plans if plan and plan.failing]
    if len(conditions) < len(plans):
        return None
    failing = np.zeros(rows.num_rows or 0, dtype=np.bool_)
    if not conditions:
        return failing
    place = f"r{len(rows.schema)}"
    raw = ", ".join(f"r{column.place}" for column in columns)
    made = ", ".join(column.projection for column in columns)
    fails = " OR ".join(f"coalesce({condition}, FALSE)" for condition in conditions)
    batch = f"SELECT {made}, {place} AS place FROM arrow_rows AS source({raw}, {place})"  # noqa: S608 - columns by place
    asked = f"SELECT place FROM (SELECT place, {fails} AS fails FROM ({batch}) AS batch) WHERE fails"  # noqa: S608
    read = OneRead(numbered(rows, _PLACE), {}, list(range(len(rows.schema) + 1)))
    try:
        with connected("the rows of a suite", MEMORY) as connection:
            connection.register("arrow_rows", read)
            failing[connection.execute(asked).fetchnumpy()["place"].astype(np.int64)] = True
    except Unanswered:
        if read.error is not None:
            raise read.error from None
        return None
    return failing
