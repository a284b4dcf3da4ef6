"""Made to stop for another, or because the time is over: in real isolates, by a real dispatcher."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.waiting import gone, until
from tests.worker.rig import Rig
from windlass import JobStatus

COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
PENDING = JobStatus.PENDING
MISSED = "DeadlineMissed: it had not completed by its deadline"


def unique(existing: str = "keep", **more: Any) -> dict[str, Any]:
    return {"unique": "u", "existing": existing, **more}


@pytest.mark.parametrize("key", ["listening", "waiting"])
def test_a_running_job_hears_that_it_is_replaced_and_the_new_one_runs(rig: Rig, key: str) -> None:
    rig.crew("stopped")
    old = rig.enqueue(key, name="old", options=unique())
    rig.begun("old")
    new = rig.enqueue("quick", n=7, options=unique("replace"))
    first, second = rig.ended(old, new)
    assert (first.status, first.reason) == (CANCELLED, "replaced")
    assert len(rig.diary("told replaced", "old")) == 1
    assert (second.status, second.result) == (COMPLETED, 7)


def test_a_job_that_does_not_stop_for_its_replacement_is_killed(rig: Rig) -> None:
    crew = rig.crew("stopped", cancel_grace_s=0.2)
    [pid] = crew.isolates()
    old = rig.enqueue("stubborn", name="old", options=unique())
    rig.begun("old")
    new = rig.enqueue("quick", options=unique("replace"))
    first, second = rig.ended(old, new)
    assert (first.status, first.reason) == (CANCELLED, "replaced")
    assert second.status is COMPLETED
    assert gone(pid)


def test_runs_of_one_name_never_overlap_however_often_it_is_replaced(rig: Rig) -> None:
    """workmanager #456: overlapping runs."""
    rig.crew("stopped", isolates=2)
    ids = [rig.enqueue("listening", name=str(n), options=unique("replace")) for n in range(6)]
    until(lambda: rig.diary("start", "5"))
    rig.jobs.cancel(unique="u")
    rig.ended(*ids)
    story = [entry["what"].split()[0] for entry in rig.diary() if entry["name"].isdigit()]
    assert story == ["start", "told"] * (len(story) // 2)


def test_what_is_appended_runs_in_its_order_on_many_isolates(rig: Rig) -> None:
    rig.crew("stopped", isolates=2)
    names = [str(n) for n in range(20)]
    for name in names:
        rig.open(name)
    ids = [rig.enqueue("saved", name=name, options=unique("append")) for name in names]
    assert {job.status for job in rig.ended(*ids)} == {COMPLETED}
    assert [(entry["what"], entry["name"]) for entry in rig.diary() if entry["name"] in names] == [
        (what, name) for name in names for what in ("start", "end")
    ]


def test_calls_while_it_runs_are_one_more_run(rig: Rig) -> None:
    """An editor that saves: one run for many calls, and one more for those that came too late."""
    rig.crew("stopped")
    debounce = {"unique": "save", "debounce": "50ms", "debounce_most": "10s"}
    first = rig.enqueue("saved", name="a", options=debounce)
    rig.begun("a")
    told = [rig.app.enqueue("saved", {"name": name}, **debounce) for name in ("b", "c", "d")]  # type: ignore[arg-type]
    assert [job.disposition for job in told] == ["appended", "debounced", "debounced"]
    rig.open("a")
    rig.open("d")
    assert {job.status for job in rig.ended(first, told[0].id)} == {COMPLETED}
    assert [entry["name"] for entry in rig.diary("start") if len(entry["name"]) == 1] == ["a", "d"]


def test_a_waiting_job_fails_at_its_deadline_though_nobody_rings(rig: Rig) -> None:
    rig.crew("stopped", poll_s=60)
    job_id = rig.enqueue("quick", options={"delay": "1h", "deadline": "300ms"})
    assert "its deadline is" in rig.jobs.why(job_id).reason
    [job] = rig.ended(job_id)
    assert (job.status, job.reason, job.last_error, job.attempts) == (FAILED, "deadline", MISSED, 0)
    assert rig.jobs.why(job_id).reason == f"it is FAILED (deadline): {MISSED}"


@pytest.mark.parametrize("key", ["listening", "waiting"])
def test_a_running_job_hears_that_its_time_is_over_and_has_failed(rig: Rig, key: str) -> None:
    """workmanager #432 #451: running work cannot be told why it stopped."""
    rig.crew("stopped")
    job_id = rig.enqueue(key, name="late", options={"deadline": "500ms", "max_attempts": 9})
    [job] = rig.ended(job_id)
    assert (job.status, job.reason, job.last_error) == (FAILED, "deadline", MISSED)
    assert len(rig.diary("told deadline", "late")) == len(rig.diary("start", "late"))


def test_a_job_that_does_not_stop_at_its_deadline_is_killed_and_blames_no_neighbour(rig: Rig) -> None:
    crew = rig.crew("stopped", cancel_grace_s=0.2)
    [pid] = crew.isolates()
    neighbour = rig.enqueue("waiting", name="neighbour")
    rig.begun("neighbour")
    job_id = rig.enqueue("stubborn", name="late", options={"deadline": "1s"})
    [job] = rig.ended(job_id)
    assert (job.status, job.reason) == (FAILED, "deadline")
    rig.begun("neighbour", 2)
    assert gone(pid)
    assert (rig.job(neighbour).attempts, rig.job(neighbour).crashes) == (1, 0)
    rig.jobs.cancel(neighbour)
    rig.ended(neighbour)


def test_everything_of_a_tag_is_told_to_stop(rig: Rig) -> None:
    rig.crew("stopped")
    running = rig.enqueue("waiting", name="running", options={"tags": ["import"]})
    rig.begun("running")
    later = rig.enqueue("quick", options={"tags": ["import"], "delay": "1h"})
    other = rig.enqueue("quick", options={"delay": "1h"})
    assert rig.jobs.cancel(tag="import") == {running: JobStatus.RUNNING, later: CANCELLED}
    rig.ended(running)
    assert len(rig.diary("told cancelled", "running")) == 1
    assert rig.status(other) is PENDING
