"""Objects in a bucket or a folder: read by ranges of one version of them, and what goes wrong told apart."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable, bounded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

_RANGE = 8 << 20  # bytes of one request: on a slow line it still ends in time


@contextlib.contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn what the client raises into :class:`Misconfigured` or, when it is out of reach, :class:`Unavailable`.

    :param what: the store or the object, as an error names it.
    """
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except FileNotFoundError as error:
        raise Misconfigured(f"{what}: it does not exist ({bounded(error)})") from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise Misconfigured(f"{what}: access was refused ({bounded(error)}); check the connection it names") from error
    except ValueError as error:
        if "Could not parse path" not in str(error):
            raise
        raise Misconfigured(f"{what}: a name without empty or dotted parts was wanted ({bounded(error)})") from error
    except BaseError as error:
        if "NoSuchBucket" in str(error):
            raise Misconfigured(f"{what}: it does not exist ({bounded(error)})") from error
        raise Unavailable(f"{what}: {bounded(error)}") from error


def written(what: str) -> Unavailable:
    """Give the error for a file that is another now than when its reading began: the next try reads that one."""
    return Unavailable(
        f"{what}: the file was written while it was read, so none of it was taken; land a file under another "
        "name and rename it when it is whole"
    )


class Ranges(io.RawIOBase):
    """An object read by ranges, each of the same version of it.

    :param what: what errors call it.
    :param size: in bytes.
    :param etag: of the version; empty where its store has none.
    :raises Unavailable: on reading, when it was written meanwhile.
    """

    def __init__(self, store: ObjectStore, path: str, what: str, *, size: int, etag: str) -> None:
        super().__init__()
        self._store, self._path, self._what, self._size, self._etag = store, path, what, size, etag
        self._at = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Give the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place; give it."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, fewer only where the object ends."""
        end = self._size if size < 0 else min(self._at + size, self._size)
        return b"".join(iter(lambda: self._next(end), b""))

    def readinto(self, into: Any) -> int:
        """Read what one request gives."""
        content = self._next(min(self._at + len(into), self._size))
        into[: len(content)] = content
        return len(content)

    def _next(self, end: int) -> bytes:
        import obstore
        from obstore.exceptions import PreconditionError

        end = min(end, self._at + _RANGE)
        if end <= self._at:
            return b""
        options: Any = {"range": (self._at, end)} | ({"if_match": self._etag} if self._etag else {})
        with answering(self._what):
            try:
                content = bytes(obstore.get(self._store, self._path, options=options).bytes())
            except (PreconditionError, FileNotFoundError) as error:
                raise written(self._what) from error
        self._at += len(content)
        return content
