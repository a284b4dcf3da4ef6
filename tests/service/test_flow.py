"""Fan-out and fan-in under a real service that is killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests import outsider
from tests.service import fanning
from tests.service.conftest import Installation
from tests.service.waiting import gone, until
from windlass import JobStatus, group

PATIENCE_S = 500.0


@pytest.fixture
def fanned(installed: Installation) -> Installation:
    shutil.copy(Path(str(fanning.__file__)), installed.script)
    return installed


def effects(installed: Installation) -> list[int]:
    with outsider.connected(installed.database) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM effects ORDER BY number")]


def test_many_jobs_fan_out_and_in_through_kills_and_each_has_its_effect_once(fanned: Installation) -> None:
    fan_out_and_in(fanned, 400)


@pytest.mark.sqlite
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_so_do_ten_thousand(fanned: Installation) -> None:
    fan_out_and_in(fanned, 10_000)


def fan_out_and_in(fanned: Installation, many: int) -> None:
    app = fanned.app
    with app.transaction() as connection:
        connection.execute("CREATE TABLE effects (number INTEGER NOT NULL)")
    parts = group(app.step("part", {"number": number}) for number in range(many))
    flow = parts.then(app.step("total")).enqueue()
    end = flow.ids[-1]
    job = app.jobs.get(end)
    assert job
    assert job.hold == f"waits for {many} jobs"
    fanned.start()

    # The dispatcher first: its supervisor starts another. Then all of it, as a power cut would.
    until(lambda: flow.status().completed > many // 10, patience_s=PATIENCE_S)
    os.kill(fanned.processes()["dispatcher"], signal.SIGKILL)
    until(lambda: flow.status().completed > many // 4, patience_s=PATIENCE_S)
    pids = fanned.processes()
    assert flow.status().completed < many
    for pid in (pids["supervisor"], pids["dispatcher"], pids["isolate"]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids.values()))
    until(lambda: not fanned.service.is_running())
    fanned.start()

    tally = flow.wait(PATIENCE_S)
    assert (tally.completed, tally.stuck) == (many + 1, False)
    assert effects(fanned) == [-1, *range(many)]
    job = app.jobs.get(end)
    assert job
    assert job.status is JobStatus.COMPLETED
    assert job.result == sum(range(many))
