from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import Installation
from tests.service.waiting import PATIENCE_S, gone, until
from windlass import AlreadyRunning, JobStatus, NotRunning, StartFailed, Windlass, platform
from windlass.errors import ServiceError
from windlass.service.messages import SOCKET
from windlass.service.process import ServiceControl


def test_a_started_service_outlives_the_program_and_serves_others(installed: Installation) -> None:
    """workmanager #363: nothing runs once the app is closed."""
    done = installed.run("start")
    assert done.returncode == 0, done.stderr
    assert installed.service.is_running()
    pids = installed.processes()
    assert pids["supervisor"] == int(done.stdout)
    job = installed.app.enqueue("add", {"a": 2, "b": 3})
    assert installed.app.jobs.wait(job.id, PATIENCE_S).result == 5
    assert installed.service.stop()
    assert not installed.service.is_running()
    until(lambda: all(gone(pid) for pid in pids.values()))


def test_it_runs_in_a_session_of_its_own_in_the_same_folder_and_logs_to_its_file(
    installed: Installation,
) -> None:
    pid = installed.start()
    assert os.getsid(pid) != os.getsid(0)
    for process in installed.processes().values():
        process_folder = Path(f"/proc/{process}")
        assert (process_folder / "cwd").resolve() == Path.cwd()
        assert os.readlink(process_folder / "fd/0") == os.devnull
        for stream in ("fd/1", "fd/2"):
            assert (process_folder / stream).resolve() == installed.app.state_dir / "service.log"
    assert "ready" in installed.log()


def test_the_starter_keeps_no_zombie_and_no_open_file(installed: Installation) -> None:
    before = set(os.listdir("/proc/self/fd"))
    pid = installed.start()
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) != os.getpid()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_status_tells_who_serves(installed: Installation) -> None:
    assert installed.service.status() is None
    pid = installed.start()
    status = installed.service.status()
    assert status
    assert (status.pid, status.state, status.restarts, status.last_error) == (pid, "ready", 0, None)
    assert status.grace == 30.0


def test_looking_for_a_service_writes_nothing(installed: Installation) -> None:
    assert not installed.service.is_running()
    assert installed.service.status() is None
    assert not installed.service.stop()
    assert [path.name for path in installed.folder.iterdir()] == ["program.py"]


# ── starting goes wrong ────────────────────────────────────────────────────────────────────────────
def test_a_failing_start_up_callback_is_the_reason_told(installed: Installation) -> None:
    (installed.folder / "refuse").touch()
    with pytest.raises(StartFailed, match="no licence found"):
        installed.start()
    assert not installed.service.is_running()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("raise SystemExit('call me later')", "call me later"),
        ("def f(:", "invalid syntax"),
        ("x = 1", "Windlass"),
    ],
)
def test_a_program_that_cannot_be_loaded_is_the_reason_told(
    installed: Installation, source: str, reason: str
) -> None:
    installed.script.write_text(source)
    with pytest.raises(StartFailed, match=reason):
        installed.start()
    assert not installed.service.is_running()


def test_a_program_without_a_main_guard_is_told_to_have_one(installed: Installation) -> None:
    installed.script.write_text(
        "from pathlib import Path\nfrom windlass import Windlass\n"
        "app = Windlass(Path(__file__).with_name('app.db'))\napp.service.start()\n"
    )
    done = installed.run()
    assert done.returncode == 1
    assert '`if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert not installed.service.is_running()


def test_a_target_that_is_not_there_is_the_reason_told(installed: Installation) -> None:
    with pytest.raises(StartFailed, match=r"absent\.py"):
        installed.service.start(str(installed.folder / "absent.py"), wait=20)


@pytest.mark.sqlite
def test_a_program_with_another_database_is_refused(installed: Installation) -> None:
    other = Windlass(installed.folder / "other.db")
    with pytest.raises(StartFailed, match=r"started for the database of .*other\.db.* uses .*app\.db"):
        other.service.start(str(installed.script), wait=20)
    assert not other.service.is_running()


def test_a_disabled_service_refuses_with_the_reason(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db", service_enabled=False)
    with pytest.raises(StartFailed, match=r"service\.enabled is false"):
        app.service.start("program.py")


def test_a_service_that_is_not_ready_in_time_is_ended(installed: Installation) -> None:
    installed.script.write_text("import threading\nthreading.Event().wait()\n")
    with pytest.raises(StartFailed, match=r"not ready within 500ms: .*service\.log"):
        installed.start(wait=0.5)
    assert not installed.service.is_running()


def test_a_second_start_says_who_serves_already(installed: Installation) -> None:
    pid = installed.start()
    with pytest.raises(AlreadyRunning, match=f"process {pid}"):
        installed.start()


def test_of_programs_that_start_at_once_one_starts(installed: Installation) -> None:
    outcomes: queue.Queue[object] = queue.Queue()

    def start() -> None:
        try:
            outcomes.put(installed.start())
        except AlreadyRunning as error:
            outcomes.put(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [outcomes.get() for _ in threads]
    assert [pid for pid in found if isinstance(pid, int)] == [installed.processes()["supervisor"]]


# ── killing ────────────────────────────────────────────────────────────────────────────────────────
def test_a_killed_dispatcher_is_replaced_and_its_job_runs_again(installed: Installation) -> None:
    """huey #844 #559: a task is lost when its worker is killed."""
    installed.start()
    before = installed.processes()
    job = installed.app.enqueue("pause", {})
    installed.blocking("pausing")
    (installed.folder / "pausing").unlink()
    os.kill(before["dispatcher"], signal.SIGKILL)
    until(lambda: gone(before["isolate"]))
    assert installed.blocking("pausing") not in before.values()
    after = installed.processes()
    assert after["supervisor"] == before["supervisor"]
    assert after["dispatcher"] != before["dispatcher"]
    status = installed.service.status()
    assert status
    assert status.restarts == 1
    again = installed.app.jobs.get(job.id)
    assert again
    assert (again.status, again.attempts) == (JobStatus.RUNNING, 1)


def test_a_killed_supervisor_leaves_no_orphan(installed: Installation) -> None:
    installed.start()
    pids = installed.processes()
    installed.app.enqueue("block", {})
    installed.blocking()
    os.kill(pids["supervisor"], signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids.values()))
    assert not installed.service.is_running()
    with pytest.raises(NotRunning):
        installed.service.invoke("where")
    installed.start()


def test_an_ended_service_leaves_no_socket_behind(installed: Installation) -> None:
    installed.start()
    sockets = Path(platform.runtime_dir(installed.service.folder, create=False))
    assert (sockets / SOCKET).is_socket()
    assert installed.service.stop()
    assert not (sockets / SOCKET).exists()
    assert not sockets.exists() or sockets == installed.app.state_dir


def test_a_process_that_a_handler_left_behind_does_not_hold_the_service(installed: Installation) -> None:
    """A lock on an open file survives in whoever inherits it."""
    installed.start()
    job = installed.app.enqueue("leave_a_process", {})
    left = installed.app.jobs.wait(job.id, PATIENCE_S).result
    installed.seen.add(left)
    try:
        assert installed.service.stop()
        assert not installed.service.is_running()
        assert installed.start()
    finally:
        os.kill(left, signal.SIGKILL)


# ── stopping (D1) ──────────────────────────────────────────────────────────────────────────────────
def test_sigterm_lets_running_work_end_and_claims_nothing_more(installed: Installation) -> None:
    pid = installed.start()
    installed.processes()
    running = installed.app.enqueue("pause", {})
    installed.blocking("pausing")
    waiting = installed.app.enqueue("add", {"a": 1, "b": 1})
    os.kill(pid, signal.SIGTERM)
    until(lambda: not installed.service.is_running())
    ended, untouched = installed.app.jobs.get(running.id), installed.app.jobs.get(waiting.id)
    assert ended
    assert untouched
    assert (ended.status, ended.result) == (JobStatus.COMPLETED, "shutdown")
    assert (untouched.status, untouched.attempts) == (JobStatus.PENDING, 0)


def test_work_that_outlasts_its_grace_goes_back_unspent_and_leaves_no_process(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRAM_GRACE", "0.3")
    pid = installed.start()
    pids = installed.processes()
    job = installed.app.enqueue("block", {})
    installed.blocking()
    os.kill(pid, signal.SIGTERM)
    # Well before the four seconds after which the supervisor would have to kill.
    until(lambda: not installed.service.is_running(), patience_s=3.5)
    until(lambda: all(gone(pid) for pid in pids.values()))
    back = installed.app.jobs.get(job.id)
    assert back
    assert (back.status, back.attempts) == (JobStatus.PENDING, 0)


def test_a_second_sigterm_ends_the_service_now(installed: Installation) -> None:
    pid = installed.start()
    pids = installed.processes()
    job = installed.app.enqueue("block", {})
    installed.blocking()
    os.kill(pid, signal.SIGTERM)
    until(lambda: (status := installed.service.status()) and status.state == "stopping")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not installed.service.is_running(), patience_s=3.0)
    until(lambda: all(gone(pid) for pid in pids.values()))
    back = installed.app.jobs.get(job.id)
    assert back
    assert (back.status, back.attempts) == (JobStatus.PENDING, 0)


def test_stop_returns_when_the_service_has_ended(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRAM_GRACE", "0.2")
    installed.start()
    pids = installed.processes()
    installed.app.enqueue("block", {})
    installed.blocking()
    assert installed.service.stop()
    until(lambda: all(gone(pid) for pid in pids.values()))
    assert not installed.service.stop()


def test_stop_ends_a_service_whose_dispatcher_is_frozen(installed: Installation) -> None:
    installed.start()
    pids = installed.processes()
    os.kill(pids["dispatcher"], signal.SIGSTOP)
    assert installed.service.stop(wait=0.2)
    until(lambda: all(gone(pid) for pid in pids.values()))


def test_a_handler_may_stop_the_service(installed: Installation) -> None:
    installed.start()
    installed.processes()
    job = installed.app.enqueue("end_service", {})
    until(lambda: not installed.service.is_running())
    ended = installed.app.jobs.get(job.id)
    assert ended
    assert ended.status is JobStatus.COMPLETED


# ── restarting ─────────────────────────────────────────────────────────────────────────────────────
def test_a_restart_loads_the_program_anew(installed: Installation) -> None:
    installed.start()
    before = installed.processes()
    source = installed.script.read_text()
    installed.script.write_text(source.replace("return a + b", "return 100 * a + b"))
    installed.service.restart()
    after = installed.processes()
    assert after["supervisor"] == before["supervisor"]
    assert {after["dispatcher"], after["isolate"]}.isdisjoint(before.values())
    job = installed.app.enqueue("add", {"a": 2, "b": 3})
    assert installed.app.jobs.wait(job.id, PATIENCE_S).result == 203


def test_a_restart_into_a_broken_program_says_why(installed: Installation) -> None:
    installed.start()
    installed.processes()
    (installed.folder / "refuse").touch()
    with pytest.raises(StartFailed, match="no licence found"):
        installed.service.restart()


def test_without_a_service_there_is_nothing_to_restart(installed: Installation) -> None:
    with pytest.raises(NotRunning, match="nothing to restart"):
        installed.service.restart()


# ── messages ───────────────────────────────────────────────────────────────────────────────────────
def test_messages_go_both_ways_and_survive_a_killed_dispatcher(installed: Installation) -> None:
    """flutter_background_service #293 #482."""
    told: queue.Queue[Any] = queue.Queue()
    started: queue.Queue[int] = queue.Queue()
    installed.service.on("told", told.put)
    installed.start()
    installed.service.on("started", started.put)
    first = installed.processes()
    assert started.get(timeout=PATIENCE_S) == first["isolate"]
    assert installed.service.invoke("where", {"x": [1]}, reply=True) == [first["isolate"], {"x": [1]}]
    installed.service.invoke("tell", "one")
    assert told.get(timeout=PATIENCE_S) == "one"
    os.kill(first["dispatcher"], signal.SIGKILL)
    installed.service.invoke("tell", "two")
    assert told.get(timeout=PATIENCE_S) == "two"
    assert started.get(timeout=PATIENCE_S) == installed.processes()["isolate"]


def test_what_nobody_answers_is_an_error_in_time(installed: Installation) -> None:
    installed.start()
    installed.processes()
    with pytest.raises(ServiceError, match=r"did not reply within 0\.1 s"):
        installed.service.invoke("nobody listens", reply=True, timeout="100ms")


# ── in the foreground ──────────────────────────────────────────────────────────────────────────────

FOREGROUND = """
import sys
from windlass.config import load_settings
from windlass.service.messages import SOCKET
from windlass.service.process import run_foreground
run_foreground(load_settings({"database": sys.argv[1], "app": sys.argv[2]}), reload="reload" in sys.argv)
"""


def test_in_the_foreground_it_becomes_the_service_and_ends_with_ctrl_c(installed: Installation) -> None:
    command = [sys.executable, "-c", FOREGROUND, installed.database, str(installed.script)]
    foreground = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)
    assert foreground.stderr
    until(lambda: (status := installed.service.status()) and status.state == "ready")
    pids = installed.processes()
    assert pids["supervisor"] == foreground.pid
    assert os.getpgid(pids["dispatcher"]) == pids["dispatcher"]
    with pytest.raises(AlreadyRunning):
        installed.start()
    # A terminal sends it to the whole group; the dispatcher must hear of it once, and end gracefully.
    os.killpg(foreground.pid, signal.SIGINT)
    output = foreground.communicate(timeout=PATIENCE_S)[1]
    assert foreground.returncode == 0
    assert "ready" in output
    assert "Traceback" not in output


def test_in_the_foreground_a_failing_start_ends_with_its_reason(installed: Installation) -> None:
    (installed.folder / "refuse").touch()
    command = [sys.executable, "-c", FOREGROUND, installed.database, str(installed.script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 3
    assert "no licence found" in done.stderr


def test_without_a_target_it_says_how_to_name_one(tmp_path: Path) -> None:
    settings = Windlass(tmp_path / "app.db").settings
    with pytest.raises(StartFailed, match="app:app"):
        ServiceControl(lambda: settings).start()
