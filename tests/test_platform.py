from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from windlass import platform
from windlass.errors import ServiceError, StoreUnavailable

HOLDER = """
import os, sys
from windlass.platform import FileLock
lock = FileLock(sys.argv[1])
assert lock.try_acquire()
lock.write(f"{os.getpid()}\\n")
print("held", flush=True)
sys.stdin.read()
"""


def hold(path: Path, program: str = HOLDER) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_lock_excludes_other_processes_until_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = hold(path)
    lock = platform.FileLock(path)
    assert platform.is_locked(path)
    assert not lock.try_acquire()
    assert not lock.acquire(timeout=0.01)
    assert path.read_text() == f"{holder.pid}\n"
    end(holder)
    assert not platform.is_locked(path)
    assert lock.acquire(timeout=5.0)
    lock.release()


def test_looking_at_a_lock_creates_nothing(tmp_path: Path) -> None:
    assert not platform.is_locked(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_two_onlookers_do_not_take_each_other_for_a_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with path.open("r+") as one:
        import fcntl

        fcntl.flock(one, fcntl.LOCK_SH)
        assert not platform.is_locked(path)


FORKER = """
import os, sys
from windlass.platform import FileLock
lock = FileLock(sys.argv[1])
assert lock.try_acquire()
child = os.fork()
if child == 0:
    print("held", flush=True)
    sys.stdin.read()
    os._exit(0)
os._exit(0)
"""


def test_a_forked_child_does_not_go_on_holding_its_dead_parents_lock(tmp_path: Path) -> None:
    forker = hold(tmp_path / "lock", FORKER)
    forker.wait()
    assert not platform.is_locked(tmp_path / "lock")
    end(forker)


def test_a_forked_child_does_not_take_its_living_parents_lock_away(tmp_path: Path) -> None:
    lock = platform.FileLock(tmp_path / "lock")
    assert lock.try_acquire()
    child = os.fork()
    if child == 0:
        os._exit(1 if lock.held else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert platform.is_locked(lock.path)
    lock.release()


def test_the_text_of_a_lock_is_replaced_by_its_holder_alone(tmp_path: Path) -> None:
    lock = platform.FileLock(tmp_path / "lock")
    assert lock.try_acquire()
    lock.write("a long text\n")
    lock.write("short\n")
    assert Path(lock.path).read_text() == "short\n"
    lock.release()
    with pytest.raises(ServiceError, match="to be held before its text is written"):
        lock.write("late")


PARENT = """
import subprocess, sys
program = "import os, sys; from windlass.platform import set_parent_death_signal as tie; tie(os.getppid());"
program += "os.write(1, b'tied'); sys.stdin.read()"
subprocess.Popen([sys.executable, "-c", program], stdin=sys.stdin, pass_fds=(1,))
sys.stdin.read()
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    stays_open, our_end = os.pipe()
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=stays_open, stdout=subprocess.PIPE)
    os.close(stays_open)
    assert parent.stdout
    assert parent.stdout.read(4) == b"tied"
    parent.kill()
    parent.wait()
    # The child, too, holds the pipe: it ends only with the child.
    readable, _, _ = select.select([parent.stdout], [], [], 10.0)
    assert readable
    assert parent.stdout.read() == b""
    parent.stdout.close()
    os.close(our_end)


def test_a_child_whose_parent_died_before_it_could_be_tied_ends_itself() -> None:
    program = "from windlass.platform import set_parent_death_signal as tie; tie(1 << 22); print('lives')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")


def test_killing_a_group_ends_the_grandchildren_too() -> None:
    program = "import subprocess; subprocess.Popen(['sleep', '60']).wait()"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, process_group=0)
    assert platform.alive(child.pid)
    assert platform.kill_group(child.pid)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not platform.kill_group(child.pid)
    assert not platform.alive(child.pid)


def test_one_database_has_one_state_folder_by_whatever_path(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "app.db")
    folder = platform.state_folder(tmp_path / "link.db")
    assert folder == platform.state_folder(tmp_path / "app.db") == str(tmp_path.resolve() / "app.db-windlass")
    assert Path(folder).stat().st_mode & 0o777 == 0o700


def test_a_state_folder_is_not_made_where_no_database_can_be(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="check the path"):
        platform.state_folder(tmp_path / "nowhere" / "app.db")


def test_sockets_of_a_deep_folder_live_in_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    short = platform.runtime_dir(deep)
    assert len(os.fsencode(short)) <= 75
    assert short == platform.runtime_dir(deep)
    assert short != platform.runtime_dir(tmp_path / ("e" * 120))
    assert Path(short).stat().st_mode & 0o777 == 0o700
    platform.leave_runtime_dir(deep)
    platform.leave_runtime_dir(tmp_path / ("e" * 120))
    assert not Path(short).exists()
    near = tmp_path.parents[-2] / "app.db-windlass"
    assert platform.runtime_dir(near) == str(near.resolve())


def test_a_short_folder_that_is_still_used_stays(tmp_path: Path) -> None:
    deep = tmp_path / ("g" * 120)
    in_use = Path(platform.runtime_dir(deep)) / "socket"
    in_use.touch()
    platform.leave_runtime_dir(deep)
    assert in_use.exists()
    in_use.unlink()
    platform.leave_runtime_dir(deep)
    assert not in_use.parent.exists()


def test_a_runtime_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("f" * 120)
    short = Path(platform.runtime_dir(deep))
    short.chmod(0o755)
    with pytest.raises(ServiceError, match="that only you can enter"):
        platform.runtime_dir(deep)
    short.rmdir()
    assert platform.runtime_dir(deep, create=False) == str(short)
    assert not short.exists()
