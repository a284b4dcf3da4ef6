"""Messages between programs and the workers of a service, through one Unix socket.

A program *invokes* a name with data, and every worker's callbacks for that name are called; the first
callback that returns something else than None is the reply. A worker *sends* a name with data, and every
program that listens for that name hears it. Frames are the dispatcher's own: four bytes of length, then
MessagePack, at most one MiB:

    program → service   ["invoke", id, name, data, wants_reply]  ["listen", [names]]  ["stop"]
                        ["scale", isolates]
    service → program   ["accepted", id]  ["reply", id, data]  ["refused", id, why]  ["message", name, data]

What is sent too early waits: an invoke until workers are ready to hear it (only then is it *accepted*), a
worker's message until a program listens for its name. A message is a hint between living processes all the
same: it dies with the process that holds it. What must not be lost is a job.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from windlass.clock import monotonic
from windlass.worker.channel import Frames, decode_message, frame

log = logging.getLogger("windlass.service")

SOCKET = "service.sock"
FRAME_MAX = 1 << 20
"""Bytes a message may take."""
KEPT_MESSAGES = 1000
"""Messages that wait for a listener at most; then the oldest are forgotten."""
KEPT_BYTES = 8 << 20
SCALE_MOST = 1000
"""Isolates at most."""
_HELD_INVOKES = 1000
_UNSENT_MAX = 16 << 20
_CHUNK = 1 << 16
_HOUR_S = 3600.0
_REST_S = 0.2

Broadcast = Callable[[str, Any, int | None], None]
"""Brings name, data and request id to every worker."""


class MessageServer:
    """The service's side. It runs in a thread of its own; every method may be called from any thread.

    ``broadcast`` brings an invoke to the workers; ``stop`` is called when a program asks for the service's
    end, ``scale`` when it asks for so many isolates, ``hourly`` about every hour; all in the server's thread.
    """

    def __init__(
        self,
        path: str,
        *,
        broadcast: Broadcast,
        stop: Callable[[], None],
        scale: Callable[[int], None] | None = None,
        hourly: Callable[[], object] | None = None,
    ) -> None:
        self._path = Path(path)
        self._broadcast = broadcast
        self._stop = stop
        self._scale = scale
        self._hourly = hourly or (lambda: None)
        self._next_hour = monotonic() + _HOUR_S
        self._orders: deque[Callable[[], None]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._callers: set[_Caller] = set()
        self._requests: dict[int, tuple[_Caller, int]] = {}
        self._next_request = 0
        self._workers_ready = False
        self._held: deque[tuple[_Caller, int, str, Any, bool]] = deque()
        self._kept = _Kept()
        self._welcome_at: float | None = None
        self._thread = threading.Thread(target=self._serve, name="windlass-messages", daemon=True)
        self._closing = False

    def start(self) -> None:
        """Opens the socket and begins to answer.

        Raises:
            OSError: the socket cannot be opened.
        """
        # A dead predecessor's: the service's lock says that there is no living one.
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.fspath(self._path))
        self._path.chmod(0o600)
        self._listener.listen(128)
        for one in (self._listener, self._wake_reader, self._wake_writer):
            one.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._welcome)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._obey)
        self._thread.start()

    def watch(self, fd: int, ended: Callable[[], None]) -> None:
        """Calls ``ended``, in the server's thread, when that pipe is at its end. Before ``start`` only."""
        self._selector.register(fd, selectors.EVENT_READ, ended)

    def workers_ready(self) -> None:
        """From now on somebody hears what is broadcast: what was held goes out."""
        self._order(self._release_held)

    def publish(self, name: str, data: Any, request_id: int | None = None) -> None:
        """A worker's message to the programs that listen; with a request id, its reply to one of them."""
        self._order(lambda: self._publish(name, data, request_id))

    def close(self) -> None:
        """Sends what can still be sent, hangs up and removes the socket."""
        self._order(self._end)
        self._thread.join(1.0)

    # ── the thread ─────────────────────────────────────────────────────────────────────────────
    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        try:
            self._wake_writer.send(b"!")
        except OSError:
            return  # so full that it wakes anyway, or closed: then nobody is left to wake

    def _obey(self) -> None:
        self._wake_reader.recv(_CHUNK)
        while self._orders:
            self._orders.popleft()()

    def _serve(self) -> None:
        while not self._closing:
            wish = self._next_hour if self._welcome_at is None else min(self._next_hour, self._welcome_at)
            ready = self._selector.select(max(wish - monotonic(), 0.0))
            self._mind_time()
            for key, events in ready:
                if isinstance(key.data, _Caller):
                    self._attend(key.data, events)
                else:
                    key.data()
        self._path.unlink(missing_ok=True)
        for caller in list(self._callers):
            self._part(caller)
        for one in (self._listener, self._selector, self._wake_reader, self._wake_writer):
            one.close()

    def _end(self) -> None:
        self._closing = True

    def _mind_time(self) -> None:
        now = monotonic()
        if self._welcome_at is not None and now >= self._welcome_at:
            self._welcome_at = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._welcome)
        if now >= self._next_hour:
            self._next_hour = now + _HOUR_S
            try:
                self._hourly()
            except OSError as error:
                log.warning("what is to be done hourly failed: %s", error)

    def _welcome(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # Out of file descriptors, say: callers wait in the queue until there are some.
            log.warning("cannot accept a connection now: %s", error)
            self._selector.unregister(self._listener)
            self._welcome_at = monotonic() + _REST_S
            return
        channel.setblocking(False)
        caller = _Caller(channel)
        self._callers.add(caller)
        self._selector.register(channel, selectors.EVENT_READ, caller)

    def _part(self, caller: _Caller) -> None:
        if caller not in self._callers:
            return
        self._callers.discard(caller)
        self._selector.unregister(caller.channel)
        caller.channel.close()
        # Whoever gave up was told, or told itself, that this was not delivered: so it is not.
        self._held = deque(one for one in self._held if one[0] is not caller)
        self._requests = {key: value for key, value in self._requests.items() if value[0] is not caller}

    def _attend(self, caller: _Caller, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                caller.flush()
                self._mind(caller)
            if not events & selectors.EVENT_READ:
                return
            messages = caller.read()
        except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
            if not isinstance(error, OSError | EOFError):
                log.warning("a caller is hung up on: %s", error)
            self._part(caller)
            return
        for message in messages:
            self._hear(caller, message)

    def _hear(self, caller: _Caller, message: list[Any]) -> None:
        match message:
            case ["invoke", int(request), str(name), data, bool(wants_reply)]:
                if len(self._held) >= _HELD_INVOKES:
                    self._tell(
                        caller, ["refused", request, f"{_HELD_INVOKES} messages wait for workers already"]
                    )
                    return
                self._held.append((caller, request, name, data, wants_reply))
                if self._workers_ready:
                    self._release_held()
            case ["listen", list()]:
                caller.names = frozenset(map(str, message[1]))
                for data in self._kept.take(caller.names):
                    self._send(caller, data)
            case ["stop"]:
                self._tell(caller, ["accepted", 0])
                self._stop()
            case ["scale", int(count)] if self._scale is not None and 1 <= count <= SCALE_MOST:
                self._tell(caller, ["accepted", 0])
                self._scale(count)
            case _:
                log.warning("a caller said something unknown: %r", message[:1])

    def _release_held(self) -> None:
        self._workers_ready = True
        while self._held:
            caller, request, name, data, wants_reply = self._held.popleft()
            request_id = None
            if wants_reply:
                self._next_request += 1
                request_id = self._next_request
                self._requests[request_id] = (caller, request)
            self._broadcast(name, data, request_id)
            self._tell(caller, ["accepted", request])

    def _publish(self, name: str, data: Any, request_id: int | None) -> None:
        if request_id is not None:
            asker = self._requests.pop(request_id, None)
            # Other workers may answer, too; the first one counts.
            if asker is not None:
                caller, request = asker
                answer = frame(["reply", request, data])
                if len(answer) > FRAME_MAX:
                    answer = frame(["refused", request, f"the reply takes more than {FRAME_MAX:,} bytes"])
                self._send(caller, answer)
            return
        message = frame(["message", name, data])
        if len(message) > FRAME_MAX:
            log.error("a message %r of %d bytes is not sent: the limit is %d", name, len(message), FRAME_MAX)
            return
        listeners = [caller for caller in self._callers if name in caller.names]
        for caller in listeners:
            self._send(caller, message)
        if not listeners:
            self._kept.add(name, message)

    def _tell(self, caller: _Caller, message: list[Any]) -> None:
        self._send(caller, frame(message))

    def _send(self, caller: _Caller, data: bytes) -> None:
        if caller not in self._callers:
            return
        try:
            caller.send(data)
        except OSError:
            self._part(caller)
            return
        if caller.unsent > _UNSENT_MAX:
            log.warning("a listener does not read: hung up on, with %d bytes unsent", caller.unsent)
            self._part(caller)
            return
        self._mind(caller)

    def _mind(self, caller: _Caller) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if caller.unsent else 0)
        self._selector.modify(caller.channel, events, caller)


class _Caller:
    """One connected program."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.names: frozenset[str] = frozenset()
        self._frames = BoundedFrames()
        self._out = bytearray()

    @property
    def unsent(self) -> int:
        """Bytes that wait until the program reads."""
        return len(self._out)

    def read(self) -> list[list[Any]]:
        """What it has said.

        Raises:
            EOFError: it hung up.
            ValueError: it speaks another language.
        """
        try:
            data = self.channel.recv(_CHUNK)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError
        return self._frames.feed(data)

    def send(self, data: bytes) -> None:
        """Sends as much as fits, keeps the rest."""
        self._out += data
        self.flush()

    def flush(self) -> None:
        """Sends more of what was kept."""
        while self._out:
            try:
                sent = self.channel.send(self._out[:_CHUNK])
            except BlockingIOError:
                return
            del self._out[:sent]


class BoundedFrames:
    """Cuts a stream into messages, and refuses one that is larger than a message may be."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._pending = 0

    def feed(self, data: bytes) -> list[list[Any]]:
        """The messages that ``data`` completes."""
        bodies = self._frames.feed(data)
        self._pending += len(data) - sum(len(body) + 4 for body in bodies)
        if self._pending > FRAME_MAX + _CHUNK:
            raise ValueError(f"a message of more than {FRAME_MAX} bytes")
        return [decode_message(body) for body in bodies]


class _Entry(NamedTuple):
    name: str
    data: bytes


class _Kept:
    """Messages that nobody has listened for yet: the latest, and not too many."""

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._size = 0

    def add(self, name: str, data: bytes) -> None:
        self._entries.append(_Entry(name, data))
        self._size += len(data)
        while len(self._entries) > KEPT_MESSAGES or self._size > KEPT_BYTES:
            self._size -= len(self._entries.popleft().data)

    def take(self, names: frozenset[str]) -> list[bytes]:
        taken = [entry.data for entry in self._entries if entry.name in names]
        if taken:
            self._entries = deque(entry for entry in self._entries if entry.name not in names)
            self._size = sum(len(entry.data) for entry in self._entries)
        return taken
