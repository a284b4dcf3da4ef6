"""Limits and scaling, as a running service keeps them: judged by what its handlers wrote down."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import limited
from tests.service.waiting import gone, until
from tests.store.test_rates import SECOND, most_in_a_window
from windlass import JobStatus, Windlass
from windlass.errors import InvalidJob, NotRunning
from windlass.rate import read_rate
from windlass.store.postgres.location import is_postgres


class Site:
    """The program in a folder of its own, and its database."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.script = folder / "limited.py"
        shutil.copy(Path(str(limited.__file__)), self.script)
        self.app = Windlass(database)

    def start(self) -> None:
        self.app.service.start(str(self.script), wait=30)

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().split() if path.exists() else []

    def workers(self) -> set[int]:
        """The processes in which a job waits at the gate."""
        return {int(line[1:]) for line in self.journal() if line[0] == "+"}


@pytest.fixture
def site(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    if is_postgres(database_url):  # the program itself names a file beside it
        monkeypatch.setenv("WINDLASS_DATABASE", database_url)
    site = Site(tmp_path, database_url)
    yield site
    site.app.service.stop(wait=10)
    site.app.close()


@pytest.mark.slow
@pytest.mark.parametrize(("key", "isolates"), [("send", 8), ("send", 2), ("asend", 2)])
def test_no_second_holds_more_starts_than_the_rate(
    site: Site, monkeypatch: pytest.MonkeyPatch, key: str, isolates: int
) -> None:
    """By the clock of the handlers themselves, however busy the machine is."""
    monkeypatch.setenv("WINDLASS_ISOLATES", str(isolates))
    site.app.enqueue_many(key, [{}] * 130)
    site.start()
    until(lambda: site.app.jobs.counts()[JobStatus.COMPLETED] == 130, patience_s=90)
    starts = [int(line) for line in site.journal()]
    assert len(starts) == 130
    assert most_in_a_window(starts, SECOND) <= 50


def test_what_is_declared_is_written_down_and_what_was_set_stays(site: Site) -> None:
    site.app.limits.set(key="work", concurrency=3)
    site.start()
    found = {one.name: one for one in site.app.limits.list()}
    assert (found["send"].rate, found["send"].declared) == ("50/s", True)
    assert (found["work"].concurrency, found["work"].declared) == (3, False)
    assert site.app.limits.lift(key="work")
    (work,) = [one for one in site.app.limits.list() if one.name == "work"]
    assert (work.concurrency, work.declared) == (2, True)


def test_a_service_is_given_more_isolates_and_fewer(site: Site) -> None:
    site.start()
    for _ in range(4):
        site.app.enqueue("block")
    until(lambda: len(site.workers()) == 1)
    site.app.service.scale(4)
    crowd = until(lambda: len(found := site.workers()) == 4 and found)
    site.app.service.scale(1)
    site.app.service.invoke("open")
    # Each ends when its job has, and no job is lost.
    until(lambda: sum(gone(pid) for pid in crowd) == 3)
    until(lambda: site.app.jobs.counts()[JobStatus.COMPLETED] == 4)
    last = site.app.enqueue("block")
    assert site.app.jobs.wait(last.id, 30).result in crowd


def test_a_limit_of_a_key_holds_over_all_isolates(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDLASS_ISOLATES", "3")
    jobs = site.app.enqueue_many("work", [{}] * 6)
    site.start()
    until(lambda: len(site.workers()) == 2)
    waiting = [job.id for job in jobs if site.app.jobs.why(job.id).code == "limit"]
    assert len(waiting) == 4
    assert site.app.jobs.why(waiting[0]).reason == "its key 'work' runs 2 of 2 jobs at once"
    site.app.service.invoke("open")
    until(lambda: site.app.jobs.counts()[JobStatus.COMPLETED] == 6)
    level = most = 0
    for line in site.journal():
        level += 1 if line[0] == "+" else -1
        most = max(most, level)
    assert most == 2


def test_what_waits_for_its_slot_says_so(site: Site) -> None:
    site.app.limits.set(key="send", rate=read_rate("1/h"))  # type: ignore[arg-type]
    first, second = (site.app.enqueue("send") for _ in range(2))
    site.start()
    site.app.jobs.wait(first.id, 30)
    why = site.app.jobs.why(second.id)
    assert why.code == "rate"
    assert re.fullmatch(r"the rate of its key 'send' is 1/h: next slot in (1h|59m .*)", why.reason)


def test_scaling_asks_for_a_service_and_for_a_number(site: Site) -> None:
    with pytest.raises(NotRunning):
        site.app.service.scale(2)
    with pytest.raises(InvalidJob, match="expected isolates to be a positive integer, got 0"):
        site.app.service.scale(0)
    with pytest.raises(InvalidJob, match="at most 1000 isolates"):
        site.app.service.scale(100_000)
