"""Several resources of one program: what is wrong with one of them is no concern of the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.sync.databases import connected
from windlass import Windlass
from windlass.demo.server.store import StoreServer
from windlass.errors import ConfigError
from windlass.events import Event, SyncFailing, SyncRecovered
from windlass.sync.handle import Resource
from windlass.sync.rest import RestRemote
from windlass.sync.telling import Postponed
from windlass.testing import ManualClock, drain

BAD_PAGES: dict[str, tuple[int, Any]] = {
    "rows without ids": (200, {"data": [{"id": None, "name": "rose"}]}),
    "not found": (404, {"title": "Not Found"}),
}


class Garden:
    """A program whose tables are all synced with collections of one server."""

    def __init__(self, database: str, server: StoreServer) -> None:
        self.clock = ManualClock()
        self.app = Windlass(database, clock=self.clock)
        self.db = connected(database)
        self.server = server
        self.events: list[Event] = []
        self.app.on_event(self.events.append)

    def make(self, name: str, *columns: str) -> None:
        self.db.execute(f"CREATE TABLE {name} ({', '.join(columns or ('id TEXT PRIMARY KEY', 'name TEXT'))})")

    def sync(self, name: str, *, made_late: bool = False, **settings: Any) -> Resource:
        remote = RestRemote(f"{self.server.url}/{name}", rows="data", create="PUT", dedupes=True)
        usual = {"debounce": "0s", "every": "15m"}
        return self.app.sync.resource(
            name, remote=(lambda: remote) if made_late else remote, **{**usual, **settings}
        )

    def plant(self, table: str, key: str) -> None:
        self.db.execute(f"INSERT INTO {table} (id, name) VALUES (?, 'rose')", (key,))

    def spoil(self, table: str, status: int, body: Any) -> None:
        """Every page of that collection is answered so."""
        self.server.plan(status, body, method="GET", path=f"/{table}", times=1000)

    def there(self, table: str) -> set[str]:
        return set(self.server.shelf.documents(table))

    def pages(self, table: str) -> int:
        return sum(1 for one in self.server.asked if (one.method, one.path) == ("GET", f"/{table}"))

    def close(self) -> None:
        self.db.close()
        self.app.close()


@pytest.fixture
def server() -> Iterator[StoreServer]:
    with StoreServer() as one:
        yield one


@pytest.fixture
def garden(database_url: str, server: StoreServer) -> Iterator[Garden]:
    with closing(Garden(database_url, server)) as one:
        yield one


# ── one that is answered badly ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", BAD_PAGES)
def test_a_collection_that_answers_badly_stops_no_other_of_its_server(garden: Garden, how: str) -> None:
    """Its own tries renewed a pause of the whole server each time that was over, for hours."""
    garden.make("beds")
    garden.make("trees")
    beds, trees = garden.sync("beds"), garden.sync("trees")
    garden.server.shelf.edit("trees", "oak", name="oak")
    garden.spoil("beds", *BAD_PAGES[how])
    drain(garden.app)
    for minute in range(0, 120, 5):
        if minute == 30:
            garden.plant("trees", "elm")
            drain(garden.app)
            assert garden.there("trees") == {"oak", "elm"}, "at once"
        garden.clock.advance("5m")
        drain(garden.app)
    assert garden.db.execute("SELECT count(*) FROM trees").fetchone()[0] == 2
    assert garden.pages("trees") >= 8, "once every quarter of an hour"
    assert garden.pages("beds") <= 24, "and the other one is left alone for longer and longer"

    healthy, spoilt = trees.status(), beds.status()
    assert (healthy.state, healthy.reason, healthy.last_error) == ("idle", None, None)
    assert spoilt.state == "failing"
    assert spoilt.reason is not None
    assert spoilt.reason.startswith("pull: ")
    assert spoilt.until is not None
    assert spoilt.since is not None
    assert [(type(one), getattr(one, "resource", None)) for one in garden.events] == [(SyncFailing, "beds")]

    garden.server._plans.clear()
    garden.clock.advance("15m")
    drain(garden.app)
    assert [type(one) for one in garden.events] == [SyncFailing, SyncRecovered]
    assert (beds.status().state, beds.status().last_error) == ("idle", None)


def test_a_pull_that_goes_wrong_holds_up_no_push_of_its_own_table(garden: Garden) -> None:
    garden.make("beds")
    beds = garden.sync("beds")
    garden.spoil("beds", *BAD_PAGES["not found"])
    drain(garden.app)
    garden.plant("beds", "rose")
    drain(garden.app)
    assert garden.there("beds") == {"rose"}
    assert beds.pending() == []
    status = beds.status()
    assert (status.state, status.pending) == ("failing", 0)
    assert "404" in str(status.last_error), "that the push went well says nothing of the pull"


def test_a_server_that_answers_badly_after_an_outage_is_not_called_offline_any_more(garden: Garden) -> None:
    garden.make("beds")
    beds = garden.sync("beds", direction="pull")
    garden.server.down()
    drain(garden.app)
    assert beds.status().state == "offline"
    garden.server.up()
    garden.spoil("beds", *BAD_PAGES["rows without ids"])
    garden.clock.advance("1m")
    drain(garden.app)
    assert beds.status().state == "failing"
    assert "expected each row to tell id" in str(beds.status().reason)


def test_whoever_asks_at_once_does_not_wait_for_a_way_that_went_wrong(garden: Garden) -> None:
    garden.make("beds")
    beds = garden.sync("beds")
    garden.server.shelf.edit("beds", "rose", name="rose")
    garden.server.plan(404, None, method="GET", path="/beds")
    with pytest.raises(Postponed, match="404"):
        beds.pull()
    with pytest.raises(Postponed, match="its pull is failing"):
        garden.app.sync.engine.pull("beds")
    asked = garden.pages("beds")
    assert beds.pull().received == 1
    assert garden.pages("beds") == asked + 1


@pytest.mark.parametrize("made_late", [False, True])
def test_who_waits_for_a_server_that_another_resource_found_away_says_so(
    garden: Garden, made_late: bool
) -> None:
    """It said "is sent with the next push", for it had never failed itself."""
    garden.make("beds")
    garden.make("trees")
    beds, trees = garden.sync("beds"), garden.sync("trees", made_late=made_late)
    drain(garden.app)
    garden.server.down()
    garden.plant("beds", "rose")
    drain(garden.app)
    asked = len(garden.server.asked)
    garden.plant("trees", "elm")
    drain(garden.app)
    assert len(garden.server.asked) == asked
    for one in (beds, trees):
        assert one.status().state == "offline"
    (waiting,) = trees.pending()
    assert f"waits for {garden.server.url}, which is offline" in waiting.why
    with closing(Windlass(garden.app.settings.database)) as onlooker:
        remote = trees._engine.cycle("trees").remote
        looked = onlooker.sync.resource("trees", remote=(lambda: remote) if made_late else remote)
        assert looked.pending()[0].why == waiting.why


def test_what_a_server_asked_for_is_kept_to_though_a_broken_collection_is_asked_for_at_once(
    garden: Garden,
) -> None:
    """A job that was asked for once lifted it again and again, for everybody."""
    garden.make("beds")
    garden.make("trees")
    beds, _ = garden.sync("beds", direction="pull"), garden.sync("trees", direction="push")
    drain(garden.app)
    garden.spoil("beds", *BAD_PAGES["not found"])
    beds.now()
    drain(garden.app)
    garden.server.plan(429, None, headers={"Retry-After": "600"}, method="PUT", path="/trees/elm")
    garden.plant("trees", "elm")
    drain(garden.app)
    asked = len(garden.server.asked)
    for _ in range(9):
        garden.clock.advance("1m")
        drain(garden.app)
    assert len(garden.server.asked) == asked


def test_a_server_is_said_to_be_back_by_whoever_it_has_answered(garden: Garden) -> None:
    garden.make("beds")
    beds = garden.sync("beds")
    drain(garden.app)
    garden.server.down()
    garden.plant("beds", "rose")
    for _ in range(20):
        garden.clock.advance("1m")
        drain(garden.app)
    assert [type(one) for one in garden.events] == [SyncFailing]
    garden.db.execute("DELETE FROM beds")
    assert beds.push().sent == 0, "there is nothing to send any more, and so nobody was asked"
    assert ([type(one) for one in garden.events], beds.status().state) == ([SyncFailing], "offline")
    assert beds.status().last_error is not None


def test_a_server_that_is_back_and_answers_badly_can_be_told_of_anew(garden: Garden) -> None:
    garden.make("beds")
    beds = garden.sync("beds", direction="pull")
    for status, told in (
        (401, [SyncFailing]),
        (404, [SyncFailing, SyncRecovered]),
        (401, [SyncFailing, SyncRecovered, SyncFailing]),
    ):
        garden.server.plan(status, None, method="GET", path="/beds")
        garden.clock.advance("15m")
        drain(garden.app)
        assert [type(one) for one in garden.events] == told
        assert beds.status().state == ("failing" if status == 404 else "unauthorized")


# ── one whose table cannot be had ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", ["missing", "without a key"])
def test_a_table_that_cannot_be_synced_stops_no_other_resource(garden: Garden, how: str) -> None:
    garden.make("beds")
    if how == "without a key":
        garden.make("trees", "id TEXT", "name TEXT")
    beds, _ = garden.sync("beds"), garden.sync("trees")
    garden.server.shelf.edit("beds", "lily", name="lily")
    garden.app.sync.engine.install("beds")
    garden.plant("beds", "rose")
    drain(garden.app)
    assert garden.there("beds") == {"lily", "rose"}
    assert {job.status.name for job in garden.app.jobs.list()} <= {"COMPLETED", "PENDING"}
    assert garden.db.execute("SELECT count(*) FROM beds").fetchone()[0] == 2

    sync = garden.app.sync
    well, broken = sync.status()
    assert (well.resource, well.state, broken.resource, broken.state) == ("beds", "idle", "trees", "broken")
    assert sync.broken() == {"trees": broken.reason}
    assert "trees" in str(broken.reason)
    assert (sync.pending(), sync.conflicts(), sync.dead()) == ([], [], [])
    assert {job.payload["resource"] for job in sync.now() if job.payload} == {"beds"}
    with sync.watch() as changes:
        assert {next(iter(changes)).resource} == {"beds"}
    with pytest.raises(ConfigError, match="trees"):
        sync.pause()
    assert beds.status().state == "paused", "but what can be paused is"
    sync.resume()
    with pytest.raises(ConfigError, match="trees"):
        sync.install()


def test_a_table_that_is_made_later_is_synced_from_then_on(garden: Garden) -> None:
    garden.make("beds")
    garden.sync("beds")
    trees = garden.sync("trees")
    drain(garden.app)
    with garden.app.sync.schema_change():
        garden.make("trees", "id TEXT PRIMARY KEY", "name TEXT", "bed TEXT REFERENCES beds (id)")
    garden.app.sync.install()
    garden.plant("beds", "rose")
    garden.db.execute("INSERT INTO trees VALUES ('elm', 'elm', 'rose')")
    drain(garden.app)
    garden.clock.advance("1m")
    drain(garden.app)
    assert (garden.there("beds"), garden.there("trees")) == ({"rose"}, {"elm"})
    assert trees.status().state == "idle"
    assert garden.app.sync.engine.related("beds") == {"trees"}, "it is known whose rows refer to it"


def test_who_refers_to_a_table_that_cannot_be_synced_waits_and_says_so(garden: Garden) -> None:
    """Sent before what it refers to, the server would reject it."""
    garden.make("beds", "id TEXT NOT NULL UNIQUE", "name TEXT")
    garden.make("trees", "id TEXT PRIMARY KEY", "name TEXT", "bed TEXT REFERENCES beds (id)")
    garden.sync("beds")
    trees = garden.sync("trees")
    garden.app.sync.engine.install("trees")
    garden.plant("trees", "elm")
    drain(garden.app)
    reason = "it refers to beds, which cannot be synced"
    assert trees.status().state == "blocked"
    assert reason in str(trees.status().reason)
    assert reason in trees.pending()[0].why
    assert {job.attempts for job in trees.runs()} == {0}, "and it costs no attempt"
    assert garden.server.asked == []


# ── one whose jobs may not start ───────────────────────────────────────────────────────────────────
def test_what_keeps_a_push_from_starting_is_told_of_the_changes_that_wait_for_it(garden: Garden) -> None:
    """``status`` said idle, and the change that it is sent with the next push."""
    garden.make("beds")
    beds = garden.sync("beds")
    drain(garden.app)
    garden.app.queues.pause("sync")
    garden.plant("beds", "rose")
    drain(garden.app)
    status = beds.status()
    assert (status.state, status.pending) == ("blocked", 1)
    assert "queue 'sync' is paused" in str(status.reason)
    assert "queue 'sync' is paused" in beds.pending()[0].why
    garden.app.queues.resume("sync")
    assert beds.status().reason != status.reason
    drain(garden.app)
    assert (beds.status().state, garden.there("beds")) == ("idle", {"rose"})


def test_a_change_of_a_paused_resource_says_that_it_waits_for_that(garden: Garden) -> None:
    garden.make("beds")
    beds = garden.sync("beds")
    beds.pause()
    garden.plant("beds", "rose")
    assert beds.pending()[0].why == "waits until beds is resumed: it is paused"


# ── a row that is told as the table cannot keep it ─────────────────────────────────────────────────
def test_a_change_that_was_taken_is_over_though_the_table_refuses_how_it_is_told(garden: Garden) -> None:
    """It was sent again and again, twenty times in each push."""
    garden.make("beds", "id TEXT PRIMARY KEY", "name TEXT NOT NULL")
    beds = garden.sync("beds")
    drain(garden.app)
    garden.server.plan(200, {"id": "oak", "name": None}, method="PUT", path="/beds/oak")
    garden.plant("beds", "oak")
    garden.plant("beds", "elm")
    assert beds.push().sent == 2
    assert (beds.push().sent, beds.status().pending) == (0, 0)
    kept = garden.db.execute("SELECT id, name FROM beds ORDER BY id").fetchall()
    assert [tuple(row) for row in kept] == [("elm", "rose"), ("oak", "rose")]
