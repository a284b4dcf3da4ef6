"""The event loop of async handlers, on a thread of its own, started when first used."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("windlass.worker")


class EventLoop:
    """Runs coroutines beside each other until it is closed, whatever they do to the loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Starts a coroutine; called on any one thread."""
        self.soon(lambda: self._keep(coroutine))

    def soon(self, do: Callable[[], object]) -> None:
        """Calls back in the loop's thread."""
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()
            self._tasks: set[asyncio.Task[None]] = set()
            self._thread = threading.Thread(target=self._serve, args=(self._loop,), name="windlass-async")
            self._thread.daemon = True
            self._thread.start()
        self._loop.call_soon_threadsafe(do)

    def close(self, patience_s: float) -> None:
        """Cancels what still runs, and waits a moment for its clean-up."""
        self._closing = True
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(patience_s)

    def _keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        # A task that nobody refers to may be collected while it waits.
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        asyncio.set_event_loop(loop)
        while not self._closing:
            try:
                loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - a stray task's SystemExit ends a loop; ours goes on
                log.error("something other than a job ended the event loop, which goes on: %r", error)
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
