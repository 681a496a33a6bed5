"""Rows of an Iceberg version, read file by file in small pieces: what is counted need not fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.engines.sources import BATCH, in_dictionaries

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


def batches_of(target: Table, scan: DataScan, *, coded: bool = False) -> Iterator[pa.RecordBatch]:
    """Read the rows of a scan.

    :param coded: whether texts may come in the dictionaries that a data file keeps them in, which are counted faster.

    A data file whose columns are those of the table, perhaps under other names or of narrower types, is read piece by
    piece. Another one, or one of which rows were deleted or are not wanted, pyiceberg reads as a whole.
    """
    from pyiceberg.io.pyarrow import ArrowScan

    projection = scan.projection()
    schema = schema_of(projection)
    for task in scan.plan_files():
        pieces = _pieces(target, task, projection, coded=coded)
        if pieces is None:
            pieces = ArrowScan(target.metadata, target.io, projection, scan.row_filter).to_record_batches([task])
        for piece in pieces:
            yield _fitted(piece.rename_columns(schema.names), schema)


def _fitted(piece: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch with the types of a schema, but for texts in dictionaries."""
    import pyarrow as pa

    if not any(pa.types.is_dictionary(kind) for kind in piece.schema.types):
        return piece.cast(schema)
    columns = zip(piece.columns, schema.types, strict=True)
    held = [column if pa.types.is_dictionary(column.type) else column.cast(kind) for column, kind in columns]
    return pa.RecordBatch.from_arrays(held, schema.names)


def _pieces(target: Table, task: FileScanTask, projection: Schema, *, coded: bool) -> Iterator[pa.RecordBatch] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.manifest import FileFormat

    if task.delete_files or task.residual != AlwaysTrue() or task.file.file_format != FileFormat.PARQUET:
        return None
    source = target.io.new_input(task.file.file_path)
    file = pq.ParquetFile(source.open(), buffer_size=_BUFFER, pre_buffer=False)
    by_id = {int(field.metadata[_ID]): field for field in file.schema_arrow if _ID in (field.metadata or {})}
    fields = [by_id.get(field.field_id) for field in projection.fields]
    if any(field is None or field.type.num_fields or isinstance(field.type, pa.BaseExtensionType) for field in fields):
        file.close()
        return None
    names = [field.name for field in fields if field]
    texts = [field.name for field in fields if field and str(field.type) in ("string", "large_string")]
    kept = [name for name in texts if coded and in_dictionaries([file.metadata], name)]
    if kept:
        footer = file.metadata
        file.close()
        file = pq.ParquetFile(
            source.open(), metadata=footer, read_dictionary=kept, buffer_size=_BUFFER, pre_buffer=False
        )
    return _read(file, names)


def _read(file: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
    with file:
        for batch in file.iter_batches(BATCH, columns=names, use_threads=False):
            yield batch.select(names)
