import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xops.core.errors import Misconfigured
from xops.core.model.judges import MIN_CLASS, judge_candidate, judge_drift, judge_performance, judge_scores
from xops.core.model.ranking import auc_difference
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
MODEL = "models:/flights_delay/2"

# eight times four late flights of eight; the late one that scores 0.375 is beaten by the punctual one that scores 0.5:
# AUC 15/16. All numbers are sums of powers of two, so that a limit can be met exactly.
LATE = np.tile([True, True, True, True, False, False, False, False], 8)
SCORES = np.tile([1.0, 0.875, 0.75, 0.375, 0.5, 0.25, 0.125, 0.125], 8)
AREA, ROWS = 0.9375, 64


def around(limit):
    """Give the next number below ``limit``, itself, and the next above."""
    return math.nextafter(limit, -math.inf), limit, math.nextafter(limit, math.inf)


def edges(limit, *wanted):
    """Give the outcome wanted just below ``limit``, at it, and just above."""
    return list(zip(around(limit), wanted, strict=True))


def outcomes(verdict):
    return {finding.check: finding.outcome for finding in verdict.findings}


def scored(scores, wanted_rows):
    return judge_scores(np.array(scores), subject=MODEL, wanted_rows=wanted_rows, facts={"batch": "2024-01"})


def performance(labels=LATE, scores=SCORES, **limits):
    limits = {"reference_auc": AREA, "max_auc_drop": 0.0, "max_calibration_gap": 0.5, "min_rows": ROWS} | limits
    return judge_performance(labels, scores, subject=MODEL, facts={"batch": "2024-01"}, **limits)


def candidate(labels=LATE, scores=SCORES, champion=None, **limits):
    limits = {"min_auc": 0.5, "min_gain": 0.0, "min_rows": ROWS, "confidence": 0.95} | limits
    return judge_candidate(labels, scores, champion, subject=MODEL, facts={"batch": "2024-01"}, **limits)


def drift(columns, found, missing=(), **limits):
    limits = {"max_share": 0.5, "sizes": (1000, 1000), "min_rows": 100} | limits
    return judge_drift(columns, found, dict(missing), subject="nyc.flights@1", facts={"batch": "2024-01"}, **limits)


@pytest.mark.parametrize(("surely", "maybe", "outcome"), [(0, 1, WARN), (1, 1, UNKNOWN), (2, 1, FAIL), (0, 2, UNKNOWN)])
def test_a_share_that_hangs_on_columns_at_their_limits_is_unknown(surely, maybe, outcome):
    found = drifted(surely, 4)
    undecided = {f"c{place}": (0.04, 0.11) for place in range(surely, surely + maybe)}
    verdict = drift(list(found), found, undecided=undecided)
    *columns, share = verdict.findings
    assert [finding.outcome for finding in columns] == [WARN] * (surely + maybe) + [PASS] * (4 - surely - maybe)
    assert columns[surely].interval == [0.04, 0.11]
    assert "on either side of the limit 0.1" in columns[surely].reason
    assert verdict.outcome is outcome
    assert ("too near to their limits" in share.reason) == (outcome is UNKNOWN)


def drifted(count, of):
    """Give what was found on ``of`` columns of which ``count`` drifted."""
    return {f"c{i}": ("wasserstein", 0.2 if i < count else 0.05, 0.1) for i in range(of)}


@pytest.mark.parametrize("scores", [[0.0, 1.0], [0.5, 0.5], [-0.0, 5e-324]])
def test_scores_that_are_probabilities_pass(scores):
    assert outcomes(scored(scores, 2)) == {"row_count": PASS, "probability": PASS}


@pytest.mark.parametrize("score", [-5e-324, math.nextafter(1, 2), math.nan, math.inf, -math.inf])
def test_one_score_that_is_no_probability_fails(score):
    verdict = scored([0.5, score, 0.5], 3)
    assert outcomes(verdict) == {"row_count": PASS, "probability": FAIL}
    assert (verdict.findings[1].observed, verdict.findings[1].limit, verdict.findings[1].size) == (2, 3, 3)


@pytest.mark.parametrize(("wanted", "outcome"), [(2, FAIL), (3, PASS), (4, FAIL)])
def test_every_row_that_was_to_be_scored_is_scored_once(wanted, outcome):
    verdict = scored([0.5, 0.5, 0.5], wanted)
    assert verdict.findings[0].outcome is outcome
    assert (verdict.findings[0].observed, verdict.findings[0].limit) == (3, wanted)


@pytest.mark.parametrize("wanted", [0, 3])
def test_scores_of_no_rows_are_unknown(wanted):
    verdict = scored([], wanted)
    assert outcomes(verdict) == {"row_count": UNKNOWN, "probability": UNKNOWN}
    assert {finding.reason for finding in verdict.findings} == {"no row was scored"}
    assert verdict.facts == {"batch": "2024-01"}


def test_a_champion_that_keeps_its_area_and_its_calibration_passes():
    verdict = performance()
    assert verdict.outcome is PASS
    assert verdict.facts == {"batch": "2024-01", "auc": AREA}
    assert [(f.observed, f.size) for f in verdict.findings] == [(0.0, ROWS), (0.0, ROWS)]


@pytest.mark.parametrize(("limit", "outcome"), edges(0.03125, FAIL, PASS, PASS))
def test_the_area_may_fall_by_the_limit_and_no_further(limit, outcome):
    verdict = performance(reference_auc=AREA + 0.03125, max_auc_drop=limit)
    assert outcomes(verdict) == {"auc_drop": outcome, "calibration_gap": PASS}
    assert verdict.findings[0].observed == 0.03125


def test_an_area_that_rose_is_no_drop():
    assert performance(reference_auc=0.5).findings[0].outcome is PASS


@pytest.mark.parametrize("shift", [0.125, -0.125], ids=["scores too high", "scores too low"])
@pytest.mark.parametrize(("limit", "outcome"), edges(0.125, FAIL, PASS, PASS))
def test_the_mean_score_may_miss_the_share_of_positives_by_the_limit_and_no_further(shift, limit, outcome):
    verdict = performance(scores=SCORES + shift, max_calibration_gap=limit)
    assert outcomes(verdict) == {"auc_drop": PASS, "calibration_gap": outcome}
    assert verdict.findings[1].observed == 0.125


@pytest.mark.parametrize(("min_rows", "known"), [(63, True), (64, True), (65, False)])
def test_fewer_labels_than_needed_leave_the_performance_unknown(min_rows, known):
    verdict = performance(min_rows=min_rows)
    assert set(outcomes(verdict)) == {"auc_drop", "calibration_gap"}
    assert set(outcomes(verdict).values()) == ({PASS} if known else {UNKNOWN})
    assert known or verdict.findings[0].reason == "64 labelled rows, at least 65 are needed"


@pytest.mark.parametrize("label", [True, False])
def test_labels_of_one_class_leave_the_performance_unknown(label):
    verdict = performance(labels=np.full(ROWS, label))
    assert set(outcomes(verdict).values()) == {UNKNOWN}
    counts = "64 positive and 0 negative" if label else "0 positive and 64 negative"
    assert verdict.findings[0].reason == f"{counts} rows, 30 of each are needed"


def of_classes(positive, negative):
    """Give labels with so many rows of each class, and scores that tell the classes apart without a fault."""
    labels = np.arange(positive + negative) < positive
    return labels, labels.astype(float)


CLASSES = pytest.mark.parametrize(
    ("positive", "negative", "known"),
    [
        (MIN_CLASS - 1, 900, False),
        (MIN_CLASS, 900, True),
        (900, MIN_CLASS - 1, False),
        (900, MIN_CLASS, True),
        (MIN_CLASS, MIN_CLASS, True),
        (1, 900, False),
    ],
)


@CLASSES
def test_a_class_of_fewer_than_30_rows_leaves_the_performance_unknown(positive, negative, known):
    labels, scores = of_classes(positive, negative)
    verdict = performance(labels, scores, min_rows=0)
    assert set(outcomes(verdict).values()) == ({PASS} if known else {UNKNOWN})
    said = f"{positive} positive and {negative} negative rows, 30 of each are needed"
    assert known or {finding.reason for finding in verdict.findings} == {said}


@pytest.mark.parametrize(
    ("min_rows", "why"),
    [
        (-1, "0 positive and 0 negative rows, 30 of each are needed"),
        (0, "0 positive and 0 negative rows, 30 of each are needed"),
        (1, "0 labelled rows, at least 1 are needed"),
    ],
)
def test_no_labels_at_all_leave_the_performance_unknown(min_rows, why):
    verdict = performance(np.array([], dtype=bool), np.array([]), min_rows=min_rows)
    assert set(outcomes(verdict).values()) == {UNKNOWN}
    assert verdict.findings[0].reason == why


def test_an_unknown_performance_keeps_the_facts_and_claims_no_area():
    assert performance(min_rows=65).facts == {"batch": "2024-01"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("count", [1, ROWS])
def test_scores_that_are_not_finite_leave_the_performance_unknown(value, count):
    verdict = performance(scores=np.where(np.arange(ROWS) < count, value, SCORES))
    assert outcomes(verdict) == {"auc_drop": UNKNOWN, "calibration_gap": UNKNOWN}
    assert {finding.reason for finding in verdict.findings} == {f"{count} of the champion's scores are not finite"}


def test_a_first_candidate_is_held_against_the_smallest_area_only():
    verdict = candidate()
    assert outcomes(verdict) == {"auc": PASS}
    assert verdict.facts == {"batch": "2024-01", "auc": AREA, "champion_auc": None}


@pytest.mark.parametrize(("limit", "outcome"), edges(AREA, PASS, PASS, FAIL))
def test_a_candidates_area_is_at_least_the_limit(limit, outcome):
    finding = candidate(min_auc=limit).findings[0]
    assert (finding.outcome, finding.observed, finding.limit, finding.size) == (outcome, AREA, limit, ROWS)


@pytest.mark.parametrize(("place", "outcome"), [(0, PASS), (1, FAIL), (2, FAIL)], ids=["below", "at", "above"])
def test_the_lower_end_of_the_gain_is_above_the_limit_and_not_at_it(place, outcome):
    champion = 1 - SCORES
    low = auc_difference(LATE, SCORES, champion, confidence=0.9).low
    verdict = candidate(champion=champion, min_gain=around(low)[place], confidence=0.9)
    assert outcomes(verdict) == {"auc": PASS, "auc_gain": outcome}
    assert verdict.facts["champion_auc"] == 1 - AREA
    assert verdict.findings[1].observed == 2 * AREA - 1


def test_a_candidate_that_is_the_champion_does_not_pass():
    assert outcomes(candidate(champion=SCORES)) == {"auc": PASS, "auc_gain": FAIL}


def test_a_candidate_that_only_gained_over_a_bad_champion_does_not_pass():
    assert outcomes(candidate(champion=1 - SCORES, min_auc=0.95)) == {"auc": FAIL, "auc_gain": PASS}


@CLASSES
def test_a_class_of_fewer_than_30_rows_leaves_the_evaluation_unknown(positive, negative, known):
    labels, scores = of_classes(positive, negative)
    verdict = candidate(labels, scores, champion=1 - scores, min_rows=0)
    assert outcomes(verdict) == dict.fromkeys(("auc", "auc_gain"), PASS if known else UNKNOWN)
    said = f"{positive} positive and {negative} negative rows, 30 of each are needed"
    assert known or {finding.reason for finding in verdict.findings} == {said}
    json.dumps(verdict.to_json(), allow_nan=False)


@pytest.mark.parametrize(("min_rows", "known"), [(63, True), (64, True), (65, False)])
@pytest.mark.parametrize("champion", [None, 1 - SCORES])
def test_fewer_rows_than_needed_leave_the_evaluation_unknown(champion, min_rows, known):
    verdict = candidate(champion=champion, min_rows=min_rows)
    assert set(outcomes(verdict)) == ({"auc"} if champion is None else {"auc", "auc_gain"})
    assert set(outcomes(verdict).values()) == ({PASS} if known else {UNKNOWN})


@pytest.mark.parametrize("label", [True, False])
def test_labels_of_one_class_leave_the_evaluation_unknown(label):
    assert outcomes(candidate(np.full(ROWS, label), champion=SCORES)) == {"auc": UNKNOWN, "auc_gain": UNKNOWN}


def test_no_rows_leave_the_evaluation_unknown_even_where_none_are_asked_for():
    none = np.array([])
    assert outcomes(candidate(none.astype(bool), none, none, min_rows=0)) == {"auc": UNKNOWN, "auc_gain": UNKNOWN}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("whose", ["candidate", "champion"])
def test_scores_that_are_not_finite_leave_the_evaluation_unknown(value, whose):
    scores = np.where(np.arange(ROWS) < 2, value, SCORES)
    verdict = candidate(scores=scores, champion=SCORES) if whose == "candidate" else candidate(champion=scores)
    assert outcomes(verdict) == {"auc": UNKNOWN, "auc_gain": UNKNOWN}
    assert {finding.reason for finding in verdict.findings} == {f"2 of the {whose}'s scores are not finite"}


def share_passed(rng, *, rows, positive, repeats, gain=0.0):
    """Give how often a candidate passes whose signal is ``gain`` clearer than the champion's, and else equal."""
    labels = np.arange(rows) < positive
    passed = 0
    for _ in range(repeats):
        signal = rng.normal(labels.astype(float), 1.0)
        scores, champion = (signal + labels * more + rng.normal(0, 0.5, rows) for more in (gain, 0.0))
        passed += candidate(labels, scores, champion, min_rows=0).outcome is PASS
    return passed / repeats


def test_a_candidate_that_is_no_better_passes_by_chance_one_time_in_forty():
    repeats, chance = 1000, 0.025
    error = math.sqrt(chance * (1 - chance) / repeats)
    assert abs(share_passed(np.random.default_rng(7), rows=800, positive=240, repeats=repeats) - chance) < 3 * error


def test_a_candidate_that_is_clearly_better_passes_nearly_always():
    assert share_passed(np.random.default_rng(7), rows=800, positive=240, repeats=50, gain=0.5) > 0.95


@pytest.mark.parametrize("positive", [MIN_CLASS, 400 - MIN_CLASS])
def test_the_rarest_class_that_is_judged_hardly_lets_chance_through_more_often(positive):
    assert share_passed(np.random.default_rng(7), rows=400, positive=positive, repeats=300) < 0.05


def test_a_class_too_rare_to_be_judged_lets_nothing_through():
    assert share_passed(np.random.default_rng(7), rows=400, positive=MIN_CLASS - 1, repeats=20, gain=2.0) == 0


@pytest.mark.parametrize(("distance", "outcome"), edges(0.1, PASS, WARN, WARN))
def test_a_column_counts_as_drifted_at_its_limit(distance, outcome):
    verdict = drift(
        ["delay", "origin"], {"delay": ("wasserstein", distance, 0.1), "origin": ("psi", 0.0, 0.1)}, max_share=1.0
    )
    finding = verdict.findings[0]
    assert (finding.check, finding.subject, finding.outcome) == ("wasserstein", "delay", outcome)
    assert (finding.observed, finding.limit, finding.size) == (distance, 0.1, 1000)
    assert verdict.outcome is outcome


@pytest.mark.parametrize(("distance", "limit"), [(math.nan, 0.1), (0.0, math.nan), (math.inf, 0.1)])
def test_a_distance_that_is_no_number_counts_as_drifted(distance, limit):
    verdict = drift(["delay"], {"delay": ("wasserstein", distance, limit)})
    assert [finding.outcome for finding in verdict.findings] == [WARN, FAIL]
    json.dumps(verdict.to_json(), allow_nan=False)


@pytest.mark.parametrize(("count", "outcome"), [(0, PASS), (1, WARN), (2, FAIL), (3, FAIL), (4, FAIL)])
def test_the_dataset_fails_where_the_share_of_drifted_columns_reaches_the_limit(count, outcome):
    verdict = drift(["c0", "c1", "c2", "c3"], drifted(count, 4), max_share=0.5)
    assert verdict.outcome is outcome
    last = verdict.findings[-1]
    assert (last.subject, last.observed, last.limit) == ("dataset", count / 4, 0.5)
    assert last.reason.startswith(f"{count} of 4 columns drifted: {'c0' if count else 'none'}")


@pytest.mark.parametrize(("limit", "outcome"), edges(0.75, FAIL, FAIL, WARN))
def test_the_limit_of_the_share_is_inclusive(limit, outcome):
    assert drift(["c0", "c1", "c2", "c3"], drifted(3, 4), max_share=limit).outcome is outcome


@pytest.mark.parametrize(("rows", "known"), [(99, False), (100, True), (101, True)])
@pytest.mark.parametrize("side", [0, 1])
def test_too_few_rows_on_either_side_leave_every_column_unknown(side, rows, known):
    sizes = (rows, 1000) if side == 0 else (1000, rows)
    verdict = drift(["c0", "c1"], drifted(0, 2), sizes=sizes)
    assert [finding.subject for finding in verdict.findings] == ["c0", "c1", "dataset"]
    assert {finding.outcome for finding in verdict.findings} == ({PASS} if known else {UNKNOWN})
    said = f"{sizes[0]} reference and {sizes[1]} current rows, at least 100 of each are needed"
    assert known or {finding.reason for finding in verdict.findings} == {said}


@pytest.mark.parametrize("min_rows", [-1, 0, 1])
@pytest.mark.parametrize("sizes", [(0, 1000), (1000, 0), (0, 0)])
def test_an_empty_side_is_unknown_even_where_no_rows_are_asked_for(sizes, min_rows):
    verdict = drift(["c0"], drifted(1, 1), sizes=sizes, min_rows=min_rows)
    assert [finding.outcome for finding in verdict.findings] == [UNKNOWN, UNKNOWN]
    said = f"{sizes[0]} reference and {sizes[1]} current rows, at least 1 of each are needed"
    assert verdict.findings[0].reason == said


def test_one_row_on_either_side_is_judged_where_no_more_are_asked_for():
    assert drift(["c0"], drifted(0, 1), sizes=(1, 1), min_rows=0).outcome is PASS


def test_a_column_that_could_not_be_measured_is_unknown_and_says_why():
    verdict = drift(["c0", "origin", "dest"], drifted(0, 1), {"origin": "it holds lists"})
    assert [finding.outcome for finding in verdict.findings[:3]] == [PASS, UNKNOWN, UNKNOWN]
    assert verdict.findings[1].reason == "it holds lists"
    assert verdict.findings[2].reason == "the drift report has no word about this column"
    assert verdict.outcome is UNKNOWN


@pytest.mark.parametrize(
    ("count", "outcomes_wanted", "share"),
    [(0, [PASS, PASS, UNKNOWN, UNKNOWN, PASS], 0.0), (1, [WARN, PASS, UNKNOWN, UNKNOWN, FAIL], 0.5)],
)
def test_the_share_of_drifted_columns_is_of_those_that_were_measured(count, outcomes_wanted, share):
    verdict = drift(["c0", "c1", "c2", "c3"], drifted(count, 2), max_share=0.5)
    assert [finding.outcome for finding in verdict.findings] == outcomes_wanted
    assert verdict.findings[-1].observed == share
    assert verdict.findings[-1].reason.startswith(f"{count} of 2 columns drifted")


def test_the_share_of_drifted_columns_is_unknown_where_none_was_measured():
    verdict = drift(["c0", "c1"], drifted(0, 0), {"c0": "it holds lists"})
    assert [finding.outcome for finding in verdict.findings] == [UNKNOWN] * 3
    last = verdict.findings[-1]
    assert (last.check, last.subject, last.observed) == ("share_of_drifted_columns", "dataset", None)
    assert last.reason == "it holds lists"


@pytest.mark.parametrize("sizes", [(1000, 1000), (0, 0)])
def test_drift_of_no_columns_is_unknown_and_says_that_there_were_no_columns(sizes):
    (finding,) = drift([], drifted(1, 1), sizes=sizes).findings
    assert (finding.subject, finding.outcome, finding.reason) == ("dataset", UNKNOWN, "no column was asked for")


@given(
    st.lists(st.text(), unique=True, max_size=8),
    st.dictionaries(st.text(), st.tuples(st.just("psi"), st.floats(), st.floats())),
    st.dictionaries(st.text(), st.text(min_size=1)),
    st.tuples(st.integers(0, 200), st.integers(0, 200)),
    st.data(),
)
def test_every_column_asked_for_has_its_finding(columns, found, missing, sizes, data):
    asked = columns + data.draw(
        st.lists(st.sampled_from(sorted({*found, *missing} - set(columns)) or [""]), max_size=3)
    )
    asked = list(dict.fromkeys(asked))
    verdict = drift(asked, found, missing, sizes=sizes)
    assert [finding.subject for finding in verdict.findings] == [*asked, "dataset"]
    if verdict.outcome.passes:
        assert set(asked) <= set(found)
        assert min(sizes) >= 100
    assert verdict.facts == {"batch": "2024-01"}


@given(st.lists(st.sampled_from([PASS, WARN, UNKNOWN]), min_size=1, max_size=8), st.sampled_from([0.25, 0.5, 1.0]))
def test_the_dataset_is_judged_by_its_measured_columns_alone(wanted, max_share):
    columns = [f"c{place}" for place in range(len(wanted))]
    known = {column: outcome for column, outcome in zip(columns, wanted, strict=True) if outcome is not UNKNOWN}
    assume(known)
    verdict = drift(
        columns, {c: ("psi", 0.2 if o is WARN else 0.0, 0.1) for c, o in known.items()}, max_share=max_share
    )
    assert [finding.outcome for finding in verdict.findings[:-1]] == wanted
    alone = drift(
        list(known), {c: ("psi", 0.2 if o is WARN else 0.0, 0.1) for c, o in known.items()}, max_share=max_share
    )
    assert verdict.findings[-1] == alone.findings[-1]
    assert verdict.findings[-1].observed == list(known.values()).count(WARN) / len(known)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1, 7])
def test_a_share_that_no_share_can_reach_is_refused(limit):
    with pytest.raises(Misconfigured, match=r"a max_share in \(0, 1\] was wanted"):
        drift(["c0"], drifted(0, 1), max_share=limit)


@pytest.mark.parametrize("confidence", [0, 1, 2, 95])
def test_a_confidence_that_is_none_is_refused_even_without_a_champion(confidence):
    with pytest.raises(Misconfigured, match=r"a confidence in \(0, 1\) was wanted"):
        candidate(confidence=confidence)
