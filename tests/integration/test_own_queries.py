"""Expectations that are queries, over files and frames, and what the queries cannot reach."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xops.checks.expectation_suite import validate
from xops.core.suite.queries import QUERY
from xops.engines.own_queries import count_rows
from xops.engines.sources import ArrowRows

pytestmark = pytest.mark.integration

ROWS = pa.table({"id": [1, 2, 2, None], "Name of": ["Ada", "b", "c", "Ada"], "more": [1.5, 2.5, 3.5, 4.5]})
FOUND = {
    "SELECT * FROM {batch} WHERE id > 1": 2,
    "SELECT * FROM {batch} WHERE id > 9": 0,
    'SELECT "name OF" FROM {batch} GROUP BY 1 HAVING count(*) > 1 ORDER BY 1': 1,
    "SELECT a.* FROM {batch} a JOIN {batch} b ON a.id = b.id AND a.more < b.more": 1,
    "WITH x AS (SELECT DISTINCT * FROM {batch}) SELECT * FROM x LIMIT 3": 3,
    "SELECT 1 FROM {batch} UNION ALL SELECT 2": 5,
    "SELECT b FROM {batch} b WHERE b.more > 4": 1,
    "SELECT DISTINCT * FROM {batch}": 4,
    "SELECT * FROM {batch} WHERE regexp_matches(\"Name of\", '^[A-Z].{{2}}$')": 2,
    "SELECT 1": 1,
}


def suite(*queries):
    return {"name": "s", "expectations": [{"type": QUERY, "kwargs": {"unexpected_rows_query": one}} for one in queries]}


@pytest.mark.parametrize("place", ["a file", "a table", "a frame"])
def test_every_row_that_a_query_gives_is_unexpected(tmp_path, place):
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    rows = {"a file": str(tmp_path / "rows.parquet"), "a table": ROWS, "a frame": ROWS.to_pandas()}[place]
    entries = validate(rows, suite(*FOUND))
    assert [entry["result"] for entry in entries] == [{"observed_value": many} for many in FOUND.values()]
    assert [entry["success"] for entry in entries] == [many == 0 for many in FOUND.values()]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM {batch} WHERE gone > 1", "gone"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM '/etc/passwd'", "could not be run"),
        ("SELECT * FROM ROWS", "could not be run"),
        ("SELECT getenv('HOME')", "could not be run"),
        ('SELECT 1 FROM {batch} WHERE "Name of"::INT > 1', "ConversionException, at a value that is not shown"),
        ("SELECT 1; SELECT 2", "one SELECT was wanted"),
        ("DROP TABLE {batch}", "one SELECT was wanted"),
        ("SET threads = 1", "one SELECT was wanted"),
        ("SELECT FROM WHERE", "could not be r"),
        ("SELECT {column} FROM {batch}", "braces that are not"),
    ],
)
def test_a_query_that_cannot_be_run_is_unknown_and_says_why_without_a_value(query, says):
    first, second = validate(ROWS, suite(query, "SELECT * FROM {batch} WHERE id > 1"))
    assert not first["success"]
    assert says in first["exception_info"]["exception_message"]
    assert "Ada" not in first["exception_info"]["exception_message"]
    assert second["result"] == {"observed_value": 2}


def test_the_rows_are_read_once_and_only_the_columns_that_the_queries_name(monkeypatch):
    read, batches = [], ArrowRows.batches
    monkeypatch.setattr(ArrowRows, "batches", lambda self, columns: read.append(columns) or batches(self, columns))
    assert count_rows(ROWS, ["SELECT * FROM xops_batch WHERE id = 1", "SELECT count(*) FROM xops_batch"]) == [1, 1]
    assert read == [["id"]]


def test_rows_without_a_column_or_without_a_row_are_counted():
    assert count_rows(ROWS.slice(0, 0), ["SELECT * FROM xops_batch"]) == [0]
    assert count_rows(ROWS, ["SELECT 1 FROM xops_batch"]) == [4]


def test_rows_past_the_memory_are_on_disk_when_the_queries_reach_nothing_else():
    random = np.random.default_rng(0)  # what does not repeat is not packed
    rows = pa.table({name: random.integers(0, 2**60, 2_000_000) for name in "abcd"})
    asked = [
        "SELECT a FROM xops_batch GROUP BY a HAVING count(*) > 1",
        "SELECT * FROM xops_batch WHERE a + b + c + d < 0",
    ]
    assert rows.nbytes > 60_000_000
    assert count_rows(rows, asked, memory_limit="60MB") == [0, 0]
