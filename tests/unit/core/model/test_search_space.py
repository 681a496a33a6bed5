import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.errors import Misconfigured
from xops.core.model.search_space import grid, refuse_space, whole

pytestmark = pytest.mark.unit


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(), min_size=1, max_size=4, unique=True)))
def test_a_grid_has_every_combination_once(values):
    points = grid(values)
    assert [tuple(point.values()) for point in points] == list(itertools.product(*values.values()))
    assert all(list(point) == list(values) for point in points)


@pytest.mark.parametrize("choices", [[], 3, "ab", {"low": 1}, [1, 1], [0.5, None, 0.5]])
def test_a_grid_of_something_else_than_lists_of_different_values_is_refused(choices):
    with pytest.raises(Misconfigured, match="parameter a: a "):
        grid({"a": choices})


@pytest.mark.parametrize(
    "said",
    [
        {"low": 1, "high": 1},
        {"low": 0.01, "high": 0.3, "log": True},
        {"low": 0, "high": 0.3, "step": 0.1},
        {"low": -7, "high": 127, "step": 2},
        {"low": 0, "high": 1, "log": False},
        ["gbdt", "dart", None, True, 3],
    ],
)
def test_a_space_of_ranges_and_lists_is_sampled_from(said):
    refuse_space({"a": said})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"low": 1}, "low and high, and step or log, were wanted"),
        ({"high": 1}, "low and high"),
        ({"low": 1, "high": "2"}, "as numbers"),
        ({"low": False, "high": True}, "as numbers"),
        ({"low": 1, "high": 2, "base": 10}, "'base': 10"),
        ({"low": 2, "high": 1}, "low below high"),
        ({"low": 0, "high": float("inf")}, "both finite"),
        ({"low": float("nan"), "high": 1}, "both finite"),
        ({"low": 0, "high": 1, "log": True}, "a low above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "no step"),
        ({"low": 0, "high": 9, "step": 2}, "a whole number of steps"),
        ({"low": 0, "high": 9, "step": 0}, "a whole number of steps"),
        ({"low": 0, "high": 9, "step": -3}, "a whole number of steps"),
        ([], "a list of values or low and high"),
        ("gbdt", "a list of values or low and high"),
    ],
)
def test_a_space_that_cannot_be_sampled_from_is_refused(said, why):
    with pytest.raises(Misconfigured, match=f"parameter a: .*{why}"):
        refuse_space({"a": said})


def test_an_empty_space_is_refused():
    with pytest.raises(Misconfigured, match="at least one parameter"):
        refuse_space({})


def test_a_range_is_of_whole_numbers_when_all_it_says_are():
    assert whole({"low": 1, "high": 9, "step": 2})
    assert not whole({"low": 1, "high": 9.0})
    assert not whole({"low": 1, "high": 9, "step": 0.5})
