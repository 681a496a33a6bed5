import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.core.model.holdout import Holdout
from xops.core.model.training import AskedBy, TrainingRecord

pytestmark = pytest.mark.unit

VERSIONS = st.builds(DataVersion, st.text() | st.text("a@"), st.integers(0, 2**63).map(str))
NAMES = st.lists(st.text()).map(tuple)
RECORDS = st.builds(
    TrainingRecord,
    features=VERSIONS,
    labels=VERSIONS,
    batches=NAMES,
    on=st.text(),
    target=st.text(),
    columns=NAMES,
    holdout=st.builds(Holdout, st.text(), st.floats(0, 1, exclude_min=True, exclude_max=True)),
    rows=st.integers(0),
    asked_by=st.sampled_from(AskedBy),
    code=st.text(),
)
RECORD = TrainingRecord(
    features=DataVersion("nyc.flights", "1"),
    labels=DataVersion("nyc.arrivals", "2"),
    batches=("2013-01", "2013-02"),
    on="flight",
    target="late",
    columns=("distance", "hour"),
    holdout=Holdout("day"),
    rows=7,
    asked_by=AskedBy.DRIFT,
    code="flights.train@0123",
)


@given(RECORDS)
def test_a_record_survives_the_tags_of_a_model_version(record):
    assert TrainingRecord.from_tags(record.to_tags(), "models:/flights_delay/2") == record


@given(RECORDS)
def test_every_tag_is_a_text_under_our_own_prefix(record):
    tags = record.to_tags()
    assert all(name.startswith("xops.") and type(text) is str for name, text in tags.items())
    assert len(tags) == len(TrainingRecord.__dataclass_fields__)


def test_tags_of_others_are_passed_over():
    assert TrainingRecord.from_tags(RECORD.to_tags() | {"mlflow.user": "ann"}, "models:/m/2") == RECORD


def test_a_version_is_remembered_by_its_name_alone():
    record = replace(RECORD, features=DataVersion("nyc.flights", "1", batch="2013-02", branch="audit", rows=7))
    assert TrainingRecord.from_tags(record.to_tags(), "models:/m/2") == RECORD


def test_a_record_longer_than_a_tag_is_refused():
    wide = replace(RECORD, columns=("a" * 99_996,))
    assert TrainingRecord.from_tags(wide.to_tags(), "models:/m/2") == wide
    with pytest.raises(Misconfigured, match=r"xops\.columns: at most 100000 characters .* found 100001; give fewer"):
        replace(RECORD, columns=("a" * 99_997,)).to_tags()


@pytest.mark.parametrize("tag", sorted(RECORD.to_tags()))
def test_a_version_that_lacks_a_tag_is_refused_by_that_tag(tag):
    tags = {name: text for name, text in RECORD.to_tags().items() if name != tag}
    with pytest.raises(Misconfigured, match=rf"models:/m/2: tag '{tag}' is missing"):
        TrainingRecord.from_tags(tags, "models:/m/2")


def test_a_holdout_that_is_none_is_refused():
    tags = RECORD.to_tags() | {"xops.holdout": json.dumps({"by": "day", "share": 2})}
    with pytest.raises(Misconfigured, match="holdout: a share"):
        TrainingRecord.from_tags(tags, "models:/m/2")


@pytest.mark.parametrize(("word", "asked_by"), [("manual", "MANUAL"), ("calendar", "CALENDAR"), ("drift", "DRIFT")])
def test_who_asked_is_written_as_a_word(word, asked_by):
    assert replace(RECORD, asked_by=AskedBy[asked_by]).to_tags()["xops.asked_by"] == word
