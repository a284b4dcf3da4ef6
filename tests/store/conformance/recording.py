"""Figures of what was done, the audit log, and looks at what failed and what waits."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.store.conformance.steps import SECOND, add, claim, register, settle
from windlass.outcome import Completed, Failed, Retried
from windlass.store.activity import SPANS_KEPT, Figures
from windlass.store.audits import AUDITS_KEPT
from windlass.store.protocol import ClaimRequest, Store
from windlass.store.sketch import BUCKETS, bucket, to_bytes, to_counts, to_number
from windlass.testing import ManualClock


def figures(minute: int, owner: int = 1, key: str = "work", completed: int = 1, took_us: int = 50) -> Figures:
    counts = [0] * BUCKETS
    counts[bucket(took_us)] = completed
    return Figures(minute, owner, "default", key, completed, 0, 0, 0, 0, 0, 0, None, to_bytes(counts))


class Recording:
    def test_figures_are_kept_with_the_commit_that_seals(self, store: Store) -> None:
        given = [figures(100), figures(100, key="other"), figures(101)]
        store.seal(given)
        assert sorted(store.activity(100, 101)) == sorted(given)
        assert list(store.activity(101, 200)) == given[2:]

    def test_figures_of_one_minute_are_added_up(self, store: Store) -> None:
        store.seal([figures(100, completed=3)])
        store.seal([figures(100, completed=5, took_us=10**6)])
        [row] = store.activity(0, 1000)
        assert row.completed == 8
        counts = to_counts(to_number(row.runs))
        assert (counts[bucket(50)], counts[bucket(10**6)]) == (3, 5)
        assert row.waits is None

    def test_figures_that_come_late_are_added_to_a_minute_that_was_moved_on(self, store: Store) -> None:
        store.seal([figures(100, completed=3)])
        store.seal([figures(110)])
        store.seal([figures(100, completed=4), figures(111)])
        assert sum(one.completed for one in store.activity(100, 100)) == 7
        store.seal([figures(120)])
        for minutes in SPANS_KEPT:
            [row] = store.activity(90, 104, minutes=minutes)
            assert (row.minute, row.owner, row.completed) == (100 // minutes * minutes, 0, 7)
        assert sum(one.outcomes[0] for one in store.totals()) == 10

    def test_each_dispatcher_has_rows_of_its_own(self, store: Store) -> None:
        store.seal([figures(100, owner=1), figures(100, owner=2)])
        assert sorted(one.owner for one in store.activity(100, 100)) == [1, 2]

    @pytest.mark.parametrize("minutes", SPANS_KEPT)
    def test_a_span_adds_up_its_minutes_of_all_dispatchers(self, store: Store, minutes: int) -> None:
        # Three days, so that the oldest of it is gone.
        for minute in range(0, 4320, 3):
            store.seal([figures(minute, owner=1), figures(minute, owner=2, completed=2)])
        first = (4319 - SPANS_KEPT[minutes]) // 15 * 15 + 15
        found = Counter[int]()
        for one in store.activity(first, 4319, minutes=minutes):
            found[one.minute // minutes] += one.completed
            assert sum(to_counts(to_number(one.runs))) == one.completed
        assert found == Counter([minute // minutes for minute in range(first, 4320, 3) for _ in range(3)])
        rows = sum(1 for _ in store.activity(0, 4319, minutes=minutes))
        assert rows <= SPANS_KEPT[minutes] / minutes + 10
        assert sum(one.outcomes[0] for one in store.totals()) == 4320

    def test_a_span_tells_so_many_queues_and_keys_apart(self, store: Store) -> None:
        store.seal([figures(100, key=str(number)) for number in range(300)])
        for minute in range(103, 115):
            store.seal([figures(minute)])
        rows = list(store.activity(100, 100))
        assert len(rows) == 201
        assert max((one.completed, one.key) for one in rows) == (100, "…")

    def test_totals_count_on_when_their_minutes_are_gone(self, store: Store) -> None:
        store.seal([figures(100, completed=3), figures(100, owner=2, completed=2)])
        store.seal([figures(101, key="other"), figures(102, completed=1)])
        before = sorted(store.totals())
        told = [(one.key, one.outcomes[0], sum(one.runs)) for one in before]
        assert told == [("other", 1, 1), ("work", 6, 6)]
        for minute in range(103, 3500, 100):
            store.seal([figures(minute, key="late")])
            assert [one for one in sorted(store.totals()) if one.key != "late"] == before
        assert list(store.activity(0, 400, minutes=15)) == []

    def test_totals_tell_a_thousand_queues_and_keys_apart_and_none_of_them_falls(self, store: Store) -> None:
        before: dict[tuple[str, str], int] = {}
        for block in range(60):
            if block < 30:
                store.seal([figures(100 + block, key=f"{block}-{number}") for number in range(40)])
            else:
                store.seal([figures(100 + block, key="0-0")])
            told = {(one.queue, one.key): one.outcomes[0] for one in store.totals()}
            assert all(told[pair] >= count for pair, count in before.items())
            before = told
        assert sum(told.values()) == 1230
        assert len(told) == 1001
        assert told["default", "…"] == 200
        assert told["default", "0-0"] == 31

    def test_a_claim_says_how_long_its_jobs_had_been_ready(self, store: Store, clock: ManualClock) -> None:
        add(store)
        add(store, delay_us=5 * SECOND)
        clock.advance(8)
        store.promote()
        clock.advance(1)
        turn = store.settle_and_claim([], _all(store))
        assert [claim.job_id for claim in turn.claimed] == [1, 2]
        assert turn.waited_us == [9 * SECOND, 1 * SECOND]

    def test_a_retry_waits_from_when_it_was_due(self, store: Store, clock: ManualClock) -> None:
        add(store)
        clock.advance(7)
        settle(store, claim(store)[0], Retried("again", 0))
        clock.advance(2)
        assert store.settle_and_claim([], _all(store)).waited_us == [2 * SECOND]

    def test_failures_are_told_newest_first_with_the_first_line_of_the_error(
        self, store: Store, clock: ManualClock
    ) -> None:
        for text in ("ValueError: one\n  in a.py", "two"):
            add(store)
            settle(store, claim(store)[0], Failed(text, "permanent"))
            clock.advance(1)
        add(store)
        settle(store, claim(store)[0], Completed())
        assert [(one.message, one.reason) for one in store.failures()] == [
            ("two", "permanent"),
            ("ValueError: one", "permanent"),
        ]
        assert len(store.failures(1)) == 1

    def test_the_longest_wait_of_each_queue_and_key(self, store: Store, clock: ManualClock) -> None:
        low = add(store, priority=1)
        clock.advance(1)
        mail = add(store, "mail", queue="mail")
        add(store, priority=9)
        conditioned = add(store, "fetch", constraints='{"charging":true}')
        add(store, "later", delay_us=SECOND)
        found = store.longest_waits()
        assert [one.job_id for one in found] == [low, mail, conditioned]
        assert [(one.ready, one.ready_is_least) for one in found] == [(2, False), (1, False), (1, False)]
        [first] = store.longest_waits(1, count_to=1)
        assert (first.ready, first.ready_is_least) == (1, True)

    def test_who_has_what_runs(self, store: Store) -> None:
        owners = [register(store), register(store)]
        ids = [add(store) for _ in range(3)]
        claim(store, owners[0], limit=2)
        claim(store, owners[1])
        assert [tuple(one) for one in store.leases()] == list(
            zip(ids, (owners[0], owners[0], owners[1]), strict=True)
        )
        assert [one.job_id for one in store.leases(owner=owners[1])] == ids[2:]
        assert len(store.leases(limit=1)) == 1

    def test_the_audit_log_is_read_newest_first_and_page_by_page(self, store: Store) -> None:
        first = store.audit("Ann", "jobs.retry", "7", '{"n": 1}', "ok")
        second = store.audit("Ben", "queues.pause", None, None, "ok")
        third = store.audit("Ann", "jobs.delete", "7", None, "not_found")
        assert [one.id for one in store.audits()] == [third, second, first]
        assert [one.id for one in store.audits(before=third, limit=1)] == [second]
        assert [one.id for one in store.audits(who="Ann")] == [third, first]
        [entry] = store.audits(action="jobs.retry")
        assert (entry.subject, entry.details, entry.outcome) == ("7", {"n": 1}, "ok")
        assert AUDITS_KEPT >= 10_000


def _all(store: Store) -> ClaimRequest:
    return ClaimRequest(1, 10, dict.fromkeys(store.lanes(), 10), lambda _: True)
