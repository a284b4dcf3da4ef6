"""Replicas of one collection; a server that misbehaves, and a transport with little patience."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.sync.databases import Places, connected
from tests.sync.real.fixtures import datasette, kinto, postgrest, roundup
from tests.sync.replicas import TASKS, Collection, Make, Replica
from tests.sync.servers.faulty import Faulty
from windlass import Windlass
from windlass.store.postgres.location import is_postgres
from windlass.sync.http import Timeouts, Transport

__all__ = ["datasette", "kinto", "postgrest", "roundup", "server", "transport"]

SHORT = Timeouts(connect=2, read=0.3, total=0.5)


@pytest.fixture
def server() -> Iterator[Faulty]:
    with Faulty() as faulty:
        yield faulty


@pytest.fixture
def transport(server: Faulty) -> Iterator[Transport]:
    with Transport(server.url, timeouts=SHORT) as one:
        yield one


@pytest.fixture
def collection() -> Collection:
    return Collection()


@pytest.fixture
def places(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Places:
    """Databases by name, each with a place of its own; on both stores."""
    known: dict[str, str] = {}

    def place(name: str) -> str:
        if not is_postgres(database_url):
            return str(tmp_path / f"{name}.db")
        if name not in known:
            known[name] = request.getfixturevalue("postgres_ready_urls")() if known else database_url
        return known[name]

    return place


@pytest.fixture
def replica(places: Places, collection: Collection) -> Iterator[Make]:
    """Makes replicas of the collection, or of another one; closes them."""
    made: list[Replica] = []

    def make(**options: Any) -> Replica:
        one = Replica(places(f"replica-{len(made)}"), options.pop("collection", collection), **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    """A program on a new database."""
    with closing(Windlass(database_url)) as app:
        yield app


@pytest.fixture
def db(app: Windlass, database_url: str) -> Iterator[Any]:
    """Another program's connection to it, and the table of tasks."""
    with closing(connected(database_url)) as connection:
        connection.execute(TASKS)
        yield connection
