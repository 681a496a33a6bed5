"""Expectations that are a query of their author's: every row that it gives is unexpected."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from xops.core.suite.plan import Answer

QUERY = "unexpected_rows_expectation"
_ARGUMENTS = {"unexpected_rows_query", "batch_id", "description"}


def query_of(expectation: Mapping[str, Any], batch: str) -> str | None:
    """Give the query of an expectation; None for another expectation, or with arguments that are Great Expectations'.

    :param batch: what stands for the rows, as SQL.
    :raises ValueError: when there is no query, or it has braces that are not ``{batch}``; its own have to be doubled.
    """
    kwargs = expectation.get("kwargs") or {}
    if expectation["type"] != QUERY or not set(kwargs) <= _ARGUMENTS:
        return None
    query = kwargs.get("unexpected_rows_query")
    if not isinstance(query, str) or not query.strip():
        raise ValueError("an SQL query was wanted as unexpected_rows_query")
    try:
        fields = [(name, how, further) for _, name, how, further in Formatter().parse(query) if name is not None]
    except ValueError as error:
        raise ValueError(f"the query has a brace too many, or too few ({error}); write {{{{ for one") from None
    if any(field != ("batch", "", None) for field in fields):
        raise ValueError("the query has braces that are not {batch}; write {{ and }} for braces of its own")
    return query.format(batch=batch)


def answer_of(rows: int) -> Answer:
    """Give the answer to a query that gave so many rows."""
    return Answer(rows == 0, {"observed_value": rows})
