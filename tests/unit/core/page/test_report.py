"""The page that a verdict gives: what is on it, what never is, and how large it grows."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from xops.core.model.metrics import ndcg
from xops.core.page.drawings import Mark, curves_drawn, marks_drawn
from xops.core.page.model_curves import confusion, gains_by_place, rates, residuals
from xops.core.page.report import CURVES, report_of
from xops.core.verdict import Finding, Outcome, Verdict

pytestmark = pytest.mark.unit

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"
TAGS = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "span", "div", "table", "thead",
        "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "g", "path", "rect", "circle", "text"}  # fmt: skip


class Read(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words = set(), set(), []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


def finding(check="roc_auc", subject="models:/m/2", outcome="pass", observed=0.8, **more):
    return Finding(check, subject, outcome, observed, **{"limit": 0.7, "interval": [0.75, 0.85], **more})


def report(*findings, **facts):
    return report_of(Verdict("evaluation", "models:/m/2", findings, facts))


def test_hostile_names_anywhere_stay_text():
    details = {
        HOSTILE: {HOSTILE: 1, "b": 2},
        "groups": [{"group": HOSTILE, "value": 0.5, "interval": [0.4, 0.6], "outcome": HOSTILE}],
        "curve": {HOSTILE: [0, 1], "y" + HOSTILE: [0, 1], "z": [1, 2]},
    }
    one = Finding(HOSTILE, HOSTILE, "fail", HOSTILE, {HOSTILE: HOSTILE}, reason=HOSTILE, interval=[HOSTILE, 1.0],
                  detail=details)  # fmt: skip
    drawn = finding(subject=HOSTILE, outcome="unknown", reason=HOSTILE)
    curves = {HOSTILE: {HOSTILE: {"x": [0, 1], HOSTILE: [0, 1]}}}
    page = report_of(Verdict(HOSTILE, HOSTILE, (one, drawn, drawn), {HOSTILE: HOSTILE, CURVES: curves}))
    read = Read(page)
    assert read.tags <= TAGS
    assert not {name for name in read.attributes if name.startswith("on") or name in ("src", "href", "style")}
    assert read.text.count("<script>alert(1)</script>") > 10


def test_a_page_needs_no_other_host_and_no_script():
    page = report(finding(detail={"groups": [{"group": "a", "value": 1}]})).decode()
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<img", page)


def test_a_finding_is_told_with_its_limit_interval_and_reason():
    text = Read(report(finding(outcome="fail", reason="too low", size=600), finding("log_loss"), champion="1")).text
    for said in ("fail", "roc_auc", "0.8", "0.7", "0.75 to 0.85", "600", "too low", "1 fail, 1 pass", "champion"):
        assert said in text


def test_the_worst_findings_come_first():
    text = Read(report(*(finding(f"check_{one}", outcome=one, reason="so") for one in Outcome))).text
    body = text[text.index("Findings") :]
    assert sorted(Outcome, key=lambda one: body.index(f"check_{one}")) == ["fail", "unknown", "warn", "pass"]


def test_a_large_verdict_stays_under_300_kb_and_counts_what_it_leaves_out():
    groups = [{"group": f"group {place}", "value": place, "interval": [place - 1, place + 1]} for place in range(500)]
    drawn = [finding("slices", "s" * 300, reason="r" * 900, detail={"slices": groups}) for _ in range(20)]
    page = report(*drawn, *[finding("slices", "s" * 300, reason="r" * 900)] * 1980)
    assert len(page) < 300_000
    text = Read(page).text
    assert "1800 more findings" in text
    assert "More figures could be drawn" in text
    assert "460 more marks" in text


@pytest.mark.parametrize(
    ("detail", "drawn"),
    [
        ({"curve": {"predicted": [0.1, 0.9], "happened": [0.2, 0.8], "rows": [5, 5]}}, '<path class="zero"'),
        ({"noise": {"amount": [0, 1, 2], "roc_auc": [0.9, 0.8, "NaN"], "flipped": [0, 0.1, 0.2]}}, "roc_auc"),
        ({"importance": {"rain": 0.6, "hour": 0.4}}, "<rect"),
        ({"slices": [{"name": "a", "rows": 9, "observed": 0.3, "interval": [0.1, "Infinity"]}]}, "<rect"),
        ({"points": [{"amount": 0, "loss": 1}, {"amount": 1, "loss": 3}]}, 'class="curve c0'),
    ],
)  # fmt: skip
def test_a_detail_is_drawn_by_its_shape(detail, drawn):
    page = report(Finding("check", "m", "pass", detail=detail)).decode()
    assert drawn in page[page.index("<svg") :]


@pytest.mark.parametrize(
    "detail",
    [
        None, {}, [], "text", {"method": "bca"}, {"one": {"a": 1}}, {"odd": {"a": [1], "b": "x"}}, {"no": [[1], [2]]},
        {"alone": {"a": [1, 2], "b": 3}}, {"none": [{"group": "a"}]}, {"short": {"a": [1], "b": [2]}},
        {"mixed": {"a": {"x": [1]}, "b": 3}},
    ],
)  # fmt: skip
def test_what_has_no_shape_is_left_undrawn(detail):
    assert b"<svg" not in report(Finding("check", "m", "pass", True, detail=detail))


def test_figures_of_values_that_differ_much_are_apart():
    together = report(finding("a", observed=0.5), finding("b", observed=0.9))
    apart = report(finding("a"), finding("b", observed=900.0, interval=[800.0, 1000.0], limit=1200.0))
    assert (together.count(b"<svg"), apart.count(b"<svg")) == (1, 2)


def test_figures_of_another_unit_or_far_from_the_smallest_are_apart():
    times = finding("row_seconds", unit="s", observed=0.6)
    page = report(finding("a"), times, finding("size", unit="MB", observed=0.7))
    assert page.count(b"<svg") == 3
    assert "in MB, with intervals; the stroke is the limit" in " ".join(Read(page).words)
    growing = [finding(f"m{size}", observed=size, interval=[0, size], limit=size) for size in (0.1, 1.0, 10.0)]
    assert report(*growing).count(b"<svg") == 2


def test_gains_on_the_champion_are_one_figure_and_findings_of_one_check_another():
    gains = finding("roc_auc_gain", observed=0.1), finding("accuracy_not_worse", observed=0.1)
    slices = finding("slices", "late"), finding("slices", "early")
    read = Read(report(*gains, *slices))
    assert all(title in read.words for title in ("Gain on the champion", "slices", "late", "accuracy_not_worse"))


def test_the_curves_of_two_models_share_their_axes():
    curve = {"false_positive_rate": [0, 0.2, 1], "true_positive_rate": [0, 0.8, 1]}
    page = report(finding(interval=None), curves={"roc": {"candidate": curve, "champion": curve}, "odd": 3})
    assert page.count(b"<svg") == 1
    assert {"candidate", "champion", "false positive rate"} <= set(Read(page).words)


def test_marks_of_one_value_have_an_axis_and_long_labels_are_cut():
    drawn = marks_drawn([Mark("a" * 80, 0.0, outcome="pass"), Mark("b", 0.0, -np.inf, np.inf)])
    assert "a" * 26 + "…" in drawn
    assert "nan" not in drawn
    assert "inf" not in drawn


def test_a_curve_of_one_point_has_axes():
    assert curves_drawn({"a": [(3.0, 4.0)]}, "x", "y").count('class="axis"') > 3


def test_rates_are_those_at_some_thresholds_and_keep_the_area():
    chance = np.random.default_rng(0)
    happened = chance.random(3000) < 0.3
    scores = np.round(chance.normal(size=3000) + happened, 1)
    curves = rates(happened, scores)
    taken = {threshold: scores >= threshold for threshold in [np.inf, *scores]}
    roc = {(f"{over[~happened].mean():.4g}", f"{over[happened].mean():.4g}") for over in taken.values()}
    precision = {
        (f"{over[happened].mean():.4g}", f"{happened[over].mean():.4g}") for over in taken.values() if over.any()
    }
    for one, true in zip(curves.values(), (roc, precision), strict=True):
        assert {(f"{x:.4g}", f"{y:.4g}") for x, y in zip(*one.values(), strict=True)} <= true
        assert len(next(iter(one.values()))) < 70
    wins = np.sign(np.subtract.outer(scores[happened], scores[~happened])).mean() / 2 + 0.5
    assert np.trapezoid(*reversed(curves["roc"].values())) == pytest.approx(wins, abs=0.005)


def test_a_table_of_classes_counts_every_row_and_puts_rare_classes_together():
    truth, labels = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    told = confusion(truth, labels, ["a", "b", "c"])
    assert told == {"rows": ["a", "b", "c"], "columns": ["a", "b", "c"], "counts": [[1, 1, 0], [0, 1, 0], [1, 0, 2]]}
    many = np.repeat(np.arange(30), np.arange(30) + 1)
    told = confusion(many, many[::-1], [str(one) for one in range(30)])
    assert told["rows"] == [*map(str, range(18, 30)), "others"]
    assert np.sum(told["counts"]) == len(many)
    page = report(finding(interval=None), curves={"classes": told}).decode()
    assert page.count('class="cell"') == 13 * 13
    assert ">others</text>" in page


def test_a_long_name_of_a_class_is_cut_and_a_class_without_rows_has_no_share():
    told = {"rows": ["a" * 30, "b"], "columns": ["a" * 30, "b"], "counts": [[3, 1], [0, 0]]}
    drawn = report(finding(interval=None), curves={"classes": told}).decode()
    assert "a" * 15 + "…" in drawn
    assert "75.0% of" in drawn
    assert "0.0% of b" in drawn


def test_sixteen_curves_can_be_told_apart():
    lines = {str(name): [(0.0, 0.0), (1.0, float(name))] for name in range(16)}
    drawn = curves_drawn(lines, "x", "y")
    looks = re.findall(r'class="curve (c\d d\d)" d="M[^"]*h28"', drawn)
    assert len(set(looks)) == 16


def test_the_gain_of_the_first_places_ends_with_the_longest_query():
    queries = np.repeat([0, 1], [3, 5])
    relevance = np.array([1.0, 0, 0, 0, 0, 2, 1, 0])
    told = gains_by_place(relevance, relevance, queries)
    assert told == {"places": [1, 2, 3, 4, 5], "NDCG": [1.0] * 5}
    worst = gains_by_place(relevance, -relevance, queries)["NDCG"]
    assert worst == sorted(worst)
    assert worst[0] == 0
    assert worst[-1] == pytest.approx(ndcg(relevance, -relevance, queries).mean(), rel=1e-3)


def test_residuals_are_told_by_bins_of_as_many_rows():
    truth = np.arange(100.0)
    told = residuals(truth, truth + 2)
    assert told["predicted"] == [6.5 + 10 * place for place in range(10)]
    assert told["median"] == [-2.0] * 10
    assert len(residuals(truth[:3], truth[:3])["median"]) == 3
