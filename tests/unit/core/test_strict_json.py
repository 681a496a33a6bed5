import datetime as dt
import decimal
import enum
import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from xops.core.strict_json import dumps, plain

pytestmark = pytest.mark.unit

PLAIN = (dict, list, str, int, float, bool, type(None))


class Colour(enum.StrEnum):
    RED = "red"


class Rank(enum.IntEnum):
    FIRST = 1


class Shade(str, enum.Enum):  # noqa: UP042 - the class whose str() is not its value
    DARK = "dark"


class Place(enum.Enum):
    HOME = (Rank.FIRST, math.inf)
    NOWHERE = None


class Name(str):
    __slots__ = ()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(),
    st.decimals().filter(lambda number: not number.is_snan()),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.text().map(np.str_),
    st.text().map(Name),
    st.sampled_from([Colour.RED, Rank.FIRST, Shade.DARK, *Place]),
    npst.from_dtype(np.dtype("float32")),
    npst.from_dtype(np.dtype("float64")),
    npst.from_dtype(np.dtype("int16")),
    npst.from_dtype(np.dtype("uint64")),
    npst.from_dtype(np.dtype("bool")),
)
ARRAYS = npst.arrays(
    st.sampled_from(["float32", "float64", "int64", "bool", "U3"]),
    npst.array_shapes(min_dims=0, max_dims=3, max_side=3),
)
KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.sampled_from(Colour))
VALUES = st.recursive(
    SCALARS | ARRAYS | st.sets(st.integers() | st.text()) | st.frozensets(st.dates()),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


def classes(value):
    """Give every class met in ``value``."""
    inner = [*value.values(), *value] if isinstance(value, dict) else value if isinstance(value, list) else []
    return {type(value)}.union(*map(classes, inner))


@given(VALUES)
def test_every_value_becomes_strict_json_that_reads_back_as_it_was_written(value):
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)


@given(VALUES)
def test_only_plain_classes_are_left(value):
    assert classes(plain(value)) <= set(PLAIN)


@given(VALUES)
def test_what_is_plain_already_stays_as_it_is(value):
    once = plain(value)
    assert plain(once) == once


@given(VALUES)
def test_the_bytes_read_back_as_the_plain_value(value):
    assert json.loads(dumps(value)) == plain(value)


@given(st.dictionaries(st.text(), st.integers()), st.randoms())
def test_bytes_do_not_depend_on_the_order_of_keys(document, random):
    shuffled = list(document.items())
    random.shuffle(shuffled)
    assert dumps(dict(shuffled)) == dumps(document)


@given(st.lists(st.text(), unique=True), st.randoms())
def test_bytes_do_not_depend_on_the_order_in_which_a_set_was_filled(members, random):
    shuffled = random.sample(members, len(members))
    assert dumps(set(shuffled)) == dumps(frozenset(members)) == dumps(sorted(members))


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (math.nan, "NaN"),
        (-math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (np.float32("nan"), "NaN"),
        (np.float64("-inf"), "-Infinity"),
        (decimal.Decimal("Infinity"), "Infinity"),
    ],
)
def test_a_number_that_is_not_finite_becomes_its_word(number, word):
    assert plain(number) == word


@pytest.mark.parametrize("number", [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 0.1])
def test_a_finite_number_keeps_every_digit(number):
    assert json.loads(dumps(number)) == number


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.int64(-3), -3),
        (np.uint8(255), 255),
        (np.float32(0.5), 0.5),
        (np.True_, True),
        (True, True),
        (Colour.RED, "red"),
        (Rank.FIRST, 1),
        (Shade.DARK, "dark"),
        (Place.HOME, [1, "Infinity"]),
        (Place.NOWHERE, None),
        (np.str_("red"), "red"),
        (Name("red"), "red"),
        (decimal.Decimal("0.25"), 0.25),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC), "2024-02-29T12:30:00+00:00"),
        (dt.time(12, 30), "12:30:00"),
        ({1: (np.float64(0.5), math.nan)}, {"1": [0.5, "NaN"]}),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([]), []),
        (np.array(3), 3),
        (np.array(math.nan), "NaN"),
        (np.array("red"), "red"),
        (np.array(Colour.RED, dtype=object), "red"),
        ({"b", "a"}, ["a", "b"]),
    ],
)
def test_a_value_of_a_known_class_has_one_plain_form(value, wanted):
    found = plain(value)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"bytes", "builtins.bytes"),
        (object(), "builtins.object"),
        (1j, "builtins.complex"),
        (dt.timedelta(1), "datetime.timedelta"),
        ([{"at": np.datetime64("2024-02-29")}], "numpy.datetime64"),
        (hashlib, "builtins.module"),
        (np.array(1j), "numpy.complex128"),
        (enum.Enum("Odd", {"ONE": b"bytes"}).ONE, "builtins.bytes"),
    ],
)
def test_any_other_class_is_refused_by_its_name(value, named):
    with pytest.raises(TypeError, match=f"^{named} has no strict JSON form$"):
        plain(value)


def test_canonical_json_is_sorted_tight_and_utf8():
    assert dumps({"b": [1, 2.5, None, True], "a": "é"}) == '{"a":"é","b":[1,2.5,null,true]}'.encode()
