import itertools
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.verdict import Finding, Outcome, Verdict, worst

pytestmark = pytest.mark.unit

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
ORDER = [PASS, WARN, UNKNOWN, FAIL]

OUTCOMES = st.sampled_from(Outcome)
NUMBERS = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(
    NUMBERS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
MEASURED = JSON | st.floats() | st.lists(st.floats())
FINDINGS = st.builds(
    Finding,
    st.text(),
    st.text(),
    OUTCOMES,
    observed=MEASURED,
    limit=MEASURED,
    unit=st.text(),
    size=st.none() | st.integers(0),
    reason=st.text(min_size=1),
)
VERDICTS = st.builds(
    Verdict, st.text(), st.text(), st.lists(FINDINGS, max_size=4).map(tuple), st.dictionaries(st.text(), JSON)
)


def finding(outcome, subject="delay"):
    return Finding("wasserstein", subject, outcome, 0.5, 0.1, reason=f"{subject} moved")


def verdict(*outcomes):
    return Verdict("drift", "nyc.flights@1", tuple(finding(o, f"c{i}") for i, o in enumerate(outcomes)))


@pytest.mark.parametrize(("outcome", "passes"), [(PASS, True), (WARN, True), (FAIL, False), (UNKNOWN, False)])
def test_a_gate_lets_through_what_passed_or_warned_and_nothing_else(outcome, passes):
    assert outcome.passes is passes


@pytest.mark.parametrize(("better", "worse"), list(itertools.combinations(ORDER, 2)))
def test_fail_is_worse_than_unknown_than_warn_than_pass(better, worse):
    assert worst([better, worse]) is worst([worse, better]) is worse


def test_the_worst_of_nothing_is_unknown():
    assert worst([]) is UNKNOWN
    assert verdict().outcome is UNKNOWN


@given(st.lists(OUTCOMES, min_size=1))
def test_the_worst_is_the_last_in_order_of_badness(outcomes):
    assert worst(iter(outcomes)) is max(outcomes, key=ORDER.index)


@given(st.lists(OUTCOMES))
def test_a_verdict_passes_only_when_something_was_measured_and_nothing_stands_against_it(outcomes):
    judged = verdict(*outcomes)
    assert judged.outcome.passes == (bool(outcomes) and not judged.failed)
    assert [f.outcome for f in judged.failed] == [o for o in outcomes if o in (FAIL, UNKNOWN)]


def test_an_unknown_finding_needs_its_reason():
    with pytest.raises(ValueError, match="wasserstein on delay: an unknown outcome needs its reason"):
        Finding("wasserstein", "delay", UNKNOWN)


@pytest.mark.parametrize("outcome", [PASS, WARN, FAIL])
def test_a_measured_finding_needs_no_reason(outcome):
    assert Finding("wasserstein", "delay", outcome).reason == ""


def test_an_outcome_may_be_given_as_its_word_and_no_other():
    assert Finding("wasserstein", "delay", "warn").outcome is WARN
    with pytest.raises(ValueError, match="'fine' is not a valid Outcome"):
        Finding("wasserstein", "delay", "fine")


def test_what_was_measured_is_plain_from_the_start():
    made = Finding("wasserstein", "delay", FAIL, observed=math.nan, limit=(0.1, math.inf))
    assert made.observed == "NaN"
    assert made.limit == [0.1, "Infinity"]


def test_interval_and_detail_are_written_only_where_there_are_any():
    bare = Finding("auc", "m", PASS, 0.8)
    whole = Finding("auc", "m", PASS, 0.8, interval=(0.7, math.inf), detail={"curve": (1, 2)})
    assert bare.to_json().keys() == whole.to_json().keys() - {"interval", "detail"}
    assert (whole.interval, whole.detail) == ([0.7, "Infinity"], {"curve": [1, 2]})
    assert Finding(**whole.to_json()) == whole


@given(VERDICTS)
def test_a_verdict_survives_json(judged):
    assert Verdict.from_json(json.loads(json.dumps(judged.to_json(), allow_nan=False))) == judged


def test_facts_that_are_not_plain_are_written_plainly():
    assert Verdict("drift", "a.b@1", (), {"auc": math.nan, "sizes": (1, 2)}).to_json()["facts"] == {
        "auc": "NaN",
        "sizes": [1, 2],
    }


def test_a_document_without_facts_is_read():
    document = verdict(PASS).to_json()
    del document["facts"]
    assert Verdict.from_json(document) == verdict(PASS)


@pytest.mark.parametrize(("found", "said"), list(itertools.permutations(Outcome, 2)))
def test_a_document_whose_outcome_is_not_that_of_its_findings_is_refused(found, said):
    document = verdict(found).to_json() | {"outcome": str(said)}
    sentence = f"verdict drift of nyc.flights@1 says {said}, its findings say {found}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Verdict.from_json(document)


def test_a_document_cannot_pass_without_findings():
    document = verdict().to_json() | {"outcome": "pass"}
    with pytest.raises(ValueError, match="says pass, its findings say unknown"):
        Verdict.from_json(document)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (Finding("auc", "m", FAIL, 0.5, 0.7), "auc on m: 0.5 against 0.7"),
        (Finding("row_count", "m", FAIL, 5, 7, "rows"), "row_count on m: 5 rows against 7"),
        (Finding("auc", "m", FAIL, 0.5, 0.7, reason="AUC fell"), "auc on m: AUC fell"),
    ],
)
def test_a_finding_says_itself_in_one_line(made, sentence):
    assert str(made) == sentence


def test_a_verdict_that_passes_says_no_more():
    assert str(verdict(PASS, PASS)) == "drift of nyc.flights@1: pass"


def test_a_verdict_without_findings_says_that_it_is_unknown():
    assert str(verdict()) == "drift of nyc.flights@1: unknown"


def test_a_verdict_quotes_the_findings_that_led_to_its_outcome_only():
    assert str(verdict(WARN, FAIL, UNKNOWN)) == "drift of nyc.flights@1: fail (wasserstein on c1: c1 moved)"


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, ""), (6, "; and 1 more"), (9, "; and 4 more")])
def test_a_verdict_quotes_five_findings_at_most(count, more):
    said = str(verdict(*[FAIL] * count))
    assert said.count("moved") == min(count, 5)
    assert said.endswith(f"wasserstein on c{min(count, 5) - 1}: c{min(count, 5) - 1} moved{more})")


def test_a_verdict_says_a_reason_that_its_findings_share_once():
    shared = [Finding("drift", f"c{i}", UNKNOWN, reason="the batch has no rows") for i in range(9)]
    said = str(Verdict("drift", "nyc.flights@1", tuple(shared)))
    assert said.count("the batch has no rows") == 1
    assert "more" not in said


@pytest.mark.parametrize("outcome", [WARN, FAIL])
def test_a_verdict_says_of_each_measured_finding_what_it_is_about(outcome):
    alike = tuple(Finding("wasserstein", column, outcome, reason="it moved") for column in ("delay", "dest"))
    said = "wasserstein on delay: it moved; wasserstein on dest: it moved"
    assert str(Verdict("drift", "nyc.flights@1", alike)) == f"drift of nyc.flights@1: {outcome} ({said})"


def test_a_verdict_says_every_reason_for_which_something_is_unknown():
    apart = tuple(Finding("drift", "delay", UNKNOWN, reason=why) for why in ("it holds lists", "all values are null"))
    said = str(Verdict("drift", "nyc.flights@1", apart))
    assert said.index("it holds lists") < said.index("all values are null")


def test_a_verdict_says_findings_without_a_reason_each_by_its_numbers():
    bare = (Finding("auc", "m", FAIL, 0.5, 0.7), Finding("auc", "n", FAIL, 0.5, 0.7))
    said = "auc on m: 0.5 against 0.7; auc on n: 0.5 against 0.7"
    assert str(Verdict("evaluation", "m", bare)) == f"evaluation of m: fail ({said})"
