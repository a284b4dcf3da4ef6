"""Whatever becomes of the database while the dashboard is open, each page says what is the matter."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.web.asking import Program, asking
from windlass import Windlass

PAGES = (
    *(
        "overview?range=24h",
        "jobs",
        "jobs?q=word",
        "jobs/1",
        "jobs/suggest?field=key&prefix=w",
        "queues",
        "schedules",
    ),
    *("calendar", "sync", "workers", "storage", "service", "audit", "handlers", "session"),
)
APART = {"service", "handlers", "session"}
"""They need no database."""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Windlass]:
    (tmp_path / "room").mkdir()
    app = Windlass(tmp_path / "room" / "app.db")
    app.enqueue("work", queue="mail")
    app.schedules.add("often", job="work", every="1h")
    yield app
    app.close()


def told(program: Program) -> dict[str, tuple[int, str]]:
    """What each page is answered: the status and, where it is an error, its code."""
    found: dict[str, tuple[int, str]] = {}
    for page in PAGES:
        answer = program.client.get(f"/api/{page}")
        error = answer.json().get("error") if answer.status_code >= 400 else None
        assert error is None or error["message"], page
        found[page] = answer.status_code, error["code"] if error else ""
    return found


def all_well(program: Program) -> bool:
    return set(told(program).values()) == {(200, "")}


def reasons(program: Program) -> str:
    answer = program.client.get("/readyz")
    assert answer.status_code == 503
    return " ".join(answer.json()["reasons"])


@contextmanager
def moved_away(database: Path) -> Iterator[None]:
    room = database.parent
    shutil.move(room, room.with_name("elsewhere"))
    yield
    shutil.move(room.with_name("elsewhere"), room)


@contextmanager
def without_tables(database: Path) -> Iterator[None]:
    names = ("windlass_activity_spans", "windlass_queues", "windlass_schedules", "windlass_audit")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        for name in names:
            other.execute(f"ALTER TABLE {name} RENAME TO {name}_x")
        yield
        for name in names:
            other.execute(f"ALTER TABLE {name}_x RENAME TO {name}")


@contextmanager
def held_by_a_writer(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("trouble", "fail"),
    [
        (moved_away, set(PAGES) - APART),
        (without_tables, {"overview?range=24h", "queues", "schedules", "calendar", "audit"}),
        (held_by_a_writer, set[str]()),
    ],
    ids=["moved away", "without tables", "held by a writer"],
)
def test_each_page_says_what_is_the_matter_and_comes_back(
    app: Windlass, trouble: Callable[[Path], contextmanager[None]], fail: set[str], tmp_path: Path
) -> None:
    with asking(app) as program:
        assert all_well(program)
        with trouble(tmp_path / "room" / "app.db"):
            for page, (status, code) in told(program).items():
                assert status in (200, 503), (page, status, code)
                assert status == 503 or page not in fail, page
            text = program.client.get("/metrics").text
            assert f"windlass_up {0.0 if fail else 1.0}" in text
        assert all_well(program)


def test_what_no_windlass_of_this_age_may_read_is_said_on_each_page(app: Windlass, tmp_path: Path) -> None:
    database = tmp_path / "room" / "app.db"
    app.close()
    with closing(sqlite3.connect(database)) as other:
        other.execute(
            "INSERT INTO windlass_migrations (number, name, checksum) VALUES (9999, 'newer', 'sum')"
        )
        other.commit()
    with asking(Windlass(database)) as program:
        for page, (status, code) in told(program).items():
            assert (status, code) == ((200, "") if page in APART else (503, "store")), page
        assert "upgrade Windlass" in program.refused("jobs", 503)["message"]
        assert "upgrade Windlass" in reasons(program)


def test_what_is_no_database_is_said_on_each_page(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"no database at all, " * 1000)
    with asking(Windlass(tmp_path / "app.db")) as program:
        for page, (status, code) in told(program).items():
            assert (status, code) == ((200, "") if page in APART else (503, "store")), page


def test_a_database_that_takes_the_place_of_the_old_one_is_shown(app: Windlass, tmp_path: Path) -> None:
    room = tmp_path / "room"
    with asking(app) as program, closing(Windlass(tmp_path / "other.db")) as other:
        assert [job["key"] for job in program.get("jobs")["jobs"]] == ["work"]
        other.enqueue_many("quite-other", [None] * 3)
        other.close()
        for file in room.glob("app.db*"):
            if file.is_file():
                file.unlink()
        os.replace(tmp_path / "other.db", room / "app.db")
        assert {job["key"] for job in program.get("jobs")["jobs"]} == {"quite-other"}
        assert program.get("overview")["counts"]["ready"]["value"] == 3
        assert 'windlass_jobs{status="PENDING"} 3.0' in program.client.get("/metrics").text
