"""What a script was told, and so what any later power cut must leave."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from tests.powercut.recording import Recording
from windlass.errors import StoreUnavailable

ABSENT = "ABSENT"
WAITING = frozenset({"PENDING"})
"""An enqueue's promise, until someone begins to claim."""

States = frozenset[str]


class Allowed(NamedTuple):
    """From here on, the job with this uid may stand in one of these statuses, or be ``ABSENT``."""

    uid: str
    states: States


class Together(NamedTuple):
    """These jobs exist all or none, whenever the power fails."""

    uids: tuple[str, ...]


class Promises:
    """Writes down among the operations what the script may rely on, as it goes."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._now: dict[str, States] = {}
        self._unsealed: dict[str, States] = {}

    @contextmanager
    def doing(self, after: Mapping[str, Iterable[str]], *, durable: bool = True) -> Generator[None]:
        """Meanwhile a job may stand before or after the step; when it returns, after, if it was durable."""
        with self._recording.lock:
            before = {uid: self._now.get(uid, frozenset({ABSENT})) for uid in after}
            for uid, states in after.items():
                self._allow(uid, before[uid] | frozenset(states))
        try:
            yield
        except StoreUnavailable:
            # The way to say that nothing was written.
            for uid, states in before.items():
                self._allow(uid, states)
            raise
        with self._recording.lock:
            for uid, states in after.items():
                if durable:
                    self._unsealed.pop(uid, None)
                    self._allow(uid, frozenset(states))
                else:
                    self._unsealed[uid] = frozenset(states)

    def sealed(self) -> None:
        """All that was not durable yet now is."""
        with self._recording.lock:
            for uid, states in self._unsealed.items():
                self._allow(uid, states)
            self._unsealed.clear()

    @property
    def now(self) -> Mapping[str, States]:
        """What every job may be at this moment."""
        return self._now

    def together(self, uids: Iterable[str]) -> None:
        self._recording.note(Together(tuple(uids)))

    def _allow(self, uid: str, states: States) -> None:
        self._now[uid] = states
        self._recording.note(Allowed(uid, states))
