"""The two ``kill -9`` of the show: each waits for its moment, strikes, and sees how the service recovers."""

from __future__ import annotations

from typing import Literal

import msgspec

from windlass.clock import monotonic
from windlass.demo.stage import Snapshot, Stage
from windlass.demo.victims import kill_9

Role = Literal["isolate", "dispatcher"]


class Kill(msgspec.Struct, frozen=True):
    """One ``kill -9`` and what followed. Milliseconds from the kill on."""

    role: Role
    pid: int
    after_jobs: int
    successor: int
    replaced_ms: float
    working_ms: float


class Strike:
    """One kill, once that share of the jobs has ended."""

    def __init__(self, role: Role, share: float) -> None:
        self._role: Role = role
        self._share = share
        self._victim = 0
        self._successor = 0
        self._struck_at = self._replaced_ms = 0.0
        self._done_at_strike = 0

    @property
    def under_way(self) -> bool:
        """Killed, and not yet recovered."""
        return self._victim != 0

    def consider(self, snapshot: Snapshot, stage: Stage) -> Kill | None:
        """Looks whether its moment has come, or what has become of it; the kill once it is history."""
        if not self._victim:
            if snapshot.done >= snapshot.total * self._share:
                self._hit(snapshot, stage)
            return None
        if not self._successor:
            self._look_for_successor(snapshot, stage)
            return None
        if not snapshot.done > self._done_then and snapshot.done < snapshot.total:
            return None
        working_ms = self._since()
        stage.tell(f"jobs end again, {working_ms:,.0f} ms after the kill", "good")
        return Kill(
            self._role,
            self._victim,
            self._done_at_strike,
            self._successor,
            round(self._replaced_ms, 1),
            round(working_ms, 1),
        )

    def _hit(self, snapshot: Snapshot, stage: Stage) -> None:
        victim = snapshot.dispatcher if self._role == "dispatcher" else next(iter(snapshot.isolates), 0)
        if not victim or not kill_9(victim):
            return  # it is just being replaced: the next look will find one
        self._struck_at = monotonic()
        self._victim = victim
        self._known = {*snapshot.isolates, snapshot.dispatcher}
        self._done_at_strike = snapshot.done
        stage.tell(f"kill -9 {victim}: {_LAST_WORDS[self._role]}", "strike")
        if snapshot.running:
            stage.tell(f"started just then: {', '.join(snapshot.running)}", "aside")

    def _look_for_successor(self, snapshot: Snapshot, stage: Stage) -> None:
        if self._role == "dispatcher":
            found = snapshot.dispatcher if snapshot.dispatcher not in self._known else 0
            who = "the supervisor saw its child end and started dispatcher"
        else:
            found = next((pid for pid in snapshot.isolates if pid not in self._known), 0)
            who = "the dispatcher saw the closed pipe and started isolate"
        if found:
            self._successor = found
            # From here on, what ends is the successors' work: their forerunners' last commits are counted.
            self._done_then = snapshot.done
            self._replaced_ms = self._since()
            stage.tell(f"{who} {found}, {self._replaced_ms:,.0f} ms after the kill", "good")

    def _since(self) -> float:
        return (monotonic() - self._struck_at) * 1000


_LAST_WORDS: dict[Role, str] = {
    "isolate": "an isolate, whatever it was doing. Only what had started in it runs again",
    "dispatcher": "the dispatcher, and with it every isolate. What had started runs again",
}
