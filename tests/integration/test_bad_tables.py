"""Bad tables through every check: each has the outcome that the golden table states, and no check ever says nothing."""

import datetime as dt
import decimal
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cases.bad_tables import FILES, FRAMES, NUMBERS, TABLES, column
from xops.checks import expectation_suite
from xops.checks.contract_file import columns_of_schema
from xops.checks.expectation_suite import read_suite, validate
from xops.checks.table_suite import validate_table
from xops.core.anomaly.judge import judge_anomalies
from xops.core.anomaly.measurements import Measurements, measure
from xops.core.contract.schema_changes import judge_schema
from xops.core.drift.judge import compare
from xops.core.errors import Misconfigured, Unavailable, Unmeasured
from xops.core.model.judges import judge_drift
from xops.core.profile.binary import from_bytes
from xops.core.profile.spec import Kind
from xops.core.strict_json import dumps
from xops.core.suite.results import judge_expectations
from xops.core.verdict import Outcome
from xops.engines.duckdb_scan import DuckdbScan
from xops.engines.sources import ParquetFiles
from xops.engines.sql.scan import SqlScan
from xops.hooks.sql.tables import SqlTablesHook
from xops.hooks.store.objects import Objects
from xops.hooks.store.profiles import ProfileStore

pytestmark = pytest.mark.integration

GOLDEN = json.loads((Path(__file__).parents[1] / "cases/bad_tables.json").read_text())
ERRORS = (Misconfigured, Unavailable, Unmeasured)
MIN_ROWS = 10


def expectations_on(name, kind):
    """Give what is expected of a column; on each side of the corpus it holds for a good one."""

    def expect(what, **limits):
        return {"type": f"expect_column_{what}", "kwargs": {"column": name, **limits}}

    asked = [
        expect("values_to_not_be_null", mostly=0.5),
        expect("unique_value_count_to_be_between", min_value=1),
        expect("values_to_be_unique", mostly=0.0),
    ]
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        asked += [
            expect("values_to_be_between", min_value=0, max_value=10),
            expect("max_to_be_between", max_value=10),
            expect("mean_to_be_between", min_value=0, max_value=10),
            expect("sum_to_be_between", min_value=0),
            expect("stdev_to_be_between", min_value=0),
            expect("median_to_be_between", min_value=0, max_value=10),
            expect("quantile_values_to_be_between", quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 10]]}),
            expect("value_z_scores_to_be_less_than", threshold=9, double_sided=True),
        ]
    elif pa.types.is_temporal(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind):
        end = "2100-01-01T00:00:00+00:00" if getattr(kind, "tz", None) else "2100-01-01"
        asked += [
            expect("max_to_be_between", max_value=end),
            expect("min_to_be_between", max_value=end),
            expect("values_to_be_between", max_value=end),
        ]
    elif pa.types.is_string(kind):
        asked += [
            expect("values_to_match_regex", regex="^raw-"),
            expect("value_lengths_to_be_between", min_value=1, max_value=1000),
            expect("values_to_not_be_in_set", value_set=["z"]),
            expect("most_common_value_to_be_in_set", value_set=["raw-a"], ties_okay=True),
        ]
    return asked


def judged(rows, suite):
    entries = validate(rows, suite)
    dumps(entries)
    table = rows if isinstance(rows, pa.Table) else pa.concat_tables(pq.ParquetFile(path).read() for path in rows)
    return judge_expectations(
        suite["expectations"], entries, columns=table.column_names, rows=table.num_rows, subject="v", facts={}
    )


def profiled(store, reference, current, columns):
    """Give both sides' profiles as a drift check keeps them."""
    old = store.reference("old", columns, lambda: reference)
    new = store.current("new", old.spec, lambda: current)
    return old, new


def drifted(old, new, columns, min_rows=MIN_ROWS):
    drift = compare(old, new, columns)
    dumps(drift.movements)
    return judge_drift(
        columns,
        drift.found,
        drift.missing,
        subject="v",
        max_share=0.5,
        sizes=(old.rows, new.rows),
        min_rows=min_rows,
        facts={"moved": drift.movements},
        chance=drift.chance,
        moves=drift.moves,
        shares=drift.shares,
    )


def surprising(reference, current):
    """Judge the current rows by ten batches that were like the reference."""
    before, now = (
        measure(engine.scan(profile=engine.spec()).profile, batch="b")
        for engine in (DuckdbScan(side, version="v") for side in (reference, current))
    )
    for figures in (before, now):
        kept = dumps(figures.to_json())
        assert dumps(Measurements.from_json(json.loads(kept)).to_json()) == kept
    return judge_anomalies([replace(before, batch=str(place)) for place in range(60)], now, subject="v", facts={})


def of_profile(profile, columns):
    """Give what a profile says of the columns asked for, as an outcome: pass where each has a value that is counted."""
    found = [profile.column(name) for name in columns]
    return (
        Outcome.PASS
        if found and all(one is not None and one.values and one.spec.kind is not Kind.OTHER for one in found)
        else Outcome.UNKNOWN
    )


def outcome(check, subjects):
    """Give the outcome of a check, or the class of its error; it must be one that a person can read."""
    try:
        verdict = check()
    except ERRORS as error:
        said = str(error)
        assert said
        assert "\n" not in said
        assert len(said) <= 600, said
        assert "raw-" not in said, said
        return f"error: {next(kind.__name__ for kind in ERRORS if isinstance(error, kind))}"
    if isinstance(verdict, Outcome):
        return str(verdict)
    document = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert set(subjects) <= {finding.subject for finding in verdict.findings}
    assert verdict.findings
    assert all(finding.outcome is not Outcome.UNKNOWN or finding.reason for finding in verdict.findings)
    told = json.dumps([{**finding, "limit": None} for finding in document["findings"]] + [document["facts"]])
    assert "raw-" not in told, told
    return str(verdict.outcome)


def complete(objects):
    """Tell that every profile that is kept is a whole one."""
    for path in objects.paths("profiles"):
        profile = from_bytes(objects.get(path))
        assert all(one.rows == profile.rows for one in profile.columns)
        assert all(int(one.counts.sum()) + one.nulls + one.nan + one.above_all + one.below_all == one.rows
                   for one in profile.columns if one.counts.size)  # fmt: skip
    return True


def outcomes(reference, current, objects, *, suite=None):
    """Put one pair of tables through every check."""
    columns = list(dict.fromkeys(reference.column_names))
    asked = {"name": "s", "expectations": suite if suite is not None else asked_of(reference)}
    store, kept = ProfileStore(objects), []

    def profiles():
        kept[:] = profiled(store, reference, current, columns)
        return of_profile(kept[1], columns)

    found = {
        "suite": outcome(lambda: judged(current, asked), columns),
        "profile": outcome(profiles, columns),
    }
    found["drift"] = outcome(lambda: drifted(*kept, columns), columns) if kept else found["profile"]
    found["schema"] = outcome(
        lambda: judge_schema(*map(columns_of_schema, (reference.schema, current.schema)), subject="v",
                             against="the reference", facts={}),
        columns,
    )  # fmt: skip
    found["anomaly"] = outcome(lambda: surprising(reference, current), ["dataset"])
    assert complete(objects)
    return found


def asked_of(reference):
    return [one for field in reference.schema for one in expectations_on(field.name, field.type)]


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_has_the_outcome_that_is_known_of_it(name, tmp_path):
    assert outcomes(*TABLES[name], Objects(str(tmp_path))) == GOLDEN[name]


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_no_table_can_be_made_of_is_an_error(name, tmp_path):
    objects = Objects(str(tmp_path))
    found = outcome(lambda: _profile_of_frame(objects, FRAMES[name]()), ["x"])
    assert {"profile": found} == GOLDEN[name]
    assert complete(objects)


def _profile_of_frame(objects, frame):
    return of_profile(ProfileStore(objects).reference("v", ["x"], lambda: frame), ["x"])


def of_file(name, folder):
    """Put what lies where a Parquet file is wanted through every check, beside a good table."""
    path, objects = folder / "rows.parquet", Objects(str(folder / "store"))
    FILES[name](path)
    store, kept = ProfileStore(objects), []
    asked = {"name": "s", "expectations": [
        *expectations_on("x", pa.float64()),
        {"type": "expect_column_values_to_be_increasing", "kwargs": {"column": "x"}},
    ]}  # fmt: skip

    def profiles():
        kept[:] = profiled(store, column(NUMBERS), str(path), ["x"])
        return of_profile(kept[1], ["x"])

    found = {
        "suite": outcome(lambda: judged([str(path)], asked), ["x"]),
        "profile": outcome(profiles, ["x"]),
    }
    found["drift"] = outcome(lambda: drifted(*kept, ["x"]), ["x"]) if kept else found["profile"]
    assert complete(objects)
    assert len(objects.paths("profiles")) == 1 + bool(kept)
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_has_the_outcome_that_is_known_of_it(name, tmp_path):
    assert of_file(name, tmp_path) == GOLDEN[name]


def test_a_file_that_vanishes_between_footer_and_scan_is_an_error_and_nothing_is_kept(tmp_path):
    path, objects = tmp_path / "rows.parquet", Objects(str(tmp_path / "store"))

    def vanishing():
        pq.write_table(column(NUMBERS), path)
        source = ParquetFiles(str(path))
        assert source.schema.names == ["x"]
        assert source.bounds()
        path.unlink()
        return source

    with pytest.raises(Misconfigured, match="could not be read"):
        ProfileStore(objects).reference("v", ["x"], vanishing)
    assert objects.paths("profiles") == []


def test_an_empty_suite_does_not_pass():
    assert outcome(lambda: judged(column(NUMBERS), {"expectations": []}), []) == "unknown"


@pytest.mark.parametrize("value", [{"$PARAMETER": "limit"}, [{"$PARAMETER": "limit"}], {"a": {"$PARAMETER": "limit"}}])
def test_a_suite_with_a_parameter_is_a_mistake_before_anything_is_read(value, tmp_path):
    asked = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "x", "max_value": value}}
    suite = {"name": "s", "expectations": [asked]}
    with pytest.raises(Misconfigured, match="has a \\$PARAMETER as its max_value"):
        validate(["no such file"], suite)
    (tmp_path / "s.json").write_text(json.dumps(suite))
    with pytest.raises(Misconfigured, match="has a \\$PARAMETER"):
        read_suite(str(tmp_path / "s.json"))


DATABASES = {
    "a table of a database": ("good", 20),
    "no such table in the database": ("gone", 20),
    "a statement past its limit": ("slow", 0.2),
    "a table that may not be read": ("pg_catalog.pg_authid_", 20),
}


def in_database(conn_id, table, limit):
    with SqlTablesHook(conn_id).session(limit) as session:
        scan = SqlScan(session, table, version="v")
        found = validate_table(scan, {"expectations": expectations_on("x", pa.float64())[:4]}, profile=scan.spec)
    assert (found.profile is None) == (found.rows is None)
    return judge_expectations(
        expectations_on("x", pa.float64())[:4], found.entries, columns=["x"], rows=found.rows, subject="v", facts={}
    )


@pytest.fixture
def tables(postgres):
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE good AS SELECT n::double precision AS x FROM generate_series(1, 10) n")
        connection.execute("CREATE VIEW slow AS SELECT x + (pg_sleep(1) IS NULL)::int AS x FROM good")


@pytest.mark.parametrize("name", DATABASES)
def test_a_table_of_a_database_has_the_outcome_that_is_known_of_it(name, tables):
    table, limit = DATABASES[name]
    assert {"suite": outcome(lambda: in_database("postgres_default", table, limit), ["x"])} == GOLDEN[name]


def test_a_database_out_of_reach_is_unavailable(free_port, monkeypatch):
    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": free_port(), "schema": "x", "login": "x"}
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(connection))
    found = {"suite": outcome(lambda: in_database("postgres_default", "good", 20), ["x"])}
    assert found == GOLDEN["a database out of reach"]


# what a generated column is made of: its type, and how one value of it is drawn
KINDS = {
    "double": (pa.float64(), lambda random: random.choice([random.normal(), random.normal() * 1e300, 0.0, 5e-324])),
    "float": (pa.float32(), lambda random: random.normal()),
    "int64": (pa.int64(), lambda random: int(random.choice([random.integers(-5, 5), -(2**63), 2**63 - 1]))),
    "uint64": (pa.uint64(), lambda random: int(random.integers(0, 2**64 - 1, dtype=np.uint64))),
    "int8": (pa.int8(), lambda random: int(random.integers(-128, 127))),
    "decimal": (pa.decimal128(20, 3), lambda random: decimal.Decimal(int(random.integers(-9999, 9999))) / 1000),
    "bool": (pa.bool_(), lambda random: bool(random.integers(2))),
    "string": (pa.string(), lambda random: "raw-" + str(random.choice(["a", "b", "\x00", "ü🙂", "'\"\n%s{{"]))),
    "dictionary": (pa.dictionary(pa.int16(), pa.string()), lambda random: f"raw-{random.integers(3)}"),
    "date": (pa.date32(), lambda random: dt.date.fromordinal(int(random.integers(1, 3_652_059)))),
    "timestamp": (pa.timestamp("us"), lambda random: int(random.integers(-(2**60), 2**60))),
    "zoned": (pa.timestamp("ms", "UTC"), lambda random: int(random.integers(0, 2**42))),
    "binary": (pa.binary(), lambda _: b"raw-\xff"),
    "list": (pa.list_(pa.float32()), lambda random: [0.5] * int(random.integers(3))),
    "null": (pa.null(), lambda _: None),
    "time": (pa.time32("s"), lambda random: int(random.integers(86_400))),
}  # fmt: skip
NAMES = [
    "x",
    "X",
    "",
    " ",
    "r0",
    "c0",
    '"',
    "'; drop table x; --",
    "<script>",
    "日本",
    "🙂",
    "a\nb",
    "a.b",
    "%s",
    "{{ x }}",
]


def generated(random):
    """Give two tables drawn at random: now and then with other columns, other types, or one of nothing."""
    sides = []
    names = list(dict.fromkeys(random.choice(NAMES, 2)))
    kinds = {name: str(random.choice(list(KINDS))) for name in names}
    for _ in range(2):
        rows = int(random.choice([0, 1, 2, 10, 50], p=[0.2, 0.2, 0.2, 0.3, 0.1]))
        there = [name for name in names if random.random() < 0.95]
        arrays = [generated_array(random, kinds[name] if random.random() < 0.9 else "double", rows) for name in there]
        sides.append(pa.table(arrays, names=there))
    return sides


def generated_array(random, name, rows):
    kind, draw = KINDS[name]
    empty, strange = random.choice([0, 0, 0.3, 0.95, 1]), random.choice([0, 0, 0.1, 1])
    values = []
    for place in random.random((rows, 2)):
        value = None if place[0] < empty else draw(random)
        if value is not None and name in ("double", "float") and place[1] < strange:
            value = float(random.choice([np.nan, np.inf, -np.inf]))
        values.append(value)
    return pa.array(values, kind)


GENERATED, IN_GX = 2000, 200


@pytest.mark.parametrize("seed", range(10))
def test_generated_tables_get_a_finding_for_every_column_and_no_pass_on_nothing(seed, tmp_path, monkeypatch):
    random, database = np.random.default_rng(seed), duckdb.connect(config={"threads": 1})
    for turn in range(GENERATED // 10):
        reference, current = generated(random)
        columns, asked = reference.column_names, [one for one in asked_of(reference) if random.random() < 0.2]
        asked += [expectations_on(field.name, field.type)[0] for field in reference.schema]
        if turn % IN_GX:  # it takes long; a few tables are enough for what is left to it
            monkeypatch.setattr(expectation_suite, "validate_in_gx", lambda *given: [None] * len(given[2]))
            monkeypatch.setattr(duckdb, "connect", lambda **_: database.cursor())  # to start one is slow
        else:
            monkeypatch.undo()
        objects = Objects(str(tmp_path / str(turn)))
        profiles = profiled(ProfileStore(objects), reference, current, columns)
        assert complete(objects)
        found = outcome(lambda: judged(current, {"expectations": asked}), columns)  # noqa: B023 - called at once
        assert found != "pass" or current.num_rows
        verdict = drifted(*profiles, columns, min_rows=1)
        outcome(lambda: verdict, [*columns, "dataset"])  # noqa: B023
        for name in columns:
            measured = all(side.column(name) is not None and side.column(name).values for side in profiles)
            told = {one.outcome for one in verdict.findings if one.subject == name and not one.check.endswith("_share")}
            assert measured or told == {Outcome.UNKNOWN}
        if not turn % 40:
            outcome(lambda: surprising(reference, current), ["dataset"])  # noqa: B023
