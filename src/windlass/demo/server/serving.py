"""What a little server is made of: a listener with a thread per connection, and requests off a socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from io import BufferedReader
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

PHRASES = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified"}


class Asked(NamedTuple):
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    raw: bytes
    """Every byte of it, for passing it on."""

    @property
    def path(self) -> str:
        """Without the query, unquoted."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The last value of each name."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


def read_request(stream: BufferedReader) -> Asked | None:
    """The next request of a connection; None where the client has closed it."""
    head, body = read_message(stream)
    if not head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    return Asked(method, target, headers_of(lines), body, head + body)


def read_message(stream: BufferedReader) -> tuple[bytes, bytes]:
    """Head and body of a message that tells its length; empty where the connection ends before it does."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(65536)
        if not line:
            return b"", b""
        head += line
    headers = headers_of(head.decode("latin-1").split("\r\n")[1:-2])
    length = int(headers.get("content-length", "0"))
    body = stream.read(length)
    return (head, body) if len(body) == length else (b"", b"")


def headers_of(lines: list[str]) -> dict[str, str]:
    """Header lines by lower-case name."""
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def message(status: int, headers: Mapping[str, str | None] | None = None, body: bytes = b"") -> bytes:
    """A whole answer as bytes; its length is told unless ``headers`` say something else of it, or None."""
    lines: dict[str, str | None] = {"Content-Length": str(len(body))} | dict(headers or {})
    if status in (204, 304):
        del lines["Content-Length"]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"HTTP/1.1 {status} {PHRASES.get(status, 'Status')}\r\n{head}\r\n".encode("latin-1") + body


class Listener:
    """Accepts on loopback and gives each connection to ``serve`` in a thread of its own.

    ``down`` refuses connections and ends those there are, as a server that is restarted does; ``up`` listens
    on the same port again.
    """

    def __init__(self, serve: Callable[[socket.socket], None], port: int = 0) -> None:
        self._serve = serve
        self._mutex = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._socket: socket.socket | None = None
        self.stopping = threading.Event()
        """Set when the server goes down: whatever waits in a connection waits on it."""
        self.accepted = 0
        self.port = port
        self.up()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Listens: on a free port the first time, unless one was given, and on the same one from then on."""
        self.stopping.clear()
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._socket.getsockname()[1]
        self._start(self._accept, self._socket)

    def down(self) -> None:
        """Listens no more, and ends every connection and its thread."""
        with self._mutex:
            listening, self._socket = self._socket, None
            connections = list(self._open)
        self.stopping.set()
        if listening is not None:
            # The shutdown wakes the thread that accepts, which closing alone does not; where there is nothing
            # to wake it fails, as it may.
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for connection in connections:
            abort(connection)
        for thread in self._threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in self._threads), "a connection's thread did not end"
        self._threads.clear()

    def hang_up(self) -> None:
        """Ends the connections there are, and goes on listening."""
        with self._mutex:
            connections = list(self._open)
        for connection in connections:
            abort(connection)

    @contextlib.contextmanager
    def ends_with_us(self, connection: socket.socket) -> Generator[None]:
        """Inside the block a connection that we made ends too when the listener goes down."""
        with self._mutex:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._mutex:
                self._open.discard(connection)

    def _start(self, target: Callable[..., Any], *given: Any) -> None:
        thread = threading.Thread(target=target, args=given, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with self._mutex:
                if self._socket is not listening:
                    connection.close()
                    return
                self._open.add(connection)
                self.accepted += 1
                self._start(self._run, connection)

    def _run(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            # The client may go at any moment, and often does here.
            with contextlib.suppress(OSError):
                self._serve(connection)
        finally:
            with self._mutex:
                self._open.discard(connection)
            connection.close()


def abort(connection: socket.socket) -> None:
    """Ends a connection in both directions, also under a thread that reads from it."""
    # The other side may have ended it first.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
