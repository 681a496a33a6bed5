import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.errors import Misconfigured
from xops.core.model.promotion import (
    Entry,
    Kind,
    challenger,
    champion,
    checkpoint_folder,
    checkpoint_path,
    entry_of,
    entry_path,
    in_order,
    log_folder,
    manifest_of,
    previous_champion,
    rollback_target,
    withdrawal_of,
)

pytestmark = pytest.mark.unit

ENTRIES = st.builds(
    Entry,
    number=st.integers(1),
    model=st.text(),
    previous=st.none() | st.text(),
    version=st.text(),
    kind=st.sampled_from(Kind),
    manifest=st.text(),
    key=st.text(),
    by=st.text(),
    reason=st.text(),
    at=st.text(),
    evidence=st.lists(st.text()).map(tuple),
    overrode=st.lists(st.text()).map(tuple),
)


def log_of(*versions):
    """Give the log in which ``versions`` became champion one after the other."""
    return tuple(
        Entry(
            number=number,
            model="flights_delay",
            previous=versions[number - 2] if number > 1 else None,
            version=version,
            kind=Kind.ROLLBACK if version in versions[: number - 1] else Kind.PROMOTE,
            manifest=f"manifest {number}",
            key=f"key {number}",
            by="train",
            reason="it ranks better",
            at="2024-02-01T00:00:00+00:00",
        )
        for number, version in enumerate(versions, 1)
    )


@given(ENTRIES)
def test_an_entry_survives_json(entry):
    assert Entry.from_json(json.loads(json.dumps(entry.to_json(), allow_nan=False))) == entry


def test_an_entry_of_a_kind_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="'demote' is not a valid Kind"):
        Entry.from_json(log_of("1")[0].to_json() | {"kind": "demote"})


@given(st.integers(1, 99_999_999), st.integers(1, 99_999_999))
def test_the_paths_of_entries_sort_as_their_numbers(first, second):
    paths = entry_path("flights_delay", first), entry_path("flights_delay", second)
    assert (paths[0] < paths[1]) == (first < second)
    assert paths[0].startswith(log_folder("flights_delay"))


def test_the_log_of_a_model_lies_in_a_folder_of_its_own():
    assert entry_path("flights_delay", 7) == "promotions/flights_delay/00000007.json"
    assert log_folder("a/b") != log_folder("a-b")


@given(st.integers(0, 9).flatmap(lambda length: st.permutations(log_of(*map(str, range(length))))))
def test_entries_in_any_order_make_one_log(shuffled):
    assert [entry.number for entry in in_order(shuffled)] == list(range(1, len(shuffled) + 1))


@given(st.integers(1, 9).flatmap(lambda length: st.tuples(st.just(length), st.integers(0, length - 1))))
def test_a_log_with_a_doubled_entry_is_refused(drawn):
    length, doubled = drawn
    log = log_of(*map(str, range(length)))
    with pytest.raises(ValueError, match=f"promotion log of flights_delay: entries 1 to {length + 1} were wanted"):
        in_order([*log, log[doubled]])


@pytest.mark.parametrize("missing", [0, 1])
def test_a_log_with_a_missing_entry_is_refused_and_says_what_there_is(missing):
    log = log_of("1", "2", "3")
    left = [entry.number for entry in log if entry is not log[missing]]
    with pytest.raises(ValueError, match="entries 1 to 2 were wanted, found") as refused:
        in_order(entry for entry in log if entry is not log[missing])
    assert str(left) in str(refused.value)


def test_before_the_first_promotion_there_is_no_champion():
    assert champion(()) is None
    assert previous_champion(()) is None
    assert manifest_of((), "1") is None


def test_the_last_entry_names_the_champion_and_the_one_before_it():
    assert (champion(log_of("1")), previous_champion(log_of("1"))) == ("1", None)
    assert (champion(log_of("1", "2")), previous_champion(log_of("1", "2"))) == ("2", "1")
    assert (champion(log_of("1", "2", "1")), previous_champion(log_of("1", "2", "1"))) == ("1", "2")


def test_a_version_is_withdrawn_by_the_rollback_that_left_it_until_it_comes_back():
    log = log_of("1", "2", "1", "2", "3")
    assert withdrawal_of(log[:3], "2") is log[2]
    assert withdrawal_of(log[:3], "1") is None
    assert withdrawal_of(log[:4], "2") is None
    assert withdrawal_of(log[:4], "1") is log[3]
    assert withdrawal_of(log, "2") is None  # it was replaced, by a promotion
    assert withdrawal_of(log, "4") is None


def test_a_task_finds_the_entry_that_it_appended_before():
    log = log_of("1", "2")
    assert entry_of(log, "key 2") is log[1]
    assert entry_of(log, "key 3") is None


def test_the_manifest_of_a_version_is_the_one_it_was_promoted_under_last():
    log = log_of("1", "2", "1")
    assert manifest_of(log, "1") == "manifest 3"
    assert manifest_of(log, "2") == "manifest 2"
    assert manifest_of(log, "3") is None


@pytest.mark.parametrize(
    ("log", "to", "target"),
    [
        (log_of("1", "2"), "previous", "1"),
        (log_of("1", "2"), "1", "1"),
        (log_of("1", "2", "3"), "previous", "2"),
        (log_of("1", "2", "3"), "1", "1"),
        (log_of("1", "2", "1"), "previous", "2"),
    ],
)
def test_a_rollback_goes_to_a_version_that_was_champion_before(log, to, target):
    assert rollback_target(log, to, "flights_delay") == target


@pytest.mark.parametrize(
    ("log", "to", "why"),
    [
        ((), "previous", "flights_delay: nothing was ever promoted"),
        ((), "1", "flights_delay: nothing was ever promoted"),
        (log_of("1"), "previous", "version 1 is the first champion; there is no previous one"),
        (log_of("1"), "1", "version 1 is champion already"),
        (log_of("1", "1"), "previous", "version 1 is champion already"),
        (log_of("10", "9", "10"), "2", "version 2 never was champion; versions that were: 9, 10"),
    ],
)
def test_a_rollback_that_leads_nowhere_says_why(log, to, why):
    with pytest.raises(Misconfigured, match=why):
        rollback_target(log, to, "flights_delay")


@pytest.mark.parametrize(
    ("log", "versions", "waiting"),
    [
        ((), [], None),
        ((), ["1", "2"], "2"),
        (log_of("1"), ["1"], None),
        (log_of("9"), ["8", "9", "10"], "10"),
        (log_of("1", "3", "1"), ["1", "2", "3"], None),
    ],
)
def test_the_newest_version_that_never_was_champion_is_the_challenger(log, versions, waiting):
    assert challenger(log, versions) == waiting


def test_the_copy_of_a_log_lies_beside_it_by_the_number_of_its_last_entry():
    assert checkpoint_path("flights_delay", 100) == "checkpoints/flights_delay/00000100.json"
    assert checkpoint_path("flights_delay", 100).startswith(checkpoint_folder("flights_delay"))


def test_an_entry_written_before_entries_kept_what_they_overruled_is_read():
    document = log_of("1")[0].to_json()
    del document["overrode"]
    assert Entry.from_json(document) == log_of("1")[0]
