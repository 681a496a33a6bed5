"""Texts and embeddings, told apart by Evidently's classifiers on a sample."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from xops.checks import two_sample
from xops.checks.two_sample import SAMPLE, tell_apart
from xops.hooks.iceberg.tables import IcebergHook
from xops.operators.drift import DriftCheckOperator

pytestmark = pytest.mark.integration

CALM = [
    "the",
    "flight",
    "left",
    "on",
    "time",
    "and",
    "arrived",
    "early",
    "with",
    "friendly",
    "crew",
    "good",
    "seats",
    "and",
    "a",
    "quiet",
    "cabin",
]
CROSS = [
    "the",
    "plane",
    "was",
    "delayed",
    "for",
    "hours",
    "luggage",
    "lost",
    "staff",
    "rude",
    "refund",
    "denied",
    "never",
    "again",
    "awful",
]


def texts(words, seed, size=600):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(words, 12)) for _ in range(size)]


def vectors(shift, seed, size=600, length=8):
    return pa.array(list(np.random.default_rng(seed).normal(shift, 1, (size, length))), pa.list_(pa.float64()))


def chunked(values):
    return [values if isinstance(values, pa.Array) else pa.array(values)]


def test_the_sample_is_the_same_however_the_column_comes_in_pieces_and_no_longer_than_stated():
    values = pa.array([None if place % 7 == 0 else str(place) for place in range(3 * SAMPLE)])
    (whole, halves) = (
        two_sample._sample(pieces)
        for pieces in ([values], (values.slice(at, 999) for at in range(0, len(values), 999)))
    )
    assert whole == halves
    assert len(whole) == SAMPLE
    taken = [int(value) for value in whole.to_pylist()]
    assert taken == sorted(taken)
    assert abs(sum(taken) / SAMPLE - 1.5 * SAMPLE) < 0.06 * SAMPLE
    assert two_sample._sample([]).to_pylist() == two_sample._sample([pa.nulls(5, pa.string())]).to_pylist() == []
    assert two_sample._sample(chunked(["b", "a"])).to_pylist() == ["b", "a"]


@pytest.mark.parametrize("seed", range(3))
def test_one_kind_of_texts_or_vectors_is_not_told_apart_and_two_are(seed):
    for sort, make, one, other in (("text", texts, CALM, CROSS), ("embedding", vectors, 0.0, 0.6)):
        old = chunked(make(one, seed))
        same, moved = (tell_apart(old, chunked(make(kind, seed + 10)), sort) for kind in (one, other))
        assert same.interval(0.01)[0] < 0.5 < same.interval(0.01)[1]
        assert moved.interval(0.01)[0] > 0.55


def test_a_large_column_is_sampled_and_always_alike():
    sides = [chunked(vectors(shift, seed, size=SAMPLE + 500)) for seed, shift in ((1, 0.0), (2, 0.1))]
    told = tell_apart(*sides, "embedding")
    assert told.rows == (SAMPLE, SAMPLE)
    assert tell_apart(*sides, "embedding") == told


@pytest.mark.parametrize(
    ("sort", "old", "new", "said"),
    [
        ("text", texts(CALM, 1), texts(CALM, 2, 199), "600 reference and 199 current values, at least 200"),
        ("text", [None] * 600, texts(CALM, 2), "0 reference and 600 current values"),
        ("text", ["the and of"] * 300, ["of the"] * 300, "no classifier could be made"),
        ("embedding", vectors(0, 1), vectors(0, 1, length=9), "vectors of one length were wanted, found [8, 9]"),
        ("embedding", [[]] * 300, [[]] * 300, "vectors of one length were wanted, found [0]"),
        ("embedding", vectors(0, 1), vectors(math.nan, 2), "finite numbers were wanted"),
        ("embedding", vectors(0, 1), [[None] * 8] * 300, "finite numbers were wanted"),
    ],
)
def test_what_cannot_be_told_apart_says_why(sort, old, new, said):
    assert said in tell_apart(chunked(old), chunked(new), sort)


def test_a_drift_check_measures_texts_and_embeddings_and_draws_them():
    lake = IcebergHook()
    for batch, words, shift in (("2026-01-01", CALM, 0.0), ("2026-01-02", CROSS, 1.0), ("2026-01-03", CALM, 0.0)):
        rows = {"said": texts(words, len(batch + words[1]) + int(batch[-1])), "vector": vectors(shift, int(batch[-1]))}
        rows["delay"] = np.random.default_rng(int(batch[-1])).normal(size=600)
        lake.publish(lake.stage(pa.table(rows), table="nyc.talk", batch=batch))

    def outcomes(current, **changed):
        check = DriftCheckOperator(
            task_id="drift", features="nyc.talk", reference="2026-01-01", current=current, **changed
        )
        ti = SimpleNamespace(dag_id="d", run_id="r", task_id="drift", map_index=-1, xcom_push=lambda **_: None)
        answer = check.execute({"ti": ti})
        json.dumps(answer, allow_nan=False)
        return {f["subject"]: (f["check"], f["outcome"]) for f in answer["verdict"]["findings"]}, answer

    found, answer = outcomes("2026-01-02")
    assert found["said"] == found["vector"] == ("domain_classifier", "warn")
    assert found["delay"] == ("wasserstein", "pass")
    assert answer["report"]
    found, _ = outcomes("2026-01-03")
    assert {outcome for _, outcome in found.values()} == {"pass"}
    assert outcomes("2026-01-02", rules={"limits": {"text": 0.999999, "embedding": 1.1}})[0]["vector"][1] == "pass"
