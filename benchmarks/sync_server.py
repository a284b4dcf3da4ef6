"""A small quick HTTP server to sync with, in a process of its own: what it says is encoded beforehand.

``GET /rows`` gives pages of 1,000 rows with a ``Link`` to the next one; ``POST /edits`` takes a batch of
updates, reads it, and gives each a status and a new version. Connections are kept alive.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from benchmarks.model import Unavailable

ROOT = Path(__file__).parent.parent
PAGE = 1000


def row(number: int) -> dict[str, Any]:
    """One of the rows: 123 bytes of JSON."""
    return {
        "id": f"{number:08d}",
        "title": f"the title of the row {number}",
        "done": number % 2,
        "stars": number % 5,
        "note": "n" * 30,
        "version": 1,
    }


@contextmanager
def serving(rows: int) -> Iterator[str]:
    """The server's address, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sync_server", str(rows)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise Unavailable("the server did not start")
        yield f"http://127.0.0.1:{int(port)}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def pages(rows: int) -> list[bytes]:
    """Every page as a whole answer."""
    found: list[bytes] = []
    starts = range(0, max(rows, 1), PAGE)
    for number, start in enumerate(starts):
        more = f'Link: </rows?page={number + 1}>; rel="next"\r\n' if start + PAGE < rows else ""
        body = {"data": [row(one) for one in range(start, min(start + PAGE, rows))]}
        found.append(answer(json.dumps(body, separators=(",", ":")).encode(), f"Watermark: 1\r\n{more}"))
    return found


def answer(body: bytes, headers: str = "") -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


def taken(body: bytes) -> bytes:
    """The answer to a batch: a status and a version for each."""
    requests = json.loads(body)["requests"]
    told = [{"status": 200, "version": one["version"] + 1} for one in requests]
    return answer(json.dumps({"responses": told}, separators=(",", ":")).encode())


def talk(connection: socket.socket, ready: list[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as stream:
        while (asked := read_request(stream)) is not None:
            method, target, body = asked
            if method == "POST":
                connection.sendall(taken(body))
            else:
                page = target.partition("page=")[2].partition("&")[0]
                connection.sendall(ready[int(page or 0)])


def read_request(stream: BufferedReader) -> tuple[str, str, bytes] | None:
    first = stream.readline()
    if not first:
        return None
    method, target, _ = first.decode().split(" ", 2)
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return method, target, stream.read(length)


def main(rows: str) -> None:
    ready = pages(int(rows))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    # Whoever started us is gone when its end of the pipe is.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=talk, args=(connection, ready), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
