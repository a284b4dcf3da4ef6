"""How the work went over some span of time: the figures of all dispatchers, added up."""

from __future__ import annotations

from collections import defaultdict
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
    buckets = [_Adder() for _ in range(count)]
    pairs: defaultdict[tuple[str, str], _Adder] = defaultdict(_Adder)
    for row in store.activity(first * minutes, (last + 1) * minutes - 1, minutes=minutes):
        outcomes = int.from_bytes(_COUNTS.pack(*row[4:11]), "little")
        waits, runs = to_number(row.waits), to_number(row.runs)
        buckets[row.minute // minutes - first].add(outcomes, waits, runs)
        pairs[row.queue, row.key].add(outcomes, waits, runs)
    whole = _Adder()
    by_queue: defaultdict[str, _Adder] = defaultdict(_Adder)
    by_key: defaultdict[str, _Adder] = defaultdict(_Adder)
    for (queue, key), one in pairs.items():
        for adder in (whole, by_queue[queue], by_key[key]):
            adder.add(*one.sums)
    recent = store.activity(now_minute - 1, now_minute - 1)
    return Summary(
        first * minutes, minutes, whole.part(), [one.part() for one in buckets],
        {name: one.part() for name, one in by_queue.items()},
        {name: one.part() for name, one in by_key.items()},
        sum(sum(row[4:11]) for row in recent),
    )  # fmt: skip


class _Adder:
    """Outcomes, waits and runs, each as one large integer: then they are added up at once."""

    def __init__(self) -> None:
        self.sums = (0, 0, 0)

    def add(self, outcomes: int, waits: int, runs: int) -> None:
        before = self.sums
        self.sums = (before[0] + outcomes, before[1] + waits, before[2] + runs)

    def part(self) -> Part:
        outcomes, waits, runs = self.sums
        return Part(_outcomes(outcomes), _spread(waits), _spread(runs))


def _outcomes(number: int) -> tuple[int, ...]:
    return _COUNTS.unpack(number.to_bytes(_COUNTS.size, "little"))


def _spread(sketch: int) -> Spread:
    counts = to_counts(sketch)
    return Spread(sum(counts), *quantiles_us(counts, _QUANTILES))
