"""A server that behaves badly on purpose, as each path of it says; what it was asked is written down.

Each method named ``do_…`` is one misbehaviour: it is given the request and the connection, and writes what it
likes. It returns True to keep the connection.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import zlib
from collections.abc import Iterator

from windlass.demo.server.serving import Asked, Listener, abort, message, read_request

JSON = {"Content-Type": "application/json"}


class Faulty(Listener):
    """``Faulty().url + "/cut"`` closes the connection instead of answering, and so on."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.token = "fresh"
        """What ``/guarded`` takes as a bearer token."""
        self.canned: dict[str, bytes] = {}
        """Whole answers, by path, for what needs no misbehaviour."""
        self.redirects: dict[str, tuple[int, str]] = {}
        """Status and Location, by path."""
        self.tokens = 0
        self.sending = threading.Event()
        """Set when an endless answer has begun."""
        super().__init__(self._talk)

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (asked := read_request(stream)) is not None:
                self.asked.append(asked)
                if not self._answer(asked, connection):
                    return

    def _answer(self, asked: Asked, connection: socket.socket) -> bool:
        if asked.path in self.canned:
            connection.sendall(self.canned[asked.path])
            return True
        if asked.path in self.redirects:
            status, location = self.redirects[asked.path]
            connection.sendall(message(status, {"Location": location}))
            return True
        behave = getattr(self, f"do_{asked.path.strip('/').replace('-', '_').partition('/')[0]}", self.do_ok)
        return behave(asked, connection)

    # ── as it should be ───────────────────────────────────────────────────────────────────────────
    def do_ok(self, asked: Asked, connection: socket.socket) -> bool:
        """Answers with what it was asked, on a connection that it keeps."""
        said = {"method": asked.method, "target": asked.target, "body": asked.body.decode()}
        connection.sendall(message(200, JSON, json.dumps(said).encode()))
        return True

    def do_guarded(self, asked: Asked, connection: socket.socket) -> bool:
        """Wants ``token`` as a bearer token, and tells back what it was given instead."""
        if asked.headers.get("authorization") == f"Bearer {self.token}":
            return self.do_ok(asked, connection)
        body = json.dumps({"error": f"who is {asked.headers.get('authorization')}?"}).encode()
        connection.sendall(message(401, JSON, body))
        return True

    def do_token(self, asked: Asked, connection: socket.socket) -> bool:
        """An OAuth2 token endpoint: a new token each time."""
        self.tokens += 1
        self.token = f"access-{self.tokens}-canary"
        said = {"access_token": self.token, "token_type": "Bearer", "expires_in": 600}
        if "refresh_token=" in asked.body.decode():
            said["refresh_token"] = f"rotated-{self.tokens}-canary"
        connection.sendall(message(200, JSON, json.dumps(said).encode()))
        return True

    # ── connections that end ──────────────────────────────────────────────────────────────────────
    def do_cut(self, asked: Asked, connection: socket.socket) -> bool:
        """Has done its work, and ends the connection before it answers."""
        return False

    def do_reset(self, asked: Asked, connection: socket.socket) -> bool:
        """Ends the connection with a reset."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def do_last(self, asked: Asked, connection: socket.socket) -> bool:
        """Answers as if it would keep the connection, and ends it when the next request has come in."""
        self.do_ok(asked, connection)
        connection.recv(1)
        abort(connection)
        return False

    def do_truncated(self, asked: Asked, connection: socket.socket) -> bool:
        """Promises more than it sends."""
        connection.sendall(message(200, JSON | {"Content-Length": "1000"}, b'{"data": ['))
        return False

    def do_truncated_gzip(self, asked: Asked, connection: socket.socket) -> bool:
        """Compressed, and cut before it was told how long it is."""
        body = gzip.compress(b'{"data": []}' * 1000)[:-12]
        connection.sendall(message(200, JSON | {"Content-Encoding": "gzip"}, body))
        return True

    def do_truncated_chunks(self, asked: Asked, connection: socket.socket) -> bool:
        """Ends in the middle of a chunk."""
        head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(f'{head}40\r\n{{"data"'.encode())
        return False

    # ── time ──────────────────────────────────────────────────────────────────────────────────────
    def do_silent(self, asked: Asked, connection: socket.socket) -> bool:
        """Never answers."""
        self.sending.set()
        self.stopping.wait()
        return False

    def do_slow_head(self, asked: Asked, connection: socket.socket) -> bool:
        """Slowloris: a header line now and then, for ever."""
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not self.stopping.wait(0.01):
            connection.sendall(b"X-More: yes\r\n")
        return False

    def do_slow_body(self, asked: Asked, connection: socket.socket) -> bool:
        """A byte now and then, for ever."""
        connection.sendall(message(200, JSON | {"Content-Length": "1000000"}))
        while not self.stopping.wait(0.01):
            connection.sendall(b" ")
        return False

    # ── bodies ────────────────────────────────────────────────────────────────────────────────────
    def do_bomb(self, asked: Asked, connection: socket.socket) -> bool:
        """A gigabyte of zeros in a megabyte of gzip."""
        self._stream(connection, bomb(), {"Content-Encoding": "gzip"})
        return False

    def do_flood(self, asked: Asked, connection: socket.socket) -> bool:
        """Does not say how much comes, and does not stop."""
        self._stream(connection, iter(lambda: b"x" * 65536, None), {})
        return False

    def do_huge(self, asked: Asked, connection: socket.socket) -> bool:
        """Says that a terabyte comes."""
        connection.sendall(message(200, {"Content-Length": str(1 << 40)}, b"x" * 1000))
        return False

    def do_deep(self, asked: Asked, connection: socket.socket) -> bool:
        """JSON as deep as its last path segment says."""
        depth = int(asked.path.rpartition("/")[2])
        connection.sendall(message(200, JSON, b"[" * depth + b"]" * depth))
        return True

    def do_portal(self, asked: Asked, connection: socket.socket) -> bool:
        """A captive portal: 200, and a page to log in."""
        page = b"<!doctype html><html><title>Free WiFi</title><body>Accept the terms</body></html>"
        connection.sendall(message(200, {"Content-Type": "text/html"}, page))
        return True

    def do_twice(self, asked: Asked, connection: socket.socket) -> bool:
        """The answer comes twice in one piece: the second would be taken for the next request's."""
        connection.sendall(message(200, JSON, json.dumps({"target": asked.target}).encode()) * 2)
        return True

    # ── live ──────────────────────────────────────────────────────────────────────────────────────
    def _stream(self, connection: socket.socket, pieces: Iterator[bytes], headers: dict[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{lines}\r\n".encode())
        self.sending.set()
        for piece in pieces:
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.sendall(b"0\r\n\r\n")


def bomb(size: int = 1 << 30) -> Iterator[bytes]:
    """So many zeros as gzip, a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    for _ in range(size >> 20):
        if piece := packer.compress(zeros):
            yield piece
    yield packer.flush()
