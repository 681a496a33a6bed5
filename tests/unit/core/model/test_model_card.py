"""The card of a promoted version: written from its evidence, silent on nothing that is missing."""

import re
from dataclasses import replace

import pytest

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.core.evidence import Evidence, Origin
from xops.core.gate import judge_approval
from xops.core.model.ai_act import answers
from xops.core.model.card import SAID, Known, html_of, markdown_of, said_of, sections_of
from xops.core.model.holdout import Holdout
from xops.core.model.promotion import Entry, Kind
from xops.core.model.training import AskedBy, TrainingRecord
from xops.core.verdict import Finding, Verdict

pytestmark = pytest.mark.unit

NAME = "models:/flights_delay/2"
HOSTILE = "<script>alert(1)</script> | **x** [y](z)"
RECORD = TrainingRecord(
    features=DataVersion("nyc.flights", "11"), labels=DataVersion("nyc.labels", "12"), batches=("2013-01", "2013-02"),
    on="id", target="late", columns=("distance", "hour"), holdout=Holdout("day", 0.2), rows=900,
    asked_by=AskedBy.MANUAL, code="flights.fit@abc",
)  # fmt: skip
FINDINGS = (
    Finding("roc_auc", NAME, "pass", 0.81, 0.7, interval=[0.79, 0.83], size=600, reason="0.81 at least"),
    Finding("slices", "carrier", "warn", 0.2, 0.1, reason="AA looks worse"),
)
VERDICT = Verdict("evaluation", NAME, FINDINGS, {"champion": "1", "held_out_rows": 600, "features": "nyc.flights@11"})
APPROVAL = judge_approval(NAME, agreed=True, by="ada", at="2026-01-02T03:04:05+00:00", facts={})
ENTRY = Entry(2, "flights_delay", "1", "2", Kind.PROMOTE, "f" * 64, "k", "dag/run/promote", "better", "2026-01-03")


def evidence(verdict, at="2026-01-01"):
    return Evidence(verdict, "flights_delay", "2", Origin("d", "r", verdict.check), at)


KNOWN = Known(
    "flights_delay", "2", RECORD, (evidence(VERDICT), evidence(APPROVAL)),
    (replace(ENTRY, number=1, previous=None, version="1", manifest="e" * 64), ENTRY),
    {"distance": "double"}, {"intended_use": "To warn of delays.\n- not to blame anybody"},
)  # fmt: skip
NOTHING = Known("m", "1", None, (), ())


def test_a_card_has_every_field_in_order_and_says_what_it_is_written_from():
    said = markdown_of(KNOWN)
    titles = re.findall(r"(?m)^## (.*)", said)
    assert titles[:9] == [name.replace("_", " ").capitalize() for name in SAID[:9]]
    assert titles[9:] == [
        "Battery results", "Approvals", "Promotion history", "EU AI Act: technical documentation"
    ]  # fmt: skip
    for wanted in (
        "To warn of delays.\n- not to blame", "nyc.flights@11", "2013-02", "flights.fit@abc", "f" * 64, "0.81", "0.79",
        "AA looks worse", "ada", "2026-01-02T03:04:05", "better", "whole groups of day", "double", "held out rows",
        evidence(VERDICT).id, "carrier",
    ):  # fmt: skip
        assert wanted in said.replace("\\", ""), wanted


def test_the_data_section_says_what_the_tests_of_each_batch_found():
    found = Verdict("data_test", "nyc.flights@11", (Finding("expect_unique", "id", "warn", reason="two are alike"),))
    failed = Verdict("data_test", "nyc.flights@11", (Finding("expect_unique", "id", "fail", reason="all are alike"),))
    tested = Evidence(found, "nyc.flights", "2013-01", Origin("d", "r", "test"), "2026-01-01")
    both = (tested, Evidence(failed, "nyc.flights", "2013-02", Origin("d", "r2", "test"), "2026-01-02"))
    section = sections_of(replace(KNOWN, tests=both))[5]
    assert section.title == "Training data"
    assert [row[:2] for row in section.listed[-1].rows] == [("warn", "2013-01"), ("fail", "2013-02")]
    assert section.listed[-1].rows[1][4] == "expect_unique on id: all are alike"
    (first, second) = sections_of(replace(KNOWN, tests=(tested,)))[5].listed[-1].rows
    assert first[-1] == tested.id
    assert second[:2] == ("unknown", "2013-02")
    assert second[4] == "no evidence of any test"


def test_what_nobody_said_or_measured_is_not_stated():
    for name, section in zip(SAID[:9], sections_of(NOTHING)[:9], strict=True):
        assert not section.said
        assert bool(section.listed) is (name == "model_details")
    assert markdown_of(NOTHING).count("_Not stated._") == 11
    assert html_of(NOTHING).count(b"Not stated.") == 11


def test_a_version_that_a_rollback_left_is_called_withdrawn_with_the_reason():
    back = replace(ENTRY, number=3, previous="2", version="1", kind=Kind.ROLLBACK, reason="worse on Sundays")
    left = replace(KNOWN, log=(*KNOWN.log, back))
    said = markdown_of(left).replace("\\", "")
    assert said.startswith("# Model card: flights_delay, version 2, withdrawn\n")
    assert "| withdrawn | 2026-01-03, for version 1, by dag/run/promote: worse on Sundays |" in said
    assert b"version 2, withdrawn</h1>" in html_of(left)
    assert "withdrawn" not in markdown_of(KNOWN)


def test_only_the_newest_verdict_of_a_check_is_told():
    older = Verdict("evaluation", NAME, (Finding("roc_auc", NAME, "pass", 0.5, reason="of old"),))
    assert "of old" not in markdown_of(replace(KNOWN, evidence=(evidence(older), *KNOWN.evidence)))


def test_hostile_texts_stay_text_in_both_forms():
    finding = Finding(HOSTILE, HOSTILE, "pass", HOSTILE, HOSTILE, reason=HOSTILE)
    known = replace(
        KNOWN, model=HOSTILE, evidence=(evidence(Verdict(HOSTILE, NAME, (finding,))),), inputs={HOSTILE: HOSTILE},
        said=dict.fromkeys(SAID, HOSTILE),
    )  # fmt: skip
    markdown, page = markdown_of(known), html_of(known).decode()
    assert "<script" not in markdown + page
    assert not re.search(r"https?:|src=|href=", page)
    assert "risk_management".replace("_", " ").capitalize() in page
    table = next(line for line in markdown.splitlines() if line.startswith("| pass"))
    assert len(re.findall(r"(?<!\\)\|", table)) == 9


def test_a_card_written_again_is_the_same():
    assert (markdown_of(KNOWN), html_of(KNOWN)) == (markdown_of(KNOWN), html_of(KNOWN))


def test_texts_come_from_a_mapping_or_from_headings():
    wanted = {"intended_use": "To warn.", "human_oversight": "A person\nreads."}
    assert said_of({"Intended use": "To warn.\n", "human-oversight": "A person\nreads.", "metrics": " "}) == wanted
    assert said_of("# Card\n## Intended use\nTo warn.\n\n##  Human  oversight\nA person\nreads.\n") == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [({"intent": "x"}, "intent"), ({"metrics": 3}, "metrics"), ("no heading", "nothing"), ({}, "nothing")],
)
def test_a_field_that_no_card_has_is_refused(given, said):
    with pytest.raises(Misconfigured, match=f"found {said}"):
        said_of(given)


def told(known):
    (table,) = sections_of(known)[-1].listed
    return {point: answer for point, _, answer in table.rows}


def test_each_point_of_the_act_is_answered_in_part_or_not():
    act = told(KNOWN)
    assert act["Article 9"] == act["Annex IV, 8"] == "not answered"
    assert act["Article 12"] == "Promotion history, Quantitative analyses"
    assert act["Article 14"] == "in part: Approvals; missing: Human oversight"
    assert act["Article 15"].endswith("missing: Quantitative analyses (robustness), Cybersecurity")
    assert {f"Article {number}" for number in range(9, 16)} <= act.keys()
    assert {f"Annex IV, {number}" for number in (1, *range(3, 10))} <= act.keys()
    assert set(told(NOTHING).values()) == {"not answered"}
    everything = {*SAID, "record", "evidence", "robustness", "log", "approval"}
    assert not [answer for _, _, answer in answers(everything) if answer.startswith(("not", "in part"))]


def test_what_could_not_be_measured_answers_nothing():
    unknown = Verdict("evaluation", NAME, (Finding("roc_auc", NAME, "unknown", reason="too few rows"),))
    assert told(replace(NOTHING, evidence=(evidence(unknown),)))["Annex IV, 2 (g)"] == "not answered"


def test_robustness_is_answered_once_it_was_measured():
    verdict = Verdict("evaluation", NAME, (Finding("flips_noise", NAME, "pass", 0.1),))
    assert "missing: Cybersecurity" in told(replace(NOTHING, evidence=(evidence(verdict),)))["Article 15"]
