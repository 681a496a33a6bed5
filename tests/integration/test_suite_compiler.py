"""Each expectation on Great Expectations and on ours, field by field."""

import datetime as dt
import decimal
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xops.checks import expectation_suite
from xops.checks.expectation_suite import validate
from xops.core.errors import Misconfigured
from xops.core.suite.compiler import PLANNED
from xops.core.suite.plan import columns_of
from xops.core.suite.queries import QUERY
from xops.engines import duckdb_query, duckdb_scan, one_select
from xops.engines.one_select import decide, examine
from xops.engines.sources import ArrowRows, ParquetFiles

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CASES = {path.stem: json.loads(path.read_text()) for path in (ROOT / "tests/cases/expectations").glob("*.json")}
D, NAN, INF = decimal.Decimal, math.nan, math.inf
DAYS = [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1), dt.date(2022, 1, 1), dt.date(2021, 1, 1)]
MOMENTS = [dt.datetime(2020, 1, 1, 12), None, dt.datetime(2021, 1, 1), dt.datetime(2022, 1, 1, 1, 2, 3, 4)]  # noqa: DTZ001

# The kind of cases each column is tried on, its type and its values.
COLUMNS = {
    "whole": ("number", pa.int64(), [1, 2, 2, 4]),
    "whole_and_nulls": ("number", pa.int64(), [1, None, 2, 4, 4]),
    "small": ("number", pa.int8(), [1, 2, 3, 3]),
    "unsigned": ("number", pa.uint64(), [1, 2, 3, 2**63]),
    "real": ("number", pa.float64(), [1.5, 2.0, 0.1, 2.0, 1.0, 4.0]),
    "real_and_nan": ("number", pa.float64(), [1.5, NAN, None, 2.0, -0.0, 0.0]),
    "infinite": ("number", pa.float64(), [1.0, INF, 2.0, -INF, INF]),
    "huge": ("number", pa.float64(), [1e300, -1e300, 2.0, 1e308, 1e308]),
    "single": ("number", pa.float32(), [0.1, 2.0, None, 4.0]),
    "constant": ("number", pa.float64(), [2.0, 2.0, 2.0]),
    "one_number": ("number", pa.float64(), [2.0]),
    "all_nan": ("number", pa.float64(), [NAN, None]),
    "no_number": ("number", pa.float64(), []),
    "no_whole": ("number", pa.int64(), []),
    "all_null_whole": ("number", pa.int64(), [None, None]),
    "text": ("text", pa.string(), ["a", "b", "a", "c"]),
    "text_and_nulls": ("text", pa.string(), ["a", None, "ü", "it's", "1", "b\n", "", "日本 x", "٣", "e\u0301"]),
    "large_text": ("text", pa.large_string(), ["a", "b", None]),
    "dictionary": ("text", pa.dictionary(pa.int32(), pa.string()), ["a", "b", None, "a"]),
    "one_text": ("text", pa.string(), ["a"]),
    "no_text": ("text", pa.string(), []),
    "all_null_text": ("text", pa.string(), [None, None]),
    "flag": ("boolean", pa.bool_(), [True, False, True]),
    "flag_and_nulls": ("boolean", pa.bool_(), [True, None, False, True]),
    "all_true": ("boolean", pa.bool_(), [True, True]),
    "no_flag": ("boolean", pa.bool_(), []),
    "day": ("moment", pa.date32(), DAYS),
    "moment": ("moment", pa.timestamp("us"), MOMENTS),
    "fine_moment": ("moment", pa.timestamp("ns"), MOMENTS),
    "zoned": ("moment", pa.timestamp("us", "Europe/Berlin"), MOMENTS),
    "no_day": ("moment", pa.date32(), []),
    "money": ("number", pa.decimal128(8, 2), [D("1.00"), D("2.50"), D("2.50"), D("4")]),
    "money_and_nulls": ("number", pa.decimal128(8, 2), [D("1.00"), None, D("4")]),
    "nothing": ("any", pa.null(), [None, None]),
    "bytes": ("any", pa.binary(), [b"a", None, b"b"]),
    "lists": ("any", pa.list_(pa.int64()), [[1], None, [2]]),
    "hour": ("any", pa.time64("us"), [dt.time(1), None, dt.time(2)]),
    '"; drop table x; --': ("number", pa.int64(), [1, 2, 3]),
    "<script>": ("text", pa.string(), ["a", "b"]),
    "é '` \\": ("text", pa.string(), ["a", None]),
}
RECORDS = {
    "mixed": {
        "i": pa.array([1, 2, None, 3, None, 1]), "j": pa.array([1, 2, None, 2, 4, 1]),
        "f": pa.array([1.0, 2.5, None, 0.5, NAN, 1.0]), "s": pa.array(["a", None, None, "b", "a", "a"]),
        "t": pa.array(["a", "b", None, "a", None, "a"]),
        "d": pa.array([DAYS[0], DAYS[2], None, None, DAYS[3], DAYS[0]], pa.date32()),
        "e": pa.array([DAYS[2], DAYS[0], None, DAYS[2], DAYS[3], None], pa.date32()),
    },
    "whole": {
        "i": pa.array([1, 2, 3]), "j": pa.array([2, 1, 3]), "f": pa.array([1.5, 2.0, 3.0]),
        "s": pa.array(["a", "b", "c"]),
        "t": pa.array(["a", "c", "b"]), "d": pa.array([DAYS[0], DAYS[2], DAYS[2]]),
        "e": pa.array([DAYS[2], DAYS[0], DAYS[2]]),
    },
    "empty": {
        "i": pa.array([], pa.int64()), "j": pa.array([], pa.int64()), "f": pa.array([], pa.float64()),
        "s": pa.array([], pa.string()), "t": pa.array([], pa.string()), "d": pa.array([], pa.date32()),
        "e": pa.array([], pa.date32()),
    },
}  # fmt: skip


def in_gx(rows, asked):
    return expectation_suite.validate_in_gx(rows, {"name": "both", "expectations": asked}, asked)


def close(ours, theirs):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(close(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, (int, float)):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)
    return ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)


def raised(entry):
    """Give what an entry says of an exception: ours has one, Great Expectations' one for each metric."""
    info = entry["exception_info"]
    nested = [info] if "raised_exception" in info else list(info.values())
    messages = [one["exception_message"] if isinstance(one, dict) else str(one) for one in nested]
    return (
        messages[0] if any(one.get("raised_exception") if isinstance(one, dict) else True for one in nested) else None
    )


def differences(ours, theirs):
    """Give the fields that two entries differ in."""
    if raised(theirs) is not None or raised(ours) is not None:
        return {} if raised(theirs) == raised(ours) else {"exception": (raised(ours), raised(theirs))}
    for entry in (ours, theirs):  # they write conditions as objects, and leave out an argument that is its default
        for argument in ("row_condition", "condition_parser", "allow_relative_error"):
            entry["expectation_config"]["kwargs"].pop(argument, None)
    fields = {name: (ours[name], theirs[name]) for name in ("success", "result", "meta", "expectation_config")}
    return {name: pair for name, pair in fields.items() if not close(*pair)}


def compare(rows, asked):
    """Give, for what we decide ourselves, where it differs from Great Expectations; and how much that was."""
    ours = decide(rows, {"name": "both", "expectations": asked})
    decided = [place for place, entry in enumerate(ours) if entry is not None]
    theirs = in_gx(rows, [asked[place] for place in decided])
    found = [(asked[place], differences(ours[place], entry)) for place, entry in zip(decided, theirs, strict=True)]
    return [(expectation, differing) for expectation, differing in found if differing], len(decided)


def of_column(name, kind):
    """Give the cases of a kind on a column, in two suites: with two quantiles Great Expectations mixes them up."""
    cases = CASES["any"] + (CASES[kind] if kind != "any" else [])
    asked = [json.loads(json.dumps(case).replace('"$column"', json.dumps(name))) for case in cases]
    second = [case for case in asked if "allow_relative_error" in case["kwargs"]]
    return [case for case in asked if case not in second], second[:1]


def known(differing):
    """Give the section of docs/gx-differences.md that is about this difference; None when there is none."""
    _, theirs = differing.get("exception", (None, ""))
    sections = {
        "Cannot compare Timestamp with datetime.date": "Bounds that are dates",
        "Invalid comparison between dtype=datetime64[ns] and date": "Bounds that are dates",
        "float() argument must be a string or a real number, not 'NoneType'": "Decimals with nulls",
    }
    return next((section for message, section in sections.items() if theirs and theirs.startswith(message)), None)


def rounded_in_32_bits(asked, differing):
    """Tell the difference that docs/gx-differences.md has under "Floats of 32 bits"."""
    if asked["kwargs"].get("column") != "g" or set(differing) != {"result"}:
        return False
    ours, theirs = (result["observed_value"] for result in differing["result"])
    return theirs in ("Infinity", "-Infinity") or math.isclose(ours, theirs, rel_tol=2e-7)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_judged_as_great_expectations_judges_it(name):
    kind, of_type, values = COLUMNS[name]
    rows = pa.table({"other": pa.array(range(len(values)), pa.int64()), name: pa.array(values, of_type)})
    first, second = of_column(name, kind)
    for asked in (first, second):
        found, decided = compare(rows, asked)
        unknown = [(one, fields) for one, fields in found if not known(fields)]
        if kind == "number" and pa.types.is_decimal(of_type):  # its types alone: see "Decimals become floats"
            alone = [one for one, _ in unknown if "type" in one["type"]]
            unknown = [pair for pair in unknown if pair[0] not in alone] + [
                pair for one in alone for pair in compare(rows, [one])[0]
            ]
        assert unknown == []
        assert decided or len(asked) <= 1


@pytest.mark.parametrize("cases", ["records", "table", "conditions"])
@pytest.mark.parametrize("name", RECORDS)
def test_a_table_is_judged_as_great_expectations_judges_it(name, cases):
    found, decided = compare(pa.table(RECORDS[name]), CASES[cases])
    assert found == []
    assert decided > 0.9 * len(CASES[cases])


QUARTERS = st.integers(-4000, 4000).map(lambda quarter: quarter / 4)
CELLS = {
    "i": (pa.int64(), st.integers(-5, 5) | st.integers(-(10**9), 10**9), "number"),
    "j": (pa.int64(), st.integers(-5, 5), "number"),
    "f": (pa.float64(), QUARTERS | st.sampled_from([NAN, INF, -INF, -0.0, 1e200, 5e-324]), "number"),
    "s": (pa.string(), st.sampled_from(["a", "b", "ü", ""]) | st.text(max_size=3), "text"),
    "t": (pa.string(), st.sampled_from(["a", "b"]), "text"),
    "b": (pa.bool_(), st.booleans(), "boolean"),
    "d": (pa.date32(), st.dates(dt.date(2019, 1, 1), dt.date(2023, 1, 1)), "moment"),
    "e": (pa.date32(), st.dates(dt.date(2019, 1, 1), dt.date(2023, 1, 1)), "moment"),
}
TIMES = st.datetimes(dt.datetime(2019, 1, 1), dt.datetime(2023, 1, 1))  # noqa: DTZ001
CELLS |= {
    "g": (pa.float32(), st.floats(width=32, allow_subnormal=False) | st.sampled_from([1.0, 2.0]), "number"),
    "k": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["a", "b", "ü"]), "text"),
    "m": (pa.timestamp("us"), TIMES, "moment"),
    "z": (pa.timestamp("us", "Europe/Berlin"), TIMES, "moment"),
    "p": (pa.decimal128(9, 2), st.decimals(-999, 999, places=2), "any"),  # other cases change decimals in place
}


@st.composite
def tables_and_suites(draw):
    size = draw(st.integers(0, 8))
    cell = {name: draw(st.sampled_from([values, st.none() | values])) for name, (_, values, _) in CELLS.items()}
    columns = {
        name: pa.array(draw(st.lists(cell[name], min_size=size, max_size=size)), of_type)
        for name, (of_type, _, _) in CELLS.items()
    }
    cases = [case for name, (_, _, kind) in CELLS.items() for case in of_column(name, kind)[0]]
    cases += CASES["records"] + CASES["conditions"]
    return pa.table(columns), draw(st.lists(st.sampled_from(cases), min_size=12, max_size=12))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(tables_and_suites())
def test_any_table_is_judged_as_great_expectations_judges_it(both):
    rows, asked = both
    asked = list({json.dumps(one): one for one in asked}.values())
    found = [(one, fields) for one, fields in compare(rows, asked)[0] if not known(fields)]
    assert [(one, fields) for one, fields in found if not rounded_in_32_bits(one, fields)] == []


@pytest.mark.parametrize("dataset", ["flights", "labels"])
@pytest.mark.parametrize("month", ["2013-01", "2013-07", "2013-12"])
def test_the_sample_months_are_judged_as_great_expectations_judges_them(dataset, month):
    path = ROOT / "include/data" / dataset / f"{month}.parquet"
    rows = pq.read_table(path)
    suite = json.loads((ROOT / "include/suites" / f"{dataset}.json").read_text())["expectations"]
    found, decided = compare(rows.append_column("batch", pa.array([month] * len(rows))), suite)
    assert (found, decided) == ([], len(suite))


def test_a_broken_month_is_judged_as_great_expectations_judges_it():
    spec = importlib.util.spec_from_file_location("break_batch", ROOT / "include/data/break_batch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = module.broken(pq.read_table(ROOT / "include/data/flights/2013-05.parquet"))
    rows = rows.append_column("batch", pa.array(["2013-05"] * len(rows)))
    suite = json.loads((ROOT / "include/suites/flights.json").read_text())["expectations"]
    found, decided = compare(rows, suite)
    assert (found, decided) == ([], len(suite))
    failed = [
        one["type"]
        for one, entry in zip(suite, validate(rows, {"expectations": suite}), strict=True)
        if not entry["success"]
    ]
    assert failed == [
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_be_between",
        "expect_column_values_to_not_be_null",
    ]


def test_a_parquet_file_is_judged_as_the_table_that_it_holds(tmp_path):
    rows = pa.table({**RECORDS["mixed"], "A": RECORDS["mixed"]["i"], "a": RECORDS["mixed"]["j"]})
    asked = CASES["records"] + CASES["conditions"] + [
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": name, "max_value": 3}} for name in "Aa"
    ]  # fmt: skip
    pq.write_table(rows.slice(0, 2), tmp_path / "it's 1.parquet")
    pq.write_table(rows.slice(2), tmp_path / "it's 2.parquet")
    files = sorted(map(str, tmp_path.iterdir()))
    suite = {"name": "both", "expectations": asked}
    assert decide(files, suite, memory_limit="500MB") == decide(rows, suite)
    assert validate(files, suite) == validate(rows, suite)


@pytest.fixture
def statements(monkeypatch):
    made, statement = [], duckdb_query.statement
    for module in (duckdb_scan, one_select):
        monkeypatch.setattr(
            module, "statement", lambda *given, **named: made.append(statement(*given, **named)) or made[-1]
        )
    return made


def test_everything_is_measured_in_one_statement_with_one_scan(tmp_path, statements):
    import duckdb

    rows = pa.table(RECORDS["whole"])
    pq.write_table(rows, tmp_path / "rows.parquet")
    asked = [
        case for cases in (of_column("i", "number")[0], of_column("t", "text")[0], CASES["records"]) for case in cases
    ]
    for source, scan in ((rows, "ARROW_SCAN"), ([str(tmp_path / "rows.parquet")], "READ_PARQUET")):
        statements.clear()
        assert sum(entry is not None for entry in decide(source, {"expectations": asked})) > 100
        (statement,) = statements
        with duckdb.connect() as connection:
            connection.execute("SET disabled_optimizers = 'distinct_aggregate_rewrite'")
            connection.register("one_read", rows.rename_columns([f"r{place}" for place in range(len(rows.schema))]))
            plan = connection.execute("EXPLAIN " + statement).fetchall()[0][1]
        assert len(re.findall(scan, plan)) == 1, plan


@pytest.mark.parametrize("as_file", [True, False])
def test_tests_profile_and_schema_are_answered_by_one_reading(as_file, tmp_path, statements, monkeypatch):
    rows = pa.table(RECORDS["whole"])
    pq.write_table(rows, tmp_path / "rows.parquet")
    given = [str(tmp_path / "rows.parquet")] if as_file else rows
    suite = {"expectations": [*of_column("i", "number")[0], *CASES["records"]]}
    spec = duckdb_scan.DuckdbScan(given, version="v").spec()
    wanted = decide(given, suite), duckdb_scan.DuckdbScan(given, version="v").scan(profile=spec).profile
    read, batches = [], (ParquetFiles if as_file else ArrowRows).batches
    monkeypatch.setattr(
        ParquetFiles if as_file else ArrowRows, "batches", lambda *asked: read.append(asked) or batches(*asked)
    )
    statements.clear()
    found = examine(given, suite, spec, version="v")
    assert (found.entries, found.profile) == wanted
    assert list(found.types) == rows.column_names
    assert (len(read), len(statements)) == (1, 1)
    assert "FROM one_read" in statements[0]
    assert examine(given, {"expectations": []}, None, version="v").profile is None


def test_what_footers_state_is_not_measured(tmp_path, statements):
    rows = pa.table({"i": [1, 2, None], "x": [1.5, math.nan, 3.0], "s": ["a", None, "b"]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    one = {"min_value": 1, "max_value": 2}
    asked = [
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "i"}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "i", **one}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "i", **one}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "s"}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "x", **one}},
    ]
    given = [str(tmp_path / "rows.parquet")]
    assert decide(given, {"expectations": asked[:5]}) == decide(rows, {"expectations": asked[:5]})
    assert len(statements) == 1  # of the table
    assert decide(given, {"expectations": asked}) == decide(rows, {"expectations": asked})
    beyond = [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "i", "min_value": 2}}]
    assert decide(given, {"expectations": beyond}) == decide(rows, {"expectations": beyond})


def test_several_columns_are_not_compared_where_one_of_them_never_repeats(statements):
    asked = [
        {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["a", "b"]}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}},
    ]
    for a, times in (([1, 2, 3], 1), ([1, 1, 3], 3), ([1, 2, None], 1), ([1, None, None], 2)):
        statements.clear()
        rows = pa.table({"a": a, "b": [5, 5, 6]})
        assert compare(rows, asked) == ([], 2)
        assert len(statements) == times
        assert "DISTINCT hash(c0, c1)" not in statements[0]


def test_only_where_values_repeat_a_second_statement_counts_their_rows(statements):
    asked = [{"type": "expect_column_values_to_be_unique", "kwargs": {"column": name}} for name in ("i", "s")]
    decide(pa.table(RECORDS["whole"]), {"expectations": asked})
    assert len(statements) == 1
    (first, second) = decide(pa.table({**RECORDS["mixed"], "s": list("abcdef")}), {"expectations": asked})
    assert (first["result"]["unexpected_count"], second["result"]["unexpected_count"]) == (2, 0)
    assert len(statements) == 3
    assert "c3" not in statements[-1].split("SELECT (SELECT")[1]


def test_a_suite_that_compiles_imports_neither_great_expectations_nor_pandas():
    code = """
import json, sys, pyarrow as pa
from xops.checks.expectation_suite import read_suite, validate
import pyarrow.parquet as pq
rows = pq.ParquetFile("include/data/flights/2013-01.parquet").read()  # read_table itself imports pandas
found = validate(rows.append_column("batch", rows["carrier"]), read_suite("include/suites/flights.json"))
heavy = [name for name in ("great_expectations", "pandas", "sqlglot") if name in sys.modules]
print(json.dumps([all(entry["success"] for entry in found), heavy]))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, []]


@pytest.mark.parametrize("name", ['"; drop table x; --', "'; drop table x; --", "r0", "c0", "batch", "\n", "SELECT"])
def test_no_name_of_a_column_reaches_sql(name):
    rows = pa.table({name: [1, 2, 3], "other": ["a", "b", "c"]})
    asked = [{"type": "expect_column_max_to_be_between", "kwargs": {"column": name, "max_value": 3}}]
    (entry,) = decide(rows, {"expectations": asked})
    assert entry["success"]
    projected = [column.projection for column in columns_of([(name, "int64")])]
    assert duckdb_query.statement({"greatest": "max(c0)"}, projected, rows="one_read", places=[0]) == (
        "WITH batch AS NOT MATERIALIZED (SELECT source.r0, r0 AS c0 FROM one_read AS source(r0)) "
        "SELECT max(c0) AS m0 FROM batch"
    )


def test_values_of_a_suite_are_quoted():
    rows = pa.table({"s": ["it's", "\\", '"']})
    asked = [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "s", "value_set": ["it's", "\\", '"']}},
        {"type": "expect_column_values_to_not_be_in_set", "kwargs": {"column": "s", "value_set": ["') OR TRUE --"]}},
    ]
    assert [entry["success"] for entry in decide(rows, {"expectations": asked})] == [True, True]
    assert compare(rows, asked) == ([], 2)


def test_a_moment_between_two_microseconds_is_left_to_great_expectations():
    asked = [
        {
            "type": f"expect_column_{end}_to_be_between",
            "kwargs": {"column": "at", f"{end}_value": "2020-01-01T00:00:00"},
        }
        for end in ("min", "max")
    ]
    moments = [1_577_836_800_000_000_001, 1_577_836_800_000_000_001]
    for late, decided in ((0, 2), (1, 1)):
        rows = pa.table({"at": pa.array([moments[0] - 1, moments[1] - 1 + late], pa.timestamp("ns"))})
        assert compare(rows, asked) == ([], decided)
        assert [entry["success"] for entry in validate(rows, {"expectations": asked})] == [True, not late]


def test_text_with_a_nul_is_not_the_text_before_it():
    asked = [{"type": "expect_column_unique_value_count_to_be_between", "kwargs": {"column": "s", "min_value": 3}}]
    rows = pa.table({"s": ["a\0b", "a", "b"]})
    (ours,), (theirs,) = validate(rows, {"expectations": asked}), in_gx(rows, asked)
    assert (ours["result"]["observed_value"], theirs["result"]["observed_value"]) == (3, 2)


@pytest.mark.parametrize(("value", "rounded"), [(3.4e38, "Infinity"), (15621.0, 15621.0009765625)])
def test_single_floats_are_written_as_they_are_and_not_rounded_in_their_32_bits(value, rounded):
    asked = [{"type": "expect_column_max_to_be_between", "kwargs": {"column": "x", "max_value": 1}}]
    rows = pa.table({"x": pa.array([value, 1.0], pa.float32())})
    (ours,), (theirs,) = validate(rows, {"expectations": asked}), in_gx(rows, asked)
    assert (ours["result"]["observed_value"], theirs["result"]["observed_value"]) == (pytest.approx(value), rounded)
    assert ours["success"] == theirs["success"]


def test_bounds_that_are_text_order_text_where_great_expectations_refuses_the_suite():
    asked = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "s", "min_value": "a", "max_value": "c"},
    }
    rows = pa.table({"s": ["a", "b", None, "z"]})
    (entry,) = validate(rows, {"expectations": [asked]})
    assert entry["result"]["unexpected_count"] == 1
    with pytest.raises(Misconfigured, match="not a valid float"):
        in_gx(rows, [asked])


def test_two_quantile_expectations_on_a_column_are_mixed_up_by_great_expectations_alone():
    asked = [
        {"type": "expect_column_quantile_values_to_be_between",
         "kwargs": {"column": "f", "quantile_ranges": {"quantiles": [share], "value_ranges": [[share, share]]}}}
        for share in (0.0, 1.0)
    ]  # fmt: skip
    rows = pa.table({"f": [0.0, 0.5, 1.0]})
    ours, theirs = decide(rows, {"expectations": asked}), in_gx(rows, asked)
    assert [entry["success"] for entry in ours] == [True, True]
    assert [entry["success"] for entry in theirs] != [True, True]


def test_decimals_stay_decimals_where_great_expectations_turns_them_into_floats():
    mean = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "d", "min_value": 0}}
    typed = {"type": "expect_column_values_to_be_in_type_list", "kwargs": {"column": "d", "type_list": ["float"]}}
    rows = pa.table({"d": pa.array([D("1.5"), D("2.5")])})
    assert [entry["success"] for entry in decide(rows, {"expectations": [mean, typed]})] == [True, False]
    assert not in_gx(rows, [typed])[0]["success"]  # after the mean it can be either, by the order of a set of texts


@pytest.mark.parametrize(
    ("condition", "parser"),
    [
        ("i > @limit", "pandas"), ("i.apply(print)", "pandas"), ("__import__('os').system('true')", "pandas"),
        ("i > j", "pandas"), ("(lambda: 1)()", "pandas"), ('col("i") > 1 and col("j") > 1', "great_expectations"),
        ({"type": "pass_through", "pass_through_filter": "@x"}, None), ("i > 1 & j > 1", "pandas"),
        ("i.str.len() > 1", None),
    ],
)  # fmt: skip
def test_a_condition_that_is_code_is_refused_unless_the_suite_is_trusted(condition, parser):
    kwargs = {"column": "i", "row_condition": condition} | ({"condition_parser": parser} if parser else {})
    suite = {"name": "x", "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": kwargs}]}
    with pytest.raises(Misconfigured, match="has a row_condition, which is code"):
        validate(pa.table(RECORDS["mixed"]), suite)


def test_a_trusted_suite_may_have_code():
    kwargs = {"column": "s", "row_condition": "s.str.len() > 0", "condition_parser": "pandas"}
    suite = {
        "name": "x",
        "meta": {"xops": {"trusted": True}},
        "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": kwargs}],
    }
    (entry,) = validate(pa.table({"s": ["a", "b"]}), suite)
    assert entry["result"]["element_count"] == 2


def test_great_expectations_never_runs_a_condition_on_a_column_whose_name_could_be_code():
    condition = {"type": "comparison", "column": {"name": "@pd"}, "operator": ">", "parameter": 1}
    asked = {"type": "expect_column_values_to_be_json_parseable", "kwargs": {"column": "s", "row_condition": condition}}
    assert validate(pa.table({"s": ["1"], "@pd": [2]}), {"expectations": [asked]}) == [None]


def test_an_expectation_with_an_argument_unknown_to_it_is_refused_by_great_expectations():
    asked = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "s", "mostyl": 0.9}}
    with pytest.raises(Misconfigured, match="mostyl"):
        validate(pa.table({"s": ["1"]}), {"expectations": [asked]})


def test_columns_that_share_a_name_are_left_to_great_expectations():
    rows = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a", "b"])
    asked = [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}} for name in "ab"]
    assert [entry is None for entry in decide(rows, {"expectations": asked})] == [True, False]


def test_a_table_without_columns_has_rows_all_the_same():
    asked = [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 0}}]
    assert decide(pa.table({}), {"expectations": asked})[0]["success"]


def test_what_duckdb_cannot_do_is_left_to_great_expectations(monkeypatch):
    monkeypatch.setattr(duckdb_scan, "statement", lambda *_, **__: "SELECT error('too much')")
    asked = [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "s"}}]
    assert decide(pa.table({"s": ["a"]}), {"expectations": asked}) == [None]


@pytest.mark.parametrize("fault", ["missing", "truncated", "text", "vanishes"])
@pytest.mark.parametrize("further", [{}, {"b": [b""] * 1000}], ids=["plain", "not plain"])
def test_a_file_that_is_not_whole_is_named(fault, further, tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"s": ["a"] * 1000, **further}), path)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    elif fault == "text":
        path.write_text("s,t")
    elif fault == "missing":
        path.unlink()
    else:
        parquet = duckdb_query.parquet  # after the footer was read
        for module in (duckdb_scan, one_select):
            monkeypatch.setattr(module, "parquet", lambda paths: path.unlink() or parquet(paths))
    asked = [{"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "s", "value": 1}}]
    with pytest.raises(Misconfigured, match=r"a Parquet file was wanted|its rows could not be read"):
        validate([str(path)], {"expectations": asked})


def test_great_expectations_reads_the_columns_that_it_needs_and_no_others(tmp_path, monkeypatch):
    rows = pa.table({"n": [1, 2, 3], "s": ["{}", "[", None], **{f"more {place}": [1, 2, 3] for place in range(50)}})
    pq.write_table(rows, tmp_path / "rows.parquet")
    asked = [
        {"type": "expect_column_values_to_be_json_parseable", "kwargs": {"column": "s", "row_condition": "n > 1"}},
        {"type": "expect_column_values_to_be_increasing", "kwargs": {"column": "n"}},
    ]
    seen = []
    in_gx = expectation_suite.validate_in_gx
    monkeypatch.setattr(
        expectation_suite,
        "validate_in_gx",
        lambda rows, suite, asked: seen.append(rows.column_names) or in_gx(rows, suite, asked),
    )
    suite = {"name": "s", "expectations": asked}
    found = [validate(of, suite) for of in (str(tmp_path / "rows.parquet"), rows, rows.to_pandas())]
    assert found == [in_gx(rows, suite, asked)] * 3
    assert seen == [["n", "s"]] * 3


def test_every_expectation_of_great_expectations_is_in_the_table_of_where_it_is_decided():
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    table = (ROOT / "docs/expectations.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| (DuckDB|GX) \|", table, re.MULTILINE))
    assert {name for name, engine in listed.items() if engine == "DuckDB"} == {*PLANNED, QUERY}
    assert set(listed) == set(list_registered_expectation_implementations())


def test_arguments_that_have_their_usual_value_are_left_out_of_the_result_as_great_expectations_leaves_them_out():
    edges = {"strict_min": False, "strict_max": False}
    lists = {"column_list": ["n", "m"], "ignore_row_if": "all_values_are_missing"}
    pair = {"column_A": "n", "column_B": "m", "ignore_row_if": "both_values_are_missing", "or_equal": False}
    kinds = {
        "column_values_to_be_between": {"column": "n", "min_value": 0, "mostly": 1, **edges},
        "column_mean_to_be_between": {"column": "n", "min_value": 0, **edges},
        "table_row_count_to_be_between": {"min_value": 0, **edges},
        "table_columns_to_match_set": {"column_set": ["n", "m", "s"], "exact_match": True},
        "column_values_to_match_regex_list": {"column": "s", "regex_list": ["a"], "match_on": "any", "mostly": 1.0},
        "column_pair_values_a_to_be_greater_than_b": pair,
        "compound_columns_to_be_unique": lists,
        "multicolumn_sum_to_equal": {**lists, "sum_total": 4},
        "column_most_common_value_to_be_in_set": {"column": "n", "value_set": [1], "ties_okay": False},
        "column_value_z_scores_to_be_less_than": {"column": "n", "threshold": 2, "double_sided": True, "mostly": 1},
    }
    asked = [{"type": f"expect_{kind}", "kwargs": kwargs} for kind, kwargs in kinds.items()]
    rows = pa.table({"n": [1, 2, 3], "m": [3, 2, 1], "s": ["a", "b", "a"]})
    configs = [
        [entry["expectation_config"] for entry in side]
        for side in (decide(rows, {"expectations": asked}), in_gx(rows, asked))
    ]
    assert configs[0] == configs[1]


def test_nullable_types_of_pandas_are_judged_as_the_types_that_the_file_has():
    import pandas as pd

    rows = pa.Table.from_pandas(pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}))
    asked = [{"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "n", "type_": "int64"}}]
    assert [entry["success"] for entry in (*decide(rows, {"expectations": asked}), *in_gx(rows, asked))] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "section", ["Bounds that are dates", "Decimals with nulls", "Bounds that are text", "Nullable types of pandas"]
)
def test_a_difference_has_its_section(section):
    assert f"## {section}" in (ROOT / "docs/gx-differences.md").read_text()
