"""What goes wrong between a program and its server."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.postgres.bouncer import Bouncer, before
from tests.postgres.server import Server
from tests.service.waiting import until
from tests.store.conformance.steps import add, claim, register, settlement, the
from tests.store.postgres_schemas import migrated
from windlass.errors import (
    ConfigError,
    NewerSchema,
    OutcomeUnknown,
    StoreError,
    StoreUnavailable,
    UnsafeDatabase,
)
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.postgres.listener import has_session
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import NewJob
from windlass.testing import ManualClock

PATIENCE_S = 60.0
SLOW_COMMIT = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON background_service_jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()
"""

HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
KEEPER = """
import sys, threading
from tests.store.conformance.steps import register
from windlass.store.postgres.store import PostgresStore
store = PostgresStore(sys.argv[1])
bell = store.bell("work")
register(store)
print("kept", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def store(postgres_url: str, clock: ManualClock) -> Iterator[PostgresStore]:
    """A store in a database of its own."""
    with migrated(postgres_url, clock) as store:
        yield store


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_was_restarted_is_used_again(
    store: PostgresStore, postgres_server: Server, mode: str
) -> None:
    before = add(store)
    postgres_server.restart(mode)
    after = add(store)
    assert [one.job_id for one in claim(store)] == [before, after]


def test_while_the_server_is_away_nothing_is_written_and_that_is_said(
    store: PostgresStore, postgres_server: Server
) -> None:
    """T2."""
    add(store)
    postgres_server.stop("fast")
    with pytest.raises(StoreUnavailable, match="nothing was written"):
        add(store)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.counts()
    postgres_server.start()
    assert store.counts()[JobStatus.PENDING] == 1


@pytest.mark.parametrize("many", [1, 2])
def test_a_connection_that_ends_in_mid_commit_leaves_the_outcome_unknown(
    store: PostgresStore, postgres_url: str, postgres_server: Server, postgres_database: str, many: int
) -> None:
    """J2: with the same idempotency key there is one job, whatever became of the first."""
    jobs = [NewJob(key="work", idempotency_key=str(n)) for n in range(many)]
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(SLOW_COMMIT.encode())
        raised: list[Exception] = []

        def enqueue() -> None:
            try:
                store.insert(jobs)
            except StoreError as error:
                raised.append(error)

        thread = threading.Thread(target=enqueue)
        thread.start()
        until(lambda: postgres_server.terminate(postgres_database, where="wait_event = 'PgSleep'") == 1)
        thread.join(PATIENCE_S)
        other.execute("DROP TRIGGER dawdle ON background_service_jobs")
    assert [type(error) for error in raised] == [OutcomeUnknown]
    told = store.insert(jobs)
    assert store.counts()[JobStatus.PENDING] == many == len({row.job_id for row in told})


def test_a_turn_whose_connection_ended_is_not_half_done(
    store: PostgresStore, postgres_server: Server, postgres_database: str
) -> None:
    add(store)
    (one,) = claim(store)

    def lose_it() -> None:
        with store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
            postgres_server.terminate(postgres_database)
            connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        lose_it()
    assert store.counts()[JobStatus.PENDING] == 0
    assert not store.settle_and_claim([settlement(one, Completed())]).stale


def test_a_statement_that_failed_is_not_committed_over(store: PostgresStore) -> None:
    def go_on() -> None:
        with store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute("SELECT 1 / 0")

    with pytest.raises(StoreError, match="let the error out of the block"):
        go_on()
    assert store.counts()[JobStatus.PENDING] == 0


# ── bells ────────────────────────────────────────────────────────────────────────────────────────
def test_a_foreign_insert_wakes_dispatchers_and_onlookers(store: PostgresStore, postgres_url: str) -> None:
    bells = [store.bell("work"), store.bell("watch")]
    with psycopg.connect(postgres_url) as program:
        program.execute(
            "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
            "VALUES ('work', '{}', 0, 3, 'PENDING')"
        )
    for bell in bells:
        assert select.select([bell.fileno()], [], [], PATIENCE_S)[0]
        assert bell.drain()
        bell.close()
    (one,) = claim(store)
    assert (one.key, one.payload, one.max_attempts) == ("work", "{}", 3)


def test_a_ring_is_heard_in_another_process(store: PostgresStore, postgres_url: str) -> None:
    bell = store.bell("watch")
    ringer = (
        "import sys; from windlass.store import open_store; s = open_store(sys.argv[1]); s.ring(); s.close()"
    )
    subprocess.run([sys.executable, "-c", ringer, postgres_url], check=True)
    assert select.select([bell.fileno()], [], [], PATIENCE_S)[0]
    bell.close()


def test_a_listening_connection_that_ended_is_made_anew(
    store: PostgresStore, postgres_server: Server, postgres_database: str, postgres_url: str
) -> None:
    """Celery #8030: silent after reconnect."""
    bell = store.bell("work")
    postgres_server.terminate(postgres_database)
    # Whatever was told meanwhile is lost: so it rings once it listens again.
    assert select.select([bell.fileno()], [], [], PATIENCE_S)[0]
    bell.drain()
    with psycopg.connect(postgres_url) as program:
        program.execute("INSERT INTO background_service_jobs (job_key) VALUES ('work')")
    assert select.select([bell.fileno()], [], [], PATIENCE_S)[0]
    bell.close()


# ── poolers, forks, other versions ───────────────────────────────────────────────────────────────
def test_behind_a_pooler_in_transaction_mode_nothing_is_bound_to_a_session(
    bouncer_url: str, clock: ManualClock
) -> None:
    with migrated(bouncer_url, clock) as store:
        assert store.database.connections.facts.pooled
        bell = store.bell("work")
        owner = register(store)
        for _ in range(12):  # oftener than a statement is run before it is prepared
            job_id = add(store)
            (one,) = claim(store, owner)
            assert not store.settle_and_claim([settlement(one, Completed("1"))]).stale
            assert the(store, job_id).result == 1
        bell.close()


def test_behind_a_pooler_in_transaction_mode_nobody_listens_and_that_is_said_once(
    bouncer: Bouncer,
    bouncer_url: str,
    postgres_url: str,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A LISTEN would stay with a session that others are given next; who said it would hear nothing."""
    with migrated(bouncer_url, clock) as store:
        assert not has_session(store.database.connections)
        bells = [store.bell("work"), store.bell("watch")]
        owner = register(store)
        assert [one.session for one in store.dispatchers()] == [None]
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_notify('windlass.public', 'all -')")
        add(store)
        assert claim(store, owner)
        assert all(bell.drain() for bell in bells)  # within a program all is heard
        with store.database.read() as connection:
            assert connection.execute("SELECT count(*) FROM pg_listening_channels()").fetchone() == (0,)
            assert connection.execute(HELD).fetchone() == (0,)
        for bell in bells:
            bell.close()
    assert caplog.text.count("pooler in transaction mode") == 1
    # It tells so of a server that said something to a session nobody had.
    assert "when not linked" not in bouncer.log()


def test_behind_a_pooler_that_leaves_programs_their_sessions_everything_is_heard(
    postgres_server: Server, postgres_database: str, clock: ManualClock
) -> None:
    with (
        before(postgres_server, mode="session", pool=20) as bouncer,
        migrated(bouncer.url(postgres_database), clock) as store,
    ):
        assert store.database.connections.facts.pooled
        bell = store.bell("work")
        owner = register(store)
        until(lambda: [one.session for one in store.dispatchers()] == [True])
        with psycopg.connect(postgres_server.url(postgres_database)) as program:
            program.execute("INSERT INTO background_service_jobs (job_key) VALUES ('work')")
        assert select.select([bell.fileno()], [], [], PATIENCE_S)[0]
        bell.close()
        until(lambda: [one.session for one in store.dispatchers()] == [False])
        store.unregister(owner)


# ── sessions that tell who lives ─────────────────────────────────────────────────────────────────
def test_others_see_that_a_killed_programs_session_is_gone(store: PostgresStore, postgres_url: str) -> None:
    """J6: before its silence is too long."""
    program = subprocess.Popen([sys.executable, "-c", KEEPER, postgres_url], stdout=subprocess.PIPE)
    assert program.stdout is not None
    assert program.stdout.readline() == b"kept\n"
    until(lambda: [one.session for one in store.dispatchers()] == [True])
    program.kill()
    program.wait(PATIENCE_S)
    program.stdout.close()
    until(lambda: [one.session for one in store.dispatchers()] == [False])


def test_a_session_that_was_ended_is_kept_anew(
    store: PostgresStore,
    postgres_server: Server,
    postgres_database: str,
    postgres_url: str,
    clock: ManualClock,
) -> None:
    bell, owner = store.bell("work"), register(store)
    with migrated(postgres_url, clock) as onlooker:
        until(lambda: [one.session for one in onlooker.dispatchers()] == [True])
        postgres_server.terminate(postgres_database, where="query LIKE '%%pg_try_advisory_lock%%'")
        until(lambda: [one.session for one in onlooker.dispatchers()] == [True])
        store.unregister(owner)
        second = register(store)
        until(lambda: [(one.id, one.session) for one in onlooker.dispatchers()] == [(second, True)])
    bell.close()


def test_a_forked_child_has_connections_of_its_own(store: PostgresStore) -> None:
    add(store)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if add(store) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.counts()[JobStatus.PENDING] == 2


def test_a_database_of_a_newer_windlass_is_refused(store: PostgresStore, postgres_url: str) -> None:
    """T1."""
    with psycopg.connect(postgres_url) as program:
        program.execute("INSERT INTO windlass_migrations (number, name, checksum) VALUES (9999, 'x', 'x')")
    with pytest.raises(NewerSchema, match="upgrade Windlass"):
        PostgresStore(postgres_url).counts()


def test_a_database_without_our_tables_says_how_to_make_them(postgres_url: str) -> None:
    with pytest.raises(UnsafeDatabase, match="windlass migrate"):
        PostgresStore(postgres_url).counts()


def test_a_table_of_our_name_that_is_not_ours_is_left_alone(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as program:
        program.execute("CREATE TABLE background_service_jobs (mine int)")
    with pytest.raises(UnsafeDatabase, match="nothing was changed"):
        PostgresStore(postgres_url).migrate()


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="windlass_hints=on"):
        PostgresStore("postgresql:///app?windlass_hints=maybe")


def test_processes_that_migrate_at_once_make_one_schema(postgres_url: str) -> None:
    stores = [PostgresStore(postgres_url) for _ in range(4)]
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda one=one: applied.append(one.migrate())) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(map(len, applied))[:3] == [0, 0, 0]
    assert len(applied) == 4
    for one in stores:
        one.close()


def test_what_is_known_of_the_server_is_asked_again_on_a_connection_that_is_there(
    postgres_store: PostgresStore,
) -> None:
    """While another thread failed to open one, an enqueue found nothing known and ended in an assertion."""
    connections = postgres_store.database.connections
    known = connections.facts
    connections._facts = None
    assert connections.facts == known
    assert add(postgres_store) > 0


def test_a_server_that_is_refused_is_not_known(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = postgres_store.database.connections
    connections.reset()

    def refuse(_: object) -> None:
        raise UnsafeDatabase("not this one")

    with monkeypatch.context() as patched:
        patched.setattr(connections, "_vet", refuse)
        for _ in range(2):
            with pytest.raises(UnsafeDatabase, match="not this one"):
                add(postgres_store)
    assert add(postgres_store) > 0
