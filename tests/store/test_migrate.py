"""Migrations: once, in order, whole, and never over what another version wrote."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.store.children import WITH_STORE, child
from tests.store.conformance.steps import add
from tests.store.test_log import sound
from windlass.errors import NewerSchema, StoreUnavailable, UnsafeDatabase
from windlass.store import open_store
from windlass.store.protocol import NewJob
from windlass.store.sqlite import connections
from windlass.store.sqlite.migrate import Migration, migrate, migrations, statements
from windlass.store.sqlite.store import SqliteStore


def schema(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]


def tamper(path: Path, statement: str) -> bytes:
    """Changes a closed database; its bytes afterwards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    return path.read_bytes()


ALL = [migration.name for migration in migrations()]
NEWER = "INSERT INTO windlass_migrations (number, name, checksum) VALUES (9999, '9999_future', 'x')"


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_newer_schema_is_refused_and_the_file_left_byte_for_byte(
    store: SqliteStore, path: Path, mode: str
) -> None:
    """T1; also where the file, such as a backup, does not use a write-ahead log yet."""
    add(store)
    store.close()
    tamper(path, f"PRAGMA journal_mode = {mode}")
    before = tamper(path, NEWER)
    newer = SqliteStore(path)
    said = r"has schema 9999, this Windlass knows up to \d+: upgrade Windlass"
    with pytest.raises(NewerSchema, match=said):
        newer.migrate()
    newer.close()
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["app.db", "app.db-windlass"]


def test_a_newer_schema_is_refused_on_a_callers_connection(store: SqliteStore, path: Path) -> None:
    store.close()
    tamper(path, NEWER)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(NewerSchema):
        open_store(connection)


def test_a_migration_that_was_applied_with_another_text_is_refused(store: SqliteStore, path: Path) -> None:
    """T1."""
    store.close()
    before = tamper(path, "UPDATE windlass_migrations SET checksum = 'other'")
    with pytest.raises(UnsafeDatabase, match="0001_jobs was applied with another text"):
        SqliteStore(path).migrate()
    assert path.read_bytes() == before


def test_a_table_of_that_name_that_is_not_ours_is_left_alone(path: Path) -> None:
    """T1: such as one that the origin's own program made."""
    tamper(path, "CREATE TABLE background_service_jobs (id INTEGER PRIMARY KEY, job_key TEXT)")
    with pytest.raises(UnsafeDatabase, match=r"does not fit what is there .*already exists.*rename"):
        SqliteStore(path).migrate()
    assert schema(path) == ["background_service_jobs"]


def test_a_programs_own_tables_stay_beside_ours(path: Path) -> None:
    tamper(path, "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    store = SqliteStore(path)
    store.migrate()
    assert {"orders", "background_service_jobs"} <= set(schema(path))
    store.close()


def test_a_new_file_in_which_another_program_writes_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses to begin a log there at once, whatever the timeout."""
    refused = threading.Event()
    monkeypatch.setattr(connections, "sleep", lambda _: refused.set())
    store = SqliteStore(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (n)")
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            migrated = pool.submit(store.migrate)
            assert refused.wait(20)
            other.execute("COMMIT")
            migrated.result(20)
    assert store.counts()
    store.close()


def test_migrations_raced_by_eight_processes_are_applied_once(path: Path) -> None:
    code = (
        "say('ready'); hear()\n"
        + WITH_STORE
        + "say(store.migrate())\nsay(store.insert([NewJob(key='k')])[0])"
    )
    with ExitStack() as started:
        racers = [started.enter_context(child(path, code)) for _ in range(8)]
        for racer in racers:
            assert racer.heard() == "ready"
        for racer in racers:
            racer.tell()
        applied = [racer.heard() for racer in racers]
        told = {racer.heard() for racer in racers}
        for racer in racers:
            racer.finish()
    assert sorted(applied) == sorted([str(ALL), *["[]"] * 7])
    assert len(told) == 8
    assert sound(path)


KILLED = """
import signal
from windlass.store.sqlite import migrate as module
from windlass.store.sqlite.store import SqliteStore
deadly = int(hear())
original = module.statements
def until_killed(text):
    for number, statement in enumerate(original(text)):
        if number == deadly: os.kill(os.getpid(), signal.SIGKILL)
        yield statement
module.statements = until_killed
SqliteStore(path).migrate()
"""


def test_a_kill_in_mid_migration_leaves_the_old_or_the_new_and_nothing_between(path: Path) -> None:
    steps = len(statements(migrations()[0].text))
    assert steps > 10
    for deadly in range(0, steps, 3):
        with child(path, KILLED) as doomed:
            doomed.tell(str(deadly))
            assert doomed.process.wait(60) == -9
        assert schema(path) == []
    store = SqliteStore(path)
    assert store.migrate() == ALL
    assert add(store) == 1
    store.close()
    assert sound(path)


def test_a_later_migration_is_applied_alone_and_one_that_fails_changes_nothing(
    store: SqliteStore, path: Path
) -> None:
    known = migrations()
    second = Migration(9001, "9001_colour", "ALTER TABLE windlass_queues ADD COLUMN colour TEXT;")
    broken = Migration(
        9002, "9002_broken", "CREATE TABLE windlass_new (a);\nALTER TABLE windlass_none ADD COLUMN b;"
    )
    with pytest.raises(UnsafeDatabase, match="9002_broken does not fit"):
        migrate(store.database, [*known, second, broken])
    assert "windlass_new" not in schema(path)
    assert migrate(store.database, [*known, second]) == ["9001_colour"]
    assert migrate(store.database, [*known, second]) == []
    with pytest.raises(NewerSchema):
        store.migrate()


def test_a_database_of_the_first_schema_keeps_its_jobs_and_learns_what_is_unique(path: Path) -> None:
    old = SqliteStore(path)
    migrate(old.database, migrations()[:1])
    old.close()
    tamper(path, "INSERT INTO background_service_jobs (job_key, idempotency_key) VALUES ('k', 'once')")
    with closing(sqlite3.connect(path)) as connection, pytest.raises(UnsafeDatabase, match="older Windlass"):
        open_store(connection).get(1)
    store = SqliteStore(path)
    assert store.migrate() == ALL[1:]
    assert store.insert([NewJob(key="k", idempotency_key="once")])[0].job_id == 1
    first, again = store.insert([NewJob(key="k", unique="u")] * 2)
    assert (first.created, again.created, again.job_id) == (True, False, first.job_id)
    store.close()
    assert sound(path)


def test_a_script_is_split_into_its_statements(tmp_path: Path) -> None:
    text = "-- first; really\nCREATE TABLE a (\n  b TEXT DEFAULT ';'\n);\nINSERT INTO a VALUES ('x;y');\n"
    assert [one.splitlines()[-1] for one in statements(text)] == [");", "INSERT INTO a VALUES ('x;y');"]
    with pytest.raises(ValueError, match="expected a semicolon after 'DROP TABLE a'"):
        statements(text + "DROP TABLE a")


def test_a_migration_that_waits_for_this_programs_own_transaction_says_so(path: Path) -> None:
    store = SqliteStore(path, busy_timeout_s=0.1)
    with closing(sqlite3.connect(path)) as own:
        own.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        own.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"locked"):
            store.migrate()
    store.migrate()
    tamper(path, "DELETE FROM windlass_migrations")
    with closing(sqlite3.connect(path)) as own:
        own.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            StoreUnavailable, match="run windlass migrate, or use the app once, before it begins"
        ):
            store.migrate()
    store.close()
