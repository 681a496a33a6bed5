"""Where files land: their addresses, on a disk, in a bucket, or wherever fsspec reaches."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import re
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.engines.files.objects import answering
from xops.hooks.landing.file import LandingFile, open_object
from xops.hooks.store.object_stores import BOUNDS, open_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

_STORES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
_WILD = re.compile(r"[*?\[]")
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<conn>[^/@]*)@)?(?P<root>[^/]*)/?(?P<path>.*)", re.DOTALL)


def find(address: str) -> list[LandingFile]:
    """Find the files of an address, in the order of their names.

    :param address: a path, ``s3://conn_id@bucket/key``, or a URL that obstore or fsspec knows. ``*``, ``?`` and
        ``[...]`` stand for parts of one name, not for folders.
    :raises Misconfigured: when there is none, or it may not be read.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or parts["scheme"] == "file":
        found = _local(f"{parts['root']}/{parts['path']}" if parts else address)
    elif parts["scheme"] in _STORES:
        found = _stored(address, parts)
    else:
        found = _elsewhere(address)
    if not found:
        raise Misconfigured(f"source {shown(address)}: no such file")
    return found


def shown(address: str) -> str:
    """Give an address without what may be a secret: a URL's query, and what stands before an ``@`` after a colon."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        return address
    if parts["scheme"] in ("http", "https"):
        return f"{parts['scheme']}://{parts['root']}/{parts['path'].partition('?')[0]}"
    conn = (parts["conn"] or "").partition(":")[0]
    return f"{parts['scheme']}://{conn}{'@' if conn else ''}{parts['root']}/{parts['path']}"


def _local(pattern: str) -> list[LandingFile]:
    path = str(Path(pattern).expanduser())
    names = [path] if Path(path).exists() or not _WILD.search(path) else sorted(glob.glob(path))  # noqa: PTH207 - an absolute pattern
    return [_local_file(name) for name in names]


def _local_file(name: str) -> LandingFile:
    """Look at a file, and take its digest: a folder keeps none for it."""
    stamp = _local_stamp(name)
    with _local_open(name) as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return LandingFile(name, stamp[2], digest, stamp, partial(_local_stamp, name), partial(_local_open, name))


def _local_stamp(name: str) -> tuple[int, int, int]:
    try:
        found = Path(name).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Misconfigured(f"source {name}: no such file") from error
    except PermissionError as error:
        raise Misconfigured(f"source {name}: permission to read it was denied") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def _local_open(name: str) -> IO[bytes]:
    try:
        return Path(name).open("rb")
    except FileNotFoundError as error:
        raise Misconfigured(f"source {name}: no such file") from error
    except PermissionError as error:
        raise Misconfigured(f"source {name}: permission to read it was denied") from error
    except IsADirectoryError as error:
        raise Misconfigured(f"source {name}: a file was wanted, this is a folder; name its files: {name}/*") from error


def _stored(address: str, parts: re.Match[str]) -> list[LandingFile]:
    """Find objects of a bucket."""
    where, path = f"{parts['scheme']}://{parts['conn'] + '@' if parts['conn'] else ''}{parts['root']}", parts["path"]
    if parts["conn"] and parts["scheme"] == "s3":
        store = open_s3(parts["conn"], parts["root"], "", "source")
    else:
        store = _by_url(where, address)
    if not _WILD.search(path):
        return [_object(store, path, shown(address))]
    return [_object(store, name, f"{where}/{name}") for name in _matching(store, path, shown(address))]


def _by_url(root: str, address: str) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        return from_url(root, **BOUNDS)
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"source {shown(address)}: it cannot be opened: {bounded(error)}") from error


def _matching(store: ObjectStore, pattern: str, name: str) -> list[str]:
    import obstore

    wanted = pattern.split("/")
    fixed = pattern[: _WILD.search(pattern).start()].rpartition("/")[0]  # type: ignore[union-attr]
    with answering(f"source {name}"):
        listed = [str(meta["path"]) for page in obstore.list(store, fixed or None) for meta in page]
    return sorted(path for path in listed if _matches(path.split("/"), wanted))


def _matches(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _object(store: ObjectStore, path: str, name: str) -> LandingFile:
    size, etag, modified = stamp = _object_stamp(store, path, name)
    digest = f"etag:{etag.strip(chr(34))}" if etag else f"modified:{modified}"
    return LandingFile(
        name,
        size,
        digest,
        stamp,
        partial(_object_stamp, store, path, name),
        partial(open_object, store, path, name=name, size=size, etag=etag),
    )


def _object_stamp(store: ObjectStore, path: str, name: str) -> tuple[int, str, str]:
    import obstore

    with answering(f"source {name}"):
        try:
            meta = obstore.head(store, path)
        except FileNotFoundError as error:
            raise Misconfigured(f"source {name}: no such file") from error
    return int(meta["size"]), str(meta["e_tag"] or ""), meta["last_modified"].isoformat()


def _elsewhere(address: str) -> list[LandingFile]:
    """Find files of a file system that fsspec knows; where a connection is before the ``@``, as Airflow opens it."""
    import fsspec
    from airflow.sdk import ObjectStoragePath

    name = shown(address)
    try:
        if "@" in address.partition("://")[2].partition("/")[0]:
            path = ObjectStoragePath(address)
            system, place = path.fs, path.path
        else:
            system, place = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise Misconfigured(f"source {name}: it cannot be opened: {_without_query(error)}") from None
    places = [place] if not _WILD.search(name) or _there(system, place, name) else sorted(system.glob(place))
    return [
        _fsspec_file(system, one, name if one == place else f"{address.partition('://')[0]}://{one.lstrip('/')}")
        for one in places
    ]


def _there(system: Any, place: str, name: str) -> bool:
    with _answering(name):
        return bool(system.exists(place))


def _fsspec_file(system: Any, place: str, name: str) -> LandingFile:
    size, stamp = look = _fsspec_stamp(system, place, name)
    stamped = partial(_fsspec_stamp, system, place, name)
    return LandingFile(name, size, stamp, look, stamped, partial(_fsspec_open, system, place, name))


def _fsspec_stamp(system: Any, place: str, name: str) -> tuple[int, str]:
    system.invalidate_cache()
    with _answering(name):
        found = system.info(place)
        etag = next((str(found[key]) for key in ("ETag", "etag", "md5") if found.get(key)), "")
        return int(found.get("size") or 0), f"etag:{etag.strip(chr(34))}" if etag else f"ukey:{system.ukey(place)}"


def _fsspec_open(system: Any, place: str, name: str) -> IO[bytes]:
    with _answering(name):
        return system.open(place, "rb", cache_type="readahead")


@contextlib.contextmanager
def _answering(name: str) -> Iterator[None]:
    from aiohttp import ClientError

    try:
        yield
    except FileNotFoundError as error:  # what fsspec says of a server that does not answer too
        cause = error.__cause__
        if isinstance(cause, (ClientError, TimeoutError)) and getattr(cause, "status", 500) >= 500:  # noqa: PLR2004
            raise Unavailable(f"source {name}: {_without_query(cause)}") from None
        raise Misconfigured(f"source {name}: no such file") from None
    except PermissionError:
        raise Misconfigured(f"source {name}: permission to read it was denied") from None
    except (OSError, ClientError) as error:
        raise Unavailable(f"source {name}: {_without_query(error)}") from None


def _without_query(error: Exception) -> str:
    return bounded(re.sub(r"\?[^\s'\"]*", "", f"{type(error).__name__}: {error}"))
