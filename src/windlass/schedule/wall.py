"""From local times to moments, through days on which the clocks are changed: S3.

``following(wall)`` is a rule on naive local time: the first time it names after that one. Two ways lead
from there to moments; see the package for which rule takes which, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo

from windlass.schedule.zones import MICROSECOND, moment_of, next_change, reached, wall_at

Following = Callable[[datetime], datetime | None]

_FOLD_MAX_US = 26 * 3600 * 1_000_000
"""No clocks were ever set back by more than a day."""


def next_named_time(after_us: int, zone: tzinfo, following: Following) -> int | None:
    """Each local time once: at the first moment when the clocks have reached it.

    So one that is repeated fires the first time, those that are skipped fire together at the end of the
    gap, and the moments always rise.
    """
    wall = following(reached(after_us, zone))
    return None if wall is None else moment_of(wall, zone)


def next_reading(after_us: int, zone: tzinfo, following: Following) -> int | None:
    """Each moment at which the clocks show such a time, also one that they have shown before.

    Times that are skipped fire once, at the end of the gap, unless the next ones stand in for them: where
    it would have to be waited longer after the gap than the rule would have waited without one.
    """
    since_us, shown = after_us, wall_at(after_us, zone)
    floor = shown
    while True:
        wall = following(floor)
        if wall is None:
            return None
        due_us = since_us + (wall - shown) // MICROSECOND  # where the clocks are not changed before
        change_us = next_change(since_us, min(due_us, since_us + _FOLD_MAX_US), zone)
        if change_us is None and due_us - since_us > _FOLD_MAX_US:
            # So far away that no change on the way can repeat a time that was named before.
            due_us = moment_of(wall, zone)
            change_us = None if wall_at(due_us, zone) == wall else due_us
        if change_us is None:
            return due_us
        before, since_us, shown = wall_at(change_us - 1, zone), change_us, wall_at(change_us, zone)
        floor = shown - MICROSECOND
        if before < wall < shown:
            stand_in = following(floor)
            if stand_in is None or stand_in - floor > wall - before:
                return change_us
