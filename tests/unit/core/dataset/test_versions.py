import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.versions import DataVersion, table_named
from xops.core.errors import Misconfigured

pytestmark = pytest.mark.unit

VERSIONS = st.builds(
    DataVersion,
    st.text(),
    st.from_regex(r"[0-9]{1,19}|[0-9a-f]{64}", fullmatch=True),
    st.text(),
    st.text(),
    st.integers(),
)


@given(VERSIONS)
def test_a_version_survives_json(version):
    assert DataVersion.from_json(json.loads(json.dumps(version.to_json(), allow_nan=False))) == version


def test_a_snapshot_larger_than_javascripts_integers_keeps_its_digits():
    version = DataVersion("nyc.flights", "9007199254740993")
    assert json.loads(json.dumps(version.to_json()))["snapshot"] == "9007199254740993"


def test_a_version_is_quoted_by_table_and_snapshot():
    assert DataVersion("nyc.flights", "123", batch="2024-01", branch="audit", rows=7).name == "nyc.flights@123"


def test_a_version_that_is_one_already_is_given_back():
    version = DataVersion("nyc.flights", "123")
    assert DataVersion.from_json(version) is version


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"table": "nyc.flights"},
        {"table": "a.b", "snapshot": "1", "colour": "red"},
        {"table": "a.b", "snapshot": "abc"},
        {"table": "a.b", "snapshot": "0" * 63},
        {"table": "a.b", "snapshot": None},
        "a.b@1",
        ["a.b", "1"],
        7,
    ],
)
def test_what_is_no_version_is_refused_with_what_was_found(document):
    with pytest.raises(Misconfigured, match="a data version was wanted, as StageDataOperator returns it; found ") as e:
        DataVersion.from_json(document)
    assert repr(document) in str(e.value)


def test_the_refusal_of_a_long_document_is_bounded():
    with pytest.raises(Misconfigured) as refused:
        DataVersion.from_json({"table": "x" * 10_000})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "version",
    ["nyc.flights", "nyc.flights@closed", DataVersion("nyc.flights", "1"), DataVersion("nyc.flights", "1").to_json()],
)
def test_the_dataset_of_a_version_is_known_however_it_is_named(version):
    assert table_named(version) == "nyc.flights"
