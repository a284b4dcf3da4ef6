"""When to look: at a ring of the doorbell, and never so often that looking is all this machine does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from windlass.app import Windlass
from windlass.clock import monotonic
from windlass.errors import WindlassError
from windlass.worker.listening import Ear

T = TypeVar("T")

GAP_S = 0.1
"""What rings within this time is one reason to look."""
EFFORT = 5
"""A look at a large table may take long: between two looks passes at least this many times as much."""
TROUBLE_S = 1.0


class Pulse:
    """Listens for changes, and reads on one thread of its own: the window never waits for the database."""

    def __init__(self, opened: Windlass, *, look: Callable[[], Awaitable[None]]) -> None:
        self._opened = opened
        self._look = look
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="windlass-look")
        self._wanted = asyncio.Event()
        self.looks = 0
        """How often it has looked."""

    async def read(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, which runs on the reading thread."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    def want(self) -> None:
        """Has it look now: another view is on show, or something was done."""
        self._wanted.set()

    def close(self) -> None:
        """Ends the reading thread, once what it reads is read."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    async def beat(self, trouble: Callable[[str | None], None]) -> None:
        """Looks, and looks again whenever there may be something new, until it is cancelled.

        ``trouble`` is told why nothing can be read, and None once it can be again.
        """
        while True:
            try:
                await self._listen(trouble)
            except (WindlassError, OSError) as error:
                # A full disk, a file that is being restored: what is shown stays, and it is tried again.
                trouble(str(error))
                await asyncio.sleep(TROUBLE_S)

    async def _listen(self, trouble: Callable[[str | None], None]) -> None:
        opened = self._opened
        ear = await self.read(lambda: Ear(opened.store.apart(), opened.settings.poll, kind="watch"))
        try:
            self._wanted.set()
            while True:
                if await self._heard(ear):
                    self._wanted.clear()
                    before = monotonic()
                    await self._look()
                    self.looks += 1
                    trouble(None)
                    rest_s = max(GAP_S, EFFORT * (monotonic() - before))
                    # What a person wants is not kept waiting by what rings.
                    await self._wait(rest_s)
        finally:
            await self.read(ear.close)

    async def _heard(self, ear: Ear) -> bool:
        loop, rung = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(ear.fileno(), self._ring, ear, rung)
        try:
            most_s = max(ear.next_look - monotonic(), 0.0)
            waits: list[asyncio.Task[Any]] = [
                loop.create_task(rung.wait()),
                loop.create_task(self._wanted.wait()),
            ]
            try:
                await asyncio.wait(waits, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        finally:
            loop.remove_reader(ear.fileno())
        heard = await self.read(partial(ear.heard, monotonic()))
        return heard or self._wanted.is_set()

    def _ring(self, ear: Ear, rung: asyncio.Event) -> None:
        # It stays readable until it is drained, on the reading thread.
        asyncio.get_running_loop().remove_reader(ear.fileno())
        rung.set()

    async def _wait(self, most_s: float) -> None:
        with suppress(TimeoutError):  # nobody wants anything: the rest is over
            await asyncio.wait_for(self._wanted.wait(), most_s)
