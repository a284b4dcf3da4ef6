"""The source of scheduled jobs: makes one job for each due time, whoever else finds it due."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from windlass.clock import Clock
from windlass.schedule import Spec, from_text
from windlass.store.protocol import Store
from windlass.store.timetable import ScheduleRow

log = logging.getLogger("windlass.worker")

_LONGEST_S = 60.0
"""A wait does not count the time that the machine sleeps: so never wait for longer than a minute."""


class Periodic:
    """Asked by a dispatcher, on its thread; see ``sources.py``.

    ``declare`` writes down, at the first look, what the program declares.
    """

    def __init__(self, store: Store, clock: Clock, declare: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self._declare: Callable[[], None] | None = declare
        self._busy: frozenset[str] = frozenset()
        self._unreadable: set[tuple[str, int]] = set()

    @property
    def job_keys(self) -> frozenset[str]:
        """The keys of those that are due and wait for the end of their last run."""
        return self._busy

    def look(self) -> float | None:
        """Makes the jobs that are due; see the protocol."""
        if self._declare is not None:
            self._declare()
            self._declare = None
        for row in self._store.strange_schedules():
            self._move_to_this_boot(row)
        # One moment for both questions: what comes due between two would be in neither answer.
        now_us = self._clock.boot_us()
        busy: set[str] = set()
        for row, is_busy in self._store.due_schedules(now_us):
            if is_busy or not self._fire(row):
                busy.add(row.job_key)
        self._busy = frozenset(busy)
        next_us = self._store.next_schedule_us(now_us)
        if next_us is None:
            return _LONGEST_S if busy else None
        return min((next_us - self._clock.boot_us()) / 1_000_000, _LONGEST_S)

    def close(self) -> None:
        """Nothing is held."""

    def _fire(self, row: ScheduleRow) -> bool:
        """Makes its job; False where somebody else was faster, or a job of it has come up meanwhile."""
        spec = self._spec(row)
        if spec is None or row.next_boot_us is None:
            return True
        now_us, boot_us = self._clock.wall_us(), self._clock.boot_us()
        next_boot_us = spec.rule.next_after(row.next_boot_us, boot_us)
        nominal_us = now_us - (boot_us - row.next_boot_us)
        after = msgspec.structs.replace(
            row,
            next_at_us=None if next_boot_us is None else now_us + next_boot_us - boot_us,
            next_boot_us=next_boot_us,
            last_at_us=nominal_us,
        )
        return self._store.fire_schedule(after, row.job(spec, nominal_us), replaces=row.turn) is not None

    def _move_to_this_boot(self, row: ScheduleRow) -> None:
        spec = self._spec(row)
        if spec is None or row.next_at_us is None:
            return
        self._store.put_schedule(row.on_this_boot(spec, self._clock), replaces=row.turn)

    def _spec(self, row: ScheduleRow) -> Spec | None:
        try:
            return from_text(row.spec)
        except ValueError as error:
            if (row.name, row.turn) not in self._unreadable:
                self._unreadable.add((row.name, row.turn))
                log.error("the schedule %s makes no jobs: its spec cannot be read: %s", row.name, error)
            return None
