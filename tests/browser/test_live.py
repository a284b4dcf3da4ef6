"""What changes is on the page at once: told by the server, never asked for; and nothing is missed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looking import rows
from tests.browser.quay import Quay, load, moored
from tests.service.waiting import until
from tests.web.live import WATCH, seen_at_ms
from tests.web.stage import Visit

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

CHANGES, APART_MS = 30, 300


def listed(visit: Visit, query: str) -> Page:
    """The list of jobs, once it is live."""
    page = visit.open(f"jobs?{query}")
    expect(page.locator(".live:visible")).to_have_text("Live")
    return page


def test_a_change_is_on_the_page_without_a_reload(
    visit: Visit, quay: Quay, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figure is told, not judged: it is the machine's as much as ours."""
    quay.app.queues.pause("roads")
    page = listed(visit, "queue=roads")
    page.evaluate(WATCH)
    took: list[float] = []
    for crate in range(CHANGES):
        page.wait_for_timeout(APART_MS)
        job = quay.app.enqueue("weigh", {"crate": crate}, queue="roads")
        committed = time.time() * 1000
        took.append(seen_at_ms(page, str(job.id)) - committed)
    assert page.evaluate("window.loaded_once"), "the page was not loaded again"
    p95 = statistics.quantiles(took, n=20)[-1]
    with capsys.disabled():
        print(f"\nfrom commit to page: p50 {statistics.median(took):.0f} ms, p95 {p95:.0f} ms of {CHANGES}")


def test_a_job_is_seen_from_ready_to_completed(visit: Visit, quay: Quay) -> None:
    job = quay.app.enqueue("weigh", {"crate": 4}, delay="1h")
    page = visit.open(f"jobs/{job.id}")
    expect(page.locator("main")).to_contain_text("Why it is not running")
    page.evaluate("window.loaded_once = true")
    quay.app.jobs.retry([job.id])
    expect(page.locator("main")).to_contain_text('"kg": 40')
    assert page.evaluate("window.loaded_once")


def test_nothing_is_asked_that_was_not_told_to_have_changed(visit: Visit) -> None:
    page = listed(visit, "status=FAILED")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # A second stream hears what the page hears, and once more when it opens: the page may be one behind.
    page.evaluate(
        """() => new Promise((opened) => {
          window.told = 0;
          new EventSource("api/events").addEventListener("changed", () => { window.told += 1; opened(); });
        })"""
    )
    page.wait_for_timeout(5_000)  # what polls would have asked by now
    looked = [url for url in asked if "/api/events" not in url]
    assert len(looked) <= page.evaluate("window.told"), looked


def test_what_is_done_in_one_tab_shows_in_the_other(visit: Visit, quay: Quay) -> None:
    job = quay.app.enqueue("weigh", {"crate": 5}, delay="1h")
    one, other = visit.open(f"jobs/{job.id}"), visit.open(f"jobs/{job.id}")
    for page in (one, other):
        expect(page.locator("main")).to_contain_text("Why it is not running")
    other.evaluate("window.loaded_once = true")
    one.get_by_role("button", name="Cancel", exact=True).click()
    expect(one.locator(".toasts")).to_contain_text(f"Job {job.id} is cancelled")
    expect(other.locator(".standing-line")).to_contain_text("Cancelled")
    assert other.evaluate("window.loaded_once")


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Quay]:
    """A quay whose dashboard may die."""
    with moored(tmp_path) as quay:
        load(quay)
        quay.show()
        yield quay


def test_a_page_outlives_its_server_and_misses_nothing(browser: Browser, fragile: Quay) -> None:
    visit = Visit(browser, fragile, reduced_motion="reduce")
    try:
        visit.enter().close()
        page = listed(visit, "status=PENDING")
        page.evaluate("window.loaded_once = true")
        port = fragile.port
        fragile.processes["dashboard"].kill()
        expect(page.locator(".live:visible")).to_have_text("Reconnecting")
        meanwhile = fragile.app.enqueue("weigh", {"crate": 6}, queue="dry-dock")
        fragile.end("dashboard")
        assert str(meanwhile.id) not in rows(page)
        fragile.show(port=port)
        expect(page.locator(".live:visible")).to_have_text("Live")
        until(lambda: str(meanwhile.id) in rows(page), patience_s=60)
        afterwards = fragile.app.enqueue("weigh", {"crate": 7}, queue="dry-dock")
        until(lambda: str(afterwards.id) in rows(page), patience_s=60)
        page.locator(f"[data-row='{afterwards.id}'] [data-open]").click()
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.locator(".standing-line")).to_contain_text("Cancelled")
        assert page.evaluate("window.loaded_once"), "nobody had to load the page again, or to sign in again"
        assert visit.complaints == []
    finally:
        visit.close()
