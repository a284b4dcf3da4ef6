"""Every page shows what there is, to everybody, on every screen, and asks nobody else for anything."""

from __future__ import annotations

import re
from itertools import product

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looking import barriers, overflow
from tests.browser.program import CANARY
from tests.browser.quay import Quay
from tests.web.stage import NARROW, WIDE, Visit, settled

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

# page → its address, with the names of jobs in braces, and what is read there.
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "overview": ("", ("Running", "fumigate", "hold aft leaks gas")),
    "jobs": ("jobs", ("weigh", "Newest first")),
    "held jobs": ("jobs?status=PENDING&held=true", ("set_sail", "waits for 1 job", "hold bow leaks gas")),
    "failed jobs": ("jobs?status=FAILED", ("fumigate", "hold aft leaks gas")),
    "no jobs": ("jobs?q=nothing-like-it", ("No job matches",)),
    "failed job": ("jobs/{failed}", ("fumigate", "ValueError: hold aft leaks gas", "in measure", "Retry")),
    "retrying job": ("jobs/{retrying}", ("Lisbon does not answer", "Attempt 2 is due", "[redacted]")),
    "held job": ("jobs/{held}", ("Why it is not running", "dry-dock", "paused")),
    "blocked job": ("jobs/{blocked}", ("Why it is not running", "flood", "it is ebb")),
    "unknown job": ("jobs/{unknown}", ("Why it is not running", "paint_hull")),
    "running job": ("jobs/{running}", ("crate 3 of 8", "3 of 8", "Leased by dispatcher", "Cancel")),
    "waiting job": ("jobs/{waiting}", ("it waits for job", "Waits for, and is waited for", "weigh")),
    "orphaned job": ("jobs/{orphaned}", ("Why it is not running", "hold bow leaks gas", "retry that one")),
    "completed job": ("jobs/{completed}", ("Result", '"kg": 70', '"note": "wet"')),
    "missing job": ("jobs/999999", ("Not there",)),
    "run": ("run", ("Clear a ship", "Weighs a crate.")),
    "form": ("run?key=clear", ("tons", "Blue Peter", "Run Clear a ship")),
    "queues": ("queues", ("scales", "dry-dock", "paused")),
    "schedules": ("schedules", ("night_watch", "tide_table", "Run now")),
    "calendar": ("schedules?view=calendar", ("night_watch", "Today")),
    "schedule": ("schedules/night_watch", ("Europe/Berlin", "Next times", "Missed")),
    "sync": ("sync", ("berths", "Conflicts", "Rejected")),
    "conflicts": ("sync/berths?tab=conflicts", ("both changed it", "Berta", "Carla", "Keep mine")),
    "dead letters": ("sync/berths?tab=dead", ("a berth needs a depth", "Discard")),
    "pending": ("sync/berths?tab=pending", ("Why it waits",)),
    "workers": ("workers", ("dispatcher", "hoist", "alive")),
    "storage": ("storage", ("Write-ahead log", "Health", "Backup now")),
    "service": ("service", ("ready", "Stop")),
    "audit": ("audit", ("Audit log",)),
    "nowhere": ("nowhere", ("There is nothing at this address",)),
}
# What is not there is named by an error with its own way out.
NO_COMMAND = ("missing job", "nowhere")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_its_data_and_fits_every_screen(visit: Visit, quay: Quay, name: str) -> None:
    address, words = PAGES[name]
    page = visit.open(address.format(**quay.jobs))
    for word in words:
        expect(page.locator("main")).to_contain_text(word)
    assert CANARY not in page.content()
    told = page.locator("main aside.terminal code").count()
    assert told or name in NO_COMMAND, "each page names the command that does the same"
    found: list[str] = []
    for scheme, size in product(("light", "dark"), (WIDE, NARROW)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        found += [f"{scheme}, {size['width']} px: {barrier}" for barrier in barriers(page)]
        if (over := overflow(page)) > 0:
            found.append(f"it is {over} px wider than {size['width']}")
    assert found == []


def opened(page: Page, what: str) -> None:
    """Opens something on the page, by its keys and buttons."""
    match what:
        case "keys":
            page.keyboard.press("?")
        case "delete":
            page.get_by_label("Select all shown").check()
            page.get_by_role("region", name="The selected jobs").get_by_role("button", name="Delete").click()
        case "menu":
            page.get_by_role("button", name="Menu").click()
        case name:
            page.locator("main").get_by_role("button", name=name).first.click()
    if what == "menu":
        expect(page.get_by_role("link", name="Audit log")).to_be_visible()
    else:
        expect(page.get_by_role("dialog")).to_be_visible()


OPENED = {
    "keys": ("", WIDE),
    "delete": ("jobs?status=FAILED", WIDE),
    "Limit": ("queues", WIDE),
    "Stop": ("service", NARROW),
    "Edit": ("sync/berths?tab=dead", NARROW),
    "Edit and run again": ("jobs/{failed}", NARROW),
    "menu": ("", NARROW),
}


@pytest.mark.parametrize("what", OPENED)
def test_what_opens_on_a_page_is_for_everybody_too(visit: Visit, quay: Quay, what: str) -> None:
    address, size = OPENED[what]
    page = visit.open(address.format(**quay.jobs))
    page.set_viewport_size(size)  # type: ignore[arg-type]
    opened(page, what)
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += [f"{scheme}: {barrier}" for barrier in barriers(page)]
        if (over := overflow(page)) > 0:
            found.append(f"it is {over} px wider than {size['width']}")
    assert found == []


def test_the_theme_is_as_the_system_has_it_or_as_one_chooses(visit: Visit) -> None:
    page = visit.open("")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    theme = page.get_by_role("group", name="Theme")
    theme.get_by_role("button", name="Light").click()
    assert page.evaluate(ground) == light
    page.reload()
    settled(page)
    assert page.evaluate(ground) == light, "the choice is kept"
    theme.get_by_role("button", name="As the system").click()
    assert page.evaluate(ground) == dark


ACTIONS = re.compile(
    "^(Retry|Cancel|Delete|Edit.*|Run .*|Pause|Resume|Limit.*|Scale.*|Sync now|Keep mine|Take theirs|"
    "Resolve.*|Discard|Start|Stop|Restart|Backup now)$"
)
LOOKED_AT = (
    "jobs/{failed}",
    "queues",
    "schedules",
    "sync/berths?tab=conflicts",
    "service",
    "storage",
    "run?key=clear",
)


def test_who_may_only_look_can_do_nothing_else(browser: Browser, quay: Quay) -> None:
    window = quay.window()
    visit = Visit(browser, window, reduced_motion="reduce")
    try:
        window.show("--read-only")
        page = visit.enter()
        expect(page.get_by_text("You may only look")).to_be_visible()
        for address in LOOKED_AT:
            page.goto(window.origin + address.format(**quay.jobs))
            settled(page)
            expect(page.locator("main button:enabled").filter(has_text=ACTIONS)).to_have_count(0)
        refused = page.evaluate(
            """async (id) => {
              const { csrf } = await (await fetch("api/session")).json();
              const headers = { "X-Windlass-CSRF": csrf ?? "" };
              return (await fetch(`api/jobs/${id}/retry`, { method: "POST", headers })).status;
            }""",
            quay.jobs["failed"],
        )
        assert refused == 403
        assert visit.complaints == []
    finally:
        visit.close()
        window.close()
