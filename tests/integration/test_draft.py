"""`python -m xops draft`: what it drafts holds of the data it came from, and not of data that are broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xops.checks.contract_file import columns_of_schema, load_contract
from xops.checks.expectation_suite import read_suite, validate
from xops.cli import MISTAKE, main, verbs
from xops.core.contract.draft import draft
from xops.core.contract.odcs import read_contract
from xops.core.contract.schema_changes import judge_schema
from xops.core.suite.results import judge_expectations
from xops.core.verdict import Outcome
from xops.engines.facts import facts_of
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.landing.sources import open_source

pytestmark = pytest.mark.integration

TYPES = {
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.decimal128(9, 2): st.decimals(-1000, 1000, places=2),
    pa.string(): st.one_of(st.text(max_size=5), st.sampled_from(["DE", "NO", "12", "a@b.de"])),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(),
    pa.binary(): st.binary(max_size=3),
}


@st.composite
def tables(draw):
    """Give tables of any types, with repeated values, nulls, NaN and infinities among them."""
    rows = draw(st.integers(1, 60))
    columns = {}
    for place, kind in enumerate(draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=4))):
        pool = draw(st.lists(st.one_of(st.none(), TYPES[kind]), min_size=1, max_size=30))
        columns[f"c {place}"] = pa.array([pool[row % len(pool)] for row in range(rows)], kind)
    return pa.table(columns)


def judged(rows, suite):
    return judge_expectations(
        suite["expectations"],
        validate(rows, suite),
        columns=rows.column_names,
        rows=rows.num_rows,
        subject="s",
        facts={},
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables())
def test_a_draft_holds_of_the_data_it_came_from(rows):
    drafted = draft("orders", facts_of(rows, version="orders"), rows.num_rows)
    verdict = judged(rows, drafted.suite)
    assert [str(one) for one in verdict.findings if one.outcome in (Outcome.FAIL, Outcome.WARN)] == []
    unknown = [one for one in verdict.findings if one.outcome is Outcome.UNKNOWN]
    assert [str(one) for one in unknown if "values are null" not in one.reason] == []
    contract = read_contract(drafted.document)
    schema = judge_schema(
        contract.columns, columns_of_schema(rows.schema), subject="s", against="c", allowed=("relaxed",), facts={}
    )
    assert schema.outcome.passes


def orders(rows=500, seed=0):
    dice = np.random.default_rng(seed)
    return pa.table(
        {
            "order_id": [f"{number:05d}" for number in range(rows)],
            "amount": dice.uniform(5, 100, rows),
            "items": dice.integers(1, 9, rows),
            "country": dice.choice(["DE", "NO", "FR"], rows),
            "note": pa.array(["x"] * rows, mask=dice.random(rows) < 0.3),
        }
    )


BROKEN = {
    "a column that is gone": lambda rows: rows.drop_columns(["amount"]),
    "amounts in cents": lambda rows: rows.set_column(1, "amount", pa.array(np.asarray(rows["amount"]) * 100)),
    "negative amounts": lambda rows: rows.set_column(1, "amount", pa.array(-np.asarray(rows["amount"]))),
    "rows that came twice": lambda rows: pa.concat_tables([rows, rows]),
    "a country nobody knows": lambda rows: rows.set_column(3, "country", pa.array(["XX"] * rows.num_rows)),
    "a column without values": lambda rows: rows.set_column(2, "items", pa.nulls(rows.num_rows, pa.int64())),
    "a tenth of the rows": lambda rows: rows.slice(0, rows.num_rows // 10),
    "ids that are names": lambda rows: rows.set_column(
        0, "order_id", pa.array([f"n{n}" for n in range(rows.num_rows)])
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_draft_does_not_hold_of_data_that_are_broken(broken):
    drafted = draft("orders", facts_of(orders(), version="orders"), 500)
    assert judged(orders(480, seed=1), drafted.suite).outcome is Outcome.PASS
    assert judged(BROKEN[broken](orders()), drafted.suite).outcome is Outcome.FAIL


def test_the_shell_drafts_files_that_are_read_back(tmp_path):
    pq.write_table(orders(), tmp_path / "orders.parquet")
    plugins = str(Path(__file__).parents[2] / "plugins")
    command = [sys.executable, "-m", "xops", "draft", "orders.parquet", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": plugins}
    )
    answer = json.loads(done.stdout)
    assert answer["rows"] == 500
    contract = load_contract(str(tmp_path / answer["contract"]))
    assert {column.name for column in contract.columns} == set(orders().column_names)
    for suite in (answer["suite"], answer["contract"]):
        assert judged(orders(), read_suite(str(tmp_path / suite))).outcome is Outcome.PASS


def test_what_unicode_takes_for_the_end_of_a_line_is_read_back(tmp_path):
    column = "grö\x85ße\u2028"
    pq.write_table(orders().rename_columns([column, *orders().column_names[1:]]), tmp_path / "orders.parquet")
    assert main(["draft", str(tmp_path / "orders.parquet"), "--out", str(tmp_path)]) == 0
    assert load_contract(str(tmp_path / "orders.odcs.yaml")).columns[0].name == column


def test_a_person_is_shown_a_table_and_told_where_the_files_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    pyarrow.csv.write_csv(orders(), tmp_path / "orders.csv")
    assert main(["draft", "orders.csv", "--out", "made"]) == 0
    said = capsys.readouterr().out
    assert "500 different values in 500 rows" in said
    assert "wrote made/orders.odcs.yaml and made/orders.json" in said


def test_a_file_is_drafted_with_the_types_that_its_batches_will_have(tmp_path):
    (tmp_path / "orders.csv").write_text("code,amount\n007,1.5\n008,2.5\n")
    assert main(["draft", str(tmp_path / "orders.csv"), "--out", str(tmp_path)]) == 0
    contract = load_contract(str(tmp_path / "orders.odcs.yaml"))
    rows = open_source(str(tmp_path / "orders.csv"), contract=contract).reader().read_all()
    assert rows["code"].to_pylist() == ["007", "008"]


def test_a_published_table_is_drafted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path / "xops")
    lake = IcebergHook()
    lake.publish(lake.stage(orders(), table="shop.orders", batch="2026-01-05"))
    assert main(["draft", "shop.orders", "--out", str(tmp_path), "--json"]) == 0
    contract = load_contract(json.loads(capsys.readouterr().out)["contract"])
    assert (contract.dataset, [column.name for column in contract.columns]) == ("shop.orders", orders().column_names)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("orders.txt", "the format csv, jsonl or parquet was wanted"),
        ("nothing.parquet", "no table of which anything was published"),
        ("no such", "no such file, and no name of a table either"),
        ("empty.parquet", "it has no rows"),
        ("ragged.csv", "line 3 has 3 fields, the header has 2"),
    ],
)
def test_what_cannot_be_drafted_is_a_mistake_with_its_reason(tmp_path, monkeypatch, capsys, data, said):
    monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path / "xops")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.txt").write_text("hello")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3,4,5\n")
    pq.write_table(orders(0), tmp_path / "empty.parquet")
    assert main(["draft", data]) == MISTAKE
    assert said in capsys.readouterr().err
    assert list(tmp_path.glob("*.yaml")) == []


def test_files_that_are_there_are_written_over_when_told_so_only(tmp_path, capsys):
    pq.write_table(orders(), tmp_path / "orders.parquet")
    (tmp_path / "orders.json").write_text("mine")
    asked = ["draft", str(tmp_path / "orders.parquet"), "--out", str(tmp_path)]
    assert main(asked) == MISTAKE
    assert "orders.json: there already" in capsys.readouterr().err
    assert (tmp_path / "orders.json").read_text() == "mine"
    assert main([*asked, "--force"]) == 0


def test_each_verb_says_what_it_does(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(verb.name in said and verb.summary[:30] in said for verb in verbs())
