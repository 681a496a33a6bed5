"""A file that landed somewhere, held still: read as it was found, or not at all."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.engines.files.objects import Ranges, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore

_READ_AHEAD = 1 << 20


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
            raise written(f"source {self.name}")

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


def open_object(store: ObjectStore, path: str, *, name: str, size: int, etag: str) -> IO[bytes]:
    """Open an object for reading and seeking; each part is of the version that has this ETag.

    :raises Unavailable: on reading, when it was written meanwhile.
    """
    return io.BufferedReader(Ranges(store, path, f"source {name}", size=size, etag=etag), _READ_AHEAD)
