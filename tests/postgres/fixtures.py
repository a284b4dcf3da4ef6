"""What a test asks for when it needs a PostgreSQL.

Each process that runs tests has servers of its own, started when first asked for and ended with it, whatever
ends it: a test may crash its server and disturbs no other test.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgres.bouncer import Bouncer
    from tests.postgres.server import Server


@pytest.fixture(scope="session")
def postgres_servers() -> Generator[Callable[[str], Server]]:
    """A server of any version in ``programs.NAMES``; the same one each time."""
    from tests.postgres.server import Server

    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def server_of(version: str) -> Server:
            if version not in running:
                running[version] = stack.enter_context(Server.made(version))
            elif not running[version].is_running():
                running[version].start()
            return running[version]

        yield server_of


@pytest.fixture
def postgres_server(postgres_servers: Callable[[str], Server]) -> Server:
    """The process's server of the main version, running."""
    from tests.postgres.programs import MAIN

    return postgres_servers(MAIN)


@pytest.fixture
def postgres_database(postgres_server: Server) -> Generator[str]:
    """The name of a new empty database on ``postgres_server``, dropped afterwards."""
    with postgres_server.database() as name:
        yield name


@pytest.fixture
def postgres_url(postgres_server: Server, postgres_database: str) -> str:
    """The URL of a new empty database, for a user who owns it and is no superuser; by a Unix socket."""
    return postgres_server.url(postgres_database)


@pytest.fixture
def debian_postgres_url(postgres_servers: Callable[[str], Server]) -> Generator[str]:
    """The same on the system's PostgreSQL, which is older."""
    server = postgres_servers("debian")
    with server.database() as name:
        yield server.url(name)


@pytest.fixture
def bouncer(postgres_server: Server) -> Generator[Bouncer]:
    """A pgbouncer in transaction mode before ``postgres_server``."""
    from tests.postgres.bouncer import before

    with before(postgres_server) as bouncer:
        yield bouncer


@pytest.fixture
def bouncer_url(bouncer: Bouncer, postgres_database: str) -> str:
    """The database of ``postgres_url`` by way of pgbouncer in transaction mode."""
    return bouncer.url(postgres_database)
