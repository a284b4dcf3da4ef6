"""How long it takes from a commit until an open page of the dashboard has been told, and has the new rows.

The page is a program with two connections, as a browser has: one on which it hears that something changed,
and one on which it asks again for what it shows. What a browser takes for drawing comes on top of it.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

from benchmarks.model import Benchmark, Figure, Measure, Room, Unavailable, percentile, value_at_most

CHANGES, QUICK_CHANGES = 40, 15
TOKEN = "b" * 43
GOAL_MS = 200
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_PATIENCE_S = 60


class Page:
    """An open page that shows a list of jobs."""

    def __init__(self, port: int) -> None:
        self._asking = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        self._stream = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        self._stream.request("GET", "/api/events", headers=HEADERS)
        self._events: HTTPResponse = self._stream.getresponse()
        self.wait_for_change()

    def wait_for_change(self) -> None:
        """Until it is told that something has changed."""
        while line := self._events.readline():
            if line.startswith(b"event: changed"):
                return
        raise RuntimeError("the stream of events has ended")

    def ids(self) -> list[int]:
        """The jobs that it shows."""
        self._asking.request("GET", "/api/jobs?queue=roads", headers=HEADERS)
        return [job["id"] for job in json.load(self._asking.getresponse())["jobs"]]

    def close(self) -> None:
        self._events.close()
        self._stream.close()
        self._asking.close()


@contextmanager
def changes(room: Room) -> Iterator[Measure]:
    """Milliseconds, one for each change."""
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"the dashboard's packages are not installed ({error})") from error
    from windlass import Windlass

    app = Windlass(room.folder / "windlass.db")
    app.enqueue("work", queue="roads")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.live", str(room.folder), str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], stdout=subprocess.DEVNULL)
    chance = random.Random(3)

    def change(page: Page) -> float:
        time.sleep(chance.uniform(0.15, 0.35))
        job = app.enqueue("work", queue="roads")
        committed = time.perf_counter()
        while True:
            page.wait_for_change()
            if job.id in page.ids():
                return (time.perf_counter() - committed) * 1e3

    page = Page(port)
    number = QUICK_CHANGES if room.quick else CHANGES
    try:
        yield lambda: [change(page) for _ in range(number)]
    finally:
        page.close()
        server.terminate()
        server.wait()
        app.close()


def serve(folder: str, listener: int) -> None:
    """The dashboard of that folder's database, on a socket that listens already."""
    import uvicorn

    from windlass import Windlass
    from windlass.web.app import dashboard

    with socket.socket(fileno=listener) as listening:
        hosts = [f"127.0.0.1:{listening.getsockname()[1]}"]
        pages = dashboard(Windlass(os.path.join(folder, "windlass.db")), token=TOKEN, allowed_hosts=hosts)
        config = uvicorn.Config(pages, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])


BENCHMARKS = [
    Benchmark(
        (
            Figure("dashboard_change_p50_ms", "ms", (), percentile(0.5)),
            Figure("dashboard_change_p95_ms", "ms", (value_at_most(GOAL_MS),), percentile(0.95)),
        ),
        {"windlass": changes},
    )
]


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
