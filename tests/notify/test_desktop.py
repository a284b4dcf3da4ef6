"""A real session bus of our own, with a notification service that writes down what it is asked to show."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.service.waiting import until
from windlass import Context, Status, SyncFailed, Windlass
from windlass.errors import ConfigError
from windlass.notify.desktop import DesktopChannel

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, which has python3-dbusmock."""
REJECTED = SyncFailed("notes", 7, "title must not be empty")


class Screen:
    """What the notification service was asked to do, in order."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Titles and texts."""
        found = re.findall(r'Notify "[^"]*" \d+ "[^"]*" "([^"]*)" "([^"]*)"', self._text)
        return [(title, text) for title, text in found]

    @property
    def taken_away(self) -> int:
        return self._text.count(" CloseNotification ")

    @property
    def _text(self) -> str:
        return self._log.read_text() if self._log.exists() else ""


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Screen]:
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:dir={tmp_path}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert bus.stdout is not None
    address = bus.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    log = tmp_path / "screen.log"
    service = subprocess.Popen(
        [SYSTEM_PYTHON, "-m", "dbusmock", "--session", "-t", "notification_daemon", "-l", str(log)],
        env={"DBUS_SESSION_BUS_ADDRESS": address, "PATH": "/usr/bin:/bin"},
    )
    try:
        asked = [
            "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.Notifications",
            "/org/freedesktop/Notifications", "org.freedesktop.Notifications.GetServerInformation",
        ]  # fmt: skip
        until(lambda: subprocess.run(asked, capture_output=True).returncode == 0)
        yield Screen(log)
    finally:
        for process in (service, bus):
            process.terminate()
            process.wait(20)
        bus.stdout.close()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")


def test_an_event_is_shown_on_the_desktop(screen: Screen, tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db", notify=["desktop"], title="Field notes")
    assert app.notifier.tell(REJECTED, subject="a")
    assert not app.notifier.tell(REJECTED, subject="a")
    assert screen.shown == [("Field notes", "notes 7: the change was not accepted: title must not be empty")]
    app.close()


def test_the_status_line_is_one_notification_that_is_replaced_and_taken_away_at_the_end(
    screen: Screen, tmp_path: Path
) -> None:
    app = Windlass(tmp_path / "app.db", notify=["desktop"], title="Field notes", content="in step")

    @app.job
    def send(ctx: Context) -> None:
        ctx.notify("sending 14 notes", "Upload")
        ctx.wait_cancelled(60)

    with app.running(threads=1):
        until(lambda: screen.shown[-1:] == [("Field notes", "in step")])
        app.enqueue("send")
        until(lambda: screen.shown[-1:] == [("Upload", "sending 14 notes")])
        assert screen.taken_away == 1
        app.jobs.cancel(1)
    assert screen.taken_away >= 2
    app.close()


def test_a_machine_without_a_desktop_is_no_error_and_logged_once(
    nowhere: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channel = DesktopChannel("Field notes")
    assert channel.tell(REJECTED).startswith("no desktop here: ")
    assert channel.tell(REJECTED).startswith("no desktop here: ")
    channel.show(Status("Field notes", "in step"))
    channel.close()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["no desktop to notify"]


def test_a_desktop_that_comes_later_is_found(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    channel = DesktopChannel("Field notes")
    with monkeypatch.context() as before:
        before.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
        assert channel.tell(REJECTED).startswith("no desktop here: ")
    monkeypatch.setattr("windlass.notify.desktop.monotonic", lambda: float("inf"))
    assert channel.tell(REJECTED) == "shown"
    assert len(screen.shown) == 1
    channel.close()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="install Windlass with the extra `desktop`"):
        DesktopChannel("Field notes")


def test_nothing_of_the_desktop_is_imported_before_it_is_used() -> None:
    program = (
        "import sys; from windlass import Windlass; app = Windlass('x.db', notify=['desktop']); "
        "list(app.notifier.channels); print('desktop_notifier' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False\n", "")
