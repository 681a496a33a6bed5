"""Make what the services of docker-compose.yaml expect to find: databases, buckets, the Iceberg catalog's tables.

The init service runs it at each start; what is there stays as it is, except passwords, which become those of `.env`.
"""

import os
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import psycopg2
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from psycopg2 import sql

from xops.hooks.iceberg.tables import IcebergHook

DATABASES = ("airflow", "mlflow", "iceberg")  # each with a role of its name
BUCKETS = ("xops", "mlflow")
S3 = os.environ.get("S3_ENDPOINT_URL", "http://seaweedfs:8333")
WRITERS = 16


def refuse_odd_passwords() -> None:
    """Stop at a password that would end the URL or the JSON document it is put into."""
    names = [name for name in os.environ if re.fullmatch(r"[A-Z0-9_]*(DB_PASSWORD|SECRET_KEY)", name)]
    odd = [name for name in names if not re.fullmatch(r"[A-Za-z0-9._~-]+", os.environ[name])]
    if odd:
        raise SystemExit(f"{', '.join(odd)}: letters, digits and ._~- were wanted; make another: openssl rand -hex 32")


def make_databases() -> None:
    """Make one role and one database of each name; nobody else may enter it."""
    host, port = os.environ.get("PGHOST", "postgres"), os.environ.get("PGPORT", "5432")
    server = psycopg2.connect(host=host, port=port, user="postgres", password=os.environ["POSTGRES_PASSWORD"])
    server.autocommit = True  # a database is not made inside a transaction
    with server.cursor() as cursor:
        for name in DATABASES:
            owner, password = sql.Identifier(name), sql.Literal(os.environ[f"{name.upper()}_DB_PASSWORD"])
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
            if not cursor.rowcount:
                cursor.execute(sql.SQL("CREATE ROLE {}").format(owner))
            cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(owner, password))
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if not cursor.rowcount:
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(owner))
    server.close()


def make_buckets() -> None:
    """Make the buckets, and wait until a first object can be written into each."""
    store = _client("admin")
    for bucket in BUCKETS:
        try:
            store.create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        _until_written(bucket)


def refuse_open_store() -> None:
    """Stop when the store answers without a key: then it read no identities, and lets everybody in."""
    nobody = boto3.client("s3", endpoint_url=S3, region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    for bucket in BUCKETS:
        try:
            nobody.list_objects_v2(Bucket=bucket)
        except ClientError:
            continue
        raise SystemExit(f"{S3}: bucket {bucket} was listed without a key; check the identities in docker-compose.yaml")


def refuse_racing_store() -> None:
    """Stop when two writers can create one object: promotions rest on there being one who can."""
    store = _client("xops", Config(retries={"total_max_attempts": 1}, max_pool_connections=WRITERS))
    key = f"probe/{uuid.uuid4()}"

    def created(_: int) -> bool:
        try:
            store.put_object(Bucket="xops", Key=key, Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                raise
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as writers:
        winners = sum(writers.map(created, range(WRITERS)))
    store.delete_object(Bucket="xops", Key=key)
    if winners != 1:
        raise SystemExit(f"{S3}: {winners} of {WRITERS} writers created one object, 1 was wanted; use a newer store")


def _client(identity: str, config: Config | None = None):  # noqa: ANN202 - boto3 makes the class when it is called
    secret = os.environ[f"S3_{identity.upper()}_SECRET_KEY"]
    return boto3.client(
        "s3",
        endpoint_url=S3,
        region_name="us-east-1",
        aws_access_key_id=identity,
        aws_secret_access_key=secret,
        config=config,
    )


def _until_written(bucket: str, *, seconds: float = 120) -> None:
    store, key, end = _client(bucket), f"probe/{uuid.uuid4()}", time.monotonic() + seconds
    while True:
        try:
            store.put_object(Bucket=bucket, Key=key, Body=b"xops")
        except (ClientError, BotoCoreError):
            if time.monotonic() > end:
                raise
            time.sleep(2)
        else:
            store.delete_object(Bucket=bucket, Key=key)
            return


if __name__ == "__main__":
    refuse_odd_passwords()
    make_databases()
    make_buckets()
    refuse_open_store()
    refuse_racing_store()
    _ = IcebergHook().catalog  # its tables are made at the first use, and several workers at once would collide
