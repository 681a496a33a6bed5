"""Objects in a folder or a bucket: written whole or not at all, and created by one writer only."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.strict_json import dumps
from xops.hooks import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

_RETRIES: Any = {"max_retries": 2, "retry_timeout": dt.timedelta(seconds=30)}


class Objects:
    """Named byte strings under one prefix, on a local folder, S3, GCS or Azure.

    :param url: ``/folder``, ``file:///folder``, ``s3://conn_id@bucket/prefix``, ``gs://...``, ``az://...``. Empty
        for the default folder under AIRFLOW_HOME. The part before ``@`` names an Airflow connection.
    :raises Misconfigured: for a local folder where tasks run on more than one machine.
    """

    def __init__(self, url: str = "") -> None:
        self.url = url or str(settings.home() / "store")
        self._store = _open(self.url)

    @classmethod
    def configured(cls) -> Objects:
        """Open the store that ``[xops] store`` names."""
        return cls(settings.store_url())

    def put(self, path: str, content: bytes) -> None:
        """Write an object, over an earlier one if there is one."""
        import obstore

        with _answering(self.url):
            obstore.put(self._store, path, content)

    def create(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one already; tell whether this call wrote it.

        Of any number of callers at once exactly one is told True. A caller whose answer was lost on the way is told
        False by its retry although it wrote: compare what is there with what was to be written.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with _answering(self.url):
            try:
                obstore.put(self._store, path, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def get(self, path: str) -> bytes | None:
        """Give an object's content, or None when there is none."""
        import obstore

        with _answering(self.url):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def paths(self, prefix: str, *, after: str = "") -> list[str]:
        """Give the paths of all objects under ``prefix`` (whole segments, ending in a slash), sorted.

        :param after: only those that sort after this path; the others are not listed at all.
        """
        import obstore

        with _answering(self.url):
            pages = obstore.list(self._store, prefix, offset=after or None)
            return sorted(str(meta["path"]) for page in pages for meta in page)

    def delete(self, path: str) -> None:
        """Remove an object; one that is not there is no error."""
        import obstore

        with _answering(self.url), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, path)

    def changed_since(self, prefix: str, since: dt.datetime) -> list[str]:
        """Give the paths of the objects under ``prefix`` that were written at ``since`` or later, sorted."""
        return [path for path, modified, _ in self.listed(prefix) if modified >= since]

    def listed(self, prefix: str) -> list[tuple[str, dt.datetime, str]]:
        """Give path, time of writing and content mark (an ETag) of all objects under ``prefix``, by path."""
        import obstore

        with _answering(self.url):
            found = [meta for page in obstore.list(self._store, prefix) for meta in page]
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


class _answering:  # noqa: N801 - reads as a phrase: with _answering(url)
    """Turn what the client raises when the store is out of reach into :class:`Unavailable`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        if isinstance(error, FileNotFoundError) or "NoSuchBucket" in str(error):
            raise Misconfigured(f"evidence store {self.url}: it does not exist ({bounded(error)})") from error
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
            raise Misconfigured(
                f"evidence store {self.url}: access was refused ({bounded(error)}); check the connection it names"
            ) from error
        if isinstance(error, BaseError):
            raise Unavailable(f"evidence store {self.url}: {bounded(error)}") from error


def _open(url: str) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        if not settings.one_machine():
            raise Misconfigured(
                f"evidence store {url}: tasks run on more than one machine, which do not share this folder; "
                "set [xops] store (AIRFLOW__XOPS__STORE) to a bucket: s3://conn_id@bucket/prefix"
            )
        folder = Path(parts.path).expanduser()
        if not folder.is_absolute():
            raise Misconfigured(f"evidence store {url}: an absolute folder was wanted, found a relative one")
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder)
    if parts.username and parts.scheme != "s3":
        raise Misconfigured(
            f"evidence store {url}: a connection before the @ works for s3:// only; other stores take their "
            "credentials from the environment"
        )
    if parts.username:
        return _s3(parts.username, parts.hostname or "", parts.path.strip("/"))
    try:
        return from_url(url, retry_config=_RETRIES)
    except (BaseError, ValueError) as error:
        raise Misconfigured(
            f"evidence store {url}: a folder, s3://, gs:// or az:// was wanted: {bounded(error)}"
        ) from error


def _s3(conn_id: str, bucket: str, prefix: str) -> ObjectStore:
    """Open a bucket with the credentials of an Airflow AWS connection, as boto3 resolves them."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    hook = AwsBaseHook(aws_conn_id=conn_id, client_type="s3")
    try:
        BaseHook.get_connection(conn_id)  # the AWS hook falls back to the machine's own credentials without a word
        credentials = Boto3CredentialProvider(hook.get_session())
    except (AirflowNotFoundException, ValueError) as error:
        raise Misconfigured(
            f"evidence store s3://{conn_id}@{bucket}: Airflow connection {conn_id} (type aws) does not exist or has no "
            f"credentials: {bounded(error)}"
        ) from error
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    options: dict[str, Any] = {"region": hook.region_name or "us-east-1"}
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    return S3Store(
        bucket,
        prefix=prefix or None,
        credential_provider=credentials,
        client_options={"allow_http": bool(endpoint and endpoint.startswith("http:")), "timeout": "20s"},
        retry_config=_RETRIES,
        **options,
    )
