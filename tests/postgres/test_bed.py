"""The bed that the tests of PostgreSQL lie on: a server that can be crashed, a pooler, a standby."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.postgres import programs
from tests.postgres.bouncer import POOL, Bouncer
from tests.postgres.handed_on import HandedOn
from tests.postgres.server import SUPERUSER, Server, sweep
from tests.postgres.standby import both, following, is_streaming
from tests.service.waiting import gone, until

pytestmark = pytest.mark.timeout(120)
SHOW_VERSION = "SELECT current_setting('server_version_num')::int / 10000"


def one(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        found = cursor.fetchone() if cursor.description else None
        return found[0] if found else None


@pytest.mark.parametrize("version", programs.NAMES)
def test_a_server_of_each_version_runs_whoever_we_are(
    version: str, postgres_servers: Callable[[str], Server]
) -> None:
    server = postgres_servers(version)
    ((found,),) = server.execute(SHOW_VERSION)
    assert found >= 15 if version == "debian" else found == int(version)
    assert server.execute("SHOW fsync") == [("on",)]
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    assert "\nUid:\t0\t" not in status


def test_programs_that_nobody_may_reach_run_from_a_copy(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder = shutil.copytree(programs.in_the_wheel("18").parent, tmp_path / "locked") / "bin"
    try:
        found = programs.reachable(folder)
        assert "PostgreSQL" in found.run("postgres", "--version")
        assert (found.folder == folder) == (os.geteuid() != 0)
    finally:
        shutil.rmtree(programs.copy_place(folder.parent), ignore_errors=True)


def test_each_test_has_an_empty_database_that_it_owns(postgres_server: Server) -> None:
    with postgres_server.database() as first, postgres_server.database() as second:
        with psycopg.connect(postgres_server.url(first)) as connection:
            connection.execute("CREATE TABLE mine (id int)")
        url = postgres_server.url(second)
        assert one(url, "SELECT count(*) FROM pg_class WHERE relname = 'mine'") == 0
        assert one(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert postgres_server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [first]) == []


def test_a_database_is_dropped_with_those_still_connected(postgres_server: Server) -> None:
    with postgres_server.database() as name:
        left = psycopg.connect(postgres_server.url(name))
        assert postgres_server.sessions(name) == 1
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()


def test_a_database_that_is_handed_on_has_all_its_tables_and_no_rows(postgres_server: Server) -> None:
    """Whatever the test before did: it left rows and a table of its own, or dropped one of ours."""
    database = HandedOn(postgres_server)
    for left in (
        "INSERT INTO windlass_hosts (host) VALUES ('a')",
        "CREATE TABLE mine ()",
        "DROP TABLE windlass_hosts",
    ):
        with database.lent() as url, psycopg.connect(url) as connection:
            assert one(url, "SELECT count(*) FROM windlass_hosts") == 0
            assert one(url, "SELECT to_regclass('mine') IS NULL") is True
            connection.execute(left)
    with database.lent() as url:
        assert one(url, "SELECT count(*) FROM windlass_hosts") == 0
    database.drop()


def test_a_crash_keeps_what_was_committed_and_nothing_else(
    postgres_server: Server, postgres_url: str
) -> None:
    connection = psycopg.connect(postgres_url)
    connection.execute("CREATE TABLE kept (id int)")
    connection.execute("INSERT INTO kept VALUES (1)")
    connection.commit()
    connection.execute("INSERT INTO kept VALUES (2)")
    postgres_server.restart("immediate")
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    assert one(postgres_url, "SELECT array_agg(id) FROM kept") == [1]
    assert "was interrupted" in postgres_server.log() or "not properly shut down" in postgres_server.log()


def test_a_server_that_was_killed_starts_again(postgres_server: Server, postgres_url: str) -> None:
    one(postgres_url, "CREATE TABLE kept AS SELECT 7 AS id")
    postgres_server.kill()
    postgres_server.start()
    assert one(postgres_url, "SELECT id FROM kept") == 7


def test_backends_are_ended_in_one_database_alone(postgres_server: Server) -> None:
    with postgres_server.database() as first, postgres_server.database() as second, ExitStack() as stack:
        there = stack.enter_context(psycopg.connect(postgres_server.url(first)))
        here = stack.enter_context(psycopg.connect(postgres_server.url(second)))
        assert postgres_server.terminate(first) == 1
        with pytest.raises(psycopg.OperationalError):
            there.execute("SELECT 1")
        here.execute("SELECT 1")


HOLDER = """
import os, sys
from tests.postgres.server import Server
with Server.made() as server:
    print(server.pid, server.folder, flush=True)
    sys.stdin.read()
"""


def test_a_server_dies_with_a_run_that_is_killed_and_the_next_run_cleans_up() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        pid, folder = holder.stdout.readline().split()
        sweep()
        assert not gone(int(pid)), "the server of a living run is nobody's to sweep"
        assert Path(folder).exists()
        os.kill(holder.pid, signal.SIGKILL)
    until(lambda: gone(int(pid)))
    sweep()
    assert not Path(folder).exists()


def test_the_pooler_gives_many_clients_few_sessions(
    bouncer: Bouncer, bouncer_url: str, postgres_database: str
) -> None:
    with ExitStack() as stack:
        clients = [
            stack.enter_context(psycopg.connect(bouncer_url, autocommit=True, prepare_threshold=None))
            for _ in range(3 * POOL)
        ]
        backends = set[int]()
        for client in clients:
            # Held at once, as many transactions as there are sessions.
            backends.add(client.execute("SELECT pg_backend_pid()").fetchone()[0])
        with ExitStack() as open_ones:
            for client in clients[:POOL]:
                open_ones.enter_context(client.transaction())
                backends.add(client.execute("SELECT pg_backend_pid()").fetchone()[0])
        assert 1 < len(backends) <= POOL
        assert bouncer.server.sessions(postgres_database) <= POOL


def test_what_a_session_remembers_is_another_clients_behind_the_pooler(bouncer_url: str) -> None:
    with psycopg.connect(bouncer_url, autocommit=True, prepare_threshold=None) as first:
        first.execute("SELECT pg_advisory_lock(1)")
        with psycopg.connect(bouncer_url, autocommit=True, prepare_threshold=None) as second:
            # In a server of its own it would wait: here it has the same session, and so the same lock.
            assert second.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)


def test_a_pooler_that_crashed_takes_connections_again(bouncer: Bouncer, bouncer_url: str) -> None:
    with psycopg.connect(bouncer_url, autocommit=True) as connection:
        bouncer.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert one(bouncer_url, "SELECT 1") == 1


@pytest.mark.parametrize("synchronous", [True, False], ids=["synchronous", "asynchronous"])
def test_a_promoted_standby_takes_the_place_of_its_server(synchronous: bool) -> None:
    with Server.made() as primary, following(primary, synchronous=synchronous) as standby:
        primary.execute("CREATE DATABASE work OWNER app")
        url = both(primary, standby, "work")
        one(url, "CREATE TABLE kept AS SELECT 7 AS id")
        until(lambda: standby.execute("SELECT 1 FROM pg_database WHERE datname = 'work'"))
        until(lambda: is_streaming(primary))
        assert one(url, "SELECT pg_is_in_recovery()") is False
        if not synchronous:
            until(lambda: one(standby.url("work"), "SELECT count(*) FROM pg_class WHERE relname = 'kept'"))
        primary.stop("immediate")
        standby.promote()
        assert one(url, "UPDATE kept SET id = 8 RETURNING id") == 8
        assert one(url, "SELECT pg_is_in_recovery()") is False


def test_a_commit_waits_for_a_synchronous_standby() -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with Server.made() as primary, following(primary, synchronous=True) as standby:
        standby.stop()
        writer = threading.Thread(
            target=one, args=(primary.url(user=SUPERUSER), "CREATE TABLE kept (id int)")
        )
        writer.start()
        until(lambda: primary.execute(waiting) == [(1,)])
        standby.start()
        writer.join(30)
        assert not writer.is_alive()
        until(lambda: standby.execute("SELECT 1 FROM pg_class WHERE relname = 'kept'"))
