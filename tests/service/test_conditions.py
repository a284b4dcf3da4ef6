"""Conditions in a real background service: the app's own, asked in its process, and seen from others."""

from __future__ import annotations

import os
import signal

from tests.service.conftest import Installation
from tests.service.waiting import until
from windlass import Constraints, JobStatus
from windlass.facts import DeviceState

PROGRAM = """
from __future__ import annotations

from pathlib import Path

from windlass import Constraints, Context, Windlass

HERE = Path(__file__).parent
app = Windlass(HERE / "app.db", isolates=1)


@app.condition("docked", every="100ms")
def docked():
    return (HERE / "dock").exists() or "the laptop is not in its dock"


@app.condition("broken", every="100ms")
def broken():
    raise RuntimeError("no such sensor")


@app.job(constraints=Constraints(when="docked"), max_attempts=1)
def copy(ctx: Context) -> None:
    with (HERE / "diary").open("a") as diary:
        print("begun", file=diary, flush=True)
        ctx.wait_cancelled(60)
        print(ctx.stop_reason, file=diary, flush=True)
    ctx.raise_if_cancelled()


@app.on_start
def begin(service, db) -> None:
    import os

    service.on("where", lambda data: [os.getpid(), data])
"""


def test_a_service_starts_and_stops_work_by_the_apps_own_condition(installed: Installation) -> None:
    installed.script.write_text(PROGRAM)
    dock, diary = installed.folder / "dock", installed.folder / "diary"
    jobs = installed.app.jobs
    job_id = installed.app.enqueue("copy", constraints=Constraints(when="docked")).id
    assert jobs.why(job_id).reason.endswith("then it waits for its conditions: when docked")
    installed.start()
    installed.processes()
    until(lambda: "the laptop is not in its dock: when waits for docked (since 20" in jobs.why(job_id).reason)
    dock.touch()
    until(lambda: diary.exists() and diary.read_text() == "begun\n")
    dock.unlink()
    until(lambda: diary.read_text() == "begun\nconstraint\n")
    until(lambda: jobs.why(job_id).code == "constraint")
    job = jobs.get(job_id)
    assert job is not None
    assert (job.status, job.attempts, jobs.attempts(job_id)) == (JobStatus.PENDING, 0, [])


def test_a_dispatcher_that_is_killed_says_nothing_more_and_the_next_one_goes_on(
    installed: Installation,
) -> None:
    installed.script.write_text(PROGRAM)
    store, jobs = installed.app.store, installed.app.jobs
    job_id = installed.app.enqueue("copy", constraints=Constraints(when="broken")).id
    installed.start()
    first = installed.processes()["dispatcher"]
    until(lambda: "no such sensor" in jobs.why(job_id).reason)
    [before] = store.devices()
    os.kill(first, signal.SIGKILL)
    until(lambda: [row.owner for row in store.devices()] not in ([], [before.owner]))
    until(lambda: len(store.devices()) == 1)
    until(lambda: "no such sensor" in jobs.why(job_id).reason)
    [after] = store.devices()
    assert DeviceState.from_text(after.state).facts.keys() == {"when broken"}
    installed.processes()
    assert installed.service.stop()
    assert store.devices() == []
