"""Rows of an Iceberg version, read file by file in small pieces: what is counted need not fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.engines.sources import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table import DataScan, FileScanTask, Table

_BUFFER = 1 << 20  # bytes of a column that are read at once
_ID = b"PARQUET:field_id"


def schema_of(projection: Schema, columns: Sequence[str] | None = None) -> pa.Schema:
    """Give the Arrow types in which the columns of a scan are streamed; texts are ``string``.

    :param columns: only these, in this order; None for all.
    """
    import pyarrow as pa
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    schema = schema_to_pyarrow(projection, include_field_ids=False)
    fields = schema if columns is None else [schema.field(name) for name in columns]
    return pa.schema(
        [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in fields]
    )


def nulls_in(scan: DataScan) -> dict[str, int]:
    """Give how many nulls the columns of a scan have, where all data files say so and all their rows are wanted."""
    from pyiceberg.expressions import AlwaysTrue

    tasks = list(scan.plan_files())
    if any(task.delete_files or task.residual != AlwaysTrue() for task in tasks):
        return {}
    counts = [task.file.null_value_counts or {} for task in tasks]
    fields = [field for field in scan.projection().fields if all(field.field_id in each for each in counts)]
    return {field.name: sum(each[field.field_id] for each in counts) for field in fields}


def batches_of(target: Table, scan: DataScan) -> Iterator[pa.RecordBatch]:
    """Read the rows of a scan.

    A data file whose columns are those of the table, perhaps under other names or of narrower types, is read piece by
    piece. Another one, or one of which rows were deleted or are not wanted, pyiceberg reads as a whole.
    """
    from pyiceberg.io.pyarrow import ArrowScan

    projection = scan.projection()
    schema = schema_of(projection)
    for task in scan.plan_files():
        pieces = _pieces(target, task, projection)
        if pieces is None:
            pieces = ArrowScan(target.metadata, target.io, projection, scan.row_filter).to_record_batches([task])
        for piece in pieces:
            yield piece.rename_columns(schema.names).cast(schema)


def _pieces(target: Table, task: FileScanTask, projection: Schema) -> Iterator[pa.RecordBatch] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.manifest import FileFormat

    if task.delete_files or task.residual != AlwaysTrue() or task.file.file_format != FileFormat.PARQUET:
        return None
    file = pq.ParquetFile(target.io.new_input(task.file.file_path).open(), buffer_size=_BUFFER, pre_buffer=False)
    by_id = {int(field.metadata[_ID]): field for field in file.schema_arrow if _ID in (field.metadata or {})}
    fields = [by_id.get(field.field_id) for field in projection.fields]
    if any(field is None or field.type.num_fields or isinstance(field.type, pa.BaseExtensionType) for field in fields):
        file.close()
        return None
    return _read(file, [field.name for field in fields if field])


def _read(file: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
    with file:
        for batch in file.iter_batches(BATCH, columns=names, use_threads=False):
            yield batch.select(names)
