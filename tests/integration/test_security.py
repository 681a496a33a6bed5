"""Security of the file: bytes that changed, formats that run code, and requirements with known vulnerabilities."""

import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from xops.checks.battery.check import findings_of
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.security import ADVISORIES, FILE, Security
from xops.core.errors import Misconfigured
from xops.core.model.model_file import ModelFile
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

FRAME = pd.DataFrame({"x": np.arange(4.0)})
FINE = ModelFile("model.skops", 1000, "digest", "digest", ("scikit-learn==1.5.0", "numpy==2.1.0"))


def advisory(name="GHSA-1", package="Scikit-Learn", fixed="1.6.0", severity="HIGH", days=1, **more):
    changed = (datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z")
    events = [{"introduced": "1.0"}, {"fixed": fixed}]
    return {
        "id": name,
        "modified": changed,
        "database_specific": {"severity": severity},
        "affected": [
            {"package": {"ecosystem": "PyPI", "name": package}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        ],
        **more,
    }


@pytest.fixture
def database(tmp_path):
    """Give a function that writes advisories into a zip, or into a folder, and gives its path."""

    def put(*documents, folder=False):
        if folder:
            for place, document in enumerate(documents):
                (tmp_path / f"{place}.json").write_text(json.dumps(document))
            return str(tmp_path)
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
            for document in documents:
                packed.writestr(f"{document['id']}.json", json.dumps(document))
        return str(tmp_path / "all.zip")

    return put


def found(check, file=FINE, **facts):
    facts = {FILE: file.to_json(), **facts} if file else facts
    exam = Exam(FRAME, np.array([0, 1, 0, 1]), "binary", Contender("m/2", None, ("x",)), facts=facts)
    return {(finding.check, finding.subject): finding for finding in findings_of(check, exam)}


def outcomes(judged):
    return {key: str(finding.outcome) for key, finding in judged.items()}


SKLEARN, NUMPY = ("known_vulnerabilities", "scikit-learn==1.5.0"), ("known_vulnerabilities", "numpy==2.1.0")
BYTES, FORMAT = ("file_manifest", "m/2"), ("file_format", "m/2")


@pytest.mark.parametrize("folder", [False, True])
def test_a_vulnerable_requirement_is_caught_and_a_fixed_one_passes(database, folder):
    path = database(advisory(), advisory("GHSA-2", "numpy", fixed="2.0"), folder=folder)
    judged = found(Security(path))
    assert outcomes(judged) == {BYTES: "pass", FORMAT: "pass", SKLEARN: "fail", NUMPY: "pass"}
    assert judged[SKLEARN].reason == "GHSA-1 (high); of 2 advisories, the newest 1 days old"
    assert found(Security(), **{ADVISORIES: path})[SKLEARN].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("changed", "fail_from", "outcome"),
    [
        ({"severity": "MODERATE"}, "high", "warn"),
        ({"severity": "MODERATE"}, "moderate", "fail"),
        ({"severity": "HIGH"}, "critical", "warn"),
        ({"severity": "who knows"}, "critical", "fail"),
        ({"withdrawn": "2026-01-01T00:00:00Z"}, "low", "pass"),
        ({"fixed": "1.5"}, "low", "pass"),
    ],
)
def test_its_severity_decides(database, changed, fail_from, outcome):
    path = database(advisory(**changed), advisory("GHSA-2", "numpy", fixed="2.0"))
    assert outcomes(found(Security(path, fail_from=fail_from)))[SKLEARN] == outcome


def test_what_cannot_be_told_is_unknown(database):
    path = database(advisory(days=100))
    judged = found(Security(path))
    assert outcomes(judged) == {BYTES: "pass", FORMAT: "pass", SKLEARN: "fail", NUMPY: "unknown"}
    assert "they may be 90 days old" in judged[NUMPY].reason
    (finding,) = found(Security(), file=None).values()
    assert finding.outcome is Outcome.UNKNOWN
    assert found(Security())["known_vulnerabilities", "m/2"].reason == "no advisory database is given"
    loose = ModelFile("model.skops", 1, "a", "", ("numpy>=2", "pandas @ https://x/y.whl", "-r more.txt", "skops==1.*"))
    judged = found(Security(path), loose)
    assert outcomes(judged).pop(BYTES) == "unknown"
    assert {finding.reason for key, finding in judged.items() if key[0] == SKLEARN[0]} == {
        "it is not pinned to one version"
    }
    odd = advisory()
    odd["affected"][0]["ranges"][0]["events"] = [{"introduced": "one"}]
    assert "cannot be read" in found(Security(database(odd)))[SKLEARN].reason


@pytest.mark.parametrize(
    ("file", "key", "outcome"),
    [
        (ModelFile("model.skops", 1, "a", "b", (), "its files changed"), BYTES, "fail"),
        (ModelFile("", 1, "a", "a", (), "the scan found os.system in model.pkl"), FORMAT, "fail"),
        (ModelFile("", 1, "a", "a", ()), FORMAT, "warn"),
    ],
    ids=["changed", "hostile", "pickled"],
)
def test_files_that_are_not_to_be_trusted_are_caught(file, key, outcome):
    assert outcomes(found(Security(), file))[key] == outcome


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"GHSA-1.json": "{"}, "GHSA-1.json cannot be read"),
        ({"GHSA-1.json": "[]"}, "GHSA-1.json cannot be read"),
        ({"GHSA-1.json": json.dumps(advisory(modified=None))}, "GHSA-1.json cannot be read"),
        ({"readme.txt": "none"}, "found none"),
    ],
)
def test_a_database_that_is_none_is_a_mistake(tmp_path, content, said):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(Misconfigured, match=said):
        found(Security(str(tmp_path)))


def vector(worst, complexity="L"):
    """Give a vector of CVSS 4 with no word of the database's beside it."""
    scored = f"CVSS:4.0/AV:N/AC:{complexity}/AT:N/PR:N/UI:N/VC:{worst}/VI:{worst}/VA:{worst}/SC:N/SI:N/SA:N"
    return {"severity": [{"type": "CVSS_V4", "score": scored}], "database_specific": {}}


@pytest.mark.parametrize(
    ("stated", "severity", "outcome"),
    [
        (vector("H"), "critical", "fail"),  # 9.3
        (vector("L"), "moderate", "warn"),  # 6.9
        (vector("N"), "severity not stated", "fail"),  # 0.0
        (vector("much"), "severity not stated", "fail"),
    ],
)
def test_a_vector_of_cvss_4_is_scored(database, stated, severity, outcome):
    pytest.importorskip("cvss", reason="it is in the extra [battery] alone")
    judged = found(Security(), **{ADVISORIES: database(advisory() | stated)})
    assert (str(judged[SKLEARN].outcome), judged[SKLEARN].reason.split(";")[0]) == (outcome, f"GHSA-1 ({severity})")


@pytest.mark.parametrize(("word", "outcome"), [("", "fail"), ("LOW", "warn")])
def test_a_vector_of_cvss_4_counts_as_the_highest_without_the_library_but_for_the_databases_word(
    database, monkeypatch, word, outcome
):
    monkeypatch.setitem(sys.modules, "cvss", None)
    stated = vector("L") | {"database_specific": {"severity": word}}
    judged = found(Security(), **{ADVISORIES: database(advisory() | stated)})
    assert str(judged[SKLEARN].outcome) == outcome


def test_a_path_without_a_database_and_a_strange_severity_are_mistakes(tmp_path):
    (tmp_path / "all.zip").write_text("no zip")
    for path in (tmp_path / "all.zip", tmp_path / "nowhere"):
        with pytest.raises(Misconfigured, match="cannot be read"):
            found(Security(str(path)))
    with pytest.raises(Misconfigured, match="fail_from"):
        Security(fail_from="dreadful")
