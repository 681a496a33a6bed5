"""Evidently's report of a drift verdict: its own preset, drawn from profiles, in its own workspace and UI."""

import json
import os
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pyarrow as pa
import pytest

from xops.checks.drift_report import drawn, page, snapshot
from xops.core.drift.judge import compare
from xops.core.errors import Misconfigured, Unavailable
from xops.core.profile.profiles import ColumnProfile
from xops.engines.duckdb_scan import DuckdbScan
from xops.hooks.evidently_workspace import keep

pytestmark = pytest.mark.integration

KEYS = [f"{number:032x}" for number in (1, 2)]
NUMBERS, CATEGORIES = ["delay", "seats", "same"], ["late", "origin"]


def rows(moved):
    random, size = np.random.default_rng(1 + moved), 3000
    return pa.table(
        {
            "delay": random.normal(moved, 1, size),
            "seats": random.integers(50, 300, size) + 60 * moved,
            "same": random.normal(size=size),
            "late": pa.array(random.random(size) < 0.2 + 0.3 * moved),
            "origin": random.choice(["JFK", "EWR", "LGA"], size, p=[0.6, 0.2, 0.2] if moved else [0.3, 0.4, 0.3]),
        }
    )


@pytest.fixture(scope="module")
def sides():
    engine = DuckdbScan(rows(0), version="old")
    old = engine.scan(profile=engine.spec()).profile
    return old, DuckdbScan(rows(1), version="new").scan(profile=old.spec).profile


@pytest.fixture(scope="module")
def made(sides):
    drift = compare(*sides, [*NUMBERS, *CATEGORIES, "gone"])
    return snapshot(*sides, drift, max_share=0.5, name="nyc.flights/2026-01", facts={"outcome": "fail"})


@pytest.fixture(scope="module")
def theirs():
    """Give what Evidently's preset itself makes of the same rows."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    shape = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    frames = [rows(moved).to_pandas().astype({"late": str}) for moved in (1, 0)]
    return Report([DataDriftPreset()]).run(*(Dataset.from_pandas(frame, data_definition=shape) for frame in frames))


def test_the_page_has_the_tiles_and_the_table_of_evidentlys_preset(made, theirs):
    ours = json.loads(json.dumps([widget.dict() for widget in made._widgets], default=str))
    preset = json.loads(json.dumps([widget.dict() for widget in theirs._widgets], default=str))
    kinds = [(one["type"], one["title"]) for one in preset]
    assert [(one["type"], one["title"]) for one in ours[: len(kinds)]] == kinds
    table, wanted = (next(one for one in page if one["type"] == "big_table") for page in (ours, preset))
    assert table["params"]["columns"] == wanted["params"]["columns"]
    fields = ("column_name", "column_type", "stattest_name", "data_drift")
    found, known = ({row["column_name"]: row for row in one["params"]["data"]} for one in (table, wanted))
    for name, row in known.items():
        assert {field: found[name][field] for field in fields} == {field: row[field] for field in fields}
        assert found[name]["drift_score"] == pytest.approx(row["drift_score"], abs=1e-3)
        assert found[name]["details"]["parts"][-1]["title"] == row["details"]["parts"][-1]["title"]
    assert "the reference lacks this column" in json.dumps(ours[-1])


def test_names_and_categories_neither_end_the_script_that_they_are_written_into_nor_open_one(sides):
    evil = "</script><script>alert(1)</script><!--"
    names = pa.table({evil: [evil, "b"] * 300, "n": np.arange(600.0), "gone " + evil: [1] * 600})
    engine = DuckdbScan(names, version="v")
    profile = engine.scan(profile=engine.spec()).profile
    later = DuckdbScan(names.drop_columns(["gone " + evil]), version="v").scan(profile=profile.spec).profile
    drift = compare(profile, later, names.column_names)
    html = page(snapshot(profile, later, drift, max_share=0.5, facts={})).decode()
    assert "alert(1)" in html
    assert "</script><script>alert(1)" not in html
    assert "<script>alert(1)" not in html


def test_after_the_table_each_column_has_the_tile_of_evidentlys_summary(made):
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import ValueStats

    shape = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    frames = [rows(moved).to_pandas().astype({"late": str}) for moved in (1, 0)]
    report = Report([ValueStats(name) for name in (*NUMBERS, *CATEGORIES)])
    theirs = report.run(*(Dataset.from_pandas(frame, data_definition=shape) for frame in frames))
    known, told = (
        {one.params["header"]: one.params for one in page._widgets if one.type == "rich_data"}
        for page in (theirs, made)
    )
    assert set(known) == set(told) == {*NUMBERS, *CATEGORIES}
    for name, tile in known.items():
        ours, wanted = (
            {line["label"].lower(): line["values"] for line in one["metrics"]} for one in (told[name], tile)
        )
        assert {label.lower() for label in ours} == {label.lower() for label in wanted}, name
        for label, values in wanted.items():
            assert [text.lower() for text in ours[label]] == [text.lower() for text in values], (name, label)
        assert told[name]["metricsValuesHeaders"] == tile["metricsValuesHeaders"] == ["current", "reference"]
        assert [sum(trace["y"]) for trace in told[name]["graph"]["data"]] == pytest.approx([3000, 100, 3000, 100])
        assert told[name]["graph"]["layout"]["updatemenus"] == tile["graph"]["layout"]["updatemenus"]


def test_the_metrics_are_evidentlys_own_and_any_evidently_reads_them(made, theirs):
    from evidently.core.report import Snapshot

    again = Snapshot.loads(made.dumps())
    ours, known = (
        {one["metric_name"].split("(")[0] for one in made["metrics"]} for made in (again.dict(), theirs.dict())
    )
    assert ours == known == {"DriftedColumnsCount", "ValueDrift"}
    assert next(one for one in again.dict()["metrics"] if "Count" in one["metric_name"])["value"]["count"] == 4
    assert page(again).count(b"root_metric_") == page(made).count(b"root_metric_")


def test_drawing_takes_less_than_a_second_once_evidently_is_loaded(sides, made):
    drift, begun = compare(*sides, NUMBERS), time.process_time()
    page(snapshot(*sides, drift, max_share=0.5, facts={}))
    assert time.process_time() - begun < 1


def test_of_nothing_measured_nothing_is_drawn(sides):
    assert snapshot(*sides, compare(*sides, ["gone"]), max_share=0.5, facts={}) is None


@pytest.mark.parametrize("place", range(5))
def test_the_bars_hold_every_value_and_both_sides_the_same_places(sides, place):
    columns = [side.columns[place] for side in sides]
    old, new = drawn(*columns)
    assert old["x"] == new["x"]
    assert (sum(old["y"]), sum(new["y"])) == (columns[0].values, columns[1].values)
    assert len(old["y"]) <= 60
    far = DuckdbScan(pa.table({"delay": [-1e9, 1e9, 0.0]}), version="far").scan(profile=sides[0].spec).profile
    assert sum(drawn(columns[0], far.columns[0])[1]["y"]) == 3 if place == 0 else True


@pytest.mark.parametrize("far", [1e308, -1.7e308])
def test_values_so_far_away_that_their_sum_is_infinite_stand_at_the_last_bar(sides, far):
    old = sides[0]
    new = DuckdbScan(pa.table({"delay": [far] * 3000}), version="far").scan(profile=old.spec).profile
    first, second = drawn(old.column("delay"), new.column("delay"))
    assert (second["y"][-1 if far > 0 else 0], sum(second["y"])) == (3000, 3000)
    assert len(first["y"]) == len(second["y"]) <= 60
    assert page(snapshot(old, new, compare(old, new, ["delay"]), max_share=0.5, facts={}))


def test_a_column_without_bins_has_no_bar():
    empty = ColumnProfile(DuckdbScan(pa.table({"x": pa.nulls(3, pa.float64())}), version="v").spec().columns[0], 3, 3)
    assert drawn(empty, empty) == ({"x": [], "y": []}, {"x": [], "y": []})


@pytest.fixture(scope="module")
def service(tmp_path_factory, free_port, made):
    """Start Evidently's UI service on a folder with two snapshots, and give its address and the snapshots."""
    folder, port = tmp_path_factory.mktemp("workspace"), free_port()
    kept = [keep(made, project="flights in a folder", workspace=str(folder), key=key) for key in (*KEYS, KEYS[0])]
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(folder), "--port", str(port)]
    said = (folder / "said").open("wb")
    server = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | {"DO_NOT_TRACK": "1"})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                asked(f"{address}/api/version")
                break
            except OSError:
                assert server.poll() is None, (folder / "said").read_text()
                time.sleep(0.25)
        yield address, kept
    finally:
        server.terminate()
        server.wait(20)
        said.close()


def asked(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("name", ["flights in a folder", "flights at a service"])
def test_the_ui_shows_the_snapshots_of_a_workspace_each_once_however_often_it_was_kept(service, made, name):
    address, kept = service
    if name == "flights at a service":
        kept = [keep(made, project=name, workspace=address, key=key) for key in (*KEYS, KEYS[0])]
        kept = kept[1:]  # the first one's place was taken
    (project,) = [one for one in asked(f"{address}/api/projects") if one["name"] == name]
    shown = f"{address}/api/projects/{project['id']}"
    assert sorted(one["id"] for one in asked(f"{shown}/snapshots")) == sorted(set(kept))
    assert len(set(kept)) == len(KEYS)
    page_there = json.dumps(asked(f"{shown}/{kept[0]}/data"))
    assert "Drift is detected for 80.0% of columns (4 out of 5)." in page_there
    assert '"column_name": "delay"' in page_there


def test_a_workspace_that_does_not_answer_is_retried_and_one_that_cannot_be_is_a_mistake(made, free_port):
    with pytest.raises(Unavailable, match="Evidently workspace"):
        keep(made, project="x", workspace=f"http://127.0.0.1:{free_port()}", key=KEYS[0])
    with pytest.raises(Misconfigured, match="a folder or a URL"):
        keep(made, project="x", workspace="ftp://somewhere", key=KEYS[0])
