"""The connection of a process that listens, and the session that others know its dispatchers by.

``LISTEN`` and an advisory lock belong to a session, and a pooler in transaction mode has none to give: what
is said there stays with whichever connection to the server it met, and follows nobody. So before anything is
said through a pooler, it is made to show whether a session stays with its client. Where it does not, nothing
is said, and whoever waits looks by itself.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from windlass.clock import monotonic
from windlass.errors import StoreError
from windlass.store.postgres.connections import Connections

log = logging.getLogger("windlass.store")

_ANEW_S = (0.2, 1.0)
"""Before a listening connection that broke is made anew …"""
_ANEW_MOST_S = 10.0
"""… doubled each time up to this."""
_LOOKS = 5
"""So often another connection is looked at, whether it was given the session that we had."""
_PROOF_S = 5.0
"""A notice to oneself is there by then, or does not come."""
_LOCKS_AGAIN_S = 2.0
"""A session that broke holds its locks until the server has noticed."""
_LOCK = "pg_try_advisory_lock((hashtext(current_schema())::bigint << 32) | %s::bigint)"
_UNLOCK = "pg_advisory_unlock((hashtext(current_schema())::bigint << 32) | %s::bigint)"


class NoSession(Exception):
    """There is a pooler that gives each transaction another session."""


def channel(connections: Connections) -> str:
    """The channel of a schema."""
    return f"windlass.{connections.facts.schema}"[:63]


def has_session(connections: Connections) -> bool:
    """False where a pooler gives each transaction another session. Leaves nothing behind."""
    raw = connections.open()
    try:
        return not connections.facts.pooled or not _is_shared(connections, raw)
    finally:
        raw.close()


def _is_shared(connections: Connections, raw: psycopg.Connection[Any]) -> bool:
    """True where another client was given the session that ``raw`` has just used."""
    for _ in range(_LOOKS):
        ours = _backend_of(raw)
        other = connections.open()
        try:
            if _backend_of(other) == ours:
                return True
        finally:
            other.close()
    return False


def _backend_of(raw: psycopg.Connection[Any]) -> int:
    row = raw.execute("SELECT pg_backend_pid()").fetchone()
    return 0 if row is None else row[0]


class Listener:
    """The listening connection, and the thread that waits on it."""

    def __init__(
        self, connections: Connections, hear: Callable[[str, int], None], kept: frozenset[int]
    ) -> None:
        self._connections = connections
        self._hear = hear
        self._kept = kept
        self._held: frozenset[int] = frozenset()
        self._stops = False
        self.is_up = False
        """Notices arrive."""
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        raw: psycopg.Connection[Any] | None = None
        try:
            raw = self._open()
        except NoSession:
            self._tell_once()
            self._thread = None
            return
        except (StoreError, psycopg.Error) as error:
            log.debug("the listening connection cannot be made yet: %s", error)
        self._thread = threading.Thread(target=self._run, args=(raw,), name="windlass-listen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes the connection."""
        self._stops = True
        self._stir()
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake)
        os.close(self._waker)

    def keep(self, kept: frozenset[int]) -> None:
        """From now on the session holds the locks of these dispatchers."""
        self._kept = kept
        self._stir()

    def _stir(self) -> None:
        with suppress(BlockingIOError):  # it is stirred already
            os.write(self._waker, b"!")

    # ── the connection ─────────────────────────────────────────────────────────────────────────
    def _open(self) -> psycopg.Connection[Any]:
        raw = self._connections.open()
        self._held = frozenset()
        try:
            pooled = self._connections.facts.pooled
            if pooled and _is_shared(self._connections, raw):
                raise NoSession
            raw.execute(f'LISTEN "{channel(self._connections)}"')  # pyright: ignore[reportArgumentType,reportCallIssue]
            if pooled and not self._hears_itself(raw):
                self._take_back(raw)
                raise NoSession
            self._lock(raw)
        except BaseException:
            raw.close()
            raise
        self.is_up = True
        return raw

    def _hears_itself(self, raw: psycopg.Connection[Any]) -> bool:
        """By a notice from another connection: what one says oneself may come back with the answer."""
        word = f"proof {secrets.token_hex(6)}"
        other = self._connections.open()
        try:
            other.execute("SELECT pg_notify(%s, %s)", (channel(self._connections), word))
        finally:
            other.close()
        until = monotonic() + _PROOF_S
        while (left_s := until - monotonic()) > 0:
            if any(notice.payload == word for notice in raw.notifies(timeout=left_s, stop_after=1)):
                return True
        return False

    def _take_back(self, raw: psycopg.Connection[Any]) -> None:
        """What was said stays with a session that others are given: it is unsaid in all that we meet."""
        for _ in range(_LOOKS):
            raw.execute("UNLISTEN *")

    def _tell_once(self) -> None:
        log.warning(
            "%s is reached through a pooler in transaction mode, where no notice arrives: what is new is "
            "found by looking, every so often (the setting poll)",
            self._connections.name,
        )

    def _hear_from(self, raw: psycopg.Connection[Any]) -> None:
        # On this thread: whoever makes a listener may hold what a bell waits for.
        for notice in raw.notifies(timeout=0):
            self._hear(notice.payload, notice.pid)
        # From now on also what comes with the answer to something else.
        raw.add_notify_handler(lambda notice: self._hear(notice.payload, notice.pid))

    def _hear_all(self, raw: psycopg.Connection[Any]) -> None:
        # Not by the driver's generator, which waits in steps: the dispatcher waits for this thread meanwhile.
        raw.pgconn.consume_input()
        while (notice := raw.pgconn.notifies()) is not None:
            self._hear(notice.extra.decode(errors="replace"), notice.be_pid)

    def _lock(self, raw: psycopg.Connection[Any]) -> None:
        kept = self._kept
        for owner in sorted(self._held - kept):
            raw.execute(f"SELECT {_UNLOCK}", (owner,))
            self._held -= {owner}
        for owner in sorted(kept - self._held):
            row = raw.execute(f"SELECT {_LOCK}", (owner,)).fetchone()
            if row is not None and row[0]:
                self._held |= {owner}

    # ── the thread ─────────────────────────────────────────────────────────────────────────────
    def _run(self, raw: psycopg.Connection[Any] | None) -> None:
        pause_s = random.uniform(*_ANEW_S)
        heard: psycopg.Connection[Any] | None = None
        while not self._stops:
            try:
                if raw is None:
                    raw = self._open()
                    # What was told meanwhile is lost: whoever listens had better look.
                    self._hear("all -", 0)
                if raw is not heard:
                    self._hear_from(raw)
                    heard = raw
                pause_s = random.uniform(*_ANEW_S)
                self._wait(raw, None if self._held == self._kept else _LOCKS_AGAIN_S)
                self._hear_all(raw)
                if self._held != self._kept:
                    self._lock(raw)
            except NoSession:
                self._tell_once()
                return
            except (StoreError, psycopg.Error, OSError) as error:
                log.debug("the listening connection broke: %s", error)
                if raw is not None:
                    raw.close()
                    raw = None
                    # From now on nothing is heard: whoever listens looks by itself.
                    self.is_up = False
                    self._hear("all -", 0)
                until = monotonic() + pause_s
                while not self._stops and (left_s := until - monotonic()) > 0:
                    self._wait(None, left_s)
                pause_s = min(pause_s * 2, _ANEW_MOST_S)
        if raw is not None:
            raw.close()

    def _wait(self, raw: psycopg.Connection[Any] | None, timeout_s: float | None) -> None:
        """Until there is something to read, or somebody stirs us."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if raw is not None:
            poll.register(raw.pgconn.socket, select.POLLIN)
        poll.poll(None if timeout_s is None else timeout_s * 1000)
        with suppress(BlockingIOError):  # it was the connection, or nothing
            os.read(self._wake, 4096)
