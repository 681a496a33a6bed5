"""Waiting for data and models: answered in time, through outages, across restarts, and without blocking others."""

import asyncio
import contextlib
import datetime as dt
import importlib
import itertools
import json
import logging
import os
import threading
import time
from types import SimpleNamespace

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from xops.core.errors import Misconfigured, Unavailable
from xops.core.model.promotion import Entry, Kind
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.iceberg.versions import TableVersions
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.store.objects import Objects
from xops.sensors.datasets import DataVersionSensor, FreshnessSensor
from xops.sensors.models import ModelAliasSensor
from xops.triggers import asking as asking_module
from xops.triggers import watching
from xops.triggers.answers import AnswerTrigger
from xops.triggers.asking import Asking, answer_to
from xops.triggers.watching import DataVersionTrigger, FileTrigger, ModelAliasTrigger

pytestmark = pytest.mark.integration

TABLE = "nyc.flights"
CONTEXT = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)}
TRIGGERS = [
    FileTrigger(url="/landing", pattern="*.parquet", settled_seconds=0, poll_interval=1),
    DataVersionTrigger(table=TABLE, poll_interval=1),
    ModelAliasTrigger(model="delay", alias="shadow", poll_interval=1),
    AnswerTrigger(name="alias", arguments={"model": "delay"}, poll_interval=1),
]


@pytest.fixture
def lake():
    return IcebergHook()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Let an event count as stored after a moment; no test waits for Airflow's database."""
    monkeypatch.setattr(watching, "SETTLED", 0.05)


def publish(lake, batch):
    rows = pa.table({"id": pa.array(range(5), pa.int64())})
    return lake.publish(lake.stage(rows, table=TABLE, batch=batch))


def promote(model, version):
    def propose(log):
        return Entry(
            number=len(log) + 1, model=model, previous=log[-1].version if log else None, version=version,
            kind=Kind.PROMOTE, manifest="0" * 64, key=f"{len(log):032}", by="a test", reason="", at="2026-01-01",
        )  # fmt: skip

    return PromotionLog(model).append(f"{version:0>32}", 1, propose)


def again(trigger):
    """Give the trigger as another triggerer would make it: from what was serialised, by way of JSON."""
    path, arguments = json.loads(json.dumps(trigger.serialize(), allow_nan=False))
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)(**arguments)


async def events_of(trigger, wanted, *, meanwhile=None, within=8.0):
    """Run a trigger as the triggerer does until it fired so often, then once more for a while; give the payloads."""
    fired = []

    async def run():
        async for event in trigger.run():
            fired.append(event.payload)
            if meanwhile and len(fired) <= wanted:
                await asyncio.to_thread(meanwhile, len(fired))

    task = asyncio.create_task(run())
    for _ in range(round(within / 0.01)):
        if len(fired) >= wanted or task.done():
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return fired


def looked_once(trigger):
    """Run a watcher that finds nothing until it has kept that it did."""

    async def run():
        task = asyncio.create_task(anext(trigger.run()))
        for _ in range(400):
            if Objects.configured().paths("seen/"):
                break
            await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(run(), 20))


def fired(trigger, wanted, **more):
    return asyncio.run(events_of(trigger, wanted, **more))


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: type(trigger).__name__)
def test_a_trigger_is_made_again_from_what_it_serialises(trigger):
    from airflow.serialization.encoders import encode_trigger

    path, arguments = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__name__}"
    assert again(trigger).serialize() == (path, arguments)
    assert encode_trigger(trigger)["classpath"] == path


def test_a_watcher_is_an_assets_watcher():
    from airflow.sdk import Asset, AssetWatcher

    watcher = AssetWatcher(name="landing", trigger=FileTrigger(url="/landing"))
    assert Asset(name="landing", uri="x-files://landing", watchers=[watcher]).watchers == [watcher]


def test_each_version_is_announced_once_across_restarts_and_none_of_those_in_between_is_lost(lake):
    def watcher():
        return DataVersionTrigger(table=TABLE, poll_interval=0.1)

    looked_once(watcher())
    first, second = publish(lake, "1"), publish(lake, "2")
    assert [event["snapshot"] for event in fired(watcher(), 2)] == [first.snapshot, second.snapshot]
    assert fired(watcher(), 0) == []
    while_down = [publish(lake, batch).snapshot for batch in "345"]
    assert [event["snapshot"] for event in fired(again(watcher()), 3)] == while_down
    assert fired(watcher(), 0) == []


def test_a_watcher_that_begins_later_announces_the_newest_version_alone(lake):
    publish(lake, "1")
    newest = publish(lake, "2")
    watcher = DataVersionTrigger(table=TABLE, poll_interval=0.1)
    published = []

    def another(fired_so_far):
        if fired_so_far == 1:
            published.append(publish(lake, "3").snapshot)

    assert [event["snapshot"] for event in fired(watcher, 2, meanwhile=another)] == [newest.snapshot, *published]


def test_two_watchers_of_one_place_do_not_know_of_each_other(tmp_path):
    url = str(tmp_path / "landing")
    Objects(url).put("a.parquet", b"a")
    for pattern in ("*", "*.parquet"):
        watcher = FileTrigger(url=url, pattern=pattern, settled_seconds=0, poll_interval=0.1)
        assert [event["path"] for event in fired(watcher, 1)] == ["a.parquet"]
    slower = FileTrigger(url=url, settled_seconds=0, poll_interval=0.2)
    assert fired(slower, 0) == [], "how often it looks does not make it another watcher"


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_each_file_is_announced_once_and_anew_when_it_is_written_anew(tmp_path, moto, s3_at, place):
    s3_at(moto)
    url = str(tmp_path / "landing") if place == "folder" else f"s3://xops_s3@evidence/landing-{os.getpid()}"
    landing = Objects(url)
    landing.put("2026/01.parquet", b"january")
    landing.put("2026/01.csv", b"january")
    watcher = FileTrigger(url=url, pattern="*.parquet", settled_seconds=0, poll_interval=0.1)
    assert [event["path"] for event in fired(watcher, 1)] == ["2026/01.parquet"]
    assert fired(again(watcher), 0) == []
    landing.put("2026/02.parquet", b"february")
    landing.put("2026/01.parquet", b"january, corrected")
    assert sorted(event["url"] for event in fired(again(watcher), 2)) == [
        f"{url}/2026/01.parquet",
        f"{url}/2026/02.parquet",
    ]
    assert fired(again(watcher), 0) == []


def test_a_file_that_may_still_be_growing_waits(tmp_path):
    url = str(tmp_path / "landing")
    Objects(url).put("a.parquet", b"half")
    watcher = FileTrigger(url=url, settled_seconds=1.0, poll_interval=0.1)
    assert fired(watcher, 1, within=0.3) == []
    assert len(fired(watcher, 1)) == 1


def test_no_champion_is_left_out_however_fast_they_change():
    promote("delay", "1")
    watcher = ModelAliasTrigger(model="delay", poll_interval=0.1)
    assert [event["version"] for event in fired(watcher, 1)] == ["1"]
    for version in ("2", "3", "4"):
        promote("delay", version)
    assert [event["version"] for event in fired(again(watcher), 3)] == ["2", "3", "4"]
    assert fired(again(watcher), 0) == []


def test_an_alias_of_mlflow_is_announced_when_it_moves_and_when_it_moves_back(mlflow):
    mlflow.direct.create_registered_model("fares")
    for _ in "12":
        mlflow.direct.create_model_version("fares", "s3://nowhere/model")
    watcher = ModelAliasTrigger(model="fares", alias="shadow", poll_interval=0.1)
    looked_once(watcher)
    for version in ("1", "2", "1"):
        mlflow.direct.set_registered_model_alias("fares", "shadow", version)
        assert [event["version"] for event in fired(again(watcher), 1)] == [version]
    assert fired(again(watcher), 0) == []
    assert fired(ModelAliasTrigger(model="nobody", alias="shadow", poll_interval=0.1), 0) == []


def test_what_was_announced_in_the_last_moment_before_a_kill_comes_again_rather_than_never(lake, monkeypatch):
    monkeypatch.setattr(watching, "SETTLED", 60)
    version = publish(lake, "1")
    watcher = DataVersionTrigger(table=TABLE, poll_interval=60)
    assert [event["snapshot"] for event in fired(watcher, 1)] == [version.snapshot]
    assert [event["snapshot"] for event in fired(again(watcher), 1)] == [version.snapshot]


def test_an_outage_is_waited_out_ever_longer_and_said_once_a_try(caplog):
    moments, answers = [], iter([Unavailable("down"), Unavailable("down"), Unavailable("down"), "here"])

    def question():
        moments.append(time.monotonic())
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with caplog.at_level(logging.INFO, logger="xops.triggers.asking"):
        assert asyncio.run(Asking(question, name="flights", every=0.1).answer()) == "here"
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert all(gap >= wanted for gap, wanted in zip(gaps, (0.1, 0.2, 0.4), strict=True))
    assert [line for line in caplog.messages if "tr" in line] == [
        "flights: try 1 failed, the next is in 0.1 s: down",
        "flights: try 2 failed, the next is in 0.2 s: down",
        "flights: try 3 failed, the next is in 0.4 s: down",
        "flights: answered again after 3 failed tries",
    ]


def test_a_silent_service_blocks_nobody_and_is_not_asked_twice_at_once(monkeypatch):
    monkeypatch.setattr(asking_module, "LONGEST", 0.2)
    release, asked = threading.Event(), []

    def question():
        asked.append(1)
        release.wait(10)
        return "late"

    async def scene():
        late = asyncio.create_task(Asking(question, name="silent", every=0.05).answer())
        longest, last = 0.0, time.monotonic()
        for _ in range(60):
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        release.set()
        return longest, await late

    longest, answer = asyncio.run(scene())
    assert (answer, asked) == ("late", [1])
    assert longest < 0.2


def test_a_trigger_that_is_cancelled_ends_at_once_though_its_service_is_silent():
    release = threading.Event()

    async def scene():
        task = asyncio.create_task(Asking(lambda: release.wait(10), name="silent", every=1).answer())
        await asyncio.sleep(0.05)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(scene()) < 0.2
    release.set()


def test_a_watcher_lives_through_an_outage_of_its_store(lake, monkeypatch):
    version = publish(lake, "1")
    real, failing = Objects.get_json, [Unavailable("the store is down")] * 2

    def flaky(objects, path):
        if failing:
            raise failing.pop()
        return real(objects, path)

    monkeypatch.setattr(Objects, "get_json", flaky)
    assert [event["snapshot"] for event in fired(DataVersionTrigger(table=TABLE, poll_interval=0.05), 1)] == [
        version.snapshot
    ]


def deferred(sensor):
    """Run a sensor until it defers, and give its trigger as the triggerer gets it."""
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute(CONTEXT)
    assert caught.value.method_name == "resume"
    return again(caught.value.trigger)


def answered(sensor, *, meanwhile):
    """Run a sensor, its trigger, and the sensor again; ``meanwhile`` makes what it waits for."""
    trigger = deferred(sensor)
    assert fired(trigger, 1, within=0.3) == []
    meanwhile()
    (event,) = fired(trigger, 1)
    return sensor.resume(CONTEXT, event)


def test_a_sensor_waits_for_a_version_a_batch_a_tag_and_another_version(lake):
    given = {"task_id": "wait", "deferrable": True, "poke_interval": 0.1}
    first = answered(DataVersionSensor(version=TABLE, **given), meanwhile=lambda: publish(lake, "1"))
    assert DataVersionSensor(version=TABLE, **given).execute(CONTEXT) == first
    second = answered(DataVersionSensor(version=TABLE, after=first, **given), meanwhile=lambda: publish(lake, "2"))
    assert second["snapshot"] != first["snapshot"]
    third = answered(DataVersionSensor(version=TABLE, batch="3", **given), meanwhile=lambda: publish(lake, "3"))
    tagged = answered(
        DataVersionSensor(version=f"{TABLE}@closed", **given),
        meanwhile=lambda: TableVersions(lake).tag(TableVersions(lake).find(second), "closed"),
    )
    assert tagged["snapshot"] == second["snapshot"]
    assert third == DataVersionSensor(version=TABLE, **given).execute(CONTEXT)


def test_data_is_fresh_up_to_the_limit_and_not_beyond(lake, monkeypatch):
    sensor = FreshnessSensor(task_id="wait", table=TABLE, within_minutes=60, mode="reschedule")
    assert not sensor.poke(CONTEXT)
    version = publish(lake, "1")
    assert sensor.poke(CONTEXT).xcom_value["snapshot"] == version.snapshot
    shown = TableVersions(lake).shown_since(version)

    class Later(dt.datetime):
        by = dt.timedelta(minutes=60)

        @classmethod
        def now(cls, _zone=None):
            return shown + cls.by

    monkeypatch.setattr("xops.hooks.questions.dt.datetime", Later)
    assert sensor.poke(CONTEXT)
    Later.by = dt.timedelta(minutes=60, milliseconds=1)
    assert not sensor.poke(CONTEXT)


def test_a_sensor_waits_for_the_champion_of_the_log_and_for_an_alias_of_mlflow(mlflow):
    given = {"task_id": "wait", "deferrable": True, "poke_interval": 0.1}
    found = answered(ModelAliasSensor(model="delay", **given), meanwhile=lambda: promote("delay", "3"))
    assert found == {"model": "delay", "alias": "champion", "version": "3"}
    after = answered(ModelAliasSensor(model="delay", after="3", **given), meanwhile=lambda: promote("delay", "4"))
    assert after["version"] == "4"
    assert ModelAliasSensor(model="delay", alias="previous", **given).execute(CONTEXT)["version"] == "3"
    mlflow.direct.create_registered_model("tips")
    mlflow.direct.create_model_version("tips", "s3://nowhere/model")
    shadow = ModelAliasSensor(model="tips", alias="shadow", **given)
    found = answered(shadow, meanwhile=lambda: mlflow.direct.set_registered_model_alias("tips", "shadow", "1"))
    assert found["version"] == "1"


def test_a_sensor_whose_service_is_down_goes_on_waiting_and_ends_by_its_timeout(mlflow_down, caplog):
    mlflow_down()
    sensor = ModelAliasSensor(task_id="wait", model="delay", alias="shadow", poke_interval=0.05, timeout=0.2)
    with pytest.raises(AirflowSensorTimeout):
        sensor.execute(CONTEXT)


def test_a_poke_ends_after_ten_seconds_at_most(monkeypatch):
    assert asking_module.LONGEST == 10
    monkeypatch.setattr(asking_module, "LONGEST", 0.1)
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"flights: no answer for 0\.1 s"):
        answer_to(lambda: release.wait(10), "flights")
    assert time.monotonic() - began < 1
    release.set()


def test_a_question_that_no_waiting_would_answer_fails_the_sensor_at_once(lake):
    publish(lake, "1")
    with pytest.raises(AirflowFailException, match="has expired or never was"):
        DataVersionSensor(task_id="wait", version=f"{TABLE}@7").execute(CONTEXT)
    with pytest.raises(AirflowFailException, match="more than 0 was wanted"):
        FreshnessSensor(task_id="wait", table=TABLE, within_minutes=0).execute(CONTEXT)
    trigger = AnswerTrigger(name="nonsense", arguments={}, poll_interval=1)
    (event,) = fired(trigger, 1)
    with pytest.raises(AirflowFailException, match="one of version, freshness, "):
        DataVersionSensor(task_id="wait", version=TABLE).resume(CONTEXT, event)


def test_a_name_with_a_quote_is_no_model(mlflow):
    from xops.hooks.questions import mlflow_alias

    with contextlib.suppress(Misconfigured):
        assert mlflow_alias("o'brien", "shadow", "mlflow_default") is None
