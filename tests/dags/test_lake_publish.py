"""The lake example, run to its end against a real S3 server: good rows are read, bad ones wait, none is lost."""

import io
import json
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from xops.hooks.iceberg.tables import IcebergHook

pytestmark = [pytest.mark.dags, pytest.mark.timeout(600)]

INCLUDE = Path(__file__).parents[2] / "include"
TABLE, BAD = "lake.flights", 5


@pytest.fixture
def landing(monkeypatch):
    """Start an S3 server with the bucket ``landing``, reached by the connection ``aws_landing``."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url, login = f"http://{host}:{port}", {"login": "test", "password": "test"}
    connection = {"conn_type": "aws", **login, "extra": {"endpoint_url": url, "region_name": "us-east-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LANDING", json.dumps(connection))
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket="landing")
    yield client
    server.stop()


def month_with_bad_rows():
    """Give January's flights, of which the first few have flown less than nothing."""
    rows = pq.read_table(INCLUDE / "data" / "flights" / "2013-01.parquet")
    wrong = pa.array([place < BAD for place in range(rows.num_rows)])
    distance = pc.if_else(wrong, pa.scalar(-1, rows["distance"].type), rows["distance"])
    return rows.set_column(rows.column_names.index("distance"), "distance", distance)


def test_a_month_lands_without_its_bad_rows_and_these_when_they_pass(dag_bag, landing, tmp_path):
    month, content = month_with_bad_rows(), io.BytesIO()
    pq.write_table(month, content)
    landing.put_object(Bucket="landing", Key="flights/2013-01.parquet", Body=content.getvalue())

    def play(dag_id):
        done = dag_bag.dags[dag_id].test(run_conf={"batch": "2013-01"})
        return {ti.task_id: str(ti.state) for ti in done.get_task_instances()}

    def seen():
        return lake.rows(lake.published(TABLE))

    lake = IcebergHook()
    assert play("lake_publish") == {"stage": "success", "test": "success", "publish": "success"}
    assert seen().num_rows == month.num_rows - BAD
    assert pc.min(seen()["distance"]).as_py() > 0
    (aside,) = lake.quarantined(TABLE)
    assert lake.rows(aside)["flight_id"].to_pylist() == month["flight_id"].slice(0, BAD).to_pylist()

    assert play("lake_release") == {"release": "failed"}
    assert seen().num_rows == month.num_rows - BAD

    suite = json.loads((INCLUDE / "suites" / "flights.json").read_text())
    suite["expectations"] = [one for one in suite["expectations"] if one["kwargs"].get("column") != "distance"]
    (tmp_path / "today.json").write_text(json.dumps(suite))
    dag_bag.dags["lake_release"].task_dict["release"].suite = str(tmp_path / "today.json")
    assert play("lake_release") == {"release": "success"}
    assert sorted(seen()["flight_id"].to_pylist()) == sorted(month["flight_id"].to_pylist())
    assert play("lake_release") == {"release": "skipped"}
