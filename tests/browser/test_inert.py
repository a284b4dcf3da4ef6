"""What somebody wrote into a job is shown to whoever looks, and does nothing to them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.program import EVIL
from tests.browser.quay import Quay
from tests.web.stage import Visit, settled

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

# Where it is shown as it is; elsewhere it may be shown, and must do nothing either.
SHOWN = {
    "a payload, an error, tags, a unique key and notes": "jobs/{evil}",
    "a result": "jobs/{evil result}",
    "a progress message": "jobs/{evil progress}",
    "a key, a queue and a title": "jobs/{evil names}",
    "the list": "jobs?status=FAILED",
    "the queues": "queues",
    "the overview": "",
    "a schedule": "schedules/spook",
    "a conflict": "sync/berths?tab=conflicts",
    "the workers": "workers",
}
ELSEWHERE = {"workers"}


def harmless(page: Page) -> None:
    """Nothing of it became a part of the document, and nothing ran."""
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.locator("img[src='x'], body script, [onerror]").count() == 0


@pytest.mark.parametrize("address", SHOWN.values(), ids=SHOWN)
def test_markup_in_what_people_wrote_is_text(visit: Visit, quay: Quay, address: str) -> None:
    page = visit.open(address.format(**quay.jobs))
    if address not in ELSEWHERE:
        expect(page.locator("main")).to_contain_text(EVIL[:18])
    harmless(page)
    # As a policy would hide what escaped, there must be nothing for it to forbid.
    assert visit.complaints == []


def test_markup_in_an_address_a_filter_and_a_form_is_text(visit: Visit, quay: Quay) -> None:
    page = visit.open("")
    for address in (
        "jobs?q=",
        "jobs?queue=",
        "jobs?tag=",
        "jobs?unique=",
        "run?key=",
        "schedules/",
        "sync/",
        "jobs/",
    ):
        page.goto(quay.origin + address + "%3Cimg%20src%3Dx%20onerror%3D%22pwned%3D1%22%3E")
        settled(page)
        harmless(page)
    page.goto(f"{quay.origin}jobs/{quay.jobs['evil']}")
    settled(page)
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".toasts")).to_contain_text("runs again")
    page.get_by_role("button", name="Edit and run again").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    harmless(page)
