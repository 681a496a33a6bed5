"""A file that landed somewhere, held still: read as it was found, or not at all."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.store.object_stores import answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore

_READ_AHEAD = 1 << 20
_RANGE = 8 << 20  # bytes of one request: on a slow line it still ends in time


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A file as it was found.

    :param name: its address, without credentials.
    :param size: in bytes.
    :param digest: of its content: SHA-256, or the ETag of its store.
    :param stamp: what is another once the file was written again.
    :param stamped: gives the stamp of now.
    :param raw: opens it for reading and seeking.
    """

    name: str
    size: int
    digest: str
    stamp: object
    stamped: Callable[[], object]
    raw: Callable[[], IO[bytes]]

    def open(self) -> IO[bytes]:
        """Open it; what is called ``.gz`` is unpacked."""
        return _Gunzip(self.raw()) if self.name.endswith(".gz") else self.raw()

    def refuse_if_written(self) -> None:
        """Refuse what was read when the file was written meanwhile.

        :raises Unavailable: when it was: the next try reads what it is then.
        """
        try:
            now = self.stamped()
        except Misconfigured:
            now = "gone"
        if now != self.stamp:
            raise _written(self.name)

    def to_json(self) -> dict[str, Any]:
        """Give what the record keeps of it, as plain JSON."""
        return {"url": self.name, "bytes": self.size, "digest": self.digest}


class _Gunzip(gzip.GzipFile):
    """A gz file that closes the file it unpacks."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        super().__init__(fileobj=packed, mode="rb")

    def close(self) -> None:
        super().close()
        self._packed.close()


def _written(name: str) -> Unavailable:
    return Unavailable(
        f"source {name}: the file was written while it was read, so none of it was taken; land a file under another "
        "name and rename it when it is whole"
    )


def open_object(store: ObjectStore, path: str, *, name: str, size: int, etag: str) -> IO[bytes]:
    """Open an object for reading and seeking; each part is of the version that has this ETag.

    :raises Unavailable: on reading, when it was written meanwhile.
    """
    return io.BufferedReader(_Ranges(store, path, name, size, etag), _READ_AHEAD)


class _Ranges(io.RawIOBase):
    """An object read by ranges, each of the same version of it."""

    def __init__(self, store: ObjectStore, path: str, name: str, size: int, etag: str) -> None:
        self._store, self._path, self._name, self._size, self._etag = store, path, name, size, etag
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, into: Any) -> int:
        import obstore
        from obstore.exceptions import PreconditionError

        end = min(self._at + len(into), self._at + _RANGE, self._size)
        if end <= self._at:
            return 0
        options: Any = {"range": (self._at, end)} | ({"if_match": self._etag} if self._etag else {})
        with answering(f"source {self._name}"):
            try:
                content = obstore.get(self._store, self._path, options=options).bytes()
            except (PreconditionError, FileNotFoundError) as error:
                raise _written(self._name) from error
        into[: len(content)] = memoryview(content)
        self._at += len(content)
        return len(content)
