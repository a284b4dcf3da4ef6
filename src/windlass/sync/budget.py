"""How many requests an origin gets a second: one budget for all who speak to it in this process.

Across processes the hold of a resource bounds it: one pusher and one puller each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from windlass import clock
from windlass.errors import ConfigError


class Budget:
    """``rate`` requests a second, of which ``burst`` may come at once after a pause.

    Whoever asks is given the next free moment and waits for it: nobody is overtaken, nobody starves.
    """

    def __init__(
        self,
        rate: float,
        burst: int | None = None,
        *,
        now: Callable[[], float] = clock.monotonic,
        sleep: Callable[[float], None] = clock.sleep,
    ) -> None:
        if not 0 < rate < float("inf"):
            raise ConfigError(f"expected rate to be a number of requests a second above 0, got {rate!r}")
        if burst is not None and burst < 1:
            raise ConfigError(f"expected burst to be at least 1, got {burst!r}")
        self._mutex = threading.Lock()
        self._now = now
        self._sleep = sleep
        self._spacing_s = 1 / rate
        # A second's worth, so that a short cycle of several requests does not wait at each.
        self._burst = max(1, int(rate)) if burst is None else burst
        self._next = float("-inf")

    @property
    def rate(self) -> float:
        """Requests a second."""
        return 1 / self._spacing_s

    def lower(self, rate: float) -> None:
        """Slows down to ``rate``, if that is slower."""
        with self._mutex:
            self._spacing_s = max(self._spacing_s, 1 / rate)

    def take(self) -> float:
        """Waits until a request may be sent; how long that was, in seconds."""
        with self._mutex:
            now = self._now()
            self._next = max(self._next, now - (self._burst - 1) * self._spacing_s)
            wait_s = max(0.0, self._next - now)
            self._next += self._spacing_s
        if wait_s:
            self._sleep(wait_s)
        return wait_s


_budgets: dict[str, Budget] = {}
_mutex = threading.Lock()


def budget_of(origin: str, rate: float) -> Budget:
    """The process's budget for an origin. Of several rates that are asked for, the lowest holds."""
    with _mutex:
        budget = _budgets.get(origin)
        if budget is None:
            budget = _budgets[origin] = Budget(rate)
        else:
            budget.lower(Budget(rate).rate)
        return budget
