"""Jobs that were killed or crashed are told, too: by a small job, in a worker."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.notify import status_program
from tests.service.waiting import until
from windlass import JobFailed, Windlass, platform
from windlass.notify.jobs import EVENT
from windlass.outcome import Crashed
from windlass.store.protocol import Claim
from windlass.testing import drain


@pytest.fixture
def service(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Windlass]:
    monkeypatch.setenv("WINDLASS_DATABASE", database_url)
    shutil.copy(Path(str(status_program.__file__)), tmp_path / "program.py")
    app = Windlass(database_url, isolates=1)
    app.service.start(str(tmp_path / "program.py"), wait=60)
    yield app
    app.service.stop()
    app.close()
    shutil.rmtree(platform.runtime_dir(app.service.folder, create=False), ignore_errors=True)


@pytest.mark.parametrize(
    ("key", "why"), [("die", "was killed by signal 9"), ("hang", "ran longer than its timeout")]
)
def test_a_job_whose_process_is_killed_is_told_once(
    service: Windlass, tmp_path: Path, key: str, why: str
) -> None:
    told = tmp_path / "told.txt"
    first = service.jobs.wait(service.enqueue(key, max_attempts=1).id, "30s")
    assert first.status == "FAILED"
    until(told.exists)
    service.jobs.wait(service.enqueue(key, max_attempts=1).id, "30s")
    until(lambda: len(service.jobs.list(key=EVENT, status="COMPLETED")) == 2)
    (line,) = told.read_text().splitlines()
    assert f"job {first.id} ({key}) failed for good" in line
    assert why in line
    dispatcher = service.service.status()
    assert dispatcher is not None
    assert not line.startswith(f"{dispatcher.dispatcher} ")


def test_an_attempt_that_was_not_the_last_is_told_to_nobody(database_url: str) -> None:
    heard: list[JobFailed] = []
    app = Windlass(database_url)
    app.on_event(JobFailed)(heard.append)
    app.job("work")(lambda: None)
    job = app.enqueue("work")
    app.notifier.tell_end_later(job.id, 1)
    app.notifier.tell_end_later(4_711, 1)
    assert {done.key for done in drain(app)} == {"work", EVENT}
    assert heard == []
    app.close()


def test_what_tells_of_a_death_and_dies_is_not_told_of(database_url: str) -> None:
    app = Windlass(database_url)
    app.on_event(JobFailed)(print)
    desk = app.make_desk()
    inbox = _Inbox()
    tap = desk.tap(inbox, list)
    claim = Claim(6, EVENT, None, 3, 3, 1, None, "notify", True, 2)
    tap.settled(claim, Crashed("killed"))
    tap.settled(claim._replace(key="work", attempt=1, crashes=0), Crashed("killed, and runs again"))
    tap.settled(claim._replace(job_id=7, key="work"), Crashed("killed"))
    until(lambda: app.jobs.list(key=EVENT))
    desk.close()
    assert [job.payload for job in app.jobs.list(key=EVENT)] == [{"job_id": 7, "attempt": 3}]
    assert len(inbox.heard) == 3, "the dispatcher hears of all of them"
    app.close()


class _Inbox:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def settled(self, claim: object, outcome: object, took_us: int | None = None) -> None:
        self.heard.append(outcome)

    def __getattr__(self, name: str) -> object:
        return self.heard.append


def test_where_nobody_listens_no_job_is_made(tmp_path: Path) -> None:
    app = status_program.make(tmp_path / "app.db")
    app.prepare()
    assert EVENT not in (app.registry.keys() or ())
    assert not app.notifier.listens_for(JobFailed)
    app.close()
