"""Live: a remote's word that something has changed starts a pull, without any schedule."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.service.waiting import until
from tests.sync.databases import connected
from tests.sync.replicas import Collection, Wire
from tests.sync.servers.store import StoreServer
from windlass.app import Windlass
from windlass.errors import ConfigError
from windlass.sync.cursors import Since
from windlass.sync.paginate import LinkHeader
from windlass.sync.places import ETag, Field, Header
from windlass.sync.resource import Live
from windlass.sync.rest import RestRemote


@pytest.mark.parametrize("kind", ["sse", "poll"])
def test_what_someone_else_writes_arrives_when_the_server_says_so(database_url: str, kind: str) -> None:
    with StoreServer() as server, closing(connected(database_url)) as db:
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT)")
        remote = RestRemote(
            f"{server.url}/tasks",
            rows="data",
            cursor=Since("_since", Header("Watermark")),
            page=LinkHeader(),
            version=ETag(field="version"),
            deleted=Field("deleted"),
        )
        app = Windlass(database_url)
        live = Live("/_events") if kind == "sse" else Live("/_poll", kind="poll")
        tasks = app.sync.resource("tasks", remote=remote, live=live)
        with app.running(threads=2):
            until(lambda: tasks.status().last_pull)
            server.shelf.edit("tasks", "7", title="tea")
            until(lambda: [row[0] for row in db.execute("SELECT title FROM tasks")] == ["tea"])
        assert [row[0] for row in db.execute("SELECT id FROM tasks")] == ["7"]
        until(lambda: server.streams == 0)
        app.close()


def test_only_what_speaks_http_can_be_listened_to(database_url: str) -> None:
    app = Windlass(database_url)
    with closing(connected(database_url)) as db:
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT)")
    app.sync.resource("tasks", remote=Wire(Collection()), live="/_events")
    with pytest.raises(ConfigError, match="live= takes a RestRemote"):
        app.sync.engine.listen("tasks", lambda: None)
    app.close()
