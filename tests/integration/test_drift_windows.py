"""Profiles and drift over windows on a real table: no batch is read twice, and none for a window of known days."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.core.drift.batch_window import window
from xops.core.errors import Misconfigured, Unavailable
from xops.core.profile.binary import from_bytes
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.store.objects import Objects
from xops.hooks.store.profiles import ProfileStore
from xops.operators.drift import DriftCheckOperator
from xops.operators.profiling import ProfileOperator

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
TABLE = "nyc.flights"
DAYS = [f"2026-01-{day:02}" for day in range(1, 9)]
ROWS = 400


@pytest.fixture
def run():
    """Give a function that runs an operator as a task; what it returns is strict JSON."""

    def execute(operator):
        ti = SimpleNamespace(dag_id="d", run_id="r", task_id=operator.task_id, map_index=-1, xcom_push=lambda **_: None)
        answer = operator.execute({"ti": ti})
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer
        return answer

    return execute


def rows(day=0, *, shift=0.0, size=ROWS):
    random = np.random.default_rng(day)
    return pa.table(
        {
            "delay": pa.array(random.normal(shift, 1, size), mask=random.random(size) < 0.1),
            "seats": random.integers(50, 300, size),
            "origin": random.choice(["JFK", "EWR", "LGA"], size),
        }
    )


def publish(lake, batch, table=None):
    return lake.publish(lake.stage(rows(DAYS.index(batch)) if table is None else table, table=TABLE, batch=batch))


@pytest.fixture
def lake():
    """Give a catalog whose table has eight daily batches."""
    lake = IcebergHook()
    for batch in DAYS:
        publish(lake, batch)
    return lake


def profile(version=None, **changed):
    return ProfileOperator(task_id="profile", table=TABLE, version=version, **changed)


def check(**changed):
    given = {"features": TABLE, "reference": window("4 days"), "min_rows": 100, **changed}
    return DriftCheckOperator(task_id="drift", **given)


def outcomes(answer):
    return {(f["check"], f["subject"]): f["outcome"] for f in answer["verdict"]["findings"]}


def test_a_profile_is_kept_and_its_figures_are_told(run, lake, reads):
    answer = run(profile("2026-01-03"))
    assert set(reads) == {("2026-01-03",)}
    assert (answer["rows"], answer["batches"], answer["version"]["table"]) == (ROWS, ["2026-01-03"], TABLE)
    delay = rows(2)["delay"].drop_null().to_numpy()
    figures = answer["columns"]["delay"]
    assert figures["nulls"] == ROWS - len(delay)
    assert figures["mean"] == pytest.approx(delay.mean())
    assert "low" not in figures
    reads.clear()
    assert run(profile("2026-01-03")) == answer
    assert reads == []


def test_the_newest_batch_is_profiled_when_none_is_named(run, lake):
    assert run(profile())["batches"] == DAYS[-1:]
    assert run(profile(raw_values=True))["columns"]["seats"]["low"] >= 50


def test_windows_of_profiled_days_are_compared_without_a_row_read(run, lake, reads):
    for batch in DAYS:
        run(profile(batch))
    reads.clear()
    answer = run(check(current=window("4 days")))
    facts = answer["verdict"]["facts"]
    assert (facts["reference_batches"], facts["current_batches"]) == (DAYS[:4], DAYS[4:])
    assert answer["verdict"]["outcome"] == "pass"
    assert {f["size"] for f in answer["verdict"]["findings"] if f["subject"] == "delay"} == {4 * ROWS}
    assert answer["batch"] == DAYS[-1]
    assert run(profile(window("30 days")))["rows"] == 8 * ROWS
    assert reads == []


def test_each_batch_is_read_once_while_windows_move_on(run, lake, reads):
    run(check())
    first = list(reads)
    assert sorted(batches[0] for batches in first if len(batches) == 1) == DAYS[3:]
    reads.clear()
    publish(lake, "2026-01-08", rows(99))  # delivered again: another content
    run(check())
    assert reads == [("2026-01-08",)]
    reads.clear()
    lake.publish(lake.stage(rows(8), table=TABLE, batch="2026-01-09"))
    run(check())
    assert reads == [("2026-01-09",)]


def test_a_named_batch_as_reference_is_read_once_also_when_the_table_goes_on(run, lake, reads):
    assert run(check(reference="2026-01-01", current="2026-01-02"))["verdict"]["outcome"] == "pass"
    lake.publish(lake.stage(rows(8, shift=2.0), table=TABLE, batch="2026-01-09"))
    reads.clear()
    answer = run(check(reference="2026-01-01"))
    assert reads == [("2026-01-09",)]
    assert outcomes(answer)["wasserstein", "delay"] == "warn"
    assert answer["report"]
    assert "mean" in json.dumps(answer["verdict"]["facts"]["moved"]["delay"])


def test_any_version_can_be_a_side(run, lake, tmp_path):
    older = lake.published(TABLE)
    staged = lake.stage(rows(50, shift=3.0), table=TABLE, batch="2026-01-09")
    answer = run(check(reference=older.name, current=staged.to_json(), rules={"limits": {"number": 0.3}}))
    assert answer["verdict"]["facts"]["reference_batches"] == DAYS
    found = {f["subject"]: f for f in answer["verdict"]["findings"] if f["check"] in ("wasserstein", "jensenshannon")}
    assert (found["delay"]["outcome"], found["delay"]["limit"], found["origin"]["limit"]) == ("warn", 0.3, 0.1)
    assert run(check(reference=["2026-01-01", "2026-01-02"], current=["2026-01-03"]))["verdict"]["outcome"] == "pass"


def test_every_column_asked_for_has_a_finding(run, lake):
    answer = run(check(columns=["delay", "gone"], current="2026-01-08"))
    assert {f["subject"]: f["outcome"] for f in answer["verdict"]["findings"]} == {
        "delay": "pass", "gone": "unknown", "dataset": "pass",
    }  # fmt: skip
    answer = run(check(columns=["gone"], reference="2026-01-02"))
    assert answer["verdict"]["outcome"] == "unknown"


@pytest.mark.parametrize(
    ("sides", "why"),
    [
        ({"current": DAYS[0]}, "0 reference and 400 current rows"),
        ({"current": "2026-09-09"}, "1600 reference and 0 current rows"),
        ({"reference": "2026-09-09"}, "0 reference and 400 current rows"),
        ({"reference": "2026-09-09", "current": "2026-09-08"}, ""),
        ({"reference": DAYS[0], "min_rows": 500}, "400 reference and 400 current rows, at least 500"),
    ],
)
def test_a_side_without_rows_enough_is_unknown(run, lake, sides, why):
    answer = run(check(**sides))
    assert set(outcomes(answer).values()) == {"unknown"}
    assert why in json.dumps(answer)


def test_the_report_of_what_passes_is_drawn_when_asked_for_and_kept_in_the_workspace(run, lake, tmp_path, monkeypatch):
    from evidently.ui.workspace import Workspace

    assert run(check())["report"] is None
    assert run(check(always_report=True))["report"]
    monkeypatch.setenv("AIRFLOW__XOPS__EVIDENTLY_WORKSPACE", str(tmp_path / "evidently"))
    assert run(check())["report"] is None
    kept = Workspace(str(tmp_path / "evidently"))
    (project,) = kept.search_project(TABLE)
    assert len(kept.list_runs(project.id)) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reference": None}, "drift: a model or a reference was wanted, and not both"),
        ({"model": "flights"}, "drift: a model or a reference was wanted, and not both"),
        ({"features": "nyc.trains"}, "nyc.trains: nothing was published"),
        ({"reference": 7}, "a batch, a list of batches, a window or a version was wanted, found 7"),
        ({"reference": {"name": "x"}}, "a data version was wanted"),
        ({"reference": "nyc.flights@closed"}, "closed"),
        ({"reference": "nyc.flights@123"}, "this snapshot has expired or never was"),
        ({"rules": {"method": "psi"}}, "drift rules: "),
        ({"rules": {"limits": {"dealy": 0.2}}}, "drift rules: dealy: neither a column asked for nor a kind"),
        ({"max_share": 0}, "a max_share in (0, 1] was wanted, found 0"),
    ],
)
def test_what_cannot_be_compared_is_named(run, lake, changed, said):
    with pytest.raises(AirflowFailException) as failed:
        run(check(**changed))
    assert said in str(failed.value)


def test_names_without_a_time_make_no_window_of_days(run):
    lake = IcebergHook()
    for batch in ("first", "second"):
        lake.publish(lake.stage(rows(), table=TABLE, batch=batch))
    with pytest.raises(AirflowFailException, match="take a window of batches"):
        run(check())
    assert run(check(reference=window("1 batch")))["verdict"]["facts"]["reference_batches"] == ["first"]


def test_bins_that_the_table_has_outgrown_are_laid_anew(run):
    lake = IcebergHook()
    for place, batch in enumerate(DAYS[:4]):
        lake.publish(lake.stage(rows(place, shift=100.0 * (place > 0)), table=TABLE, batch=batch))
    run(profile(DAYS[0]))
    run(check(reference=window("2 days"), current=DAYS[3]))
    (path,) = Objects.configured().paths("profiles/pinned/")
    delay = next(column for column in Objects.configured().get_json(path)["columns"] if column["name"] == "delay")
    assert delay["grid"]["low"] > 50


def kept():
    return [path for path in Objects.configured().paths("profiles/") if "/pinned/" not in path]


def test_a_scan_that_fails_midway_leaves_no_profile(run, lake, monkeypatch):
    run(profile(DAYS[0]))
    before = kept()
    from xops.engines.duckdb_scan import DuckdbScan

    with monkeypatch.context() as patch:

        def cut_off(*_, **__):
            raise Unavailable("the bucket is gone")

        patch.setattr(DuckdbScan, "scan", cut_off)
        with pytest.raises(Unavailable):
            run(profile(DAYS[1]))
    assert kept() == before
    assert run(profile(DAYS[1]))["rows"] == ROWS


WRITER = """
import sys
import numpy as np, pyarrow as pa
from xops.hooks.store.objects import Objects
from xops.hooks.store.profiles import ProfileStore

store = ProfileStore(Objects(sys.argv[1]))
table = pa.table({f"x{place}": np.random.default_rng(place).normal(size=3000) for place in range(30)})
for place in range(10**6):
    store.reference(f"{sys.argv[2]}/{place}", table.column_names, lambda: table)
    print(place, flush=True)
"""


@pytest.mark.parametrize(
    "damage", [lambda kept: kept[:-9], lambda kept: kept[:900] + b"!!" + kept[902:], lambda _: b""]
)
def test_a_kept_profile_that_is_damaged_is_never_used_and_is_made_anew(damage, tmp_path):
    objects, rows = Objects(str(tmp_path)), pa.table({"x": [1.0, 2.0, 3.0]})
    store = ProfileStore(objects)
    whole = store.reference("v", ["x"], lambda: rows)
    (path,) = objects.paths("profiles/")
    objects.put(path, damage(objects.get(path)))
    with pytest.raises(Misconfigured, match="a kept profile was wanted"):
        store.get(path.removeprefix("profiles/").removesuffix(".profile"))
    assert store.reference("v", ["x"], lambda: rows) == whole
    assert store.reference("v", ["x"], pytest.fail) == whole


def test_a_kill_while_profiles_are_written_leaves_only_whole_ones(tmp_path):
    objects = Objects(str(tmp_path))
    for after in (0.0, 0.02, 0.05):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(after)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT / "plugins")},
        )
        assert writer.stdout.readline()
        time.sleep(after)
        writer.kill()
        writer.communicate()
    written = [from_bytes(objects.get(path)) for path in objects.paths("profiles/")]
    assert len(written) >= 3
    assert {profile.rows for profile in written} == {3000}
    assert {len(profile.columns) for profile in written} == {30}
