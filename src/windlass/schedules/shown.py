"""A schedule as people see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from windlass.clock import from_us
from windlass.constraints import Constraints
from windlass.constraints import from_text as constraints_of
from windlass.schedule import Missed, Spec, describe, from_text
from windlass.store.timetable import Instant, ScheduleRow


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stood when it was read. Times are aware UTC datetimes."""

    name: str
    key: str
    """The job key."""
    payload: dict[str, Any] | None
    rule: str
    """When it makes a job, in words: ``every 5 minutes``, ``at 07:30 Europe/Zurich``."""
    tz: str | None = None
    """The zone whose clocks it goes by; None where it goes by elapsed time, or by one moment."""
    every: timedelta | None = None
    """The span, where it goes by one."""
    flex: timedelta = timedelta(0)
    missed: Missed = "latest"
    overlap: bool = False
    constraints: Constraints | None = None
    """What must hold while its jobs run."""
    paused: bool
    next_at: datetime | None
    """When it is due, as far as the wall clock can tell; None: it never runs again. Past: it is due now."""
    last_at: datetime | None
    """When its latest run was due."""
    last_job_id: int | None
    problem: str | None = None
    """Why it makes no jobs here: what is stored cannot be read."""


def shown(row: ScheduleRow, now: Instant) -> Schedule:
    """The schedule in that row."""
    try:
        spec = from_text(row.spec)
        asked = constraints_of(spec.constraints) if spec.constraints else None
    except ValueError as error:
        return _told(row, rule="?", next_at=_moment(row.next_at_us), problem=str(error))
    return _told(
        row,
        rule=describe(spec.rule),
        tz=spec.tz or None,
        every=timedelta(microseconds=spec.every) if spec.every else None,
        flex=timedelta(microseconds=spec.flex),
        missed=spec.missed,
        overlap=spec.overlap,
        constraints=asked,
        next_at=next_at(row, spec, now),
    )


def next_at(row: ScheduleRow, spec: Spec, now: Instant) -> datetime | None:
    """When it is due, as far as the wall clock can tell."""
    due_us = row.due_us(spec.rule, now)
    return None if due_us is None else from_us(now.wall_of(spec.rule, due_us))


def _told(row: ScheduleRow, **more: Any) -> Schedule:
    return Schedule(
        name=row.name,
        key=row.job_key,
        payload=None if row.payload is None else msgspec.json.decode(row.payload),
        paused=row.paused,
        last_at=_moment(row.last_at_us),
        last_job_id=row.last_job,
        **more,
    )


def _moment(wall_us: int | None) -> datetime | None:
    return None if wall_us is None else from_us(wall_us)
