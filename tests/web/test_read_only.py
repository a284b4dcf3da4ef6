"""``windlass ui --read-only``, as people start it: everything is seen, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.web.stage import Stage
from tests.web.test_security import actions, path_of
from windlass import Windlass
from windlass.web.security import CSRF_HEADER

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """The real command, over a database with one job that waits."""
    made = Stage(tmp_path)
    app = Windlass(made.database)
    app.enqueue("load_ship", {"ship": "Berta"}, queue="quay")
    app.close()
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("read_only", [True, False], ids=["read-only", "without"])
def test_who_came_in_by_the_commands_link_may_act_unless_it_was_started_read_only(
    stage: Stage, read_only: bool
) -> None:
    stage.show(*(["--read-only"] if read_only else []))
    with httpx2.Client(base_url=stage.origin, follow_redirects=True, timeout=60) as browser:
        assert browser.get(stage.entry).status_code == 200
        session = browser.get("api/session").json()
        assert session["read_only"] is read_only
        act = {CSRF_HEADER: session["csrf"] or "", "Origin": stage.origin.rstrip("/")}
        paused = browser.post("api/queues/quay/pause", headers=act)
        assert paused.status_code == (403 if read_only else 200), paused.text
        [queue] = browser.get("api/queues").json()["queues"]
        assert (queue["ready"], queue["paused"]) == (1, not read_only)
        if not read_only:
            return
        for route in actions():
            told = browser.request(route.method, path_of(route).lstrip("/"), headers=act, json={})
            assert (told.status_code, told.json()["error"]["code"]) == (403, "read_only"), route.name
        assert browser.get("api/jobs").json()["jobs"][0]["state"] == "ready"
