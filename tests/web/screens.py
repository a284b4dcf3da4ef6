"""Photographs every page of the dashboard: ``python3 dev.py screens [FOLDER]``.

Each of them at the width of a desk and of a phone, light and dark, over a real service with
work of every kind. Prints what does not fit its width.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.service.waiting import until
from tests.web.stage import NARROW, WIDE, Stage, Visit, browsing, settled, staged

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0] if arguments else "dist/screens")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as there, staged(Path(there)) as stage, browsing() as browser:
        stage.fill(quick=False)
        stage.serve()
        stage.show()
        until(lambda: count(stage, "FAILED") > 3 and count(stage, "COMPLETED") > 60)
        faults = photograph(browser, stage, folder)
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


def photograph(browser: Browser, stage: Stage, folder: Path) -> list[str]:
    """Takes the pictures; gives what does not fit, and what the pages complained about."""
    faults: list[str] = []
    visit = Visit(browser, stage)
    page = visit.enter()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width, size in (("1440", WIDE), ("390", NARROW)):
            page.set_viewport_size(size)
            for name, path in pages(stage).items():
                page.goto(stage.origin + path)
                settled(page)
                shoot(page, folder / f"{name}-{width}-{scheme}.png")
                if (over := page.evaluate(OVERFLOW)) > 0:
                    faults.append(f"{name} is {over} px wider than {width}")
    faults += [f"said: {re.sub(chr(10), ' ', text)}" for text in dict.fromkeys(visit.complaints)]
    faults += [f"asked elsewhere: {url}" for url in visit.foreign]
    visit.close()
    return faults


def shoot(page: Page, path: Path) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    # A list draws the rows that are in view alone: what lies below is not on the picture.
    page.screenshot(path=path, full_page=not page.locator(".job-list").count(), animations="disabled")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
