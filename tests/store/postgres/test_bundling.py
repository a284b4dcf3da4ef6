"""Statements that go out together are prepared once and sent without cursors: nothing else about them is
another."""

from __future__ import annotations

from contextlib import closing
from enum import IntEnum, StrEnum
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import TransactionStatus

from tests.store.conformance.steps import add, claim, settlement, the
from tests.store.postgres.test_direct import idle
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.postgres import bundling
from windlass.store.postgres.bundling import Step, bundled
from windlass.store.postgres.pipelining import Connection
from windlass.store.postgres.statements import Statements
from windlass.store.postgres.store import PostgresStore

KNOWN = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'windlass\\_bundled\\_%'"
PLAIN: Step = ("SELECT 1", ())


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 5


@pytest.fixture
def raw(postgres_store: PostgresStore) -> Connection:
    """A connection that lies idle in the store."""
    return idle(postgres_store)


def ran(raw: Connection, *steps: Step) -> list[list[Any]]:
    answers = bundled(raw, steps, lambda: None)
    assert answers is not None, "cursors have to say it"
    return [answer.fetchall() for answer in answers]


def known(raw: Connection) -> int:
    """How many statements of bundles the session has prepared."""
    row = raw.execute(KNOWN.encode()).fetchone()
    assert row is not None
    return row[0]


def worked_off(store: PostgresStore) -> JobStatus:
    """Claims a job and settles it, in two turns."""
    job_id = add(store)
    [claimed] = claim(store)
    store.settle_and_claim([settlement(claimed, Completed())])
    return the(store, job_id).status


# ── what goes out, and what comes back ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SELECT %s::text, %s::bigint, %s::text", ("ä € 🚜", -(2**63), None)),
        ("SELECT %(b)s::text, %(a)s::bigint, %(b)s::text, %(c)s::bigint", {"a": 3, "b": "x", "c": None}),
        ("SELECT %(a)s::text, %(more)s::bigint", {"a": "", "more": 2**63 - 1, "not asked for": "x"}),
        ("SELECT %s, %s::text", (True, "100 %% of %s")),
        ("SELECT 7 %% %s, 'of 100 %%'", (4,)),
        ("SELECT 'of 100 %'", ()),
        ("SELECT %s::text, %s::bigint", (Colour.RED, Level.HIGH)),
        ("SELECT unnest(%s::bigint[]), 1.5::float8, now() IS NOT NULL", ("{1,2,3}",)),
        ("SELECT 1 WHERE false", ()),
        ("UPDATE windlass_queues SET paused = %s WHERE false", (1,)),
    ],
)
def test_values_and_rows_are_those_of_a_cursor(raw: Connection, text: str, values: Any) -> None:
    cursor = Statements(raw).cursor()
    cursor.execute(text.encode(), values or None)
    rows = cursor.fetchall() if cursor.description else []
    for _ in range(3):
        assert ran(raw, (text, values), PLAIN) == [rows, [(1,)]]
    assert known(raw) == 2


def test_one_row_can_be_had_by_itself(raw: Connection) -> None:
    answers = bundled(raw, [PLAIN, ("SELECT 1 WHERE false", ())], lambda: None)
    assert answers is not None
    assert [answer.fetchone() for answer in answers] == [(1,), None]
    assert list(answers[0]) == [(1,)]


def test_much_goes_out_and_much_comes_back_at_once(raw: Connection) -> None:
    """Neither side waits for the other to read first."""
    text = "x" * 4_000_000
    for_each: Step = ("SELECT %s::text, repeat('y', 4000000)", (text,))
    assert ran(raw, *[for_each] * 4) == [[(text, "y" * 4_000_000)]] * 4


@pytest.mark.parametrize("odd", ["before\0after", "\ud800", b"bytes", 1.5, ["a list"]])
def test_what_cannot_be_said_so_is_left_to_a_cursor(raw: Connection, odd: Any) -> None:
    assert bundled(raw, [("SELECT %s", (odd,)), PLAIN], lambda: None) is None
    assert known(raw) == 0


def test_the_turns_of_a_store_prepare_nothing_twice(postgres_store: PostgresStore) -> None:
    for _ in range(5):
        assert worked_off(postgres_store) == JobStatus.COMPLETED
    raw = idle(postgres_store)
    assert len({text for text, _ in raw.prepared}) == known(raw) > 0


def test_a_session_is_made_to_keep_so_many_and_no_more(
    raw: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "_KNOWN_MOST", 6)
    for number in range(3):
        assert ran(raw, (f"SELECT {number}", ()), (f"SELECT -{number}", ())) == [[(number,)], [(-number,)]]
    assert bundled(raw, [PLAIN, PLAIN], lambda: None) is None
    assert known(raw) == 6


# ── when something fails ───────────────────────────────────────────────────────────────────────────
def test_the_first_error_is_raised_and_nothing_after_it_is_done(raw: Connection) -> None:
    ended: Step = ("UPDATE windlass_meta SET value = 'changed'", ())
    with pytest.raises(errors.DivisionByZero, match="division by zero"):
        ran(raw, PLAIN, ("SELECT 1 / %s", (0,)), ("SELECT nobody", ()), ended)
    assert raw.pgconn.transaction_status == TransactionStatus.IDLE
    assert raw.execute("SELECT 1 FROM windlass_meta WHERE value = 'changed'").fetchone() is None
    assert ran(raw, PLAIN, ("SELECT 1 / %s", (1,))) == [[(1,)], [(1,)]]


def test_a_transaction_in_which_one_failed_can_be_rolled_back(raw: Connection) -> None:
    with pytest.raises(errors.UndefinedTable):
        ran(raw, ("BEGIN", ()), ("SELECT * FROM nobody_has_it", ()), PLAIN)
    assert raw.pgconn.transaction_status == TransactionStatus.INERROR
    raw.rollback()
    assert ran(raw, ("BEGIN", ()), PLAIN, ("COMMIT", ())) == [[], [(1,)], []]


def test_a_session_that_is_ended_says_why_and_is_known_to_be_broken(
    postgres_store: PostgresStore, raw: Connection
) -> None:
    with closing(postgres_store.connect()) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (raw.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        ran(raw, PLAIN, PLAIN)
    assert raw.broken


def test_a_session_that_ends_itself_says_why(raw: Connection) -> None:
    suicide: Step = ("SELECT pg_terminate_backend(pg_backend_pid(), 5000)", ())
    with pytest.raises(errors.AdminShutdown):
        ran(raw, PLAIN, suicide, PLAIN)
    assert raw.broken


def test_who_fails_meanwhile_leaves_no_half_conversation_behind(raw: Connection) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bundled(raw, [PLAIN, PLAIN], fail)
    assert raw.closed


def test_what_is_done_meanwhile_is_done_before_the_answers_are_read(raw: Connection) -> None:
    done: list[bool] = []
    slow: Step = ("SELECT pg_sleep(0.05)", ())
    assert bundled(raw, [slow, PLAIN], lambda: done.append(raw.pgconn.is_busy() == 1)) is not None
    assert done == [True]


# ── when the session forgets ───────────────────────────────────────────────────────────────────────
def test_after_a_rollback_everything_is_prepared_anew(postgres_store: PostgresStore, raw: Connection) -> None:
    """The driver lets the session forget all, not only what is its own."""
    for _ in range(7):
        raw.execute("SELECT 2")
    assert worked_off(postgres_store) == JobStatus.COMPLETED
    with pytest.raises(ZeroDivisionError), postgres_store.database.transaction(full=True, turn=None):
        raise ZeroDivisionError
    assert raw.prepared == {}
    assert worked_off(postgres_store) == JobStatus.COMPLETED


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD PLANS", "DEALLOCATE windlass_enqueue"])
def test_a_program_may_tell_the_session_to_forget(postgres_store: PostgresStore, forget: str) -> None:
    postgres_store.insert([])
    assert worked_off(postgres_store) == JobStatus.COMPLETED
    with postgres_store.transaction() as connection:
        assert isinstance(connection, Connection)
        assert bundled(connection, [PLAIN, PLAIN], lambda: None) is None, "it is a program's now"
        connection.execute(forget.encode())
    assert worked_off(postgres_store) == JobStatus.COMPLETED
    assert len(connection.prepared) == known(connection)


def test_one_that_was_forgotten_unseen_is_missed_once(raw: Connection) -> None:
    ran(raw, PLAIN, PLAIN)
    raw.pgconn.exec_(b"DEALLOCATE ALL")
    with pytest.raises(errors.InvalidSqlStatementName):
        ran(raw, PLAIN, PLAIN)
    assert ran(raw, PLAIN, PLAIN) == [[(1,)], [(1,)]]


# ── elsewhere ──────────────────────────────────────────────────────────────────────────────────────
def test_elsewhere_cursors_do_it(postgres_store: PostgresStore, raw: Connection) -> None:
    steps: list[Step] = [PLAIN, PLAIN]
    with psycopg.connect(postgres_store.database.location.conninfo, autocommit=True) as own:
        assert bundled(own, steps, lambda: None) is None
    with closing(postgres_store.connect()) as handlers:
        assert bundled(handlers, steps, lambda: None) is None
    with raw.pipeline():
        assert bundled(raw, steps, lambda: None) is None
    raw.execute("SET client_encoding = 'LATIN1'")
    assert bundled(raw, steps, lambda: None) is None
    raw.execute("RESET client_encoding")
    assert ran(raw, *steps) == [[(1,)], [(1,)]]
