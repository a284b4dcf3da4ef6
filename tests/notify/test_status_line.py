"""``ctx.notify`` and titled progress arrive at the channels, from threads and from child processes."""

from __future__ import annotations

import logging
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.notify import status_program
from tests.notify.walls import Wall
from tests.service.waiting import until
from windlass import Context, Windlass, platform, systemd
from windlass.errors import ConfigError, RegistrationError
from windlass.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def app(tmp_path: Path, clock: ManualClock, gate: threading.Event) -> Iterator[Windlass]:
    made = Windlass(tmp_path / "app.db", clock=clock, title="Field notes", content="in step", icon="folder")

    @made.job
    def say(ctx: Context, text: str, title: str | None = None) -> None:
        ctx.notify(text, title)
        gate.wait(30)

    @made.job(title="Nightly report")
    async def count(ctx: Context) -> None:
        import asyncio

        ctx.progress(3, 10, "EUR")
        await asyncio.to_thread(gate.wait, 30)

    yield made
    gate.set()
    made.close()


@pytest.fixture
def wall(app: Windlass) -> Wall:
    made = Wall()
    app.notify_by(made)
    return made


def test_the_standing_status_returns_ten_seconds_after_the_last_message(
    app: Windlass, wall: Wall, clock: ManualClock, gate: threading.Event
) -> None:
    with app.running(threads=2):
        until(lambda: wall.now == "Field notes: in step")
        job = app.enqueue("say", {"text": "packing", "title": "Upload"})
        until(lambda: wall.now == "Upload: packing")
        gate.set()
        app.jobs.wait(job.id, "20s")
        clock.advance("9.9s")
        # Only what is said later can prove that nothing was shown meanwhile.
        before = len(wall.shown)
        clock.advance("100ms")
        until(lambda: wall.now == "Field notes: in step")
        assert len(wall.shown) == before + 1
    assert wall.closed == 1


def test_of_several_jobs_the_latest_message_is_shown_with_the_apps_title_and_icon(
    app: Windlass, wall: Wall, gate: threading.Event
) -> None:
    with app.running(threads=2):
        app.enqueue("say", {"text": "first"})
        until(lambda: wall.now == "Field notes: first")
        app.enqueue("say", {"text": "second"})
        until(lambda: wall.now == "Field notes: second")
        status = wall.shown[-1]
        assert status is not None
        assert (status.icon, status.kind) == ("folder", "notice")
        gate.set()


def test_progress_of_a_job_with_a_title_is_shown_until_its_end_and_no_longer(
    app: Windlass, wall: Wall, gate: threading.Event
) -> None:
    with app.running(threads=2):
        app.enqueue("count")
        until(lambda: wall.now == "Nightly report: 3 of 10: EUR")
        gate.set()
        until(lambda: wall.now == "Field notes: in step")


def test_a_flood_of_messages_ends_with_the_last_one_and_shows_few(app: Windlass, wall: Wall) -> None:
    @app.job
    def chatter(ctx: Context) -> None:
        for number in range(2_000):
            ctx.notify(f"{number}")

    with app.running(threads=1):
        app.enqueue("chatter")
        until(lambda: wall.now == "Field notes: 1999")
    assert len(wall.shown) < 20


def test_a_thread_that_outlives_its_handler_says_nothing_more(
    app: Windlass, wall: Wall, gate: threading.Event
) -> None:
    threads: list[threading.Thread] = []

    @app.job
    def leave(ctx: Context) -> None:
        def late() -> None:
            gate.wait(30)
            ctx.notify("too late")

        threads.append(threading.Thread(target=late))
        threads[0].start()

    @app.job
    def last(ctx: Context) -> None:
        ctx.notify("the last word")

    with app.running(threads=1):
        app.jobs.wait(app.enqueue("leave").id, "20s")
        gate.set()
        threads[0].join()
        app.enqueue("last")
        until(lambda: wall.now == "Field notes: the last word")
    assert "Field notes: too late" not in [str(status) for status in wall.shown]


def test_a_channel_that_raises_keeps_no_other_from_showing(
    app: Windlass, caplog: pytest.LogCaptureFixture, gate: threading.Event
) -> None:
    class Broken(Wall):
        def show(self, status: object) -> None:
            raise ZeroDivisionError

    app.notify_by(Broken("broken"))
    wall = Wall()
    app.notify_by(wall)
    with app.running(threads=1):
        until(lambda: wall.now == "Field notes: in step")
    assert "the channel broken failed to show a status" in caplog.text


def test_the_log_says_what_handlers_say(
    app: Windlass, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="windlass.notify"), app.running(threads=1):
        app.enqueue("say", {"text": "packing"})
        until(lambda: "Field notes: packing" in caplog.text)
        gate.set()


def test_systemd_hears_the_status_line(
    app: Windlass, gate: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv(systemd.ADDRESS, str(tmp_path / "notify"))
        with app.running(threads=1):
            assert manager.recv(4096) == b"STATUS=Field notes: in step\n"
            app.enqueue("say", {"text": "two\nlines"})
            assert manager.recv(4096) == b"STATUS=Field notes: two lines\n"
            gate.set()


def test_a_child_process_reaches_the_status_line_of_the_service(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    shutil.copy(Path(str(status_program.__file__)), script)
    app = Windlass(tmp_path / "app.db", isolates=1)
    wall = tmp_path / "wall.txt"
    app.service.start(str(script), wait=20)
    try:
        until(lambda: wall.exists() and "Notes: standing by" in wall.read_text())
        app.enqueue("say", {"text": "from a child"})
        until(lambda: "Notes: from a child" in wall.read_text())
        app.enqueue("measure")
        until(lambda: "Measuring: 1 of 2" in wall.read_text())
    finally:
        app.service.stop()
        app.close()
        shutil.rmtree(platform.runtime_dir(app.service.folder, create=False), ignore_errors=True)
    lines = wall.read_text().splitlines()
    assert len({line.partition(" ")[0] for line in lines}) == 1, "one process alone shows it"


def test_on_a_foreign_executor_it_is_unheard_and_no_error(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    shutil.copy(Path(str(status_program.__file__)), script)
    app = status_program.make(tmp_path / "app.db", target=str(script))
    with ProcessPoolExecutor(1) as executor, app.running(executor=executor):
        job = app.jobs.wait(app.enqueue("say", {"text": "unheard"}).id, "30s")
    app.close()
    assert job.status == "COMPLETED"


def test_what_is_no_channel_is_refused(app: Windlass, wall: Wall) -> None:
    with pytest.raises(
        ConfigError, match=r"expected a channel of app.notify_by, .* it lacks name, show, tell"
    ):
        app.notify_by(object())  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="a channel called 'wall' already"):
        app.notify_by(Wall())


def test_a_channel_that_nobody_knows_is_named_with_those_that_are(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db", notify=["pigeon"])
    with pytest.raises(
        ConfigError, match=r"to name channels of desktop, log, systemd, webhook.*got 'pigeon'"
    ):
        list(app.notifier.channels)
