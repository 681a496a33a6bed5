"""Folders and buckets behind an address, opened by it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xops.core.errors import Misconfigured, bounded
from xops.hooks import settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

BOUNDS: dict[str, Any] = {
    "retry_config": {"max_retries": 2, "retry_timeout": dt.timedelta(seconds=30)},
    "client_options": {"timeout": "20s"},
}


def open_store(url: str, what: str) -> ObjectStore:
    """Open a folder, made where there is none, or the prefix of a bucket.

    :param url: ``/folder``, ``file:///folder``, ``s3://conn_id@bucket/prefix``, ``gs://...``, ``az://...``.
    :param what: what it is for, as an error names it.
    :raises Misconfigured: for a local folder where tasks run on more than one machine.
    """
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        if not settings.one_machine():
            raise Misconfigured(
                f"{what} {url}: tasks run on more than one machine, which do not share this folder; "
                f"{_A_BUCKET.get(what, 'name a bucket: s3://conn_id@bucket/prefix')}"
            )
        folder = Path(parts.path).expanduser()
        if not folder.is_absolute():
            raise Misconfigured(f"{what} {url}: an absolute folder was wanted, found a relative one")
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder)
    if parts.username and parts.scheme != "s3":
        raise Misconfigured(
            f"{what} {url}: a connection before the @ works for s3:// only; other stores take their "
            "credentials from the environment"
        )
    if parts.username:
        return open_s3(parts.username, parts.hostname or "", parts.path.strip("/"), what)
    plain = os.environ.get(f"{_CLOUDS.get(parts.scheme, '')}_ALLOW_HTTP", "").lower() == "true"
    client = BOUNDS["client_options"] | {"allow_http": plain}  # else these options would take the place of the wish
    try:
        return from_url(url, **BOUNDS | {"client_options": client})
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"{what} {url}: a folder, s3://, gs:// or az:// was wanted: {bounded(error)}") from error


_CLOUDS = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}  # as the variables of each begin
_A_BUCKET = {"evidence store": "set [xops] store (AIRFLOW__XOPS__STORE) to a bucket: s3://conn_id@bucket/prefix"}


def open_s3(conn_id: str, bucket: str, prefix: str, what: str) -> ObjectStore:
    """Open a bucket with the credentials of an Airflow AWS connection, as boto3 resolves them.

    :raises Misconfigured: when there is no such connection, or it has no credentials.
    """
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
            f"{what} s3://{conn_id}@{bucket}: Airflow connection {conn_id} (type aws) does not exist or has no "
            f"credentials: {bounded(error)}"
        ) from error
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    options: dict[str, Any] = {"region": hook.region_name or "us-east-1"}
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    client = BOUNDS["client_options"] | {"allow_http": bool(endpoint and endpoint.startswith("http:"))}
    return S3Store(
        bucket,
        prefix=prefix or None,
        credential_provider=credentials,
        **BOUNDS | {"client_options": client},
        **options,
    )
