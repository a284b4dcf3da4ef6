"""``windlass audit``."""

from __future__ import annotations

from tests.cli.conftest import Command
from windlass import Windlass


def test_what_was_done_is_listed_newest_first(cli: Command, app: Windlass) -> None:
    assert app.jobs.list() == []
    assert "nothing was done" in cli("audit").out
    app.audit.record(who="ann", action="queues.pause", subject="mail", details={"why": "\x1b[2J"})
    app.audit.record(who="bob", action="jobs.retry", subject="7", outcome="gone")
    told = cli("audit", "--json").data
    assert [(one["who"], one["action"], one["outcome"]) for one in told] == [
        ("bob", "jobs.retry", "gone"),
        ("ann", "queues.pause", "ok"),
    ]
    shown = cli("audit").out
    assert "queues.pause" in shown
    assert "\x1b[2J" not in shown
    assert [one["who"] for one in cli("audit", "--who", "ann", "--json").data] == ["ann"]
    assert [one["subject"] for one in cli("audit", "--action", "jobs.retry", "--json").data] == ["7"]
