import pytest

from xops.core.suite.regex_dialect import ascii_dialect, translate

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("python", "re2"),
    [
        ("abc", "abc"),
        ("^a.c$", r"^a[^\n]c(?:\n?\z)"),
        ("(a$|b)", r"(?:a(?:\n?\z)|b)"),
        (r"(?:ab)+?", "(?:ab)+?"),
        (r"\d{2,3}\w*\s?", r"[\p{Nd}]{2,3}[\p{L}\p{N}_]*[\t-\r\x1c-\x20\x{85}\p{Z}]?"),
        (r"\D", r"[^\p{Nd}]"),
        (r"\.\t\-", r"\.\t\-"),
        (r"[^a-z\d\]\n]", r"[^a-z\p{Nd}\]\n]"),
        ("[]a]", r"[\]a]"),
        ("ü-}", r"ü\-\}"),
        ("a{3}", "a{3}"),
        ("", ""),
    ],
)
def test_what_both_dialects_have_is_translated(python, re2):
    assert translate(python) == re2


@pytest.mark.parametrize(
    "python",
    [
        "(", "a**", "(?=a)", "(?!a)", "(?<=a)b", "(?P<n>a)", "(?i)a", r"(a)\1", r"\bword", r"\Z", r"[\b]", r"[\D]",
        "[[a]",
        "a{2000}", "a{", "a++", "^*", "$?", "a$b", "a\nb", "[\n]", "x" * 10 + "{,5}",
    ],
)  # fmt: skip
def test_what_the_dialects_could_read_differently_is_not(python):
    assert translate(python) is None


@pytest.mark.parametrize(
    ("python", "ascii_only"),
    [
        (r"^\d{2}\s$", r"^[0-9]{2}[\x1c- \t-\r](?:\n?$)"),
        (r"[^\w-]", r"[^0-9A-Za-z_-]"),
        (r"\v", None),
        ("a{300}", None),
        ("$?", None),
    ],
)
def test_what_databases_read_alike_is_translated(python, ascii_only):
    assert translate(python, ascii_dialect("$")) == ascii_only
