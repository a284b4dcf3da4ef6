"""Jobs under a rate in real isolates and threads: they start at once or not at all, and are not starved."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.service.waiting import until
from tests.worker.rig import Rig
from windlass import JobStatus, Windlass
from windlass.clock import monotonic


def test_the_dispatcher_sleeps_until_the_next_slot(rig: Rig) -> None:
    crew = rig.crew(poll_s=30.0)
    rig.app.limits.set(key="quick", rate="1/h")
    first, _ = (rig.enqueue("quick") for _ in range(2))
    rig.ended(first)
    dispatcher = crew.dispatcher

    def rests() -> bool:
        return not dispatcher._work_likely and dispatcher._slots.next_at > monotonic() + 3000

    until(lambda: crew.on_its_thread(rests))


def test_a_slot_wakes_the_dispatcher_with_no_ring(rig: Rig) -> None:
    rig.crew(poll_s=30.0)
    rig.app.limits.set(key="quick", rate="2/s")
    ids = [rig.enqueue("quick") for _ in range(4)]
    rig.ended(*ids, patience_s=15)


@pytest.mark.parametrize("priority", [9, 0])
def test_quick_jobs_without_end_do_not_starve_one_under_a_rate(rig: Rig, priority: int) -> None:
    """Isolates that always have the next job already are let run empty for it."""
    rig.app.limits.set(key="nap", rate="50/s")
    rated: list[int] = []
    crew = rig.crew()
    rig.enqueue_many("quick", [{}] * 2000)
    until(lambda: rig.jobs.counts()[JobStatus.COMPLETED] > 200)
    rated.append(rig.enqueue("nap", ms=0, name="n", options={"priority": priority}))
    rig.enqueue_many("quick", [{}] * 8000)
    rig.ended(*rated)
    assert rig.jobs.counts()[JobStatus.PENDING] > 0
    crew.check()


def test_quick_jobs_in_threads_do_not_starve_one_under_a_rate(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db")
    ran = threading.Event()

    @app.job
    def quick() -> None: ...

    @app.job(rate="50/s")
    def rated() -> None:
        ran.set()

    with app.running(threads=1):
        app.enqueue_many("quick", [{}] * 2000)
        until(lambda: app.jobs.counts()[JobStatus.COMPLETED] > 200)
        rated.using(priority=9).enqueue()
        app.enqueue_many("quick", [{}] * 8000)
        assert ran.wait(20)
        assert app.jobs.counts()[JobStatus.PENDING] > 0
        app.queues.pause("default")
    app.close()


def test_scaled_isolates_come_and_go_without_harm_to_jobs(rig: Rig) -> None:
    crew = rig.crew(isolates=1)
    ids = rig.enqueue_many("nap", [{"ms": 2, "name": "n"}] * 300)
    for count in (3, 1, 2, 1):
        crew.dispatcher.scale(count)
        until(lambda count=count: len(crew.isolates()) == count)
        rig.pids.update(crew.isolates())
    assert [job.attempts for job in rig.ended(*ids)] == [1] * 300
    assert len(rig.diary("start", "n")) == 300
