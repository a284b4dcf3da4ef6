"""Live: a server tells that something has changed. Only a poke: what has changed, the next pull finds.

So nothing is lost by a poke that is lost: the schedule of the resource goes on, and each new connection is a
poke of its own, since anything may have happened before it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Self

from windlass.backoff import Backoff
from windlass.clock import monotonic
from windlass.errors import BadResponse, RemoteError, WindlassError
from windlass.redact import message_of
from windlass.sync.events import Reader
from windlass.sync.exchange import Exchange
from windlass.sync.reply import shown

if TYPE_CHECKING:
    from windlass.sync.http import Transport

log = logging.getLogger("windlass.sync.live")

_BACKOFF = Backoff.exponential("1s", cap="5m")
_POLL_BYTES_MAX = 1 << 20


class Pokes:
    """Calls ``on_poke`` from a thread of its own, whenever the server says that something has changed.

    ``kind``: ``sse`` holds a stream of events, ``poll`` asks again and again a URL that answers when there is
    news (200), or that there is none (204, 304). ``url``: as for ``Transport.request``; a function is asked
    each time. ``silence_s``: how long the server may say nothing at all before the connection is given
    up for dead. ``gap_s``: the shortest time between two polls.

    Nothing is raised: an outage is logged once, and retried with growing, jittered waits.
    """

    def __init__(
        self,
        transport: Transport,
        url: str | Callable[[], str],
        on_poke: Callable[[], None],
        *,
        kind: Literal["sse", "poll"] = "sse",
        backoff: Backoff = _BACKOFF,
        silence_s: float = 90.0,
        gap_s: float = 1.0,
    ) -> None:
        self._transport = transport
        self._url = url
        self._on_poke = on_poke
        self._kind = kind
        self._backoff = backoff
        self._silence_s = silence_s
        self._gap_s = gap_s
        self._reader = Reader()
        self._validator: str | None = None
        self._stopping = threading.Event()
        self._exchange = Exchange()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._live = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def live(self) -> bool:
        """The server is listened to right now."""
        return self._live

    def start(self) -> None:
        """Begins to listen; at once, and once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="windlass-pokes", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends it, also in the middle of a wait. After this no poke comes, unless one is being made."""
        self._stopping.set()
        self._exchange.abort()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Assigned before the second look: whoever stops us between the two aborts this one.
            self._exchange = Exchange()
            if self._stopping.is_set():
                return
            began = monotonic()
            wait_s = self._gap_s
            try:
                if self._kind == "sse":
                    self._listen()
                    wait_s = self._pause_s(None)
                else:
                    self._poll()
                    wait_s = max(0.0, self._gap_s - (monotonic() - began))
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread outlives it
                if self._stopping.is_set():
                    return
                wait_s = self._failed(error)
            finally:
                self._live = False
            self._stopping.wait(wait_s)

    def _listen(self) -> None:
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if self._reader.last_id:
            headers["last-event-id"] = self._reader.last_id
        self._reader.begin()
        url = self._url if isinstance(self._url, str) else self._url()
        with self._transport.stream(
            url, headers=headers, exchange=self._exchange, silence_s=self._silence_s
        ) as (reply, pieces):
            kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
            if reply.status != 200 or kind != "text/event-stream":
                raise BadResponse(
                    f"{shown(reply.url)} answered {reply.status} ({kind or 'no type'}), no event stream",
                    after_s=reply.retry_after_s,
                )
            self._works()
            self._poke()
            for piece in pieces:
                for _ in self._reader.feed(piece):
                    self._poke()

    def _poll(self) -> None:
        headers = {} if self._validator is None else {"if-none-match": self._validator}
        url = self._url if isinstance(self._url, str) else self._url()
        with self._transport.stream(
            url, headers=headers, exchange=self._exchange, silence_s=self._silence_s
        ) as (reply, pieces):
            if reply.status not in (200, 204, 304):
                raise BadResponse(
                    f"{shown(reply.url)} answered {reply.status}, neither news (200) nor none (204, 304)",
                    after_s=reply.retry_after_s,
                )
            # Read to its end, so that the connection is kept for the next one.
            size = 0
            for piece in pieces:
                size += len(piece)
                if size > _POLL_BYTES_MAX:
                    break
            self._works()
            validator = reply.headers.get("etag")
            news = reply.status == 200 and (validator is None or validator != self._validator)
            self._validator = validator or self._validator
        if news:
            self._poke()

    def _poke(self) -> None:
        if self._stopping.is_set():
            return
        try:
            self._on_poke()
        except Exception:
            log.exception("what a poke calls has failed")

    def _works(self) -> None:
        self._live = True
        if self._failures:
            log.info("live again: %s", self._name())
        self._failures = 0

    def _failed(self, error: Exception) -> float:
        """Takes note of a failure; how long to wait."""
        if self._live:
            # It worked until now. Whether that was an outage, the next connection will show.
            log.debug("the live connection has ended: %s", message_of(error))
            return self._pause_s(None)
        self._failures += 1
        if self._failures == 1:
            known = isinstance(error, WindlassError)
            log.warning(
                "no live pokes from %s, pulls go on by their schedule: %s",
                self._name(),
                message_of(error) if known else f"{type(error).__name__}: {message_of(error)}",
            )
        return self._pause_s(error)

    def _pause_s(self, error: Exception | None) -> float:
        """How long until the next connection.

        Jittered, so that clients which were cut off together do not come back together.
        """
        chance = random.random()
        after_s = error.after_s if isinstance(error, RemoteError) else None
        asked_s = max(after_s or 0.0, self._reader.retry_s or 0.0)
        ours_s = self._backoff.delay_us(max(1, self._failures), chance=chance) / 1e6
        return max(ours_s, asked_s * (1 + chance / 2))

    def _name(self) -> str:
        return self._transport.origin
