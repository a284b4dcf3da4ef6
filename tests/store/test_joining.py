"""Enqueue on a caller's own connection: inside its transaction, or refused in words. J3."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.store.conformance.steps import add, the
from tests.store.test_log import ids
from windlass.errors import ConfigError, InvalidJob, OutcomeUnknown, StoreUnavailable, UnsafeDatabase
from windlass.job import JobStatus
from windlass.store import open_store
from windlass.store.protocol import NewJob
from windlass.store.sqlite.borrowed import BorrowedStore
from windlass.store.sqlite.store import SqliteStore

ONE, TWO = [NewJob(key="work")], [NewJob(key="work"), NewJob(key="work")]
HALF_BAD = [NewJob(key="work"), NewJob(key="work", payload="\ud800")]


@pytest.fixture
def own(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    """A program's own connection, as ``sqlite3.connect`` gives it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        yield connection


def orders(own: sqlite3.Connection) -> int:
    return own.execute("SELECT count(*) FROM orders").fetchone()[0]


@pytest.mark.parametrize("jobs", [ONE, TWO], ids=len)
@pytest.mark.parametrize("isolation", ["", "DEFERRED", "IMMEDIATE"])
def test_a_job_exists_if_and_only_if_the_callers_transaction_commits(
    store: SqliteStore, own: sqlite3.Connection, isolation: Any, jobs: list[NewJob]
) -> None:
    """J3, as Python begins transactions by itself: also where the enqueue is what begins it."""
    own.isolation_level = isolation
    store.insert(jobs, connection=own)
    assert own.in_transaction
    assert ids(store) == set()
    own.rollback()
    assert ids(store) == set()
    own.execute("INSERT INTO orders VALUES (1)")
    store.insert(jobs, connection=own)
    own.commit()
    assert (orders(own), len(ids(store))) == (1, len(jobs))


@pytest.mark.parametrize("jobs", [ONE, TWO], ids=len)
def test_a_connection_that_commits_each_statement_commits_each_enqueue(
    store: SqliteStore, own: sqlite3.Connection, jobs: list[NewJob]
) -> None:
    own.isolation_level = None
    store.insert(jobs, connection=own)
    assert not own.in_transaction
    assert len(ids(store)) == len(jobs)
    own.execute("BEGIN")
    store.insert(jobs, connection=own)
    own.execute("ROLLBACK")
    assert len(ids(store)) == len(jobs)


@pytest.mark.parametrize("isolation", [None, "DEFERRED"])
@pytest.mark.parametrize("inside", [False, True])
def test_several_jobs_go_into_the_callers_transaction_together_or_not_at_all(
    store: SqliteStore, own: sqlite3.Connection, isolation: Any, inside: bool
) -> None:
    own.isolation_level = isolation
    if inside:
        own.execute("BEGIN IMMEDIATE")
        own.execute("INSERT INTO orders VALUES (1)")
    with pytest.raises(UnicodeEncodeError):
        store.insert(HALF_BAD, connection=own)
    own.commit()
    assert ids(store) == set()
    assert orders(own) == int(inside)


def test_a_job_on_the_stores_own_transaction_needs_no_look_at_its_file(store: SqliteStore) -> None:
    with store.transaction() as connection:
        store.insert(ONE, connection=connection)
    assert ids(store) == {1}


def test_an_idempotency_key_counts_on_a_callers_connection_too(
    store: SqliteStore, own: sqlite3.Connection
) -> None:
    job = NewJob(key="work", idempotency_key="k")
    first = store.insert([job], connection=own)[0]
    again = store.insert([job], connection=own)[0]
    assert (again.job_id, again.created, first.created) == (first.job_id, False, True)


@pytest.mark.parametrize("rows", [sqlite3.Row, lambda _cursor, _row: {"x": 1}], ids=["Row", "dict"])
def test_how_a_caller_likes_its_rows_is_its_own_affair(
    store: SqliteStore, own: sqlite3.Connection, rows: Any
) -> None:
    job = NewJob(key="work", idempotency_key="k")
    own.row_factory, own.text_factory = rows, bytes
    store.insert([job], connection=own)
    assert not store.insert([job], connection=own)[0].created
    assert (own.row_factory, own.text_factory) == (rows, bytes)


# ── refused ────────────────────────────────────────────────────────────────────────────────────────
def test_a_closed_connection_is_refused(store: SqliteStore, own: sqlite3.Connection) -> None:
    own.close()
    with pytest.raises(InvalidJob, match=r"cannot be used here \(Cannot operate on a closed database"):
        store.insert(ONE, connection=own)
    assert ids(store) == set()


def test_a_connection_of_another_thread_is_refused(store: SqliteStore, own: sqlite3.Connection) -> None:
    came: list[str] = []

    def insert() -> None:
        try:
            store.insert(ONE, connection=own)
        except InvalidJob as error:
            came.append(str(error))

    thread = threading.Thread(target=insert)
    thread.start()
    thread.join()
    assert "same thread" in came[0]
    assert ids(store) == set()


@pytest.mark.parametrize("what", ["app.db", 7, object()], ids=["name", "number", "object"])
def test_what_is_no_connection_is_refused(store: SqliteStore, what: Any) -> None:
    with pytest.raises(InvalidJob, match=r"expected connection to be a sqlite3\.Connection, got"):
        store.insert(ONE, connection=what)


@pytest.mark.parametrize("name", [":memory:", "", "other.db"])
def test_a_connection_to_another_database_is_refused(store: SqliteStore, path: Path, name: str) -> None:
    where = str(path.with_name(name)) if name.endswith(".db") else name
    with closing(sqlite3.connect(where)) as other:
        with pytest.raises(InvalidJob, match=f"and the jobs are kept in {path}: a job can only be enqueued"):
            store.insert(ONE, connection=other)
        other.execute("ATTACH ? AS jobs", (str(path),))
        with pytest.raises(InvalidJob, match="a transaction of its own database"):
            store.insert(ONE, connection=other)
    assert ids(store) == set()


def test_the_same_file_by_another_name_is_the_same(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    with closing(sqlite3.connect(tmp_path / "link")) as own:
        store.insert(ONE, connection=own)
        own.commit()
    assert ids(store) == {1}


def test_a_database_without_our_tables_says_how_to_make_them(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "bare.db")) as own:
        own.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        own.execute("INSERT INTO orders VALUES (1)")
        bare = SqliteStore(tmp_path / "bare.db")
        with pytest.raises(UnsafeDatabase, match=r"no tables of Windlass yet .* windlass migrate"):
            bare.insert(ONE, connection=own)
        own.commit()
        assert orders(own) == 1


def test_a_programs_own_missing_table_is_its_own_error(store: SqliteStore) -> None:
    def use() -> None:
        with store.transaction() as connection:
            connection.execute("INSERT INTO missing VALUES (1)")

    with pytest.raises(sqlite3.OperationalError, match="no such table: missing"):
        use()
    add(store)


def test_a_transaction_that_began_by_reading_is_told_how_to_begin(
    store: SqliteStore, own: sqlite3.Connection
) -> None:
    own.execute("BEGIN")
    own.execute("SELECT count(*) FROM orders").fetchone()
    add(store)
    with pytest.raises(StoreUnavailable, match="begin it with BEGIN IMMEDIATE"):
        store.insert(ONE, connection=own)


# ── the whole store on it ──────────────────────────────────────────────────────────────────────────
def test_a_store_on_a_connection_sees_and_joins_its_transaction(
    store: SqliteStore, own: sqlite3.Connection
) -> None:
    borrowed = open_store(own)
    assert borrowed.borrowed
    kept = add(store)
    own.execute("INSERT INTO orders VALUES (1)")
    job_id = borrowed.insert(ONE)[0].job_id
    assert the(borrowed, job_id).status is JobStatus.PENDING
    assert store.get(job_id) is None
    assert borrowed.cancel([kept, job_id]) == {kept: JobStatus.CANCELLED, job_id: JobStatus.CANCELLED}
    own.rollback()
    assert (the(store, kept).status, store.get(job_id)) == (JobStatus.PENDING, None)
    assert borrowed.cancel([kept]) == {kept: JobStatus.CANCELLED}
    assert not own.in_transaction
    assert the(store, kept).status is JobStatus.CANCELLED


def test_what_fails_on_a_borrowed_connection_takes_nothing_of_the_caller_along(
    store: SqliteStore, own: sqlite3.Connection
) -> None:
    borrowed = open_store(own)
    own.execute("INSERT INTO orders VALUES (1)")
    with pytest.raises(UnicodeEncodeError):
        borrowed.insert(HALF_BAD)
    own.commit()
    assert (orders(own), ids(store)) == (1, set())


def test_closing_a_borrowed_store_leaves_the_connection_open(
    store: SqliteStore, own: sqlite3.Connection
) -> None:
    borrowed = open_store(own)
    borrowed.apart().get(1)
    borrowed.version()
    borrowed.close()
    assert orders(own) == 0
    assert borrowed.counts()[JobStatus.PENDING] == 0


def test_a_borrowed_connection_whose_log_was_deleted_acknowledges_nothing(
    store: SqliteStore, own: sqlite3.Connection, path: Path
) -> None:
    store.close()
    borrowed = open_store(own)
    borrowed.insert(ONE)
    Path(f"{path}-wal").unlink()
    with pytest.raises(OutcomeUnknown):
        borrowed.insert(ONE)


@pytest.mark.parametrize("name", ["", ":memory:"])
def test_a_connection_to_memory_cannot_keep_jobs(name: str) -> None:
    with closing(sqlite3.connect(name)) as own, pytest.raises(ConfigError, match="would not survive"):
        open_store(own)


def test_its_counterpart_works_on_any_thread(store: SqliteStore, own: sqlite3.Connection) -> None:
    borrowed = open_store(own)
    assert isinstance(borrowed, BorrowedStore)
    job_id = add(store)
    came: list[Any] = []
    apart = borrowed.apart()
    thread = threading.Thread(target=lambda: came.append(apart.get(job_id)))
    thread.start()
    thread.join()
    apart.close()
    assert came == [store.get(job_id)]
