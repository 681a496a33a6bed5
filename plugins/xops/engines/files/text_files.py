"""Text on its way to a parser: held to be UTF-8, with the byte at which it is not."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from typing import IO

from xops.core.errors import Misconfigured

BLOCK = 8 << 20  # bytes that are parsed at a time; a row may not be longer

Opens = Callable[[], IO[bytes]]


class Utf8(io.RawIOBase):
    """A file of text that is refused at its first byte that is no UTF-8.

    :param file: the bytes.
    :param name: what the file is called in an error.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._before = 0  # bytes read before this chunk, less those of a character that it completes
        self.quotes = 0

    def readable(self) -> bool:
        """Tell that it is read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give at most ``size`` bytes.

        :raises Misconfigured: when they are no UTF-8.
        """
        try:
            content = self._file.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Misconfigured(f"source {self._name}: the gz file is cut off or damaged ({error})") from error
        pending = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise Misconfigured(
                f"source {self._name}: byte {self._before - pending + error.start} is no UTF-8 ({error.reason}); "
                "save the file as UTF-8"
            ) from None  # the error holds the text
        self._before += len(content)
        self.quotes += content.count(b'"')
        return content

    def close(self) -> None:
        """Close the file as well."""
        self._file.close()
        super().close()
