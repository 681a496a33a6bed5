"""Rows of Parquet files, in batches, held against what the footer and the declaration say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.column_types import cast, wanted_schema
from xops.engines.files.text_files import Opens

_ROWS = 1 << 16


def read_parquet(opens: Opens, types: Mapping[str, Any], name: str) -> tuple[Any, Iterator[Any]]:
    """Give the schema and the record batches of a Parquet file.

    :param opens: opens the file anew.
    :param types: Arrow types of columns; a column may be of another type of the same kind, if no value is lost.
    :param name: what the file is called in an error.
    :raises Misconfigured: when it is no Parquet file or is cut off, when its pages do not hold what its footer says,
        or when a column is not as declared.
    """
    with opens() as file:
        schema = wanted_schema(_opened(file, name).schema_arrow, types, f"source {name}")
    return schema, _batches(opens, schema, name)


def _batches(opens: Opens, schema: Any, name: str) -> Iterator[Any]:

    with opens() as file:
        opened, rows = _opened(file, name), 0
        wanted = {field.name: field.type for field in schema}
        for batch in _whole_batches(opened, name):
            rows += batch.num_rows
            yield cast(batch, wanted, f"source {name}")
        if rows != opened.metadata.num_rows:
            raise Misconfigured(
                f"source {name}: the footer says {opened.metadata.num_rows} rows, the file has {rows}; write it anew"
            )


def _whole_batches(opened: Any, name: str) -> Iterator[Any]:
    import pyarrow as pa

    rows = 0
    try:
        for batch in opened.iter_batches(_ROWS):
            batch.validate(full=True)
            rows += batch.num_rows
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(name, error, f"after row {rows}") from error


def _opened(file: Any, name: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(name, error, "at its footer") from error


def _unreadable(name: str, error: Exception, where: str) -> Exception:
    """Give what to raise: a file that is wrong is a mistake, a disk or a service that fails is not."""
    if isinstance(error, OSError) and (error.errno is not None or isinstance(error, ConnectionError)):
        return error
    return Misconfigured(f"source {name}: a whole Parquet file was wanted; it cannot be read {where}: {bounded(error)}")
