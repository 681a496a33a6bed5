import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.errors import Fenced, Misconfigured, Refused, Unavailable, bounded

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("error", [Misconfigured, Refused, Fenced])
def test_what_a_retry_cannot_mend_is_misconfigured(error):
    assert issubclass(error, Misconfigured)
    assert issubclass(error, ValueError)
    assert not issubclass(error, ConnectionError)


def test_a_service_that_is_down_is_a_connection_error_and_nothing_of_ours():
    assert issubclass(Unavailable, ConnectionError)
    assert not issubclass(Unavailable, ValueError)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("a" * 9, "a" * 9), ("a" * 10, "a" * 10), ("a" * 11, "a" * 9 + "…")],
    ids=["below the limit", "at the limit", "above the limit"],
)
def test_a_text_is_cut_only_above_the_limit(text, wanted):
    assert bounded(text, 10) == wanted


def test_a_text_of_many_lines_becomes_one_line():
    assert bounded("no column\n\ta,  b\r\n") == "no column a, b"


def test_a_thing_that_is_no_text_is_said_in_its_own_words():
    assert bounded(ValueError("no such table")) == "no such table"


def test_a_message_has_500_characters_unless_told_otherwise():
    assert len(bounded("a" * 500)) == 500
    assert bounded("a" * 501) == "a" * 499 + "…"


@given(text=st.text(), limit=st.integers(1, 50))
def test_every_text_fits_on_one_line_within_the_limit(text, limit):
    line = bounded(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert line.endswith("…") or line == " ".join(text.split())
