"""The same pages where the database is on a PostgreSQL server: they show its facts, and all that is live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.looking import barriers, overflow
from tests.browser.program import CANARY, make_app
from tests.browser.quay import PATIENCE_S, TARGET
from tests.postgres.programs import MAIN
from tests.postgres.server import Server
from tests.service.waiting import until
from tests.web.stage import NARROW, WIDE, Stage, Visit, settled
from windlass import JobStatus, Windlass

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 1_200


class Shore(Stage):
    """A service and a dashboard on a database of a server; ``app`` is one more client of it."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, TARGET, url=url, HARBOUR_URL="", XDG_STATE_HOME=str(folder))
        self.app: Windlass = make_app(url, "")
        self.jobs: dict[str, int] = {}

    def load(self) -> None:
        """Jobs that end well and badly, that run on, and that wait."""
        put = self.app.enqueue
        self.app.queues.pause("dry-dock")
        self.app.enqueue_many("weigh", ({"crate": crate} for crate in range(60)))
        self.jobs["completed"] = put("weigh", {"crate": 7}).id
        self.jobs["failed"] = put("fumigate", {"hold": "aft"}).id
        self.jobs["running"] = put("hoist", {"crates": 8, "message": "crate 3 of 8"}).id
        self.jobs["retrying"] = put("telegraph", {"port": "Lisbon", "password": CANARY}).id
        self.jobs["held"] = put("weigh", {"crate": 98}, queue="dry-dock").id

    def status(self, job: int) -> JobStatus | None:
        """What became of a job."""
        found = self.app.jobs.get(job)
        return found and found.status

    def close(self) -> None:
        super().close()
        self.app.close()


@pytest.fixture(scope="module")
def shore(
    tmp_path_factory: pytest.TempPathFactory, postgres_servers: Callable[[str], Server]
) -> Iterator[Shore]:
    folder = tmp_path_factory.mktemp("shore")
    server = postgres_servers(MAIN)
    with pytest.MonkeyPatch.context() as patch, server.database() as name:
        patch.setenv("XDG_STATE_HOME", str(folder))
        shore = Shore(folder, server.url(name))
        try:
            shore.load()
            shore.serve()
            shore.show()
            failed, running = shore.jobs["failed"], shore.jobs["running"]
            until(
                lambda: (shore.status(failed), shore.status(running)) == ("FAILED", "RUNNING"),
                patience_s=PATIENCE_S,
            )
            yield shore
        finally:
            shore.close()


@pytest.fixture(scope="module")
def visit(browser: Browser, shore: Shore) -> Iterator[Visit]:
    made = Visit(browser, shore, reduced_motion="reduce")
    made.enter()
    yield made
    made.close()
    assert made.complaints == []
    assert made.foreign == []


PAGES = {
    "": ("Throughput", "What fails", "fumigate"),
    "jobs": ("fumigate", "telegraph", "hoist"),
    "jobs?q=leaks": ("hold aft leaks gas",),
    "jobs/{failed}": ("Failed", "hold aft leaks gas", "1 line logged"),
    "jobs/{retrying}": ("Lisbon does not answer", "Attempt 2 is due", "[redacted]"),
    "jobs/{held}": ("Why it is not running", "dry-dock", "paused"),
    "jobs/{running}": ("crate 3 of 8", "Leased by dispatcher"),
    "jobs/{completed}": ("Result", '"kg": 70'),
    "run?key=clear": ("tons", "Blue Peter"),
    "queues": ("cranes", "dry-dock"),
    "schedules": ("night_watch", "tide_table"),
    "schedules?view=calendar": ("night_watch", "Today"),
    "schedules/night_watch": ("Europe/Berlin", "Next times"),
    "sync": ("Nothing is synced",),
    "workers": ("dispatcher", "hoist", "alive"),
    "service": ("ready", "Stop"),
    "audit": ("Audit log",),
}


def test_every_page_shows_its_data(visit: Visit, shore: Shore) -> None:
    page = visit.tab()
    for address, words in PAGES.items():
        page.goto(shore.origin + address.format(**shore.jobs))
        settled(page)
        for word in words:
            expect(page.locator("main")).to_contain_text(word)
        expect(page.locator(".trouble")).to_have_count(0)
        assert CANARY not in page.content()


def test_the_storage_page_tells_of_the_server(visit: Visit, shore: Shore) -> None:
    page = visit.open("storage")
    main = page.locator("main")
    for word in ("Connections", "Its clock is", "PostgreSQL", "postgresql://app@", "Nothing threatens it"):
        expect(main).to_contain_text(word)
    for word in ("Write-ahead log", "SQLite", "File system"):
        expect(main).not_to_contain_text(word)
    expect(main.get_by_role("table", name="Tables")).to_contain_text("background_service_jobs")
    expect(main.locator(".copies")).to_contain_text("pg_dump --format=custom --file=app.dump")
    expect(page.get_by_role("button", name="Backup now")).to_have_count(0)
    found: list[str] = []
    for scheme, size in product(("light", "dark"), (WIDE, NARROW)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        found += [f"{scheme}, {size['width']} px: {barrier}" for barrier in barriers(page)]
        if (over := overflow(page)) > 0:
            found.append(f"it is {over} px wider than {size['width']}")
    assert found == []


def test_what_another_process_commits_is_told_to_the_page(visit: Visit, shore: Shore) -> None:
    page = visit.open("jobs?queue=dry-dock")
    expect(page.locator(".live:visible")).to_have_text("Live")
    page.evaluate("window.loaded_once = true")
    for crate in range(5):
        job = shore.app.enqueue("weigh", {"crate": crate}, queue="dry-dock")
        row = page.locator(f"main [data-row='{job.id}']")
        expect(row).to_contain_text("ready")
        shore.app.jobs.cancel([job.id])
        expect(row).to_contain_text("cancelled")
    assert page.evaluate("window.loaded_once")


def test_what_is_done_on_the_pages_is_done_on_the_server(visit: Visit, shore: Shore) -> None:
    page = visit.open("queues")
    row = page.locator("main [data-row]", has_text="cranes")
    row.get_by_role("button", name="Pause").click()
    expect(row.get_by_role("button", name="Resume")).to_be_visible()
    assert [one.queue for one in shore.app.queues.list() if one.paused] == ["cranes", "dry-dock"]
    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()

    page.goto(f"{shore.origin}jobs/{shore.jobs['failed']}")
    expect(page.locator("main .timeline")).not_to_contain_text("Attempt 2")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("main .timeline")).to_contain_text("Attempt 2 failed")

    shore.app.queues.pause("ballast")
    shore.app.enqueue_many("weigh", ({"crate": crate} for crate in range(MANY)), queue="ballast")
    page.goto(f"{shore.origin}jobs?queue=ballast")
    page.get_by_label("Select all shown").check()
    bar = page.get_by_role("region", name="The selected jobs")
    bar.get_by_role("button", name="Select all that match").click()
    bar.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel 1,200").click()
    expect(page.locator(".toasts")).to_contain_text("1,200 jobs cancelled")
    assert len(shore.app.jobs.list(queue="ballast", status="CANCELLED", limit=MANY + 1)) == MANY
    told = {entry.action for entry in shore.app.audit.list().entries}
    assert {"queues.pause", "queues.resume", "jobs.retry", "jobs.bulk"} <= told
