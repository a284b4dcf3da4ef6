"""Tests that run on every store ask for ``database_url``; one that names SQLite is marked ``sqlite``.

Those marked ``hintless`` run without hints, too: as on a server that has neither notices nor advisory locks.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames:
        names_sqlite = metafunc.definition.get_closest_marker("sqlite") is not None
        stores = ["sqlite"] if names_sqlite else ["sqlite", "postgres"]
        if metafunc.definition.get_closest_marker("hintless") is not None:
            stores.append("hintless")
        metafunc.parametrize("database_url", stores, indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database without jobs: a file, or one on the tests' PostgreSQL server."""
    if request.param in ("postgres", "hintless"):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        url: str = request.getfixturevalue("postgres_ready_url")
        return url if request.param == "postgres" else f"{url}&windlass_hints=off"
    return str(tmp_path / "app.db")
