"""A database that is to be told of by nobody is silent, and nobody believes to hear of everything there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from tests.postgres.server import Server
from tests.sync.replicas import TASKS
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import NewJob

JOB = "INSERT INTO background_service_jobs (job_key) VALUES ('work')"
CHANGE = "INSERT INTO sync_queue (table_name, type, local_id, data) VALUES ('tasks', 'update', 'a', '{}')"
EDIT = "INSERT INTO tasks VALUES (gen_random_uuid()::text, 'tea', 0, NULL)"
Heard = Callable[[], list[str]]


@pytest.fixture
def heard(postgres_url: str) -> Iterator[Heard]:
    """What was notified since the last call."""
    with psycopg.connect(postgres_url, autocommit=True) as listening:
        listening.execute('LISTEN "windlass.public"')

        def since() -> list[str]:
            listening.execute("""NOTIFY "windlass.public", 'until here'""")
            found: list[str] = []
            for notice in listening.notifies(timeout=30):
                if notice.payload == "until here":
                    return found
                found.append(notice.payload)
            raise AssertionError("its own notice did not come")

        yield since


def told_by(store: PostgresStore, url: str, heard: Heard) -> list[list[str]]:
    """What is notified by one job, by many, by one in a transaction, an explicit change and an edit."""
    told: list[list[str]] = []

    def also(act: Callable[[], object]) -> None:
        heard()
        act()
        told.append(heard())

    also(lambda: store.insert([NewJob(key="work")]))
    also(lambda: store.insert([NewJob(key="work")] * 10))
    with closing(store.connect()) as own:

        def say(statement: str) -> None:
            own.execute(statement.encode())
            own.commit()

        for statement in (JOB, CHANGE, EDIT):
            also(lambda statement=statement: say(statement))
    with psycopg.connect(url, autocommit=True) as stranger:
        also(lambda: stranger.execute(JOB))
    return told


def synced(url: str) -> PostgresStore:
    store = PostgresStore(url)
    store.migrate()
    with store.transaction() as connection:
        connection.execute(TASKS.encode())
    store.ledger.install("tasks", store.ledger.describe("tasks"))
    return store


@pytest.mark.parametrize("hints", ["on", "off"])
def test_what_anybody_writes_is_told_also_by_a_program_that_does_not_listen(
    postgres_url: str, heard: Heard, hints: str
) -> None:
    """Others listen, and go by it that they hear of everything."""
    with closing(synced(f"{postgres_url}&windlass_hints={hints}")) as store:
        assert [set(told) for told in told_by(store, postgres_url, heard)] == [{"work"}] * 6


@pytest.mark.parametrize("hints", ["on", "off"])
def test_a_database_can_be_told_to_say_nothing_whoever_writes(
    postgres_server: Server, postgres_database: str, postgres_url: str, heard: Heard, hints: str
) -> None:
    postgres_server.execute(f"ALTER DATABASE {postgres_database} SET windlass.hints = 'off'")
    with closing(synced(f"{postgres_url}&windlass_hints={hints}")) as store:
        bell = store.bell("work")
        assert not bell.hears_strangers
        assert told_by(store, postgres_url, heard) == [[]] * 6
        heard()
        store.ring()
        assert bell.drain(), "who is in the same process hears it"
        assert heard() == []
        bell.close()
