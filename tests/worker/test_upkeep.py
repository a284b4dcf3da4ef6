"""Upkeep, step by step, on a real store: what is due, what was lost, what is old, what is not yet safe."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import outsider
from tests.worker.rig import opened
from windlass.clock import monotonic, next_minute
from windlass.context.tempdirs import make_tempdir, temp_root
from windlass.job import JobStatus
from windlass.living import STALE_US, lock_state
from windlass.outcome import Completed
from windlass.store.hosts import SILENT_US
from windlass.store.protocol import Claim, ClaimRequest, NewJob, Settlement
from windlass.testing import ManualClock
from windlass.worker.lease import REST_S, Lease
from windlass.worker.membership import Membership, identity
from windlass.worker.upkeep import Upkeep

DAY_US = 86_400_000_000


class House:
    """A store, two dispatchers registered on it, and the first one's upkeep."""

    def __init__(self, folder: Path, database: str) -> None:
        self.clock = ManualClock()
        self.clock.advance("1h")
        self.database = database
        self.store = opened(database, self.clock, 10.0)
        self.store.migrate()
        self.folder = folder / "locks" / "dispatchers"
        self.lease, self.other = Lease(self.folder, self.clock), Lease(self.folder, self.clock)
        self.member = Membership(self.store, self.lease, identity("test", "service", None, "here", ()))
        self.owner = self.member.enter()
        self.member.look(monotonic())
        self.neighbour = self.register(self.other)
        self.upkeep = Upkeep(
            self.store, self.lease, self.member, self.clock, retention_us=7 * DAY_US, retention_count=1000
        )
        # What is done once a minute is done at whole ones.
        self.now = next_minute(monotonic())

    def register(self, lease: Lease) -> int:
        lease.take()
        return self.store.register(
            host="here", pid=1, lock_file=str(lease.path), version="test", mode="service", job_keys=None
        )

    def run(self, *, after_s: float = 0.0) -> bool:
        self.now += after_s
        return self.upkeep.run(self.now)

    def claim(self, owner: int) -> Claim:
        [inserted] = self.store.insert([NewJob(key="k")])
        request = ClaimRequest(owner, 1, dict.fromkeys(self.store.lanes(), 1), lambda _: True)
        [claim] = self.store.settle_and_claim([], request).claimed
        assert claim.job_id == inserted.job_id
        return claim

    def status(self, job_id: int) -> JobStatus | None:
        job = self.store.get(job_id)
        return None if job is None else job.status

    def close(self) -> None:
        self.lease.give_up()
        self.other.give_up()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = House(tmp_path, database_url)
    yield made
    made.close()


def test_a_due_job_is_promoted_and_the_next_look_is_planned(house: House):
    house.store.insert([NewJob(key="k", delay_us=2_500_000), NewJob(key="k", delay_us=9_000_000)])
    assert not house.run()
    assert house.store.lanes() == []
    house.upkeep.look_for_due(house.now)
    house.clock.advance("2500ms")
    assert house.run(after_s=2.5)
    assert len(house.store.lanes()) == 1
    assert house.store.promote().next_due_us == 6_500_000


def test_a_job_put_off_for_long_is_looked_for_every_minute_whatever_the_wall_clock_does(house: House):
    house.run()
    house.clock.advance("30d")
    house.store.insert([NewJob(key="k", run_at_us=house.clock.wall_us() + 40 * DAY_US)])
    house.run(after_s=61)
    house.clock.jump(house.clock.now.replace(year=house.clock.now.year + 1))
    assert house.run(after_s=61)
    assert len(house.store.lanes()) == 1


def test_a_deadline_is_looked_for_at_its_own_time_and_not_before(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    inserted = house.store.insert([NewJob(key="k", delay_us=9 * DAY_US, deadline_in_us=30_000_000)])
    looks: list[float] = []
    expire = house.store.expire
    monkeypatch.setattr(house.store, "expire", lambda: (looks.append(house.now), expire())[1])
    house.run()
    for _ in range(29):
        house.clock.advance(1)
        house.run(after_s=1)
    assert len(looks) == 1
    assert house.status(inserted[0].job_id) == JobStatus.PENDING
    house.clock.advance(1)
    assert house.run(after_s=1)
    assert house.status(inserted[0].job_id) == JobStatus.FAILED


def test_many_missed_deadlines_are_dealt_with_in_bounded_steps_without_a_pause(house: House):
    house.store.insert([NewJob(key="k", deadline_in_us=1_000_000) for _ in range(1201)])
    house.run()
    house.clock.advance(1)
    house.now += 1
    failed: list[int] = []
    while house.upkeep.next_run <= house.now and house.run():
        failed.append(house.store.counts()[JobStatus.FAILED])
    assert failed == [500, 1000, 1201]


def test_jobs_of_a_dead_dispatcher_come_back_and_its_lock_file_goes(house: House):
    claim = house.claim(house.neighbour)
    assert not house.run(after_s=2)
    house.other._lock.release()  # as its process does when it dies
    assert house.other.path.exists()
    assert house.run(after_s=2)
    assert house.status(claim.job_id) == JobStatus.PENDING
    assert not house.other.path.exists()
    assert [row.id for row in house.store.dispatchers()] == [house.owner]


@pytest.mark.sqlite
def test_jobs_of_a_frozen_dispatcher_come_back_and_it_stays_registered(house: House):
    claim = house.claim(house.neighbour)
    house.clock.advance(STALE_US / 1_000_000 + 1)
    house.lease.beat()
    assert house.run(after_s=2)
    assert house.status(claim.job_id) == JobStatus.PENDING
    assert [row.id for row in house.store.dispatchers()] == [house.owner, house.neighbour]
    late = Settlement(claim.job_id, claim.attempt, claim.token, Completed())
    assert house.store.settle_and_claim([late]).stale == [late]


def test_jobs_of_a_silent_dispatcher_come_back_once_one_can_judge_it(tmp_path: Path, postgres_ready_url: str):
    """On a server silence decides; it is of no use to the others whether such a one is dead or frozen."""
    house = House(tmp_path, postgres_ready_url)
    claim = house.claim(house.neighbour)
    outsider.run(
        house.database,
        "UPDATE windlass_dispatchers SET seen_at = seen_at - ? WHERE id = ?",
        SILENT_US + 1,
        house.neighbour,
    )
    house.now = max(house.now, house.member.next_look)  # the minute may begin before the next pulse
    house.member.look(house.now)
    assert not house.run(after_s=2)  # it has not itself been heard of for long enough
    house.now += SILENT_US / 1_000_000
    assert house.run()
    assert house.status(claim.job_id) == JobStatus.PENDING
    assert [row.id for row in house.store.dispatchers()] == [house.owner]
    late = Settlement(claim.job_id, claim.attempt, claim.token, Completed())
    assert house.store.settle_and_claim([late]).stale == [late]
    house.close()


def test_its_own_jobs_are_never_taken_for_lost(house: House):
    claim = house.claim(house.owner)
    house.clock.advance("1h")
    house.run(after_s=2)
    assert house.status(claim.job_id) == JobStatus.RUNNING


def test_the_pulse_is_beaten_every_few_seconds(house: House):
    house.upkeep.beat(house.now)
    first = house.lease.path.read_text()
    house.clock.advance("10s")
    house.upkeep.beat(house.now + 1)
    assert house.lease.path.read_text() == first
    house.upkeep.beat(house.now + 6)
    assert pulse_of(house.lease) == int(first.split()[0]) + 10_000_000


def pulse_of(lease: Lease) -> int:
    return int(lease.path.read_text().split()[0])


def test_a_dispatcher_without_jobs_beats_once_a_minute_and_at_once_when_it_takes_some(house: House):
    minute = next_minute(house.now)
    house.upkeep.beat(minute, lambda: False)
    rested = pulse_of(house.lease)
    house.clock.advance("59s")
    house.upkeep.beat(minute + 59.9, lambda: False)
    assert pulse_of(house.lease) == rested
    assert lock_state(str(house.lease.path), house.clock) == "resting"
    house.upkeep.wake(minute + 59.9)
    assert pulse_of(house.lease) == rested + 59_000_000
    assert lock_state(str(house.lease.path), house.clock) == "alive"
    house.clock.advance(STALE_US / 1_000_000 + 1)
    assert lock_state(str(house.lease.path), house.clock) == "frozen"


def test_only_those_that_hold_jobs_are_looked_at_every_second(house: House):
    house.run(after_s=6)
    house.run(after_s=1)
    house.upkeep.beat(house.now)
    assert house.upkeep.next_run == house.now + 1
    house.other.beat(REST_S)
    house.run(after_s=1)
    house.upkeep.beat(house.now + 60, lambda: False)
    assert house.upkeep.next_run == next_minute(house.now)
    claim = house.claim(house.neighbour)
    house.other.beat()
    house.upkeep.heard(house.now)
    house.run(after_s=1)
    house.other._lock.release()
    assert house.run(after_s=1)
    assert house.status(claim.job_id) == JobStatus.PENDING


@pytest.mark.sqlite
def test_a_frozen_one_that_has_lost_its_jobs_is_looked_at_every_minute(house: House):
    house.run(after_s=6)
    claim = house.claim(house.neighbour)
    house.clock.advance(STALE_US / 1_000_000 + 1)
    house.run(after_s=2)
    assert house.status(claim.job_id) == JobStatus.PENDING
    house.run(after_s=1)
    house.upkeep.beat(house.now, lambda: False)
    assert house.upkeep.next_run == next_minute(house.now)


def test_writers_that_ring_all_the_time_bring_one_look_a_second(house: House):
    house.run(after_s=6)
    begun, looks = house.now, 0
    dispatchers = house.store.dispatchers
    with pytest.MonkeyPatch.context() as patch:

        def counted() -> Any:
            nonlocal looks
            looks += 1
            return dispatchers()

        patch.setattr(house.store, "dispatchers", counted)
        while house.now < begun + 10:
            house.upkeep.heard(house.now)
            house.run(after_s=0.05)
    assert 9 <= looks <= 11


def test_old_jobs_are_pruned_step_by_step_while_work_goes_on(house: House):
    """authentik #22713 (purges only when idle): each step has its own time, and does not wait for quiet."""
    for _ in range(3):
        house.store.insert([NewJob(key="k")] * 400)
    outsider.run(house.database, "UPDATE background_service_jobs SET status = 'COMPLETED', finished_at = 1")
    left = []
    for _ in range(4):
        house.upkeep.commits += 1
        house.run(after_s=6 if not left else 0.03)
        left.append(house.store.counts()[JobStatus.COMPLETED])
    assert left == [700, 200, 0, 0]


def test_temporary_folders_that_a_crash_left_are_removed_once_nobody_uses_them(house: House):
    root = temp_root(house.store)
    running = house.claim(house.owner)
    kept = make_tempdir(root, running.job_id, 1)
    left = make_tempdir(root, running.job_id + 1, 1)
    house.run(after_s=6)
    assert kept.is_dir()
    assert not left.exists()


@pytest.mark.sqlite
def test_quick_commits_are_made_durable_within_a_second(house: House):
    house.run()
    house.claim(house.owner)
    house.upkeep.commits += 1
    assert house.store.database._unsealed
    house.run(after_s=0.01)
    house.run(after_s=0.6)
    assert not house.store.database._unsealed


def test_nothing_is_due_before_the_next_minute_when_nothing_happens(house: House):
    house.other._lock.release()
    house.run(after_s=6)
    house.run(after_s=6)
    house.upkeep.beat(house.now, lambda: False)
    assert house.upkeep.next_run == next_minute(house.now)


@pytest.mark.sqlite
def test_a_reader_that_pins_the_log_for_a_minute_is_told_of(house: House, caplog: pytest.LogCaptureFixture):
    reader = sqlite3.connect(house.store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM background_service_jobs").fetchone()
    house.run()
    with caplog.at_level(logging.WARNING, logger="windlass.worker"):
        for _ in range(70):
            for _ in range(20):
                house.store.insert([NewJob(key="k", payload=f'{{"x":"{"x" * 60_000}"}}')], durability="fast")
            house.upkeep.commits += 20
            house.run(after_s=0.01)
            house.run(after_s=1)
            if caplog.records:
                break
    assert "a reader has kept" in caplog.text
    reader.close()
