"""The lock file by which everybody knows who lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from windlass.living import BEAT_S, STALE_US, lock_state
from windlass.platform import FileLock
from windlass.testing import ManualClock
from windlass.worker.lease import REST_S, Lease


@pytest.fixture
def clock() -> ManualClock:
    made = ManualClock()
    made.advance("1h")
    return made


def test_a_lease_that_is_held_and_fresh_is_alive(tmp_path: Path, clock: ManualClock):
    lease = Lease(tmp_path, clock)
    lease.take()
    assert lock_state(str(lease.path), clock) == "alive"
    clock.advance(STALE_US / 1_000_000)
    assert lock_state(str(lease.path), clock) == "alive"
    clock.advance("1s")
    assert lock_state(str(lease.path), clock) == "frozen"
    lease.beat()
    assert lock_state(str(lease.path), clock) == "alive"
    lease.give_up()
    assert lock_state(str(lease.path), clock) == "dead"


def test_one_that_rests_says_how_long_it_may_be_silent(tmp_path: Path, clock: ManualClock):
    lease = Lease(tmp_path, clock)
    lease.take()
    lease.beat(REST_S)
    clock.advance(REST_S + STALE_US / 1_000_000 - BEAT_S)
    assert lock_state(str(lease.path), clock) == "resting"
    clock.advance("1s")
    assert lock_state(str(lease.path), clock) == "frozen"
    lease.beat()
    assert lock_state(str(lease.path), clock) == "alive"
    lease.give_up()


def test_the_pulse_of_an_older_windlass_is_a_number_alone(tmp_path: Path, clock: ManualClock):
    lease = Lease(tmp_path, clock)
    lease.take()
    lease._lock.write(f"{clock.boot_us():020d}\n")
    assert lock_state(str(lease.path), clock) == "alive"
    clock.advance(STALE_US / 1_000_000 + 1)
    assert lock_state(str(lease.path), clock) == "frozen"
    lease.give_up()


def test_a_jump_of_the_wall_clock_makes_nobody_look_frozen(tmp_path: Path, clock: ManualClock):
    lease = Lease(tmp_path, clock)
    lease.take()
    clock.jump(clock.now.replace(year=clock.now.year + 12))
    assert lock_state(str(lease.path), clock) == "alive"
    lease.give_up()


def test_a_lock_without_a_pulse_is_caught_between_two_beats(tmp_path: Path, clock: ManualClock):
    path = tmp_path / "new.lock"
    lock = FileLock(path)
    assert lock.try_acquire()
    assert lock_state(str(path), clock) == "alive"
    lock.write("nonsense")
    assert lock_state(str(path), clock) == "alive"
    lock.release()
    assert lock_state(str(path), clock) == "dead"


def test_every_lease_has_a_name_of_its_own_in_a_private_folder(tmp_path: Path, clock: ManualClock):
    leases = [Lease(tmp_path / "dispatchers", clock) for _ in range(2)]
    for lease in leases:
        lease.take()
    assert leases[0].path != leases[1].path
    assert (tmp_path / "dispatchers").stat().st_mode & 0o777 == 0o700
    assert leases[0].path.stat().st_mode & 0o777 == 0o600
    for lease in leases:
        lease.give_up()
    assert list((tmp_path / "dispatchers").iterdir()) == []


def test_a_process_that_is_killed_gives_its_lease_up(tmp_path: Path, clock: ManualClock):
    code = (
        "import sys, signal; from pathlib import Path\n"
        "from windlass.clock import SystemClock; from windlass.worker.lease import Lease\n"
        "lease = Lease(Path(sys.argv[1]), SystemClock()); lease.take()\n"
        "print(lease.path, flush=True); signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        path = holder.stdout.readline().strip()
        assert lock_state(path, clock) != "dead"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert lock_state(path, clock) == "dead"


def test_a_forked_child_does_not_keep_its_parents_lease_alive(tmp_path: Path, clock: ManualClock):
    """flock survives in a forked grandchild, unless it closes the file."""
    lease = Lease(tmp_path, clock)
    lease.take()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # until the parent closes its end
        os._exit(0)
    os.close(reading)
    path = str(lease.path)
    lease._lock.release()
    assert lock_state(path, clock) == "dead"
    os.close(writing)
    os.waitpid(child, 0)
    lease.give_up()


def test_the_table_is_not_believed_about_which_file_to_remove(tmp_path: Path, clock: ManualClock):
    lease = Lease(tmp_path / "dispatchers", clock)
    lease.take()
    dead, precious = tmp_path / "dispatchers" / "dead.lock", tmp_path / "precious.lock"
    dead.touch()
    precious.touch()
    for path in (dead, precious, tmp_path / "dispatchers" / ".." / "precious.lock"):
        lease.remove_dead(str(path))
    assert not dead.exists()
    assert precious.exists()
    lease.give_up()
