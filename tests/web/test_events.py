"""Open pages are told of every change, in time, and miss none while the server is away."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from windlass import Windlass

pytestmark = pytest.mark.alone

PATIENCE_S = 30.0
PROGRAM = """
from windlass import Windlass

app = Windlass({database!r})


@app.job
def greet(name: str) -> None: ...
"""


class Page:
    """What a browser is to the server: a cookie, and an event stream that comes back."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port = port
        self.cookie = cookie
        self.last_id: str | None = None
        self._channel: http.client.HTTPConnection | None = None
        self._answer: http.client.HTTPResponse | None = None

    def open(self) -> None:
        """Connects, again with what it saw last: whoever has printed a link listens."""
        self.close()
        headers = {"Cookie": self.cookie}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        self._channel = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self._channel.request("GET", "/api/events", headers=headers)
        self._answer = self._channel.getresponse()
        assert self._answer.status == 200
        assert self._answer.headers["content-type"].startswith("text/event-stream")

    def next(self) -> str:
        """The name of the next event; empty at the end of the stream."""
        event = ""
        assert self._answer is not None
        for line in self._answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                event = value
            elif not line.strip() and event:
                return event
        return ""

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
        if self._channel is not None:
            self._channel.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Windlass]:
    database = str(tmp_path / "app.db")
    (tmp_path / "program.py").write_text(PROGRAM.format(database=database), encoding="utf-8")
    app = Windlass(database)
    app.store.counts()
    yield app
    app.close()


@contextmanager
def serving(folder: Path, port: int = 0, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``windlass ui`` in a process of its own, and the link it prints."""
    command = [
        sys.executable,
        "-m",
        "windlass.cli",
        "ui",
        "program.py",
        "--no-open",
        "--port",
        str(port),
        *more,
    ]
    served = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert served.stdout is not None
    try:
        link = served.stdout.readline().strip()
        assert link, served.communicate()
        yield served, link
    finally:
        served.kill()
        served.communicate()


def come_in(link: str) -> Page:
    """A page by its link."""
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/enter\?code=.+)", link)
    assert found is not None, link
    channel = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=PATIENCE_S)
    channel.request("GET", found[2])
    cookie = (channel.getresponse().headers["set-cookie"] or "").partition(";")[0]
    channel.close()
    return Page(int(found[1]), cookie)


def settle(page: Page, app: Windlass) -> None:
    """Past what it is told when it connects: until an enqueue is followed by an event."""
    app.enqueue("greet", {"name": "settled"})
    assert page.next() == "changed"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_change_of_another_process_is_told(app: Windlass, tmp_path: Path) -> None:
    with serving(tmp_path) as (_, link):
        page = come_in(link)
        page.open()
        assert page.next() == "changed"  # whatever it saw before may be old
        settle(page, app)

        seen = page.last_id
        job = app.enqueue("greet", {"name": "ann"})
        while page.last_id == seen:
            assert page.next() == "changed"
        app.jobs.cancel(job.id)
        assert page.next() == "changed"
        page.close()


def test_a_program_that_knows_nothing_of_windlass_is_heard(app: Windlass, tmp_path: Path) -> None:
    with serving(tmp_path) as (_, link):
        page = come_in(link)
        page.open()
        settle(page, app)
        seen = page.last_id

        insert = "INSERT INTO background_service_jobs (job_key, payload) VALUES ('greet', '{}')"
        subprocess.run(["sqlite3", app.settings.database, insert], check=True)

        while page.last_id == seen:
            assert page.next() == "changed"
        page.close()


def test_a_page_misses_nothing_while_the_server_is_started_again(app: Windlass, tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port) as (served, link):
        page = come_in(link)
        page.open()
        settle(page, app)
        os.kill(served.pid, signal.SIGKILL)
        while page.next():
            pass
        seen = page.last_id
        app.enqueue("greet", {"name": "while nobody listened"})

    with serving(tmp_path, port):
        page.open()
        assert page.next() == "changed"
        assert page.last_id != seen
        page.close()


def test_who_saw_the_latest_change_is_told_nothing_when_it_comes_back(app: Windlass, tmp_path: Path) -> None:
    with serving(tmp_path) as (_, link):
        other = come_in(link)
        other.open()
        settle(other, app)
        page = Page(other.port, other.cookie)
        page.open()
        assert page.next() == "changed"
        while page.last_id != other.last_id:
            behind = page if (page.last_id or "") < (other.last_id or "") else other
            assert behind.next() == "changed"
        page.close()

        page.open()  # the other one has kept the listener awake
        app.enqueue("greet", {"name": "next"})
        before = page.last_id
        assert page.next() == "changed"
        assert page.last_id != before
        page.close()
        other.close()


def test_a_server_with_open_pages_stops_when_it_is_asked_to(app: Windlass, tmp_path: Path) -> None:
    with serving(tmp_path) as (served, link):
        page = come_in(link)
        page.open()
        assert page.next() == "changed"

        served.send_signal(signal.SIGINT)

        assert served.wait(PATIENCE_S) == 0
        while page.next():
            pass
        page.close()


def test_a_second_call_opens_the_dashboard_that_runs(app: Windlass, tmp_path: Path) -> None:
    with serving(tmp_path) as (_, link):
        command = [sys.executable, "-m", "windlass.cli", "ui", "program.py", "--no-open"]
        second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)

        assert second.returncode == 0, second.stderr
        assert second.stdout.partition("/enter")[0] == link.partition("/enter")[0]
        page = come_in(second.stdout.strip())
        page.open()
        assert page.next() == "changed"
        page.close()


def test_a_taken_port_is_refused(app: Windlass, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "windlass.cli", "ui", "program.py", "--no-open", "--port", port]
        refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)

    assert refused.returncode == 4
    assert f"port {port} is taken" in refused.stderr
