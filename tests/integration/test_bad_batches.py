"""Eight kinds of bad input to each kind of dataset: a clear error, readers see no change, nothing is left behind."""

import errno
from collections import Counter

import obstore
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from airflow.sdk.exceptions import AirflowFailException

from tests.cases.shop import POSITIVE, Lake, Shop
from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.datasets import rows as rows_module
from xops.hooks.datasets import sql_parts
from xops.operators.datasets import StageDataOperator

pytestmark = pytest.mark.integration

ROWS = 4000
CSV = b"id,amount\n" + b"".join(b"%d,%d.5\n" % (number, number) for number in range(ROWS))
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: shop
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 1}}
"""


class Landing(Shop):
    """A shop into whose folder a file has landed, and what its datasets consist of."""

    def __init__(self, folder, lake, postgres):
        super().__init__(folder, lake.table)
        self.lake, self.postgres = lake, postgres

    def stage_file(self, name, content, batch="02", **more):
        (self.folder / name).write_bytes(content)
        source = str(self.folder / name)
        types = {"types": {"id": "int64", "amount": "double"}} if name.endswith("csv") else {}
        return self.execute(
            StageDataOperator(task_id="stage", source=source, table=self.table, batch=batch, **types, **more)
        )

    def things(self):
        """Give the data files or the tables that there are, whoever knows of them, and what readers see."""
        found = {str(path) for path in self.folder.rglob("data/**/*.parquet")}
        if self.postgres:
            with psycopg2.connect(self.postgres) as connection, connection.cursor() as cursor:
                cursor.execute("select table_schema || table_name from information_schema.tables")
                found |= {name for (name,) in cursor.fetchall()}
        return found, self.seen()

    def seen(self):
        return Counter(self.lake.rows(self.lake.published())["id"].to_pylist())


@pytest.fixture(params=["Iceberg", "folder", "SQL"])
def landing(request, tmp_path, monkeypatch):
    """Give a shop of which a batch of one row is published, and that writes some rows at a time."""
    postgres = request.getfixturevalue("postgres") if request.param == "SQL" else None
    tables = {"Iceberg": "shop.orders", "folder": f"{tmp_path}/orders"}
    lake = Lake(tables.get(request.param, "sql://postgres_default/shop.orders"))
    monkeypatch.setattr(rows_module, "PIECE", 1 << 14)
    monkeypatch.setattr("xops.engines.files.csv_rows.BLOCK", 1 << 13)
    shop = Landing(tmp_path, lake, postgres)
    lake.store.publish(lake.store.stage(pa.table({"id": [1], "amount": [1.0]}), table=lake.table, batch="01"))
    return shop


def parquet(amounts):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": range(len(amounts)), "amount": amounts}), sink, row_group_size=500)
    return sink.getvalue().to_pybytes()


def damaged():
    """Give a Parquet file of which a page in its second half is not what its footer says."""
    content = bytearray(parquet([float(number) for number in range(ROWS)]))
    content[len(content) * 2 // 3 : len(content) * 2 // 3 + 200] = b"\xff" * 200
    return bytes(content)


LATE = len(CSV) * 9 // 10
WRONG = {
    "a ragged line": ("a.csv", CSV + b"7,8,9\n", "line 4002 has 3 fields, the header has 2"),
    "a wrong encoding": ("a.csv", CSV[:LATE] + b"\xe9" + CSV[LATE:], f"byte {LATE} is no UTF-8"),
    "a schema that lies": ("a.parquet", damaged(), "a whole Parquet file was wanted; it cannot be read after row"),
    "an empty file": ("a.csv", b"", "the file is empty"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_wrong_at_its_end_leaves_nothing_of_its_beginning(landing, what):
    name, content, said = WRONG[what]
    before = landing.things()
    with pytest.raises(AirflowFailException, match=said):
        landing.stage_file(name, content)
    assert landing.things() == before


def test_a_batch_of_bad_rows_only_is_set_aside_whole(landing):
    before = landing.seen()
    staged = landing.stage_file("a.csv", CSV.replace(b",", b",-").replace(b"id,-", b"id,"))
    tested = landing.test(staged, {**POSITIVE, "kwargs": {**POSITIVE["kwargs"], "max_value": 1, "strict_max": True}},
                          {"type": "expect_column_values_to_be_null", "kwargs": {"column": "id"}})  # fmt: skip
    with pytest.raises(AirflowFailException, match=f"is quarantined on branch .*{ROWS} rows"):
        landing.publish(staged, tested, on_fail="quarantine_rows")
    assert landing.seen() == before
    assert [version.rows for version in landing.lake.quarantined()] == [ROWS]


def test_a_contract_that_contradicts_itself_stages_nothing(landing):
    (landing.folder / "c.odcs.yaml").write_text(CONTRACT)
    before = landing.things()
    with pytest.raises(
        AirflowFailException, match="the contract contradicts itself: column id: no value is at least 5"
    ):
        landing.stage_file("a.csv", CSV, contract=str(landing.folder / "c.odcs.yaml"))
    assert landing.things() == before


def test_a_file_that_is_written_while_it_is_staged_is_read_by_the_retry(landing, monkeypatch):
    before, pieces = landing.things(), rows_module.Incoming.pieces

    def written_meanwhile(incoming):
        for place, piece in enumerate(pieces(incoming)):
            if place == 1:
                (landing.folder / "a.csv").write_bytes(CSV + b"4000,1\n")
            yield piece

    with monkeypatch.context() as meanwhile, pytest.raises(Unavailable, match="was written while it was read"):
        meanwhile.setattr(rows_module.Incoming, "pieces", written_meanwhile)
        landing.stage_file("a.csv", CSV)
    assert landing.things() == before
    landing.lake.store.publish(version_of(landing.stage_file("a.csv", CSV + b"4000,1\n")))
    assert landing.seen() == before[1] + Counter(range(ROWS + 1))


def version_of(document):
    from xops.core.dataset.versions import DataVersion

    return DataVersion.from_json(document)


NO_SPACE = "No space left on device"
FULL = {
    "Iceberg": (pq.ParquetWriter, "write_table", OSError(errno.ENOSPC, NO_SPACE)),
    "folder": (obstore, "put", obstore.exceptions.GenericError(NO_SPACE)),
    "SQL": (sql_parts, "insert", sqlalchemy.exc.OperationalError("insert", {}, psycopg2.errors.DiskFull(NO_SPACE))),
}


@pytest.mark.parametrize("landing", FULL, indirect=True)
def test_a_disk_that_runs_full_or_refuses_a_file_while_a_batch_is_staged_is_tried_again(landing, monkeypatch, request):
    owner, name, error = FULL[request.node.callspec.params["landing"]]
    before, original, written = landing.things(), getattr(owner, name), []

    def full(*given, **more):
        written.append(given)
        if len(written) == 3:
            raise error
        return original(*given, **more)

    with monkeypatch.context() as small, pytest.raises(Unavailable, match=NO_SPACE):
        small.setattr(owner, name, full)
        landing.stage_file("a.csv", CSV)
    assert len(written) == 3
    assert landing.things() == before
    landing.lake.store.publish(version_of(landing.stage_file("a.csv", CSV)))
    assert landing.seen() == before[1] + Counter(range(ROWS))


@pytest.fixture(params=["Iceberg", "SQL"])
def lake(request):
    """Give a dataset that is a table."""
    if request.param == "SQL":
        request.getfixturevalue("postgres")
    return Lake("shop.orders" if request.param == "Iceberg" else "sql://postgres_default/shop.orders")


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_integers_without_a_sign_are_held_up_to_what_a_table_holds(lake, bits):
    kind, most = pa.type_for_alias(f"uint{bits}"), min((1 << bits) - 1, (1 << 63) - 1)
    for batch in ("01", "02"):
        rows = pa.table({"id": pa.array([0, most, None], kind)})
        lake.store.publish(lake.store.stage(rows, table=lake.table, batch=batch))
    assert lake.rows(lake.published())["id"].to_pylist() == [0, most, None] * 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([1, (1 << 64) - 1], pa.uint64()), "Integer value 18446744073709551615 not in range"),
        (pa.array([None, 3_000_000], pa.date32()), "a date is not of the years 1 to 9999"),
        (pa.array([0, 253_402_300_800_000_000], pa.timestamp("us")), "a date is not of the years 1 to 9999"),
        (pa.array([0, -(1 << 62)], pa.timestamp("us", "UTC")), "a date is not of the years 1 to 9999"),
    ],
)
def test_a_value_that_no_table_holds_is_refused_by_its_column(lake, tmp_path, values, said):
    with pytest.raises(Misconfigured, match=f"batch 01, column at: {said}"):
        lake.store.stage(pa.table({"at": values}), table=lake.table, batch="01")
    assert lake.published() is None
    assert not list(tmp_path.rglob("data/**/*.parquet"))


@pytest.mark.parametrize("kind", ["Iceberg", "folder", "SQL"])
def test_memory_stays_bounded_however_many_rows_a_batch_has(kind, tmp_path, monkeypatch, request):
    if kind == "SQL":
        request.getfixturevalue("postgres")
    rows = {"Iceberg": 2_000_000, "folder": 2_000_000, "SQL": 40_000}[kind]
    monkeypatch.setattr(rows_module, "PIECE", 2 << 20)
    tables = {"Iceberg": "shop.orders", "folder": f"{tmp_path}/orders"}
    lake = Lake(tables.get(kind, "sql://postgres_default/shop.orders"))
    schema = pa.schema([("id", pa.int64()), ("amount", pa.float64())])
    before, held = pa.total_allocated_bytes(), []

    def batches():
        for first in range(0, rows, 20_000):
            ids = pa.array(range(first, first + 20_000), pa.int64())
            held.append(pa.total_allocated_bytes() - before)
            yield pa.record_batch([ids, ids.cast(pa.float64())], schema=schema)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    assert lake.store.stage(reader, table=lake.table, batch="01").rows == rows
    assert max(held) < 16 << 20
