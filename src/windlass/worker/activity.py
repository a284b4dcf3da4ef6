"""A dispatcher's own count of what it does: kept in memory, and written with a commit that is made anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from windlass.clock import Clock
from windlass.outcome import (
    AnyOutcome,
    Cancelled,
    Committed,
    Completed,
    Crashed,
    Failed,
    Quarantined,
    Released,
    Retried,
    Snoozed,
)
from windlass.store.activity import Figures
from windlass.store.protocol import Claim
from windlass.store.sketch import BUCKETS, bucket, to_bytes
from windlass.store.totals import Pair, placed

_KIND: dict[type[Any], int] = {
    Completed: 0, Committed: 0, Failed: 1, Retried: 2, Snoozed: 3, Cancelled: 4, Crashed: 5, Released: 6,
    Quarantined: 6,
}  # fmt: skip
_KINDS = 7
_RELEASED = _KIND[Released]
_EVERY_S = 0.9
_ROWS_MOST = 100
"""In one commit: more would hold the write lock for longer than others should wait."""
_PAIRS_MOST = 500
"""Queues and keys told apart in one minute."""

_LANE = itemgetter(7, 1)
"""The queue and the key of a claim."""


class _Row:
    """What is to be added to one minute of one queue and key. Durations are kept as they come, in
    microseconds: that is done for each job. To find their buckets waits until they are written."""

    __slots__ = ("completed", "key", "minute", "others", "queue", "runs", "waits")

    def __init__(self, minute: int, queue: str, key: str) -> None:
        self.minute = minute
        self.queue = queue
        self.key = key
        self.completed: list[int] = []
        """How long each took that completed …"""
        self.runs: list[int] = []
        """… or ended otherwise."""
        self.waits: list[int] = []
        self.others = [0] * _KINDS
        """Outcomes that are not told by ``completed``."""

    def figures(self, owner: int) -> Figures:
        """As it is kept."""
        outcomes = [self.others[0] + len(self.completed), *self.others[1:]]
        waits, runs = _sketch(self.waits), _sketch(self.completed, self.runs)
        return Figures._make((self.minute, owner, self.queue, self.key, *outcomes, waits, runs))


def _sketch(*some: Sequence[int]) -> bytes | None:
    counts = [0] * BUCKETS
    for durations in some:
        for us, count in Counter(durations).items():
            counts[bucket(us)] += count
    return to_bytes(counts)


class Activity:
    """Counts attempts by minute, queue and job key. Used on the dispatcher's thread alone.

    What is written is what has come since the last time: the store adds it up. What was not written when the
    process is killed is lost: a second of figures at most, and no job depends on them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minute = 0
        self._rows: dict[Pair, _Row] = {}
        """Of this minute, not yet written."""
        self._pairs: set[Pair] = set()
        """Those of this minute."""
        self._unwritten: list[_Row] = []
        self._written_at = 0.0

    def began(self, claims: Sequence[Claim], waited_us: Sequence[int | None]) -> None:
        """These were taken, after they had been ready for so long."""
        lane, waits = None, list[int]()
        for pair, us in zip(map(_LANE, claims), waited_us, strict=True):
            if us is None:
                continue
            if pair != lane:
                # Those of a turn are much alike.
                lane, waits = pair, (self._rows.get(pair) or self._new_row(pair)).waits
            waits.append(us)

    def ended(self, claim: Claim, outcome: AnyOutcome, took_us: int | None) -> None:
        """An attempt is over, and took so long where that was measured."""
        pair = claim.queue, claim.key
        row = self._rows.get(pair) or self._new_row(pair)
        if took_us is not None and type(outcome) is Completed:
            row.completed.append(took_us)
            return
        kind = _KIND[type(outcome)]
        row.others[kind] += 1
        if took_us is not None and kind != _RELEASED:
            row.runs.append(took_us)

    def look(self) -> None:
        """Looks at the clock: what comes is counted in that minute, what came before in the one before."""
        minute = self._clock.wall_us() // 60_000_000
        if minute != self._minute:
            self._minute = minute
            self._rows.clear()
            self._pairs.clear()

    def _new_row(self, wanted: Pair) -> _Row:
        pair = placed(wanted, self._pairs.__contains__, len(self._pairs), _PAIRS_MOST)
        row = self._rows.get(pair)
        if row is None:
            row = self._rows[pair] = _Row(self._minute, *pair)
            self._pairs.add(pair)
            self._unwritten.append(row)
        return row

    # ── writing ────────────────────────────────────────────────────────────────────────────────
    @property
    def is_written(self) -> bool:
        """Nothing waits to be written."""
        return not self._unwritten

    def due(self, owner: int, now: float) -> list[Figures]:
        """What is to be written with the next commit; nothing where that was done less than a second ago."""
        if self.is_written or now < self._written_at + _EVERY_S:
            return []
        return self.rest(owner)

    def rest(self, owner: int) -> list[Figures]:
        """What is to be written in any case."""
        return [row.figures(owner) for row in self._unwritten[:_ROWS_MOST]]

    def written(self, count: int, now: float) -> None:
        """The first ``count`` of these are in the database."""
        if count:
            self._written_at = now
            for row in self._unwritten[:count]:
                if row.minute == self._minute:
                    self._rows.pop((row.queue, row.key), None)
            del self._unwritten[:count]
