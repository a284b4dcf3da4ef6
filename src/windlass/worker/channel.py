"""Frames between a dispatcher and its isolates: four bytes of length, then MessagePack."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import msgspec

from windlass.outcome import AnyOutcome
from windlass.store.logbook import LogChunk

_LENGTH = struct.Struct("<I")
TOKEN = struct.Struct("<I")
"""A job's whole sequence number. Less of it would not do: frames of jobs that were taken back lie in the
stream until the next token, any number of them, and a token must not be mistaken for one of theirs."""
_encode = msgspec.msgpack.Encoder().encode

JobFrame = tuple[
    int, int, str, str | None, int, int, int, int | None, str, bool, int, str | None, int | None
]  # fmt: skip
"""(sequence, *claim): one job on its way to an isolate."""


class Result(msgspec.Struct, array_like=True, frozen=True):
    """One finished attempt on its way back."""

    job_id: int
    token: int
    took_us: int
    outcome: AnyOutcome
    log: LogChunk | None = None
    """What it logged and has not told yet."""


decode_jobs = msgspec.msgpack.Decoder(list[JobFrame]).decode
decode_result = msgspec.msgpack.Decoder(Result).decode
decode_message = msgspec.msgpack.Decoder(list[Any]).decode


def frame(message: Any) -> bytes:
    """The message as one frame."""
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes back into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes."""
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        position, end = 0, len(buffer)
        while end - position >= 4:
            stop = position + 4 + _LENGTH.unpack_from(buffer, position)[0]
            if stop > end:
                break
            frames.append(bytes(buffer[position + 4 : stop]))
            position = stop
        del buffer[:position]
        return frames


class Sender:
    """Writes frames to a blocking socket from several threads."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Sends one frame, whole."""
        data = frame(message)
        with self._lock:
            self._channel.sendall(data)


class Outbox:
    """Writes frames to a non-blocking socket, keeping what does not fit until there is room."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._rest = bytearray()

    @property
    def waiting(self) -> bool:
        """True while something is kept."""
        return bool(self._rest)

    def put(self, data: bytes) -> None:
        """Sends as much as fits now.

        Raises:
            OSError: the other side is gone.
        """
        if self._rest:
            self._rest += data
            self.flush()
            return
        try:
            sent = self._channel.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._rest += data[sent:]

    def flush(self) -> None:
        """Sends more of what is kept."""
        while self._rest:
            try:
                sent = self._channel.send(self._rest)
            except BlockingIOError:
                return
            del self._rest[:sent]
