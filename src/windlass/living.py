"""Who lives: the one place that decides whether a registered dispatcher does.

On one machine its lock file says so. *Dead*: nobody holds the lock, its process is gone. *Frozen*: somebody
does, but the pulse in the file is stale, so it is stopped or stuck.

On a server, where dispatchers are on many machines, silence decides: who has not been heard of for
``SILENT_US``, by the server's clock, is *lost*; for ``GONE_US``, where the session that it kept there has
ended. Where the lock file lies on this machine and was made in this boot, it still tells of a death sooner. A
file that is not there tells nothing: it may be another container's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from windlass import platform
from windlass.clock import Clock, SystemClock
from windlass.store.hosts import GONE_US, SILENT_US, DispatcherRow
from windlass.store.protocol import Store

BEAT_S = 5.0
"""Between two pulses in the lock file, while it holds jobs."""
STALE_US = 35_000_000
"""So old a pulse in a lock file is stale, or older by as much as it is rarer."""

State = Literal["alive", "resting", "frozen", "lost", "dead"]


def state_of(row: DispatcherRow, clock: Clock) -> State:
    """How that dispatcher is; one that rests holds no jobs."""
    if row.silent_us is None:
        return lock_state(row.lock_file, clock)
    is_near = row.boot_id == clock.boot_id() and os.path.exists(row.lock_file)
    near = lock_state(row.lock_file, clock) if is_near else "alive"
    if near == "dead":
        # Before its silence: that needs somebody who may judge it, and this is seen by everybody here.
        return "dead"
    if silence_left_us(row) < 0:
        return "lost"
    # Its pulse in the database is fresh: who was frozen has woken.
    return "alive" if near == "frozen" else near


def silence_left_us(row: DispatcherRow) -> int:
    """So much longer it may be silent before it is lost; less than nothing: it is."""
    # A session alone may end while its host is well: it is made anew before the next pulse.
    return (GONE_US if row.session is False else SILENT_US) - (row.silent_us or 0)


def is_alive(row: DispatcherRow) -> bool:
    """True where it works, or is only stopped or stuck for now."""
    if row.silent_us is None:
        return platform.is_locked(row.lock_file)
    return state_of(row, SystemClock()) in ("alive", "resting")


def live_dispatchers(store: Store) -> list[DispatcherRow]:
    """The registered dispatchers that live."""
    return [row for row in store.dispatchers() if is_alive(row)]


def lock_state(lock_file: str, clock: Clock) -> State:
    """How the dispatcher with that lock file is, as far as this machine can see."""
    if not platform.is_locked(lock_file):
        return "dead"
    try:
        # An older Windlass writes the pulse alone.
        pulse, next_in, *_ = (*Path(lock_file).read_text(encoding="ascii").split(), BEAT_S)
        pulse_us, rarer_us = int(pulse), max(round((float(next_in) - BEAT_S) * 1_000_000), 0)
    except (OSError, ValueError):
        return "alive"  # caught between two beats
    if clock.boot_us() - pulse_us > STALE_US + rarer_us:
        return "frozen"
    return "resting" if rarer_us else "alive"
