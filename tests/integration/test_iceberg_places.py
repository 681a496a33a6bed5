"""Iceberg tables whose catalog is a PostgreSQL and whose files are on S3, and places that run full or refuse a file."""

import json
import os
import resource
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from xops.core.dataset.writes import Write
from xops.core.errors import Unavailable
from xops.hooks.iceberg.tables import IcebergHook

pytestmark = pytest.mark.integration

TABLE = "shop.orders"
UPSERT = Write.of("upsert", ["id"])


@pytest.fixture
def bucket(moto):
    """Give a client of the S3 server, and a bucket of its own."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="lake")
    yield client
    for found in client.list_objects_v2(Bucket="lake").get("Contents", []):
        client.delete_object(Bucket="lake", Key=found["Key"])
    client.delete_bucket(Bucket="lake")


@pytest.fixture
def lake_at(postgres, bucket, monkeypatch):
    """Give a function that opens the catalog, with its files behind an S3 endpoint."""

    def open_lake(endpoint):
        extra = {"type": "sql", "warehouse": "s3://lake/warehouse", "s3.endpoint": endpoint, "s3.region": "us-east-1"}
        extra |= {"s3.access-key-id": "test", "s3.secret-access-key": "test"}
        host = postgres.replace("postgresql:", "postgresql+psycopg2:")
        connection = {"conn_type": "iceberg", "host": host, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_ICEBERG_DEFAULT", json.dumps(connection))
        return IcebergHook()

    return open_lake


def orders(*ids, amount=1.0):
    return pa.table({"id": pa.array(ids, pa.int64()), "amount": [amount] * len(ids)})


def seen(lake):
    return Counter(zip(*lake.rows(lake.published(TABLE), columns=["batch", "id"]).to_pydict().values(), strict=True))


def land(batch, ids):
    """Stage and publish a batch, as one of several at the same moment does."""
    lake = IcebergHook()
    return lake.publish(lake.stage(orders(*ids), table=TABLE, batch=batch, write=UPSERT)).rows


def test_batches_are_staged_split_released_and_rolled_back_on_postgresql_and_s3(lake_at, moto):
    lake = lake_at(moto)
    land("01", [1, 2])
    first = lake.published(TABLE)
    staged = lake.stage(orders(2, 3, 4), table=TABLE, batch="02", write=UPSERT)
    rows = lake.rows(staged, batches=["02"])
    fails = pc.equal(rows["id"], 4)
    lake.publish(lake.split(staged, passing=rows.filter(pc.invert(fails)), failing=rows.filter(fails)))
    assert seen(lake) == Counter([("01", 1), ("02", 2), ("02", 3)])
    (aside,) = lake.quarantined(TABLE)
    kept = lake.rows(aside, batches=["02"])
    lake.release(aside, passing=kept, failing=kept.slice(0, 0))
    assert seen(lake) == Counter([("01", 1), ("02", 2), ("02", 3), ("02", 4)])
    assert [version.rows for version in lake.roll_back(first)] == [3]
    assert seen(lake) == Counter([("01", 1), ("01", 2)])
    with ThreadPoolExecutor(2) as both:
        assert sum(both.map(land, ["03", "04"], [[1, 5], [5, 6]])) in (3, 4)
    assert seen(lake) == Counter([("01", 2), ("03", 1), ("04", 5), ("04", 6)])


def data_files(client):
    keys = [found["Key"] for found in client.list_objects_v2(Bucket="lake").get("Contents", [])]
    return [key for key in keys if key.endswith(".parquet")]


def test_a_store_that_refuses_a_file_is_unavailable_and_keeps_nothing_of_the_batch(lake_at, moto, bucket):
    lake = lake_at(moto)
    land("01", [1, 2])
    before, files = lake.published(TABLE), data_files(bucket)
    with lake.table(TABLE).transaction() as elsewhere:
        elsewhere.set_properties({"write.data.path": "s3://no-such-bucket/data"})
    with pytest.raises(Unavailable, match=r"Iceberg catalog iceberg_default: .*(NO_SUCH_BUCKET|NoSuchBucket)"):
        lake.stage(orders(3), table=TABLE, batch="02")
    assert (lake.published(TABLE), data_files(bucket)) == (before, files)
    assert list(lake.table(TABLE).refs()) == ["main"]
    with lake.table(TABLE).transaction() as back:
        back.remove_properties("write.data.path")
    land("02", [3])
    assert seen(lake) == Counter([("01", 1), ("01", 2), ("02", 3)])


def stage_where_files_stay_small(home):
    """Stage more rows than the disk takes; give what was said, and then stage fewer."""
    os.environ["AIRFLOW_HOME"] = str(home)
    lake = IcebergHook()
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    numbers = pa.array(pc.random(100_000, initializer=1))
    try:
        lake.stage(pa.table({"id": pa.array(range(100_000), pa.int64()), "amount": numbers}), table=TABLE, batch="02")
    except Unavailable as error:
        lake.publish(lake.stage(orders(9), table=TABLE, batch="02"))
        return str(error)
    return "staged"


def test_a_disk_that_is_full_leaves_main_and_the_folder_as_they_were(tmp_path, in_processes):
    lake = IcebergHook()
    lake.publish(lake.stage(orders(1), table=TABLE, batch="01"))
    (said,) = in_processes(stage_where_files_stay_small, [(tmp_path,)])
    assert "Iceberg catalog iceberg_default: " in said
    assert "File too large" in said
    assert seen(lake) == Counter([("01", 1), ("02", 9)])
    written = {str(path) for path in (tmp_path / "xops" / "warehouse").rglob("*.parquet")}
    assert {path.removeprefix("file://") for path in lake.files(lake.published(TABLE))} == written


def test_a_file_that_holds_other_than_its_schema_says_is_refused_before_it_is_staged(tmp_path):
    lake = IcebergHook()
    lake.publish(lake.stage(orders(1), table=TABLE, batch="01"))
    lying = pa.table({"id": pa.array([1]), "amount": pa.StringArray.from_buffers(
        1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")
    )})  # fmt: skip
    with pytest.raises(ValueError, match="amount is string, the table has double"):
        lake.stage(lying, table=TABLE, batch="02")
    assert seen(lake) == Counter([("01", 1)])
