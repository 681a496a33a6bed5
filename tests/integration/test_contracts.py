"""Contracts as files and the schema check, on a real table."""

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException

from xops.checks.contract_file import arrow_schema, columns_of_schema, load_contract
from xops.checks.expectation_suite import read_suite, validate
from xops.core.contract.column_types import fits, from_arrow
from xops.core.contract.schema_changes import Column
from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.core.suite.results import judge_expectations
from xops.hooks.datasets.store import store_of
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.landing.sources import open_source
from xops.operators.datasets import DataTestOperator, StageDataOperator
from xops.operators.schema import SchemaCheckOperator

pytestmark = pytest.mark.integration

FLIGHTS = Path(__file__).parents[2] / "include"
ORDERS = """
apiVersion: v3.1.0
kind: DataContract
id: shop-orders
version: 1.0.0
status: active
schema:
  - name: orders
    physicalName: shop.orders
    properties:
      - {name: order_id, logicalType: integer, primaryKey: true}
      - {name: amount, logicalType: number, physicalType: double, required: true, logicalTypeOptions: {minimum: 0}}
      - name: country
        logicalType: string
        enum: [{value: DE}, {value: "NO"}]
        quality: [{type: sql, query: select 1, mustBe: 1}]
      - {name: at, logicalType: timestamp, logicalTypeOptions: {timezone: true}}
    quality: [{metric: rowCount, mustBeGreaterOrEqualTo: 2}]
slaProperties:
  - {property: freshness, value: 2, unit: d, element: orders.at}
"""
UNTESTED = "schema[0].properties[2] (country).quality[0]: sql: outside the subset"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path / "xops")
    return tmp_path


@pytest.fixture
def written(tmp_path):
    """Give a function that writes a contract, with one text in it replaced."""

    def write(old="", new=""):
        assert old in ORDERS
        path = tmp_path / "orders.odcs.yaml"
        path.write_text(ORDERS.replace(old, new) if old else ORDERS)
        return str(path)

    return write


def orders(days_ago=0, **columns):
    at = pa.array([dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)] * 2, pa.timestamp("us", "UTC"))
    given = {"order_id": [1, 2], "amount": [1.5, 2.5], "country": ["DE", None], "at": at}
    return pa.table({name: values for name, values in (given | columns).items() if values is not None})


def staged(rows, batch="2026-01-05", *, publish=False):
    version = IcebergHook().stage(rows, table="shop.orders", batch=batch)
    return (IcebergHook().publish(version) if publish else version).to_json()


def run(operator):
    ti = SimpleNamespace(dag_id="shop", run_id="r", task_id=operator.task_id, map_index=None, xcom_push=lambda **_: 0)
    return json.loads(json.dumps(operator.execute({"ti": ti}), allow_nan=False))


def findings(evidence, *outcomes):
    return {
        (one["check"], one["subject"])
        for one in evidence["verdict"]["findings"]
        if one["outcome"] in (outcomes or ("fail", "unknown"))
    }


def test_a_first_batch_that_keeps_the_contract_passes_and_says_what_was_not_tested(home, written):
    check = SchemaCheckOperator(task_id="schema", version=staged(orders()), contract=written())
    evidence = run(check)
    assert evidence["verdict"]["outcome"] == "warn"
    warned = findings(evidence, "warn")
    assert warned == {
        ("schema", "dataset"),
        ("contract", UNTESTED),
    }
    assert evidence["verdict"]["facts"]["contract"] == "shop-orders"


PHYSICAL = """
apiVersion: v3.1.0
kind: DataContract
id: files
version: 1.0.0
status: active
schema:
  - name: files
    properties:
      - {name: content, physicalType: binary}
      - {name: size, physicalType: bigint}
"""


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ({"amount": pa.array([1.5, None])}, ("column_relaxed", "amount")),
        ({"amount": pa.array([1, 2], pa.int64())}, ("column_retyped", "amount")),
        ({"amount": pa.array([1, 2], pa.float32())}, ("column_narrowed", "amount")),
        ({"country": None}, ("column_removed", "country")),
        ({"country": None, "Country": ["DE", "NO"]}, ("column_renamed", "country")),
    ],
)
def test_a_batch_that_breaks_the_contract_fails(home, written, rows, broken):
    check = SchemaCheckOperator(task_id="schema", version=staged(orders(**rows)), contract=written(), gate="record")
    assert findings(run(check)) == {broken}
    with pytest.raises(AirflowFailException, match=broken[0]):
        run(SchemaCheckOperator(task_id="schema", version=check.version, contract=written()))


def test_a_column_that_is_new_is_a_warning_unless_the_contract_allows_none(home, written):
    version = staged(orders(note=["a", "b"]))
    check = SchemaCheckOperator(task_id="schema", version=version, contract=written(), gate="record")
    assert ("column_added", "note") in findings(run(check), "warn")
    none = "customProperties: [{property: schemaEvolution, value: none}]\n    properties:"
    strict = SchemaCheckOperator(
        task_id="schema", version=version, contract=written("properties:", none), gate="record"
    )
    assert findings(run(strict)) == {("column_added", "note")}


def test_a_batch_is_compared_with_the_version_that_readers_have(home):
    staged(orders(), publish=True)
    same = run(SchemaCheckOperator(task_id="schema", version=staged(orders(), "2026-01-06")))
    assert same["verdict"]["outcome"] == "pass"
    assert findings(same, "pass") == {("schema", name) for name in ("order_id", "amount", "country", "at")}
    with IcebergHook().table("shop.orders").update_schema() as update:
        from pyiceberg.types import StringType

        update.add_column("note", StringType())
    evolved = run(SchemaCheckOperator(task_id="schema", version=staged(orders(note=["a", "b"]), "2026-01-07")))
    assert findings(evolved, "warn") == {("column_added", "note")}


def test_a_contract_is_a_suite_to_the_data_test(home, written):
    good = run(DataTestOperator(task_id="good", version=staged(orders(), "a"), suite=written()))
    assert good["verdict"]["outcome"] == "warn"
    assert findings(good, "warn") == {("contract", UNTESTED)}
    bad = orders(days_ago=3, order_id=[1, 1], amount=[-1.0, 2.0], country=["DE", "FR"])
    found = run(DataTestOperator(task_id="bad", version=staged(bad, "b"), suite=written(), gate="record"))
    assert findings(found) == {
        ("expect_column_values_to_be_unique", "order_id"),
        ("expect_column_values_to_be_between", "amount"),
        ("expect_column_values_to_be_in_set", "country"),
        ("expect_column_max_to_be_between", "at"),
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: DataContract", "kind: Contract", "kind: not as the standard has it"),
        (
            "minimum: 0",
            "minimum: 0, maximum: -1",
            r"no value is at least 0 and at most -1 .*\(amount\)\.logicalTypeOptions",
        ),
        ("minimum: 0", "minimum: zero", r"schema\[0\]\.properties\[1\]\.logicalTypeOptions\.minimum"),
        ("required: true", "required: true, required: false", r"line \d+: required is given more than once"),
        ("required: true", "requird: true", "requird"),
        ("name: country", "name: amount", "more than one property amount"),
        ("apiVersion: v3.1.0", "apiVersion: [", "YAML was wanted"),
        (ORDERS, "- a", "a mapping was wanted, found list"),
        ("logicalType: integer", "logicalType: int", r"properties\[0\]\.logicalType"),
    ],
)
def test_a_contract_that_is_wrong_is_refused_with_the_place(written, old, new, said):
    with pytest.raises(Misconfigured, match=said):
        load_contract(written(old, new))


def test_a_column_needs_no_logical_type_where_its_physical_type_is_known(tmp_path):
    path = tmp_path / "files.odcs.yaml"
    path.write_text(PHYSICAL)
    assert [(column.name, column.type) for column in load_contract(str(path)).columns] == [
        ("content", "binary"), ("size", "int64"),
    ]  # fmt: skip


def test_a_contract_that_is_not_there_is_missed_by_name(tmp_path, written):
    written()
    with pytest.raises(Misconfigured, match=r"no such file; .* has orders\.odcs\.yaml"):
        load_contract(str(tmp_path / "other.yaml"))


def test_code_in_a_contract_is_refused(written):
    code = (
        '{type: expect_column_to_exist, kwargs: {column: a, condition_parser: pandas, row_condition: "__import__(1)"}}'
    )
    rule = f"quality: [{{type: custom, engine: greatExpectations, implementation: {code}}}, "
    with pytest.raises(Misconfigured, match="row_condition, which is code"):
        load_contract(written("quality: [{metric", rule + "{metric"))


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.date32()),
        *(pa.time64("us"), pa.timestamp("ms"), pa.timestamp("ns", "UTC"), pa.decimal128(12, 3)),
    ],
    ids=str,
)
def test_a_type_goes_to_arrow_and_back(kind):
    schema = pa.schema([pa.field("a", kind, nullable=False)])
    assert arrow_schema(columns_of_schema(schema)) == schema


def test_a_nested_type_is_not_guessed():
    with pytest.raises(Misconfigured, match="no Arrow type is made from list"):
        arrow_schema([Column("a", from_arrow(str(pa.list_(pa.int8()))))])


def test_a_source_is_read_by_the_types_that_its_contract_declares(written, tmp_path):
    contract, wanted = load_contract(written()), ["order_id", "amount", "country", "at"]
    landed = tmp_path / "landed.csv"
    landed.write_text("order_id,amount,country,at,note\n7,1,NO,2026-01-05T06:00:00Z,x\n")
    types = [str(field.type) for field in open_source(str(landed), contract=contract).schema]
    assert types == ["int64", "double", "string", "timestamp[us, tz=UTC]", "string"]
    pq.write_table(orders(order_id=pa.array([1, 2], pa.int16()), amount=[1, 2]), tmp_path / "landed.parquet")
    schema = open_source(str(tmp_path / "landed.parquet"), contract=contract).schema
    assert [str(schema.field(name).type) for name in wanted] == ["int16", *types[1:4]]
    landed.write_text("order_id\n7\n")
    assert open_source(str(landed), contract=contract).schema.names == ["order_id"]
    with pytest.raises(Misconfigured, match="column amount is declared, the header has order_id"):
        open_source(str(landed), contract=contract, types={"amount": "double"})
    (chosen,) = open_source(str(landed), contract=contract, types={"order_id": "string"}).schema
    assert chosen.type == pa.string()


def stage(home, written, text, *, evolution="compatible", **more):
    """Stage a CSV by a contract that allows what ``evolution`` says."""
    (home / "landed.csv").write_text(text)
    allows = f"schema:\n  - name: orders\n    customProperties: [{{property: schemaEvolution, value: {evolution}}}]"
    contract = written("schema:\n  - name: orders", allows)
    where = {"source": str(home / "landed.csv"), "table": str(home / "orders"), "contract": contract} | more
    return run(StageDataOperator(task_id="stage", **{"batch": "2026-01-05", **where}))


ORDER = "order_id,amount,country,at\n7,1,NO,2026-01-05T06:00:00Z\n"


def test_a_batch_is_staged_by_the_types_and_the_changes_that_its_contract_has(home, written):
    store = store_of(str(home / "orders"), iceberg_conn_id="")
    store.publish(DataVersion.from_json(stage(home, written, ORDER)))
    types = {field.name: str(field.type) for field in store.schema(store.published(str(home / "orders")))}
    assert types == {"order_id": "int64", "amount": "double", "country": "string",
                     "at": "timestamp[us, tz=UTC]", "batch": "string"}  # fmt: skip
    more = ORDER.replace("at\n", "at,note\n").replace("Z\n", "Z,x\n")
    for nothing_new in ("none", "[widened]"):
        with pytest.raises(AirflowFailException, match=r"note added \(string\); contract shop-orders 1.0.0 allows"):
            stage(home, written, more, batch="2026-01-06", evolution=nothing_new)
    store.publish(DataVersion.from_json(stage(home, written, more, batch="2026-01-06", evolution="[added]")))
    seen = store.rows(store.published(str(home / "orders")))
    assert sorted(seen["note"].to_pylist(), key=str) == [None, "x"]


def test_who_decides_on_changes_is_the_contract_alone(home, written):
    with pytest.raises(AirflowFailException, match=r"evolve: the contract .* says what may change; leave one of them"):
        stage(home, written, ORDER, evolve=True)


@pytest.mark.parametrize("month", sorted(FLIGHTS.glob("data/flights/*.parquet")), ids=lambda path: path.stem)
def test_the_contract_of_the_flights_holds_of_the_sample_data(month):
    path = str(FLIGHTS / "contracts" / "flights.odcs.yaml")
    rows, contract, suite = pq.read_table(month), load_contract(path), read_suite(path)
    verdict = judge_expectations(
        suite["expectations"],
        validate(rows, suite),
        columns=rows.column_names,
        rows=rows.num_rows,
        subject="s",
        facts={},
    )
    assert [str(finding) for finding in verdict.failed] == []
    found = {column.name: column.type for column in columns_of_schema(rows.schema)}
    assert [column.name for column in contract.columns if not fits(found[column.name], column.type)] == []
    assert len(found) == len(contract.columns)
    assert contract.outside == ()


def test_a_batch_of_plain_parquet_files_is_compared_with_the_contract_and_with_what_readers_have(home, written):
    folder = str(home / "orders")
    store = store_of(folder, iceberg_conn_id="")
    store.publish(store.stage(orders(), table=folder, batch="2026-01-05"))
    good = store.stage(orders(), table=folder, batch="2026-01-06").to_json()
    assert run(SchemaCheckOperator(task_id="good", version=good, contract=written()))["verdict"]["outcome"] == "warn"
    bad = store.stage(orders(amount=pa.array([1.5, None])), table=folder, batch="2026-01-07").to_json()
    found = run(SchemaCheckOperator(task_id="bad", version=bad, contract=written(), gate="record"))
    assert findings(found) == {("column_relaxed", "amount")}
