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
    from tests.postgres.handed_on import HandedOn
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


@pytest.fixture(scope="module")
def postgres_module_url(postgres_servers: Callable[[str], Server]) -> Generator[str]:
    """The URL of a database that all tests of a module share: they look at what one of them put there."""
    from tests.postgres.programs import MAIN

    server = postgres_servers(MAIN)
    with server.database() as name:
        yield server.url(name)


@pytest.fixture(scope="session")
def postgres_handed_on(postgres_servers: Callable[[str], Server]) -> Generator[HandedOn]:
    """The database of all tests that need one of their own only as long as they run."""
    from tests.postgres.handed_on import HandedOn
    from tests.postgres.programs import MAIN

    database = HandedOn(postgres_servers(MAIN))
    yield database
    database.drop()


@pytest.fixture(scope="session")
def postgres_shelf(postgres_servers: Callable[[str], Server]) -> Generator[list[HandedOn]]:
    """More of them, for tests that need several at once: they add what is missing."""
    databases: list[HandedOn] = []
    yield databases
    for database in databases:
        database.drop()


@pytest.fixture
def postgres_ready_urls(
    postgres_server: Server, postgres_shelf: list[HandedOn]
) -> Generator[Callable[[], str]]:
    """Another one with each call, as ``postgres_ready_url``."""
    from tests.postgres.handed_on import HandedOn

    with ExitStack() as stack:
        lent = 0

        def lend() -> str:
            nonlocal lent
            lent += 1
            if len(postgres_shelf) < lent:
                postgres_shelf.append(HandedOn(postgres_server))
            return stack.enter_context(postgres_shelf[lent - 1].lent())

        yield lend


@pytest.fixture
def postgres_ready_url(postgres_server: Server, postgres_handed_on: HandedOn) -> Generator[str]:
    """The URL of a database that has all tables already, and nothing in them."""
    with postgres_handed_on.lent() as url:
        yield url


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
