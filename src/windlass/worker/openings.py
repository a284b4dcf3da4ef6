"""Which lanes a dispatcher may claim from: it knows their keys, their queues are for it, conditions hold.

A fallback knows every key, and leaves those to others that they have handlers for: in a rolling deploy, an
old version with a fallback must not take what the new one is there for.
"""

from __future__ import annotations

from windlass.clock import Clock
from windlass.living import state_of
from windlass.store.protocol import Lane, Store
from windlass.worker.conditions import Conditions
from windlass.worker.membership import Identity


class Openings:
    """The lanes of one dispatcher, as they were last read."""

    def __init__(self, store: Store, who: Identity, conditions: Conditions, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._has_fallback = who.job_keys is None
        self._own_keys = frozenset(who.own_keys if who.job_keys is None else who.job_keys)
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
            self._open = self._conditions.sift(self._for_us())
            # What others may have come to know meanwhile is no guess.
            self._before = [lane for lane in self._open if lane.key in self._own_keys] or self._before
        return self._open

    def _for_us(self) -> list[Lane]:
        switches = self._store.switches()
        pins = {name: state.pin for name, state in switches.items() if state.pin is not None}
        closed = {name for name, state in switches.items() if state.paused}
        closed |= {name for name, pin in pins.items() if pin not in self._labels}
        found = [lane for lane in self._store.lanes() if lane.queue not in closed]
        own = [lane for lane in found if lane.key in self._own_keys]
        if not self._has_fallback or len(own) == len(found):
            return own
        others = self._others()
        return [
            lane
            for lane in found
            if lane.key in self._own_keys
            or not any(
                lane.key in keys and (lane.queue not in pins or pins[lane.queue] in labels)
                for keys, labels in others
            )
        ]

    def _others(self) -> list[tuple[frozenset[str], tuple[str, ...]]]:
        """What those that live have handlers for, and where they are."""
        return [
            (frozenset(row.own_keys), row.labels)
            for row in self._store.dispatchers()
            if row.own_keys and state_of(row, self._clock) in ("alive", "resting")
        ]
