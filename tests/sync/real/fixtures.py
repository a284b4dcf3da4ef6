"""One server of each kind for all tests of a process, and a remote that is closed after its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sync.real import datasette as datasettes
from tests.sync.real import kinto as kintos
from tests.sync.real import roundup as roundups
from tests.sync.real.postgrest_like import PostgrestLike


@pytest.fixture(scope="session")
def kinto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kintos.Kinto]:
    with kintos.serve(tmp_path_factory.mktemp("kinto")) as server:
        yield server


@pytest.fixture(scope="session")
def roundup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[roundups.Roundup]:
    with roundups.serve(tmp_path_factory.mktemp("roundup")) as server:
        yield server


@pytest.fixture(scope="session")
def datasette(tmp_path_factory: pytest.TempPathFactory) -> Iterator[datasettes.Datasette]:
    with datasettes.serve(tmp_path_factory.mktemp("datasette")) as server:
        yield server


@pytest.fixture
def postgrest() -> Iterator[PostgrestLike]:
    with PostgrestLike() as server:
        yield server
