"""What a change of the clocks does to a schedule is told before it happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.program import Ahead, make_app
from tests.browser.quay import Quay, moored
from tests.web.stage import Visit, settled

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


def days_to_spring() -> int:
    """Days from now to the Friday before the clocks of Europe go forward next."""
    today = datetime.now(tz=UTC).date()
    for year in (today.year, today.year + 1):
        march = date(year, 3, 31)
        friday = march - timedelta(days=(march.weekday() + 1) % 7 + 2)
        if friday >= today:
            return (friday - today).days
    raise AssertionError("every year has a spring")


@pytest.fixture
def spring(tmp_path: Path) -> Iterator[Quay]:
    """A dashboard whose clock is ahead. No service runs: its clock would be another."""
    days = days_to_spring()
    with moored(tmp_path, HARBOUR_DAYS=str(days)) as quay:
        ahead = make_app(str(quay.database), quay.server.url, Ahead(days))
        ahead.schedules.add("night_watch", job="night_watch", cron="30 2 * * *", tz="Europe/Berlin")
        ahead.close()
        quay.show()
        yield quay


def test_a_time_that_the_clocks_skip_is_told_where_it_is_seen(browser: Browser, spring: Quay) -> None:
    visit = Visit(browser, spring, reduced_motion="reduce", timezone_id="Europe/Berlin")
    try:
        page = visit.enter()
        page.goto(spring.origin + "schedules/night_watch")
        settled(page)
        main = page.locator("main")
        expect(main).to_contain_text("Clocks go forward 1 h")
        expect(main).to_contain_text("02:00 becomes 03:00")
        page.goto(spring.origin + "schedules?view=calendar")
        settled(page)
        sunday = page.locator(".day", has_text="Clocks go forward")
        expect(sunday).to_have_count(1)
        expect(sunday).to_contain_text("the day has 23 hours")
        expect(sunday).to_contain_text("night_watch")
        expect(sunday).to_contain_text("03:00")
        assert visit.complaints == []
    finally:
        visit.close()
