"""What ``windlass doctor`` says of servers that are not as they should be, or that do not tell it all."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import Answer, Command
from tests.postgres.bouncer import before
from tests.postgres.server import SUPERUSER, Server
from tests.postgres.standby import NAME, following
from tests.service.waiting import until
from windlass import Windlass
from windlass.cli import server_checks
from windlass.cli.findings import Finding
from windlass.storage.server import server_storage
from windlass.store.postgres.inspecting import old_transactions
from windlass.store.postgres.migrate import migrations
from windlass.store.postgres.store import PostgresStore

ODD = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "20",
}
FULL = 15
"""Connections beside our own: of the 17 that are not the superuser's."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def odd_server() -> Generator[Server]:
    """A server for speed alone, with few connections."""
    with Server.made(settings=ODD) as server:
        yield server


@pytest.fixture
def odd_url(odd_server: Server) -> Iterator[str]:
    """A database on it, with its tables."""
    with odd_server.database() as name:
        url = odd_server.url(name)
        with closing(PostgresStore(url)) as store:
            store.migrate()
        yield url


@pytest.fixture
def guest(postgres_server: Server) -> Iterator[str]:
    """Another role."""
    name = f"guest_{secrets.token_hex(3)}"
    postgres_server.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    postgres_server.execute(f"DROP ROLE {name}")


@pytest.fixture
def store(postgres_ready_url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres_ready_url)) as store:
        yield store


def asked(cli: Command, url: str) -> Answer:
    return cli("doctor", "--db", url, "--json")


def found(answer: Answer, check: str, level: str) -> list[str]:
    """What it says on that."""
    told = [one for one in answer.data["findings"] if (one["check"], one["level"]) == (check, level)]
    return [one["says"] for one in told]


def levels(findings: Iterator[Finding]) -> list[str]:
    return [one.level for one in findings]


def test_a_sound_server_is_well(cli: Command, postgres_ready_url: str) -> None:
    answer = asked(cli, postgres_ready_url)
    assert answer.code == 0, answer
    for check in ("server", "durability", "clock", "connections", "schema", "transactions", "vacuum"):
        assert {one["level"] for one in answer.data["findings"] if one["check"] == check} == {"ok"}
    assert found(answer, "schema", "ok") == [f"schema {migrations()[-1].number}, up to date"]


def test_a_schema_without_tables_is_told(cli: Command, postgres_url: str) -> None:
    answer = asked(cli, postgres_url)
    assert answer.code == 1
    assert found(answer, "schema", "warning") == ["the schema holds no tables of Windlass"]


def test_a_migration_that_waits_is_named(cli: Command, postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        store.migrate()
    with psycopg.connect(postgres_url) as program:
        program.execute("DELETE FROM windlass_migrations WHERE number = 15")
    assert found(asked(cli, postgres_url), "schema", "warning") == ["migrations wait: 0015_hints"]


def test_what_a_power_cut_destroys_is_told(cli: Command, odd_url: str) -> None:
    answer = asked(cli, odd_url)
    assert answer.code == 1
    assert [one.partition(" is off")[0] for one in found(answer, "durability", "problem")] == [
        "fsync",
        "full_page_writes",
    ]
    assert "Windlass sets it" in found(answer, "durability", "note")[0]
    assert found(answer, "vacuum", "problem") == ["autovacuum is off: tables only grow"]


def test_connections_that_run_out_are_told_whoever_has_them(
    cli: Command, odd_server: Server, odd_url: str
) -> None:
    odd_server.execute("CREATE ROLE crowd LOGIN")
    with ExitStack() as stack:
        for _ in range(FULL):
            stack.enter_context(psycopg.connect(odd_server.url(user="crowd")))
        (told,) = found(asked(cli, odd_url), "connections", "warning")
        assert told.endswith(" of 17 connections are used")
        assert int(told.split()[0]) > FULL
    until(lambda: found(asked(cli, odd_url), "connections", "ok"))


def test_dead_rows_that_nobody_removes_are_told(odd_url: str) -> None:
    with closing(PostgresStore(odd_url)) as store, psycopg.connect(odd_url) as program:
        assert levels(server_checks.bloat(store)) == ["ok"]
        program.execute(
            "INSERT INTO windlass_meta (name, value) SELECT 'n' || i, '' FROM generate_series(1, 10500) AS i"
        )
        program.execute("DELETE FROM windlass_meta WHERE value = ''")
        program.execute("ALTER TABLE windlass_meta SET (autovacuum_enabled = false)")
        program.commit()
        until(lambda: levels(server_checks.bloat(store)) == ["warning", "warning"])
        dead, off = server_checks.bloat(store)
        assert dead.says.startswith("windlass_meta holds 10,5")
        assert off.do == "ALTER TABLE windlass_meta RESET (autovacuum_enabled)"


def test_a_transaction_that_stays_open_is_told(store: PostgresStore, postgres_ready_url: str) -> None:
    with psycopg.connect(postgres_ready_url, application_name="sleeper") as sleeper:
        sleeper.execute("SELECT 1")
        (told,) = (one for one in server_checks.transactions(store, 0.0) if "sleeper" in one.says)
        assert told.level == "warning"
        assert "idle in transaction" in told.says
        assert f"pg_terminate_backend({sleeper.info.backend_pid})" in told.do
        # It is only now that it was begun.
        assert levels(server_checks.transactions(store)) == ["ok"]


def test_sessions_that_cannot_be_looked_into_are_not_called_well(
    cli: Command, store: PostgresStore, postgres_server: Server, postgres_ready_url: str, guest: str
) -> None:
    with psycopg.connect(postgres_ready_url, user=guest) as other:
        other.execute("SELECT 1")
        (told,) = server_checks.transactions(store)
        assert told.level == "note"
        assert f"({guest}: 1) cannot be seen" in told.says
        assert told.do == "GRANT pg_read_all_stats TO app"
        answer = asked(cli, postgres_ready_url)
        assert answer.code == 0, answer
        assert len(found(answer, "transactions", "note")) == 1
        assert found(answer, "transactions", "ok") == []
        postgres_server.execute("GRANT pg_read_all_stats TO app")
        try:
            assert levels(server_checks.transactions(store)) == ["ok"]
            assert [one.state for one in old_transactions(store, 0.0)] == ["idle in transaction"]
        finally:
            postgres_server.execute("REVOKE pg_read_all_stats FROM app")


def test_the_storage_page_says_so_too(postgres_ready_url: str, guest: str) -> None:
    app = Windlass(postgres_ready_url)
    with closing(app), psycopg.connect(postgres_ready_url, user=guest):
        told = server_storage(app)
    assert told.schema == f"{len(migrations())} of {len(migrations())}"
    (finding,) = told.findings
    assert (finding.level, finding.check) == ("note", "transactions")
    assert finding.way_out == "GRANT pg_read_all_stats TO app"


def test_a_standby_is_told_on_both_sides(
    cli: Command, postgres_server: Server, postgres_database: str, postgres_url: str
) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        store.migrate()
    with following(postgres_server, synchronous=False) as standby:
        (told,) = found(asked(cli, postgres_url), "standby", "note")
        assert "cannot be seen" in told
        (told,) = found(asked(cli, postgres_server.url(postgres_database, user=SUPERUSER)), "standby", "ok")
        assert told.startswith(f"{NAME}: streaming, behind by ")
        until(lambda: standby.execute("SELECT 1 FROM pg_database WHERE datname = %s", [postgres_database]))
        answer = asked(cli, standby.url(postgres_database))
        assert answer.code == 1
        assert found(answer, "server", "problem") == ["this is a standby: nothing can be written"]


@pytest.mark.parametrize(
    ("mode", "told"), [("transaction", "no NOTIFY arrives"), ("session", "leaves each program its session")]
)
def test_a_pooler_is_told(
    cli: Command, postgres_server: Server, postgres_database: str, postgres_url: str, mode: str, told: str
) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        store.migrate()
    with before(postgres_server, mode=mode, pool=20) as bouncer:
        answer = asked(cli, bouncer.url(postgres_database))
        assert answer.code == 0, answer
        assert told in found(answer, "pooler", "note")[0]
    assert found(asked(cli, postgres_url), "pooler", "note") == []


def test_a_database_without_hints_is_told(cli: Command, postgres_ready_url: str) -> None:
    answer = asked(cli, f"{postgres_ready_url}&windlass_hints=off")
    assert answer.code == 0, answer
    assert "jobs start by polling" in found(answer, "hints", "note")[0]
