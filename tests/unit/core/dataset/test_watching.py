import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.watching import Begin, Sighting, unannounced

pytestmark = pytest.mark.unit

HISTORIES = st.lists(st.integers(0, 20), unique=True).map(sorted)


def sightings(keys):
    return [Sighting(str(key), {"key": key}) for key in keys]


@given(HISTORIES, st.lists(st.integers(0, 21)))
def test_a_history_watched_with_any_pauses_is_announced_once_and_in_order(keys, looks):
    announced, events = [], []
    for length in [*sorted(looks), len(keys)]:
        there = sightings(keys[:length])
        events += [sighting.payload["key"] for sighting in unannounced(there, announced, Begin.ALL)]
        announced = [sighting.key for sighting in there]
    assert events == keys


def test_a_first_look_announces_everything_or_the_newest_alone():
    assert unannounced(sightings([1, 2]), None, Begin.ALL) == sightings([1, 2])
    assert unannounced(sightings([1, 2]), None, Begin.NEWEST) == sightings([2])
    assert unannounced([], None, Begin.NEWEST) == []


def test_a_look_after_one_that_found_nothing_is_not_the_first():
    assert unannounced(sightings([1, 2]), [], Begin.NEWEST) == sightings([1, 2])
