"""The source of scheduled jobs: makes one job for each nominal time, whoever else finds it due."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from windlass.clock import monotonic, next_minute, to_wall_us
from windlass.schedule import Every, Spec, due, from_text
from windlass.store.protocol import Store
from windlass.store.timetable import CLOCK_SET_US, Instant, ScheduleRow

log = logging.getLogger("windlass.worker")

_AT_ONCE = 50
"""After so many commits the dispatcher has its say: everybody's schedules are due at midnight."""
_DRIFT = 1000
"""The two clocks drift apart by less than this part of a span, in it."""


class Periodic:
    """Asked by a dispatcher, on its thread; see ``sources.py``.

    ``declare`` writes down, at the first look, what the program declares.
    """

    def __init__(self, store: Store, declare: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._declare: Callable[[], None] | None = declare
        self._busy: frozenset[str] = frozenset()
        self._unreadable: set[tuple[str, int]] = set()
        self._told_shift_us: int | None = None

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
        now = self._store.instant()
        clock = self._store.clock
        shift_us = now.wall_us - clock.boot_us()
        if self._told_shift_us is None or abs(shift_us - self._told_shift_us) >= CLOCK_SET_US:
            if now.boot_id is None:
                self._draw_near(now)
            else:
                # All that is left after a restart of the machine: time that never passed would be missed.
                self._store.retell_schedules(now)
            self._told_shift_us = shift_us
        busy: set[str] = set()
        fired = 0
        for row, is_busy in self._store.due_schedules(now):
            spec = self._spec(row)
            if spec is None:
                continue
            if is_busy and not spec.overlap:
                busy.add(row.job_key)
                continue
            if fired == _AT_ONCE:
                return 0.0  # the others are still due when it is asked again
            fired += 1
            if not self._fire(row, spec, now):
                busy.add(row.job_key)
        self._busy = frozenset(busy)
        return self._wait_s(self._store.next_schedule_us(now), now)

    def close(self) -> None:
        """Nothing is held."""

    def _wait_s(self, wait_us: int | None, now: Instant) -> float | None:
        if wait_us is None and not self._busy:
            return None
        # A wait does not count the time that the machine sleeps, and the wall clock may be set meanwhile.
        moment = monotonic()
        longest_s = next_minute(moment) - moment
        if wait_us is None:
            return longest_s
        return min((wait_us - (self._store.instant().boot_us - now.boot_us)) / 1_000_000, longest_s)

    def _fire(self, row: ScheduleRow, spec: Spec, now: Instant) -> bool:
        """Makes its jobs; False where it is due again, or somebody else was faster, or a job has come up."""
        rule, now_us = spec.rule, now.on_clock_of(spec.rule)
        due_us = row.due_us(rule, now)
        if due_us is None:
            return True
        if isinstance(rule, Every) and rule.from_end:
            due_us = self._rested_us(row, rule, due_us, now)
        firing = due(spec, due_us, now_us)
        after = row.waiting_for(rule, firing.next_us, now)
        nominals = [now.wall_of(rule, nominal_us) for nominal_us in firing.nominals]
        if nominals:
            after = msgspec.structs.replace(after, last_at_us=nominals[-1])
        jobs = [row.job(spec, nominal_us) for nominal_us in nominals]
        made = self._store.fire_schedule(after, jobs, replaces=row.turn)
        return made is not None and (firing.next_us is None or firing.next_us > now_us)

    def _rested_us(self, row: ScheduleRow, rule: Every, due_us: int, now: Instant) -> int:
        """When it is due, counted from the end of its last run: what is waited for till then counts from its
        beginning, so it comes no later."""
        job = None if row.last_job is None else self._store.get(row.last_job)
        if job is None or job.finished_at is None:
            return due_us
        begun_us = due_us - rule.span_us
        ended_us = now.boot_us - (now.wall_us - to_wall_us(job.finished_at))
        if begun_us + rule.span_us // _DRIFT < ended_us <= now.boot_us:
            return rule.next_after(begun_us, ended_us)
        return due_us  # it has been counted already, or the wall clock was set meanwhile

    def _draw_near(self, now: Instant) -> None:
        """The clock of all machines may have been set back: intervals do not wait for it."""
        for row in self._store.schedules():
            spec = self._spec(row)
            near = row if spec is None else row.on_this_boot(spec, now)
            if near != row:
                self._store.put_schedule(near, replaces=row.turn)

    def _move_to_this_boot(self, row: ScheduleRow) -> None:
        spec = self._spec(row)
        if spec is not None:
            now = self._store.instant()
            self._store.put_schedule(row.on_this_boot(spec, now), replaces=row.turn)

    def _spec(self, row: ScheduleRow) -> Spec | None:
        try:
            return from_text(row.spec)
        except ValueError as error:
            if (row.name, row.turn) not in self._unreadable:
                self._unreadable.add((row.name, row.turn))
                log.error("the schedule %s makes no jobs: its spec cannot be read: %s", row.name, error)
            return None
