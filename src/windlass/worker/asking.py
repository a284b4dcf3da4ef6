"""When each source is asked (see ``sources.py``), and what becomes of its errors.

A lone ring is served at once. While traffic flows, whatever happens within a short span is one question: a
source goes by what it finds, so one look after the last ring sees all that came before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from windlass.clock import monotonic
from windlass.errors import StoreError, UnsafeDatabase
from windlass.worker.sources import Source

log = logging.getLogger("windlass.worker")

BETWEEN_S = 0.02
"""The shortest time between two looks of one source."""
_NEVER = float("inf")
_RETRY_S = (0.05, 2.0)
_FAULTY_S = 1.0
"""A source with a fault of its own is asked again after this long, whatever happens meanwhile."""


def pause_s(failures: int) -> float:
    """How long to leave a database alone that failed us so many times before in a row."""
    least, most = _RETRY_S
    return min(least * 2 ** min(failures, 10), most)


class Asking:
    """Asks the sources. Used on the dispatcher's thread alone."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._turns = [_Turn(source) for source in sources]
        self._ended: set[str] = set()

    def ends(self, key: str) -> None:
        """An attempt at a job of this key is over; ``settled`` follows once that is committed."""
        if self._turns:
            self._ended.add(key)

    def settled(self, now: float) -> None:
        """What has ended so far is settled."""
        if self._ended:
            for turn in self._turns:
                if not self._ended.isdisjoint(turn.source.job_keys):
                    turn.wants(now)
            self._ended.clear()

    def heard(self, now: float) -> None:
        """Somebody rang, or has written to the file."""
        for turn in self._turns:
            turn.wants(now)

    def ask(self) -> float | None:
        """Asks those whose time has come; the moment (``clock.monotonic``) of the next one.

        Raises:
            UnsafeDatabase: nothing more can be done with it.
        """
        if not self._turns:
            return None
        for turn in self._turns:
            now = monotonic()
            if now >= turn.due and not turn.take(now):
                # It may have waited for the lock for long, as the next one would: the loop has its say first.
                break
        due = min(turn.due for turn in self._turns)
        return None if due == _NEVER else due

    def close(self) -> None:
        """Lets the sources go, at the dispatcher's end."""
        for turn in self._turns:
            turn.source.close()


class _Turn:
    """One source, and when it is asked next."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.due = 0.0
        self._not_before = 0.0
        self._failures = 0

    def wants(self, now: float) -> None:
        self.due = min(self.due, max(now, self._not_before))

    def take(self, now: float) -> bool:
        """Asks it; False where the database cannot be used."""
        try:
            wait_s = self.source.look()
        except UnsafeDatabase:
            raise
        except StoreError as error:
            if self._failures == 0:
                log.warning("%s cannot look for work now: %s", self._name, error)
            wait_s = pause_s(self._failures)
            self._failures += 1
            self._not_before = self.due = monotonic() + wait_s
            return False
        except Exception:
            # A fault of one source stops neither the jobs nor the other sources.
            log.exception("%s failed to look for work: it is asked again", self._name)
            self._not_before = self.due = monotonic() + _FAULTY_S
            return True
        self._failures = 0
        self._not_before = now + BETWEEN_S
        self.due = _NEVER if wait_s is None else monotonic() + max(wait_s, BETWEEN_S)
        return True

    @property
    def _name(self) -> str:
        return type(self.source).__name__
