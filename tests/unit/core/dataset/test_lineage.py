import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.lineage import Place, Source, Touched, Trace, place_of, quality_summary, sources_of
from xops.core.verdict import Finding, Outcome, Verdict

pytestmark = pytest.mark.unit

FLIGHTS = Place("iceberg://iceberg_default", "nyc.flights")


def verdict(*outcomes, subject="nyc.flights@1"):
    findings = tuple(Finding("rule", f"c{at}", outcome, reason="why") for at, outcome in enumerate(outcomes))
    return Verdict("data_test", subject, findings)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("/landing/01.parquet", Place("file", "/landing/01.parquet")),
        ("file:///landing/01.parquet", Place("file", "/landing/01.parquet")),
        ("s3://conn@bucket/a/b.csv", Place("s3://bucket", "a/b.csv")),
        ("https://anna:secret@host:8443/a", Place("https://host:8443", "a")),
        ("s3://bucket", Place("s3://bucket", "/")),
    ],
)
def test_the_place_of_a_file_has_no_credentials(url, place):
    assert place_of(url) == place


@pytest.mark.parametrize(
    ("record", "places"),
    [
        ("", ()),
        ("/landing/01.csv", (Place("file", "/landing/01.csv"),)),
        (
            json.dumps({"name": "x", "files": [{"url": "s3://c@b/1"}, {"url": "s3://c@b/2"}]}),
            (Place("s3://b", "1"), Place("s3://b", "2")),
        ),
        (json.dumps({"name": "warehouse:query", "files": []}), (Place("source", "warehouse:query"),)),
    ],
)
def test_a_delivery_came_from_its_files_or_from_what_its_name_says(record, places):
    assert sources_of(record) == places


def test_a_place_has_one_address():
    assert FLIGHTS.uri == "iceberg://iceberg_default/nyc.flights"
    assert place_of("/landing/x").uri == "file:///landing/x"
    assert place_of("s3://bucket/a").uri == "s3://bucket/a"


def test_what_is_touched_twice_is_one_with_all_its_columns():
    trace = Trace()
    trace.read(Touched(FLIGHTS, "1", {"id": "int"}, 5, {"id": 0}))
    trace.read(Touched(FLIGHTS, "2", {"id": "int"}))
    trace.read(Touched(FLIGHTS, "1", {"fare": "double"}, 3, {"fare": 1}))
    trace.wrote(Touched(FLIGHTS, "3", rows=None, made_from={"id": (Source(FLIGHTS, "id"),)}))
    trace.wrote(Touched(FLIGHTS, "3"))
    first, second = trace.inputs
    assert (dict(first.columns), first.rows, dict(first.nulls)) == (
        {"id": "int", "fare": "double"},
        5,
        {"id": 0, "fare": 1},
    )
    assert second.version == "2"
    assert [(one.rows, list(one.made_from)) for one in trace.outputs] == [(None, ["id"])]


def test_a_verdict_goes_with_the_version_it_is_about_and_otherwise_with_the_first():
    trace = Trace()
    trace.read(Touched(FLIGHTS, "1"))
    trace.read(Touched(FLIGHTS, "2"))
    about_two, about_a_model = verdict("pass", subject="nyc.flights@2"), verdict("pass", subject="models:/delay/1")
    trace.judged(about_two)
    trace.judged(about_a_model)
    assert [trace.verdicts_on(touched) for touched in trace.inputs] == [[about_a_model], [about_two]]


def test_a_verdict_goes_with_the_model_version_it_is_about():
    trace = Trace()
    trace.read(Touched(FLIGHTS, "1"))
    trace.read(Touched(Place("mlflow://mlflow_default", "delay"), "3"))
    trace.judged(found := verdict("pass", subject="models:/delay/3"))
    assert [trace.verdicts_on(touched) for touched in trace.inputs] == [[], [found]]


def test_a_trace_without_inputs_has_verdicts_on_nothing():
    trace = Trace()
    trace.judged(verdict("pass"))
    assert trace.verdicts_on(Touched(FLIGHTS, "2")) == []


def test_the_summary_weighs_as_airflows_provider_does():
    given_verdicts = [verdict("pass", "pass", "warn"), verdict("fail", "unknown")]
    assert quality_summary(given_verdicts, run="ab" * 16, suite="flights", table="nyc.flights") == {
        "run_uid": "ab" * 16,
        "ruleset": "flights",
        "table": "nyc.flights",
        "score": 0.55,
        "passed": 2,
        "warned": 1,
        "failed": 1,
        "errored": 1,
        "failed_rules": ["rule on c0", "rule on c1"],
        "warned_rules": ["rule on c2"],
    }


def test_nothing_found_has_no_score():
    assert quality_summary([], run="0", suite="", table="")["score"] is None


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1))
def test_a_score_is_a_share_and_one_only_where_everything_passed(outcomes):
    summary = quality_summary([verdict(*outcomes)], run="0", suite="", table="")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert 0 <= summary["score"] <= 1
    assert (summary["score"] == 1) == all(outcome is Outcome.PASS for outcome in outcomes)
    assert sum(summary[word] for word in ("passed", "warned", "failed", "errored")) == len(outcomes)
