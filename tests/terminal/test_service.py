"""With a real service, and in a real terminal."""

from __future__ import annotations

import os
import pty
import select
import struct
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cli.conftest import APP
from tests.terminal.stage import PATIENCE_S, Stage, play
from windlass import Windlass
from windlass.target import load_app

pytestmark = pytest.mark.alone


@pytest.fixture
def served(home: Path, database_url: str) -> Windlass:
    """A program that a service can load."""
    (home / "program.py").write_text(APP.replace("jobs.db", database_url))
    app = load_app(f"{home}/program.py:app")
    assert isinstance(app, Windlass)
    return app


@pytest.mark.slow
def test_the_service_is_started_its_work_is_seen_and_it_is_stopped(served: Windlass) -> None:
    job = served.enqueue("greet", {"name": "ada"})

    async def story(here: Stage) -> None:
        await here.press("6")
        await here.until_drawn("not running")
        await here.press("s")
        await here.until_drawn("● ready", "dispatcher")
        await here.press("2")
        await here.until_drawn("COMPLETED", '"hello ada"')
        served.enqueue("refuse", {"reason": "no such mailbox"})
        await here.until_drawn("FAILED permanent")
        await here.press("1")
        await here.until_drawn("1 completed", "1 failed")
        await here.press("6", "s")
        await here.until_drawn("Stop the service?")
        await here.press("y")
        await here.until_drawn("○ not running")

    try:
        play(served, story)
    finally:
        served.service.stop()
    found = served.jobs.get(job.id)
    assert found is not None
    assert found.status == "COMPLETED"
    served.close()


def test_in_a_terminal_it_starts_shows_a_job_and_leaves_it_as_it_was(served: Windlass) -> None:
    served.enqueue("greet", {"name": "ada"})
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    environment = {**os.environ, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "windlass.cli", "watch", "--db", served.settings.database]
    told = b""

    def read_until(wanted: bytes) -> None:
        nonlocal told
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in told:
            readable, _, _ = select.select([ours], [], [], max(deadline - time.monotonic(), 0))
            assert readable, f"{wanted!r} never came: {told[-2000:]!r}"
            told += os.read(ours, 65536)

    with Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as child:
        try:
            read_until(b"\x1b[?1049h")
            os.write(ours, b"2")
            read_until(b"greet")
            os.write(ours, b"q")
            read_until(b"\x1b[?1049l")
            assert child.wait(PATIENCE_S) == 0
        finally:
            child.kill()
    assert termios.tcgetattr(theirs) == before
    read_until(b"\x1b[?25h")  # the cursor is seen again
    os.close(ours)
    os.close(theirs)
    served.close()
