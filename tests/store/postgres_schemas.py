"""An empty schema for each test, in one database: quicker than a database for each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

from windlass.store.postgres.store import PostgresStore
from windlass.testing import ManualClock

if TYPE_CHECKING:
    from tests.postgres.server import Server


class Schemas:
    """A database whose schemas come and go."""

    def __init__(self, server: Server, database: str) -> None:
        self._server = server
        self._database = database

    @contextmanager
    def empty(self, **options: str) -> Generator[str]:
        """The URL of an empty schema, dropped afterwards; ``options`` are added to it."""
        name = f"s{secrets.token_hex(4)}"
        self._server.execute(f"CREATE SCHEMA {name} AUTHORIZATION app", database=self._database)
        try:
            yield self._server.url(self._database, options=f"-csearch_path={name}", **options)
        finally:
            self._server.execute(
                f"SET client_min_messages = error; DROP SCHEMA {name} CASCADE", database=self._database
            )


@contextmanager
def migrated(url: str, clock: ManualClock) -> Generator[PostgresStore]:
    """A store with its tables."""
    store = PostgresStore(url, clock)
    store.migrate()
    try:
        yield store
    finally:
        store.close()


@pytest.fixture(scope="session")
def postgres_schemas_of(postgres_servers: Callable[[str], Server]) -> Iterator[Callable[[str], Schemas]]:
    """Empty schemas on a version by its name."""
    with ExitStack() as stack:

        @cache
        def schemas_of(version: str) -> Schemas:
            server = postgres_servers(version)
            return Schemas(server, stack.enter_context(server.database()))

        yield schemas_of


@pytest.fixture(scope="session")
def postgres_schemas(postgres_schemas_of: Callable[[str], Schemas]) -> Schemas:
    """Empty schemas on the main version."""
    from tests.postgres.programs import MAIN

    return postgres_schemas_of(MAIN)


@pytest.fixture
def postgres_schema(postgres_schemas: Schemas) -> Iterator[str]:
    """The URL of an empty schema of an ordinary user."""
    with postgres_schemas.empty() as url:
        yield url


@pytest.fixture
def postgres_store(postgres_schema: str, clock: ManualClock) -> Iterator[PostgresStore]:
    """A store in an empty schema."""
    with migrated(postgres_schema, clock) as store:
        yield store
