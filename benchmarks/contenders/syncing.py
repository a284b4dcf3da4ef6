"""Windlass as a program that syncs: ``app.sync`` in this process, over HTTP, into a table of the program's.

A ``Snapshot`` is one whole first pull into a new database; ``Edits`` are ten thousand rows, edited and
pushed. Their counterparts without Windlass are in ``raw_sync`` and ``with_dlt``. ``served`` is a program with
a background service, which hears of an edit by somebody else.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from benchmarks.model import Room, Unavailable
from benchmarks.sync_server import serving
from windlass import Windlass
from windlass.clock import monotonic
from windlass.demo.server.store import StoreServer
from windlass.sync.cursors import Since
from windlass.sync.paginate import LinkHeader
from windlass.sync.places import ETag, Header
from windlass.sync.reply import Reply
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request

TABLE = (
    "CREATE TABLE rows (id TEXT PRIMARY KEY, title TEXT NOT NULL, done INTEGER NOT NULL,"
    " stars INTEGER NOT NULL, note TEXT)"
)
"""Beside it every contender keeps the version of each row, in its own way."""

Run = Callable[[], float]
"""Does it once more in a new place; its seconds."""


class Together(msgspec.Struct, frozen=True):
    """The server's batch: ``POST /edits``."""

    url: str
    size: int

    def kind(self, request: Request) -> str:
        return request.method

    def envelope(self, requests: Sequence[Request]) -> Request:
        parts = [
            {
                "path": one.url.rpartition("/")[2],
                "version": int(one.headers["If-Match"].strip('"')),
                "body": one.json,
            }
            for one in requests
        ]
        return Request("POST", f"{self.url}/edits", json={"requests": parts})

    def replies(self, reply: Reply, requests: Sequence[Request]) -> list[Reply]:
        return [
            Reply(one["status"], {"ETag": f'"{one["version"]}"'}, b"", asked.url, method=asked.method)
            for one, asked in zip(reply.json()["responses"], requests, strict=True)
        ]


def remote_at(url: str, batch: int = 500) -> RestRemote:
    return RestRemote(
        f"{url}/rows",
        rows="data",
        cursor=Since("since", Header("Watermark")),
        page=LinkHeader(),
        version=ETag(field="version"),
        batch=batch,
        envelope=Together(url, batch),
    )


def program(folder: Path, url: str, batch: int = 500) -> Windlass:
    """A program with one table that is synced, ready to pull."""
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(TABLE)
    app = Windlass(folder / "app.db")
    app.sync.resource("rows", remote=remote_at(url, batch), batch=batch)
    app.sync.install()
    return app


def places(room: Room) -> Iterator[Path]:
    """A new folder for each round; the one before is deleted."""
    for number in itertools.count():
        place = room.folder / f"{number}"
        place.mkdir()
        yield place
        shutil.rmtree(place)


@contextmanager
def snapshot(room: Room, rows: int) -> Iterator[Callable[[], Callable[[], None]]]:
    """Makes ready a first pull of so many rows, and gives it."""
    with serving(rows) as url:
        new, opened = places(room), []

        def ready() -> Callable[[], None]:
            while opened:
                opened.pop().close()
            app = program(next(new), url)
            opened.append(app)

            def pull() -> None:
                done = app.sync["rows"].pull()
                assert done.written == rows, done

            return pull

        yield ready
        while opened:
            opened.pop().close()


@contextmanager
def edits(room: Room, rows: int, batch: int) -> Iterator[Callable[[], Callable[[], None]]]:
    """Edits every row by plain SQL, and gives the push of all of them."""
    with serving(rows) as url:
        (room.folder / "app").mkdir()
        app = program(room.folder / "app", url, batch)
        app.sync["rows"].pull()
        numbers = itertools.count()
        with closing(sqlite3.connect(room.folder / "app" / "app.db", isolation_level=None)) as connection:

            def ready() -> Callable[[], None]:
                connection.execute("UPDATE rows SET title = ?", (f"edited {next(numbers)} times",))

                def push() -> None:
                    done = app.sync["rows"].push()
                    assert done.accepted == rows, done

                return push

            yield ready
        app.close()


@contextmanager
def captured(room: Room) -> Iterator[sqlite3.Connection]:
    """A program's own connection to a database with a table of which every change is captured."""
    app = program(room.folder, "http://127.0.0.1:9")
    with closing(sqlite3.connect(room.folder / "app.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        yield connection
    app.close()


PATIENCE_S = 60.0


@contextmanager
def served(room: Room) -> Iterator[Callable[[], float]]:
    """A background service that is in step with its server, and an edit by the ``sqlite3`` shell.

    The edit returns the moment (of ``time.monotonic``) at which the server had it.
    """
    if (shell := shutil.which("sqlite3")) is None:
        raise Unavailable("there is no sqlite3 shell")
    file = room.folder / "app.db"
    with StoreServer() as server:
        os.environ |= {"WINDLASS_DATABASE": str(file), "BENCH_SERVER": server.url}
        from benchmarks.contenders.syncing_app import TABLE, app

        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(TABLE)
        numbers = itertools.count()

        def edit() -> float:
            key = f"{next(numbers)}"
            insert = f"INSERT INTO rows VALUES ('{key}', 'typed by hand')"
            subprocess.run(
                [shell, "-cmd", ".timeout 5000", str(file), insert], check=True, timeout=PATIENCE_S
            )
            with server.shelf.changed:
                if not server.shelf.changed.wait_for(
                    lambda: server.shelf.find("rows", key) is not None, PATIENCE_S
                ):
                    raise TimeoutError(f"the row {key} did not come for {PATIENCE_S:g} s")
                return monotonic()

        app.service.start("benchmarks.contenders.syncing_app:app", wait=120)
        try:
            deadline = monotonic() + PATIENCE_S
            while app.sync["rows"].status().last_pull is None and monotonic() < deadline:
                time.sleep(0.05)
            yield edit
        finally:
            app.service.stop(wait=120)
            app.close()
