"""Which lanes a dispatcher may claim from: it knows their keys, their queues are for it, conditions hold."""

from __future__ import annotations

from windlass.store.protocol import Lane, Store
from windlass.worker.conditions import Conditions
from windlass.worker.membership import Identity


class Openings:
    """The lanes of one dispatcher, as they were last read."""

    def __init__(self, store: Store, who: Identity, conditions: Conditions) -> None:
        self._store = store
        self._job_keys = None if who.job_keys is None else frozenset(who.job_keys)
        self._labels = who.labels
        self._conditions = conditions
        self._open: list[Lane] | None = None
        self._before: list[Lane] = []
        self._guesses = False

    def forget(self) -> None:
        """There may be others by now."""
        self._open = None

    def guess(self) -> None:
        """Most likely it is in one that was open before: those are tried first, then all are read."""
        self._guesses = bool(self._before)

    def guessed(self) -> list[Lane]:
        """The ones to try first; once."""
        guesses, self._guesses = self._guesses, False
        return [lane for lane in self._before if self._conditions.allows(lane)] if guesses else []

    @property
    def known(self) -> bool:
        """They have been read since the last ``forget``."""
        return self._open is not None

    def look(self) -> list[Lane]:
        """The open ones, which are read where they are not known."""
        if self._open is None:
            closed = {
                name
                for name, state in self._store.switches().items()
                if state.paused or (state.pin is not None and state.pin not in self._labels)
            }
            keys = self._job_keys
            self._open = self._conditions.sift(
                [
                    lane
                    for lane in self._store.lanes()
                    if lane.queue not in closed and (keys is None or lane.key in keys)
                ]
            )
        if self._open:
            self._before = self._open
        return self._open
