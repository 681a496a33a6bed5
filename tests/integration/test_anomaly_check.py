"""The anomaly check on a real table with a month of batches."""

import datetime as dt
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.hooks.datasets import batch_history
from xops.hooks.datasets.store import store_of
from xops.hooks.iceberg.tables import IcebergHook
from xops.operators.anomalies import AnomalyCheckOperator
from xops.sensors.anomalies import AnomalySensor

pytestmark = pytest.mark.integration

TABLE = "shop.orders"
FIRST = dt.date(2026, 1, 5)


def orders(day, rows=400, shift=0.0, nulls=0.01, kinds=("book", "film", "game"), late=2.0):
    """Give a day of orders."""
    dice = np.random.default_rng(day)
    newest = dt.datetime.now(dt.UTC) - dt.timedelta(hours=late + dice.random())
    rows = int(rows * np.exp(dice.normal() * 0.05))
    amount = pa.array(dice.normal(50 + shift, 10, rows), mask=dice.random(rows) < nulls)
    at = pa.array([newest] * rows, pa.timestamp("us", "UTC"))
    return pa.table({"amount": amount, "kind": dice.choice(list(kinds), rows), "at": at})


def name(day):
    return (FIRST + dt.timedelta(days=day)).isoformat()


def staged(day, **different):
    return IcebergHook().stage(orders(day, **different), table=TABLE, batch=name(day))


def check(version, **arguments):
    check = AnomalyCheckOperator(task_id="anomalies", version=version.to_json(), time="at", **arguments)
    ti = SimpleNamespace(dag_id="shop", run_id="r", task_id="anomalies", map_index=None, xcom_push=lambda **_: 0)
    return json.loads(json.dumps(check.execute({"ti": ti}), allow_nan=False))["verdict"]


def found(verdict, outcome="fail"):
    return {
        (one["check"].partition("_0.")[0], one["subject"]) for one in verdict["findings"] if one["outcome"] == outcome
    }


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """Give the folder of a table that has 31 ordinary batches."""
    home = tmp_path_factory.mktemp("month")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xops.hooks.settings.home", lambda: home)
        for day in range(31):
            IcebergHook().publish(staged(day))
        yield home


@pytest.fixture
def table(month, monkeypatch):
    monkeypatch.setattr("xops.hooks.settings.home", lambda: month)


def test_an_ordinary_batch_passes_and_what_was_measured_is_measured_once(table, monkeypatch):
    version = staged(31)
    first = check(version)
    assert first["outcome"] == "pass"
    assert first["facts"]["batches"] == 31
    assert {("volume", "dataset"), ("lag", "dataset"), ("mean", "amount"), ("new_categories", "kind")} <= found(
        first, "pass"
    )

    def no_scan(*_):
        raise AssertionError("it was measured before")

    monkeypatch.setattr(batch_history.BatchHistory, "_measured", no_scan)
    again = check(version)
    assert again["findings"] == first["findings"]


@pytest.mark.parametrize(
    ("different", "what"),
    [
        ({"rows": 130}, ("volume", "dataset")),
        ({"shift": 10.0}, ("mean", "amount")),
        ({"nulls": 0.2}, ("null_share", "amount")),
        ({"kinds": ("book", "film")}, ("category_share", "kind")),
        ({"kinds": ("book", "film", "game", "toy")}, ("new_categories", "kind")),
        ({"late": 30.0}, ("lag", "dataset")),
    ],
)
def test_what_is_unusual_fails_on_its_first_day_with_a_sentence(table, different, what):
    version = staged(32, **different)
    verdict = check(version, gate="record")
    assert what in found(verdict)
    reasons = [one["reason"] for one in verdict["findings"] if one["outcome"] == "fail"]
    assert all("would not be unusual" in reason for reason in reasons)
    with pytest.raises(AirflowFailException, match=f"{what[0]}.* on {what[1]}"):
        check(version)


def test_no_value_of_the_data_is_in_the_evidence(table):
    said = json.dumps(check(staged(32, kinds=("book", "film", "game", "toy")), gate="record"))
    assert "film" not in said
    assert "toy" not in said


def test_a_batch_that_was_not_published_is_no_history(table):
    staged(33, rows=10)
    assert check(staged(34))["facts"]["batches"] == 31


def test_a_batch_that_comes_late_is_compared_with_those_before_it(table):
    verdict = check(staged(3), gate="record")
    assert verdict["outcome"] == "warn"
    assert "learning: 3 batches to compare with, 14 are needed" in verdict["findings"][0]["reason"]


def test_a_table_that_has_no_batch_yet_is_being_learnt(tmp_path, monkeypatch):
    monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path)
    verdict = check(staged(0))
    assert verdict["outcome"] == "warn"
    assert found(verdict, "warn") >= {("volume", "dataset"), ("mean", "amount")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"columns": ["price"]}, "no column price; it has amount"), ({"window": 5}, "a window of 14 batches at least")],
)
def test_what_cannot_be_measured_is_refused(table, arguments, said):
    with pytest.raises(AirflowFailException, match=said):
        check(staged(31), **arguments)


@pytest.fixture(params=["Iceberg", "folder", "SQL"])
def dataset(request, tmp_path, monkeypatch):
    """Give a dataset that is being learnt from three batches on, by its address."""
    monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path / "xops")
    monkeypatch.setattr("xops.core.anomaly.judge.LEARNING", 3)
    monkeypatch.setattr("xops.core.anomaly.surprise.LEARNING", 3)
    if request.param == "SQL":
        request.getfixturevalue("postgres")
    return {"Iceberg": TABLE, "folder": f"{tmp_path}/orders"}.get(request.param, "sql://postgres_default/shop.orders")


def test_the_sensor_waits_until_what_readers_see_of_the_newest_batch_is_ordinary(dataset):
    store = store_of(dataset, iceberg_conn_id="iceberg_default")

    def stage(day, **different):
        return store.stage(orders(day, **different), table=dataset, batch=name(day))

    sensor = AnomalySensor(task_id="ordinary", table=dataset, deferrable=False)
    assert not sensor.poke({})
    for day in range(4):
        store.publish(stage(day))
    assert not sensor.poke({})
    odd = stage(4, rows=40)
    found = check(odd, gate="record", columns=["amount"])
    assert found["outcome"] == "fail"
    assert {one["check"] for one in found["findings"]} >= {"volume", "lag"}
    store.publish(odd)
    assert not sensor.poke({})
    good = stage(4)
    assert check(good, columns=["amount"])["outcome"] != "fail"
    assert not sensor.poke({})  # it was found of a delivery that nobody sees
    store.publish(stage(5))
    store.publish(good)
    assert not sensor.poke({})
    newest = stage(5)
    assert check(newest, columns=["amount"])["outcome"] != "fail"
    store.publish(newest)
    assert sensor.poke({}).xcom_value["batch"] == name(5)
