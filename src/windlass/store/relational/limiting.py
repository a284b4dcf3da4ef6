"""Limits in the file: what a claim may take, evaluated in its own transaction; and how they are set.

``windlass_queues`` keeps a queue's concurrency, with its switch; ``windlass_limits`` all else, and for each
rate when the next start is due, on the boot clock, or, where there are many machines, on the clock of all.
Two things make that number mean less than it says: after another boot, the last start was before this one
began; and a number farther ahead than any start could have put it is from another rate, or from foreign
hands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from windlass.clock import Clock
from windlass.rate import Rate
from windlass.store.limits import Limit, LimitKind
from windlass.store.protocol import ClaimRequest, Lane
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL
from windlass.store.timetable import Instant

_PLENTY = 1 << 31
_Subject = tuple[Literal["queue", "key"], str]


class Limiting(Role):
    """The verbs about limits."""

    def limits(self) -> list[Limit]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["limits"]).fetchall()
        _, now, boot_id = self.instant()
        found: dict[tuple[LimitKind, str], Limit] = {}
        for kind, name, _, concurrency, count, per_us, free_at, boot, _ in rows:
            if kind == "host":
                continue
            if (switch := found.get((kind, name))) is not None:
                concurrency = switch.concurrency
            rate = _rate(count, per_us)
            slot_in_us = 0 if rate is None else rate.wait_us(_due(rate, free_at, boot, now, boot_id), now)
            if concurrency is not None or rate is not None or kind == "key":
                found[kind, name] = Limit(
                    kind=kind, name=name, concurrency=concurrency, rate=rate, slot_in_us=slot_in_us
                )
        return [found[one] for one in sorted(found)]

    def set_limit(
        self,
        kind: LimitKind,
        name: str,
        *,
        concurrency: int | UnsetType | None = UNSET,
        rate: Rate | UnsetType | None = UNSET,
    ) -> None:
        with self.database.write(full=True) as connection:
            if kind == "queue" and concurrency is not UNSET:
                switch = {"queue": name, "paused": None, "concurrency": concurrency, "keep": False}
                connection.execute(SQL["set_queue"], switch)
                concurrency = UNSET
            known = connection.execute(SQL["limit"], (kind, name)).fetchone()
            if known is None and kind == "key":
                # What is not given stays as it is declared; and nobody starts anew by being set.
                known = connection.execute(SQL["limit"], ("declared", name)).fetchone()
            most, count, per_us, free_at, boot_id = known or (None,) * 5
            if concurrency is not UNSET:
                most = concurrency
            if rate is not UNSET:
                count, per_us = (None, None) if rate is None else (rate.count, rate.per_us)
            if kind == "queue" and count is None:
                connection.execute(SQL["drop_limit"], (kind, name))
            else:
                connection.execute(SQL["put_limit"], (kind, name, most, count, per_us, free_at, boot_id))
        self.ring()

    def lift_limit(self, kind: LimitKind, name: str) -> bool:
        with self.database.write(full=True) as connection:
            lifted = 0
            if kind == "queue":
                lifted = connection.execute(SQL["lift_concurrency"], (name,)).rowcount
            elif kind == "key" and (row := connection.execute(SQL["limit"], (kind, name)).fetchone()):
                connection.execute(SQL["move_slot"], (row[3], row[4], "declared", name))
            lifted += connection.execute(SQL["drop_limit"], (kind, name)).rowcount
        self.ring()
        return lifted > 0

    def running_by_queue(self) -> dict[str, int]:
        return {name: count for (kind, name), count in self._running().items() if kind == "queue"}

    def running_by_key(self) -> dict[str, int]:
        return {name: count for (kind, name), count in self._running().items() if kind == "key"}

    def _running(self) -> Counter[_Subject]:
        with self.database.read() as connection:
            return _count_running(connection)


class _Bound:
    """What one queue or key may still take."""

    def __init__(self, kind: LimitKind, name: str) -> None:
        self.kind = kind
        self.name = name
        self.most: int | None = None
        """How many may run at once."""
        self.places: int | None = None
        """How many more may; counted when first asked."""
        self.rate: Rate | None = None
        self.due = 0
        self.moved = False
        """It is due at another time than the row says."""


class Gate:
    """What a claim may take, as the limits stand in its transaction."""

    def __init__(
        self,
        connection: Connection,
        rows: Iterable[Any],
        now: Callable[[], Instant],
        clock: Clock,
        request: ClaimRequest,
    ) -> None:
        self._connection = connection
        self._extra = request.extra_us
        self._shut = False
        # Read under the write lock: whoever claimed before us did so at an earlier moment.
        _, self._now, self._boot_id = now()
        self._machine_now = clock.boot_us()
        self._bounds: dict[_Subject, _Bound] = {}
        self._declined: set[tuple[str, str]] = set()
        self._running: Counter[_Subject] | None = None
        for kind, name, paused, most, count, per_us, free_at, boot, pin in rows:
            if kind == "host":
                self._shut = self._shut or name == request.host
                continue
            subject: _Subject = ("key", name) if kind == "declared" else (kind, name)
            if kind == "declared" and subject in self._bounds:
                continue
            bound = self._bounds.setdefault(subject, _Bound(kind, name))
            if paused or (pin is not None and pin not in request.labels):
                bound.places = 0
            elif most is not None:
                bound.most = most
            if (rate := _rate(count, per_us)) is not None:
                bound.rate, bound.due = rate, _due(rate, free_at, boot, self._now, self._boot_id)
                # Drawn near, it stays there: else it would be as far ahead at the next look.
                bound.moved = isinstance(free_at, int) and bound.due < free_at

    def room(self, queue: str, key: str) -> int:
        """How many jobs of that queue and key may be taken."""
        if self._shut or (queue, key) in self._declined:
            return 0
        room = _PLENTY
        for bound in self._over(queue, key):
            room = min(room, self._places(bound))
            if bound.rate is not None and room > 0:
                room = min(room, bound.rate.room(bound.due, self._now, self._extra))
        return room

    def start_by(self, queue: str, key: str) -> int | None:
        """Until when, on this machine's boot clock, a job taken now must have started; None: whenever."""
        moments = [
            self._machine_now + bound.rate.late_us + self._extra
            for bound in self._over(queue, key)
            if bound.rate is not None
        ]
        return min(moments, default=None)

    def take(self, queue: str, key: str) -> None:
        """One is taken."""
        for bound in self._over(queue, key):
            bound.places = self._places(bound) - 1
            bound.moved = True
            if bound.rate is not None:
                bound.due = bound.rate.after(bound.due, self._now, self._extra)

    def decline(self, queue: str, key: str) -> None:
        """No worker is free to start one of those at once: the next one's turn has not come either."""
        if any(bound.rate is not None for bound in self._over(queue, key)):
            self._declined.add((queue, key))

    def close(self, lanes: Collection[Lane]) -> int | None:
        """Keeps what was taken; how long until a rate lets a job of those lanes start that may not now."""
        self._connection.executemany(
            SQL["move_slot"],
            [
                (bound.due, self._boot_id, bound.kind, bound.name)
                for bound in self._bounds.values()
                if bound.moved and bound.rate is not None
            ],
        )
        waits = [wait_us for lane in lanes if (wait_us := self._wait_us(lane)) > 0]
        return min(waits, default=None)

    def _wait_us(self, lane: Lane) -> int:
        longest = 0
        for bound in self._over(lane.queue, lane.key):
            if self._places(bound) <= 0:
                # Whoever makes room for it says so.
                return 0
            if bound.rate is not None:
                longest = max(longest, bound.rate.wait_us(bound.due, self._now))
        return longest

    def _places(self, bound: _Bound) -> int:
        if bound.places is None:
            if bound.most is None:
                bound.places = _PLENTY
            else:
                if self._running is None:
                    self._running = _count_running(self._connection)
                subject = ("queue" if bound.kind == "queue" else "key", bound.name)
                bound.places = bound.most - self._running[subject]
        return bound.places

    def _over(self, queue: str, key: str) -> list[_Bound]:
        found = (self._bounds.get(("queue", queue)), self._bounds.get(("key", key)))
        return [bound for bound in found if bound is not None]


def gate(
    connection: Connection, now: Callable[[], Instant], clock: Clock, request: ClaimRequest
) -> Gate | None:
    """What a claim may take; None where nothing is paused, pinned or limited."""
    rows = connection.execute(SQL["limits"]).fetchall()
    return Gate(connection, rows, now, clock, request) if rows else None


def _count_running(connection: Connection) -> Counter[_Subject]:
    found: Counter[_Subject] = Counter()
    for queue, key, count in connection.execute(SQL["running"]):
        found["queue", queue] += count
        found["key", key] += count
    return found


def _rate(count: Any, per_us: Any) -> Rate | None:
    readable = isinstance(count, int) and isinstance(per_us, int) and count > 0 and per_us > 0
    return Rate(count, per_us) if readable else None


def _due(rate: Rate, free_at: Any, boot: Any, now: int, boot_id: str | None) -> int:
    """When the next start is due, for all that is known."""
    if not isinstance(free_at, int):
        return now
    # Of a start before this boot, which began at 0 of this clock.
    return rate.farthest_us if boot != boot_id else min(free_at, now + rate.farthest_us)
