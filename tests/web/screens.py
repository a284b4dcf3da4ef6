"""Photographs every page of the dashboard: ``python3 dev.py screens [FOLDER]``.

Each of them at the width of a desk and of a phone, light and dark, over a real service with
work of every kind; then what opens on them, the pages of an empty database, and a page whose server is
gone. Prints what does not fit its width, and what axe finds.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page

from tests.browser.looking import barriers, overflow
from tests.service.waiting import until
from tests.web.stage import NARROW, WIDE, Stage, Visit, browsing, settled, staged
from windlass import Windlass

EMPTY = ("", "jobs", "run", "queues", "schedules", "sync", "workers", "storage", "service", "audit")
ALIKE = "PermanentError: … is no picture: its header is torn"
LOOKS = [
    (scheme, width, size) for scheme in ("light", "dark") for width, size in (("1440", WIDE), ("390", NARROW))
]


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0] if arguments else "dist/screens")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as there, staged(Path(there)) as stage, browsing() as browser:
        stage.fill(quick=False)
        stage.serve()
        stage.show()
        until(lambda: count(stage, "FAILED") > 3 and count(stage, "COMPLETED") > 60)
        faults = photograph(browser, stage, folder)
        with tempfile.TemporaryDirectory() as elsewhere:
            faults += photograph_nothing(browser, Path(elsewhere), folder)
    for fault in faults:
        print(fault)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
    return min(len(faults), 1)


def count(stage: Stage, status: str) -> int:
    """How many jobs have a status."""
    with sqlite3.connect(stage.database) as db:
        return db.execute(
            "SELECT count(*) FROM background_service_jobs WHERE status = ?", (status,)
        ).fetchone()[0]


def pages(stage: Stage) -> dict[str, str]:
    """Every page, by the name of its picture."""
    with sqlite3.connect(stage.database) as db:
        one = dict(
            db.execute("SELECT job_key || ' ' || status, max(id) FROM background_service_jobs GROUP BY 1")
        )
    return {
        "overview": "",
        "jobs": "jobs",
        "jobs-failed": "jobs?status=FAILED",
        "jobs-alike": f"jobs?status=FAILED&key=resize_photo&like={quote(ALIKE)}",
        "jobs-none": "jobs?q=nothing-like-it",
        "job-failed": f"jobs/{one.get('resize_photo FAILED', 1)}",
        "job-waiting": f"jobs/{one.get('close_day PENDING', 1)}",
        "job-retrying": f"jobs/{one.get('send_receipt PENDING', 1)}",
        "job-running": f"jobs/{one.get('count_cargo RUNNING', 1)}",
        "job-completed": f"jobs/{one.get('send_receipt COMPLETED', 1)}",
        "job-missing": "jobs/999999",
        "run": "run",
        "run-form": "run?key=resize_photo",
        "queues": "queues",
        "schedules": "schedules",
        "schedule": "schedules/nightly_report",
        "sync": "sync",
        "sync-resource": "sync/berths",
        "sync-conflicts": "sync/berths?tab=conflicts",
        "sync-dead": "sync/berths?tab=dead",
        "workers": "workers",
        "storage": "storage",
        "service": "service",
        "audit": "audit",
        "nowhere": "nowhere",
    }


def opened() -> dict[str, tuple[str, Callable[[Page], None]]]:
    """What opens on a page: by the name of its picture, the page, and what somebody does there."""

    def press(name: str) -> Callable[[Page], None]:
        return lambda page: page.locator("main").get_by_role("button", name=name).first.click()

    def select_and_delete(page: Page) -> None:
        page.locator("main .job-row").first.get_by_role("checkbox").check()  # the head is not on a phone
        page.get_by_role("button", name="Select all that match").click()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name=re.compile("^Delete")).wait_for()

    def type_a_queue(page: Page) -> None:
        page.get_by_role("combobox", name="Queue").press_sequentially("ma")
        page.get_by_role("option").first.wait_for()

    return {
        "open-keys": ("", lambda page: page.keyboard.press("?")),
        "open-bulk": ("jobs?status=FAILED", select_and_delete),
        "open-suggestions": ("jobs", type_a_queue),
        "open-limit": ("queues", press("Limit")),
        "open-stop": ("service", press("Stop")),
        "open-edit": ("sync/berths?tab=dead", press("Edit")),
        "open-calendar": ("schedules", press("Calendar")),
        "open-wrong-form": ("run?key=resize_photo", press("Run Resize a photo")),
    }


def photograph(browser: Browser, stage: Stage, folder: Path) -> list[str]:
    """Takes the pictures; gives what does not fit, and what the pages complained about."""
    faults: list[str] = []
    visit = Visit(browser, stage)
    page = visit.enter()
    for scheme, width, size in LOOKS:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        for name, path in pages(stage).items():
            page.goto(stage.origin + path)
            settled(page)
            faults += shoot(page, folder, f"{name}-{width}-{scheme}")
        for name, (path, do) in opened().items():
            page.goto(stage.origin + path)
            settled(page)
            do(page)
            settled(page)
            faults += shoot(page, folder, f"{name}-{width}-{scheme}")
        if width == "390":
            page.goto(stage.origin)
            settled(page)
            page.get_by_role("button", name="Menu").click()
            faults += shoot(page, folder, f"open-menu-{width}-{scheme}")
    faults += [f"said: {re.sub(chr(10), ' ', text)}" for text in dict.fromkeys(visit.complaints)]
    faults += [f"asked elsewhere: {url}" for url in visit.foreign]
    visit.close()
    return faults


def photograph_nothing(browser: Browser, there: Path, folder: Path) -> list[str]:
    """The pages of a database in which nothing is, and then the page of a server that is gone."""
    faults: list[str] = []
    app = Windlass(there / "harbour.db")
    app.jobs.counts()  # it makes the file
    app.close()
    stage = Stage(there, target="")
    try:
        stage.show()
        visit = Visit(browser, stage)
        page = visit.enter()
        for scheme, width, size in LOOKS:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size(size)
            for path in EMPTY:
                page.goto(stage.origin + path)
                settled(page)
                faults += shoot(page, folder, f"empty-{path or 'overview'}-{width}-{scheme}")
        stage.end("dashboard")
        page.locator(".live:visible", has_text="Reconnecting").wait_for()
        page.keyboard.press("g")
        page.keyboard.press("q")
        page.get_by_role("alert").wait_for()
        faults += shoot(page, folder, "gone-queues-390-dark")
        visit.close()
    finally:
        stage.close()
    return faults


def shoot(page: Page, folder: Path, name: str) -> list[str]:
    """One picture; gives what is wrong with what is on it."""
    found = [f"{name}: {barrier}" for barrier in barriers(page)]
    if (over := overflow(page)) > 0:
        found.append(f"{name} is {over} px wider than the screen")
    # A list draws the rows that are in view alone: what lies below is not on the picture.
    whole = not page.locator(".job-list, dialog").count()
    page.screenshot(path=folder / f"{name}.png", full_page=whole, animations="disabled")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
