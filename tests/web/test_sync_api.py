"""Synced tables, conflicts and dead letters by the API of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sync.databases import connected
from tests.sync.replicas import Collection, Wire
from tests.web.asking import Program, asking
from windlass import SyncError, Windlass, merge
from windlass.testing import ManualClock

COLUMNS = "id TEXT PRIMARY KEY, title TEXT, done INTEGER, stars REAL, password TEXT, photo BLOB"
TASKS = f"CREATE TABLE tasks ({COLUMNS})"


class Site:
    """An app with a synced table, its remote, and its dashboard."""

    def __init__(self, database: str) -> None:
        self.clock = ManualClock()
        self.db = connected(database)
        self.db.execute(TASKS)
        self.app = Windlass(database, clock=self.clock)
        self.collection = Collection()
        self.wire = Wire(self.collection)
        self.tasks = self.app.sync.resource("tasks", remote=self.wire, every="15m")
        self.api: Program

    def do(self, sql: str, *values: Any) -> list[Any]:
        cursor = self.db.execute(sql, values)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def step(self) -> None:
        """Both ways, as a service would."""
        self.tasks.push()
        self.tasks.pull()

    def conflict(self) -> Any:
        (found,) = self.api.get("sync/tasks/conflicts")["conflicts"]
        return found

    def letter(self) -> Any:
        (found,) = self.api.get("sync/tasks/dead")["dead"]
        return found


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    made = Site(database_url)
    with asking(made.app) as api:
        made.api = api
        yield made
    made.db.close()
    made.app.close()


@pytest.fixture
def disputed(site: Site) -> Site:
    """One row that was edited here and there."""
    site.collection.put("1", title="tea", done=0, stars=1.5, password="sesame")
    site.tasks.pull()
    site.do("UPDATE tasks SET title = 'green tea', stars = 4.25, password = 'mine-secret'")
    site.collection.put("1", title="coffee", done=1, password="their-secret")
    site.step()
    return site


@pytest.fixture
def rejected(site: Site) -> Site:
    """One row that the remote does not want."""
    site.collection.refuses = lambda change: "the title is bad" if "bad" in str(change.document) else None
    site.do("INSERT INTO tasks (id, title, done) VALUES ('7', 'bad', 0)")
    site.step()
    return site


# ── look ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_resource_is_told_with_what_waits_in_it(site: Site) -> None:
    site.do("INSERT INTO tasks (id, title) VALUES ('1', 'tea')")
    (told,) = site.api.get("sync")["resources"]
    assert (told["resource"], told["state"], told["pending"], told["policy"]) == ("tasks", "idle", 1, "ask")
    assert told["every_s"] == 900.0
    detail = site.api.get("sync/tasks")
    assert [(one["key"], one["op"], one["why"]) for one in detail["pending"]] == [
        ("1", "insert", "is sent with the next push")
    ]


def test_why_a_resource_is_offline_is_told(site: Site) -> None:
    site.do("INSERT INTO tasks (id, title) VALUES ('1', 'tea')")
    site.wire.online = False
    with pytest.raises(Exception, match="the network is cut"):
        site.tasks.push()
    (told,) = site.api.get("sync")["resources"]
    assert (told["state"], told["reason"]) == ("offline", "the network is cut")


def test_a_resource_whose_table_is_missing_is_broken_and_no_error_of_the_page(site: Site) -> None:
    site.app.sync.resource("ghosts", remote=site.wire)
    told = {one["resource"]: one for one in site.api.get("sync")["resources"]}
    assert told["ghosts"]["state"] == "broken"
    assert "ghosts" in told["ghosts"]["reason"]
    assert site.api.get("sync/ghosts")["resource"]["state"] == "broken"
    assert site.api.refused("sync/ghosts/conflicts", 422)["message"]
    assert site.api.refused("sync/nobody", 404)["code"] == "no_such_resource"


def test_what_is_undeclared_is_named(site: Site) -> None:
    site.app.sync.install()
    other = Windlass(site.app.settings.database)
    with asking(other) as api:
        told = api.get("sync")
    other.close()
    assert (told["resources"], told["undeclared"]) == ([], ["tasks"])


def test_pause_resume_and_now_do_what_they_say(site: Site) -> None:
    assert site.api.post("sync/tasks/pause")["state"] == "paused"
    assert site.tasks.status().state == "paused"
    assert site.api.post("sync/tasks/resume")["paused"] is False
    assert len(site.api.post("sync/tasks/now")["job_ids"]) == 2
    assert [run["direction"] for run in site.api.get("sync/tasks")["resource"]["runs"]] == ["push", "pull"]


def test_a_policy_is_told_by_its_word(site: Site) -> None:
    site.do("CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT)")
    site.app.sync.resource("notes", remote=site.wire, on_conflict=merge({"title": "client"}))
    told = {one["resource"]: one["policy"] for one in site.api.get("sync")["resources"]}
    assert told == {"tasks": "ask", "notes": "merge"}


def test_as_much_as_is_asked_for_is_told_the_oldest_first(site: Site) -> None:
    for row in range(60):
        site.collection.put(f"{row:02}", title="tea", done=0)
    site.tasks.pull()
    site.do("UPDATE tasks SET title = 'green tea'")
    for row in range(60):
        site.collection.put(f"{row:02}", title="coffee")
    site.collection.refuses = lambda change: "no" if "bad" in str(change.document) else None
    for row in range(60, 120):
        site.do("INSERT INTO tasks (id, title) VALUES (?, 'bad')", str(row))
    site.step()
    for place, name in (("conflicts", "conflicts"), ("dead", "dead")):
        few = site.api.get(f"sync/tasks/{place}")
        assert (len(few[name]), few["total"]) == (50, 60)
        more = site.api.get(f"sync/tasks/{place}", limit=100)
        assert (len(more[name]), more["total"]) == (60, 60)
        assert [one["id"] for one in more[name][:50]] == [one["id"] for one in few[name]]
    site.do("UPDATE tasks SET stars = 1 WHERE id > '99'")
    pending = site.api.get("sync/tasks", limit=4)
    assert len(pending["pending"]) == 4 < pending["resource"]["pending"]
    assert site.api.refused("sync/tasks/dead?limit=1001", 422)["code"]


# ── conflicts ──────────────────────────────────────────────────────────────────────────────────────
def test_a_conflict_shows_each_column_on_all_sides_and_whose_change_it_is(disputed: Site) -> None:
    fields = {field["name"]: field for field in disputed.conflict()["fields"]}
    title = fields["title"]
    assert [title[side]["text"] for side in ("base", "mine", "theirs")] == ["tea", "green tea", "coffee"]
    assert {name: field["verdict"] for name, field in fields.items()} == {
        "id": "same", "title": "contested", "done": "theirs", "stars": "mine", "password": "contested",
        "photo": "same",
    }  # fmt: skip
    assert (fields["stars"]["mine"]["kind"], fields["stars"]["mine"]["text"]) == ("real", "4.25")
    assert fields["id"]["key"] is True


def test_what_is_called_like_a_secret_is_hidden_on_all_sides(disputed: Site) -> None:
    text = disputed.api.client.get("/api/sync/tasks/conflicts").text
    assert "secret" not in text.replace("password", "")
    assert "sesame" not in text


@pytest.mark.parametrize(("side", "title"), [("mine", "green tea"), ("theirs", "coffee")])
def test_one_side_wins_what_is_contested_and_the_rest_is_merged(
    disputed: Site, side: str, title: str
) -> None:
    one = disputed.conflict()
    body = {"choice": side, "seen": one["seen"]}
    told = disputed.api.post(f"sync/conflicts/{one['id']}/resolve", body)
    assert told == {"resource": "tasks", "key": "1"}
    disputed.step()
    assert disputed.do("SELECT title, done, stars FROM tasks") == [(title, 1, 4.25)]
    assert disputed.collection.alive()["1"]["title"] == title
    assert disputed.api.get("sync/tasks/conflicts")["conflicts"] == []


def test_each_field_is_decided_alone_by_a_side_or_by_a_value_of_ones_own(disputed: Site) -> None:
    one = disputed.conflict()
    fields = {"title": {"text": "mate"}, "password": {"side": "theirs"}, "done": {"null": True}}
    disputed.api.post(f"sync/conflicts/{one['id']}/resolve", {"choice": "fields", "fields": fields})
    disputed.step()
    # The side's own value is taken, which no page has seen.
    assert disputed.do("SELECT title, done, password FROM tasks") == [("mate", None, "their-secret")]


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"title": {"side": "mine"}}, {"title": {}, "password": {"side": "mine"}},
        {"title": {"side": "mine", "text": "x"}, "password": {"side": "mine"}},
        {"colour": {"text": "red"}}, {"title": {"text": "[redacted]"}, "password": {"side": "mine"}},
        {"title": {"side": "nobody"}},
    ],
    ids=["none", "one is left", "says nothing", "says two things", "no column", "hidden", "no side"],
)  # fmt: skip
def test_a_decision_that_decides_nothing_changes_nothing(disputed: Site, fields: Any) -> None:
    one = disputed.conflict()
    body = {"choice": "fields", "fields": fields}
    response = disputed.api.client.post(f"/api/sync/conflicts/{one['id']}/resolve", json=body)
    assert response.status_code in (409, 422), response.text
    assert disputed.conflict() == one


def test_who_decides_upon_what_is_not_so_any_more_is_told_and_nothing_is_lost(disputed: Site) -> None:
    one = disputed.conflict()
    disputed.do("UPDATE tasks SET title = 'black tea'")
    body = {"choice": "theirs", "seen": one["seen"]}
    error = disputed.api.post(f"sync/conflicts/{one['id']}/resolve", body, status=409)
    assert error["code"] == "moved_on"
    assert disputed.do("SELECT title FROM tasks") == [("black tea",)]
    now = {field["name"]: field for field in disputed.conflict()["fields"]}
    assert now["title"]["mine"]["text"] == "black tea"


def test_a_row_that_is_deleted_on_one_side_says_so_and_may_be_deleted_on_both(site: Site) -> None:
    site.collection.put("1", title="tea")
    site.tasks.pull()
    site.do("UPDATE tasks SET title = 'green tea'")
    site.collection.delete("1")
    site.step()
    one = site.conflict()
    assert (one["mine_deleted"], one["theirs_deleted"]) == (False, True)
    site.api.post(f"sync/conflicts/{one['id']}/resolve", {"choice": "delete"})
    assert site.do("SELECT * FROM tasks") == []


def test_a_conflict_that_is_settled_already_is_gone(disputed: Site) -> None:
    one = disputed.conflict()
    disputed.tasks.resolve("1", "mine")
    error = disputed.api.post(f"sync/conflicts/{one['id']}/resolve", {"choice": "mine"}, status=404)
    assert error["code"] == "gone"


@pytest.mark.parametrize("text", ["x", "AAAA", "%00", "W10", "é", "1" * 500], ids=range(6))
def test_an_id_that_is_none_is_not_found(site: Site, text: str) -> None:
    error = site.api.post(f"sync/conflicts/{text}/resolve", {"choice": "mine"}, status=404)
    assert error["code"] == "no_such_letter"


# ── dead letters ───────────────────────────────────────────────────────────────────────────────────
def test_a_dead_letter_has_the_servers_own_words(rejected: Site) -> None:
    one = rejected.letter()
    assert (one["key"], one["op"], one["error"]) == ("7", "insert", "the title is bad")
    assert one["problem"] == {"title": "the title is bad"}
    assert {field["name"]: field["mine"]["text"] for field in one["fields"] if field["mine"]}[
        "title"
    ] == "bad"


def test_a_dead_letter_is_edited_and_goes(rejected: Site) -> None:
    one = rejected.letter()
    rejected.api.post(f"sync/dead/{one['id']}/edit", {"columns": {"title": "good", "stars": "2.5"}})
    rejected.step()
    assert rejected.collection.alive()["7"]["title"] == "good"
    assert rejected.do("SELECT title, stars FROM tasks") == [("good", 2.5)]
    assert rejected.api.get("sync/tasks/dead")["dead"] == []


def test_a_dead_letter_is_retried_as_it_is(rejected: Site) -> None:
    one = rejected.letter()
    rejected.collection.refuses = lambda _: None
    rejected.api.post(f"sync/dead/{one['id']}/retry")
    rejected.step()
    assert rejected.collection.alive()["7"]["title"] == "bad"


def test_a_dead_letter_is_given_up_and_the_row_stays(rejected: Site) -> None:
    rejected.api.post(f"sync/dead/{rejected.letter()['id']}/discard")
    assert rejected.do("SELECT title FROM tasks") == [("bad",)]
    assert rejected.api.get("sync/tasks/dead")["total"] == 0


def test_a_dead_letter_is_given_up_and_the_row_is_the_remotes(rejected: Site) -> None:
    rejected.api.post(f"sync/dead/{rejected.letter()['id']}/revert")
    assert rejected.do("SELECT title FROM tasks") == []


@pytest.mark.parametrize(
    "columns", [{}, {"colour": "red"}, {"title": "[redacted]"}], ids=["none", "no column", "hidden"]
)
def test_an_edit_that_says_nothing_changes_nothing(rejected: Site, columns: dict[str, str]) -> None:
    one = rejected.letter()
    assert rejected.api.post(f"sync/dead/{one['id']}/edit", {"columns": columns}, status=422)["message"]
    assert rejected.letter() == one


def test_one_that_went_meanwhile_is_gone(rejected: Site) -> None:
    one = rejected.letter()
    rejected.tasks.revert("7")
    assert rejected.api.post(f"sync/dead/{one['id']}/retry", status=404)["code"] == "gone"


def test_a_choice_upon_sides_that_are_not_so_any_more_is_refused_at_the_last_moment(disputed: Site) -> None:
    seen = disputed.tasks.sides("1")["1"]
    disputed.do("UPDATE tasks SET title = 'black tea'")
    with pytest.raises(SyncError, match="edited meanwhile"):
        disputed.tasks.resolve("1", "theirs", seen=seen)
    disputed.tasks.resolve("1", "mine", seen=disputed.tasks.sides("1")["1"])
    assert disputed.do("SELECT title FROM tasks") == [("black tea",)]
