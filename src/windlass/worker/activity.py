"""A dispatcher's own count of what it does: kept in memory, and written with a commit that is made anyway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
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
"""Queues and keys told apart in one minute; what comes beyond has the key ``…``."""
_OTHERS = "…"


class _Row:
    """One minute of one queue and key. Durations are counted as they come, by the microsecond: to find their
    buckets, a logarithm for each, waits until they are written."""

    __slots__ = ("_all_runs", "_all_waits", "_outcomes", "completed", "is_written", "key", "minute", "others",
                 "queue", "runs", "waits")  # fmt: skip

    def __init__(self, minute: int, queue: str, key: str) -> None:
        self.minute = minute
        self.queue = queue
        self.key = key
        self.completed: defaultdict[int, int] = defaultdict(int)
        """How many completed after so many microseconds …"""
        self.runs: defaultdict[int, int] = defaultdict(int)
        """… or ended otherwise."""
        self.waits: defaultdict[int, int] = defaultdict(int)
        self.others = [0] * _KINDS
        """Outcomes that are not told by ``completed``."""
        self.is_written = True
        self._outcomes = [0] * _KINDS
        self._all_waits = [0] * BUCKETS
        self._all_runs = [0] * BUCKETS

    def figures(self, owner: int) -> Figures:
        """The row, with what has come since the last time added."""
        outcomes = self._outcomes
        outcomes[0] += sum(self.completed.values())
        for kind, count in enumerate(self.others):
            outcomes[kind] += count
        _sort_in(self._all_runs, self.completed)
        _sort_in(self._all_runs, self.runs)
        _sort_in(self._all_waits, self.waits)
        self.others = [0] * _KINDS
        waits, runs = to_bytes(self._all_waits), to_bytes(self._all_runs)
        return Figures._make((self.minute, owner, self.queue, self.key, *outcomes, waits, runs))


def _sort_in(counts: list[int], durations: defaultdict[int, int]) -> None:
    for us, count in durations.items():
        counts[bucket(us)] += count
    durations.clear()


class Activity:
    """Counts attempts by minute, queue and job key. Used on the dispatcher's thread alone.

    A row is written whole, as often as it has grown, so nobody reads it first. What was not written when the
    process is killed is lost: a second of figures at most, and no job depends on them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minute = 0
        self._of_key: dict[str, _Row] = {}
        self._of_pair: dict[tuple[str, str], _Row] = {}
        self._unwritten: list[_Row] = []
        self._written_at = 0.0

    def began(self, claims: Sequence[Claim], waited_us: Sequence[int | None]) -> None:
        """These were taken, after they had been ready for so long."""
        of_key = self._of_key
        for claim, us in zip(claims, waited_us, strict=True):
            if us is None:
                continue
            row = of_key.get(claim.key)
            if row is None or row.queue != claim.queue:
                row = self._row(claim)
            row.waits[us] += 1
            if row.is_written:
                row.is_written = False
                self._unwritten.append(row)

    def ended(self, claim: Claim, outcome: AnyOutcome, took_us: int | None) -> None:
        """An attempt is over, and took so long where that was measured."""
        row = self._of_key.get(claim.key)
        if row is None or row.queue != claim.queue:
            row = self._row(claim)
        if took_us is not None and type(outcome) is Completed:
            row.completed[took_us] += 1
        else:
            kind = _KIND[type(outcome)]
            row.others[kind] += 1
            if took_us is not None and kind != _RELEASED:
                row.runs[took_us] += 1
        if row.is_written:
            row.is_written = False
            self._unwritten.append(row)

    def look(self) -> None:
        """Looks at the clock: what comes is counted in that minute."""
        minute = self._clock.wall_us() // 60_000_000
        if minute != self._minute:
            self._minute = minute
            self._of_key.clear()
            self._of_pair.clear()

    def _row(self, claim: Claim) -> _Row:
        pair = (claim.queue, claim.key)
        if pair not in self._of_pair and len(self._of_pair) >= _PAIRS_MOST:
            pair = (claim.queue, _OTHERS)
        row = self._of_pair.get(pair)
        if row is None:
            row = self._of_pair[pair] = _Row(self._minute, *pair)
        self._of_key[claim.key] = row
        return row

    # ── writing ────────────────────────────────────────────────────────────────────────────────
    @property
    def is_written(self) -> bool:
        """Nothing waits to be written."""
        return not self._unwritten

    def due(self, owner: int, now: float) -> list[Figures]:
        """What is to be written with the next commit; nothing where that was done less than a second ago."""
        if not self._unwritten or now < self._written_at + _EVERY_S:
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
                row.is_written = True
            del self._unwritten[:count]
