import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.errors import Misconfigured
from xops.core.model.holdout import Holdout, _place, deal

pytestmark = pytest.mark.unit

NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)  # numpy drops NUL at a text's end
ROWS = st.lists(NAMES | st.sampled_from("abc"), min_size=1, max_size=30)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)
DAYS = np.array([str(dt.date(2020, 1, 1) + dt.timedelta(days)) for days in range(2000)])


def around(limit):
    return math.nextafter(limit, 0), limit, math.nextafter(limit, 1)


@given(ROWS, SHARES)
def test_a_row_is_set_aside_because_of_its_group_and_of_nothing_else(groups, share):
    holdout = Holdout("day", share)
    alone = [bool(holdout.mask(np.array([group]))[0]) for group in groups]
    assert holdout.mask(np.array(groups)).tolist() == alone


@given(ROWS, SHARES, st.randoms())
def test_the_same_rows_are_set_aside_in_every_order(groups, share, random):
    order = random.sample(range(len(groups)), len(groups))
    holdout = Holdout("day", share)
    mask = holdout.mask(np.array(groups))
    assert holdout.mask(np.array(groups)[order]).tolist() == mask[order].tolist()


@given(ROWS, SHARES, SHARES)
def test_a_larger_share_sets_aside_all_that_a_smaller_one_does(groups, first, second):
    small, large = (Holdout("day", share).mask(np.array(groups)) for share in sorted((first, second)))
    assert not (small & ~large).any()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_the_share_of_groups_set_aside_is_the_share_asked_for(share):
    error = math.sqrt(share * (1 - share) / len(DAYS))
    assert abs(Holdout("day", share).mask(DAYS).mean() - share) < 3 * error


def test_the_choice_is_pinned_for_good():
    first = DAYS[:40]
    assert first[Holdout("day").mask(first)].tolist() == ["2020-01-23", "2020-01-28", "2020-02-09"]


def test_a_group_whose_place_equals_the_share_is_not_set_aside():
    place = _place("2024-01-01")
    aside = [bool(Holdout("d", share).mask(np.array(["2024-01-01"]))[0]) for share in around(place)]
    assert aside == [False, False, True]


@given(st.text())
def test_every_group_has_its_place_between_zero_and_one(name):
    assert 0 <= _place(name) < 1


def test_a_group_is_the_same_however_a_library_stores_it():
    days = np.array(DAYS[:50], dtype="datetime64[D]")
    masks = [Holdout("day").mask(days.astype(f"datetime64[{unit}]")).tolist() for unit in ("D", "s", "ms", "us", "ns")]
    masks.append(
        Holdout("day").mask(np.array([dt.date.fromisoformat(day) for day in DAYS[:50]], dtype=object)).tolist()
    )
    assert all(mask == masks[0] for mask in masks)
    numbers = np.arange(50)
    assert Holdout("day").mask(numbers).tolist() == Holdout("day").mask(numbers.astype(float)).tolist()
    fractions = np.arange(50) + 0.5
    assert Holdout("day").mask(fractions).shape == (50,)


@pytest.mark.parametrize("groups", [np.array([]), np.array([], dtype=str), np.array([], dtype=object)])
def test_no_rows_give_no_mask(groups):
    mask = Holdout("day").mask(groups)
    assert mask.shape == (0,)
    assert mask.dtype == bool


@pytest.mark.parametrize("share", [5e-324, 0.2, math.nextafter(1, 0)])
def test_a_share_between_zero_and_one_is_taken(share):
    assert Holdout("day", share).share == share


@pytest.mark.parametrize("share", [-0.1, 0, 1, 1.1, math.nan, math.inf])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(Misconfigured, match=rf"holdout: a share in \(0, 1\) was wanted, found {share}"):
        Holdout("day", share)


def test_a_holdout_is_read_from_a_dag_files_dict_and_written_back():
    holdout = Holdout.of({"by": "day", "share": 0.3})
    assert holdout == Holdout("day", 0.3)
    assert holdout.to_json() == {"by": "day", "share": 0.3}
    assert Holdout.of(holdout) is holdout


@pytest.mark.parametrize("settings", [{}, {"share": 0.2}, {"by": "day", "colour": "red"}, {"by": "day", "share": "a"}])
def test_a_dict_that_is_no_holdout_is_refused(settings):
    with pytest.raises(Misconfigured, match=r"^holdout: "):
        Holdout.of(settings)


@pytest.mark.parametrize("stranger", [None, float("nan"), 0.5])
def test_a_group_does_not_depend_on_the_other_rows(stranger):
    alone = Holdout("g", 0.3).mask(np.arange(40.0)).tolist()
    beside = Holdout("g", 0.3).mask(np.array([stranger, *range(40)], dtype=object)).tolist()
    assert beside[1:] == alone
    if stranger is not None:
        assert Holdout("g", 0.3).mask(np.array([*range(40), stranger], dtype=float)).tolist()[:40] == alone


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60), st.integers(1, 8), st.integers(0, 9))
def test_folds_keep_a_group_together_and_are_as_equal_as_that_allows(groups, folds, seed):
    names = sorted(set(groups))
    if len(names) < folds:
        with pytest.raises(Misconfigured, match="at most as many as there are groups"):
            deal(np.array(groups), folds, seed)
        return
    dealt = deal(np.array(groups), folds, seed)
    assert all(len({fold for fold, one in zip(dealt, groups, strict=True) if one == name}) == 1 for name in names)
    sizes = np.bincount(dealt, minlength=folds)
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= max(groups.count(name) for name in names)


def test_folds_depend_on_names_and_seed_and_not_on_the_order_or_type_of_rows():
    days = np.arange("2013-01-01", "2013-03-01", dtype="datetime64[D]")
    order = np.random.default_rng(0).permutation(len(days))
    dealt = deal(days, 5, 0)
    assert (deal(days[order], 5, 0) == dealt[order]).all()
    assert (deal(days.astype(object), 5, 0) == dealt).all()
    assert (deal(days, 5, 1) != dealt).any()
