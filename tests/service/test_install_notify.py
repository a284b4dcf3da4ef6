"""A real service under a service manager that is nothing but its socket."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.service import program
from tests.service.waiting import PATIENCE_S, gone, until
from windlass import JobStatus, Windlass, systemd
from windlass.service import START_FAILED
from windlass.service.herald import Herald

# The pulse of a dispatcher that holds jobs moves every 5 s: with looks every second, a few may find it where
# it was. While it holds none it moves once a minute.
WATCHDOG_S = 2


class Manager:
    """What systemd hears from the service it has started."""

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self.folder = folder
        shutil.copy(Path(str(program.__file__)), folder / "program.py")
        self.app = Windlass(folder / "app.db", isolates=1)
        name = f"\0windlass-{os.getpid()}-{folder.name}" if abstract else str(folder / "notify")
        self.address = name.replace("\0", "@")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(PATIENCE_S)
        self.seen: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *words: str, watchdog_s: float = 0) -> int:
        """Starts the service as a unit's main process."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
        env["NOTIFY_SOCKET"] = self.address
        # A shell's exec keeps the process id, as systemd's does.
        command = [sys.executable, "-m", "windlass.cli", *(words or ("run", "program.py", "--grace", "1s"))]
        shell = "exec"
        if watchdog_s:
            env["WATCHDOG_USEC"] = str(round(watchdog_s * 1e6))
            shell = "export WATCHDOG_PID=$$; exec"
        self.process = subprocess.Popen(
            ["sh", "-c", f'{shell} "$@"', "sh", *command], env=env, cwd=self.folder
        )
        return self.process.pid

    def hear(self) -> dict[str, str]:
        """The next message."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def hear_until(self, field: str) -> dict[str, str]:
        """The next message with that field."""
        while field not in (message := self.hear()):
            pass
        return message

    def silent_for(self, seconds: float) -> bool:
        """Nothing comes any more."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return False

    def dispatcher(self) -> int:
        """The service's present dispatcher."""
        status = self.app.service.status()
        pid = (status and status.dispatcher) or 0
        self.seen.update({pid} if pid else ())
        return pid

    def busy_dispatcher(self) -> int:
        """The same, once it holds a job and its watchdog has seen that it beats more often."""
        self.app.enqueue("pause")
        until(lambda: self.app.jobs.counts()[JobStatus.RUNNING])
        for _ in range(2):
            self.hear_until("WATCHDOG")
        return self.dispatcher()

    def close(self) -> None:
        self.app.service.stop(wait=0.1)
        if self.process:
            self.process.kill()
            self.process.wait()
        until(lambda: all(gone(pid) for pid in self.seen))
        self.app.service.close()
        self.app.close()
        self.socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Generator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def test_ready_is_said_once_work_can_begin_and_names_the_main_process(manager: Manager) -> None:
    pid = manager.run()
    message = manager.hear_until("READY")

    assert message == {"READY": "1", "MAINPID": str(pid), "STATUS": "ready"}
    status = manager.app.service.status()
    assert status
    assert (status.pid, status.state) == (pid, "ready")
    assert manager.app.service.invoke("where", reply=True)


def test_stopping_is_said_when_the_manager_asks_for_the_end(manager: Manager) -> None:
    pid = manager.run()
    manager.hear_until("READY")
    os.kill(pid, signal.SIGTERM)

    assert manager.hear_until("STOPPING")["STOPPING"] == "1"
    assert manager.process
    assert manager.process.wait(PATIENCE_S) == 0


def test_a_replacement_is_a_reload_that_ends_with_the_next_ready(manager: Manager) -> None:
    pid = manager.run()
    manager.hear_until("READY")
    before = manager.dispatcher()
    os.kill(pid, signal.SIGUSR1)

    assert manager.hear_until("RELOADING")["RELOADING"] == "1"
    assert manager.hear_until("READY")["MAINPID"] == str(pid)
    assert manager.dispatcher() != before


def test_a_service_that_cannot_start_is_never_ready(manager: Manager) -> None:
    (manager.folder / "program.py").write_text(
        "from windlass import Windlass\napp = Windlass('app.db', isolates=1)\n"
        "@app.on_start\ndef fail(_: object, db: object) -> None:\n    raise OSError('no tide today')\n"
    )
    manager.run()
    assert manager.process
    assert manager.process.wait(PATIENCE_S) == START_FAILED

    # What it said lies in the socket: this comes last.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.sendto(b"END=1", manager.address)
    heard = [manager.hear()]
    while "END" not in heard[-1]:
        heard.append(manager.hear())
    assert {"STATUS": "a dispatcher starts"} in heard
    assert not any("READY" in message for message in heard)


def test_the_watchdog_is_fed_while_the_dispatcher_lives_and_not_when_it_is_frozen(manager: Manager) -> None:
    manager.run(watchdog_s=WATCHDOG_S)
    manager.hear_until("READY")
    pid = manager.busy_dispatcher()
    for _ in range(12):
        # Longer than a pulse, so that more than the first credit is seen.
        manager.hear_until("WATCHDOG")
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: manager.silent_for(2 * WATCHDOG_S))
    finally:
        os.kill(pid, signal.SIGCONT)

    assert manager.hear_until("WATCHDOG") == {"WATCHDOG": "1"}


def test_a_dispatcher_that_follows_a_dead_one_is_watched_in_its_place(manager: Manager) -> None:
    manager.run(watchdog_s=WATCHDOG_S)
    manager.hear_until("READY")
    first = manager.dispatcher()
    os.kill(first, signal.SIGKILL)
    manager.hear_until("READY")
    second = manager.busy_dispatcher()
    assert second != first

    os.kill(second, signal.SIGSTOP)
    try:
        until(lambda: manager.silent_for(2 * WATCHDOG_S))
    finally:
        os.kill(second, signal.SIGCONT)


def test_without_a_watchdog_nothing_is_said_in_quiet_times(manager: Manager) -> None:
    manager.run()
    manager.hear_until("READY")

    assert manager.silent_for(2)


def test_an_abstract_address_is_reached(tmp_path: Path) -> None:
    manager = Manager(tmp_path, abstract=True)
    try:
        manager.run()
        assert manager.hear_until("READY")
    finally:
        manager.close()


def test_handlers_cannot_speak_for_the_service(manager: Manager) -> None:
    (manager.folder / "program.py").write_text(
        "import os\nfrom pathlib import Path\nfrom windlass import Windlass\n"
        "app = Windlass('app.db', isolates=1)\n"
        "@app.job\ndef look() -> None:\n"
        "    names = ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID')\n"
        "    Path('found').write_text(' '.join(name for name in names if name in os.environ) or 'none')\n"
    )
    manager.run(watchdog_s=30)
    manager.hear_until("READY")
    manager.app.enqueue("look", {})

    assert (
        until(lambda: (manager.folder / "found").exists() and (manager.folder / "found").read_text())
        == "none"
    )


def test_a_service_that_a_unit_starts_in_the_background_does_not_speak_for_the_unit(manager: Manager) -> None:
    manager.run("start", "program.py")
    assert manager.process
    assert manager.process.wait(PATIENCE_S) == 0
    manager.dispatcher()

    assert manager.silent_for(1)


def test_notify_puts_each_field_on_a_line(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)

    assert systemd.notify(STATUS="7 jobs, naïve=1", READY=1)
    assert manager.hear() == {"STATUS": "7 jobs, naïve=1", "READY": "1"}
    with pytest.raises(ValueError, match="one line"):
        systemd.notify(STATUS="a\nREADY=1")


@pytest.mark.parametrize("address", ["/nowhere/at/all", "vsock:2:1", "@windlass-nobody-listens"])
def test_nobody_who_listens_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    assert not systemd.notify(READY=1)


@pytest.mark.parametrize(("pid", "asked_s"), [("", 3.0), ("own", 3.0), ("1", 0.0)])
def test_the_watchdog_of_another_process_is_not_ours(
    pid: str, asked_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)

    assert Herald(detached=False).look_every_s == asked_s / 2
