"""How a batch enters its dataset, as an operator's arguments say it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.writes import APPEND, Mode, Write
from xops.core.errors import Misconfigured

pytestmark = pytest.mark.unit


@given(st.builds(Write, st.sampled_from(Mode), st.lists(st.text()).map(tuple), st.booleans()))
def test_a_write_survives_json(write):
    assert Write.from_json(json.loads(json.dumps(write.to_json(), allow_nan=False))) == write


def test_an_operators_arguments_make_a_write():
    assert Write.of("append") == APPEND
    assert Write.of("upsert", ["id", "day"], evolve=True) == Write(Mode.UPSERT, ("id", "day"), evolve=True)
    assert Write.of("overwrite", "day") == Write(Mode.OVERWRITE, ("day",))
    monday = Write(Mode.OVERWRITE, ("day",), values=("monday",))
    assert Write.of("overwrite", {"day": "monday"}) == monday == Write.from_json(monday.to_json())


@pytest.mark.parametrize(
    ("mode", "by", "said"),
    [
        ("merge", (), "mode: append, overwrite or upsert was wanted, found 'merge'"),
        ("append", ["id"], r"by: with mode append, no columns were wanted, found \['id'\]"),
        ("upsert", (), r"by: with mode upsert, the columns of the key were wanted, found \(\)"),
        ("overwrite", [], r"by: with mode overwrite, the columns of the partition were wanted, found \[\]"),
        ("upsert", ["id", "id"], "by: names of different columns were wanted"),
        ("upsert", ["id", 7], "by: names of different columns were wanted"),
        ("upsert", {"id": 7}, "by: with mode upsert, columns without values were wanted"),
        ("overwrite", {"day": None}, "by: texts and numbers were wanted as values"),
        ("upsert", [""], "by: names of different columns were wanted"),
    ],
)
def test_arguments_that_make_none_are_named(mode, by, said):
    with pytest.raises(Misconfigured, match=said):
        Write.of(mode, by)
