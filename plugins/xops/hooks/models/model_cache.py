"""Model directories on this machine, by the digest of their manifest: what was fetched once is not fetched again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured
from xops.hooks import settings
from xops.hooks.models.model_files import manifest_digest, refuse_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST = 10 * 2**30  # bytes of all entries; beyond it those go that were not asked for longest
OLDEST = 30 * 24 * 3600.0  # seconds since an entry was asked for last
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HALF = "half-"  # what an entry is called until it is whole


class ModelCache:
    """A folder of model directories, each under the digest of its manifest, which is computed anew at every use.

    An entry is fetched beside, compared, and put in place by one renaming; so a process that is killed leaves nothing
    or a half entry that nobody reads. Of processes that fetch at once one puts its copy in place. Entries go only while
    nobody on this machine reads or fetches any. Where the folder cannot be written, each use fetches for itself.

    :param folder: where they lie; ``models`` in the folder of xops under AIRFLOW_HOME when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings.home() / "models"

    @contextlib.contextmanager
    def directory(self, manifest: str, name: str, fetch: Callable[[Path], Path]) -> Iterator[Path]:
        """Give the directory with a manifest, fetched where it is not there or no longer whole.

        :param manifest: its digest, 64 hexadecimal digits.
        :param name: the model version, for the message.
        :param fetch: fetches it into an empty folder, and gives where it lies.
        :raises Misconfigured: when what was fetched has another digest, or the manifest is none; nothing is kept then.
        """
        if not _DIGEST.fullmatch(manifest):  # it is the name of a folder, and anybody may write a version's tags
            raise Misconfigured(f"{name}: 64 hexadecimal digits were wanted as manifest, found {manifest!r:.100}")
        if not self._writable():
            with tempfile.TemporaryDirectory(prefix="xops-model-") as scratch:
                files = fetch(Path(scratch))
                refuse_changed(name, manifest, manifest_digest(files))
                yield files
            return
        entry, fetched = self.folder / manifest, False
        with self._lock(fcntl.LOCK_SH):
            if not entry.is_dir() or manifest_digest(entry) != manifest:
                self._fetch(entry, name, fetch)
                fetched = True
            os.utime(entry)
            yield entry
        if fetched:
            self.sweep()

    def sweep(self, *, dry_run: bool = False) -> list[str]:
        """Drop what is too old, what is beyond the size, and what a killed process left half; give the names.

        While anybody reads or fetches an entry nothing is dropped; the next sweep does it.
        """
        if not self.folder.is_dir() or not self._writable():
            return []
        try:
            with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                names = self._surplus(time.time())
                for name in () if dry_run else names:
                    shutil.rmtree(self.folder / name, ignore_errors=True)
        except BlockingIOError:
            return []
        return names

    def _writable(self) -> bool:
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.access(self.folder, os.W_OK)

    def _fetch(self, entry: Path, name: str, fetch: Callable[[Path], Path]) -> None:
        with tempfile.TemporaryDirectory(prefix=_HALF, dir=self.folder) as half:
            (place := Path(half) / "fetched").mkdir()
            files = fetch(place)
            refuse_changed(name, entry.name, manifest_digest(files))
            with self._lock(fcntl.LOCK_EX, ".placing"):
                if entry.is_dir() and manifest_digest(entry) != entry.name:
                    entry.rename(Path(half) / "spoilt")
                if not entry.exists():
                    files.rename(entry)

    def _surplus(self, now: float) -> list[str]:
        """Give the entries to drop, the lately used ones first."""
        entries = sorted((path for path in self.folder.iterdir() if path.is_dir()), key=_used, reverse=True)
        room, surplus = LARGEST, []
        for path in entries:
            room -= sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            if room < 0 or path.name.startswith(_HALF) or now - _used(path) > OLDEST:
                surplus.append(path.name)
        return surplus

    @contextlib.contextmanager
    def _lock(self, kind: int, name: str = ".reading") -> Iterator[None]:
        with (self.folder / name).open("w") as lock:
            fcntl.flock(lock, kind)
            yield


def _used(path: Path) -> float:
    return path.stat().st_mtime
