"""Parquet files by path, glob or URL, opened: on this machine or in a bucket."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xops.core.errors import Misconfigured, bounded
from xops.engines.files.objects import Ranges, answering, written

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_BUFFER = 1 << 16  # bytes of a column that are read ahead


class Opened:
    """One Parquet file; its footer is read once, and all of it as it was then.

    :param name: what it is called in errors.
    :param place: its path, or the store that it is in and its key there.

    ``stamp`` is what is another once a file on this machine was written again.
    """

    def __init__(self, name: str, place: str | tuple[ObjectStore, str]) -> None:
        self.name = name
        self.path = place if isinstance(place, str) else ""
        self._place = place
        self.stamp = _stamp(self.path) if self.path else ()
        self._meta: ObjectMeta | None = None  # of the object when it was first opened

    def _ranges(self, store: ObjectStore, key: str) -> Ranges:
        import obstore

        what = f"{self.name}: its rows could not be read"
        if self._meta is None:
            with answering(what):
                self._meta = obstore.head(store, key)
        return Ranges(store, key, what, size=self._meta["size"], etag=self._meta["e_tag"] or "")

    @cached_property
    def footer(self) -> pq.FileMetaData:
        """What the file says of itself.

        :raises Misconfigured: when it is not Parquet, or is cut short.
        """
        return self.read().metadata

    @cached_property
    def schema(self) -> pa.Schema:
        """The file's columns."""
        return self.footer.schema.to_arrow_schema()

    def batches(self, columns: Sequence[str], rows: int, *, dictionaries: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read some columns in batches of so many rows; of a file elsewhere a row group at a time is held, as it lies.

        :param dictionaries: see :meth:`read`.
        """
        texts = {field.name for field in self.schema if str(field.type) in ("string", "large_string")}
        with _steady() if (texts - set(dictionaries)).intersection(columns) else contextlib.nullcontext():
            file = self.read(dictionaries)
        every = range(self.footer.num_row_groups)
        with unwritten([self]):
            for groups in [list(every)] if self.path else [[group] for group in every]:
                yield from file.iter_batches(rows, groups, list(columns), use_threads=False)

    def peek(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Read some columns of one row group in batches of so many rows, and of a file elsewhere nothing ahead."""
        yield from self.read(ahead=False).iter_batches(rows, [group], list(columns), use_threads=False)

    def read(self, dictionaries: Sequence[str] = (), *, ahead: bool = True) -> pq.ParquetFile:
        """Open the file to be read.

        :param dictionaries: columns of texts that stay in their dictionaries.
        :param ahead: whether whole row groups of a file that is not on this machine are fetched before they are read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        here = isinstance(self._place, str)
        known = self.__dict__.get("footer")
        try:
            return pq.ParquetFile(
                self._place if here else pa.PythonFile(self._ranges(*self._place), mode="r"),
                metadata=known,
                read_dictionary=list(dictionaries) or None,
                buffer_size=_BUFFER if here or not ahead else 0,
                pre_buffer=ahead and not here,
            )
        except (OSError, pa.ArrowInvalid) as error:
            if isinstance(error, ConnectionError):
                raise
            raise Misconfigured(
                f"{self.name}: its rows could not be read; a whole Parquet file was wanted: {bounded(error)}"
            ) from error


@contextlib.contextmanager
def unwritten(files: Sequence[Opened]) -> Iterator[None]:
    """Refuse what was read of files on this machine when one was written since it was opened; an object cannot be.

    One that is gone says so itself when it is read.

    :raises Unavailable: when one was.
    """
    try:
        yield
    finally:
        for file in files:
            if file.path and _stamp(file.path) not in (file.stamp, ()):
                raise written(file.name)


def _stamp(path: str) -> tuple[int, ...]:
    """Give what is another once a file was written again; empty where there is none."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def _steady() -> Iterator[None]:
    """Let what is opened keep its memory from batch to batch.

    Arrow's own pool hands the pages of long texts back to the system and fetches them again: a third more CPU seconds.
    """
    import pyarrow as pa

    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def opened(paths: Sequence[str], store: ObjectStore | None = None) -> list[Opened]:
    """Open the files that paths, globs and URLs name.

    :param store: see :class:`~xops.engines.sources.ParquetFiles`.
    :raises Misconfigured: when one names none.
    """
    files: list[Opened] = []
    for path in paths:
        found = _in_store(path, store) if store or _is_remote(path) else [Opened(one, one) for one in _here(path)]
        if not found:
            raise Misconfigured(f"{path}: a Parquet file was wanted, there is none")
        files += found
    return files


def _is_remote(path: str) -> bool:
    return "://" in path and not path.startswith("file://")


def here(paths: str | Sequence[str]) -> list[str]:
    """Give the files that paths and globs name, where all of them are on this machine and are there; else nothing."""
    every = [
        [] if _is_remote(str(path)) else _here(str(path)) for path in ([paths] if isinstance(paths, str) else paths)
    ]
    return [one for found in every for one in found] if all(every) else []


def _here(path: str) -> list[str]:
    plain = path.removeprefix("file://")
    return [plain] if Path(plain).is_file() else sorted(glob.glob(plain, recursive=True))  # noqa: PTH207


def _in_store(path: str, store: ObjectStore | None) -> list[Opened]:
    import obstore

    key = path if store else urlsplit(path).path.lstrip("/")
    store = store or _bucket(path)
    fixed = key[: min([key.index(sign) for sign in "*?[" if sign in key], default=len(key))]
    if fixed == key or _is_there(path, store, key):
        return [Opened(path, (store, key))]
    with answering(path):
        pages = list(obstore.list(store, fixed.rpartition("/")[0] or None))
    keys = sorted(str(meta["path"]) for page in pages for meta in page)
    return [Opened(one, (store, one)) for one in keys if fnmatch.fnmatchcase(one, key)]


def _is_there(path: str, store: ObjectStore, key: str) -> bool:
    """Tell whether what looks like a pattern is the name of an object."""
    import obstore

    with answering(path), contextlib.suppress(FileNotFoundError):
        obstore.head(store, key)
        return True
    return False


def _bucket(url: str) -> Any:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    parts = urlsplit(url)
    try:
        return from_url(f"{parts.scheme}://{parts.netloc}")
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"{url}: a path, s3://, gs:// or az:// was wanted: {bounded(error)}") from error
