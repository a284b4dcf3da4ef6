"""Everything is done without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.quay import Quay
from tests.web.stage import Visit, settled

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


def walk(page: Page, *, to: str, by: str = "Tab", most: int = 60) -> None:
    """Moves the focus until it is where it is wanted, as somebody does who has no mouse."""
    for _ in range(most):
        if page.evaluate("(to) => document.activeElement?.matches(to) ?? false", to):
            return
        page.keyboard.press(by)
    raise AssertionError(f"{to} cannot be reached by {by}")


def test_a_failed_job_is_found_opened_and_retried(visit: Visit, quay: Quay) -> None:
    job = quay.app.enqueue("fumigate", {"hold": "keyboard"})
    page = visit.open("")
    expect(page.locator("main h1")).to_have_text("Overview")
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page.locator("main h1")).to_contain_text("Jobs")
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("hold keyboard leaks")
    expect(page.locator("main [data-row]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator(f"[data-row='{job.id}'] [data-open]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_contain_text(f"fumigate {job.id}")
    expect(page.locator("main h1")).to_be_focused()
    expect(page.locator("main")).to_contain_text("hold keyboard leaks gas")
    page.keyboard.press("r")
    expect(page.locator(".toasts")).to_contain_text(f"Job {job.id} runs again")
    expect(page.locator("main")).to_contain_text("Attempt 2 failed")


def test_what_has_a_shortcut_is_reached_by_tab_as_well(visit: Visit, quay: Quay) -> None:
    page = visit.open(f"jobs/{quay.jobs['held']}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_be_focused()
    walk(page, to="main .page-head .actions button:first-child")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    walk(page, to="dialog textarea")
    for _ in range(12):  # the dialog keeps the focus: nothing behind it is reached
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Edit and run again")).to_be_focused()


def test_the_keys_of_a_page_are_shown_by_a_key(visit: Visit) -> None:
    page = visit.open("")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Search jobs")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
