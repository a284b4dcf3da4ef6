"""The job manager's verbs for lists: pages with totals, and actions on all that match, part by part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from windlass import Windlass, chain
from windlass.browsing import Action
from windlass.errors import InvalidJob
from windlass.job import JobStatus


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    app = Windlass(database_url)
    yield app
    app.close()


def through(app: Windlass, action: Action, **what: object) -> tuple[int, int]:
    """All parts of an action: how many matched, how many were changed."""
    looked = changed = 0
    after: str | None = None
    while True:
        step = app.jobs.step(action, after=after, **what)  # type: ignore[arg-type]
        looked, changed, after = looked + step.looked, changed + step.changed, step.next
        if after is None:
            return looked, changed


def test_a_page_says_how_many_there_are(app: Windlass) -> None:
    app.enqueue_many("work", [None] * 7)
    app.enqueue("other")
    page = app.jobs.page(key="work", limit=5)
    assert (len(page.jobs), page.total, page.total_is_least, page.complete) == (5, 7, False, True)
    rest = app.jobs.page(key="work", limit=5, after=page.next)
    assert (len(rest.jobs), rest.total, rest.next) == (2, 7, None)


def test_a_search_for_an_id_finds_that_job_first(app: Windlass) -> None:
    first = app.enqueue("work")
    other = app.enqueue("work", {"number": first.id})
    assert [job.id for job in app.jobs.page(search=str(first.id)).jobs] == [first.id, other.id]
    assert [job.id for job in app.jobs.page(search=str(first.id), status="FAILED").jobs] == []
    assert app.jobs.page(search="  ").total == 2


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_an_action_on_many_goes_on_part_by_part(app: Windlass, limit: int) -> None:
    app.enqueue_many("work", [None] * 20)
    other = app.enqueue("other")
    assert app.jobs.matching("cancel", key="work") == (20, False)
    assert through(app, "cancel", key="work", limit=limit) == (20, 20)
    assert app.jobs.counts()[JobStatus.CANCELLED] == 20
    assert app.jobs.get(other.id).status is JobStatus.PENDING  # type: ignore[union-attr]
    assert through(app, "retry", status="CANCELLED", limit=limit) == (20, 20)
    assert app.jobs.matching("delete", key="work") == (20, False)
    assert through(app, "delete", key="work", limit=limit) == (20, 20)
    assert [job.id for job in app.jobs.list()] == [other.id]


def test_what_is_enqueued_meanwhile_is_left_alone(app: Windlass) -> None:
    app.enqueue_many("work", [None] * 4)
    first = app.jobs.step("cancel", key="work", limit=2)
    late = app.enqueue("work")
    while first.next is not None:
        first = app.jobs.step("cancel", key="work", limit=2, after=first.next)
    assert app.jobs.get(late.id).status is JobStatus.PENDING  # type: ignore[union-attr]
    assert app.jobs.counts()[JobStatus.CANCELLED] == 4


def test_an_action_on_ids_takes_those_alone(app: Windlass) -> None:
    jobs = app.enqueue_many("work", [None] * 3)
    assert through(app, "cancel", ids=[jobs[0].id, jobs[2].id, 999]) == (2, 2)
    assert app.jobs.get(jobs[1].id).status is JobStatus.PENDING  # type: ignore[union-attr]


def test_an_action_on_everything_has_to_be_meant(app: Windlass) -> None:
    app.enqueue("work")
    with pytest.raises(InvalidJob, match="everything"):
        app.jobs.step("cancel")
    assert through(app, "cancel", everything=True) == (1, 1)


@pytest.mark.parametrize("after", ["", "x", "1", "1.", ".1", "1.x", "-1.1", "1.1.1", "٣.1"])
def test_a_cursor_that_is_none_of_ours_is_refused(app: Windlass, after: str) -> None:
    with pytest.raises(InvalidJob):
        app.jobs.step("cancel", everything=True, after=after)


def test_parents_are_retried_before_their_children_and_deleted_after_them(app: Windlass) -> None:
    chain(app.step("first"), app.step("second")).enqueue()
    assert through(app, "cancel", everything=True)[1] >= 1
    assert through(app, "retry", status="CANCELLED", limit=1) == (2, 2)
    assert [job.hold is not None for job in app.jobs.list(order="id")] == [False, True]
    app.jobs.cancel_all()
    assert through(app, "delete", everything=True, limit=1) == (2, 2)


def test_the_audit_log_is_written_and_read_back(app: Windlass) -> None:
    for number in range(3):
        app.audit.record(
            who="Ann (token=abcdef)", action="jobs.retry", subject=str(number), details={"n": number}
        )
    page = app.audit.list(limit=2)
    assert [(one.subject, one.details, one.outcome) for one in page.entries] == [
        ("2", {"n": 2}, "ok"),
        ("1", {"n": 1}, "ok"),
    ]
    assert [one.subject for one in app.audit.list(limit=2, after=page.next).entries] == ["0"]
    assert "abcdef" not in page.entries[0].who
    assert app.audit.list(who="nobody").entries == []
    with pytest.raises(InvalidJob):
        app.audit.list(after="x")


def test_details_beyond_their_limit_are_cut(app: Windlass) -> None:
    app.audit.record(who="Ann", action="jobs.enqueue", details={"text": "x" * 20_000})
    [entry] = app.audit.list().entries
    assert list(entry.details or {}) == ["cut"]
