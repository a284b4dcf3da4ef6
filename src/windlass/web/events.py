"""``GET /api/events``: tells open pages that something has changed, driven by the doorbell.

One thread listens for all pages of a process, and only while there are any. It numbers what it hears; a page
that comes back with another number than the present one, or with that of another process, is told ``changed``
at once, and so misses nothing, whatever happened to the server or the network meanwhile. What has changed is
not told: pages ask again for what they show, and are answered 304 where that has not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import select
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from windlass.clock import monotonic
from windlass.errors import StoreError
from windlass.store.protocol import Store
from windlass.web.routing import Problem
from windlass.worker.listening import Ear

log = logging.getLogger("windlass.web")

LINGER_S = 0.02
"""So long an event waits for what belongs to it."""
GAP_S = 0.1
"""What is heard within this time is one event, so there are at most ten in a second."""
HEARTBEAT_S = 15.0
RETRY_MS = 500
STREAMS_MOST = 100

_POLL_S = 0.5
_TROUBLE_S = 1.0


class Stream:
    """One open page: woken from the listening thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Has it look for what is new; from any thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody reads it any more
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, timeout_s: float) -> bool:
        """True once woken; False after that time."""
        try:
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Changes:
    """The numbered changes of one database, as this process hears them."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._instance = secrets.token_hex(4)
        self._number = 0
        self._streams: set[Stream] = set()
        self._listener: Listener | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def open_streams(self) -> int:
        """How many pages listen."""
        return len(self._streams)

    async def events(self, last_id: str | None) -> AsyncGenerator[bytes]:
        """The text of an event stream, until it is closed.

        Raises:
            Problem: too many pages are open.
        """
        stream = self._open()
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            told = self._number if last_id == f"{self._instance}-{self._number}" else -1
            while not self._closed:
                if told != self._number:
                    told = self._number
                    yield self._event(told)
                elif not await stream.wait(HEARTBEAT_S):
                    yield b": still here\n\n"
        finally:
            self._leave(stream)

    def close(self) -> None:
        """Ends all streams: the pages come back when there is somebody to come back to."""
        with self._lock:
            self._closed = True
            for stream in self._streams:
                stream.wake()

    def _event(self, number: int) -> bytes:
        return f'event: changed\nid: {self._instance}-{number}\ndata: {{"seq": {number}}}\n\n'.encode()

    def _open(self) -> Stream:
        with self._lock:
            if len(self._streams) >= STREAMS_MOST:
                raise Problem(
                    503, "too_many_streams", f"{STREAMS_MOST} pages are open already", way_out="close some"
                )
            stream = Stream()
            self._streams.add(stream)
            if self._listener is None:
                # Nobody listened until now: whatever a page has seen before may be old.
                self._number += 1
                self._listener = Listener(self._store, self._heard)
            return stream

    def _leave(self, stream: Stream) -> None:
        with self._lock:
            self._streams.discard(stream)
            listener = None
            if not self._streams:
                listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _heard(self) -> None:
        with self._lock:
            self._number += 1
            for stream in self._streams:
                stream.wake()


class Listener:
    """The thread that hears the doorbell."""

    def __init__(self, store: Callable[[], Store], heard: Callable[[], None]) -> None:
        self._store = store
        self._heard = heard
        self._ended, self._end = os.pipe()
        threading.Thread(target=self._run, name="windlass-dashboard", daemon=True).start()

    def close(self) -> None:
        """Stops listening; the thread ends by itself."""
        os.close(self._end)

    def _run(self) -> None:
        try:
            self._listen_on()
        finally:
            os.close(self._ended)

    def _listen_on(self) -> None:
        while True:
            try:
                self._listen()
            except (StoreError, OSError) as error:
                # A full disk, a file that is being restored: the pages stay open, and it is tried again.
                log.warning("the dashboard cannot listen for changes now: %s", error)
                if not self._wait(_TROUBLE_S):
                    continue
            return

    def _listen(self) -> None:
        ear = Ear(self._store().apart(), _POLL_S, kind="watch")
        try:
            # What happened before it listened is told, too.
            self._heard()
            while not self._wait(max(ear.next_look - monotonic(), 0.0), ear):
                if ear.heard(monotonic()):
                    # The log stirs before a commit, the bell rings after it, the version moves between them:
                    # that is all one event.
                    if self._wait(LINGER_S):
                        return
                    ear.heard(monotonic())
                    ear.note()
                    self._heard()
                    if self._wait(GAP_S - LINGER_S):
                        return
        finally:
            ear.close()

    def _wait(self, most_s: float, ear: Ear | None = None) -> bool:
        """Waits that long, or until the ear hears something; True once it is to end."""
        poller = select.poll()
        poller.register(self._ended, select.POLLHUP)
        if ear is not None:
            poller.register(ear.fileno(), select.POLLIN)
        return any(fd == self._ended for fd, _ in poller.poll(most_s * 1000))
