"""Which parts of a dataset may be shown to readers."""

from dataclasses import replace

import pytest

from xops.core.dataset.parts import (
    Part,
    State,
    columns_of,
    divided,
    is_shown_in_part,
    made_of,
    part_named,
    passing_of,
    publishable,
    refuse_misfit,
    rolled_back,
    set_aside,
    shown_in,
    with_delivery,
)
from xops.core.dataset.writes import Mode, Write
from xops.core.errors import Misconfigured, Refused

pytestmark = pytest.mark.unit

STAGED = Part("a", "2013-01", 1, State.STAGED, 5)


def test_a_part_survives_json():
    part = replace(
        STAGED,
        of=("b",),
        files=("f",),
        columns=(("b", "int64"), ("a", "string")),
        write=Write(Mode.UPSERT, ("id",)),
        shown="v",
    )
    assert Part.from_json(part.to_json()) == part


def test_a_staged_part_may_be_published():
    assert publishable([STAGED], "a", "t@a") == STAGED


@pytest.mark.parametrize(
    ("parts", "error", "said"),
    [
        ([], Misconfigured, "not staged"),
        ([replace(STAGED, state=State.QUARANTINED)], Refused, "in quarantine"),
        ([replace(STAGED, state=State.DIVIDED)], Misconfigured, "the version without them"),
        ([replace(STAGED, state=State.REPLACED)], Misconfigured, "it has expired"),
        ([STAGED, replace(STAGED, id="b", order=2, shown="v")], Refused, "a later delivery of batch 2013-01"),
        ([replace(STAGED, unkeyed=2, write=Write(Mode.UPSERT, ("id",)))], Refused, "2 of 5 rows .* in id"),
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
    assert shown_in([passed], "a") == shown_in([passed], "b") == passed
    assert shown_in([STAGED], "a") is None


def test_a_delivery_comes_after_all_others():
    others = (STAGED, replace(STAGED, id="b", batch="2013-02", order=7))
    assert with_delivery(others, replace(STAGED, id="c", order=0)) == (*others, replace(STAGED, id="c", order=8))
    assert with_delivery((), replace(STAGED, order=0))[0].order == 1


def test_a_part_is_set_aside_once_and_only_while_it_waits():
    aside = set_aside([STAGED], "a", "t@a")
    assert [part.state for part in aside] == [State.QUARANTINED]
    assert set_aside(aside, "a", "t@a") is None
    with pytest.raises(Refused, match="it was published"):
        set_aside([replace(STAGED, state=State.PUBLISHED, shown="v")], "a", "t@a")
    for parts in ([], [replace(STAGED, state=State.REPLACED)], [replace(STAGED, state=State.DIVIDED)]):
        with pytest.raises(Misconfigured, match="not staged, so there is nothing to set aside"):
            set_aside(parts, "a", "t@a")


def test_a_part_is_divided_into_one_that_waits_and_one_that_is_set_aside():
    both = [replace(STAGED, id=name, of=("a",)) for name in ("b", "c")]
    parts = divided([STAGED], "a", "t@a", *both)
    assert [part.state for part in parts] == [State.DIVIDED, State.STAGED, State.QUARANTINED]
    assert passing_of(parts, "a").id == "b"
    assert passing_of(parts, "b") is passing_of(parts, "z") is None


def part(columns, **more):
    return replace(STAGED, columns=tuple(columns.items()), **more)


def test_readers_see_of_each_column_the_widest_type_that_a_part_has():
    parts = [
        part({"a": "int64", "b": "string"}, state=State.PUBLISHED),
        part({"a": "int32", "c": "float32"}, state=State.PUBLISHED),
        part({"a": "string"}),
        part({"c": "float64"}, state=State.PUBLISHED),
    ]
    assert columns_of(parts) == {"a": "int64", "b": "string", "c": "float64"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"a": "int64"}, "b is absent, the dataset has string"),
        ({"a": "int64", "b": "string", "c": "date"}, "c is date, the dataset has no such column"),
        ({"a": "decimal(20,0)", "b": "string"}, "a is decimal"),
        ({"a": "uint64", "b": "string"}, "a is uint64, the dataset has int64"),
        ({"a": "int32", "b": "string"}, ""),
    ],
)
def test_a_part_fits_what_readers_see_or_is_refused_by_column(found, said):
    known = {"a": "int64", "b": "string"}
    if said:
        with pytest.raises(Misconfigured, match=f"t: batch 1 does not fit the dataset: {said}"):
            refuse_misfit(known, part(found), "t: batch 1")
    else:
        refuse_misfit(known, part(found), "t: batch 1")
    refuse_misfit({}, part(found), "t: batch 1")


def test_a_part_that_may_evolve_the_columns_may_add_widen_and_lack_and_not_change_them():
    evolving = Write(evolve=True)
    for found in ({"a": "int64"}, {"a": "int64", "b": "string", "c": "date"}, {"b": "string"}):
        refuse_misfit({"a": "int32", "b": "string"}, part(found, write=evolving), "t")
    with pytest.raises(Misconfigured, match="b is date"):
        refuse_misfit({"a": "int32", "b": "string"}, part({"b": "date"}, write=evolving), "t")


@pytest.mark.parametrize(
    ("order", "state", "shown"), [(1, "published", True), (2, "published", False), (1, "staged", False)]
)
def test_a_delivery_is_shown_in_part_when_another_part_of_it_is_published(order, state, shown):
    assert is_shown_in_part([STAGED, replace(STAGED, id="b", order=order, state=State(state))], "a") is shown
    assert not is_shown_in_part([STAGED], "z")


SHOWN = replace(STAGED, state=State.PUBLISHED, shown="v1", shown_at="then", files=("f", "g"))


def test_what_was_published_since_is_set_aside_and_what_it_took_the_place_of_is_shown_again():
    later = replace(SHOWN, id="b", order=2, shown="v2")
    cut = replace(SHOWN, id="c", batch="2013-02", files=("g",), rows=2)
    whole = replace(cut, files=("f", "g"), rows=5)
    waits = replace(STAGED, id="d")
    now = (moved_away(SHOWN), cut, later, waits)
    back = rolled_back(now, [SHOWN, whole], "t@v1")
    assert back == (replace(later, state=State.QUARANTINED, shown="", shown_at=""), waits, SHOWN, whole)


def moved_away(one, **more):
    return replace(one, state=State.REPLACED, files=(), **more)


@pytest.mark.parametrize(
    "now",
    [
        (replace(SHOWN, state=State.QUARANTINED, shown=""),),
        (moved_away(SHOWN, shown=""), replace(SHOWN, id="b", of=("a",))),
        (),
    ],
)
def test_readers_do_not_go_back_to_what_was_rolled_back_itself(now):
    with pytest.raises(Misconfigured, match="t@v1: what readers see does not stand on it"):
        rolled_back(now, [SHOWN], "t@v1")


def test_rows_whose_release_was_rolled_back_are_in_quarantine():
    parts = (moved_away(STAGED), replace(STAGED, id="b", of=("a",), state=State.QUARANTINED))
    assert set_aside(parts, "a", "t@a") is None
    with pytest.raises(Refused, match="it is in quarantine"):
        publishable(parts, "a", "t@a")
