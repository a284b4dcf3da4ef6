"""Schedules: what is enqueued again and again, written down once and kept by the database."""

from __future__ import annotations

from windlass.schedules.calendar import Day, DayOfSchedule, DueTime, Missed
from windlass.schedules.choices import PeriodicOptions, ScheduleChanges, ScheduleOptions, split
from windlass.schedules.manager import HasKey, ScheduleManager
from windlass.schedules.shown import Schedule

__all__ = [
    "Day",
    "DayOfSchedule",
    "DueTime",
    "HasKey",
    "Missed",
    "PeriodicOptions",
    "Schedule",
    "ScheduleChanges",
    "ScheduleManager",
    "ScheduleOptions",
    "split",
]
