"""JSON that every reader accepts: no NaN, no infinity, no class but the plain ones."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import sys
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:  # noqa: PLR0911 - one return a class reads best
    """Give ``value`` as dicts, lists, strings, numbers, booleans and None.

    Non-finite numbers become the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``: they are findings too, and
    strict JSON (Airflow's XCom among its readers) has no number for them. numpy scalars and arrays become Python's,
    dates ISO 8601, decimals floats.

    :raises TypeError: for any other class, naming it.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if type(value).__module__.startswith("numpy"):
        value = _from_numpy(value)
    if value is None or isinstance(value, (str, bool)):
        return value if type(value) in (str, bool, type(None)) else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (float, decimal.Decimal)):
        return _finite(float(value))
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)]
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no strict JSON form")


def _from_numpy(value: Any) -> Any:
    """Give a number, a truth or an array of numpy as Python's; other values of numpy stay as they are.

    Where there is such a value numpy is loaded; it is not loaded here, for that takes longer than most tables to test.
    """
    np: Any = sys.modules["numpy"]
    if isinstance(value, np.ndarray):
        return list(value) if value.ndim else _from_numpy(value[()])
    if isinstance(value, np.floating):
        return float(value)
    return value.item() if isinstance(value, (np.integer, np.bool_)) else value


def dumps(value: Any) -> bytes:
    """Give ``value`` as canonical JSON: sorted keys, UTF-8, equal bytes for equal values."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
