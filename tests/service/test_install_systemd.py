"""An installed service under a real systemd: that of a user, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.service.user_systemd import UserSystemd
from tests.service.waiting import gone, until

PROGRAM = """
import json, os
from pathlib import Path
from windlass import Windlass

app = Windlass("app.db", isolates=1)

@app.on_start
def tell(service: object, db: object) -> None:
    names = ("GREETING", "NOTIFY_SOCKET", "WATCHDOG_USEC")
    Path("found.json").write_text(json.dumps([os.getcwd(), *map(os.environ.get, names)]))
"""
ODD = 'it\'s 100% "füße"; $HOME \\n'


@pytest.fixture(scope="module")
def systemd() -> Generator[UserSystemd]:
    with UserSystemd() as started:
        yield started


@pytest.fixture
def program(tmp_path: Path, systemd: UserSystemd, request: pytest.FixtureRequest) -> Generator[Path]:
    folder = tmp_path / getattr(request, "param", "shop")
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    yield folder
    done = systemd.windlass("service", "uninstall", "--name", "shop", cwd=folder)
    assert done.returncode == 0, done.stderr


def install(systemd: UserSystemd, folder: Path, *more: str, code: int = 0) -> str:
    words = ("service", "install", "program.py", "--name", "shop", *more)
    done = systemd.windlass(*words, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("program", ["plain", ODD, "ends with a space ", "ends with \\"], indirect=True)
def test_an_installed_service_is_ready_where_it_was_installed(systemd: UserSystemd, program: Path) -> None:
    install(systemd, program, "--env", f"GREETING={ODD}")

    status = systemd.status("shop", program)
    assert (status["installed"], status["enabled"], status["active"]) == (True, True, "active")
    assert (status["restarts"], status["outdated"], status["lingering"]) == (0, [], False)
    assert status["service"]["state"] == "ready"
    assert status["pid"] == status["service"]["pid"]
    assert json.loads((program / "found.json").read_text()) == [str(program), ODD, None, None]


def test_to_install_again_changes_nothing_or_what_has_changed(systemd: UserSystemd, program: Path) -> None:
    assert "shop is installed" in install(systemd, program)
    assert "shop is as it was" in install(systemd, program)
    assert systemd.get("windlass-shop", "TimeoutStopUSec") == "40s"

    (program / "windlass.toml").write_text("grace = 5.0\n")
    assert "shop is updated" in install(systemd, program)
    assert systemd.get("windlass-shop", "TimeoutStopUSec") == "15s"


def test_systemd_starts_a_service_that_was_killed(systemd: UserSystemd, program: Path) -> None:
    install(systemd, program)
    before = systemd.status("shop", program)["pid"]
    os.kill(before, signal.SIGKILL)

    until(lambda: systemd.get("windlass-shop", "NRestarts") == "1")
    until(lambda: systemd.get("windlass-shop", "ActiveState") == "active")
    status = systemd.status("shop", program)
    assert status["restarts"] == 1
    assert status["pid"] != before
    assert gone(before)


def test_a_reload_replaces_the_dispatcher_and_returns_when_the_next_is_ready(
    systemd: UserSystemd, program: Path
) -> None:
    install(systemd, program)
    before = systemd.status("shop", program)["service"]

    assert systemd.ctl("reload", "windlass-shop").returncode == 0
    after = systemd.status("shop", program)["service"]
    assert after["pid"] == before["pid"]
    assert after["dispatcher"] != before["dispatcher"]
    assert after["state"] == "ready"


def test_an_end_that_was_asked_for_is_no_failure(systemd: UserSystemd, program: Path) -> None:
    install(systemd, program)
    pid = systemd.status("shop", program)["pid"]
    assert systemd.windlass("stop", "--db", "app.db", cwd=program).returncode == 0

    until(lambda: systemd.get("windlass-shop", "ActiveState") == "inactive")
    assert systemd.get("windlass-shop", "Result") == "success"
    assert gone(pid)
    assert systemd.status("shop", program)["service"] is None


@pytest.mark.timeout(500)
def test_a_frozen_dispatcher_has_the_service_started_anew(systemd: UserSystemd, program: Path) -> None:
    install(systemd, program, "--no-start")
    assert systemd.get("windlass-shop", "ActiveState") == "inactive"
    # Sooner than in two minutes: a drop-in is how a person changes a unit of ours.
    drop_in = systemd.units / "windlass-shop.service.d/fast.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")
    assert systemd.ctl("daemon-reload").returncode == 0
    assert systemd.ctl("start", "windlass-shop").returncode == 0
    status = systemd.status("shop", program)
    os.kill(status["service"]["dispatcher"], signal.SIGSTOP)

    # A dispatcher with nothing to do beats once a minute, and is missed when it has not for longer.
    until(lambda: systemd.get("windlass-shop", "NRestarts") == "1", patience_s=300)
    until(lambda: systemd.get("windlass-shop", "ActiveState") == "active")
    assert systemd.status("shop", program)["pid"] != status["pid"]
    assert gone(status["service"]["dispatcher"])
    drop_in.unlink()
    drop_in.parent.rmdir()


def test_a_program_that_cannot_start_says_so_and_stays_installed(systemd: UserSystemd, program: Path) -> None:
    failing = (
        "\n@app.on_start\ndef fail(_: object, db: object) -> None:\n    raise OSError('no tide today')\n"
    )
    (program / "program.py").write_text(PROGRAM + failing)
    said = install(systemd, program, code=1)

    assert "is written, but `systemctl --user restart windlass-shop.service` failed" in said
    assert (systemd.units / "windlass-shop.service").exists()


def test_uninstalling_leaves_nothing_and_may_be_done_again(systemd: UserSystemd, program: Path) -> None:
    install(systemd, program)
    pid = systemd.status("shop", program)["pid"]
    assert list(systemd.units.rglob("*shop*"))

    first = systemd.windlass("service", "uninstall", "--name", "shop", cwd=program)
    assert (first.returncode, first.stdout) == (0, "shop is removed\n")
    assert list(systemd.units.rglob("*shop*")) == []
    assert gone(pid)
    assert systemd.get("windlass-shop", "LoadState") == "not-found"
    assert (program / "app.db").exists()
    again = systemd.windlass("service", "uninstall", "--name", "shop", cwd=program)
    assert (again.returncode, again.stdout) == (0, "shop is not installed: nothing to remove\n")


def test_a_service_started_by_hand_is_not_taken_over(systemd: UserSystemd, program: Path) -> None:
    assert systemd.windlass("start", "program.py", cwd=program).returncode == 0
    try:
        assert "windlass stop, then again" in install(systemd, program, code=4)
        assert not (systemd.units / "windlass-shop.service").exists()
    finally:
        assert systemd.windlass("stop", "--db", "app.db", cwd=program).returncode == 0


def test_doctor_finds_what_has_become_of_it(systemd: UserSystemd, program: Path) -> None:
    install(systemd, program)
    well = systemd.windlass("doctor", "--quick", "--db", "app.db", cwd=program)
    assert "shop: active (systemd)" in well.stdout
    assert "ends when" in well.stdout

    (program / "program.py").rename(program / "renamed.py")
    stale = systemd.windlass("doctor", "--quick", "--db", "app.db", cwd=program)
    assert stale.returncode == 1
    assert "program.py is gone" in stale.stdout
