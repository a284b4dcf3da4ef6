"""The whole of it: a server to sync with, a service, a dashboard, and work in every state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.program import BERTHS, CANARY, EVIL, make_app
from tests.service.waiting import until
from tests.web.stage import Stage
from windlass import Windlass, chain, group
from windlass.demo.server.store import StoreServer

TARGET = "tests.browser.program:app"
PATIENCE_S = 60.0


class Quay(Stage):
    """The processes of ``program``; ``app`` is one more client of their database, in this process."""

    def __init__(self, folder: Path, server: StoreServer, **environment: str) -> None:
        super().__init__(folder, TARGET, HARBOUR_URL=server.url, **environment)
        self.server = server
        self.app: Windlass = make_app(str(self.database), server.url)
        self.jobs: dict[str, int] = {}
        """The jobs that the pages show, by what is the matter with them."""

    def window(self) -> Stage:
        """For one more dashboard of the same database."""
        return Stage(self.folder, TARGET, **self.environment)

    def do(self, sql: str, *values: Any) -> list[Any]:
        """What any program does with the file."""
        with sqlite3.connect(self.database, timeout=PATIENCE_S) as db:
            return db.execute(sql, values).fetchall()

    def put(self, state: str, key: str, payload: dict[str, Any], **options: Any) -> None:
        """Enqueues a job that is going to be in that state."""
        self.jobs[state] = self.app.enqueue(key, payload, **options).id

    def close(self) -> None:
        """Ends the processes, and this one's part."""
        super().close()
        self.app.close()


@contextmanager
def moored(folder: Path, **environment: str) -> Iterator[Quay]:
    """A quay with nothing on it, which ends with the block."""
    with StoreServer() as server:
        quay = Quay(folder, server, **environment)
        try:
            yield quay
        finally:
            quay.close()


def load(quay: Quay) -> None:
    """Jobs of every kind; those that run wait for the service."""
    app = quay.app
    quay.do(BERTHS)
    app.queues.pause("dry-dock")
    quay.put("scheduled", "weigh", {"crate": 99}, delay="3h")
    quay.put("held", "weigh", {"crate": 98}, queue="dry-dock")
    quay.put("blocked", "set_sail", {"ship": "Anna"})
    quay.put("unknown", "paint_hull", {"ship": "Berta"})
    quay.put("cancelled", "weigh", {"crate": 97}, delay="1h")
    app.jobs.cancel([quay.jobs["cancelled"]])
    quay.put("retrying", "telegraph", {"port": "Lisbon", "password": CANARY})
    quay.put("failed", "fumigate", {"hold": "aft"})
    quay.put("running", "hoist", {"crates": 8, "message": "crate 3 of 8"})
    quay.put("completed", "weigh", {"crate": 7, "note": "wet"})
    app.enqueue_many("weigh", ({"crate": crate} for crate in range(60)))
    weighed = group(app.step("weigh", {"crate": crate}) for crate in (1, 2, 3))
    flow = chain(
        weighed,
        app.step("fumigate", {"hold": "bow"}),
        app.step("set_sail", {"ship": "Carla"}),
    )
    quay.jobs["orphaned"] = [job.id for job in flow.enqueue().jobs()][-1]
    later = chain(app.step("weigh", {"crate": 96}, delay="3h"), app.step("set_sail", {"ship": "Dora"}))
    quay.jobs["waiting"] = [job.id for job in later.enqueue().jobs()][-1]
    dispute(quay)


def dispute(quay: Quay) -> None:
    """A row that was edited on both sides, and one that the server does not take."""
    berths = quay.app.sync["berths"]
    shelf = quay.server.shelf
    shelf.fill(
        "berths",
        (
            (str(key), {"id": str(key), "name": f"Pier {key}", "ship": "Anna", "depth_m": 7.5, "lit": 1})
            for key in (1, 2, 3)
        ),
    )
    shelf.checks.append(lambda _, fields: None if fields.get("depth_m") else "a berth needs a depth")
    berths.pull()
    quay.do("UPDATE berths SET ship = 'Berta', depth_m = 8.25 WHERE id IN ('1', '2', '3')")
    shelf.edit("berths", "1", ship="Carla", lit=0)
    shelf.edit("berths", "2", ship=EVIL)
    # What nobody settles: the pages show it whatever was done on them before.
    shelf.edit("berths", "3", ship="Carla")
    quay.do("INSERT INTO berths (id, name) VALUES ('9', 'New mole'), ('10', 'Old mole')")
    berths.push()
    berths.pull()


def haunt(quay: Quay) -> None:
    """What is hostile, wherever somebody can write something: names, too, with a plain ``INSERT``."""
    app = quay.app
    quay.put("evil", "haunt", {"text": EVIL}, tags=[EVIL], unique=EVIL, meta={EVIL: EVIL})
    quay.put("evil result", "weigh", {"crate": 1, "note": EVIL})
    quay.put("evil progress", "hoist", {"crates": 4, "message": EVIL})
    app.schedules.add(
        "spook", job="weigh", payload={"crate": 5, "note": EVIL}, every="6h", initial_delay="6h"
    )
    tags = json.dumps([EVIL])
    quay.do(
        "INSERT INTO background_service_jobs (job_key, queue, tags, payload, title) VALUES (?, ?, ?, ?, ?)",
        EVIL, EVIL, tags, json.dumps({EVIL: EVIL}), EVIL,
    )  # fmt: skip
    [[quay.jobs["evil names"]]] = quay.do("SELECT max(id) FROM background_service_jobs")


def settle(quay: Quay) -> None:
    """Waits until the service has nothing more to do than what is never done."""
    endless = {quay.jobs["running"], quay.jobs["evil progress"]}

    def is_quiet() -> bool:
        rows = quay.do("SELECT id, status, attempts FROM background_service_jobs")
        running = {id_ for id_, status, _ in rows if status == "RUNNING"}
        over = {id_ for id_, status, attempts in rows if status != "PENDING" or attempts}
        ran = {quay.jobs[name] for name in ("failed", "completed", "retrying", "evil", "evil result")}
        return running == endless and ran <= over and quay.jobs["orphaned"] - 1 in over

    until(is_quiet, patience_s=PATIENCE_S)
