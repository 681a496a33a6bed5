"""Which parts of a dataset may be shown to readers."""

from dataclasses import replace

import pytest

from xops.core.dataset.parts import Part, State, is_shown_in_part, made_of, part_named, publishable, shown_in
from xops.core.dataset.writes import Mode, Write
from xops.core.errors import Misconfigured, Refused

pytestmark = pytest.mark.unit

STAGED = Part("a", "2013-01", 1, State.STAGED, 5)


def test_a_part_survives_json():
    part = replace(STAGED, of=("b",), files=("f",), write=Write(Mode.UPSERT, ("id",)), shown="v")
    assert Part.from_json(part.to_json()) == part


def test_a_staged_part_may_be_published():
    assert publishable([STAGED], "a", "t@a") == STAGED


@pytest.mark.parametrize(
    ("parts", "error", "said"),
    [
        ([], Misconfigured, "not staged"),
        ([replace(STAGED, state=State.QUARANTINED)], Misconfigured, "in quarantine"),
        ([replace(STAGED, state=State.REPLACED)], Misconfigured, "staged in its place"),
        ([STAGED, replace(STAGED, id="b", order=2, shown="v")], Refused, "a later delivery of batch 2013-01"),
        ([replace(STAGED, unkeyed=2, write=Write(Mode.UPSERT, ("id",)))], Refused, "2 rows .* in id"),
    ],
)
def test_what_may_not_be_published_is_refused_with_the_reason(parts, error, said):
    with pytest.raises(error, match=said):
        publishable(parts, "a", "t@a")


@pytest.mark.parametrize(
    "other", [replace(STAGED, id="b", order=2), replace(STAGED, id="b", order=2, batch="2013-02", shown="v")]
)
def test_a_delivery_that_is_not_shown_or_of_another_batch_stands_in_nobodys_way(other):
    assert publishable([STAGED, other], "a", "t@a") == STAGED


def test_what_became_of_a_part_is_found_by_its_id():
    passed = replace(STAGED, id="b", of=("a",), state=State.PUBLISHED, shown="v")
    assert part_named([passed], "a") is None
    assert made_of([passed], "a", State.PUBLISHED) == passed
    assert made_of([passed], "a", State.STAGED) is None
    assert shown_in([passed], "a") == shown_in([passed], "b") == "v"
    assert shown_in([STAGED], "a") == ""


@pytest.mark.parametrize(
    ("order", "state", "shown"), [(1, "published", True), (2, "published", False), (1, "staged", False)]
)
def test_a_delivery_is_shown_in_part_when_another_part_of_it_is_published(order, state, shown):
    assert is_shown_in_part([STAGED, replace(STAGED, id="b", order=order, state=State(state))], "a") is shown
    assert not is_shown_in_part([STAGED], "z")
