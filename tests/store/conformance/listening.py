"""Around the jobs: bells, versions, a schema that is there."""

from __future__ import annotations

import select
import threading

from tests.store.conformance.steps import add, the
from windlass.clock import SystemClock
from windlass.store.protocol import NewJob, Store


class Listening:
    def test_a_ring_is_heard_once(self, store: Store) -> None:
        bell = store.bell("watch")
        store.ring()
        assert bell.drain()
        assert not bell.drain()
        bell.close()

    def test_a_ring_wakes_every_listener_of_its_kind_however_close_together_they_came(
        self, store: Store
    ) -> None:
        first = store.bell("work")
        store.ring()
        second, onlooker = store.bell("work"), store.bell("watch")
        first.drain()
        store.ring("work")
        assert (first.drain(), second.drain(), onlooker.drain()) == (True, True, False)
        for bell in (first, second, onlooker):
            bell.close()

    def test_an_enqueue_rings(self, store: Store) -> None:
        with_ring = store.bell("work")
        add(store)
        assert select.select([with_ring.fileno()], [], [], 30)[0]
        assert with_ring.drain()
        with store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
        assert with_ring.drain()
        with_ring.close()

    def test_ringing_for_a_listener_that_left_is_harmless(self, store: Store) -> None:
        bell = store.bell("work")
        store.ring()
        bell.close()
        store.ring()
        assert the(store, add(store)).key == "work"

    def test_rings_that_nobody_hears_block_nobody(self, store: Store) -> None:
        bell = store.bell("work")
        for _ in range(100_000):
            store.ring("work")
        assert bell.drain()
        bell.close()

    def test_migrating_twice_changes_nothing(self, store: Store) -> None:
        assert store.migrate() == []

    def test_the_version_does_not_wait_for_a_transaction_of_this_program(self, store: Store) -> None:
        before, told = store.version(), []
        with store.transaction():
            onlooker = threading.Thread(target=lambda: told.append(store.version()))
            onlooker.start()
            onlooker.join(30)
            assert told == [before]

    def test_a_closed_store_reopens_by_itself(self, store: Store) -> None:
        job_id = add(store)
        store.close()
        assert the(store, job_id).id == job_id
        store.close()
        assert add(store) > job_id

    def test_a_store_on_its_own_connections_is_its_own_counterpart(self, store: Store) -> None:
        assert not store.borrowed
        assert store.apart() is store

    def test_the_system_clock_satisfies_the_stores_idea_of_one(self) -> None:
        clock = SystemClock()
        assert clock.boot_us() >= 0
        assert clock.boot_id() == clock.boot_id()
