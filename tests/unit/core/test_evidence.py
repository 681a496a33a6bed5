import hashlib
import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from xops.core.evidence import Evidence, Origin, digest, folder, slug
from xops.core.verdict import Finding, Outcome, Verdict

pytestmark = pytest.mark.unit

ORIGINS = st.builds(Origin, st.text(), st.text(), st.text(), st.integers(-1))
VERDICTS = st.builds(
    lambda check, subject, outcome, observed, facts: Verdict(
        check, subject, (Finding("auc", "m", outcome, observed, reason="measured"),), facts
    ),
    st.text(),
    st.text(),
    st.sampled_from(Outcome),
    st.floats() | st.text() | st.lists(st.integers()),
    st.dictionaries(st.text(), st.integers() | st.text()),
)
EVIDENCE = st.builds(
    Evidence, VERDICTS, st.text(min_size=1), st.text(), ORIGINS, st.text(), report=st.none() | st.text()
)
HOSTILE = st.text("aA-._=~/\\ %é\n\0\ud800")  # safe and unsafe characters, dense enough that careless slugs would meet

ORIGIN = Origin("train", "manual__1", "evaluate")
VERDICT = Verdict("evaluation", "models:/flights_delay/2", (Finding("auc", "m", Outcome.PASS, 0.8, 0.7),))
KEPT = Evidence(VERDICT, "flights_delay", "2024-01", ORIGIN, "2024-02-01T00:00:00+00:00")


@given(EVIDENCE)
def test_evidence_survives_json(kept):
    assert Evidence.from_json(json.loads(json.dumps(kept.to_json(), allow_nan=False))) == kept


def test_evidence_written_without_a_report_is_read():
    document = KEPT.to_json()
    del document["report"]
    assert Evidence.from_json(document) == KEPT


@pytest.mark.parametrize(
    "retried",
    [
        replace(KEPT, recorded_at="2024-02-01T00:05:00+00:00"),
        replace(KEPT, report="r1"),
        replace(KEPT, verdict=replace(VERDICT, findings=(), facts={"attempt": 2})),
    ],
    ids=["later", "with a report", "with another outcome"],
)
def test_a_retry_of_the_same_task_on_the_same_subject_rewrites_the_same_object(retried):
    assert retried.path == KEPT.path


@pytest.mark.parametrize(
    "other",
    [
        replace(KEPT, origin=replace(ORIGIN, dag_id="other")),
        replace(KEPT, origin=replace(ORIGIN, run_id="manual__2")),
        replace(KEPT, origin=replace(ORIGIN, task_id="other")),
        replace(KEPT, origin=replace(ORIGIN, map_index=0)),
        replace(KEPT, verdict=replace(VERDICT, subject="models:/flights_delay/3")),
        replace(KEPT, verdict=replace(VERDICT, check="fairness")),
    ],
    ids=["dag", "run", "task", "map index", "subject", "check"],
)
def test_another_task_subject_or_check_has_another_id(other):
    assert other.id != KEPT.id


def test_evidence_lies_by_check_name_and_batch():
    assert KEPT.path == f"evidence/evaluation/flights_delay/2024-01/{KEPT.id}.json"
    assert KEPT.path.startswith(folder("evaluation", "flights_delay"))


def test_evidence_of_no_batch_has_a_place_too():
    assert replace(KEPT, batch="").path == f"evidence/evaluation/flights_delay/~/{KEPT.id}.json"


@given(HOSTILE.filter(bool))
@example("_")
@example("~")
def test_no_batch_shares_the_place_of_none(batch):
    assert replace(KEPT, batch=batch).path != replace(KEPT, batch="").path


@given(st.builds(Evidence, VERDICTS, HOSTILE.filter(bool), HOSTILE, ORIGINS, st.text()))
def test_no_name_leads_out_of_its_folder(kept):
    assume(kept.verdict.check)
    parts = kept.path.split("/")
    assert len(parts) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9._=~-]{1,80}", part) and part not in {".", ".."} for part in parts)


def test_an_idempotency_key_is_equal_for_every_retry_and_different_for_every_task():
    tasks = [Origin(d, r, t, m) for d in ("a", "ab") for r in ("bc", "c") for t in ("d", "") for m in (-1, 0, 1)]
    assert len({task.key for task in tasks}) == len(tasks)
    assert Origin("a", "bc", "d").key == Origin("a", "bc", "d", -1).key
    assert all(re.fullmatch("[0-9a-f]{32}", task.key) for task in tasks)


@pytest.mark.parametrize("text", ["flights_delay", "2024-01-31", "nyc.flights", "day=3", "A-Z", "_", "a" * 80])
def test_a_safe_text_is_its_own_slug(text):
    assert slug(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (".", ""),
        ("..", ""),
        (".hidden", "hidden"),
        ("a/b", "a-b"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("a b", "a-b"),
        ("é", "-"),
        ("\ud800", "-"),
        ("a\\b", "a-b"),
        ("models:/m/2", "models-m-2"),
        ("~", "-"),
        ("a" * 81, "a" * 40),
    ],
)
def test_an_unsafe_or_long_text_keeps_what_is_safe_and_gains_a_digest(text, kept):
    assert re.fullmatch(re.escape(kept) + "~[0-9a-f]{32}", slug(text))


@given(HOSTILE | st.text("a.", max_size=200))
def test_a_slug_is_one_segment_of_80_characters_at_most(text):
    assert re.fullmatch(r"[A-Za-z0-9_=~-][A-Za-z0-9._=~-]{0,79}", slug(text)) or not text


@given(HOSTILE, HOSTILE)
@example("a b", "a-b")
@example("a b", "a/b")
@example("a", ".a")
@example("a.", "a")
@example("A", "a")
@example("\ud800", "?")
@example("a" * 80, "a" * 81)
@example("a" * 81, "a" * 82)
def test_two_texts_never_share_a_slug(first, second):
    assert (slug(first) == slug(second)) == (first == second)


@given(HOSTILE)
@example("a b")
@example("a" * 81)
def test_a_text_that_looks_like_the_slug_of_another_has_a_slug_of_its_own(text):
    assert (slug(slug(text)) == slug(text)) == (slug(text) == text)


def test_a_digest_is_the_sha256_of_canonical_json():
    assert digest({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert digest({"a": "é", "b": 1}) == digest({"b": 1, "a": "é"})
