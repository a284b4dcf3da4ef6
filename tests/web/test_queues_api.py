"""Queues and limits by the API of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.asking import Program, asking, named
from windlass import Windlass


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    app = Windlass(database_url)
    app.job("mail", queue="mail/eu", concurrency=3)(lambda: None)
    yield app
    app.close()


@pytest.fixture
def api(app: Windlass) -> Iterator[Program]:
    with asking(app) as program:
        yield program


def test_queues_are_told_with_their_counts_and_switches(app: Windlass, api: Program) -> None:
    app.enqueue_many("work", [{}, {}, {}])
    app.enqueue("work", {}, delay="1h")
    app.enqueue("other", {}, queue="slow")
    app.queues.limit("slow", 2, rate="50/s")
    rows = {row["queue"]: row for row in api.get("queues")["queues"]}
    assert (rows["default"]["ready"], rows["default"]["scheduled"]) == (3, 1)
    assert (rows["slow"]["concurrency"], rows["slow"]["rate"]) == (2, "50/s")


def test_none_is_an_empty_list_and_not_an_error(api: Program) -> None:
    told = api.get("queues")
    assert (told["queues"], told["key_limits"]) == ([], [])
    assert {"does": "List queues", "command": "windlass queues list"} in told["commands"]


def test_a_queue_with_a_slash_in_its_name_is_paused_and_resumed(app: Windlass, api: Program) -> None:
    app.enqueue("work", {}, queue="mail/eu")
    assert api.post(f"queues/{named('mail/eu')}/pause")["paused"] is True
    assert app.queues.list()[0].paused
    assert api.post(f"queues/{named('mail/eu')}/resume")["paused"] is False
    assert not app.queues.list()[0].paused


def test_limits_are_set_one_by_one_and_lifted_by_null(app: Windlass, api: Program) -> None:
    told = api.do("PUT", "queues/default/limits", {"concurrency": 4, "rate": "600/m"})
    assert (told["concurrency"], told["rate"]) == (4, "600/m")
    told = api.do("PUT", "queues/default/limits", {"concurrency": None})
    assert (told["concurrency"], told["rate"]) == (None, "600/m")
    told = api.do("PUT", "queues/default/limits", {"rate": None})
    assert told["rate"] is None


@pytest.mark.parametrize(
    "body",
    [{}, {"concurrency": 0}, {"concurrency": "many"}, {"rate": "often"}, {"speed": 4}, {"rate": "5/0s"}],
    ids=["nothing", "zero", "a word", "no rate", "unknown", "no span"],
)
def test_a_limit_that_cannot_be_right_changes_nothing(app: Windlass, api: Program, body: object) -> None:
    error = api.do("PUT", "queues/default/limits", body, status=422)
    assert error["message"]
    assert app.limits.list() == []


def test_a_name_that_no_queue_can_have_is_refused(api: Program) -> None:
    assert "expected queue to be" in api.post(f"queues/{named('<script>')}/pause", status=422)["message"]


def test_what_was_set_for_a_key_is_lifted_and_its_own_counts_again(app: Windlass, api: Program) -> None:
    app.limits.put_declared()
    (limit,) = api.get("queues")["key_limits"]
    assert (limit["key"], limit["concurrency"], limit["declared"]) == ("mail", 3, True)
    assert api.do("PUT", "keys/mail/limits", {"concurrency": 9})["declared"] is False
    assert api.do("DELETE", "keys/mail/limits")["lifted"] is True
    (limit,) = api.get("queues")["key_limits"]
    assert (limit["concurrency"], limit["declared"]) == (3, True)
    assert api.do("DELETE", "keys/mail/limits", status=404)["way_out"]


def test_who_may_only_look_changes_nothing(app: Windlass) -> None:
    app.enqueue("work", {})
    with asking(app, read_only=True) as api:
        assert api.post("queues/default/pause", status=403)["code"]
        assert api.get("queues")["queues"][0]["paused"] is False
