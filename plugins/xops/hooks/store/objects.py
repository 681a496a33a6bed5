"""Objects in a folder or a bucket: written whole or not at all, and created by one writer only."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from xops.core.strict_json import dumps
from xops.engines.files.objects import answering
from xops.hooks import settings
from xops.hooks.store.object_stores import open_store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator


class Objects:
    """Named byte strings under one prefix, on a local folder, S3, GCS or Azure.

    :param url: ``/folder``, ``file:///folder``, ``s3://conn_id@bucket/prefix``, ``gs://...``, ``az://...``. Empty
        for the default folder under AIRFLOW_HOME. The part before ``@`` names an Airflow connection.
    :param what: what the store is for, as an error names it.
    :raises Misconfigured: for a local folder where tasks run on more than one machine.
    """

    def __init__(self, url: str = "", what: str = "evidence store") -> None:
        self.url = url or str(settings.home() / "store")
        self.what = f"{what} {self.url}"
        self.store = open_store(self.url, what)

    @classmethod
    def configured(cls) -> Objects:
        """Open the store that ``[xops] store`` names."""
        return cls(settings.store_url())

    def put(self, path: str, content: bytes) -> None:
        """Write an object, over an earlier one if there is one."""
        import obstore

        with answering(self.what):
            obstore.put(self.store, path, content)

    def create(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one already; tell whether this call wrote it.

        Of any number of callers at once exactly one is told True. A caller whose answer was lost on the way is told
        False by its retry although it wrote: compare what is there with what was to be written.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with answering(self.what):
            try:
                obstore.put(self.store, path, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def get(self, path: str) -> bytes | None:
        """Give an object's content, or None when there is none."""
        import obstore

        with answering(self.what):
            try:
                return bytes(obstore.get(self.store, path).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def paths(self, prefix: str, *, after: str = "") -> list[str]:
        """Give the paths of all objects under ``prefix`` (whole segments, ending in a slash), sorted.

        :param after: only those that sort after this path; the others are not listed at all.
        """
        import obstore

        with answering(self.what):
            pages = obstore.list(self.store, prefix, offset=after or None)
            return sorted(str(meta["path"]) for page in pages for meta in page)

    def folders(self, prefix: str) -> list[str]:
        """Give the names one level below ``prefix`` (ending in a slash) that have objects below them, sorted."""
        import obstore

        with answering(self.what):
            found = obstore.list_with_delimiter(self.store, prefix)["common_prefixes"]
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def delete(self, path: str) -> None:
        """Remove an object; one that is not there is no error."""
        import obstore

        with answering(self.what), contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, path)

    def changed_since(self, prefix: str, since: dt.datetime) -> list[str]:
        """Give the paths of the objects under ``prefix`` that were written at ``since`` or later, sorted."""
        return [path for path, modified, _ in self.listed(prefix) if modified >= since]

    def listed(self, prefix: str) -> list[tuple[str, dt.datetime, str]]:
        """Give path, time of writing and content mark (an ETag) of all objects under ``prefix``, by path."""
        import obstore

        with answering(self.what):
            found = [meta for page in obstore.list(self.store, prefix) for meta in page]
        return sorted((str(meta["path"]), meta["last_modified"], str(meta["e_tag"])) for meta in found)

    def put_json(self, path: str, value: Any) -> None:
        """Write ``value`` as canonical strict JSON."""
        self.put(path, dumps(value))

    def create_json(self, path: str, value: Any) -> bool:
        """Write ``value`` as canonical strict JSON unless there is an object; tell whether this call wrote it."""
        return self.create(path, dumps(value))

    def get_json(self, path: str) -> Any:
        """Read an object as JSON; None when there is none."""
        content = self.get(path)
        return None if content is None else json.loads(content)

    def all_json(self, prefix: str, *, after: str = "") -> Iterator[Any]:
        """Read every JSON object under ``prefix``, in the order of their paths; see :meth:`paths`."""
        for path in self.paths(prefix, after=after):
            document = self.get_json(path)
            if document is not None:
                yield document
