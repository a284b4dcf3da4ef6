"""When people are not to be disturbed: in quiet hours, and when too much comes at once."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from windlass.clock import Clock, from_us, to_wall_us
from windlass.config import Settings
from windlass.events import Event
from windlass.quiet import QuietHours
from windlass.store.protocol import Store

_WINDOW_US = 60_000_000


class Holding:
    """Says until when an event is kept back. What is kept is told as one summary then."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._quiet = None if settings.notify_quiet is None else QuietHours.parse(settings.notify_quiet)
        self._urgent = frozenset(settings.notify_urgent)
        self._most = settings.notify_most
        self._clock = clock
        self._told: deque[int] = deque(maxlen=self._most)

    def quiet_until(self) -> datetime | None:
        """When the quiet hours end that it is now; None where it is none."""
        return None if self._quiet is None else self._quiet.until(from_us(self._clock.wall_us()))

    def until(self, event: Event, store: Store) -> datetime | None:
        """Until when to keep this event from people; None: they are told now.

        What other processes told counts as far as it is not over, and our own whether or not.
        """
        if type(event).__name__ in self._urgent:
            return None
        quiet = self.quiet_until()
        if quiet is not None:
            return quiet
        now_us = self._clock.wall_us()
        since_us = now_us - _WINDOW_US
        full = len(self._told) == self._most and self._told[0] > since_us
        if not full:
            lately = store.notices(self._most)
            full = len(lately) == self._most and lately[-1].told_at_us > since_us
        # The end of the next whole minute: whatever else comes till then is in the same summary.
        return _minute(from_us(now_us)) + timedelta(minutes=1) if full else None

    def told(self) -> None:
        """People were told of something now."""
        self._told.append(self._clock.wall_us())

    def wait_s(self, until: datetime) -> float:
        """Seconds from now until then."""
        return max(to_wall_us(until) - self._clock.wall_us(), 0) / 1_000_000


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
