"""Who lives: a dispatcher holds a file lock for as long as it does, and beats a boot-clock pulse into it.

Lock free: its process is gone, and its jobs are reclaimed at once. Lock held but the pulse stale: it is
stopped or frozen, its jobs are reclaimed and its late results are fenced off by their lease tokens.

With the pulse stands how long it may be until the next one: a dispatcher that holds no jobs has nothing to
lose and rests, so that an idle machine may sleep.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Literal

from windlass import platform
from windlass.clock import Clock

BEAT_S = 5.0
REST_S = 60.0
"""The same while it holds no jobs."""
STALE_US = 35_000_000
"""So old a pulse is stale, or older by as much as it is rarer."""

State = Literal["alive", "resting", "frozen", "dead"]


class Lease:
    """This dispatcher's own lock file."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{secrets.token_hex(8)}.lock"
        self._clock = clock
        self._lock = platform.file_lock(self.path)

    def take(self) -> None:
        """Takes the lock, before anyone can know of it."""
        self._lock.acquire()
        self.beat()

    def beat(self, next_in_s: float = BEAT_S) -> None:
        """Says: still alive, and heard of again in so many seconds."""
        self._lock.write(f"{self._clock.boot_us():020d} {next_in_s:g}\n")

    def give_up(self) -> None:
        """Releases the lock and removes the file, whose random name nobody else will ever use."""
        self._lock.release()
        self.path.unlink(missing_ok=True)

    def remove_dead(self, lock_file: str) -> None:
        """Removes the file of a dispatcher that is gone, where it lies beside ours: the table may lie."""
        path = Path(lock_file)
        if path.parent == self.path.parent and path.suffix == ".lock":
            path.unlink(missing_ok=True)


def state_of(lock_file: str, clock: Clock) -> State:
    """How the dispatcher with that lock file is; one that rests holds no jobs."""
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
