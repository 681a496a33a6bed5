"""What the Arrow schema in a Parquet file says of its columns, read without Arrow: it takes long to load.

The schema is a FlatBuffer in an encapsulated message, see Arrow's Schema.fbs and Message.fbs: a table begins with how
far before it lies the list of where its fields are, 0 for one that it has not.
"""

from __future__ import annotations

import base64
import struct

_HEADER, _FIELDS, _TYPE, _DICTIONARY = 2, 1, 2, 4  # places of these in Message, Schema and Field
_PREFIX = 8  # bytes before the message: a mark, and its size


def type_tags(encoded: bytes) -> list[tuple[int, bool]]:
    """Give for each column the number of its type in Arrow's ``Type``, and whether it is kept in a dictionary.

    :param encoded: the value of ``ARROW:schema`` in the file's metadata, in base64.
    :raises ValueError: when it is no such schema.
    """
    try:
        data = base64.b64decode(encoded)[_PREFIX:]
        schema = _follow(data, _field(data, _follow(data, 0), _HEADER))
        fields = _follow(data, _field(data, schema, _FIELDS))
        (many,) = struct.unpack_from("<I", data, fields)
        columns = [_follow(data, fields + 4 + 4 * place) for place in range(many)]
        return [(data[_field(data, column, _TYPE)], bool(_slot(data, column, _DICTIONARY))) for column in columns]
    except (struct.error, IndexError) as error:
        raise ValueError("the Arrow schema of the file is not laid out as it should be") from error


def _follow(data: bytes, at: int) -> int:
    """Give the place that an offset points to."""
    return at + int(struct.unpack_from("<I", data, at)[0])


def _slot(data: bytes, table: int, place: int) -> int:
    """Give how far into a table a field of it lies; 0 when the table has it not."""
    listed = table - int(struct.unpack_from("<i", data, table)[0])
    (size,) = struct.unpack_from("<H", data, listed)
    at = 4 + 2 * place
    return int(struct.unpack_from("<H", data, listed + at)[0]) if at < size else 0


def _field(data: bytes, table: int, place: int) -> int:
    slot = _slot(data, table, place)
    if not slot:
        raise IndexError(place)
    return table + slot
