"""A report on paper: nothing is cut off at the edge of an A4 page, and what is dark on a screen is white."""

import shutil

import pytest

from xops.core.page.report import report_of
from xops.core.verdict import Finding, Outcome, Verdict

pytestmark = pytest.mark.integration

BETWEEN_MARGINS = {"width": 703, "height": 1017}  # of A4 with the page's own margins, at 96 points an inch
FINDINGS = tuple(
    Finding(
        check, "models:/a_model_with_a_long_name/12", outcome, -0.00044887, -0.01, size=100_000,
        reason="gain -0.004489, between -0.01051 and 0.001352 at 0.9833; more than -0.01 wanted; too few rows to tell",
        interval=[-0.010512, 0.0013515], detail={"curve": {"strength": [0.5, 1.0], "flipped": [0.1, 0.2]}},
    )
    for check in ("importance_rank_correlation", "brier_score_not_worse", "flips_out_of_range_more")
    for outcome in Outcome
)  # fmt: skip
VERDICT = Verdict("evaluation", "models:/a_model_with_a_long_name/12", FINDINGS, {"manifest": f"sha256:{'ab' * 32}"})


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is missing")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_printed_report_is_white_and_no_cell_is_cut_off(browser, scheme):
    page = browser.new_page(color_scheme=scheme, viewport=BETWEEN_MARGINS)
    page.set_content(report_of(VERDICT).decode())
    page.emulate_media(media="print")
    edges = page.evaluate("[...document.querySelectorAll('td, th, svg, p')].map(e => e.getBoundingClientRect().right)")
    assert len(edges) > 100
    assert max(edges) <= BETWEEN_MARGINS["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= BETWEEN_MARGINS["width"]
    figures = page.evaluate("[...document.querySelectorAll('figure')].map(e => e.getBoundingClientRect().height)")
    assert max(figures) < BETWEEN_MARGINS["height"]
    looks = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert looks == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert page.pdf(format="A4").startswith(b"%PDF")
