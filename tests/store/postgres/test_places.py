"""Several hosts in a URL, and what is done with the connections to one that is gone."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.postgres.server import PORT, Server
from tests.service.waiting import until
from windlass.store.postgres.location import locate
from windlass.store.postgres.places import NEXT_S, Places
from windlass.store.postgres.store import PostgresStore
from windlass.testing import ManualClock

END = "SELECT pg_terminate_backend(%s)"


@pytest.fixture
def silent(tmp_path: Path) -> Generator[socket.socket]:
    """A place where somebody listens who never says anything, as a machine that is gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/.s.PGSQL.{PORT}")
        listener.listen()
        listener.setblocking(False)
        yield listener


def knocks(listener: socket.socket) -> int:
    """How often somebody has come since the last call."""
    for count in range(100):
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("nobody stops knocking")


def test_a_host_that_answers_nobody_is_asked_once(
    postgres_server: Server, postgres_database: str, tmp_path: Path, clock: ManualClock, silent: socket.socket
) -> None:
    places = {"host": f"{tmp_path},{postgres_server.folder}", "port": f"{PORT},{PORT}"}
    with closing(PostgresStore(postgres_server.url(postgres_database, **places), clock)) as store:
        store.database.connections.open().close()
        assert knocks(silent) == 1
        for _ in range(2):
            store.database.connections.open().close()
        assert knocks(silent) == 0


def test_who_loses_a_connection_asks_another_host_first(postgres_server: Server) -> None:
    here, gone = str(postgres_server.folder), "/nowhere"
    places = Places({"host": f"{gone},{here}", "port": str(PORT)})
    with psycopg.connect(postgres_server.url(), autocommit=True) as raw:
        places.answered(raw)
        assert (places.conninfo["host"], places.conninfo["port"]) == (f"{here},{gone}", f"{PORT},{PORT}")
        places.left(raw)
        assert places.conninfo["host"] == f"{here},{gone}"
        with pytest.raises(psycopg.OperationalError):
            raw.execute(END, [raw.info.backend_pid])
        for _ in range(2):
            # However many are lost: it is not asked first again.
            places.left(raw)
            assert places.conninfo["host"] == f"{gone},{here}"


def test_what_the_url_says_is_kept() -> None:
    def conninfo(query: str) -> dict[str, object]:
        from psycopg.conninfo import conninfo_to_dict

        return Places(conninfo_to_dict(locate(f"postgresql://app@one,two/work{query}").conninfo)).conninfo

    assert conninfo("")["connect_timeout"] == NEXT_S
    assert conninfo("?connect_timeout=7")["connect_timeout"] == "7"
    assert "connect_timeout" not in conninfo("?hostaddr=127.0.0.1,127.0.0.2")


def test_a_lost_connection_takes_those_along_that_lie_idle(
    postgres_server: Server, postgres_url: str, clock: ManualClock
) -> None:
    """Each of them would be waited for, where their server is gone without a word."""
    with closing(PostgresStore(postgres_url, clock)) as store:
        connections = store.database.connections
        used, idle = connections.take(), connections.take()
        connections.give_back(idle)
        postgres_server.execute(END, [used.info.backend_pid])
        until(lambda: not answers(used))
        connections.give_back(used)
        assert idle.closed
        again = connections.take()
        assert answers(again)
        connections.give_back(again)


def answers(raw: psycopg.Connection) -> bool:
    try:
        raw.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
