"""Arrow columns as numpy sees them, straight from their buffers: no copy, and no import of pandas or of kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from xops.core.errors import bounded
from xops.core.numerics import np
from xops.core.profile.value_hash import Hashes, hash_texts

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

Array: TypeAlias = "pa.Array"
Texts: TypeAlias = "Callable[[NDArray[np.intp]], list[str]]"

_NAMES = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "halffloat": "FLOAT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
    "date64[ms]": "DATE",
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "string_view": "VARCHAR",
    "timestamp[s]": "TIMESTAMP_S",
    "timestamp[ms]": "TIMESTAMP_MS",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
}
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}
_LONGEST = 1000  # characters of a type: a structure's has the names of all its fields
_EXACT_DIGITS = 18  # of a decimal that fits into 64 bits


def sql_type(kind: pa.DataType) -> str:
    """Give the SQL type that DuckDB has for an Arrow type; Arrow's own name in capitals where a profile counts none."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return sql_type(kind.value_type)
    if pa.types.is_timestamp(kind) and kind.tz:
        return "TIMESTAMP WITH TIME ZONE"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _NAMES.get(str(kind), bounded(str(kind), _LONGEST).upper())


def plain(array: Array) -> Array:
    """Give an array whose buffers are laid out as is read here: no dictionaries but of whole texts, no views."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_dictionary(kind):
        of_text = str(kind.value_type) in ("string", "large_string")
        return array if of_text and not array.dictionary.null_count else plain(array.dictionary_decode())
    return array.cast(pa.large_string()) if str(kind) == "string_view" else array


def numbers(array: Array) -> tuple[NDArray[Any], float]:
    """Give the values that are there, and what each is to be multiplied with.

    :returns: days since 1970 for dates, microseconds for timestamps.
    """
    import pyarrow as pa

    array, scale = plain(array), 1.0
    kind = array.type
    if pa.types.is_timestamp(kind):
        scale = _MICROSECONDS[kind.unit]
        if kind.unit == "ns":
            return _there(array, np.int64) // 1000, 1.0
    elif pa.types.is_decimal(kind):
        if str(kind).startswith("decimal128") and kind.precision <= _EXACT_DIGITS:
            return _there(array, np.dtype("<i8,<i8"))["f0"] / 10.0**kind.scale, 1.0
        return _there(array.cast(pa.float64()), np.float64), 1.0
    elif pa.types.is_date(kind):
        return (_there(array, np.int32), 1.0) if str(kind) == "date32[day]" else (_days(array), 1.0)
    return _there(array, np.int64 if pa.types.is_timestamp(kind) else _dtype(kind)), scale


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    return np.dtype(_FLOATS.get(str(kind), str(kind)))


def _days(array: Array) -> NDArray[Any]:
    return _there(array, np.int64) // 86_400_000


def hashed(array: Array) -> tuple[Hashes, NDArray[np.int64] | None, Texts]:
    """Hash the texts that are there.

    :returns: the hashes; how often each occurs, None for once each; and what gives texts by their places.
    """
    import pyarrow as pa

    array = plain(array)
    if not pa.types.is_dictionary(array.type):
        valid = validity(array)
        hashes = _hashes(array)
        places = None if valid is None else np.flatnonzero(valid)
        return hashes if places is None else hashes[places], None, _texts(array, places)
    indices = _there(array.indices, _dtype(array.indices.type))
    times = np.bincount(indices, minlength=len(array.dictionary))
    used = np.flatnonzero(times)
    return _hashes(array.dictionary)[used], times[used], _texts(array.dictionary, used)


def _texts(array: Array, places: NDArray[np.intp] | None) -> Texts:
    return lambda which: [array[int(place)].as_py() for place in (which if places is None else places[which])]


def _hashes(array: Array) -> Hashes:
    _, offsets, data = array.buffers()
    if not len(array):
        return np.zeros(0, np.uint64)
    width = np.dtype(np.int64 if str(array.type) == "large_string" else np.int32)
    starts = np.frombuffer(offsets, width, len(array) + 1, array.offset * width.itemsize)
    return hash_texts(np.frombuffer(data or b"", np.uint8), starts)


def _there(array: Array, dtype: Any) -> NDArray[Any]:
    """Give the values of an array of fixed width that are not null."""
    dtype = np.dtype(dtype)
    if array.null_count == len(array):
        return np.zeros(0, dtype)
    values = np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
    valid = validity(array)
    return values if valid is None else values[valid]


def validity(array: Array) -> NDArray[np.bool_] | None:
    """Tell which values are there; None where all are."""
    bits = array.buffers()[0]
    if not array.null_count or bits is None:
        return None
    size = array.offset + len(array)
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=size, bitorder="little")[array.offset :].astype(bool)
