"""Looking through many jobs: pages, counts, ids and suggestions."""

from __future__ import annotations

import pytest

from tests.store.conformance.steps import SECOND, add, claim, settle
from windlass.errors import InvalidJob
from windlass.job import JobStatus
from windlass.outcome import Cancelled, Completed, Failed, Quarantined
from windlass.store.protocol import JobFilter, Store
from windlass.testing import ManualClock

ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
FILTERS = [
    JobFilter(),
    *(JobFilter(status=(one,)) for one in JobStatus),
    JobFilter(status=(JobStatus.PENDING, JobStatus.FAILED)),
    JobFilter(status=ENDED),
    JobFilter(status=()),
    JobFilter(key="a"),
    JobFilter(key="none"),
    JobFilter(key="b", status=(JobStatus.PENDING,)),
    JobFilter(queue="mail"),
    JobFilter(queue="mail", status=(JobStatus.PENDING, JobStatus.RUNNING)),
    JobFilter(tag="red"),
    JobFilter(tag="red", status=(JobStatus.FAILED,)),
    JobFilter(held=True),
    JobFilter(held=False),
    JobFilter(held=True, status=(JobStatus.FAILED,)),
    JobFilter(held=False, status=(JobStatus.PENDING,)),
    JobFilter(unique="u3"),
    JobFilter(unique="u3", status=(JobStatus.PENDING,)),
    JobFilter(ids=(1, 5, 7, 999)),
    JobFilter(ids=(1, 5, 7), status=(JobStatus.FAILED, JobStatus.COMPLETED)),
    JobFilter(after_id=4, until_id=11),
    JobFilter(search="Needle"),
    JobFilter(search="100%_"),
    JobFilter(search="needle mail"),
    JobFilter(search="needle", status=(JobStatus.PENDING,)),
]


def fill(store: Store, clock: ManualClock) -> None:
    """Jobs of every kind, so mixed that no two orders are alike."""
    endings = [Completed(), Failed("no needle here"), Cancelled("no"), Completed(), Quarantined("odd"), None]
    for number in range(24):
        add(
            store,
            "ab"[number % 2],
            queue="mail" if number % 3 == 0 else "default",
            priority=number % 5,
            tags='["red"]' if number % 4 == 0 else None,
            unique=f"u{number}" if number % 3 == 0 else None,
            payload='{"text": "a Needle 100%_"}' if number % 7 == 0 else None,
            delay_us=SECOND if number >= 20 else None,
            constraints='{"charging":true}' if number == 19 else None,
        )
        clock.advance(1)
    for one in claim(store, limit=12):
        ending = endings[one.job_id % len(endings)]
        clock.advance(1)
        if ending is not None:
            settle(store, one, ending)


def told(where: JobFilter) -> str:
    some = ((name, getattr(where, name)) for name in where.__struct_fields__)
    return " ".join(f"{name}={value}" for name, value in some if value is not None) or "all"


class Listing:
    @pytest.mark.parametrize("where", FILTERS, ids=told)
    @pytest.mark.parametrize("order", ["id", "-id", "created_at", "-priority", "updated_at"])
    def test_the_pages_together_are_what_the_whole_list_is(
        self, store: Store, clock: ManualClock, where: JobFilter, order: str
    ) -> None:
        fill(store, clock)
        expected = [job.id for job in store.select(where, order=order, limit=100)]
        found: list[int] = []
        after: str | None = None
        while True:
            page = store.page(where, order=order, limit=3, after=after)
            assert len(page.jobs) <= 3
            found += [job.id for job in page.jobs]
            after = page.next
            if after is None:
                break
            assert page.jobs
        assert found == expected
        assert store.count(where) == (len(expected), False)

    @pytest.mark.parametrize("order", ["finished_at", "-finished_at"])
    @pytest.mark.parametrize("where", FILTERS, ids=told)
    def test_by_their_end_there_are_the_ended_ones(
        self, store: Store, clock: ManualClock, where: JobFilter, order: str
    ) -> None:
        fill(store, clock)
        expected = [job.id for job in store.select(where, order=order, limit=100) if job.status.is_final]
        found: list[int] = []
        after: str | None = None
        while True:
            page = store.page(where, order=order, limit=3, after=after)
            found += [job.id for job in page.jobs]
            after = page.next
            if after is None:
                break
        assert found == expected

    @pytest.mark.parametrize("where", FILTERS, ids=told)
    @pytest.mark.parametrize("rising", [True, False])
    def test_ids_come_in_parts_as_well(
        self, store: Store, clock: ManualClock, where: JobFilter, rising: bool
    ) -> None:
        fill(store, clock)
        expected = sorted((job.id for job in store.select(where, limit=100)), reverse=not rising)
        found: list[int] = []
        at: int | None = None
        while True:
            part = store.ids(where, rising=rising, after=at, limit=4)
            found += part.ids
            at = part.next
            if at is None:
                break
        assert found == expected

    def test_a_count_stops_where_it_is_told_to(self, store: Store) -> None:
        for _ in range(5):
            add(store)
        assert store.count(JobFilter(), most=5) == (5, False)
        assert store.count(JobFilter(), most=4) == (4, True)
        assert store.count(JobFilter(key="work"), most=4) == (4, True)
        assert store.count(JobFilter(status=(JobStatus.PENDING,)), most=4) == (4, True)

    def test_what_is_added_meanwhile_moves_no_page(self, store: Store) -> None:
        ids = [add(store) for _ in range(6)]
        first = store.page(JobFilter(), limit=3)
        add(store)
        second = store.page(JobFilter(), limit=3, after=first.next)
        assert [job.id for job in (*first.jobs, *second.jobs)] == ids[::-1]

    def test_how_many_there_are_of_each_kind(self, store: Store, clock: ManualClock) -> None:
        fill(store, clock)
        found = store.sizes()
        counts = store.counts()
        pending = sum(found[name].number for name in ("ready", "scheduled", "held"))
        assert pending == counts[JobStatus.PENDING]
        assert found["scheduled"].number == 4
        for status in (JobStatus.RUNNING, *ENDED):
            assert found[status.value.lower()].number == counts[status]
        assert store.sizes(most=1)["ready"] == (1, True)

    @pytest.mark.parametrize("after", ["", "x", "i1", "f1.2", "i1.2.3", "i1." + "9" * 19, "ı1.2", "i٣.1"])
    def test_a_cursor_that_is_none_of_ours_is_refused(self, store: Store, after: str) -> None:
        with pytest.raises(InvalidJob):
            store.page(JobFilter(), after=after)

    def test_an_order_that_there_is_not_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidJob):
            store.page(JobFilter(), order="payload")

    def test_what_is_typed_is_found_at_the_beginning_of_names_first(self, store: Store) -> None:
        for key in ("send_mail", "mail", "Mailing", "other"):
            add(store, key, queue=f"of_{key}", tags=f'["{key}!", "x"]')
        claim(store)
        assert store.suggest("key", "mail") == ["Mailing", "mail", "send_mail"]
        assert store.suggest("queue", "of_m", limit=1) == ["of_Mailing"]
        assert store.suggest("tag", "") == ["Mailing!", "mail!", "other!", "send_mail!", "x"]
        assert store.suggest("tag", "nothing") == []

    def test_the_newest_id(self, store: Store) -> None:
        assert store.newest_id() == 0
        ids = [add(store) for _ in range(2)]
        assert store.newest_id() == ids[1]
