import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.profile import value_hash
from xops.core.profile.value_hash import different, hash_numbers, hash_strings

TEXTS = st.lists(st.text(max_size=30), max_size=30)


@given(TEXTS, TEXTS)
def test_a_text_has_one_hash_wherever_it_lies(first, second):
    together = hash_strings(first + second).tolist()
    assert together == hash_strings(first).tolist() + hash_strings(second).tolist()
    assert len(set(together)) == len(set(first + second))


@pytest.mark.parametrize("sizes", [(1, 2**16), (2**16, 1), (2**16 + 1, 3), (3, 2**17, 3)])
def test_a_text_may_be_longer_than_a_block(sizes):
    texts = ["x" * size for size in sizes]
    assert hash_strings(texts).tolist() == [hash_strings([text])[0] for text in texts]


def test_hashes_are_the_same_for_good():
    assert [f"{one:x}" for one in hash_strings(["", "a", "\x00", "ü"]).tolist()] == [
        "e220a8397b1dcdaf",
        "f0eea8c8a0607d15",
        "910a2dec89025cc1",
        "32227df8080ac947",
    ]
    assert f"{hash_numbers(np.array([1.5]))[0]:x}" == "d6dab18e1392608a"


def test_texts_that_are_alike_have_hashes_that_are_not():
    hashes = hash_strings([f"id{place:07}" for place in range(50_000)])
    assert len(np.unique(hashes)) == 50_000
    for shift in (0, 20, 40):
        counts = np.bincount(((hashes >> np.uint64(shift)) & np.uint64(255)).astype(int), minlength=256)
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 350  # chi-square of 255: 1 in 10,000


@given(st.lists(st.floats(allow_nan=False), min_size=1, unique=True))
def test_different_numbers_have_different_hashes_and_no_zero_has_a_sign(values):
    assert len(set(hash_numbers(np.array(values)).tolist())) == len(set(values))
    assert hash_numbers(np.array([0.0])) == hash_numbers(np.array([-0.0]))
    assert value_hash.hash_strings([]).tolist() == []


@given(st.lists(st.integers(0, 40) | st.integers(0, 2**64 - 1)))
def test_different_hashes_are_counted_whether_or_not_one_occurs_twice(values):
    assert different(np.array(values, np.uint64)) == len(set(values))


@pytest.mark.parametrize("times", [1, 2])
def test_hashes_that_were_made_to_share_their_lowest_bits_are_told_apart(times):
    made = np.arange(1000, dtype=np.uint64) << np.uint64(50)
    assert different(np.tile(made, times)) == 1000
