"""Rows on their way to a query, counted as they pass: what makes one reading answer both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured
from xops.engines.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa

    from xops.engines.counting import ColumnCounter


def feed(source: Source, counters: Mapping[str, ColumnCounter]) -> int:
    """Read the columns that are counted, count them, and give the number of rows."""
    return sum(len(batch) for batch in _counted(source, counters, list(counters)))


class OneRead:
    """Rows as a stream of Arrow that can be read once; columns go by their place, ``r0``, ``r1``, ...

    DuckDB reads it without pyarrow's datasets, which import pandas.

    :param counters: by column, what counts each piece before it is passed on.
    :param passed: the places of the columns that are passed on.
    """

    def __init__(self, source: Source, counters: Mapping[str, ColumnCounter], passed: list[int]) -> None:
        names = source.schema.names
        self.rows = 0
        self.error: Exception | None = None
        self._passed = passed
        self._wanted = [names[place] for place in passed]
        columns = list(dict.fromkeys([*self._wanted, *counters]))
        self._batches = _counted(source, counters, columns)
        self._read = False
        self._first = next(self._batches, None)  # only the file tells which texts stay in dictionaries
        first = self._first.schema if self._first is not None else source.schema
        self._schema = _schema([(f"r{place}", first.field(names[place]).type) for place in passed])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the stream, as often as somebody wants to know its columns; its rows only once."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._schema, self._pieces()).__arrow_c_stream__(requested_schema)

    def _pieces(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        if self._read:
            raise Misconfigured("these rows were read before")
        self._read = True
        batch = self._first
        try:
            while batch is not None:
                self.rows += len(batch)
                arrays = [batch.column(name) for name in self._wanted] or [pa.nulls(len(batch))]
                yield pa.RecordBatch.from_arrays(arrays, schema=self._schema)
                batch = next(self._batches, None)
        except Exception as error:
            self.error = error  # DuckDB keeps only its text
            raise


def _schema(fields: list[tuple[str, pa.DataType]]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(fields or [("r0", pa.null())])


def _counted(source: Source, counters: Mapping[str, ColumnCounter], columns: list[str]) -> Iterator[pa.RecordBatch]:
    for batch in source.batches(columns):
        for name, counter in counters.items():
            counter.add(batch.column(name))
        yield batch
