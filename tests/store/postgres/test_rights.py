"""Roles that may not do everything, and databases that cannot keep every text."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from tests.postgres.server import Server
from tests.store.conformance.steps import add, claim, register, the
from tests.store.postgres_schemas import migrated
from windlass.errors import ConfigError, UnsafeDatabase
from windlass.job import JobStatus
from windlass.store.postgres.store import PostgresStore
from windlass.testing import ManualClock


@pytest.fixture
def guest(postgres_server: Server, postgres_database: str) -> Iterator[str]:
    """A role that owns nothing."""
    name = f"guest_{secrets.token_hex(3)}"
    postgres_server.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    postgres_server.execute(f"DROP OWNED BY {name}; DROP ROLE {name}", database=postgres_database)


@pytest.fixture
def guest_url(postgres_server: Server, postgres_database: str, guest: str) -> str:
    """Its way to the database."""
    return postgres_server.url(postgres_database, user=guest)


def granted(server: Server, database: str, guest: str, rights: str) -> None:
    """Grants them on all tables that there are."""
    server.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {guest}", database=database)


@pytest.mark.parametrize(
    "write",
    [
        add,
        claim,
        register,
        lambda store: store.cancel([1]),
        lambda store: store.retry([1]),
        lambda store: store.set_queue("default", paused=True),
    ],
)
def test_a_role_that_may_only_read_is_told_what_it_lacks(
    postgres_server: Server,
    postgres_database: str,
    postgres_url: str,
    guest: str,
    guest_url: str,
    clock: ManualClock,
    write: Callable[[PostgresStore], object],
) -> None:
    with migrated(postgres_url, clock) as store:
        add(store)
    granted(postgres_server, postgres_database, guest, "SELECT")
    with closing(PostgresStore(guest_url, clock)) as store:
        assert store.migrate() == []
        assert store.counts()[JobStatus.PENDING] == 1
        with pytest.raises(UnsafeDatabase, match=f"the role {guest} may not .*: nothing was written; GRANT"):
            write(store)


def test_a_role_does_what_it_was_granted(
    postgres_server: Server,
    postgres_database: str,
    postgres_url: str,
    guest: str,
    guest_url: str,
    clock: ManualClock,
) -> None:
    """It is as the sentence says."""
    with migrated(postgres_url, clock) as store:
        add(store)
    granted(postgres_server, postgres_database, guest, "SELECT, INSERT, UPDATE, DELETE")
    with closing(PostgresStore(guest_url, clock)) as store:
        assert store.migrate() == []
        add(store)
        assert len(claim(store, register(store), limit=2)) == 2


def test_a_role_that_may_not_even_read_is_told_so(
    postgres_url: str, guest_url: str, clock: ManualClock
) -> None:
    with migrated(postgres_url, clock), closing(PostgresStore(guest_url, clock)) as store:
        for look in (store.counts, store.migrate):
            with pytest.raises(UnsafeDatabase, match=r"windlass_migrations.*GRANT SELECT"):
                look()


def test_a_role_that_may_make_no_tables_is_told_so(
    postgres_server: Server, postgres_database: str, guest: str, guest_url: str
) -> None:
    with closing(PostgresStore(guest_url)) as store:
        told = f"the role {guest} may not make .*: nothing was changed; GRANT USAGE, CREATE ON SCHEMA public"
        with pytest.raises(UnsafeDatabase, match=told):
            store.migrate()
        postgres_server.execute(
            f"GRANT USAGE, CREATE ON SCHEMA public TO {guest}", database=postgres_database
        )
        assert store.migrate()
        assert add(store) > 0


def test_a_migration_that_only_the_owner_may_apply_is_left_to_it(
    postgres_server: Server,
    postgres_database: str,
    postgres_url: str,
    guest: str,
    guest_url: str,
    clock: ManualClock,
) -> None:
    with migrated(postgres_url, clock), psycopg.connect(postgres_url) as owner:
        owner.execute("DELETE FROM windlass_migrations WHERE number = 14")
    granted(postgres_server, postgres_database, guest, "SELECT, INSERT, UPDATE, DELETE")
    postgres_server.execute(f"GRANT CREATE ON SCHEMA public TO {guest}", database=postgres_database)
    told = r"\(must be owner .*run windlass migrate as the role"
    with closing(PostgresStore(guest_url)) as store, pytest.raises(UnsafeDatabase, match=told):
        store.migrate()


def test_a_search_path_without_a_schema_is_named(postgres_server: Server, postgres_database: str) -> None:
    url = postgres_server.url(postgres_database, options="-csearch_path=nosuch")
    told = "CREATE SCHEMA … AUTHORIZATION app"
    with closing(PostgresStore(url)) as store, pytest.raises(UnsafeDatabase, match=told):
        store.migrate()


def test_what_a_programs_own_statement_may_not_do_is_its_own_error(
    postgres_server: Server, postgres_database: str, postgres_url: str, clock: ManualClock
) -> None:
    postgres_server.execute("CREATE TABLE secrets (id BIGINT)", database=postgres_database)

    def look(store: PostgresStore) -> None:
        with store.transaction() as connection:
            connection.execute("SELECT * FROM secrets")

    own = psycopg.errors.InsufficientPrivilege
    with migrated(postgres_url, clock) as store, pytest.raises(own, match="secrets"):
        look(store)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_keep_every_text_is_refused(postgres_server: Server, encoding: str) -> None:
    name = f"t_{secrets.token_hex(4)}"
    postgres_server.execute(
        f"CREATE DATABASE {name} OWNER app TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
    )
    try:
        with closing(PostgresStore(postgres_server.url(name))) as store:
            for use in (store.migrate, store.counts, lambda: add(store)):
                with pytest.raises(UnsafeDatabase, match=f"{encoding}.*ENCODING 'UTF8'"):
                    use()
        assert postgres_server.execute("SELECT to_regclass('windlass_migrations')", database=name) == [
            (None,)
        ]
    finally:
        postgres_server.execute(f"DROP DATABASE {name}")


def test_the_encoding_of_a_session_is_ours_whatever_is_set(
    postgres_url: str, postgres_server: Server, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    for url in (postgres_url, postgres_server.url(postgres_database, client_encoding="LATIN1")):
        with closing(PostgresStore(url)) as store:
            store.migrate()
            assert the(store, add(store, payload='{"a":"…"}')).payload == {"a": "…"}


def test_a_number_that_is_none_is_named(postgres_server: Server) -> None:
    told, url = "bad value for connect_timeout", postgres_server.url(connect_timeout="abc")
    with closing(PostgresStore(url)) as store, pytest.raises(ConfigError, match=told):
        store.counts()
