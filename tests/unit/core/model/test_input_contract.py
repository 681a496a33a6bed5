import pytest

from xops.core.model.input_contract import misfits

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("mlflow", "arrow"),
    [
        ("long", "int64"),
        ("integer", "uint8"),
        ("double", "int32"),
        ("float", "decimal128(9, 2)"),
        ("string", "large_string"),
        ("boolean", "bool"),
        ("datetime", "timestamp[us, tz=UTC]"),
        ("datetime", "date32[day]"),
        ("binary", "large_binary"),
    ],
)
def test_the_same_kind_of_value_has_two_names_and_one_family(mlflow, arrow):
    assert misfits({"a": mlflow}, {"a": arrow}) == ()


def test_a_column_that_is_gone_or_of_another_kind_is_named():
    wanted = {"distance": "long", "carrier": "string", "day": "datetime", "gone": "double"}
    found = {"distance": "string", "carrier": "string", "day": "int64", "new": "bool"}
    assert misfits(wanted, found) == (
        "column gone is missing",
        "column distance is string, the model was trained on long",
        "column day is int64, the model was trained on datetime",
    )


def test_a_column_whose_kind_was_not_recorded_only_has_to_be_there():
    assert misfits({"a": "", "b": ""}, {"a": "bool"}) == ("column b is missing",)


def test_a_type_that_nobody_knows_is_a_kind_of_its_own():
    assert misfits({"a": "geometry"}, {"a": "geometry"}) == ()
    assert misfits({"a": "geometry"}, {"a": "raster"}) == ("column a is raster, the model was trained on geometry",)
