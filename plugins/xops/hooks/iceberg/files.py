"""Rows to the data files of an Iceberg table, and back: Parquet as pyarrow writes it, with Iceberg's field ids."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from xops.core.dataset.writes import BATCH
from xops.core.errors import Misconfigured, bounded
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

_ROW_GROUP = 1 << 20  # rows


class NewFiles:
    """Data files that are written for one commit, through all its attempts: the same rows once."""

    def __init__(self) -> None:
        self._written: list[tuple[FileIO, pa.Table, Schema, list[DataFile]]] = []

    def write(self, io: FileIO, metadata: TableMetadata, schema: Schema, rows: pa.Table) -> list[DataFile]:
        """Write rows that fit into data files, one for each partition, or give those written of them before.

        :param schema: the schema whose field ids the files get.
        """
        for _, before, by, written in self._written:
            if before is rows and by == schema:
                return written
        files: list[DataFile] = []
        self._written.append((io, rows, schema, files))
        for partition, part in _by_partition(metadata.spec(), schema, rows):
            files.append(_write_file(io, metadata, schema, part, partition))
        return files

    def remove(self, *, but: Collection[str] = ()) -> None:
        """Remove what was written, except the files at some paths."""
        for io, _, _, files in self._written:
            for file in files:
                if file.file_path not in but:
                    _remove(io, file.file_path)


def storable(rows: pa.Table, table: str, batch: str) -> pa.Table:
    """Give the rows with the types that Iceberg stores, and the column ``batch``.

    Timestamps are in microseconds, and those with a zone in UTC.

    :raises Misconfigured: when there are no rows, two columns share a name, the column ``batch`` says something else,
        or a timestamp would lose digits.
    """
    import pyarrow as pa
    from pyarrow import types

    if not rows.num_rows:
        raise Misconfigured(f"{table}: batch {batch} has no rows; at least one was wanted")
    doubled = sorted({name for name in rows.column_names if rows.column_names.count(name) > 1})
    if doubled:
        raise Misconfigured(f"{table}: batch {batch} has more than one column {bounded(', '.join(doubled))}")
    if BATCH in rows.column_names:
        others = set(rows[BATCH].unique().to_pylist()) - {batch}
        if others:
            raise Misconfigured(
                f"{table}: the rows of batch {batch} have a column {BATCH!r} of their own, with {bounded(others)}; "
                "that name is taken by the batch a row came with, so rename the source's column"
            )
        rows = rows.drop_columns([BATCH])
    for place, field in enumerate(rows.schema):
        if types.is_dictionary(field.type):
            rows = rows.set_column(place, field.name, rows[field.name].cast(field.type.value_type))
        if types.is_timestamp(field.type):
            wanted = pa.timestamp("us", "UTC" if field.type.tz else None)
            try:
                rows = rows.set_column(place, field.name, rows[field.name].cast(wanted))
            except pa.ArrowInvalid as error:
                raise Misconfigured(f"{table}: batch {batch}, column {field.name}: {bounded(error)}") from error
    return rows.append_column(BATCH, pa.repeat(pa.scalar(batch, pa.string()), rows.num_rows))


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
    except BaseException:
        _remove(io, place)
        raise
    measured = data_file_statistics_from_parquet_metadata(
        writer.writer.metadata, compute_statistics_plan(named, properties), parquet_path_to_id_mapping(named)
    )
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=place,
        file_format=FileFormat.PARQUET,
        partition=key.partition,
        file_size_in_bytes=len(output),
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
