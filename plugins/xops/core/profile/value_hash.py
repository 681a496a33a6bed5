"""Hashes of values, 64 bits each, the same on every machine and in every release: buckets and sketches need them.

They are fast and spread well; they are no protection from somebody who looks for values that collide.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from xops.core.numerics import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Hashes: TypeAlias = "NDArray[np.uint64]"

_BASE = 0x9E37_79B9_7F4A_7C15
_LONG = 65_536  # bytes from which on a text has a hash of another kind
_ROUNDS = 16  # each leaves a fifth; of hashes that were made to share places all but one
_BLOCK = 32_768  # bytes of text that are hashed at once: the arrays made for them stay in the processor's cache


def hash_numbers(values: NDArray[np.float64]) -> Hashes:
    """Hash numbers; 0 and -0 are one."""
    return _mixed((values + 0.0).view(np.uint64))


def hash_texts(data: NDArray[np.uint8], offsets: NDArray[np.integer]) -> Hashes:
    """Hash texts that lie one after the other.

    A text is a number whose digits are its bytes plus one, to a fixed base, modulo 2 to the 64th (as Karp and Rabin
    1987), and then mixed; one longer than 64 KiB by BLAKE2.

    :param data: the bytes of all texts.
    :param offsets: where each text starts, and where the last one ends.
    """
    size, end = len(offsets) - 1, int(offsets[-1])
    hashes, start = np.empty(size, np.uint64), 0
    while start < size:
        first = int(offsets[start])
        reach = offsets.dtype.type(min(first + _BLOCK, end))  # of another type, numpy would convert all offsets
        stop = max(int(offsets.searchsorted(reach, side="right")) - 1, start + 1)
        part = data[first : int(offsets[stop])]
        if len(part) > _LONG:
            hashes[start] = int.from_bytes(hashlib.blake2b(part.tobytes(), digest_size=8).digest(), "little")
        else:
            hashes[start:stop] = _hash_block(part, offsets[start : stop + 1] - first)
        start = stop
    return hashes


def different(hashes: Hashes) -> int:
    """Count different hashes. Where none occurs twice, as of a key, this takes half the time of sorting them."""
    size = np.uint64(2 << max(len(hashes) - 1, 1).bit_length())
    holder, left = np.empty(int(size), np.int32), hashes
    for _ in range(_ROUNDS):  # in each, the last hash of a place holds it: all others are compared with that one
        places = (left & (size - np.uint64(1))).view(np.int64)
        numbers = np.arange(len(left), dtype=np.int32)
        holder[places] = numbers
        holders = holder[places]
        lost = np.flatnonzero(holders != numbers)
        if (left[lost] == left[holders[lost]]).any():
            break
        left = left[lost]
        if not len(left):
            return len(hashes)
    ordered = np.sort(hashes)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1


def hash_strings(values: list[str]) -> Hashes:
    """Hash Python's texts as :func:`hash_texts` does."""
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    offsets = np.concatenate([[0], np.cumsum([len(value) for value in encoded], dtype=np.int64)])
    return hash_texts(np.frombuffer(b"".join(encoded), np.uint8), offsets)


def _hash_block(data: NDArray[np.uint8], offsets: NDArray[np.integer]) -> Hashes:
    sums = np.zeros(len(data) + 1, np.uint64)
    digits = data.astype(np.uint64)
    digits += np.uint64(1)
    digits *= _powers(_BASE)[: len(data)]
    np.cumsum(digits, out=sums[1:])
    found = sums[offsets]
    return _mixed((found[1:] - found[:-1]) * _powers(pow(_BASE, -1, 2**64))[offsets[:-1]])


@cache
def _powers(base: int) -> Hashes:
    powers = np.full(_LONG + 1, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _mixed(bits: Hashes) -> Hashes:
    """Let each bit of a hash depend on every bit, as a step of SplitMix64 does (Steele, Lea and Flood 2014)."""
    mixed = bits + np.uint64(_BASE)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D0_49BB_1331_11EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
