"""The sample flights and labels, their suites, and the way a month of flights is broken."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.integration

INCLUDE = Path(__file__).parents[2] / "include"
DATA, SUITES = INCLUDE / "data", INCLUDE / "suites"
MONTHS = [f"2013-{month:02}" for month in range(1, 13)]
IN_GX = ["2013-01", "2013-07", "2013-12"]  # the shortest flight is in July, the least weather in December
BROKEN = "2013-05"

SCHEMAS = {
    "flights": pa.schema(
        {
            "flight_id": pa.int64(),
            "day": pa.date32(),
            "weekday": pa.int32(),
            "sched_dep": pa.int32(),
            "sched_arr": pa.int32(),
            "carrier": pa.string(),
            "origin": pa.string(),
            "dest": pa.string(),
            "distance": pa.int32(),
            "temp": pa.float64(),
            "dewp": pa.float64(),
            "humid": pa.float64(),
            "wind_dir": pa.float64(),
            "wind_speed": pa.float64(),
            "wind_gust": pa.float64(),
            "precip": pa.float64(),
            "pressure": pa.float64(),
            "visib": pa.float64(),
        }
    ),
    "labels": pa.schema({"flight_id": pa.int64(), "late": pa.bool_()}),
}


def month_of(dataset, month):
    return pq.read_table(DATA / dataset / f"{month}.parquet")


def staged(table, batch):
    return table.append_column("batch", pa.array([batch] * table.num_rows))


def suite_of(dataset):
    return json.loads((SUITES / f"{dataset}.json").read_text())


@pytest.fixture(scope="module")
def broken():
    spec = importlib.util.spec_from_file_location("break_batch", DATA / "break_batch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.broken


@pytest.fixture(scope="module")
def failures():
    """Give what a table fails of a suite in Great Expectations, as (expectation, column, severity)."""
    import great_expectations as gx

    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("pandas")
    batches = source.add_dataframe_asset("sample").add_batch_definition_whole_dataframe("whole")

    def judge(table, dataset):
        suite = gx.ExpectationSuite(**suite_of(dataset))
        batch = batches.get_batch(batch_parameters={"dataframe": table.to_pandas()})
        results = batch.validate(suite, result_format="BOOLEAN_ONLY").to_json_dict()["results"]
        assert len(results) == len(suite.expectations)
        asked = [result["expectation_config"] for result in results if not result["success"]]
        return {(config["type"], config["kwargs"].get("column"), config["severity"]) for config in asked}

    return judge


def keeps(table, expectation):
    """Judge what the suites ask for with Arrow alone; ``mostly`` is granted to nulls only."""
    limits = expectation["kwargs"]
    values = table[limits["column"]] if "column" in limits else None
    match expectation["type"]:
        case "expect_table_columns_to_match_set":
            return set(table.column_names) == set(limits["column_set"])
        case "expect_table_row_count_to_be_between":
            return limits["min_value"] <= table.num_rows <= limits["max_value"]
        case "expect_column_values_to_not_be_null":
            return values.null_count <= (1 - limits.get("mostly", 1)) * len(values)
        case "expect_column_values_to_be_unique":
            return pc.count_distinct(values).as_py() == len(values)
        case "expect_column_values_to_be_in_set":
            return set(pc.unique(values).to_pylist()) <= set(limits["value_set"])
        case "expect_column_values_to_be_between":
            found = pc.min_max(values).as_py()
            return limits["min_value"] <= found["min"] and found["max"] <= limits["max_value"]
        case other:
            raise NotImplementedError(other)


@pytest.mark.parametrize("dataset", SCHEMAS)
def test_there_is_a_file_for_every_month_of_2013(dataset):
    assert sorted(path.stem for path in (DATA / dataset).iterdir()) == MONTHS


@pytest.mark.parametrize("dataset", SCHEMAS)
@pytest.mark.parametrize("month", MONTHS)
def test_a_file_has_the_promised_columns_and_no_metadata_of_its_writer(dataset, month):
    schema = pq.read_schema(DATA / dataset / f"{month}.parquet")
    assert schema.equals(SCHEMAS[dataset])
    assert schema.metadata is None


def test_all_files_together_are_smaller_than_8_mb():
    assert sum(path.stat().st_size for path in DATA.glob("*/*.parquet")) < 8_000_000


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_holds_its_own_days_in_the_order_of_flight_id(month):
    flights = month_of("flights", month)
    assert pc.unique(pc.strftime(flights["day"], format="%Y-%m")).to_pylist() == [month]
    assert flights["weekday"].to_pylist() == pc.day_of_week(flights["day"]).to_pylist()
    for table in (flights, month_of("labels", month)):
        assert pc.all(pc.greater(table["flight_id"][1:], table["flight_id"][:-1])).as_py()


def test_every_flight_of_the_year_has_its_own_flight_id():
    ids = pa.concat_tables(month_of("flights", month) for month in MONTHS)["flight_id"]
    assert sorted(ids.to_pylist()) == list(range(1, 336_777))


@pytest.mark.parametrize("month", MONTHS)
def test_every_label_belongs_to_a_flight_of_its_month_and_some_flights_have_none(month):
    flights, labels = month_of("flights", month)["flight_id"], month_of("labels", month)["flight_id"]
    assert pc.all(pc.is_in(labels, flights)).as_py()
    assert 0.9 * len(flights) < len(labels) < len(flights)


def test_the_readme_states_the_rows_of_every_month():
    stated = re.findall(r"^\| (2013-\d\d) \| ([\d,]+) \| ([\d,]+) \|", (DATA / "README.md").read_text(), re.MULTILINE)
    counted = [(month, *(f"{month_of(dataset, month).num_rows:,}" for dataset in SCHEMAS)) for month in MONTHS]
    assert stated == counted


@pytest.mark.parametrize("dataset", SCHEMAS)
def test_a_suite_is_the_json_that_great_expectations_writes(dataset):
    import great_expectations as gx

    assert gx.ExpectationSuite(**suite_of(dataset)).to_json_dict() == suite_of(dataset)


@pytest.mark.parametrize("month", IN_GX)
def test_a_real_month_of_flights_passes_its_suite(month, failures):
    assert failures(staged(month_of("flights", month), month), "flights") == set()


@pytest.mark.parametrize("month", sorted(set(MONTHS) - set(IN_GX)))
def test_a_month_of_flights_that_is_not_tried_in_great_expectations_keeps_the_same_limits(month):
    flights = staged(month_of("flights", month), month)
    assert [asked for asked in suite_of("flights")["expectations"] if not keeps(flights, asked)] == []


@pytest.mark.parametrize("month", MONTHS)
def test_a_real_month_of_labels_passes_its_suite(month, failures):
    assert failures(staged(month_of("labels", month), month), "labels") == set()


def test_a_broken_month_fails_for_the_faults_that_were_put_in_and_for_nothing_else(broken, failures):
    assert failures(staged(broken(month_of("flights", BROKEN)), BROKEN), "flights") == {
        ("expect_column_values_to_be_between", "distance", "critical"),
        ("expect_column_values_to_be_in_set", "carrier", "critical"),
        ("expect_column_values_to_be_unique", "flight_id", "critical"),
        ("expect_column_values_to_not_be_null", "temp", "critical"),
    }


def test_a_month_breaks_the_same_way_every_time_and_keeps_its_columns(broken):
    flights = month_of("flights", BROKEN)
    first, second = broken(flights), broken(flights)
    assert first.equals(second)
    assert first.schema.equals(flights.schema)


def test_breaking_a_month_doubles_one_whole_day(broken):
    flights = month_of("flights", BROKEN)
    added = broken(flights)[flights.num_rows :]
    (day,) = pc.unique(added["day"])
    assert added["flight_id"].equals(flights.filter(pc.equal(flights["day"], day))["flight_id"])
