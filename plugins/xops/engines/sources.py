"""What rows are read from, in pieces: Parquet files here or in a bucket, tables in memory, streams of batches.

Nothing is held but the piece at hand, so what can be counted does not depend on how much memory there is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.footers import bounds
from xops.engines.files.parquet_files import Opened, opened

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from obstore.store import ObjectStore

Rows: TypeAlias = "str | Sequence[str] | pa.Table | pd.DataFrame | Source"
BATCH = 65_536
SAMPLED = 4096  # rows of each of three places
_LENGTH = 4  # bytes that plain Parquet spends on the length of a text alone


class Source(Protocol):
    """Rows of one version."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    @property
    def num_rows(self) -> int | None:
        """How many rows there are; None where that is not known beforehand."""

    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Give least and greatest value of the columns of which it is known without reading rows."""

    def coded(self, columns: Sequence[str]) -> list[str]:
        """Give those of some columns whose texts come in dictionaries in every batch."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read some columns, in this order, of all rows, once."""

    def sample(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read some columns of a few rows: from the start, the middle and the end, where that is no whole reading."""


class ParquetFiles:
    """Parquet files of one schema.

    :param paths: paths, globs and URLs (``s3://``, ``gs://``, ``az://``) of files.
    :param store: the bucket or folder in which ``paths`` lie, an obstore store opened with credentials; without it
        URLs are read with those of the environment.
    """

    def __init__(self, paths: str | Sequence[str], store: ObjectStore | None = None) -> None:
        self.paths = [paths] if isinstance(paths, str) else [str(path) for path in paths]
        if not self.paths:
            raise Misconfigured("at least one Parquet file was wanted, the list is empty")
        self.files: list[Opened] = opened(self.paths, store)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the first file."""
        return self.files[0].schema

    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Give what the footers state."""
        return bounds([file.footer for file in self.files])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read file by file; texts that the file keeps in dictionaries stay in them."""
        wanted = _only(self.schema, columns)
        for file in self.files:
            found = _only(file.schema, columns)
            if found != wanted:
                apart = _apart(wanted, found)
                raise Misconfigured(f"{file.name}: the columns of {self.files[0].name} were wanted: {apart}")
        kept = self.coded(columns)
        for file in self.files:
            yield from file.batches(columns, BATCH, dictionaries=kept)

    @property
    def num_rows(self) -> int:
        """How many rows the footers state."""
        return sum(int(file.footer.num_rows) for file in self.files)

    def coded(self, columns: Sequence[str]) -> list[str]:
        """Give those of some columns whose texts come in dictionaries."""
        texts = [field.name for field in _only(self.schema, columns) if str(field.type) in ("string", "large_string")]
        return [name for name in texts if in_dictionaries([file.footer for file in self.files], name)]

    def sample(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the first rows of up to three row groups."""
        groups = [(file, group) for file in self.files for group in range(file.footer.num_row_groups)]
        for file, group in dict.fromkeys(groups[place] for place in _thirds(len(groups))):
            yield from islice(file.peek(group, columns, SAMPLED), 1)


class ArrowRows:
    """A table in memory.

    :param table: the table.
    """

    def __init__(self, table: pa.Table) -> None:
        self.schema = table.schema
        self.num_rows: int = table.num_rows
        self.table = table

    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Give nothing: a table has no footer."""
        return {}

    def coded(self, columns: Sequence[str]) -> list[str]:
        """Give those that the table has so."""
        return _coded(self.schema, columns)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give slices of the table."""
        places = [self.schema.names.index(name) for name in columns]
        yield from self.table.select(places).to_batches(max_chunksize=BATCH)

    def sample(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give slices of the table."""
        rows = self.table.select([self.schema.names.index(name) for name in columns])
        for place in dict.fromkeys(_thirds(max(rows.num_rows - SAMPLED, 0) + 1)):
            yield from rows.slice(place, SAMPLED).to_batches()


class Batches:
    """A stream that can be opened again, as an Iceberg scan; file by file, never the table in memory.

    :param schema: the columns.
    :param read: given names of columns, gives batches that have at least these.
    :param num_rows: how many rows there are; None where that is not known beforehand.
    """

    def __init__(
        self,
        schema: pa.Schema,
        read: Callable[[Sequence[str]], Iterable[pa.RecordBatch]],
        num_rows: int | None = None,
    ) -> None:
        self.schema = schema
        self.num_rows = num_rows
        self._read = read

    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Give nothing."""
        return {}

    def coded(self, columns: Sequence[str]) -> list[str]:
        """Give those that the schema says so of."""
        return _coded(self.schema, columns)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Open the stream."""
        for batch in self._read(columns):
            yield batch.select(list(columns))

    def sample(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give the first batch."""
        yield from islice(self.batches(columns), 1)


def source_of(rows: Rows) -> Source:
    """Give rows as a source.

    :raises Misconfigured: when there is no such file, or a frame holds what no column of Arrow can.
    """
    import pyarrow as pa

    if isinstance(rows, (str, list, tuple)):
        return ParquetFiles(rows)
    if isinstance(rows, pa.Table):
        return ArrowRows(rows)
    if type(rows).__module__.startswith("pandas."):
        try:
            table = pa.Table.from_pandas(rows, preserve_index=False)
        except UnicodeError:
            raise Misconfigured("a frame of texts that UTF-8 can write was wanted: one has half a character") from None
        except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
            said = error.args[1] if len(error.args) > 1 else type(error).__name__  # the first one quotes the value
            raise Misconfigured(f"a frame of columns of one type each was wanted: {bounded(said)}") from error
        _refuse_mixed_zones(rows, table.schema)
        return ArrowRows(table)
    return rows  # type: ignore[return-value]


@contextlib.contextmanager
def reading(version: str) -> Iterator[None]:
    """Say of which version the rows could not be read."""
    try:
        yield
    except Exception as error:
        import pyarrow as pa  # only here: it takes long to load

        if isinstance(error, ConnectionError) or not isinstance(error, (OSError, pa.ArrowException)):
            raise
        raise Misconfigured(f"{version}: its rows could not be read: {bounded(error)}") from error


def _refuse_mixed_zones(frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Refuse what Arrow makes one time zone of; of a column of pandas' own types there is only one."""
    for place, field in enumerate(schema):
        if str(field.type).startswith("timestamp") and str(frame.dtypes.iloc[place]) == "object":
            zoned = {value.tzinfo is not None for value in frame.iloc[:, place].dropna()}
            if len(zoned) > 1:
                raise Misconfigured(f"column {field.name}: times with a zone and without; give all of them one")


def _thirds(many: int) -> list[int]:
    """Give the first, the middle and the last of so many places."""
    return [0, many // 2, many - 1] if many else []


def _only(schema: pa.Schema, columns: Sequence[str]) -> list[Any]:
    return [schema.field(name).remove_metadata() for name in columns if schema.get_field_index(name) >= 0]


def _coded(schema: pa.Schema, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if str(schema.field(name).type).startswith("dictionary")]


def _apart(wanted: Sequence[Any], found: Sequence[Any]) -> str:
    pairs = ({f"{field.name} {field.type}" for field in side} for side in (wanted, found))
    return bounded("; ".join(sorted(next(pairs) ^ next(pairs))))


def in_dictionaries(footers: Sequence[pq.FileMetaData], name: str) -> bool:
    """Tell whether a column of texts takes fewer bytes than plain ones do; no footer says it plainly."""
    size = values = 0
    for footer in footers:
        place = next((at for at in range(footer.num_columns) if footer.schema.column(at).path == name), None)
        if place is None:
            return False
        for group in range(footer.num_row_groups):
            chunk = footer.row_group(group).column(place)
            size, values = size + chunk.total_uncompressed_size, values + chunk.num_values
    return size < _LENGTH * values
