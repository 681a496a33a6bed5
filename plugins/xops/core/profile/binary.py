"""Profiles as bytes, the form in which they are kept: thirty days of them are read faster than their JSON is parsed.

One line of JSON tells everything but the arrays, and of these their types and lengths; then they follow, one after the
other. Four bytes before all of it are its CRC-32: what a disk or a network changed is no profile.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.numerics import np
from xops.core.profile.profiles import COUNTS, MOMENTS, SUMS, WHOLE, ColumnProfile, Profile
from xops.core.profile.spec import ProfileSpec
from xops.core.strict_json import dumps

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENDS = ("low", "high")
_SUM = 4  # bytes


def to_bytes(profile: Profile) -> bytes:
    """Give a profile as bytes: at most 64 KiB a column, whatever the data."""
    columns, kept = [], []
    for column in profile.columns:
        arrays = [_narrow(getattr(column, name)) for name in COUNTS] + [getattr(column, name) for name in SUMS]
        arrays = [array.astype(array.dtype.newbyteorder("<")) for array in arrays]
        sketch = column.sketch
        about = {name: getattr(column, name) for name in (*WHOLE, *MOMENTS, *_ENDS)}
        about["arrays"] = [[array.dtype.str, len(array)] for array in arrays]
        columns.append(about | {"sketch": None if sketch is None else len(sketch)})
        kept += [array.tobytes() for array in arrays] + [sketch or b""]
    about = {"versions": list(profile.versions), "spec": profile.spec.to_json(), "rows": profile.rows}
    content = b"".join([dumps({**about, "columns": columns}), b"\n", *kept])
    return zlib.crc32(content).to_bytes(_SUM, "little") + content


def from_bytes(content: bytes) -> Profile:
    """Read what :func:`to_bytes` wrote.

    :raises Misconfigured: for other bytes, also for a part of them or where a bit is another.
    """
    try:
        return _read(content)
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"a kept profile was wanted; these {len(content)} bytes are none: {bounded(error)}"
        ) from error


def _read(content: bytes) -> Profile:
    if zlib.crc32(memoryview(content)[_SUM:]) != int.from_bytes(content[:_SUM], "little"):
        raise ValueError("their sum is another")
    place = content.index(b"\n", _SUM) + 1
    document = json.loads(content[_SUM:place])
    spec = ProfileSpec.from_json(document["spec"])
    columns = []
    for column, about in zip(spec.columns, document["columns"], strict=True):
        given: dict[str, Any] = {name: about[name] for name in (*WHOLE, *_ENDS)}
        given |= {name: float(about[name]) for name in MOMENTS}
        for name, (kind, length) in zip((*COUNTS, *SUMS), about["arrays"], strict=True):
            given[name] = np.frombuffer(content, kind, length, place)
            place += given[name].nbytes
        size = about["sketch"]
        given["sketch"] = None if size is None else content[place : place + size]
        place += size or 0
        columns.append(ColumnProfile(column, **given))
    if place != len(content):
        raise ValueError(f"{place} bytes were wanted")
    return Profile(tuple(document["versions"]), spec, document["rows"], tuple(columns))


def _narrow(counts: NDArray[np.int64]) -> NDArray[Any]:
    """Give counts in as few bytes as the greatest needs."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))
