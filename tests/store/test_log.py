"""The log under attack: closed away, deleted, replaced, damaged. What was acknowledged is there."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.children import WITH_STORE, child, run
from tests.store.conformance.steps import add, the
from windlass.errors import OutcomeUnknown, StoreError, UnsafeDatabase
from windlass.job import JobStatus
from windlass.store.protocol import JobFilter, NewJob
from windlass.store.sqlite import guard
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.store import SqliteStore

STRANGER = """
while hear():
    connection = sqlite3.connect(path)
    job_id = connection.execute("INSERT INTO background_service_jobs (job_key) VALUES ('foreign')").lastrowid
    connection.commit()
    connection.close()
    say(job_id)
"""
"""A program that knows nothing of Windlass: opens, enqueues, closes, and whoever closes last tidies up."""

CARELESS = """
connection = sqlite3.connect(path, isolation_level=None)
while hear():
    job_id = connection.execute("INSERT INTO background_service_jobs (job_key) VALUES ('foreign')").lastrowid
    open(path, "rb").close()
    say(job_id)
"""
"""A program that opens the database as a file, while its connection stays open: its locks are gone."""


def ids(store: SqliteStore) -> set[int]:
    return {job.id for job in store.select(JobFilter(), limit=100_000)}


def sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def without_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems and file systems without such locks."""
    monkeypatch.setattr(guard, "_lock", lambda _descriptor, *, held: False)


def test_opening_and_closing_the_file_in_the_enqueuing_process_loses_nothing(
    store: SqliteStore, path: Path
) -> None:
    """J1: 100 rounds, in each of which another program would be the last to leave and delete the log."""
    acknowledged: set[int] = set()
    with child(path, STRANGER) as stranger:
        for _ in range(100):
            acknowledged.add(add(store))
            path.open("rb").close()
            acknowledged.add(int(stranger.ask()))
            acknowledged.add(add(store))
        stranger.finish()
    assert len(acknowledged) == 300
    assert ids(store) == acknowledged
    store.close()
    assert sound(path)


def test_opening_and_closing_the_file_in_another_process_loses_nothing(
    store: SqliteStore, path: Path
) -> None:
    """J1: while this process opens and closes its store around the careless one's commits."""
    acknowledged: set[int] = set()
    with child(path, CARELESS) as careless:
        for _ in range(100):
            acknowledged.add(int(careless.ask()))
            acknowledged.add(add(store))
            store.close()
        careless.finish()
    assert ids(store) == acknowledged
    store.close()
    assert sound(path)


def test_without_a_guard_no_commit_to_a_dead_log_is_acknowledged(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """J1, J2, T2: where the log can be taken away, that is noticed, and the database stays sound."""
    without_guard(monkeypatch)
    store = SqliteStore(path)
    store.migrate()
    acknowledged: set[int] = set()
    with child(path, STRANGER) as stranger:
        for number in range(20):
            acknowledged.add(add(store))
            path.open("rb").close()
            # The first closes the old log away; the second commits to a log of its own, and closes that, too.
            acknowledged |= {int(stranger.ask()), int(stranger.ask())}
            key = f"round-{number}"
            try:
                acknowledged.add(add(store, idempotency_key=key))
            except OutcomeUnknown:
                acknowledged.add(add(store, idempotency_key=key))
        stranger.finish()
    assert ids(store) == acknowledged
    assert len(acknowledged) == 80
    assert "deleted or replaced" in caplog.text
    store.close()
    assert sound(path)


def test_a_log_deleted_live_is_saved_and_work_goes_on(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """J1, T2: an alarm is raised; what was acknowledged is copied out of the log that no name leads to."""
    acknowledged = {add(store) for _ in range(10)}
    os.unlink(f"{path}-wal")
    acknowledged.add(add(store))
    assert ids(store) == acknowledged
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    store.close()
    assert sound(path)


def test_a_log_deleted_live_is_noticed_by_who_only_reads(store: SqliteStore, path: Path) -> None:
    acknowledged = {add(store) for _ in range(10)}
    with child(path, WITH_STORE + "say(store.insert([NewJob(key='k')])[0].job_id); hear()") as other:
        acknowledged.add(int(other.heard()))
        for name in (f"{path}-wal", f"{path}-shm"):
            os.unlink(name)
        assert ids(store) == acknowledged
        other.tell()
        other.finish()
    assert ids(store) == acknowledged


@pytest.mark.parametrize("files", [["-wal"], ["-wal", "-shm"]], ids="+".join)
def test_a_log_deleted_under_two_processes_loses_nothing_of_either(
    store: SqliteStore, path: Path, files: list[str]
) -> None:
    writer = WITH_STORE + "while hear(): say(store.insert([NewJob(key='k')])[0].job_id)"
    acknowledged: set[int] = set()
    with child(path, writer) as other:
        for _ in range(5):
            acknowledged |= {int(other.ask()), add(store)}
            for name in files:
                os.unlink(f"{path}{name}")
            acknowledged |= {add(store), int(other.ask()), add(store), int(other.ask())}
        assert ids(store) == acknowledged
        store.close()
        other.finish()
    assert ids(store) == acknowledged
    store.close()
    assert sound(path)


def test_a_commit_to_a_log_that_is_deleted_under_it_is_of_unknown_outcome_and_its_retry_makes_one_job(
    store: SqliteStore, path: Path
) -> None:
    """J2, T2: nothing is acknowledged, and the same idempotency key finds out."""
    job = NewJob(key="pay", idempotency_key="order-7")
    before = add(store)

    def insert() -> None:
        with store.transaction() as connection:
            store.insert([job], connection=connection)
            os.unlink(f"{path}-wal")

    with pytest.raises(OutcomeUnknown, match="retry with the same idempotency key"):
        insert()
    told = store.insert([job])[0]
    assert ids(store) == {before, told.job_id}
    store.close()
    assert sound(path)


def test_a_log_replaced_by_another_file_is_never_written_to(store: SqliteStore, path: Path) -> None:
    """T2: nothing is acknowledged into it, and what had reached the database is there."""
    kept = add(store)
    store.checkpoint(force=True)

    def insert() -> None:
        with store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
            os.rename(f"{path}-wal", f"{path}-moved")
            Path(f"{path}-wal").write_bytes(b"")

    with pytest.raises(OutcomeUnknown):
        insert()
    again = add(store)
    assert {kept, again} <= ids(store)
    store.close()
    assert sound(path)


def test_a_database_that_is_replaced_is_read_and_written_anew(store: SqliteStore, path: Path) -> None:
    add(store, "old")
    store.close()
    shutil.copy(path, f"{path}.copy")
    add(store, "lost with its file")
    os.replace(f"{path}.copy", path)
    os.unlink(f"{path}-wal")
    os.unlink(f"{path}-shm")
    assert [job.key for job in store.select(JobFilter())] == ["old"]
    assert the(store, add(store, "new")).key == "new"
    store.close()
    assert sound(path)


def test_flipped_bytes_in_the_log_leave_a_valid_prefix(path: Path) -> None:
    """T1: of twenty commits, those before the damage are there, and none after it."""
    ends = [
        int(line)
        for line in run(
            path,
            WITH_STORE
            + "store.migrate()\nstore.close()\n"
            + "import sqlite3\n"
            + "sqlite3.connect(path).execute('PRAGMA wal_checkpoint(TRUNCATE)').connection.close()\n"
            + "for n in range(20):\n"
            + "    store.insert([NewJob(key='work')]); say(os.stat(path + '-wal').st_size)\n"
            + "os._exit(0)",
        )
    ]
    log = Path(f"{path}-wal")
    raw = bytearray(log.read_bytes())
    for position in range((ends[11] + ends[12]) // 2, len(raw), 1999):
        raw[position] ^= 0xFF
    log.write_bytes(raw)
    store = SqliteStore(path)
    assert ids(store) == set(range(1, 13))
    store.quick_check()
    assert add(store) == 13
    store.close()
    assert sound(path)


@pytest.mark.parametrize("position", [*range(0, 16, 3), 15, 16, 21, 22, 23, 47, 59])
def test_a_flipped_header_is_refused_and_the_file_left_as_it_was(
    store: SqliteStore, path: Path, position: int
) -> None:
    """T1: never repaired in silence."""
    add(store)
    store.close()
    raw = bytearray(path.read_bytes())
    raw[position] ^= 0xFF
    path.write_bytes(raw)
    damaged = SqliteStore(path)
    with pytest.raises(UnsafeDatabase, match="restore a backup"):
        damaged.select(JobFilter())
    with pytest.raises(StoreError):
        add(damaged)
    damaged.close()
    assert path.read_bytes() == raw


def test_damage_inside_the_file_is_found_by_the_quick_check(store: SqliteStore, path: Path) -> None:
    """T1."""
    for _ in range(200):
        add(store, payload='{"filler":"' + "x" * 500 + '"}')
    store.close()
    raw = bytearray(path.read_bytes())
    for page in range(8, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    path.write_bytes(raw)
    with pytest.raises(UnsafeDatabase, match="damaged"):
        SqliteStore(path).quick_check()
    assert path.read_bytes() == raw


def test_a_pinned_reader_keeps_the_log_and_is_told_of(store: SqliteStore, path: Path) -> None:
    """A reader that stays for an hour blocks no writer, and the checkpoint says that it is there."""
    add(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM background_service_jobs").fetchone()
        while store.database.log_bytes() < 2 * LOG_LIMIT:
            store.insert([NewJob(key="work", payload='{"f":"' + "x" * 3000 + '"}')] * 100)
        state = store.checkpoint(force=True)
        assert state.blocked
        assert state.pages > 1000
    assert store.checkpoint(force=True) == (0, False)
    add(store)
    assert store.database.log_bytes() <= LOG_LIMIT


def test_without_a_service_producers_keep_the_log_small(store: SqliteStore) -> None:
    for _ in range(60):
        store.insert([NewJob(key="work", payload='{"f":"' + "x" * 3000 + '"}')] * 100)
    assert store.database.log_bytes() <= 2 * LOG_LIMIT
    assert store.counts()[JobStatus.PENDING] == 6000


def test_the_last_to_leave_leaves_one_file(store: SqliteStore, path: Path) -> None:
    """A program that copies the database after everything is closed has all of it."""
    before = len(os.listdir(f"/proc/{os.getpid()}/fd"))
    add(store)
    second = SqliteStore(path)
    add(second)
    store.close()
    second.close()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["app.db", "app.db-windlass"]
    assert len(os.listdir(f"/proc/{os.getpid()}/fd")) <= before


def test_closing_the_store_under_readers_of_other_threads_harms_nobody(store: SqliteStore) -> None:
    for _ in range(50):
        add(store)
    stop = threading.Event()
    strange: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            try:
                assert len(ids(store)) == 50
            except StoreError:
                continue  # interrupted: it says to try again
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                strange.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        store.close()
        store.get(1)
    stop.set()
    for reader in readers:
        reader.join()
    assert strange == []
