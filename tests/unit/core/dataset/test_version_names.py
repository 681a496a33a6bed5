import datetime as dt

import pytest

from xops.core.dataset.version_names import VersionName, tag_name
from xops.core.errors import Misconfigured

pytestmark = pytest.mark.unit

SIX = dt.datetime(2026, 1, 31, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nyc.flights", VersionName("nyc.flights")),
        ("nyc.flights@9007199254740993", VersionName("nyc.flights", snapshot="9007199254740993")),
        (f"nyc.flights@{'c0ffee00' * 8}", VersionName("nyc.flights", snapshot="c0ffee00" * 8)),
        ("nyc.flights@january-closed", VersionName("nyc.flights", tag="january-closed")),
        ("nyc.flights@2026-01-31T06:00:00+00:00", VersionName("nyc.flights", moment=SIX)),
        ("nyc.flights@2026-01-31T07:00:00+01:00", VersionName("nyc.flights", moment=SIX)),
        ("nyc.flights@2026-01-31T06:00:00Z", VersionName("nyc.flights", moment=SIX)),
        ("s3://aws@bucket/orders", VersionName("s3://aws@bucket/orders")),
        ("s3://aws@bucket/orders@closed", VersionName("s3://aws@bucket/orders", tag="closed")),
        ("sql://shop/public.orders@7", VersionName("sql://shop/public.orders", snapshot="7")),
        ("/lake/orders@2026-01-31T06:00:00Z", VersionName("/lake/orders", moment=SIX)),
    ],
)
def test_a_name_says_newest_snapshot_tag_or_moment(text, name):
    assert VersionName.read(text) == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "was wanted"),
        ("@7", "was wanted"),
        ("nyc.flights@", "was wanted"),
        ("nyc.flights@2026-01-31T06:00:00", "with a time zone"),
        ("nyc.flights@2026-13-31T06:00:00Z", "no moment"),
        ("nyc.flights@main", "as branches do"),
        ("nyc.flights@a b", "a letter followed by"),
    ],
)
def test_any_other_name_is_refused_with_what_was_wanted(text, said):
    with pytest.raises(Misconfigured, match=said):
        VersionName.read(text)


@pytest.mark.parametrize("tag", ["main", "audit-2026", "quarantine-x", "", "7th", "a" * 81, "a/b", "a@b"])
def test_a_tag_is_a_plain_word_that_no_branch_has(tag):
    with pytest.raises(Misconfigured, match="tag "):
        tag_name(tag)


def test_a_tag_of_eighty_characters_is_the_longest():
    assert tag_name("a" * 80) == "a" * 80
