"""A bad way to a good server: what goes wrong with each request is decided by a seed, or by a script.

With one client at a time a seed gives the same faults each time: the n-th request meets the n-th fault.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from windlass.demo.server.serving import Asked, Listener, headers_of, read_request

Fault = Literal["none", "drop", "cut", "truncate", "delay", "slow", "twice"]
"""``drop``: the server never sees it. ``cut``: the server has done its work, and no byte of its answer comes.
``truncate``: a part of it comes. ``delay``: it comes late. ``slow``: it comes in small pieces. ``twice``: it
comes two times."""

FAULTS: tuple[Fault, ...] = get_args(Fault)


class Passed(NamedTuple):
    """What became of a request."""

    number: int
    method: str
    target: str
    fault: Fault


class Proxy(Listener):
    """``Proxy(server.url, seed=7, rates={"cut": 0.1}).url`` in the place of ``server.url``.

    ``script``: the faults of the first requests, one by one, before the seed decides. ``down`` and ``up``
    take the network away and bring it back.
    """

    def __init__(
        self,
        upstream: str,
        *,
        seed: int = 0,
        rates: Mapping[Fault, float] | None = None,
        script: Iterable[Fault] = (),
        delay_s: float = 0.02,
    ) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.seed = seed
        self.rates: dict[Fault, float] = dict(rates or {})
        assert set(self.rates) <= set(FAULTS), f"faults are {FAULTS}"
        assert sum(self.rates.values()) <= 1, "the rates of all faults together are at most 1"
        self.delay_s = delay_s
        self.passed: list[Passed] = []
        self._script = list(script)
        self._numbering = threading.Lock()
        super().__init__(self._talk)

    def script(self, *faults: Fault) -> None:
        """The faults of the next requests."""
        with self._numbering:
            self._script += faults

    def count(self, *faults: Fault) -> int:
        """How many requests met one of these faults."""
        return sum(1 for one in self.passed if one.fault in faults)

    def _decide(self, asked: Asked) -> Fault:
        with self._numbering:
            number = len(self.passed)
            fault = self._script.pop(0) if self._script else self._drawn(number)
            self.passed.append(Passed(number, asked.method, asked.target, fault))
            return fault

    def _drawn(self, number: int) -> Fault:
        chance = random.Random(f"{self.seed}/{number}").random()
        for fault, rate in self.rates.items():
            if chance < rate:
                return fault
            chance -= rate
        return "none"

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as ending, connection.makefile("rb") as stream:
            server: socket.socket | None = None
            while (asked := read_request(stream)) is not None:
                fault = self._decide(asked)
                if fault == "drop":
                    return
                if server is None:
                    server = socket.create_connection(self._upstream, timeout=30)
                    ending.callback(server.close)
                    ending.enter_context(self.ends_with_us(server))
                    answers = ending.enter_context(server.makefile("rb"))
                server.sendall(asked.raw)
                head, body, more = read_answer(answers, asked.method)
                if not head:
                    return
                if not self._hand_on(connection, head, body, fault):
                    return
                if more:
                    while piece := answers.read1(65536):
                        connection.sendall(piece)
                    return

    def _hand_on(self, connection: socket.socket, head: bytes, body: bytes, fault: Fault) -> bool:
        """Gives the answer to the client, as the fault will have it; True to keep the connection."""
        whole = head + body
        match fault:
            case "cut":
                return False
            case "truncate":
                connection.sendall(whole[: max(1, len(whole) * 2 // 3)])
                return False
            case "delay":
                self.stopping.wait(self.delay_s)
                connection.sendall(whole)
            case "slow":
                step = max(1, len(whole) // 20)
                for at in range(0, len(whole), step):
                    connection.sendall(whole[at : at + step])
                    self.stopping.wait(self.delay_s / 20)
            case "twice":
                connection.sendall(whole * 2)
            case _:
                connection.sendall(whole)
        return True


def read_answer(stream: BufferedReader, method: str) -> tuple[bytes, bytes, bool]:
    """Head and body of a server's answer, as they came; and whether more comes until the connection ends."""
    head = b"".join(_until_blank(stream))
    headers = headers_of(head.decode("latin-1").split("\r\n")[1:-2])
    status = int(head.split(b" ", 2)[1]) if head else 0
    if not head or method == "HEAD" or status in (204, 304):
        return head, b"", False
    if headers.get("content-type", "").startswith("text/event-stream"):
        return head, b"", True
    if "chunked" in headers.get("transfer-encoding", ""):
        return head, b"".join(_chunks(stream)), False
    if "content-length" in headers:
        return head, stream.read(int(headers["content-length"])), False
    return head, stream.read(), False


def _until_blank(stream: BufferedReader) -> Iterator[bytes]:
    while line := stream.readline(65536):
        yield line
        if line == b"\r\n":
            return


def _chunks(stream: BufferedReader) -> Iterator[bytes]:
    while line := stream.readline(65536):
        size = int(line.partition(b";")[0], 16)
        yield line
        if size == 0:
            yield from _until_blank(stream)
            return
        yield stream.read(size + 2)
