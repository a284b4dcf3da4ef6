"""/livez says nothing to anyone; /readyz says to whom it may tell why no work should come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.asking import asking
from windlass import Windlass
from windlass.web import health


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Windlass]:
    made = Windlass(tmp_path / "app.db")
    yield made
    made.close()


def ready(app: Windlass) -> tuple[int, Any]:
    with asking(app) as program:
        answer = program.client.get("/readyz")
        return answer.status_code, answer.json()["reasons"]


def test_where_jobs_are_run_it_is_ready(app: Windlass) -> None:
    with app.running(threads=1):
        assert ready(app) == (200, [])


def test_where_nobody_runs_jobs_it_is_not(app: Windlass) -> None:
    status, (reason,) = ready(app)
    assert status == 503
    assert "no dispatcher lives" in reason


def test_a_newer_windlass_has_been_here(app: Windlass, tmp_path: Path) -> None:
    app.enqueue("work")
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute(
            "INSERT INTO windlass_migrations (number, name, checksum) VALUES (100, 'newer', 'sum')"
        )
    connection.close()
    status, (reason,) = ready(app)
    assert status == 503
    assert "newer" in reason


def test_a_database_that_is_none(app: Windlass, tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"no database at all, " * 100)
    status, (reason,) = ready(app)
    assert status == 503
    assert "the database cannot be used" in reason


def test_a_database_that_nobody_can_write_to(app: Windlass, tmp_path: Path) -> None:
    with app.running(threads=1):
        app.jobs.counts()
        other = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        status, (reason,) = ready(app)
        other.execute("ROLLBACK")
        other.close()
    assert status == 503
    assert "the database cannot be used" in reason


def test_a_full_disk(app: Windlass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FREE_LEAST", 2**63)
    with app.running(threads=1):
        status, (reason,) = ready(app)
    assert status == 503
    assert "MB are free" in reason


def test_liveness_needs_no_token_and_says_nothing(app: Windlass) -> None:
    with asking(app) as program:
        answer = program.client.get("/livez", headers={"Authorization": ""})
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert program.client.get("/readyz", headers={"Authorization": ""}).status_code == 401
