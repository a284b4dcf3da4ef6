from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import PATIENCE_S, gone, until
from windlass import platform
from windlass.service import ALREADY_RUNNING, LOCK, START_FAILED, supervisor

SCRIPT = str(Path(supervisor.__file__))
# With the four seconds that the supervisor adds for the dispatcher's own end, half a second.
ALMOST_NO_GRACE = "-3.5"
SCRIPTED = [sys.executable, "-m", "tests.service.scripted"]


class Supervised:
    """A supervisor with a scripted dispatcher, and what both leave behind."""

    def __init__(self, folder: Path, life: str, *flags: str, grace: str = "30") -> None:
        self.folder = folder
        self.diary = folder / "diary"
        self.log = folder / "log"
        self.heard, told = os.pipe()
        with self.log.open("ab") as log:
            options = [str(folder), grace, "--report", str(told), *flags]
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-P",
                    SCRIPT,
                    *options,
                    "--",
                    *SCRIPTED,
                    str(self.diary),
                    *life.split(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(told,),
            )
        os.close(told)

    def report(self) -> Any:
        """What the starter is told first; None when nobody told anything."""
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.heard], [], [], PATIENCE_S)
            assert readable, self.log.read_text()
            chunk = os.read(self.heard, 65536)
            if not chunk:
                return None
            line += chunk
        return json.loads(line)

    def lives(self) -> list[int]:
        """The process ids of the dispatchers so far."""
        return [int(pid) for pid in self.diary.read_text().split()] if self.diary.exists() else []

    def status(self) -> dict[str, Any]:
        """The lock's text."""
        lock = self.folder / LOCK
        return json.loads((lock.read_bytes() if lock.exists() else b"").partition(b"\n")[0] or "{}")

    def life_number(self, number: int) -> Callable[[], int]:
        """The dispatcher of that number, once the supervisor says it is ready."""

        def look() -> int:
            lives, status = self.lives(), self.status()
            is_there = len(lives) >= number and status.get("dispatcher") == lives[number - 1]
            return lives[number - 1] if is_there and status["state"] in ("settling", "ready") else 0

        return look

    def end(self) -> int:
        """The exit code; fails when it goes on."""
        return self.process.wait(PATIENCE_S)


Start = Callable[..., Supervised]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    started: list[Supervised] = []

    def begin(life: str, *flags: str, **options: Any) -> Supervised:
        started.append(Supervised(tmp_path, life, *flags, **options))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()
        os.close(one.heard)
        left = [pid for pid in one.lives() if not gone(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: gone(pid))


@contextmanager
def held(path: Path) -> Generator[None]:
    lock = platform.FileLock(path)
    assert lock.try_acquire()
    yield
    lock.release()


def test_it_tells_the_starter_when_the_dispatcher_is_ready(start: Start) -> None:
    service = start("ready serve")
    assert service.report() == {
        "ready": {"service": service.process.pid, "dispatcher": service.life_number(1)()}
    }
    assert platform.is_locked(service.folder / LOCK)
    status = service.status()
    assert (status["pid"], status["restarts"], status["last"]) == (service.process.pid, 0, None)


def test_it_tells_the_starter_the_dispatchers_own_reason(start: Start) -> None:
    service = start("refuse")
    assert service.report() == {"error": "the moon is in the wrong phase"}
    assert service.end() == START_FAILED
    assert not platform.is_locked(service.folder / LOCK)
    assert len(service.lives()) == 1


def test_a_dispatcher_that_exits_before_it_is_ready_is_not_tried_again(start: Start) -> None:
    service = start("crash")
    assert service.report() == {"error": "the dispatcher exited with code 17 before it was ready"}
    assert service.end() == START_FAILED
    assert len(service.lives()) == 1


def test_a_dispatcher_that_is_killed_before_it_is_ready_is_tried_three_times(start: Start) -> None:
    service = start("fault")
    assert service.report() == {"error": "the dispatcher was killed by SIGSEGV before it was ready"}
    assert service.end() == START_FAILED
    assert len(service.lives()) == 3


def test_a_killed_start_that_then_succeeds_is_a_success(start: Start) -> None:
    service = start("fault then ready serve")
    assert "ready" in service.report()
    assert len(service.lives()) == 2


def test_a_dispatcher_killed_with_sigkill_is_replaced_at_once(start: Start) -> None:
    service = start("ready serve")
    first = until(service.life_number(1))
    os.kill(first, signal.SIGKILL)
    second = until(service.life_number(2))
    assert second != first
    assert service.status()["restarts"] == 1
    assert "was killed by SIGKILL; starting another at once" in service.log.read_text()


def test_a_dispatcher_that_crashes_again_and_again_is_tried_for_ever(start: Start) -> None:
    service = start("ready crash")
    until(lambda: len(service.lives()) >= 5)
    assert service.process.poll() is None


def test_a_dispatcher_that_keeps_dying_young_is_held_back_until_one_has_lived(start: Start) -> None:
    service = start("ready crash then ready crash then ready crash then ready serve")
    fourth = until(service.life_number(4))
    until(lambda: service.status()["state"] == "ready")
    os.kill(fourth, signal.SIGKILL)
    until(service.life_number(5))
    told = [line.rpartition("another ")[2] for line in service.log.read_text().splitlines()]
    assert told == ["at once", "in 0.05 s", "in 0.1 s", "at once"]


def test_a_service_that_once_ran_gives_up_after_five_refused_starts(start: Start) -> None:
    service = start("ready crash then refuse")
    assert "ready" in service.report()
    assert service.end() == START_FAILED
    assert len(service.lives()) == 5
    assert "giving up" in service.log.read_text()


def test_a_service_that_once_ran_waits_for_a_database_that_is_away(start: Start) -> None:
    service = start("ready crash then away then away then away then away then away then ready serve")
    until(service.life_number(7))
    until(lambda: service.status()["state"] == "ready")
    assert service.process.poll() is None


def test_a_service_that_never_ran_tells_that_the_database_is_away(start: Start) -> None:
    service = start("away")
    assert service.report() == {"error": "the database has gone for a walk"}
    assert service.end() == START_FAILED
    assert len(service.lives()) == 1


def test_a_dispatcher_that_ends_by_itself_ends_the_service(start: Start) -> None:
    service = start("ready end")
    assert service.end() == 0
    assert len(service.lives()) == 1
    assert (service.folder / LOCK).read_bytes() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_dispatcher_and_then_the_service(start: Start, number: int) -> None:
    service = start("obedient ready serve")
    first = until(service.life_number(1))
    service.process.send_signal(number)
    assert service.end() == 0
    assert gone(first)
    assert service.lives() == [first]


def test_a_second_signal_ends_a_stubborn_dispatcher_now(start: Start) -> None:
    service = start("stubborn ready serve", grace="3600")
    first = until(service.life_number(1))
    service.process.send_signal(signal.SIGTERM)
    until(lambda: service.status()["state"] == "stopping")
    service.process.send_signal(signal.SIGTERM)
    assert service.end() == 0
    assert gone(first)


def test_a_dispatcher_that_outstays_its_grace_is_killed(start: Start) -> None:
    service = start("stubborn ready serve", grace=ALMOST_NO_GRACE)
    first = until(service.life_number(1))
    service.process.send_signal(signal.SIGTERM)
    assert service.end() == 0
    assert gone(first)
    assert "did not end in time: killed" in service.log.read_text()


def test_sigusr1_replaces_the_dispatcher_gracefully(start: Start) -> None:
    service = start("obedient ready serve")
    first = until(service.life_number(1))
    service.process.send_signal(signal.SIGUSR1)
    until(service.life_number(2))
    assert gone(first)
    assert service.process.poll() is None


def test_a_stop_while_a_replacement_waits_for_its_grace_is_no_second_signal(start: Start) -> None:
    service = start("counting ready serve", grace=ALMOST_NO_GRACE)
    first = until(service.life_number(1))
    service.process.send_signal(signal.SIGUSR1)
    until(lambda: service.status()["state"] == "replacing")
    service.process.send_signal(signal.SIGTERM)
    assert service.end() == 0
    assert service.lives() == [first]
    assert (service.folder / "diary.signals").read_text() == "SIGTERM\n"


def test_a_second_stop_is_another_signal_than_the_first(start: Start) -> None:
    service = start("counting ready serve")
    until(service.life_number(1))
    service.process.send_signal(signal.SIGTERM)
    until(lambda: service.status()["state"] == "stopping")
    service.process.send_signal(signal.SIGTERM)
    assert service.end() == 0
    assert set((service.folder / "diary.signals").read_text().split()) == {"SIGTERM", "SIGINT"}


def test_killing_the_supervisor_leaves_no_orphan(start: Start) -> None:
    service = start("stubborn ready serve")
    first = until(service.life_number(1))
    service.process.kill()
    until(lambda: gone(first))
    assert not platform.is_locked(service.folder / LOCK)


def test_two_services_cannot_hold_one_database(start: Start, tmp_path: Path) -> None:
    with held(tmp_path / LOCK):
        service = start("ready serve")
        assert service.report() == {"already_running": True}
        assert service.end() == ALREADY_RUNNING
    assert service.lives() == []


def test_an_onlooker_does_not_keep_a_service_from_starting(start: Start, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / LOCK).open("a+") as onlooker:
        fcntl.flock(onlooker, fcntl.LOCK_SH)
        service = start("ready serve")
        # Longer than any onlooker holds it, shorter than the supervisor's patience.
        select.select([], [], [], 0.1)
        fcntl.flock(onlooker, fcntl.LOCK_UN)
        assert "ready" in service.report()


def test_detached_it_belongs_to_nobody_and_leaves_no_zombie(start: Start) -> None:
    service = start("obedient ready serve", "--detach")
    assert service.end() == 0
    pid = service.report()["ready"]["service"]
    assert pid != service.process.pid
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) not in (os.getpid(), service.process.pid)
    os.kill(pid, signal.SIGTERM)
    until(lambda: gone(pid))


def test_a_starter_that_has_gone_does_not_keep_the_service_from_running(start: Start) -> None:
    service = start("ready serve")
    os.close(service.heard)
    service.heard = os.open(os.devnull, os.O_RDONLY)
    assert until(service.life_number(1))
    assert service.process.poll() is None


def test_a_changed_file_replaces_the_dispatcher(start: Start, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.py").write_text("one")
    service = start("obedient ready serve", "--watch", str(source))
    first = until(service.life_number(1))
    (source / "app.py").write_text("two, and longer")
    os.utime(source / "app.py", ns=(1, 1))
    until(service.life_number(2))
    assert gone(first)
    assert "app.py changed: restarting" in service.log.read_text()


def test_while_watching_a_broken_program_waits_for_the_next_change(start: Start, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    service = start("refuse then obedient ready serve", "--watch", str(source))
    until(lambda: service.status().get("state") == "broken")
    assert service.status()["last"] == {"error": "the moon is in the wrong phase"}
    (source / "app.py").write_text("mended")
    assert until(service.life_number(2))


def test_it_loads_almost_nothing_and_takes_less_than_ten_megabytes(start: Start) -> None:
    service = start("ready serve")
    until(service.life_number(1))
    rollup = Path(f"/proc/{service.process.pid}/smaps_rollup").read_text()
    pss_kb = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss_kb < 10_000
    mapped = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "msgspec" not in mapped
    assert "sqlite" not in mapped
