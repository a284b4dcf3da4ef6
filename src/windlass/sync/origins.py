"""What a server said about when to come back: kept per origin, for all processes, and kept to by all.

While an origin is offline, throttled, refusing us or failing again and again, nothing is sent to it. The wait
grows with jitter, so that many clients which lost one server do not come back together. What is wrong with
one collection alone is no concern of the others: that is kept in ``ways.py``.
"""

from __future__ import annotations

import random

from windlass.backoff import Backoff
from windlass.clock import Clock
from windlass.errors import Offline, RemoteError, Throttled, Unauthorized
from windlass.store.ledger import Ledger, OriginState

_OFFLINE = Backoff.exponential("1s", cap="30s", jitter="equal")
_THROTTLED = Backoff.exponential("5s", cap="15m", jitter="equal")
_FAILING = Backoff.exponential("2s", cap="15m", jitter="equal")
_UNAUTHORIZED_US = 600_000_000
"""Then it is tried again without a person: the server may have been at fault."""
_LONGEST_US = 86_400_000_000
"""Whatever a server says, it is asked again after a day."""


class Origin:
    """One server, as this process sees it."""

    def __init__(self, name: str, ledger: Ledger, clock: Clock) -> None:
        self.name = name
        self._ledger = ledger
        self._clock = clock
        self._known: OriginState | None = None

    def state(self) -> OriginState:
        """What is known of it now."""
        self._known = self._ledger.origin(self.name)
        return self._known

    def wait_us(self) -> int:
        """How long nothing may be sent to it; 0: it may be now."""
        return wait_us_until(self.state().until_us, self._clock)

    def answered(self) -> OriginState | None:
        """It answered as hoped; the state it was in before, where that was another one."""
        before = self._known or self.state()
        if before.state == "ok":
            return None
        now_us = self._clock.wall_us()
        self._known = OriginState(origin=self.name, since_us=now_us, reached_us=now_us)
        self._ledger.set_origin(self._known)
        return before

    def failed(self, error: RemoteError) -> int:
        """It did not; how long to wait, in microseconds."""
        before, now_us = self.state(), self._clock.wall_us()
        state, backoff = _state_of(error), _backoff_of(error)
        same = before.state == state
        failures = before.failures + 1 if same else 1
        if state == "unauthorized":
            until_us = now_us + _UNAUTHORIZED_US
        else:
            until_us = until_us_of(error, backoff.delay_us(failures, chance=random.random()), now_us)
        self._known = OriginState(
            origin=self.name,
            state=state,
            reason=str(error),
            since_us=before.since_us if same else now_us,
            until_us=until_us,
            failures=failures,
            reached_us=before.reached_us if state == "offline" else now_us,
        )
        self._ledger.set_origin(self._known)
        return until_us - now_us

    def forgive(self) -> None:
        """Somebody says that it is to be asked at once."""
        before = self.state()
        if before.until_us is not None:
            self._ledger.set_origin(
                OriginState(
                    origin=self.name,
                    state=before.state,
                    reason=before.reason,
                    since_us=before.since_us,
                    failures=before.failures,
                    reached_us=before.reached_us,
                )
            )


def wait_us_until(until_us: int | None, clock: Clock) -> int:
    """How long it is until then; 0 where that is over, or no time was set."""
    if until_us is None:
        return 0
    # A wall clock that was set back must not lengthen the wait beyond what was ever meant.
    return min(max(until_us - clock.wall_us(), 0), _LONGEST_US)


def until_us_of(error: RemoteError, wait_us: int, now_us: int) -> int:
    """The wall time before which nothing is asked again: what the error says, otherwise ``wait_us`` on."""
    if error.after_s is not None:
        # A little more than was asked for, and not the same for everyone.
        wait_us = int(error.after_s * 1_000_000 * random.uniform(1.0, 1.1))
    return now_us + min(wait_us, _LONGEST_US)


def _state_of(error: RemoteError) -> str:
    match error:
        case Offline():
            return "offline"
        case Throttled():
            return "throttled"
        case Unauthorized():
            return "unauthorized"
        case _:
            return "failing"


def _backoff_of(error: RemoteError) -> Backoff:
    match error:
        case Offline():
            return _OFFLINE
        case Throttled():
            return _THROTTLED
        case _:
            return _FAILING
