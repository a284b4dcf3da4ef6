"""A plain enqueue is prepared once and sent without a cursor: nothing else about it is another."""

from __future__ import annotations

import threading
from contextlib import closing
from enum import Enum
from typing import Any

import psycopg
import pytest

from tests.service.waiting import until
from windlass.errors import OutcomeUnknown
from windlass.store.postgres.direct import insert_plain
from windlass.store.postgres.faults import REFUSALS
from windlass.store.postgres.pipelining import Connection
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import NewJob
from windlass.store.relational.rows import NUL

ROW = ("work", None, 0, 3, "", "", "default")
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name = 'windlass_enqueue'"


def put(store: PostgresStore, payload: str | None = "[1]", key: str = "work", **more: Any) -> int:
    [made] = store.insert([NewJob(key=key, payload=payload, **more)])
    return made.job_id


def row(store: PostgresStore, job_id: int) -> tuple[Any, ...]:
    """Its payload, priority and queue."""
    with store.database.alone() as connection:
        statement = "SELECT payload, priority, queue FROM background_service_jobs WHERE id = %s"
        return connection.run(statement, (job_id,)).fetchall()[0]


def idle(store: PostgresStore) -> Connection:
    """The connection that the next enqueue takes."""
    raw = store.database.connections.take()
    store.database.connections.give_back(raw)
    assert isinstance(raw, Connection)
    return raw


def test_the_second_enqueue_goes_by_what_the_first_has_prepared(postgres_store: PostgresStore) -> None:
    first, second = put(postgres_store, '["ä €"]', priority=-3), put(postgres_store, None, queue="ö")
    raw = idle(postgres_store)
    assert raw.knows_enqueue is True
    assert raw.execute(PREPARED).fetchone() == (1,)
    assert row(postgres_store, first) == ('["ä €"]', -3, "default")
    assert row(postgres_store, second) == (None, 0, "ö")


@pytest.mark.parametrize("odd", ["before\0after", "\0"])
def test_text_that_would_end_at_a_nul_goes_the_long_way(postgres_store: PostgresStore, odd: str) -> None:
    job_id = put(postgres_store, "[]", queue=odd)
    assert row(postgres_store, job_id) == ("[]", 0, odd.replace("\0", NUL))
    assert idle(postgres_store).knows_enqueue is False


def test_what_the_server_refuses_is_refused_with_its_words(postgres_store: PostgresStore) -> None:
    with pytest.raises(REFUSALS):
        put(postgres_store, priority=2**70, queue="\0")
    with pytest.raises(psycopg.DataError, match="out of range") as direct:
        put(postgres_store, priority=2**70)
    assert (direct.value.sqlstate, direct.value.diag.severity) == ("22003", "ERROR")
    assert put(postgres_store) > 0


def test_a_lone_surrogate_is_refused_as_ever(postgres_store: PostgresStore) -> None:
    with pytest.raises(UnicodeEncodeError):
        put(postgres_store, '"\ud800"')
    assert put(postgres_store) > 0


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_a_session_that_was_told_to_forget_goes_the_long_way_from_then_on(
    postgres_store: PostgresStore, forget: str
) -> None:
    put(postgres_store)
    raw = idle(postgres_store)
    raw.execute(forget.encode())
    assert row(postgres_store, put(postgres_store)) == ("[1]", 0, "default")
    assert (idle(postgres_store) is raw, raw.knows_enqueue) == (True, None)
    assert row(postgres_store, put(postgres_store)) == ("[1]", 0, "default")


def test_a_name_that_is_taken_is_left_alone(postgres_store: PostgresStore) -> None:
    raw = idle(postgres_store)
    raw.execute("PREPARE windlass_enqueue AS SELECT 7")
    assert row(postgres_store, put(postgres_store)) == ("[1]", 0, "default")
    assert raw.knows_enqueue is None


def test_another_encoding_is_left_to_the_driver(postgres_store: PostgresStore) -> None:
    raw = idle(postgres_store)
    raw.execute("SET client_encoding = 'LATIN1'")
    assert row(postgres_store, put(postgres_store, '["é"]'))[0] == '["é"]'
    assert (idle(postgres_store) is raw, raw.knows_enqueue) == (True, False)


def test_elsewhere_a_cursor_does_it(postgres_store: PostgresStore) -> None:
    with postgres_store.transaction() as raw:
        raw.execute("SELECT 1")
        assert insert_plain(raw, ROW) is None
    with psycopg.connect(postgres_store.database.location.conninfo, autocommit=True) as own:
        assert insert_plain(own, ROW) is None


def test_what_a_handlers_connection_enqueues_first_is_undone_with_its_transaction(
    postgres_store: PostgresStore,
) -> None:
    with closing(postgres_store.connect()) as raw:
        assert insert_plain(raw, ROW) is None
        [lost] = postgres_store.insert([NewJob(key="work", payload="[]")], connection=raw)
        raw.rollback()
        [kept] = postgres_store.insert([NewJob(key="work", payload="[]")], connection=raw)
        raw.commit()
    assert postgres_store.get(lost.job_id) is None
    assert postgres_store.get(kept.job_id) is not None


def test_a_member_of_an_enumeration_is_what_it_stands_for(postgres_store: PostgresStore) -> None:
    class Queue(str, Enum):  # noqa: UP042 - of which str() is its name
        MAIL = "mail"

    class Urgency(int, Enum):
        HIGH = 5

    job_id = put(postgres_store, queue=Queue.MAIL, priority=Urgency.HIGH)
    assert row(postgres_store, job_id)[1:] == (5, "mail")
    assert idle(postgres_store).knows_enqueue is True


def test_a_session_that_is_ended_meanwhile_leaves_its_outcome_unknown(postgres_store: PostgresStore) -> None:
    put(postgres_store)
    raw = idle(postgres_store)
    with psycopg.connect(postgres_store.database.location.conninfo) as other:
        other.execute("LOCK TABLE background_service_jobs")
        ender = threading.Thread(target=end, args=(other, raw.info.backend_pid))
        ender.start()
        with pytest.raises(OutcomeUnknown, match="idempotency key"):
            put(postgres_store)
        ender.join()
        other.rollback()
    assert raw.closed
    assert put(postgres_store) > 0


def end(other: psycopg.Connection[Any], backend: int) -> None:
    """Ends a session once it waits for a lock."""
    waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted)"
    until(lambda: other.execute(waits, (backend,)).fetchone() == (True,))
    other.execute("SELECT pg_terminate_backend(%s)", (backend,))
