"""Rows to the data files of an Iceberg table, and back: Parquet as pyarrow writes it, with Iceberg's field ids."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xops.core.dataset.writes import BATCH
from xops.core.errors import Misconfigured, bounded
from xops.hooks.datasets.rows import Incoming, pieces_of
from xops.hooks.iceberg.schemas import said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.table.metadata import TableMetadata

    from xops.hooks.datasets.rows import Portion

_ROW_GROUP = 1 << 20  # rows


@dataclass(frozen=True, slots=True)
class _Written:
    """Rows that are in data files."""

    rows: Portion | Incoming
    io: FileIO
    schema: Schema
    files: list[DataFile]


class NewFiles:
    """Data files that are written for one commit, through all its attempts: the same rows once."""

    def __init__(self) -> None:
        self._written: list[_Written] = []

    def write(self, io: FileIO, metadata: TableMetadata, schema: Schema, rows: Portion | Incoming) -> list[DataFile]:
        """Write rows that fit into data files, or give those written of them before.

        Rows that come once and are wanted by another schema are read back from what was written of them.

        :param schema: the schema whose field ids the files get.
        """
        before = [written for written in self._written if written.rows is rows]
        for written in before:
            if written.schema == schema:
                return written.files
        if isinstance(rows, Incoming):
            pieces = _again(metadata, before[0]) if before else rows.pieces()
        else:
            pieces = pieces_of(rows)
        new = _Written(rows, io, schema, [])
        self._written.append(new)
        for piece in pieces:
            for partition, part in _by_partition(metadata.spec(), schema, piece):
                new.files.append(_write_file(io, metadata, schema, part, partition))
        return new.files

    def remove(self, *, but: Collection[str] = ()) -> None:
        """Remove what was written, except the files at some paths."""
        for written in self._written:
            for file in written.files:
                if file.file_path not in but:
                    _remove(written.io, file.file_path)


def _again(metadata: TableMetadata, written: _Written) -> Iterator[pa.Table]:
    """Read rows back, file by file."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan
    from pyiceberg.table import FileScanTask

    scan = ArrowScan(metadata, written.io, written.schema, AlwaysTrue())
    for file in written.files:
        yield scan.to_table([FileScanTask(file)])


def read_files(
    io: FileIO, metadata: TableMetadata, tasks: Sequence[FileScanTask], columns: Sequence[str] | None = None
) -> pa.Table:
    """Read data files by the table's present schema.

    :param columns: only these, in this order; None for all.
    """
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan

    schema = metadata.schema()
    wanted = schema if columns is None else schema.select(*columns)
    found = ArrowScan(metadata, io, wanted, AlwaysTrue()).to_table(tasks)
    return found if columns is None else found.select(list(columns))


def _by_partition(
    spec: PartitionSpec, schema: Schema, rows: pa.Table
) -> Iterator[tuple[Mapping[str, object], pa.Table]]:
    """Give the rows of each partition, with the partition's values by column.

    :raises Misconfigured: when the table is partitioned by more than the values of columns.
    """
    import pyarrow.compute as pc
    from pyiceberg.transforms import IdentityTransform

    if not all(isinstance(field.transform, IdentityTransform) for field in spec.fields):
        raise Misconfigured(f"a table partitioned by the values of columns was wanted, found {bounded(spec)}")
    names = [schema.find_column_name(field.source_id) or "" for field in spec.fields]
    if names == [BATCH]:
        yield {BATCH: rows[BATCH][0].as_py()}, rows
        return
    for values in rows.select(names).group_by(names, use_threads=False).aggregate([]).to_pylist():
        part = rows
        for name in names:
            same = pc.is_null(part[name]) if values[name] is None else pc.equal(part[name], values[name])
            part = part.filter(same)
        yield values, part


def _write_file(
    io: FileIO, metadata: TableMetadata, schema: Schema, rows: pa.Table, partition: Mapping[str, object]
) -> DataFile:
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
    from pyiceberg.schema import sanitize_column_names
    from pyiceberg.table.locations import load_location_provider

    spec, properties, named = metadata.spec(), metadata.properties, sanitize_column_names(schema)
    values = [
        PartitionFieldValue(field, partition[schema.find_column_name(field.source_id) or ""]) for field in spec.fields
    ]
    key = PartitionKey(values, spec, schema)
    place = load_location_provider(metadata.location, properties).new_data_location(f"{uuid.uuid4()}.parquet", key)
    fitted, codec = _fitted(rows, schema, named), properties.get("write.parquet.compression-codec", "zstd")
    output = io.new_output(place)
    try:
        with output.create() as stream, pq.ParquetWriter(stream, fitted.schema, compression=codec) as writer:
            writer.write_table(fitted, row_group_size=_ROW_GROUP)
        measured = data_file_statistics_from_parquet_metadata(
            writer.writer.metadata, compute_statistics_plan(named, properties), parquet_path_to_id_mapping(named)
        )
        size = len(output)
    except BaseException:
        _remove(io, place)
        raise
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=place,
        file_format=FileFormat.PARQUET,
        partition=key.partition,
        file_size_in_bytes=size,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
        **measured.to_serialized_dict(),
    )
    file.spec_id = spec.spec_id
    return file


def _fitted(rows: pa.Table, schema: Schema, named: Schema) -> pa.Table:
    """Give the rows with the columns of a schema, under the names and with the field ids that its files have."""
    import pyarrow as pa
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    fields, columns = [], []
    for wanted, kept in zip(schema.fields, schema_to_pyarrow(named, include_field_ids=True), strict=True):
        if wanted.name not in rows.column_names:
            field, column = kept, pa.nulls(rows.num_rows, kept.type)
        else:
            column = rows[wanted.name]
            as_it_is = said(column.type) == said(kept.type) and not pa.types.is_nested(kept.type)
            field = kept.with_type(column.type) if as_it_is else kept
            column = column if as_it_is else column.cast(kept.type)
        fields.append(field)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _remove(io: FileIO, place: str) -> None:
    with contextlib.suppress(OSError):
        io.delete(place)
