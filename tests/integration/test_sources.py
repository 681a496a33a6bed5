"""Where the rows of a batch come from: what is read is what is there, whole, of one moment, or the error says why."""

import csv
import datetime as dt
import gzip
import io
import json
import os
import time
from decimal import Decimal
from pathlib import Path

import boto3
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xops.core.errors import Misconfigured, Unavailable
from xops.engines.files import csv_rows, json_rows, text_files
from xops.hooks.landing.sources import open_source
from xops.hooks.store import object_stores

pytestmark = pytest.mark.integration

ROWS = [{"id": number, "name": f"n{number}"} for number in range(40)]
CSV = b"id,name\n" + b"".join(b"%d,n%d\n" % (number, number) for number in range(40))
LINES = b"".join(b'{"id": %d, "name": "n%d"}\n' % (number, number) for number in range(40))


def rows_of(source, **more):
    return open_source(source, **more).reader().read_all().to_pylist()


def parquet(rows=ROWS, **more):
    content = io.BytesIO()
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), content, **more)
    return content.getvalue()


FILES = {
    "a.csv": CSV,
    "a.csv.gz": gzip.compress(CSV),
    "a.jsonl": LINES,
    "a.ndjson.gz": gzip.compress(LINES),
    "a.parquet": parquet(),
}


@pytest.fixture
def land(tmp_path):
    """Give a function that lands a file and gives its path."""

    def write(content, name="a.csv"):
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


@pytest.fixture
def small_blocks(monkeypatch):
    """Let the parsers take a few rows at a time."""
    for module in (text_files, csv_rows, json_rows):
        monkeypatch.setattr(module, "BLOCK", 128)


@pytest.fixture
def bucket(moto, s3_at):
    """Give an empty bucket's client and name, reached by the connection ``xops_s3``."""
    import secrets

    s3_at(moto)
    client = boto3.client(
        "s3", endpoint_url=moto, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    name = f"landing-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=name)
    return client, name


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_its_rows_wherever_it_lies(name, land, bucket):
    client, where = bucket
    client.put_object(Bucket=where, Key=f"in/{name}", Body=FILES[name])
    path = land(FILES[name], name)
    assert rows_of(path) == rows_of(f"file://{path}") == rows_of(f"s3://xops_s3@{where}/in/{name}") == ROWS


def test_a_file_of_a_file_system_that_only_fsspec_knows_is_read(land):
    import fsspec

    fsspec.filesystem("memory").pipe("/in/a.csv", CSV)
    assert rows_of("memory://in/a.csv") == ROWS
    assert rows_of("memory://in/*.csv") == ROWS
    with pytest.raises(Misconfigured, match=r"source memory://in/b\.csv: no such file"):
        open_source("memory://in/b.csv")
    with pytest.raises(Misconfigured, match=r"source nonsense://in/b\.csv: it cannot be opened"):
        open_source("nonsense://in/b.csv")


def test_several_files_make_one_batch_in_the_order_of_their_names(land, bucket):
    client, where = bucket
    for number, name in enumerate(["day=2/a.csv", "day=1/a.csv", "day=1/b.csv", "day=1/c.txt", "day=1/x/y.csv"]):
        client.put_object(Bucket=where, Key=name, Body=f"id\n{number}\n".encode())
    wild = open_source(f"s3://xops_s3@{where}/day=*/*.csv")
    assert wild.reader().read_all()["id"].to_pylist() == [1, 2, 0]
    assert [file["url"].rpartition("/day=")[2] for file in wild.to_json()["files"]] == ["1/a.csv", "1/b.csv", "2/a.csv"]
    listed = [land(b"id,name\n1,x\n", "1.csv"), land(b"name,id\ny,2\n", "2.csv")]
    assert rows_of(listed) == rows_of(listed[0].replace("1.csv", "?.csv")) == [
        {"id": 1, "name": "x"},
        {"id": 2, "name": "y"},
    ]  # fmt: skip
    assert rows_of(land(b"id\n7\n", "odd[1].csv")) == [{"id": 7}]


def test_the_files_of_a_batch_have_the_same_columns_and_types(land):
    first = land(b"id,name\n1,x\n", "1.csv")
    with pytest.raises(Misconfigured, match=r"2\.csv: column name is declared|2\.csv: column"):
        rows_of([first, land(b"id\n1\n", "2.csv")])
    with pytest.raises(Misconfigured, match=r"2\.csv: column more is not in it and in .*1\.csv alike"):
        rows_of([first, land(b"id,name,more\n1,x,y\n", "2.csv")])
    with pytest.raises(Misconfigured, match=r"2\.csv: line 2, column id: the value is not of type int64"):
        rows_of([first, land(b"id,name\n1.5,x\n", "2.csv")])
    with pytest.raises(Misconfigured, match=r"files of one format were wanted, found csv, parquet"):
        rows_of([first, land(parquet(), "2.parquet")])


def test_the_record_names_each_file_with_its_digest_its_size_and_what_was_inferred(land, bucket):
    client, where = bucket
    etag = client.put_object(Bucket=where, Key="a.csv", Body=CSV)["ETag"].strip('"')
    delivery = open_source(f"s3://xops_s3@{where}/a.csv", types={"id": "int32"})
    url = f"s3://xops_s3@{where}/a.csv"
    assert delivery.to_json() == {
        "name": url,
        "files": [{"url": url, "bytes": len(CSV), "digest": f"etag:{etag}"}],
        "inferred": ["name"],
    }
    import hashlib

    (file,) = open_source(land(CSV)).files
    assert file["digest"] == f"sha256:{hashlib.sha256(CSV).hexdigest()}"


TYPES = {
    "id": ("int32", 7),
    "price": ("decimal(10, 2)", Decimal("1.50")),
    "day": ("date32", dt.date(2026, 1, 2)),
    "at": ("timestamp[us, tz=UTC]", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    "zip": ("string", "00501"),
    "ok": ("bool", True),
    "share": ("double", 0.1),
}


def test_declared_types_are_what_comes_out_of_each_format(land):
    types = {column: kind for column, (kind, _) in TYPES.items()}
    row = {column: value for column, (_, value) in TYPES.items()}
    line = b"id,price,day,at,zip,ok,share\n7,1.50,2026-01-02,2026-01-02T03:04:05Z,00501,true,0.1\n"
    document = {**row, "price": "1.50", "day": "2026-01-02", "at": "2026-01-02T03:04:05Z"}
    table = pa.table({"id": pa.array([7], pa.int64()), "price": pa.array([Decimal("1.5")], pa.decimal128(5, 1))} | {
        column: pa.array([row[column]]) for column in ("day", "at", "zip", "ok", "share")
    })  # fmt: skip
    found = [
        open_source(land(line), types=types),
        open_source(land(json.dumps(document).encode(), "a.jsonl"), types=types),
        open_source(land(parquet(table), "a.parquet"), types=types),
        open_source(table.to_pandas, types={**types, "price": "decimal(10, 2)"}),
    ]
    for delivery in found:
        read = delivery.reader().read_all().select(list(types))
        assert read.to_pylist() == [row]
        assert [str(field.type) for field in read.schema] == [
            "int32", "decimal128(10, 2)", "date32[day]", "timestamp[us, tz=UTC]", "string", "bool", "double",
        ]  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "int63", "decimal(10)", "timestamp[us, tz=]", "", "decimal(90, 2)"])
def test_a_type_that_there_is_not_is_named(kind, land):
    with pytest.raises(Misconfigured, match="types: column id is declared"):
        open_source(land(CSV), types={"id": kind})


def test_what_would_lose_digits_as_a_number_is_read_as_text(land):
    content = b"zip,card,big,n,share\n00501,1234567890123456,12345678901234567890,1,0.5\n10001,1,1,2,-0.25\n"
    assert rows_of(land(content)) == [
        {"zip": "00501", "card": 1234567890123456, "big": "12345678901234567890", "n": 1, "share": 0.5},
        {"zip": "10001", "card": 1, "big": "1", "n": 2, "share": -0.25},
    ]


def test_only_an_empty_field_without_quotes_is_null(land):
    assert rows_of(land(b'a,b\n,""\nNA,null\n')) == [{"a": None, "b": ""}, {"a": "NA", "b": "null"}]


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=30))
def test_any_text_that_is_written_as_csv_is_read_back(land, small_blocks, rows):
    written = io.StringIO()
    lines = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    lines.writerows([("a", "b"), *rows])
    found = rows_of(land(written.getvalue().encode()), types={"a": "string", "b": "string"})
    assert [(row["a"], row["b"]) for row in found] == rows


BAD = {
    "ragged, too many": (CSV + b"1,2,3\n", "a.csv", r"line 42 has 3 fields, the header has 2"),
    "ragged, too few": (CSV + b"1\n", "a.csv", r"line 42 has 1 fields, the header has 2"),
    "ragged below a field of three lines": (
        b'id,name\n\n1,"x\ny\nz"\n' + b"2,x\n" * 50 + b"3\n",
        "a.csv",
        r"line 56 has 1 fields",
    ),
    "a value of another type, later": (CSV + b"secret,x\n", "a.csv", r"line 42, column id: the value is not of type"),
    "Latin-1": (CSV + "7,Zürich\n".encode("latin-1"), "a.csv", rf"byte {len(CSV) + 3} is no UTF-8"),
    "UTF-16": (CSV.decode().encode("utf-16"), "a.csv", r"byte 0 is no UTF-8"),
    "cut off inside a character": (CSV + "7,ü".encode()[:-1], "a.csv", rf"byte {len(CSV) + 2} is no UTF-8"),
    "a quote never closed": (CSV + b'7,"abc\n', "a.csv", r"a quoted field after line 41 is never closed"),
    "empty": (b"", "a.csv", r"the file is empty"),
    "blank lines alone": (b"\n\n", "a.csv", r"the file is empty"),
    "a header alone": (b"id,name\n", "a.csv", r"a header and no rows"),
    "a column twice": (b"id,id\n1,2\n", "a.csv", r"the header has column id twice"),
    "a column without a name": (b"id,\n1,2\n", "a.csv", r"the header has a column without a name"),
    "a column without values": (b"id,name\n1,\n2,\n", "a.csv", r"column name has no value in the first 2 rows"),
    "a gz that is cut off": (gzip.compress(CSV)[:-12], "a.csv.gz", r"the gz file is cut off or damaged"),
    "a gz that is none": (CSV, "a.csv.gz", r"the gz file is cut off or damaged"),
    "a gz that is changed": (gzip.compress(CSV)[:-8] + bytes(8), "a.csv.gz", r"the gz file is cut off or damaged"),
    "no JSON": (LINES + b"{secret\n" + LINES, "a.jsonl", r"line 41 is no JSON: Expecting property name"),
    "JSON of another type": (LINES + b'{"id": "secret"}\n', "a.jsonl", r"line 41 field id: the value is not of type"),
    "a new field": (LINES + b'{"id": 1, "more": 2}\n', "a.jsonl", r"line 41 has the field more, which is neither"),
    "JSON of two types": (
        b'{"id": 1}\n\n{"id": "secret"}\n',
        "a.jsonl",
        r"line 3 field id is a text, in lines before it",
    ),
    "JSON cut off": (b'{"id": 1}\n{"id":', "a.jsonl", r"line 2 is no JSON: Expecting value"),
    "a JSON field twice": (b'{"id": 1}\n{"id": 2, "id": 3}\n', "a.jsonl", r"line 2 has the field id twice"),
    "JSON arrays": (b"[1]\n", "a.jsonl", r"line 1 is no JSON object but list"),
    "one JSON array": (b'[{"id": 1},\n{"id": 2}]\n', "a.json", r"line 1 is no JSON"),
    "no lines": (b"", "a.jsonl", r"the file is empty"),
    "Latin-1 in JSON": (LINES + b'{"name": "\xfc"}\n', "a.jsonl", rf"byte {len(LINES) + 10} is no UTF-8"),
    "an empty Parquet file": (b"", "a.parquet", r"the file is empty"),
    "Parquet without rows": (parquet(pa.table({"id": pa.array([], "int64")})), "a.parquet", r"it has no rows"),
    "a truncated Parquet": (parquet()[:-30], "a.parquet", r"a whole Parquet file was wanted; it cannot be read"),
    "CSV called Parquet": (CSV, "a.parquet", r"a whole Parquet file was wanted; it cannot be read at its footer"),
    "Parquet called CSV": (parquet(), "a.csv", r"byte \d+ is no UTF-8"),
    "packed Parquet": (gzip.compress(parquet()), "a.parquet.gz", r"Parquet is compressed inside"),
    "no format": (CSV, "a.dat", r"the format csv, jsonl or parquet was wanted, found none that its name says"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_wrong_is_refused_with_the_place_and_without_its_values(what, land, small_blocks):
    content, name, said = BAD[what]
    with pytest.raises(Misconfigured, match=said) as refused:
        rows_of(land(content, name))
    assert name in str(refused.value)
    assert len(str(refused.value)) < 1000
    assert "secret" not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_a_json_number_too_long_for_its_type_is_named_by_its_line(land):
    content = b'{"id": 1}\n{"id": 99999999999999999999}\n'
    with pytest.raises(Misconfigured, match="line 2 field id: the value is not of type int64"):
        rows_of(land(content, "a.jsonl"), types={"id": "int64"})


def test_a_format_that_is_chosen_needs_no_ending(land):
    assert rows_of(land(CSV, "a.dat"), file_format="csv") == ROWS
    with pytest.raises(Misconfigured, match="found 'xml'"):
        open_source(land(CSV, "a.dat"), file_format="xml")


def test_a_declared_column_that_is_absent_is_named(land):
    for content, name in ((CSV, "a.csv"), (parquet(), "a.parquet")):
        with pytest.raises(Misconfigured, match=r"column price is declared.* id, name"):
            open_source(land(content, name), types={"price": "double"})


def test_a_parquet_file_of_other_types_than_declared_is_refused(land):
    with pytest.raises(Misconfigured, match="column id is declared string, it is int64"):
        open_source(land(parquet(), "a.parquet"), types={"id": "string"})
    with pytest.raises(Misconfigured, match="column id is int64 and has values that int8 does not hold") as refused:
        rows_of(land(parquet([{"id": 777}]), "a.parquet"), types={"id": "int8"})
    assert "777" not in str(refused.value)


def test_a_parquet_file_whose_text_is_no_text_is_refused(land):
    lying = pa.table({"name": pa.array([b"\xff\xfe"]).cast(pa.binary()).view(pa.string())})
    with pytest.raises(Misconfigured, match="a whole Parquet file was wanted; it cannot be read after row 0"):
        rows_of(land(parquet(lying), "a.parquet"))


def test_a_parquet_file_with_a_page_that_is_damaged_is_refused(land):
    content = bytearray(parquet(pa.table({"id": pa.array(range(100_000))}), write_page_checksum=True))
    content[20_000:20_400] = bytes(400)
    with pytest.raises(Misconfigured, match="a whole Parquet file was wanted; it cannot be read after row"):
        rows_of(land(bytes(content), "a.parquet"))


def test_a_file_that_is_not_there_is_named(tmp_path, bucket):
    _, where = bucket
    for source in (
        f"{tmp_path}/no.csv",
        f"{tmp_path}/no/*.csv",
        f"s3://xops_s3@{where}/no.csv",
        f"s3://xops_s3@{where}/no/*.csv",
    ):
        with pytest.raises(Misconfigured, match="no such file") as refused:
            open_source(source)
        assert source in str(refused.value)
    with pytest.raises(Misconfigured, match="source s3://xops_s3@no-such-bucket/"):
        open_source("s3://xops_s3@no-such-bucket/a.csv")
    with pytest.raises(Misconfigured, match="this is a folder"):
        open_source(str(tmp_path), file_format="csv")
    for nothing in ("", [], [""], 7):
        with pytest.raises(Misconfigured, match="a path, a URL or a list of them was wanted"):
            open_source(nothing)


def test_a_file_that_may_not_be_read_is_named(land):
    path = land(CSV)
    Path(path).chmod(0)
    for folder in list(Path(path).parents)[:4]:
        if folder != Path("/tmp") and folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755)
    anybody = os.geteuid() == 0
    if anybody:
        os.seteuid(65534)
    try:
        with pytest.raises(Misconfigured, match=f"source {path}: permission to read it was denied"):
            open_source(path)
    finally:
        if anybody:
            os.seteuid(0)


@pytest.fixture
def s3_through(moto, s3_at, monkeypatch):
    """Give a proxy in front of S3, and a client that waits a second at most and does not try again."""
    from urllib.parse import urlsplit

    from tests.integration.conftest import FaultProxy

    address = urlsplit(moto)
    proxy = FaultProxy((address.hostname, address.port))
    s3_at(proxy.url)
    bounds = {"max_retries": 0, "retry_timeout": dt.timedelta(seconds=1)}
    monkeypatch.setitem(object_stores.BOUNDS, "retry_config", bounds)
    monkeypatch.setitem(object_stores.BOUNDS, "client_options", {"timeout": "1s"})
    yield proxy
    proxy.close()


@pytest.mark.parametrize("call", ["HEAD", "GET"])
def test_a_silent_store_is_unavailable_within_its_bounds(call, bucket, s3_through):
    client, where = bucket
    client.put_object(Bucket=where, Key="a.csv", Body=CSV)
    s3_through.fail_next(call, "silence")
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"a\.csv"):
        rows_of(f"s3://xops_s3@{where}/a.csv")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("status", "wanted"), [(403, Misconfigured), (500, Unavailable), (503, Unavailable)])
def test_a_store_that_refuses_is_a_mistake_and_one_that_fails_is_not(status, wanted, bucket, s3_through):
    client, where = bucket
    client.put_object(Bucket=where, Key="a.csv", Body=CSV)
    s3_through.fail_next("GET", status)
    with pytest.raises(wanted, match=r"a\.csv"):
        rows_of(f"s3://xops_s3@{where}/a.csv")


def test_credentials_are_not_in_what_is_said(s3_at, nobody_listens):
    s3_at(nobody_listens)
    with pytest.raises(Unavailable) as lost:
        open_source("s3://xops_s3@bucket/a.csv")
    assert "sesame" not in f"{lost.value} {lost.value.__cause__}"
    with pytest.raises(Unavailable) as lost:
        open_source(f"{nobody_listens}/a.csv?signature=sesame")
    assert "sesame" not in str(lost.value)


def test_a_file_behind_a_web_server_is_read(land, nobody_listens):
    import functools
    import http.server
    import threading

    folder = Path(land(CSV)).parent
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        delivery = open_source(f"{url}/a.csv?signature=sesame")
        assert delivery.reader().read_all().to_pylist() == ROWS
        assert "sesame" not in json.dumps(delivery.to_json())
        with pytest.raises(Misconfigured, match="no such file"):
            open_source(f"{url}/b.csv")
        server.shutdown()


def many_rows(first):
    return b"id,name\n" + b"".join(b"%d,n%d\n" % (number, number) for number in range(first, first + 5000))


@pytest.mark.parametrize("place", ["folder", "bucket", "memory"])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_file_that_is_written_while_it_is_read_gives_no_whole_batch(place, name, land, bucket, monkeypatch):
    import fsspec

    monkeypatch.setattr(csv_rows, "BLOCK", 1 << 14)
    client, where = bucket
    writes = {
        "folder": lambda body: land(body, name),
        "bucket": lambda body: client.put_object(Bucket=where, Key=name, Body=body),
        "memory": lambda body: fsspec.filesystem("memory").pipe(f"/w/{name}", body),
    }
    addresses = {"folder": land(b"", name), "bucket": f"s3://xops_s3@{where}/{name}", "memory": f"memory://w/{name}"}
    tables = [pa.table({"id": pa.array(range(first, first + 200_000))}) for first in (0, 7)]
    before, after = (many_rows(0), many_rows(7)) if name == "a.csv" else map(parquet, tables)
    writes[place](before)
    delivery = open_source(addresses[place])
    reader = delivery.reader()
    reader.read_next_batch()
    time.sleep(0.01)
    writes[place](after)
    with pytest.raises(Unavailable, match="was written while it was read, so none of it was taken"):
        reader.read_all()


def test_a_file_that_vanishes_while_it_is_read_gives_no_whole_batch(land):
    path = land(CSV)
    reader = open_source(path).reader()
    Path(path).unlink()
    with pytest.raises(Unavailable, match="was written while"):
        reader.read_all()


def test_half_of_a_file_that_is_still_written_is_not_called_ragged(land, small_blocks):
    path = land(CSV + b"7")
    reader = open_source(path, types={"id": "int64", "name": "string"}).reader()
    time.sleep(0.01)
    with Path(path).open("ab") as file:
        file.write(b",n7\n1\n")
    with pytest.raises(Unavailable, match="was written while it was read"):
        reader.read_all()


def test_memory_stays_bounded_however_many_rows_a_file_has(land):
    line = b"".join(b"%d,n%d,%f\n" % (number, number, number / 7) for number in range(300_000))
    path = land(b"id,name,x\n" + line * 10)
    before = pa.total_allocated_bytes()
    most = 0
    for batch in open_source(path).reader():
        most = max(most, pa.total_allocated_bytes() - before)
        del batch
    assert Path(path).stat().st_size > 60 << 20
    assert most < 60 << 20


def a_table():
    return pa.table({"id": [1, 2]})


def in_parts(parts, start=0):
    for part in range(parts):
        yield pa.table({"id": [start + part]})


def nothing():
    return iter(())


def test_a_function_gives_a_table_a_frame_or_parts():
    import pandas as pd

    ids = [{"id": 1}, {"id": 2}]
    frame = pd.DataFrame({"id": [1, 2]}, index=[5, 6])
    here = f"{__name__}.in_parts"
    for source in (a_table, lambda: frame, lambda: a_table().to_batches(), lambda: a_table().to_reader(),
                   {"callable": a_table}, {"callable": in_parts, "arguments": {"parts": 2, "start": 1}}):  # fmt: skip
        assert rows_of(source) == ids
    assert rows_of({"callable": "pandas.DataFrame", "arguments": {"data": {"id": [1, 2]}}}) == ids
    assert open_source({"callable": in_parts, "arguments": {"parts": 1}}).name == here


def test_a_function_that_gives_something_else_is_named():
    import pandas as pd

    mixed = pd.DataFrame({"id": [1, "secret"]})
    for source, said in (
        (lambda: 7, "found int"),
        (nothing, "gave no rows"),
        (lambda: a_table().slice(0, 0), "it has no rows"),
        (lambda: mixed, "a column of the frame has values of several types"),
        (lambda: [a_table(), pa.table({"id": ["x"]})], "column id is declared int64, it is string"),
        (lambda: [a_table(), pa.table({"no": ["x"]})], "column id is declared; there are no"),
        (lambda: pa.table({"id": pa.nulls(2)}), "column id has no value; declare its type"),
        ({"callable": "no.such.function"}, "the function cannot be imported"),
        ({"callable": "string.digits"}, "a function was wanted, found str"),
        ({"function": a_table}, "conn_id with sql or table, or callable with arguments, was wanted"),
    ):
        with pytest.raises(Misconfigured, match=said) as refused:
            rows_of(source)
        assert "secret" not in str(refused.value)


@pytest.fixture
def database(postgres):
    """Give a cursor on an empty PostgreSQL database."""
    connection = psycopg2.connect(postgres)
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


def test_a_query_gives_its_rows_with_the_types_of_the_database(database):
    query = (
        "select 1::smallint a, 2::bigint b, 1.50::numeric(10, 2) c, 'x:y' d, true e, date '2026-01-02' f,"
        " timestamptz '2026-01-02 03:04:05+01' g, '{\"k\": [1]}'::jsonb h, null::double precision i"
        " where 'abc' like 'a%'"
    )
    read = open_source({"conn_id": "postgres_default", "sql": query}).reader().read_all()
    assert [str(field.type) for field in read.schema] == [
        "int16", "int64", "decimal128(10, 2)", "string", "bool", "date32[day]", "timestamp[us, tz=UTC]", "string",
        "double",
    ]  # fmt: skip
    (row,) = read.to_pylist()
    assert row == {
        "a": 1, "b": 2, "c": Decimal("1.50"), "d": "x:y", "e": True, "f": dt.date(2026, 1, 2),
        "g": dt.datetime(2026, 1, 2, 2, 4, 5, tzinfo=dt.UTC), "h": '{"k": [1]}', "i": None,
    }  # fmt: skip


def test_numbers_with_fewer_digits_than_places_are_read(database):
    query = "select 12345::numeric(3, -2) a, 0.0012::numeric(2, 4) b"
    read = open_source({"conn_id": "postgres_default", "sql": query}).reader().read_all()
    assert [str(field.type) for field in read.schema] == ["decimal128(5, 0)", "decimal128(4, 4)"]
    assert read.to_pylist() == [{"a": Decimal(12300), "b": Decimal("0.0012")}]


def test_memory_stays_bounded_however_many_rows_a_query_gives(database):
    query = "select repeat('x', 1000) a from generate_series(1, {})"
    some, all_of_them = ({"conn_id": "postgres_default", "sql": query.format(many)} for many in (1, 200_000))
    open_source(some).reader().read_all()  # what is loaded once is not of the rows
    held, most, rows = resident(), 0, 0
    for batch in open_source(all_of_them).reader():
        most, rows = max(most, resident() - held), rows + batch.num_rows
        del batch
    assert rows == 200_000
    assert most < 200 << 20, "a cursor of the server gives some rows at a time; with the client's it is 440 MB"


def resident():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) << 10


def test_values_from_outside_are_parameters_of_a_query(database):
    source = {"conn_id": "postgres_default", "sql": "select cast(:day as text) as day"}
    evil = "'; drop table orders --"
    assert rows_of(source | {"parameters": {"day": evil}}) == [{"day": evil}]


def test_a_table_of_a_database_is_read_whatever_its_name(database):
    database.execute('create schema "my shop"; create table "my shop"."or""ders" (id int); ')
    database.execute('insert into "my shop"."or""ders" select generate_series(1, 25000)')
    delivery = open_source({"conn_id": "postgres_default", "table": 'my shop.or"ders'})
    batches = list(delivery.reader())
    assert sorted(row for batch in batches for row in batch["id"].to_pylist()) == list(range(1, 25_001))
    assert [batch.num_rows for batch in batches] == [10_000, 10_000, 5_000]


def test_a_query_that_cannot_be_answered_is_named(database, monkeypatch):
    for source, said in (
        ({"sql": "select * from no_such_table"}, "the database refused: relation"),
        ({"sql": "select 1.5 as price"}, "column price has no type that can be told"),
        ({"sql": "select array[1] as a"}, "column a has no type that can be told"),
        ({"sql": "select 1 as a where false"}, "it has no rows"),
        ({"sql": "create table t (id int)"}, "the database refused: syntax error"),
        ({"table": "nothing.here"}, "the database refused: relation"),
    ):
        with pytest.raises(Misconfigured, match=said):
            rows_of({"conn_id": "postgres_default", **source})
    with pytest.raises(Misconfigured, match="column b is declared, the query gives a"):
        open_source({"conn_id": "postgres_default", "sql": "select 1 as a"}, types={"b": "int8"})
    with pytest.raises(Misconfigured, match="column a has a value that is not of type int8") as refused:
        rows_of({"conn_id": "postgres_default", "sql": "select 777 as a"}, types={"a": "int8"})
    assert "777" not in str(refused.value)
    with pytest.raises(Misconfigured, match="Airflow connection nowhere does not exist"):
        open_source({"conn_id": "nowhere", "sql": "select 1"})
    monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": "http", "host": "127.0.0.1"}))
    with pytest.raises(Misconfigured, match="Airflow connection web: one to an SQL database was wanted"):
        open_source({"conn_id": "web", "sql": "select 1"})


def test_a_database_that_is_down_is_unavailable(monkeypatch, free_port):
    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": free_port(), "login": "x", "password": "sesame"}
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", json.dumps(connection))
    with pytest.raises(Unavailable, match="source down:query") as lost:
        open_source({"conn_id": "down", "sql": "select 1"})
    assert "sesame" not in str(lost.value)
