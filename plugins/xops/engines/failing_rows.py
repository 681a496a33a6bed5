"""Which rows it is that fail a suite, by one SELECT in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xops.core.suite.compiler import compile_expectation
from xops.core.suite.plan import columns_of
from xops.engines.one_read import OneRead
from xops.engines.sources import ArrowRows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def failing_rows(rows: pa.Table, expectations: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_] | None:
    """Tell of each row whether one of the expectations, each of which failed, finds it unexpected.

    :returns: None when one of them is not about single rows, or is decided by Great Expectations: then it is not known
        which rows fail.
    """
    import duckdb
    import pyarrow as pa

    columns = columns_of((field.name, str(field.type)) for field in rows.schema)
    plans = [compile_expectation(expectation, columns) for expectation in expectations]
    conditions = [plan.failing for plan in plans if plan and plan.failing]
    if len(conditions) < len(plans):
        return None
    failing = np.zeros(rows.num_rows, dtype=bool)
    if not conditions:
        return failing
    place = f"r{rows.num_columns}"
    raw = ", ".join(f"r{column.place}" for column in columns)
    made = ", ".join(column.projection for column in columns)
    fails = " OR ".join(f"coalesce({condition}, FALSE)" for condition in conditions)
    batch = f"SELECT {made}, {place} AS place FROM arrow_rows AS source({raw}, {place})"  # noqa: S608 - columns by place
    asked = f"SELECT place FROM (SELECT place, {fails} AS fails FROM ({batch}) AS batch) WHERE fails"  # noqa: S608
    try:
        places = [f"r{at}" for at in range(rows.num_columns + 1)]  # columns may share names
        numbered = rows.append_column("place", pa.array(np.arange(rows.num_rows))).rename_columns(places)
        with duckdb.connect() as connection:
            connection.register("arrow_rows", OneRead(ArrowRows(numbered), {}, list(range(rows.num_columns + 1))))
            failing[connection.execute(asked).fetchnumpy()["place"].astype(np.int64)] = True
    except duckdb.Error:
        return None
    return failing
