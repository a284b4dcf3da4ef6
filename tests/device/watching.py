"""A device in the test's own process, and waiting for what it finds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.device.stage import PATIENCE_S
from windlass.constraints import Blocked, Constraints, blocked_by
from windlass.device import Device


class Watched:
    """A device that waits for these constraints."""

    def __init__(self, *wanted: Constraints, folder: Path = Path(), **options: Any) -> None:
        self.wanted = wanted
        self.told = 0
        self._news = threading.Condition()
        self.device = Device(self._tell, folder=str(folder), **options)
        self.device.want(wanted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.device.close()

    def blocked(self, *, since_us: int | None = None) -> list[Blocked]:
        state = self.device.state()
        return [each for asked in self.wanted for each in blocked_by(asked, state, since_us=since_us)]

    def until(self, wanted: Callable[[list[Blocked]], bool], *, since_us: int | None = None) -> list[Blocked]:
        """Waits for a call, and looks; nobody looks who was not called."""
        with self._news:
            blocked: list[Blocked] = []

            def look() -> bool:
                nonlocal blocked
                blocked = self.blocked(since_us=since_us)
                return self.told > 0 and wanted(blocked)

            assert self._news.wait_for(look, PATIENCE_S), f"in the end this was so: {blocked}"
            return blocked

    def until_open(self, *, since_us: int | None = None) -> None:
        self.until(lambda blocked: not blocked, since_us=since_us)

    def until_blocked(self, reason: str) -> str:
        """Waits until something does not hold, for such a reason."""
        return self.until(lambda blocked: any(reason in each.reason for each in blocked))[0].reason

    def _tell(self) -> None:
        with self._news:
            self.told += 1
            self._news.notify_all()
