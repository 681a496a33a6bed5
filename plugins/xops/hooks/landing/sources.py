"""Where the rows of a batch come from: files, a query, or a function; read once, in batches, and described."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xops.checks.contract_file import declared_types
from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.engines.files.column_types import Declared, declared
from xops.engines.files.csv_rows import read_csv
from xops.engines.files.json_rows import read_json_lines
from xops.engines.files.parquet_rows import read_parquet
from xops.hooks.landing.function_rows import read_function
from xops.hooks.landing.places import find, shown
from xops.hooks.landing.sql_rows import read_query, table_query

if TYPE_CHECKING:
    import pyarrow as pa

    from xops.core.contract.odcs import Contract
    from xops.hooks.landing.file import LandingFile

Address = str | Sequence[str] | Mapping[str, Any] | Callable[[], Any]

_READERS = {"csv": read_csv, "jsonl": read_json_lines, "parquet": read_parquet}
_SUFFIXES = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet", "pq": "parquet"}


@dataclass(slots=True)
class Delivery:
    """What a source delivers.

    :param name: the source, as an error and the record name it.
    :param schema: of its rows.
    :param batches: its rows, to be taken once. The last of them comes only when the files are as they were found, so
        whoever has taken them all has what the source held at one moment.
    :param files: its files: address, bytes and digest of each.
    :param inferred: columns whose type was not declared but seen in the values.
    :param rows: how many have been taken.
    """

    name: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    files: list[dict[str, Any]] = field(default_factory=list)
    inferred: list[str] = field(default_factory=list)
    rows: int = 0

    def reader(self) -> pa.RecordBatchReader:
        """Give the rows as a stream of Arrow.

        :raises Misconfigured: at its end, when there was no row.
        """
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self._counted())

    def _counted(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.batches:
                self.rows += batch.num_rows
                yield batch
        except OSError as error:
            if isinstance(error, Unavailable):
                raise
            raise Unavailable(f"source {self.name}: {bounded(error)}") from error
        if not self.rows:
            raise Misconfigured(f"source {self.name}: it has no rows; at least one was wanted")

    def described(self, columns: Sequence[str]) -> str:
        """Give columns with their types, for a person."""
        return bounded(", ".join(f"{column} {self.schema.field(column).type}" for column in columns))

    def to_json(self) -> dict[str, Any]:
        """Give what the record of a staged version keeps of it, as plain JSON."""
        return {"name": self.name, "files": self.files, "inferred": self.inferred}


def open_source(
    source: Address,
    *,
    file_format: str = "",
    types: Mapping[str, str] | None = None,
    contract: Contract | None = None,
) -> Delivery:
    """Open a source.

    :param source: a path or URL, with ``*`` for several files; a list of them; ``{"conn_id": ..., "sql": ...,
        "parameters": {...}}`` or ``{"conn_id": ..., "table": ...}`` for an Airflow connection to a database; a function
        that gives an Arrow table, a pandas frame or an iterator of either, or ``{"callable": "package.function",
        "arguments": {...}}``.
    :param file_format: ``csv``, ``jsonl`` or ``parquet``; by the name's ending when empty. Text may be packed: ``.gz``.
    :param types: Arrow type by column; see :func:`~xops.engines.files.column_types.declared`.
    :param contract: it declares the types of its columns that ``types`` leaves out; the source may lack some.
    :raises Misconfigured: when there is nothing, or it is not what was declared.
    :raises Unavailable: when it is out of reach.
    """
    typed = Declared(declared(types or {}), declared_types(contract, text=False) if contract else None)
    text = Declared(declared(types or {}), declared_types(contract, text=True) if contract else None)
    try:
        if callable(source):
            return _called(source, {}, typed)
        if isinstance(source, Mapping):
            return _described(source, typed)
        addresses = list(source) if isinstance(source, (list, tuple)) else [source]
        if not addresses or not all(isinstance(address, str) and address for address in addresses):
            raise Misconfigured(
                f"source: a path, a URL or a list of them was wanted, found {bounded(repr(source), 100)}"
            )
        return _from_files(addresses, file_format, typed, text)
    except OSError as error:
        if isinstance(error, Unavailable):
            raise
        raise Unavailable(f"source {bounded(source)}: {bounded(error)}") from error


def _from_files(addresses: list[str], chosen: str, typed: Declared, text: Declared) -> Delivery:
    files = [file for address in addresses for file in find(address)]
    read = {_format(file.name, chosen) for file in files}
    name = bounded(", ".join(map(shown, addresses)), 300)
    if len(read) > 1:
        raise Misconfigured(f"source {name}: files of one format were wanted, found {', '.join(sorted(read))}")
    kind = read.pop()
    wanted = typed if kind == "parquet" else text
    first, rows = _held(files[0], _READERS[kind], wanted)
    inferred = [] if kind == "parquet" else [column for column in first.names if column not in wanted]
    types = Declared({column.name: column.type for column in first})

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows
        for file in files[1:]:
            schema, more = _held(file, _READERS[kind], types)
            if set(schema.names) != set(first.names):
                differing = sorted(set(schema.names) ^ set(first.names))
                raise Misconfigured(
                    f"source {file.name}: column {bounded(', '.join(differing))} is not in it and in "
                    f"{files[0].name} alike; the files of one batch have the same columns"
                )
            yield from (batch.select(first.names) for batch in more)

    return Delivery(name, first, batches(), [file.to_json() for file in files], inferred)


def _held(file: LandingFile, read: Any, types: Declared) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Read a file, and refuse it when it was written meanwhile: half of it may be another file's."""
    if not file.size:
        raise Misconfigured(f"source {file.name}: the file is empty")
    try:
        schema, batches = read(file.open, types, file.name)
    except Misconfigured:
        file.refuse_if_written()
        raise

    def held() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Misconfigured:
            file.refuse_if_written()
            raise
        file.refuse_if_written()

    return schema, held()


def _format(name: str, chosen: str) -> str:
    """Give the format of a file, by its name unless it was chosen.

    :raises Misconfigured: when neither says one.
    """
    plain = name.removesuffix(".gz")
    kind = chosen or _SUFFIXES.get(plain.rpartition("/")[2].rpartition(".")[2].lower(), "")
    if kind not in _READERS:
        raise Misconfigured(
            f"source {name}: the format csv, jsonl or parquet was wanted, "
            f"found {bounded(repr(chosen), 100) if chosen else 'none that its name says; give file_format'}"
        )
    if kind == "parquet" and plain != name:
        raise Misconfigured(f"source {name}: Parquet is compressed inside; unpack the file")
    return kind


def _described(source: Mapping[str, Any], wanted: Declared) -> Delivery:
    keys = set(source)
    if "callable" in keys and keys <= {"callable", "arguments"}:
        return _called(source["callable"], source.get("arguments") or {}, wanted)
    if keys == {"conn_id", "table"}:
        return _queried(
            source["conn_id"], table_query(source["conn_id"], source["table"]), None, wanted, source["table"]
        )
    if {"conn_id", "sql"} <= keys <= {"conn_id", "sql", "parameters"}:
        return _queried(source["conn_id"], source["sql"], source.get("parameters"), wanted, "query")
    raise Misconfigured(
        f"source: conn_id with sql or table, or callable with arguments, was wanted, found {bounded(sorted(keys), 100)}"
    )


def _queried(conn_id: str, sql: str, parameters: Mapping[str, Any] | None, wanted: Declared, what: str) -> Delivery:
    name = f"{conn_id}:{what}"
    schema, batches = read_query(conn_id, sql, wanted, name, parameters)
    return Delivery(name, schema, batches)


def _called(function: Any, arguments: Mapping[str, Any], wanted: Declared) -> Delivery:
    name = function if isinstance(function, str) else f"{function.__module__}.{function.__qualname__}"
    return Delivery(name, *read_function(function, arguments, wanted, name))
