import pytest

from xops.core.errors import Misconfigured, Refused
from xops.core.gate import Rule, Severity, admit, judge_approval
from xops.core.verdict import Finding, Outcome, Verdict

pytestmark = pytest.mark.unit

SUBJECT = "models:/flights_delay/2"


def verdict(outcome, subject=SUBJECT, check="auc"):
    return Verdict("evaluation", subject, (Finding(check, "m", outcome, 0.6, 0.7, reason=f"found {outcome}"),))


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.WARN])
def test_a_subject_whose_verdicts_pass_is_admitted(outcome):
    admit([verdict(Outcome.PASS), verdict(outcome)], SUBJECT)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN])
def test_one_verdict_that_does_not_pass_is_enough_to_refuse(outcome):
    with pytest.raises(Refused, match=f"{SUBJECT} is not promoted: .*found {outcome}") as refused:
        admit([verdict(Outcome.PASS), verdict(outcome)], SUBJECT)
    assert "found pass" not in str(refused.value)


def test_every_verdict_that_stands_against_a_subject_is_named():
    with pytest.raises(Refused, match=r"found fail.*; .*found unknown"):
        admit([verdict(Outcome.FAIL), verdict(Outcome.UNKNOWN)], SUBJECT)


def test_a_subject_without_a_verdict_is_refused():
    with pytest.raises(Refused, match="none was given; nothing unjudged is promoted"):
        admit([], SUBJECT)


def test_a_verdict_on_another_version_admits_nothing():
    with pytest.raises(Refused, match="the verdict given is about models:/flights_delay/1"):
        admit([verdict(Outcome.PASS), verdict(Outcome.PASS, "models:/flights_delay/1")], SUBJECT)


def test_a_verdict_without_findings_admits_nothing():
    with pytest.raises(Refused, match="evaluation of models:/flights_delay/2: unknown"):
        admit([Verdict("evaluation", SUBJECT, ())], SUBJECT)


@pytest.mark.parametrize(
    ("severity", "outcome", "admitted"),
    [
        ("critical", Outcome.PASS, True),
        ("critical", Outcome.WARN, False),
        ("critical", Outcome.FAIL, False),
        ("error", Outcome.WARN, True),
        ("error", Outcome.FAIL, False),
        ("warning", Outcome.FAIL, True),
        ("warning", Outcome.UNKNOWN, False),
        ("error", Outcome.UNKNOWN, False),
        ("critical", Outcome.UNKNOWN, False),
    ],
)
@pytest.mark.parametrize("named", ["auc", "evaluation"])
def test_the_severity_of_a_check_says_what_it_takes_to_refuse(severity, outcome, admitted, named):
    rule = Rule.of("all_pass", {named: severity})
    if admitted:
        admit([verdict(outcome)], SUBJECT, rule)
    else:
        with pytest.raises(Refused, match=f"found {outcome}"):
            admit([verdict(outcome)], SUBJECT, rule)


def test_the_severity_of_a_finding_counts_before_that_of_its_verdict():
    rule = Rule(severity={"evaluation": Severity.CRITICAL, "auc": Severity.WARNING})
    admit([verdict(Outcome.FAIL)], SUBJECT, rule)


def test_a_refusal_names_only_what_blocks():
    both = [verdict(Outcome.FAIL, check="latency"), verdict(Outcome.FAIL)]
    with pytest.raises(Refused, match="auc on m") as refused:
        admit(both, SUBJECT, Rule.of("all_pass", {"latency": "warning"}))
    assert "latency" not in str(refused.value)


def test_a_check_with_a_severity_that_was_not_measured_blocks():
    with pytest.raises(Refused, match="fairness was asked for and not measured"):
        admit([verdict(Outcome.PASS)], SUBJECT, Rule.of("all_pass", {"fairness": "warning"}))


def approval(agreed, by):
    return judge_approval(SUBJECT, agreed=agreed, by=by, at="2024-02-01T00:00:00+00:00", facts={"manifest": "abc"})


def test_where_a_person_has_to_agree_nothing_passes_without_one():
    rule = Rule.of("person_agrees")
    with pytest.raises(Refused, match="approval was asked for and not measured"):
        admit([verdict(Outcome.PASS)], SUBJECT, rule)
    admit([verdict(Outcome.PASS), approval(agreed=True, by="anna")], SUBJECT, rule)


@pytest.mark.parametrize(
    ("agreed", "by", "said"), [(False, "anna", "anna refused"), (True, None, "nobody answered in time")]
)
def test_a_refusal_or_silence_is_no_agreement(agreed, by, said):
    with pytest.raises(Refused, match=said):
        admit([verdict(Outcome.PASS), approval(agreed, by)], SUBJECT)


def test_an_approval_keeps_who_and_what_was_shown():
    assert approval(agreed=True, by="anna").facts == {
        "manifest": "abc",
        "by": "anna",
        "at": "2024-02-01T00:00:00+00:00",
    }


def test_a_failure_that_a_person_agrees_to_is_refused_all_the_same():
    with pytest.raises(Refused, match="found fail"):
        admit([verdict(Outcome.FAIL), approval(agreed=True, by="anna")], SUBJECT, Rule.of("person_agrees"))


@pytest.mark.parametrize(("name", "severity"), [("most_pass", None), ("all_pass", {"auc": "mild"})])
def test_a_rule_that_nobody_knows_is_a_mistake(name, severity):
    with pytest.raises(Misconfigured, match="was wanted"):
        Rule.of(name, severity)
