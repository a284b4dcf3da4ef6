"""Schedules as rows. A part of the store's contract: it keeps them, and decides nothing.

A schedule is due on the boot clock, which follows elapsed time; after a restart of the machine that clock
means nothing, and the wall clock's time is what is left to go by. Each change counts ``turn``: who acts on a
row that was changed since does nothing. So of all dispatchers that find it due, one makes the job (S1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from windlass.clock import Clock, iso
from windlass.schedule import Spec

if TYPE_CHECKING:
    from windlass.store.protocol import Inserted, NewJob


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stands. ``payload`` and ``spec`` are JSON text."""

    name: str
    job_key: str
    payload: str | None
    spec: str
    paused: bool = False
    next_at_us: int | None
    """When it is due, on the wall clock; None: never again."""
    next_boot_us: int | None
    """The same on the boot clock …"""
    boot_id: str | None
    """… of this boot."""
    last_at_us: int | None = None
    """The nominal time of its latest run."""
    last_job: int | None = None
    turn: int = 0

    @property
    def unique(self) -> str:
        """The unique key of its jobs: a schedule never overlaps with itself."""
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
            unique=self.unique,
            tags=msgspec.json.encode(spec.tags).decode() if spec.tags else None,
            meta=msgspec.json.encode(meta).decode(),
        )

    def wait_us(self, clock: Clock) -> int | None:
        """How long until it is due: negative where it is late, None where it never is again."""
        if self.next_at_us is None:
            return None
        if self.next_boot_us is not None and self.boot_id == clock.boot_id():
            return self.next_boot_us - clock.boot_us()
        return self.next_at_us - clock.wall_us()

    def due_in(self, wait_us: int, clock: Clock) -> ScheduleRow:
        """The same, due after that wait, on both clocks."""
        return msgspec.structs.replace(
            self,
            next_at_us=clock.wall_us() + wait_us,
            next_boot_us=clock.boot_us() + wait_us,
            boot_id=clock.boot_id(),
        )

    def on_this_boot(self, spec: Spec, clock: Clock) -> ScheduleRow:
        """The same on the boot clock of now.

        While the machine was off only the wall clock went on, and it may have been set meanwhile: so the next
        run is never further away than the rule allows.
        """
        wait_us = self.wait_us(clock)
        if wait_us is None or self.boot_id == clock.boot_id():
            return self
        return self.due_in(min(wait_us, spec.longest_wait_us(has_run=self.last_at_us is not None)), clock)


class Timetable(Protocol):
    """The verbs. All are thread-safe."""

    def schedules(self) -> list[ScheduleRow]:
        """All of them, by name."""
        ...

    def schedule(self, name: str) -> ScheduleRow | None:
        """One of them, or None."""
        ...

    def due_schedules(self, now_us: int) -> list[tuple[ScheduleRow, bool]]:
        """Those that are due at that moment of the boot clock, and whether a job of theirs is unfinished."""
        ...

    def strange_schedules(self) -> list[ScheduleRow]:
        """Those whose time on the boot clock is of another boot."""
        ...

    def next_schedule_us(self, after_us: int) -> int | None:
        """When, on the boot clock, the first of those is due that are not due at that moment; None: never.

        Whoever asks for both gives both the same moment: nothing comes due between the two unseen.
        """
        ...

    def put_schedule(self, row: ScheduleRow, *, replaces: int | None) -> bool:
        """Writes a new one (``replaces`` is None), or over the turn that it replaces; False: someone else was
        faster."""
        ...

    def fire_schedule(self, row: ScheduleRow, job: NewJob, *, replaces: int) -> Inserted | None:
        """In one transaction: writes the row over that turn, and makes its job.

        None, and nothing was written, where someone else was faster or a job of it is unfinished.
        """
        ...

    def drop_schedule(self, name: str) -> bool:
        """Removes it; its jobs stay. False where there was none."""
        ...
