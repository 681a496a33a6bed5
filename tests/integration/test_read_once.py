"""Rows from wherever they lie: what is counted does not depend on it, and nothing is read twice or held whole."""

import datetime as dt
import itertools

import numpy as np
import obstore
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xops.core.errors import Misconfigured, Unavailable
from xops.core.profile import value_hash
from xops.core.profile.binary import to_bytes
from xops.core.profile.profiles import Profile, together
from xops.engines import duckdb_scan
from xops.engines.arrow_profile import from_arrow, to_arrow
from xops.engines.duckdb_scan import DuckdbScan
from xops.engines.one_select import decide, examine
from xops.engines.sources import Batches, ParquetFiles

pytestmark = pytest.mark.integration

SUITE = {
    "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "origin", "value_set": ["JFK", "EWR"]}},
        {"type": "expect_column_median_to_be_between", "kwargs": {"column": "delay", "min_value": -1, "max_value": 1}},
    ]
}


def rows(size=5000, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "delay": pa.array(random.normal(size=size), mask=random.random(size) < 0.1),
            "seats": random.integers(0, 300, size),
            "origin": random.choice(["JFK", "EWR", "LGA"], size),
            "id": [f"flight {place}" for place in range(size)],
        }
    )


def profile(given, spec=None):
    engine = DuckdbScan(given, version="v")
    return engine.scan(profile=spec or engine.spec(distinct=False)).profile


@pytest.fixture
def files(tmp_path):
    for part in range(3):
        pq.write_table(rows().slice(part * 2000, 2000), tmp_path / f"part {part}.parquet", row_group_size=700)
    return tmp_path


VALUES = st.dictionaries(
    st.sampled_from(["x", "n", "s", "b", "t"]),
    st.integers(0, 2**32),
    min_size=1,
)
MADE = {
    "x": lambda r, n: pa.array(np.where(r.random(n) < 0.1, np.nan, r.normal(size=n)), mask=r.random(n) < 0.2),
    "n": lambda r, n: pa.array(r.integers(-9, 9999, n), mask=r.random(n) < 0.2),
    "s": lambda r, n: pa.array(r.choice(["a", "ü", "", "日本"], n), mask=r.random(n) < 0.2),
    "b": lambda r, n: pa.array(r.random(n) < 0.5, mask=r.random(n) < 0.2),
    "t": lambda r, n: pa.array(r.integers(0, 10**15, n), pa.timestamp("us", "UTC")),
}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(VALUES, st.integers(1, 60), st.integers(0, 60))
def test_a_profile_survives_arrow_and_still_adds_up(seeds, first, second):
    tables = [
        pa.table({name: MADE[name](np.random.default_rng(seed + side), size) for name, seed in seeds.items()})
        for side, size in enumerate((first, second))
    ]
    spec = DuckdbScan(tables[0], version="v").spec()
    one, other = (profile(table, spec) for table in tables)
    assert from_arrow(to_arrow(one)) == one
    assert from_arrow(to_arrow(one)) + from_arrow(to_arrow(other)) == one + other
    assert Profile.from_json(one.to_json()) + other == together([one, other])


def test_a_table_that_is_no_profile_is_refused():
    with pytest.raises(Misconfigured, match="no metadata"):
        from_arrow(rows())


def test_a_glob_a_list_a_table_a_frame_and_a_stream_give_one_profile(files):
    table = rows()
    wanted = profile(table)
    listed = sorted(str(path) for path in files.iterdir())
    stream = Batches(table.schema, lambda names: table.select(names).to_batches(max_chunksize=333))
    assert profile(f"file://{listed[0]}", wanted.spec).rows == 2000
    for given_rows in (f"{files}/*.parquet", listed, table.to_pandas(), stream):
        found = profile(given_rows, wanted.spec)
        assert found.rows == wanted.rows
        for mine, theirs in zip(found.columns, wanted.columns, strict=True):
            assert mine.counts.tolist() == theirs.counts.tolist()
            assert mine.sketch == theirs.sketch
        assert decide(given_rows, SUITE) == decide(table, SUITE)


def test_texts_count_alike_in_dictionaries_and_plain(tmp_path):
    texts = ["a", None, "b", "a", "", "日本"] * 200
    kinds = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
    tables = [pa.table({"s": pa.array(texts, pa.string()).cast(kind)}) for kind in kinds[:3]]
    tables.append(pa.table({"s": pa.array(texts).dictionary_encode()}))
    for name, dictionary in (("plain", False), ("kept", True)):
        pq.write_table(tables[0], tmp_path / name, use_dictionary=dictionary)
    first = profile(tables[0])
    for other in (*tables[1:], tables[0].slice(600), str(tmp_path / "plain"), str(tmp_path / "kept")):
        found = profile(other, first.spec).columns[0]
        times = 1 if not isinstance(other, str) and other.num_rows == 600 else 2
        assert (found.counts * 2 // times).tolist() == first.columns[0].counts.tolist()
        assert (found.sketch, found.nulls * 2 // times) == (first.columns[0].sketch, first.columns[0].nulls)


TEXTS_ASKED = [
    {"type": f"expect_column_{kind}", "kwargs": {"column": "s", **kwargs}}
    for kind, kwargs in (
        ("values_to_be_unique", {}),
        ("values_to_be_unique", {"row_condition": "n > 0", "condition_parser": "pandas"}),
        *(
            (f"{kind}_set", {"value_set": values})
            for kind in (
                "values_to_be_in",
                "values_to_not_be_in",
                "distinct_values_to_be_in",
                "distinct_values_to_contain",
                "distinct_values_to_equal",
            )
            for values in (["a", "日本", "b"], ["a", "b", "", "日本", "x"], ["it's"])
        ),
        ("values_to_be_in_set", {"value_set": ["a"], "row_condition": "n > 0", "condition_parser": "pandas"}),
    )
]


@pytest.mark.parametrize("collide", [False, True])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["a", "b", "", "日本", "it's", None]), min_size=1, max_size=40), st.booleans())
def test_what_is_counted_beside_a_profile_is_what_sql_finds(tmp_path, monkeypatch, collide, texts, alone):
    if collide:
        monkeypatch.setattr(value_hash, "_mixed", lambda bits: bits & np.uint64(1))
    if alone:
        texts = [f"{text}{place}" for place, text in enumerate(texts)]
    texts *= 1 if alone else 50
    plain = pa.table({"s": pa.array(texts, pa.string()), "n": range(len(texts))})
    coded = plain.set_column(0, "s", plain["s"].dictionary_encode())
    pq.write_table(plain, tmp_path / "file")
    suite, spec = {"expectations": TEXTS_ASKED}, DuckdbScan(plain, version="v").spec(distinct=False)
    wanted = decide(plain, suite)
    assert None not in wanted
    for read in (plain, coded, str(tmp_path / "file"), Batches(plain.schema, lambda _: plain.to_batches())):
        found = examine(read, suite, spec, version="v")
        assert found.entries == wanted
        assert found.profile.columns[0].counts.tolist() == profile(plain, spec).columns[0].counts.tolist()


def test_texts_in_dictionaries_and_keys_cost_no_sql(files, monkeypatch):
    asked, spec = [], DuckdbScan(str(files / "*.parquet"), version="v").spec(distinct=False)
    told = DuckdbScan._queried
    monkeypatch.setattr(
        DuckdbScan, "_queried", lambda self, asks, *rest: asked.append(sorted(asks)) or told(self, asks, *rest)
    )
    for held, asks in ((duckdb_scan.HELD, []), (4999, ["count(DISTINCT hash(c3))"])):
        monkeypatch.setattr(duckdb_scan, "HELD", held)
        entries = examine(str(files / "*.parquet"), SUITE, spec, version="v").entries
        assert [entry["success"] for entry in entries] == [True, False, True]
        assert asked.pop() == [*asks, "median(c0::DOUBLE)"]
    with_null, unique = pa.table({"id": ["a", None, "b"]}), {"expectations": SUITE["expectations"][:1]}
    monkeypatch.setattr(duckdb_scan, "HELD", 3)
    (entry,) = examine(with_null, unique, DuckdbScan(with_null, version="v").spec(), version="v").entries
    assert (entry["success"], asked) == (True, [])


def test_files_of_other_columns_are_an_error(files):
    pq.write_table(pa.table({"delay": ["late"]}), files / "part 3.parquet")
    with pytest.raises(Misconfigured, match=r"part 3\.parquet: the columns of"):
        profile(f"{files}/*.parquet")


def test_a_frame_of_mixed_types_is_an_error():
    with pytest.raises(Misconfigured, match="a frame of columns of one type"):
        profile(pd.DataFrame({"x": [1, "a", dt.date(2020, 1, 1)]}))


@pytest.fixture
def bucket(moto, files):
    def store(endpoint=moto):
        return obstore.store.S3Store(
            "evidence",
            endpoint=endpoint,
            region="us-east-1",
            access_key_id="test",
            secret_access_key="test",
            client_options={"allow_http": True, "timeout": "2s"},
            retry_config={"max_retries": 0, "retry_timeout": dt.timedelta(seconds=2)},
        )

    for path in files.iterdir():
        obstore.put(store(), f"flights/{path.name}", path.read_bytes())
    return store


def test_files_in_a_bucket_are_profiled_and_tested_without_an_extension_of_duckdb(bucket, files):
    here, there = ParquetFiles(f"{files}/*.parquet"), ParquetFiles("flights/part *.parquet", bucket())
    wanted = profile(here)
    assert profile(there) == wanted
    assert decide(there, SUITE) == decide(here, SUITE)
    assert profile(ParquetFiles(["flights/part 0.parquet"], bucket()), wanted.spec).rows == 2000


def test_a_url_is_read_with_the_credentials_of_the_environment(moto, bucket, files, monkeypatch):
    for name, value in {"ENDPOINT": moto, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert profile("s3://evidence/flights/*.parquet") == profile(f"{files}/*.parquet")


def test_a_name_in_a_bucket_is_no_pattern_where_an_object_has_it(bucket, files):
    for name in ("part [0].parquet", "part 0.parquet"):
        obstore.put(bucket(), f"odd/{name}", (files / "part 1.parquet").read_bytes())
    for asked, found in (("[0]", "[0]"), ("[01]", "0")):
        (file,) = ParquetFiles(f"odd/part {asked}.parquet", bucket()).files
        assert file.name == f"odd/part {found}.parquet"


@pytest.mark.parametrize("name", ["flights//part 0.parquet", "flights/../part 0.parquet", "flights//*.parquet"])
def test_a_name_that_no_bucket_has_is_refused(bucket, name):
    with pytest.raises(Misconfigured, match="empty or dotted parts"):
        profile(ParquetFiles(name, bucket()))


def test_a_bucket_out_of_reach_is_not_taken_for_a_missing_file(bucket, free_port):
    with pytest.raises(Misconfigured, match="there is none"):
        ParquetFiles("nothing/*.parquet", bucket())
    with pytest.raises(Misconfigured, match="rows could not be read"):
        profile(ParquetFiles("flights/gone.parquet", bucket()))
    with pytest.raises(Unavailable, match="part 0"):
        profile(ParquetFiles("flights/part 0.parquet", bucket(f"http://127.0.0.1:{free_port()}")))
    with pytest.raises(Misconfigured, match="s3://, gs:// or az:// was wanted"):
        ParquetFiles("ftp://somewhere/rows.parquet")


def test_a_bucket_lost_between_two_pieces_leaves_no_profile(bucket, monkeypatch):
    from obstore.exceptions import GenericError

    source = ParquetFiles("flights/*.parquet", bucket())
    spec = DuckdbScan(source, version="v").spec()
    ranges, get = [], obstore.get

    def lost(*given, **named):
        ranges.append(given)
        if len(ranges) > 1:
            raise GenericError("connection reset")
        return get(*given, **named)

    monkeypatch.setattr(obstore, "get", lost)
    for asked in ({}, {"rows": "count(r0)"}):
        ranges.clear()
        with pytest.raises(Unavailable, match="connection reset"):
            DuckdbScan(source, version="v").scan(asked, spec)


ASKED = {"a profile": ({}, True), "tests": ({"most": "max(r0)"}, False), "both": ({"most": "max(r0)"}, True)}


@pytest.mark.parametrize(("asked", "profiled"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("place", ["a folder", "a bucket"])
def test_files_that_are_written_between_footer_and_scan_are_not_read_as_two_halves(
    bucket, files, place, asked, profiled
):
    there = ParquetFiles("flights/part *.parquet", bucket())
    engine = DuckdbScan(ParquetFiles(f"{files}/*.parquet") if place == "a folder" else there, version="v")
    spec = engine.spec(distinct=False)
    other = pq.read_table(files / "part 1.parquet").slice(0, 1999)
    pq.write_table(other, files / "part 1.parquet")
    obstore.put(bucket(), "flights/part 1.parquet", (files / "part 1.parquet").read_bytes())
    with pytest.raises(Unavailable, match=r"part 1\.parquet: .*was written while it was read"):
        engine.scan(asked, spec if profiled else None)


def test_a_file_that_is_written_while_a_suite_reads_it_is_not_judged(files, monkeypatch):
    from xops.engines import one_select

    def then_written(*given):
        pq.write_table(pq.read_table(files / "part 1.parquet").slice(0, 1999), files / "part 1.parquet")
        return plain_files(*given)

    plain_files = one_select.plain_files
    monkeypatch.setattr(one_select, "plain_files", then_written)
    with pytest.raises(Unavailable, match="was written while it was read"):
        decide(f"{files}/*.parquet", SUITE)


def test_no_byte_of_a_bucket_is_read_twice(bucket, files, monkeypatch):
    source = ParquetFiles("flights/*.parquet", bucket())
    spec = DuckdbScan(source, version="v").spec()
    ranges, get = [], obstore.get

    def counted(store, key, *, options):
        ranges.append((key, *options["range"]))
        return get(store, key, options=options)

    monkeypatch.setattr(obstore, "get", counted)
    DuckdbScan(source, version="v").scan({"rows": "count(r0)"}, spec)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in itertools.pairwise(sorted(ranges)))
    assert sum(end - start for _, start, end in ranges) < sum(path.stat().st_size for path in files.iterdir())


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["half \ud800 of Ada"], "UTF-8"),
        (pd.arrays.SparseArray([0.0]), "one type each"),
        ([1, "Ada"], "one type each"),
    ],
)
def test_a_frame_that_arrow_cannot_hold_is_refused_without_its_values(values, wanted):
    with pytest.raises(Misconfigured, match=wanted) as refused:
        profile(pd.DataFrame({"x": values}))
    assert "Ada" not in str(refused.value)
    assert str(refused.value).isascii()


def test_the_profile_of_a_structure_is_small_however_many_fields_it_has():
    wide = pa.table({"x": pa.array([{f"field {place}": 1 for place in range(6000)}])})
    assert len(to_bytes(profile(wide))) < 2**12


def test_signalling_nans_are_counted_without_a_warning():
    odd = np.frombuffer(b"\x01\0\0\0\0\0\xf4\x7f", np.float64)
    (column,) = profile(pa.table({"x": np.concatenate([odd, [1.0, 2.0]])})).columns
    assert (column.nan, column.low, column.high) == (1, 1.0, 2.0)
