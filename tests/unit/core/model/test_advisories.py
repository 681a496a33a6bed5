"""Advisories of the OSV format: which versions one is about, and how severe it is."""

import pytest

from xops.core.model.advisories import Advisory, advisories_of, base_score, vulnerabilities

pytestmark = pytest.mark.unit

NETWORK = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def affected(*events, name="Scikit_Learn", kind="ECOSYSTEM", ecosystem="PyPI", versions=(), **more):
    ranges = [{"type": kind, "events": [dict([event]) for event in events]}]
    return {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": ranges,
        "versions": list(versions),
        **more,
    }


def document(*parts, **more):
    return {"id": "PYSEC-1", "modified": "2026-01-01T00:00:00Z", "affected": list(parts), **more}


def about(version, *events, **more):
    ((_, advisory),) = advisories_of(document(affected(*events, **more)))
    return advisory.is_about(version)


@pytest.mark.parametrize(
    ("version", "is_about"),
    [("0.9", False), ("1.0", True), ("1.9", True), ("1.10.0", False), ("1.10rc1", True), ("2.0", True),
     ("2.0.post1", True), ("2.1", True), ("2.1.post1", False), ("3.0", False)],
)  # fmt: skip
def test_a_range_holds_its_start_not_the_fix_and_the_last_that_is_affected(version, is_about):
    events = [("last_affected", "2.1"), ("introduced", "2.0"), ("fixed", "1.10"), ("introduced", "1.0")]
    assert about(version, *events) is is_about


def test_zero_is_before_every_version_and_without_a_fix_all_are_affected():
    assert about("0.0.0.dev1", ("introduced", "0"))
    assert not about("1.1", ("introduced", "0"), ("fixed", "1.1"))
    assert about("999!1", ("introduced", "0"))


def test_versions_named_one_by_one_are_compared_as_versions():
    assert about("1.0", versions=["1.0.0", "not a version"])
    assert not about("1.1", versions=["1.0.0", "not a version"])


@pytest.mark.parametrize("more", [{"kind": "GIT"}, {"kind": "SEMVER"}])
def test_ranges_of_commits_say_nothing_of_versions(more):
    assert not about("1.0", ("introduced", "0"), **more)


def test_names_are_normalised_and_other_ecosystems_and_withdrawn_ones_are_left_out():
    parts = [affected(("introduced", "0")), affected(("introduced", "0"), ecosystem="npm")]
    assert [name for name, _ in advisories_of(document(*parts))] == ["scikit-learn"]
    assert list(advisories_of(document(*parts, withdrawn="2026-01-02T00:00:00Z"))) == []
    assert list(advisories_of(document(id="PYSEC-2", affected=None))) == []


def test_a_version_or_an_event_that_cannot_be_read_is_an_error():
    with pytest.raises(ValueError, match="Invalid version"):
        about("one", ("introduced", "0"))
    with pytest.raises(ValueError, match="Invalid version"):
        about("1", ("introduced", "zero"))


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, ""),
        ({"database_specific": {"severity": "HIGH"}}, "high"),
        ({"database_specific": {"severity": "medium"}}, "moderate"),
        ({"database_specific": {"severity": "dreadful"}}, ""),
        ({"severity": [{"type": "CVSS_V3", "score": NETWORK}]}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, ""),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"}]}, ""),
        ({"severity": [{"type": "CVSS_V3", "score": NETWORK}], "database_specific": {"severity": "LOW"}}, "critical"),
        ({"id": "MAL-2026-1"}, "critical"),
    ],
)
def test_the_severity_is_the_worst_that_is_stated(more, severity):
    ((_, advisory),) = advisories_of(document(affected(("introduced", "0")), **more))
    assert advisory.severity == severity


def test_a_score_of_vectors_of_another_version_is_given_by_whoever_knows_it():
    stated = {"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}
    ((_, advisory),) = advisories_of(document(affected(("introduced", "0")), **stated), lambda _: 7.0)
    assert advisory.severity == "high"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        # examples of FIRST's CVSS 3.1 user guide and calculator
        (NETWORK, 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:X/C:N/I:N/A:N", None),
        ("nothing", None),
    ],
)
def test_the_base_score_is_that_of_the_specification(vector, score):
    assert base_score(vector) == score


def test_several_advisories_on_one_vulnerability_count_once_with_the_worst_severity():
    always = ((("introduced", "0"),),)
    found = vulnerabilities(
        [
            Advisory(("PYSEC-1", "CVE-1"), "", (), always),
            Advisory(("PYSEC-2",), "low", (), always),
            Advisory(("GHSA-1", "CVE-1"), "high", (), always),
            Advisory(("GHSA-2",), "high", ("7",), ()),
        ],
        "1.0",
    )
    assert found == [(("PYSEC-2",), "low"), (("PYSEC-1", "CVE-1", "GHSA-1"), "high")]
