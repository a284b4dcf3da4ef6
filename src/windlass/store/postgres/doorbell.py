"""The doorbell: NOTIFY between processes, a pipe within one.

One connection of a process listens for all its bells (``listener.py``). A notice that comes from a connection
of the same store is passed over: its own bells were rung at once. What is rung many times in a moment is
notified once.

Notices get lost: with a connection that breaks, behind a pooler, on a standby that becomes the server. So no
bell says that it hears everything, and whoever listens also looks by itself every now and then.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from contextlib import suppress

import psycopg

from windlass.clock import sleep
from windlass.errors import StoreError
from windlass.store.postgres.connections import Connections
from windlass.store.postgres.listener import Listener, channel
from windlass.store.relational.engine import Kind

log = logging.getLogger("windlass.store")

_BETWEEN_S = 0.02
"""Between two notices of one process: each costs the server a moment in which nobody else commits."""
_LINGER_S = 0.1
"""So long the thread that tells waits for more: to start one takes longer than what it has to say."""


class Bells:
    """Rings, and hears rings, for one store."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._bells: list[PipeBell] = []
        self._listener: Listener | None = None
        self._kept: set[int] = set()
        self._token = secrets.token_hex(6)
        self._due: set[Kind] = set()
        self._more = threading.Condition(self._lock)
        self._telling = self._closing = False
        self._teller: threading.Thread | None = None

    # ── listening ──────────────────────────────────────────────────────────────────────────────
    def listen(self, kind: Kind) -> PipeBell:
        """A new listener. Where the server cannot be reached now, it is tried again until it can."""
        self._check_process()
        bell = PipeBell(self, kind)
        with self._lock:
            self._bells.append(bell)
            if self._listener is None and self._connections.hints:
                self._listener = Listener(self._connections, self._hear, frozenset(self._kept))
        return bell

    def leave(self, bell: PipeBell) -> None:
        """Forgets a listener; with the last one, the connection."""
        listener = None
        with self._lock:
            if bell in self._bells:
                self._bells.remove(bell)
            if not self._bells:
                listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    # ── sessions that others see ───────────────────────────────────────────────────────────────
    def keep(self, owner: int) -> None:
        """For as long as somebody listens, others see by a lock that this dispatcher's session is there."""
        self._check_process()
        self._change_kept(self._kept | {owner})

    def keep_no_longer(self, owner: int) -> None:
        """Gives the lock up; nothing where there is none."""
        self._check_process()
        self._change_kept(self._kept - {owner})

    def _change_kept(self, kept: set[int]) -> None:
        with self._lock:
            self._kept = kept
            if self._listener is not None:
                self._listener.keep(frozenset(kept))

    @property
    def hears(self) -> bool:
        """Notices of other processes arrive."""
        listener = self._listener
        return listener is not None and listener.is_up and self._connections.hints

    def _hear(self, payload: str, backend: int) -> None:
        word, _, token = payload.partition(" ")
        if token == self._token or (not token and self._connections.is_ours(backend)):
            return
        self._ring_here("work" if word == "work" else "watch" if word == "watch" else None)
        # A plain insert by a stranger is news for onlookers, too.
        if not token:
            self._ring_here("watch")

    # ── ringing ────────────────────────────────────────────────────────────────────────────────
    def ring(self, kind: Kind | None = None) -> None:
        """Wakes every listener, or those of one kind. Never fails: what it follows is committed."""
        self._check_process()
        self._ring_here(kind)
        if not self._connections.hints:
            return
        with self._lock:
            self._due |= {"work", "watch"} if kind is None else {kind}
            if self._telling:
                self._more.notify()
                return
            self._telling = True
        self.start_telling()

    def start_telling(self) -> None:
        """On a thread of its own, which ends when there is nothing more to say for a while."""
        teller = threading.Thread(target=self._tell_on, name="windlass-ring")
        try:
            teller.start()
        except RuntimeError:  # no more threads are to be had, as at the interpreter's end
            while self.tell_all():
                pass
            return
        self._teller = teller

    def _tell_on(self) -> None:
        try:
            while self.tell_all():
                sleep(_BETWEEN_S)
                with self._lock:
                    if not (self._due or self._closing):
                        self._more.wait(_LINGER_S)
        except BaseException:
            # Whoever rings next starts another one.
            with self._lock:
                self._telling = False
            raise

    def ring_here(self, kind: Kind | None = None) -> None:
        """Wakes the listeners of this process: those of others were told by the statement itself."""
        self._check_process()
        self._ring_here(kind)

    def _ring_here(self, kind: Kind | None) -> None:
        with self._lock:
            heard = [bell for bell in self._bells if kind is None or bell.kind == kind]
        for bell in heard:
            bell.ring()

    def tell_all(self) -> bool:
        """Says what is to be said; False where there was nothing."""
        with self._lock:
            due, self._due = self._due, set()
            self._telling = bool(due)
        if due:
            try:
                self.tell(f"{'all' if len(due) > 1 else next(iter(due))} {self._token}")
            except (StoreError, psycopg.Error) as error:
                # A ring is only a hint, with a slow look below it.
                log.debug("the doorbell could not be rung: %s", error)
        return bool(due)

    def tell(self, word: str) -> None:
        """Notifies whoever listens."""
        raw = self._connections.take()
        try:
            raw.execute("SELECT pg_notify(%s, %s)", (channel(self._connections), word))
        finally:
            self._connections.give_back(raw)

    def close(self) -> None:
        """Says what is still to be said. The listeners stay, and hear again what is told from now on."""
        if self._pid != os.getpid():
            return
        teller = self._teller
        if teller is not None and teller is not threading.current_thread():
            with self._lock:
                self._closing = True
                self._more.notify()
            teller.join()
            self._closing = False

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            self._begin_anew()


class PipeBell:
    """The listening side. ``fileno`` becomes readable on a ring."""

    def __init__(self, bells: Bells, kind: Kind) -> None:
        self.kind: Kind = kind
        self._bells = bells
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False

    def fileno(self) -> int:
        return self._reader

    @property
    def hears_strangers(self) -> bool:
        """While there is a connection on which notices arrive. It rings when there is none any more."""
        return self._bells.hears

    def ring(self) -> None:
        """Makes it readable."""
        with self._lock, suppress(BlockingIOError):  # so many are waiting already that one more says nothing
            if not self._closed:
                os.write(self._writer, b"!")

    def drain(self) -> bool:
        rung = False
        with suppress(BlockingIOError):  # empty now, which is what draining means
            while os.read(self._reader, 65536):
                rung = True
        return rung

    def close(self) -> None:
        self._bells.leave(self)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)
