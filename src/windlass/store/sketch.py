"""How long things took, in so few bytes that each minute can keep it: a histogram with log-scale buckets.

Each bucket is 8 % longer than the one below it, and stands for the value in its middle: so a percentile is
within 4 % of the true one, whether that is microseconds or weeks. Sketches are merged by adding them up.

As bytes a sketch is the number of its first bucket and the counts from there on, all little-endian. To add
up thousands of them, each is read as one large integer with 32 bits for each bucket: then one addition adds
all buckets. A count beyond 32 bits would run into the next one: that takes 50,000 jobs a second, all day.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import ceil

GROWTH = 1.08
BUCKETS = 400
"""The last one begins at 232 days."""
_BOUNDS = [ceil(GROWTH**number) for number in range(BUCKETS - 1)]
"""Where each bucket but the first begins, in whole microseconds."""
_FIRST = struct.Struct("<H")


def bucket(us: float) -> int:
    """The bucket of a duration in microseconds.

    >>> bucket(0), bucket(1), bucket(1000)
    (0, 1, 90)
    """
    return bisect_right(_BOUNDS, us)


def middle_us(number: int) -> float:
    """The duration that a bucket stands for, in microseconds."""
    return 2 * GROWTH**number / (GROWTH + 1) if number else 0.0


def to_bytes(counts: Sequence[int]) -> bytes | None:
    """The sketch with so many values in each bucket; None where all are empty."""
    some = [number for number, count in enumerate(counts) if count]
    if not some:
        return None
    first, end = some[0], some[-1] + 1
    return _FIRST.pack(first) + struct.pack(f"<{end - first}I", *counts[first:end])


def to_number(sketch: bytes | None) -> int:
    """The sketch as one large integer, to be added to others."""
    if not sketch:
        return 0
    return int.from_bytes(sketch[2:], "little") << 32 * (sketch[0] | sketch[1] << 8)


def from_number(number: int) -> bytes | None:
    """The sum of sketches as a sketch; None where all buckets are empty.

    >>> from_number(to_number(to_bytes([0, 7, 0, 5]))) == to_bytes([0, 7, 0, 5])
    True
    """
    if not number:
        return None
    first = ((number & -number).bit_length() - 1) // 32
    number >>= 32 * first
    return _FIRST.pack(first) + number.to_bytes((number.bit_length() + 31) // 32 * 4, "little")


def to_counts(number: int) -> tuple[int, ...]:
    """How many values are in each bucket of a sum of sketches, as far as there are any."""
    length = (number.bit_length() + 31) // 32
    return struct.unpack(f"<{length}I", number.to_bytes(4 * length, "little"))


def quantiles_us(counts: Sequence[int], wanted: Sequence[float]) -> list[float | None]:
    """The durations below which those parts of all values lie. None where there is nothing.

    >>> counts = [0] * BUCKETS
    >>> for us in range(1, 1001): counts[bucket(us)] += 1
    >>> [round(us) for us in quantiles_us(counts, (0.5, 0.99))]
    [490, 980]
    """
    up_to = list(accumulate(counts))
    if not up_to or not up_to[-1]:
        return [None] * len(wanted)
    return [middle_us(bisect_left(up_to, part * up_to[-1])) for part in wanted]
