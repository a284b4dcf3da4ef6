"""Schedules as rows: what is due on each clock, and who of many may make its jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.store.conformance.steps import SECOND, the
from windlass.schedule import Spec, to_text
from windlass.store.protocol import NewJob, Store
from windlass.store.timetable import ScheduleRow
from windlass.testing import ManualClock


def put(store: Store, name: str, after_s: int, **spec: Any) -> ScheduleRow:
    """A schedule that is due so many seconds from now."""
    if not spec.keys() & {"cron", "once"}:
        spec["every"] = 3600 * SECOND
    made, now = Spec(**spec), store.instant()
    row = ScheduleRow(name=name, job_key="k", payload='{"n":1}', spec=to_text(made))
    row = row.waiting_for(made.rule, now.on_clock_of(made.rule) + after_s * SECOND, now)
    assert store.put_schedule(row, replaces=None)
    return row


def due(store: Store) -> list[tuple[str, bool]]:
    return [(row.name, busy) for row, busy in store.due_schedules(store.instant())]


def next_s(store: Store) -> float | None:
    wait_us = store.next_schedule_us(store.instant())
    return None if wait_us is None else wait_us / SECOND


class Scheduling:
    def test_a_schedule_is_kept_as_it_was_put(self, store: Store, clock: ManualClock) -> None:
        assert store.schedule("a") is None
        assert store.schedules() == []
        second, first = put(store, "b", 5), put(store, "a", 9, cron="0 3 * * *", tz="UTC")
        assert store.schedules() == [first, second]
        assert store.schedule("b") == second
        assert (first.boot_id, second.boot_id) == (None, store.instant().boot_id)

    def test_one_writer_of_a_turn_wins(self, store: Store, clock: ManualClock) -> None:
        row = put(store, "a", 5)
        assert not store.put_schedule(row, replaces=None)
        assert store.put_schedule(msgspec.structs.replace(row, paused=True), replaces=0)
        assert not store.put_schedule(row, replaces=0)
        kept = store.schedule("a")
        assert kept is not None
        assert (kept.paused, kept.turn) == (True, 1)
        assert store.drop_schedule("a")
        assert not store.drop_schedule("a")

    def test_each_is_due_on_its_own_clock(self, store: Store, clock: ManualClock) -> None:
        put(store, "elapsed", 10)
        put(store, "wall", 20, cron="0 3 * * *", tz="UTC")
        assert (due(store), next_s(store)) == ([], 10)
        clock.jump(clock.now.replace(year=2030))
        assert (due(store), next_s(store)) == ([("wall", False)], 10)
        clock.jump(clock.now.replace(year=2020))
        clock.advance(10)
        assert due(store) == [("elapsed", False)]

    def test_what_is_paused_or_never_again_is_not_due(self, store: Store, clock: ManualClock) -> None:
        row = put(store, "a", 0)
        store.put_schedule(msgspec.structs.replace(row, paused=True), replaces=0)
        put(store, "b", 0, once=1)
        assert due(store) == [("b", False)]
        over = msgspec.structs.replace(row, name="b", next_at_us=None, next_boot_us=None, boot_id=None)
        store.put_schedule(over, replaces=0)
        assert (due(store), next_s(store)) == ([], None)

    def test_another_boots_times_are_found(self, store: Store, clock: ManualClock) -> None:
        row = put(store, "a", 10)
        put(store, "b", 10, cron="0 3 * * *", tz="UTC")
        assert store.strange_schedules() == []
        clock.reboot()
        assert store.strange_schedules() == [row]
        assert next_s(store) == 10

    def test_what_goes_by_elapsed_time_is_told_anew_where_the_clock_was_set(
        self, store: Store, clock: ManualClock
    ) -> None:
        put(store, "elapsed", 10)
        row = put(store, "paused", 20)
        store.put_schedule(msgspec.structs.replace(row, paused=True), replaces=0)
        wall = put(store, "wall", 30, cron="0 3 * * *", tz="UTC")
        before = {row.name: row for row in store.schedules()}
        clock.advance(5)
        assert store.retell_schedules(store.instant()) == 0
        clock.jump(clock.now + timedelta(days=90))
        assert store.retell_schedules(store.instant()) == 2
        assert store.retell_schedules(store.instant()) == 0
        told = {row.name: row for row in store.schedules()}
        for name in ("elapsed", "paused"):
            moved_us = (told[name].next_at_us or 0) - (before[name].next_at_us or 0)
            assert moved_us == 90 * 86_400 * SECOND
            assert told[name].next_boot_us == before[name].next_boot_us
            # Who has read it before, and writes it whole, would write the old time.
            assert told[name].turn == before[name].turn + 1
        assert told["wall"] == wall

    def test_of_another_boot_nothing_is_told_anew(self, store: Store, clock: ManualClock) -> None:
        row = put(store, "a", 10)
        clock.reboot()
        clock.jump(clock.now + timedelta(days=90))
        assert store.retell_schedules(store.instant()) == 0
        assert store.schedules() == [row]

    def test_the_next_wait_is_as_long_as_flex_allows(self, store: Store, clock: ManualClock) -> None:
        put(store, "a", 10, flex=30 * SECOND)
        assert next_s(store) == 40
        put(store, "b", 20, cron="0 3 * * *", tz="UTC", flex=15 * SECOND)
        assert next_s(store) == 35
        put(store, "c", 33)
        assert next_s(store) == 33
        put(store, "d", 36)
        assert next_s(store) == 33

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_a_row_and_its_jobs_are_one_commit(self, store: Store, clock: ManualClock, count: int) -> None:
        row = put(store, "a", 0)
        after = msgspec.structs.replace(row, last_at_us=7)
        made = store.fire_schedule(after, [NewJob(key="k")] * count, replaces=0)
        assert made is not None
        assert len(made) == count
        assert [the(store, job.job_id).key for job in made] == ["k"] * count
        kept = store.schedule("a")
        assert kept is not None
        assert (kept.last_at_us, kept.last_job, kept.turn) == (7, made[-1].job_id if made else None, 1)

    def test_who_comes_later_makes_nothing(self, store: Store, clock: ManualClock) -> None:
        row = put(store, "a", 0)
        assert store.fire_schedule(row, [NewJob(key="k")], replaces=0) is not None
        assert store.fire_schedule(row, [NewJob(key="k")], replaces=0) is None
        assert sum(store.counts().values()) == 1

    def test_one_that_must_not_overlap_waits(self, store: Store, clock: ManualClock) -> None:
        row = put(store, "a", 0)
        job = row.job(Spec(every=SECOND), 0)
        assert store.fire_schedule(row, [job], replaces=0) is not None
        assert due(store) == [("a", True)]
        assert store.fire_schedule(row, [job], replaces=1) is None
        free = row.job(Spec(every=SECOND, overlap=True), 0)
        assert store.fire_schedule(row, [free, free], replaces=1) is not None
        assert sum(store.counts().values()) == 3
