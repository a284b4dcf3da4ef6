"""A server that misbehaves, and a transport that speaks to it with little patience."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sync.real.fixtures import datasette, kinto, postgrest, roundup
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
