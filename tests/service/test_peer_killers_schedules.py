"""What other schedulers are known to get wrong, done right by real programs and a real service.

The rules themselves, on a clock of the test's own: ``test_schedules_wall.py`` and ``schedule/``.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.service.conftest import Installation
from tests.service.waiting import until
from windlass import Job, JobStatus

PROGRAM = """
from __future__ import annotations

import sys
from pathlib import Path

from windlass import Context, Windlass

HERE = Path(__file__).parent
app = Windlass(HERE / "app.db", isolates=1)


@app.job
def tick() -> None: ...


@app.job(max_attempts=1)
def linger(ctx: Context) -> None:
    (HERE / "lingering").touch()
    ctx.wait_cancelled()
    (HERE / "told").write_text(str(ctx.stop_reason))
    ctx.raise_if_cancelled()


if __name__ == "__main__":
    if sys.argv[1:] == ["leave"]:
        app.schedules.add("it", job="tick", every="200ms")
        app.service.start(str(HERE / "program.py"), wait=30)
    else:
        app.schedules.add("it", job="tick", every="200ms", overlap=True, missed="all", missed_most=10_000)
        with app.running(threads=2):
            print(flush=True)
            sys.stdin.read()
"""

SPAN = timedelta(milliseconds=200)


@pytest.fixture
def installed(installed: Installation) -> Installation:
    """The program above in the place of the usual one."""
    installed.script.write_text(PROGRAM)
    return installed


def runs(installed: Installation) -> list[Job]:
    """The finished ones, in the order in which they were made."""
    return installed.app.jobs.list(key="tick", status=JobStatus.COMPLETED, order="id", limit=10_000)


def waits_since(installed: Installation) -> datetime:
    """When its next run was or is due."""
    schedule = installed.app.schedules.get("it")
    assert schedule is not None
    assert schedule.next_at is not None
    return schedule.next_at


def test_programs_that_share_a_schedule_run_each_time_once(installed: Installation) -> None:
    """APScheduler #231 #655 #959 (N workers, N runs); background_fetch #248 (sent twice)."""
    with ExitStack() as stack:
        programs = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(installed.script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
            for _ in range(4)
        ]
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == b"\n"
        begun = len(runs(installed))
        until(lambda: len(runs(installed)) >= begun + 20)
        for program in programs:
            assert program.stdin is not None
            program.stdin.close()
        assert [program.wait() for program in programs] == [0] * 4
    made = installed.app.jobs.list(key="tick", order="id", limit=10_000)
    dues = [datetime.fromisoformat(job.meta["due"]) for job in made]
    assert sorted(set(dues)) == dues
    assert round((dues[-1] - dues[0]) / SPAN) == len(made) - 1
    assert {job.attempts for job in made if job.status is JobStatus.COMPLETED} == {1}


def test_a_schedule_goes_on_when_the_program_that_made_it_has_ended(installed: Installation) -> None:
    """workmanager #363: nothing runs once the app is closed."""
    done = installed.run("leave")
    assert done.returncode == 0, done.stderr
    before = len(runs(installed))
    until(lambda: len(runs(installed)) >= before + 5)


def test_another_frequency_holds_at_once_for_a_service_that_sleeps(installed: Installation) -> None:
    """workmanager #622 (KEEP kept the old frequency in silence)."""
    installed.app.schedules.add("it", job="tick", every="400d")
    installed.start()
    until(lambda: len(runs(installed)) == 1)

    installed.app.schedules.add("it", job="tick", every="200ms")
    until(lambda: len(runs(installed)) >= 4)

    installed.app.schedules.pause("it")
    until(lambda: not installed.app.jobs.list(key="tick", status=[JobStatus.PENDING, JobStatus.RUNNING]))
    still = len(runs(installed))
    installed.app.jobs.wait(installed.app.enqueue("tick").id, 20)
    assert len(runs(installed)) == still + 1


def test_a_long_run_is_not_overlapped_and_can_be_cancelled_and_told_why(installed: Installation) -> None:
    """workmanager #456 (overlapping runs), #432 #451 (running work cannot be cancelled, or told why)."""
    installed.app.schedules.add("it", job="linger", every="200ms")
    installed.start()
    until((installed.folder / "lingering").exists)
    [running] = installed.app.jobs.list(key="linger")
    until(lambda: waits_since(installed) < datetime.now(UTC) - 5 * SPAN)
    assert [job.id for job in installed.app.jobs.list(key="linger")] == [running.id]

    installed.app.jobs.cancel(running.id)
    until(lambda: (installed.folder / "told").exists() and (installed.folder / "told").read_text())
    assert (installed.folder / "told").read_text() == "cancelled"
    until(lambda: len(installed.app.jobs.list(key="linger")) == 2)
    [first, _] = installed.app.jobs.list(key="linger", order="id")
    assert first.status is JobStatus.CANCELLED
