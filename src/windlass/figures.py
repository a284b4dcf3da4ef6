"""How the work went over some span of time: the figures of all dispatchers, added up."""

from __future__ import annotations

from struct import Struct
from typing import Literal, NamedTuple

from windlass.store.activity import OUTCOMES
from windlass.store.protocol import Store
from windlass.store.sketch import quantiles_us, to_counts, to_number

Range = Literal["15m", "1h", "6h", "24h"]

SPANS: dict[Range, tuple[int, int]] = {"15m": (15, 1), "1h": (60, 1), "6h": (72, 5), "24h": (96, 15)}
"""How many buckets there are, and how many minutes each is long."""

_QUANTILES = (0.5, 0.95, 0.99)

_COUNTS = Struct(f"<{len(OUTCOMES)}Q")
_Pair = tuple[str, str]
"""Queue and key."""
_Sum = list[int]
"""Outcomes, waits and runs, each as one large integer: then they are added up at once."""
_Bucket = dict[_Pair, _Sum]


class Spread(NamedTuple):
    """How long so many attempts took, in microseconds; None where there was none."""

    number: int
    p50_us: float | None
    p95_us: float | None
    p99_us: float | None


class Part(NamedTuple):
    """What became of one part of the work."""

    outcomes: tuple[int, ...]
    """As many as there are names in ``OUTCOMES``."""
    waits: Spread
    runs: Spread


class Summary(NamedTuple):
    """A span of time, and its parts."""

    first_minute: int
    minutes: int
    """How long a bucket is."""
    whole: Part
    buckets: list[Part]
    by_queue: dict[str, Part]
    by_key: dict[str, Part]
    last_minute: int
    """How many attempts ended in the last minute that is over."""


def summarize(store: Store, span: Range, now_minute: int) -> Summary:
    """The figures of a span that ends with this minute."""
    count, minutes = SPANS[span]
    last = now_minute // minutes
    first = last - count + 1
    buckets = _buckets(store, first, last, minutes)
    by_queue: dict[str, _Adder] = {}
    by_key: dict[str, _Adder] = {}
    whole = _Adder()
    series: list[Part] = []
    for bucket in buckets:
        here = _Adder()
        for (queue, key), some in bucket.items():
            here.add(some)
            by_queue.setdefault(queue, _Adder()).add(some)
            by_key.setdefault(key, _Adder()).add(some)
        series.append(here.part())
        whole.add(here.sums)
    recent = store.activity(now_minute - 1, now_minute - 1)
    return Summary(
        first * minutes, minutes, whole.part(), series,
        {name: one.part() for name, one in by_queue.items()},
        {name: one.part() for name, one in by_key.items()},
        sum(sum(row[4:11]) for row in recent),
    )  # fmt: skip


class _Adder:
    def __init__(self) -> None:
        self.sums: _Sum = [0, 0, 0]

    def add(self, some: _Sum) -> None:
        outcomes, waits, runs = self.sums
        self.sums = [outcomes + some[0], waits + some[1], runs + some[2]]

    def part(self) -> Part:
        outcomes, waits, runs = self.sums
        return Part(_outcomes(outcomes), _spread(waits), _spread(runs))


def _outcomes(number: int) -> tuple[int, ...]:
    return _COUNTS.unpack(number.to_bytes(_COUNTS.size, "little"))


def _spread(sketch: int) -> Spread:
    counts = to_counts(sketch)
    return Spread(sum(counts), *quantiles_us(counts, _QUANTILES))


def _buckets(store: Store, first: int, last: int, minutes: int) -> list[_Bucket]:
    """Each bucket's sums."""
    buckets: list[_Bucket] = [{} for _ in range(first, last + 1)]
    for row in store.activity(first * minutes, (last + 1) * minutes - 1, minutes=minutes):
        sums = buckets[row.minute // minutes - first]
        pair = (row.queue, row.key)
        outcomes = int.from_bytes(_COUNTS.pack(*row[4:11]), "little")
        some = sums.get(pair)
        if some is None:
            sums[pair] = [outcomes, to_number(row.waits), to_number(row.runs)]
        else:
            some[0] += outcomes
            some[1] += to_number(row.waits)
            some[2] += to_number(row.runs)
    return buckets
