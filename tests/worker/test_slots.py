"""Jobs under a rate in real isolates and threads: they start at once or not at all, and are not starved."""

from __future__ import annotations

from types import SimpleNamespace

from tests.service.waiting import until
from tests.worker.rig import Rig
from windlass.clock import monotonic
from windlass.store.protocol import Claim, Lane
from windlass.worker.isolates import IsolatePool
from windlass.worker.threads import ThreadPool
from windlass.worker.traits import Traits


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


QUICK = Lane(False, "default", "quick")
RATED = Claim(7, "quick", None, 1, 3, 7, None, "default", False, 0, start_by_us=1 << 60)


def test_nothing_is_put_behind_other_jobs_while_one_under_a_rate_finds_no_isolate_free() -> None:
    """Isolates that always had the next job already would never be free for it."""
    placed: list[Claim] = []
    child = SimpleNamespace(
        has_room=lambda most: child.queued < most, backlog_us=100.0, queued=1,
        place=lambda claim, *_, **__: placed.append(claim),
    )  # fmt: skip
    pool = IsolatePool("nowhere:app", lambda _: Traits(), count=1)
    pool._children = [child]  # type: ignore[list-item]
    pool._estimates.learn("quick", 100.0)
    assert pool.cap(QUICK) > 1
    assert not pool.place(RATED)
    assert pool.cap(QUICK) == 0
    child.queued = 0
    assert pool.place(RATED)
    assert placed == [RATED]
    child.queued = 1
    assert pool.cap(QUICK) > 1


def test_nothing_is_queued_for_threads_while_one_under_a_rate_finds_none_free() -> None:
    pool = ThreadPool(lambda *_: None, lambda _: Traits(), threads=1)  # type: ignore[arg-type,return-value]
    pool._estimates.learn("quick", 100.0)
    pool._sync[1] = RATED._replace(job_id=1)
    assert pool.cap(QUICK) > 1
    assert not pool.place(RATED)
    assert pool.cap(QUICK) == 0
    pool._sync.clear()
    assert pool.cap(QUICK) == 1
    assert pool.place(RATED)
    assert pool.cap(QUICK) > 1
    pool._news.close()


def test_scaled_isolates_come_and_go_without_harm_to_jobs(rig: Rig) -> None:
    crew = rig.crew(isolates=1)
    ids = rig.enqueue_many("nap", [{"ms": 2, "name": "n"}] * 300)
    for count in (3, 1, 2, 1):
        crew.dispatcher.scale(count)
        until(lambda count=count: len(crew.isolates()) == count)
        rig.pids.update(crew.isolates())
    assert [job.attempts for job in rig.ended(*ids)] == [1] * 300
    assert len(rig.diary("start", "n")) == 300
