"""A dispatcher holds a file lock for as long as it lives, and beats a boot-clock pulse into it.

What that says of it, ``windlass.living`` reads.

With the pulse stands how long it may be until the next one: a dispatcher that holds no jobs has nothing to
lose and rests, so that an idle machine may sleep.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from windlass import platform
from windlass.clock import Clock
from windlass.living import BEAT_S

REST_S = 60.0
"""Between two beats while it holds no jobs."""


class Lease:
    """This dispatcher's own lock file."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        # Each level by itself: what is made on the way would have the mode that others have.
        for level in (*reversed(folder.parents), folder):
            level.mkdir(mode=0o700, exist_ok=True)
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
