"""The other side: a small notes server on the standard library. ``python -m field_notes.server`` starts it.

    GET    /notes?since=41&limit=100   what changed since, oldest change first; deleted notes as tombstones
    GET    /notes/ID                   one note
    PUT    /notes/ID                   a new note (If-None-Match: *)
    PATCH  /notes/ID                   some fields of it (If-Match: "41")
    DELETE /notes/ID                   it is deleted (If-Match: "41")

One number counts all changes. A note's ``rev`` is the number of its last change, and its ETag. The list's
ETag is the last number of all. Who repeats a request with its ``Idempotency-Key`` gets the same answer again.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from field_notes.notes import new_id, now
from field_notes.shelf import Answer, Refused, Shelf, changed, created, deleted, listed, shown

PORT = 8642


# ── HTTP ───────────────────────────────────────────────────────────────────────────────────────────
class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "FieldNotes"
    # An answer goes out in one piece: its head must not wait for the acknowledgement of nothing.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, shelf: Shelf, log: Callable[[str, str, int], None], *arguments: Any) -> None:
        self.shelf, self.log = shelf, log
        super().__init__(*arguments)

    def handle(self) -> None:
        with suppress(OSError):  # the network was cut in the middle of a sentence
            super().handle()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        try:
            answer = self.made(content)
        except Refused as refused:
            answer = refused.answer
        except ValueError as error:
            answer = Answer(400, {"title": f"This cannot be read: {error}", "status": 400})
        self.log(self.command, self.path, answer.status)
        self.give(answer)

    do_GET = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

    def made(self, content: bytes) -> Answer:
        url, headers = urlsplit(self.path), self.headers
        if url.path == "/notes" and self.command == "GET":
            return listed(self.shelf, dict(parse_qsl(url.query)), headers.get("If-None-Match", ""))
        item = re.fullmatch(r"/notes/([\w-]{1,64})", url.path)
        if item is None:
            raise Refused(404, "There is nothing here.")
        if self.command == "GET":
            return shown(self.shelf, item[1])
        key, match = headers.get("Idempotency-Key"), headers.get("If-Match")
        with self.shelf.alone():
            if key is not None and (before := self.shelf.remembered(key)) is not None:
                return before
            fields = json.loads(content) if content else {}
            if self.command == "PUT":
                answer = created(self.shelf, item[1], fields)
            elif self.command == "PATCH":
                answer = changed(self.shelf, item[1], fields, match)
            else:
                answer = deleted(self.shelf, item[1], match)
            if key is not None:
                self.shelf.remember(key, answer)
        return answer

    def give(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        kind = "problem+json" if answer.status >= 400 else "json"
        self.send_response(answer.status)
        if answer.etag is not None:
            self.send_header("ETag", f'"{answer.etag}"')
        if answer.next_url is not None:
            self.send_header("Link", f'<{answer.next_url}>; rel="next"')
        if answer.status not in (204, 304):
            self.send_header("Content-Type", f"application/{kind}")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """``answer`` tells it, in a line of our own."""


class Listener(ThreadingHTTPServer):
    """Knows its connections, so that they can be cut."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        with self._guard:
            for connection in self._open:
                with suppress(OSError):  # its other end was faster
                    connection.shutdown(socket.SHUT_RDWR)


def unlogged(method: str, path: str, status: int) -> None:
    """For those who do not want to see the requests."""


class NotesServer:
    """The server on a thread of its own, with a network that can be cut. Use it with ``with``."""

    def __init__(
        self, path: str = ":memory:", port: int = 0, log: Callable[[str, str, int], None] = unlogged
    ) -> None:
        self.shelf = Shelf(path)
        self._log = log
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self.port = port
        self.mend()

    @property
    def url(self) -> str:
        """Of the list of notes."""
        return f"http://127.0.0.1:{self.port}/notes"

    @property
    def is_cut(self) -> bool:
        return self._listener is None

    def cut(self) -> None:
        """The network is gone: nobody is heard, and who was speaking is cut off."""
        if self._listener is None or self._thread is None:
            return
        listener, self._listener = self._listener, None
        listener.shutdown()
        listener.server_close()
        listener.cut()
        self._thread.join()

    def mend(self) -> None:
        """It is back, at the same address."""
        if self._listener is None:
            handler = partial(Handler, self.shelf, self._log)
            self._listener = Listener(("127.0.0.1", self.port), handler)
            self.port = self._listener.server_address[1]
            run = partial(self._listener.serve_forever, poll_interval=0.05)
            self._thread = threading.Thread(target=run, name="field-notes-server", daemon=True)
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self.shelf.close()


# ── the terminal ───────────────────────────────────────────────────────────────────────────────────
KEYS = """\
  c  cut the network, or mend it        a  a colleague adds a note
  q  quit                               e  a colleague edits the note that was changed last
"""
COLLEAGUE = (
    "Two buzzards over the quarry", "Fresh badger setts along the hedge", "Culvert 12 is blocked",
    "Ladder in shaft B is loose", "First orchids, about forty", "Water stands in the cellar of no. 7",
)  # fmt: skip


class Terminal:
    """Tells each request, and listens to keys."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty()

    def request(self, method: str, path: str, status: int) -> None:
        if status != 304:  # somebody asks every few seconds, and nothing is new
            colour = 32 if status < 300 else 33 if status in (404, 412, 428) else 31
            self.tell(f"{self.painted(str(status), colour)}  {method:6} {path}")

    def tell(self, text: str) -> None:
        clock = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        print(f"{self.painted(clock, 90)}  {text}", flush=True)

    def painted(self, text: str, colour: int) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text

    def listen(self, server: NotesServer) -> None:
        """Until ``q``, or the end of the input."""
        with _single_keys():
            while (key := sys.stdin.read(1).lower()) not in ("q", ""):
                if key == "c":
                    self.switch(server)
                elif key == "a":
                    count = len(server.shelf.notes())
                    note = colleague_adds(server.shelf, COLLEAGUE[count % len(COLLEAGUE)])
                    self.tell(f"a colleague has added “{note['title']}”")
                elif key == "e":
                    note = colleague_edits(server.shelf)
                    told = f"a colleague has made it “{note['title']}”" if note else "there is no note yet"
                    self.tell(told)

    def switch(self, server: NotesServer) -> None:
        if server.is_cut:
            server.mend()
            self.tell(self.painted("the network is back", 32))
        else:
            server.cut()
            self.tell(self.painted("the network is cut: nobody is heard any more", 31))


def colleague_adds(shelf: Shelf, title: str) -> dict[str, Any]:
    """Somebody else writes a note."""
    with shelf.alone():
        return shelf.put(new_id(), {
            "title": title, "body": "Seen on the way back.", "place": "East side", "done": False,
            "updated_at": now(),
        })  # fmt: skip


def colleague_edits(shelf: Shelf) -> dict[str, Any] | None:
    """Somebody else edits the note that was changed last; None where there is none."""
    with shelf.alone():
        if not (notes := shelf.notes()):
            return None
        title = notes[-1]["title"].partition(" (")[0]
        fields = {"title": f"{title} (seen again)", "place": "by the gate", "updated_at": now()}
        return shelf.put(notes[-1]["id"], fields)


@contextmanager
def _single_keys() -> Generator[None]:
    """Keys come one by one, where a person types them."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(prog="field_notes.server", description="The server of the field notes.")
    parser.add_argument("--port", type=int, default=PORT, help=f"on 127.0.0.1; {PORT} by default")
    parser.add_argument("--db", default="field_notes_server.db", help="where it keeps the notes")
    chosen = parser.parse_args()
    terminal = Terminal()
    with NotesServer(chosen.db, chosen.port, terminal.request) as server, suppress(KeyboardInterrupt):
        print(f"{terminal.painted('Field notes', 1)} are served at {server.url}\n\n{KEYS}", flush=True)
        terminal.listen(server)


if __name__ == "__main__":
    main()
