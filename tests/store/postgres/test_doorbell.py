"""The bell between programs goes on ringing, whatever happens to the thread that tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.service.waiting import until
from tests.store.postgres_schemas import migrated
from windlass.store.postgres.doorbell import Bells
from windlass.store.postgres.store import PostgresStore
from windlass.testing import ManualClock


@pytest.fixture
def other(postgres_schema: str, postgres_store: PostgresStore, clock: ManualClock) -> Iterator[PostgresStore]:
    """Another program's store on the same schema."""
    with migrated(postgres_schema, clock) as store:
        yield store


def test_rings_are_heard_one_by_one_and_after_a_pause(
    postgres_store: PostgresStore, other: PostgresStore
) -> None:
    with closing(other.bell("watch")) as bell:
        for _ in range(3):
            postgres_store.ring("watch")
            until(bell.drain)
        teller = postgres_store.database.bells._teller
        assert teller is not None
        until(lambda: not teller.is_alive())
        postgres_store.ring("watch")
        until(bell.drain)


def test_where_no_thread_is_to_be_had_now_it_is_told_all_the_same_and_by_a_thread_again_later(
    postgres_store: PostgresStore, other: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refusal silenced the bell for as long as the program ran."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with closing(other.bell("watch")) as bell:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            postgres_store.ring("watch")
        until(bell.drain)
        for _ in range(2):
            postgres_store.ring("watch")
            until(bell.drain)
    postgres_store.close()


def test_a_teller_that_fails_is_replaced(
    postgres_store: PostgresStore, other: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*_: object) -> None:
        failed.set()
        raise ZeroDivisionError

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with closing(other.bell("watch")) as bell:
        with monkeypatch.context() as patch:
            patch.setattr(Bells, "tell", fail)
            postgres_store.ring("watch")
            assert failed.wait(30)
            teller = postgres_store.database.bells._teller
            assert teller is not None
            teller.join()
        postgres_store.ring("watch")
        until(bell.drain)


def test_closing_does_not_wait_until_the_teller_has_rested(postgres_store: PostgresStore) -> None:
    postgres_store.ring("watch")
    bells = postgres_store.database.bells
    bells.close()
    assert bells._teller is not None
    assert not bells._teller.is_alive()
