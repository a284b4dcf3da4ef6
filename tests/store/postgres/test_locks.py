"""Programs of one database exclude one another, whatever each of them says about hints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.store.conformance.steps import accept_any, add, register
from windlass.cli.lock_checks import locks
from windlass.errors import ResourceBusy
from windlass.store import open_store
from windlass.store.postgres.ledger.ground import PostgresGround
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Claim, ClaimRequest, NewJob

Opened = Callable[[str], PostgresStore]
MIXED = pytest.mark.parametrize(("first", "second"), [("on", "off"), ("off", "on")])


@pytest.fixture
def opened(postgres_url: str) -> Iterator[Opened]:
    """Programs with ``windlass_hints`` as it is given."""
    stores: list[PostgresStore] = []

    def open_one(hints: str) -> PostgresStore:
        joint = "&" if "?" in postgres_url else "?"
        stores.append(PostgresStore(f"{postgres_url}{joint}windlass_hints={hints}"))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def noted(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT value FROM windlass_meta WHERE name = 'locks'").fetchall()


@MIXED
def test_a_limit_holds_over_programs_of_both_kinds(opened: Opened, first: str, second: str) -> None:
    one, two = opened(first), opened(second)
    one.migrate()
    two.migrate()
    one.set_limit("key", "sms", concurrency=1)
    one.insert([NewJob(key="sms") for _ in range(6)])
    owners = register(one), register(two)
    lanes = dict.fromkeys(one.lanes(), 100)
    chosen, come = threading.Event(), threading.Event()

    def slowly(_: Claim) -> bool:
        """Between the look and the commit another one comes, and may not look before this one is done."""
        chosen.set()
        come.wait(1)
        return True

    def claim_too() -> None:
        assert chosen.wait(10)
        two.settle_and_claim([], ClaimRequest(owners[1], 10, lanes, accept_any))
        come.set()

    other = threading.Thread(target=claim_too)
    other.start()
    one.settle_and_claim([], ClaimRequest(owners[0], 10, lanes, slowly))
    other.join()
    assert sum(one.running_by_key().values()) == 1


@MIXED
def test_a_resource_has_one_holder_over_programs_of_both_kinds(
    opened: Opened, first: str, second: str
) -> None:
    one, two = opened(first), opened(second)
    one.migrate()
    grounds = [PostgresGround(store.database, store.check_same) for store in (one, two)]
    with grounds[0].holding("notes"):
        with pytest.raises(ResourceBusy), grounds[1].holding("notes"):
            pass
        with grounds[1].holding("others"):
            pass
    with grounds[1].holding("notes"):
        pass


@MIXED
def test_the_first_program_that_writes_decides_for_all(
    opened: Opened, postgres_url: str, first: str, second: str
) -> None:
    one, two = opened(first), opened(second)
    one.migrate()
    assert noted(postgres_url) == []
    one.set_queue("slow", paused=True)
    expected = [("advisory" if first == "on" else "rows",)]
    assert noted(postgres_url) == expected
    two.set_queue("slow", paused=False)
    assert noted(postgres_url) == expected
    assert one.database.turn("alone") == two.database.turn("alone")


def test_many_that_begin_at_once_agree(opened: Opened, postgres_url: str) -> None:
    opened("on").migrate()
    stores = [opened(hints) for hints in ("on", "off") * 4]
    barrier = threading.Barrier(len(stores))

    def begin(store: PostgresStore) -> None:
        barrier.wait()
        store.set_queue("slow", paused=True)

    threads = [threading.Thread(target=begin, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({store.database.turn("alone") for store in stores}) == 1
    assert len(noted(postgres_url)) == 1


def test_a_store_on_a_callers_connection_goes_by_it_too(opened: Opened, postgres_url: str) -> None:
    """Whose URL says nothing of hints."""
    off = opened("off")
    off.migrate()
    job = add(off)
    off.set_queue("slow", paused=True)
    with psycopg.connect(postgres_url) as connection:
        borrowed = open_store(connection)
        assert isinstance(borrowed, PostgresStore)
        assert borrowed.cancel([job])
        assert borrowed.database.turn("alone") == off.database.turn("alone")
        borrowed.close()


def test_a_note_that_is_removed_while_nothing_runs_is_made_anew(opened: Opened, postgres_url: str) -> None:
    one = opened("on")
    one.migrate()
    one.set_queue("slow", paused=True)
    one.close()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM windlass_meta WHERE name = 'locks'")
    opened("off").set_queue("slow", paused=False)
    assert noted(postgres_url) == [("rows",)]


def test_doctor_says_where_a_url_asks_for_other_locks(opened: Opened) -> None:
    one, two = opened("on"), opened("off")
    one.migrate()
    assert not list(locks(one))
    assert not list(locks(two))
    one.set_queue("slow", paused=True)
    assert not list(locks(one))
    [told] = locks(two)
    assert "advisory" in told.says
    assert "windlass_meta" in told.do
