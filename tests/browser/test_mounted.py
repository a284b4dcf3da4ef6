"""Below a path of another program everything is as it is at the root of its own server."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.quay import PATIENCE_S, Quay
from tests.service.waiting import until
from tests.web.stage import ROOT, Stage, Visit, settled

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def mounted(quay: Quay) -> Iterator[Stage]:
    """The dashboard of the same database below ``/ops/jobs`` of a Starlette program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stage = quay.window()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.mounted", str(port), secrets.token_urlsafe(32)],
        cwd=ROOT,
        env=stage.surroundings(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    entry = process.stdout.readline().strip()
    stage.origin = f"http://127.0.0.1:{port}/ops/jobs/"
    stage.entry = stage.origin + entry
    until(lambda: listens(port), patience_s=PATIENCE_S)
    yield stage
    process.terminate()
    process.wait(PATIENCE_S)
    process.stdout.close()


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_below_a_path_of_another_program_all_is_the_same(
    browser: Browser, quay: Quay, mounted: Stage
) -> None:
    visit = Visit(browser, mounted, reduced_motion="reduce")
    try:
        page = visit.enter()
        assert page.url == mounted.origin
        expect(page.locator(".live:visible")).to_have_text("Live")
        page.get_by_role("navigation").get_by_role("link", name="Jobs", exact=True).click()
        settled(page)
        assert page.url == f"{mounted.origin}jobs"
        page.goto(f"{mounted.origin}jobs/{quay.jobs['failed']}")
        settled(page)
        expect(page.locator("main")).to_contain_text("hold aft leaks gas")
        page.get_by_role("link", name="holds").click()
        expect(page.locator("main h1")).to_contain_text("Jobs")
        assert page.url == f"{mounted.origin}jobs?queue=holds"
        page.go_back()
        expect(page.locator("main h1")).to_contain_text("fumigate")
        job = quay.app.enqueue("weigh", {"crate": 3}, delay="1h")
        page.goto(f"{mounted.origin}jobs/{job.id}")
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.locator(".standing-line")).to_contain_text("Cancelled")
        cookies = {cookie["name"]: cookie["path"] for cookie in visit.context.cookies()}
        assert set(cookies.values()) == {"/ops/jobs"}
        page.goto(mounted.origin.removesuffix("ops/jobs/"))
        expect(page.locator("body")).to_have_text("a harbour of its own")
        assert visit.complaints == []
        assert visit.foreign in ([], [page.url])
    finally:
        visit.close()
