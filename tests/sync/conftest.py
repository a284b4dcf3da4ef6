"""Replicas of one collection; a server that misbehaves, and a transport with little patience."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sync.real.fixtures import datasette, kinto, postgrest, roundup
from tests.sync.replicas import Collection, Make, Replica
from tests.sync.servers.faulty import Faulty
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
def replica(tmp_path: Path, collection: Collection) -> Iterator[Make]:
    """Makes replicas of the collection, or of another one; closes them."""
    made: list[Replica] = []

    def make(**options: Any) -> Replica:
        one = Replica(tmp_path / f"replica-{len(made)}.db", options.pop("collection", collection), **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
