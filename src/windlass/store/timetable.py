"""Schedules as rows. A part of the store's contract: it keeps them, and decides nothing.

An elapsed rule is due on the boot clock; after a restart of the machine that clock means nothing, and the
wall clock's time is what is left to go by. A rule of the wall clock has no time on the boot clock, nor has
any in a database of many machines, which all go by the server's clock. Each change counts ``turn``: who acts
on a row that was changed since does nothing. So of all dispatchers that find it due, one makes the job (S1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from windlass.clock import Clock, iso
from windlass.schedule import Rule, Spec

if TYPE_CHECKING:
    from windlass.job import Job
    from windlass.store.protocol import Inserted, NewJob


CLOCK_SET_US = 1_000_000
"""The wall clock and the boot clock move apart by less than this, unless the wall clock is set."""


class Instant(NamedTuple):
    """One moment, on both clocks: whoever asks several questions asks them of one moment."""

    wall_us: int
    boot_us: int
    boot_id: str | None
    """None: there is one clock for all machines, and it is both."""

    @classmethod
    def now(cls, clock: Clock) -> Instant:
        """This one, on the clocks of this machine."""
        return cls(clock.wall_us(), clock.boot_us(), clock.boot_id())

    @classmethod
    def of_all(cls, wall_us: int) -> Instant:
        """That one, on the clock of all machines."""
        return cls(wall_us, wall_us, None)

    def after(self, delay_us: int) -> tuple[int, int | None, str | None]:
        """That much later, as a row keeps it: on the wall clock; and on the boot clock, of which boot.

        >>> Instant(1_000, 50, "a").after(10), Instant.of_all(1_000).after(10)
        ((1010, 60, 'a'), (1010, None, None))
        """
        boot_us = None if self.boot_id is None else self.boot_us + delay_us
        return self.wall_us + delay_us, boot_us, self.boot_id

    @property
    def shift_us(self) -> int:
        """What the boot clock lacks to the wall clock: it changes where that is set."""
        return self.wall_us - self.boot_us

    def on_clock_of(self, rule: Rule) -> int:
        """On the clock by which the rule goes."""
        return self.boot_us if rule.elapsed else self.wall_us

    def wall_of(self, rule: Rule, moment_us: int) -> int:
        """A moment of the rule's clock, on the wall clock."""
        return self.wall_us + moment_us - self.on_clock_of(rule)


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stands. ``payload`` and ``spec`` are JSON text."""

    name: str
    job_key: str
    payload: str | None
    spec: str
    paused: bool = False
    next_at_us: int | None = None
    """The nominal time that it waits for, on the wall clock; None: it never runs again."""
    next_boot_us: int | None = None
    """The same on the boot clock, where an elapsed rule goes by that …"""
    boot_id: str | None = None
    """… of this boot."""
    last_at_us: int | None = None
    """The nominal time of its latest run."""
    last_job: int | None = None
    turn: int = 0

    @property
    def unique(self) -> str:
        """The unique key of its jobs where they must not overlap."""
        return f"schedule:{self.name}"

    def job(self, spec: Spec, nominal_us: int) -> NewJob:
        """The job of one run, due at that wall time."""
        from windlass.store.protocol import NewJob

        meta: dict[str, Any] = {"schedule": self.name, "due": iso(nominal_us)}
        return NewJob(
            key=self.job_key,
            payload=self.payload,
            queue=spec.queue,
            priority=spec.priority,
            max_attempts=spec.max_attempts,
            timeout_us=spec.timeout or None,
            unique=None if spec.overlap else self.unique,
            tags=msgspec.json.encode(spec.tags).decode() if spec.tags else None,
            meta=msgspec.json.encode(meta).decode(),
            constraints=spec.constraints or None,
        )

    def due_us(self, rule: Rule, now: Instant) -> int | None:
        """The nominal time that it waits for, on the rule's clock; None: it never runs again."""
        if self.next_at_us is None or not rule.elapsed:
            return self.next_at_us
        if self.next_boot_us is not None and self.boot_id is not None and self.boot_id == now.boot_id:
            return self.next_boot_us
        return now.boot_us + self.next_at_us - now.wall_us

    def waiting_for(self, rule: Rule, due_us: int | None, now: Instant) -> ScheduleRow:
        """The same, waiting for that nominal time of the rule's clock."""
        by_boot = rule.elapsed and due_us is not None and now.boot_id is not None
        return msgspec.structs.replace(
            self,
            next_at_us=None if due_us is None else now.wall_of(rule, due_us),
            next_boot_us=due_us if by_boot else None,
            boot_id=now.boot_id if by_boot else None,
        )

    def on_this_boot(self, spec: Spec, now: Instant) -> ScheduleRow:
        """The same on the clocks of now.

        While the machine was off only the wall clock went on, and it may have been set meanwhile: so the next
        run is never further away than the rule allows. The same goes where the clock of all machines was set.
        """
        due_us = self.due_us(spec.rule, now)
        if due_us is None or (self.boot_id is None and not spec.rule.elapsed):
            return self
        if self.boot_id is not None and self.boot_id == now.boot_id:
            return self
        latest_us = now.on_clock_of(spec.rule) + spec.longest_wait_us(has_run=self.last_at_us is not None)
        return self.waiting_for(spec.rule, min(due_us, latest_us), now)


class Timetable(Protocol):
    """The verbs. All are thread-safe."""

    clock: Clock
    """Its wall clock is the one that rows go by; its boot clock is this machine's."""

    def instant(self) -> Instant:
        """Now, on the clocks that rows go by: of one machine both, of many machines the server's."""
        ...

    def schedules(self) -> list[ScheduleRow]:
        """All of them, by name."""
        ...

    def schedule(self, name: str) -> ScheduleRow | None:
        """One of them, or None."""
        ...

    def due_schedules(self, now: Instant) -> list[tuple[ScheduleRow, bool]]:
        """Those whose nominal time has come by then, on their own clock, and whether a job of theirs is
        unfinished that must not be overlapped."""
        ...

    def strange_schedules(self) -> list[ScheduleRow]:
        """Those whose time on the boot clock is of another boot."""
        ...

    def retell_schedules(self, now: Instant) -> int:
        """Writes anew when, on the wall clock, those of this boot are due, where a row says another second:
        that clock was set since it was written. How many it were.

        After a restart of the machine that time is all there is left of them.
        """
        ...

    def next_schedule_us(self, now: Instant) -> int | None:
        """How long after then the first must be made of those that are not due by then; None: never.

        That is its nominal time, or later by as much as its ``flex`` allows: so what comes due meanwhile is
        made at once with it. Whoever asks for what is due gives both the same moment: nothing comes due
        between the two unseen.
        """
        ...

    def put_schedule(self, row: ScheduleRow, *, replaces: int | None) -> bool:
        """Writes a new one (``replaces`` is None), or over the turn that it replaces; False: someone else was
        faster."""
        ...

    def fire_schedule(
        self, row: ScheduleRow, jobs: Sequence[NewJob], *, replaces: int
    ) -> list[Inserted] | None:
        """In one transaction: writes the row over that turn, and makes its jobs.

        None, and nothing was written, where someone else was faster or a job of it is unfinished.
        """
        ...

    def last_runs(self, unique: str, limit: int) -> list[Job]:
        """The newest jobs with that unique key, ended or not, where it is one of a schedule that runs one job
        at a time, or of sync; newest first."""
        ...

    def drop_schedule(self, name: str) -> bool:
        """Removes it; its jobs stay. False where there was none."""
        ...
