"""What became of the work since the beginning: figures added up by queue and job key.

Totals grow for years, so their sketches have eight bytes a bucket where those of a minute have four.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence

from windlass.store.activity import OTHERS, Figures, Total
from windlass.store.sketch import BUCKETS, from_number, to_counts, to_number

TOTALS_MOST = 1000
"""Queues and keys of which totals are kept apart."""
Pair = tuple[str, str]
"""Queue and key."""
_FIRST = struct.Struct("<H")
_NONE = (0,) * 7


class Adding:
    """Adds up the figures of one queue and key.

    >>> adding = Adding("default", "work")
    >>> adding.add(Figures(1, 1, "default", "work", 2, 1, 0, 0, 0, 0, 0, None, None))
    >>> adding.add(Figures(2, 1, "default", "work", 3, 0, 0, 0, 0, 0, 0, None, None))
    >>> adding.total().outcomes[:2]
    (5, 1)
    """

    def __init__(self, queue: str, key: str, before: Total | None = None) -> None:
        self._queue = queue
        self._key = key
        self._outcomes = list(_NONE if before is None else before.outcomes)
        self._before = before
        self._waits = self._runs = 0

    def add(self, figures: Figures) -> None:
        """One more row."""
        for place, count in enumerate(figures[4:11]):
            self._outcomes[place] += count
        self._waits += to_number(figures.waits)
        self._runs += to_number(figures.runs)

    def figures(self, minute: int, owner: int = 0) -> Figures:
        """All that was added, as one row."""
        waits, runs = from_number(self._waits), from_number(self._runs)
        return Figures._make((minute, owner, self._queue, self._key, *self._outcomes, waits, runs))

    def total(self) -> Total:
        """All of them, and those before."""
        before = self._before
        return Total(
            queue=self._queue,
            key=self._key,
            outcomes=tuple(self._outcomes),
            waits=_sum(() if before is None else before.waits, to_counts(self._waits)),
            runs=_sum(() if before is None else before.runs, to_counts(self._runs)),
        )


def add_up(figures: Iterable[Figures], before: Iterable[Total] = (), most: int = TOTALS_MOST) -> list[Total]:
    """The totals of figures, by queue and key, on top of those there were before."""
    adding: dict[Pair, Adding] = {
        (total.queue, total.key): Adding(total.queue, total.key, total) for total in before
    }
    for row in figures:
        pair = row.queue, row.key
        if pair not in adding:
            pair = placed(pair, adding.__contains__, len(adding), most)
            if pair not in adding:
                adding[pair] = Adding(*pair)
        adding[pair].add(row)
    return [one.total() for one in adding.values()]


def placed(pair: Pair, is_known: Callable[[Pair], bool], count: int, most: int) -> Pair:
    """The pair under which a new one's figures are kept, where ``count`` are kept already: its own, as long
    as there are fewer than ``most``; then all of its queue are one, as far as there are few queues.

    >>> placed(("mail", "send"), {("mail", "…")}.__contains__, 1000, 1000)
    ('mail', '…')
    """
    queue = (pair[0], OTHERS)
    if is_known(pair) or count < most:
        return pair
    return queue if is_known(queue) or count < most + most // 10 else (OTHERS, OTHERS)


def to_long_bytes(counts: Sequence[int]) -> bytes | None:
    """A sketch as totals keep it; None where all buckets are empty.

    >>> from_long_bytes(to_long_bytes([0, 0, 2**40]))
    (0, 0, 1099511627776)
    """
    some = [number for number, count in enumerate(counts) if count]
    if not some:
        return None
    first, end = some[0], some[-1] + 1
    return _FIRST.pack(first) + struct.pack(f"<{end - first}Q", *counts[first:end])


def from_long_bytes(sketch: bytes | None) -> tuple[int, ...]:
    """How many values are in each bucket, as far as there are any."""
    if not sketch:
        return ()
    count = (len(sketch) - 2) // 8
    return (0,) * _FIRST.unpack_from(sketch)[0] + struct.unpack_from(f"<{count}Q", sketch, 2)


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    added = [count + (shorter[place] if place < len(shorter) else 0) for place, count in enumerate(longer)]
    return tuple(added[:BUCKETS])
