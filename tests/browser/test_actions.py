"""What people do on the pages is done in the database, and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.looking import overflow, rows
from tests.browser.program import BERTHS
from tests.browser.quay import PATIENCE_S, Quay, moored
from tests.service.waiting import until
from tests.web.stage import NARROW, WIDE, Visit

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 10_000


def status(quay: Quay, job: int) -> str:
    [[found]] = quay.do("SELECT status FROM background_service_jobs WHERE id = ?", job)
    return str(found)


def payload(quay: Quay, job: int) -> Any:
    [[found]] = quay.do("SELECT payload FROM background_service_jobs WHERE id = ?", job)
    return found


def test_ten_thousand_jobs_that_match_are_cancelled_at_once(visit: Visit, quay: Quay) -> None:
    quay.app.queues.pause("ballast")
    quay.app.enqueue_many("weigh", ({"crate": crate} for crate in range(MANY)), queue="ballast")
    page = visit.open("jobs?queue=ballast")
    drawn = page.locator("main [data-row]").count()
    assert drawn < 200, "only what is in view is in the document"
    page.get_by_label("Select all shown").check()
    bar = page.get_by_role("region", name="The selected jobs")
    bar.get_by_role("button", name="Select all that match").click()
    expect(bar).to_contain_text("selected")
    bar.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Cancel 10,000 jobs?")
    assert status(quay, last(quay, "ballast")) == "PENDING", "it was only counted"
    dialog.get_by_role("button", name="Cancel 10,000").click()
    expect(page.locator(".toasts")).to_contain_text("10,000 jobs cancelled")
    counts = dict(
        quay.do("SELECT status, count(*) FROM background_service_jobs WHERE queue = 'ballast' GROUP BY 1")
    )
    assert counts == {"CANCELLED": MANY}
    expect(page.locator("main [data-row]").first).to_contain_text("cancelled")
    page.goto(quay.origin + "audit")
    expect(page.locator("main")).to_contain_text("jobs.bulk")


def last(quay: Quay, queue: str) -> int:
    [[found]] = quay.do("SELECT max(id) FROM background_service_jobs WHERE queue = ?", queue)
    return int(found)


def test_a_list_of_ten_thousand_scrolls_to_its_end(visit: Visit, quay: Quay) -> None:
    quay.app.queues.pause("lighters")
    quay.app.enqueue_many("weigh", ({"crate": crate} for crate in range(1_000)), queue="lighters")
    [[oldest]] = quay.do("SELECT min(id) FROM background_service_jobs WHERE queue = 'lighters'")
    page = visit.open("jobs?queue=lighters")
    row = page.locator(f"main [data-row='{oldest}']")

    def is_there() -> bool:
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        return row.count() == 1

    until(is_there, patience_s=PATIENCE_S)
    assert page.locator("main [data-row]").count() < 200


def test_a_conflict_is_resolved_field_by_field(visit: Visit, quay: Quay) -> None:
    page = visit.open("sync/berths?tab=conflicts")
    conflict = page.locator(".letter", has=page.get_by_role("heading", name="1", exact=True))
    decide = conflict.get_by_role("button", name="Resolve as chosen")
    expect(decide).to_be_disabled()
    expect(conflict.locator(".side-row.is-mine")).to_contain_text("depth_m")
    expect(conflict.locator(".side-row.is-theirs")).to_contain_text("lit")
    ship = conflict.locator(".side-row.is-contested")
    expect(ship).to_contain_text("Anna")
    expect(ship).to_contain_text("Berta")
    expect(ship).to_contain_text("Carla")
    ship.get_by_label("A value of your own").check()
    ship.get_by_label("Your own ship").fill("Dorothea")
    decide.click()
    expect(page.locator(".toasts")).to_contain_text("1 is resolved as chosen")
    expect(conflict).to_have_count(0)
    assert quay.do("SELECT ship, depth_m, lit FROM berths WHERE id = '1'") == [("Dorothea", 8.25, 0)]
    page.get_by_role("button", name="Sync now").click()
    until(lambda: quay.server.shelf.documents("berths")["1"]["ship"] == "Dorothea", patience_s=PATIENCE_S)


def test_a_dead_letter_is_mended_and_sent_again(visit: Visit, quay: Quay) -> None:
    page = visit.open("sync/berths?tab=dead")
    letter = page.locator(".letter", has_text="New mole")
    expect(letter).to_contain_text("a berth needs a depth")
    letter.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("depth_m").fill("3.5")
    dialog.get_by_role("button", name="Save and send").click()
    expect(letter).to_have_count(0)
    page.get_by_role("button", name="Sync now").click()
    until(
        lambda: quay.server.shelf.documents("berths").get("9", {}).get("depth_m") == 3.5,
        patience_s=PATIENCE_S,
    )


def test_more_than_the_oldest_fifty_are_shown_on_request(browser: Browser, tmp_path: Path) -> None:
    with moored(tmp_path) as quay:
        quay.do(BERTHS)
        quay.server.shelf.checks.append(lambda *_: "a berth needs a depth")
        for berth in range(60):
            quay.do("INSERT INTO berths (id, name) VALUES (?, 'Mole')", f"{berth:02}")
        quay.app.sync["berths"].push()
        quay.show()
        visit = Visit(browser, quay, reduced_motion="reduce")
        visit.enter().close()
        page = visit.open("sync/berths?tab=dead")
        letters = page.locator(".letter")
        expect(letters).to_have_count(50)
        expect(page.locator("main")).to_contain_text("The oldest 50 of 60")
        page.get_by_role("button", name="Show more").click()
        expect(letters).to_have_count(60)
        expect(page.get_by_role("button", name="Show more")).to_have_count(0)
        assert visit.complaints == []
        visit.close()


def test_a_job_is_run_from_the_form_of_its_payload(visit: Visit, quay: Quay) -> None:
    page = visit.open("run")
    page.get_by_label("Find a job").fill("ship customs")
    page.get_by_role("link", name="Clear a ship").click()
    run = page.get_by_role("button", name="Run Clear a ship")
    page.get_by_label("ship", exact=True).fill("Emma")
    page.get_by_label("tons").fill("much")
    run.click()
    expect(page.get_by_label("tons")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("tons").fill("12.5")
    page.get_by_label("flag").select_option(label="Yellow Jack")
    page.get_by_label("inspect").check()
    page.get_by_label("remarks").fill("smells\nof tar")
    run.click()
    expect(page.locator("main h1")).to_contain_text("clear")
    result = page.locator("section", has=page.get_by_role("heading", name="Result"))
    for word in ('"ship": "Emma"', '"tons": 12.5', '"flag": "Yellow Jack"', '"inspect": true', '"of tar"'):
        expect(result).to_contain_text(word)


def test_a_failed_job_is_edited_and_run_again_as_a_new_one(visit: Visit, quay: Quay) -> None:
    failed = quay.jobs["failed"]
    page = visit.open(f"jobs/{failed}")
    page.get_by_role("button", name="Edit and run again").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_label("Payload")
    field.fill("{no json")
    dialog.get_by_role("button", name="Run as a new job").click()
    expect(dialog.locator(".wrong")).to_be_visible()
    field.fill('{"hold": "sound"}')
    dialog.get_by_role("button", name="Run as a new job").click()
    expect(page.locator("main")).to_contain_text("no rats")
    [[new]] = quay.do("SELECT max(id) FROM background_service_jobs WHERE job_key = 'fumigate'")
    assert page.url.endswith(f"/jobs/{new}")
    assert (status(quay, failed), payload(quay, failed)) == ("FAILED", '{"hold":"aft"}')


def test_what_failed_alike_opens_as_a_list_of_its_own(visit: Visit, quay: Quay) -> None:
    alike = [quay.app.enqueue("fumigate", {"hold": str(hold)}).id for hold in (7, 12)]
    until(lambda: [status(quay, job) for job in alike] == ["FAILED"] * 2, patience_s=PATIENCE_S)
    page = visit.open("")
    group = page.locator("main .lines li", has_text="hold 12 leaks gas")
    expect(group).to_contain_text("2×")
    group.get_by_role("link").click()
    expect(page.get_by_role("status").filter(has_text="2")).to_be_visible()
    assert rows(page) == [str(alike[1]), str(alike[0])]
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert overflow(page) <= 0
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.get_by_role("button", name="No longer only errors like: ValueError: hold … leaks gas").click()
    until(lambda: str(quay.jobs["failed"]) in rows(page), patience_s=PATIENCE_S)


def test_what_an_attempt_logged_stands_in_its_timeline(visit: Visit, quay: Quay) -> None:
    page = visit.open(f"jobs/{quay.jobs['failed']}")
    page.get_by_text("1 line logged").click()
    shown = page.locator(".timeline-log")
    expect(shown).to_contain_text("WARNING harbour: hatch of the aft hold is closed")
    expect(shown).to_contain_text("<script>")
    assert page.evaluate("window.pwned") is None


def test_a_secret_that_is_not_shown_is_copied_all_the_same(visit: Visit, quay: Quay) -> None:
    retrying = quay.jobs["retrying"]
    page = visit.open(f"jobs/{retrying}")
    page.get_by_role("button", name="Edit and run again").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_label("Payload")
    field.fill(field.input_value().replace("Lisbon", "Porto"))
    dialog.get_by_role("button", name="Run as a new job").click()
    expect(page.locator("main")).to_contain_text("Porto does not answer")
    [[new]] = quay.do("SELECT max(id) FROM background_service_jobs WHERE job_key = 'telegraph'")
    assert payload(quay, new) == payload(quay, retrying).replace("Lisbon", "Porto")


def test_a_queue_and_a_schedule_are_paused_and_set_going_again(visit: Visit, quay: Quay) -> None:
    page = visit.open("queues")
    row = page.locator("main [data-row]", has_text="scales")
    row.get_by_role("button", name="Pause").click()
    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    page.goto(quay.origin + "schedules")
    row = page.locator("main [data-row]", has_text="tide_table")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused")
    row.get_by_role("button", name="Resume").click()
    row.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="Look at it").click()
    expect(page.locator("main h1")).to_contain_text("tide_table")
    expect(page.locator(".standing-line")).to_contain_text("Completed")
