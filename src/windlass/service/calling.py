"""A program's side of the messages: one call at a time, and one thread that listens."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from windlass import clock
from windlass.errors import InvalidPayload, NotRunning, ServiceError
from windlass.service.messages import FRAME_MAX, SOCKET, BoundedFrames
from windlass.worker.channel import frame

log = logging.getLogger("windlass.service")

_CHUNK = 1 << 16
_RETRY_S = (0.005, 0.1)
_RECONNECT_S = (0.01, 0.5)


def call(
    folder: str, message: list[Any], *, is_running: Callable[[], bool], timeout_s: float, retry: bool = True
) -> Any:
    """Says one thing to the service; returns when it is accepted, or with the reply where one was asked for.

    While the service is starting its dispatcher again, this tries again, unless told not to. ``folder`` holds
    its socket.

    Raises:
        NotRunning: there is no service.
        ServiceError: it refused, or did not answer in time, or ended while it was working on the answer.
        InvalidPayload: the message is too large, or holds what cannot be sent.
    """
    data = encoded(message)
    wants_reply = message[0] == "invoke" and message[4]
    deadline = clock.monotonic() + timeout_s
    pause = _RETRY_S[0]
    while True:
        if not is_running():
            raise NotRunning(
                "no service runs for this database: start it with app.service.start() or windlass start"
            )
        try:
            return _attempt(folder, data, wants_reply=wants_reply, deadline=deadline)
        except TimeoutError:
            raise ServiceError(
                f"the service did not {'reply' if wants_reply else 'answer'} within {timeout_s:g} s"
            ) from None
        except (ConnectionError, FileNotFoundError) as error:
            # Not accepted, so it has reached nobody: the dispatcher is starting, or has just ended.
            if not retry or clock.monotonic() >= deadline:
                raise ServiceError(f"the service did not answer within {timeout_s:g} s: {error}") from error
        clock.sleep(pause)
        pause = min(pause * 2, _RETRY_S[1])


def _attempt(folder: str, data: bytes, *, wants_reply: bool, deadline: float) -> Any:
    frames = BoundedFrames()
    accepted = False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(_left(deadline))
        channel.connect(f"{folder}/{SOCKET}")
        channel.sendall(data)
        while True:
            channel.settimeout(_left(deadline))
            try:
                chunk = channel.recv(_CHUNK)
                if not chunk:
                    raise ConnectionResetError("it hung up")
            except ConnectionError as error:
                if accepted:
                    raise ServiceError(
                        "the service ended before it replied; it may have heard the message"
                    ) from error
                raise
            for answer in frames.feed(chunk):
                match answer:
                    case ["accepted", _]:
                        accepted = True
                        if not wants_reply:
                            return None
                    case ["reply", _, reply]:
                        return reply
                    case ["refused", _, reason]:
                        raise ServiceError(f"the service refused: {reason}")
                    case _:
                        raise ServiceError(f"the service said something unknown: {answer[:1]!r}")


def _left(deadline: float) -> float:
    left = deadline - clock.monotonic()
    if left <= 0.0:
        raise TimeoutError
    return left


def encoded(message: list[Any]) -> bytes:
    """The message as one frame."""
    try:
        data = frame(message)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidPayload(f"expected data that JSON could hold, got something else: {error}") from error
    if len(data) > FRAME_MAX:
        raise InvalidPayload(f"expected a message of at most {FRAME_MAX:,} bytes, got {len(data):,}")
    return data


class Listener:
    """Hears a service's messages in a thread of its own, and finds the service again when it restarts."""

    def __init__(self, folder: Callable[[], str]) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._callbacks: dict[str, list[Callable[[Any], object]]] = {}
        self._channel: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def on(self, name: str, callback: Callable[[Any], object]) -> Callable[[], None]:
        """Calls ``callback(data)`` for each message of that name; call what this returns to end it."""
        with self._lock:
            self._callbacks.setdefault(name, []).append(callback)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="windlass-listener", daemon=True)
                self._thread.start()
        self._subscribe()
        return lambda: self._off(name, callback)

    def close(self) -> None:
        """Stops listening."""
        self._closed.set()
        with self._lock:
            channel, thread = self._channel, self._thread
            if channel is not None:
                with suppress(OSError):  # the service hung up first: the thread knows by that
                    channel.shutdown(socket.SHUT_RDWR)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _off(self, name: str, callback: Callable[[Any], object]) -> None:
        with self._lock:
            callbacks = self._callbacks.get(name, [])
            if callback in callbacks:
                callbacks.remove(callback)
            if not callbacks:
                self._callbacks.pop(name, None)
        self._subscribe()

    def _subscribe(self) -> None:
        with self._lock:
            if self._channel is None:
                return  # not connected: the thread subscribes to everything when it is
            try:
                self._channel.sendall(encoded(["listen", list(self._callbacks)]))
            except OSError as error:
                log.debug("the service ended; listening goes on when it is back: %s", error)

    def _listen(self) -> None:
        pause = _RECONNECT_S[0]
        while not self._closed.is_set():
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                channel.connect(f"{self._folder()}/{SOCKET}")
            except OSError:
                # No service now. It may come back at once, or tomorrow.
                channel.close()
                self._closed.wait(pause)
                pause = min(pause * 2, _RECONNECT_S[1])
                continue
            pause = _RECONNECT_S[0]
            with self._lock:
                self._channel = channel
            self._subscribe()
            try:
                self._hear(channel)
            finally:
                with self._lock:
                    self._channel = None
                channel.close()

    def _hear(self, channel: socket.socket) -> None:
        frames = BoundedFrames()
        while not self._closed.is_set():
            try:
                chunk = channel.recv(_CHUNK)
                messages = frames.feed(chunk)
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                log.debug("listening begins anew: %s", error)
                return
            if not chunk:
                return
            for message in messages:
                match message:
                    case ["message", name, data]:
                        self._deliver(name, data)
                    case _:
                        log.warning("the service said something unknown: %r", message[:1])

    def _deliver(self, name: str, data: Any) -> None:
        with self._lock:
            callbacks = list(self._callbacks.get(name, ()))
        for callback in callbacks:
            try:
                callback(data)
            except Exception:
                # The caller's own code: one that fails must not silence the others.
                log.exception("the callback for the message %r failed", name)
