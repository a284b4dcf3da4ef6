"""A server that answers what a test has written down, in that order, and keeps what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

from windlass.demo.server.serving import Asked, Listener, message, read_request


class Scripted(Listener):
    """``answer(…)`` adds an answer; with none left, it says 599 and the test sees it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: list[bytes | None] = []
        self._turn = threading.Lock()
        super().__init__(self._talk)

    @property
    def tasks(self) -> str:
        return f"{self.url}/api/tasks"

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        """``body``: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.append(message(status, {"Content-Type": "application/json", **named}, content))

    def hang_up_next(self) -> None:
        """The next request is read, and its connection is closed without an answer."""
        self._answers.append(None)

    @property
    def lines(self) -> list[str]:
        return [f"{one.method} {one.target}" for one in self.asked]

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (asked := read_request(stream)) is not None:
                with self._turn:
                    self.asked.append(asked)
                    answer = self._answers.pop(0) if self._answers else message(599)
                if answer is None:
                    return
                connection.sendall(answer)
