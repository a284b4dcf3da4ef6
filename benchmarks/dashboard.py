"""How long the dashboard takes for what each of its pages shows first, with a million jobs in the table.

A request goes through the whole ASGI application in this process, from its first byte to its last: so what is
measured is the server's own time, without a network and without a browser. What is asked of a page changes
with each request, as filters and cursors do. Each round begins with a program that has answered nothing yet.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.model import (
    Benchmark,
    Figure,
    Measure,
    Room,
    Sample,
    Unavailable,
    flat,
    percentile,
    value_at_most,
)

if TYPE_CHECKING:
    from windlass import Windlass

JOBS = 1_000_000
ROUNDS, QUICK_ROUNDS = 10, 5
"""Requests of each page in one round."""
KEYS, QUEUES = 20, 5
DAY_MINUTES = 1440
GOAL_MS = 150
PREVIEW_MS = 1200
"""It is asked for by a click, and counts for at most a second."""
TOKEN = "b" * 43

_LAY = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {jobs}),
     made (n, kind, at) AS (SELECT n, n % 1000, unixepoch() - 100000 + n * 0.1 FROM number)
INSERT INTO background_service_jobs (
    job_key, payload, status, attempts, created_at, updated_at, queue, priority, finished_at, last_error,
    reason, tags, hold, run_at)
SELECT 'key_' || (n % {keys}), json_object('number', n, 'text', '{text}'),
    CASE WHEN kind < 950 THEN 'COMPLETED' WHEN kind < 970 THEN 'FAILED' WHEN kind < 975 THEN 'CANCELLED'
         ELSE 'PENDING' END,
    1, strftime('%Y-%m-%dT%H:%M:%fZ', at, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%fZ', at, 'unixepoch'),
    'queue_' || (n % {queues}), n % 3, CASE WHEN kind < 975 THEN CAST(at * 1000000 AS INTEGER) END,
    CASE WHEN kind BETWEEN 950 AND 969 THEN 'ValueError: no such thing ' || (n % 7) || x'0a' || 'a.py' END,
    CASE WHEN kind BETWEEN 950 AND 969 THEN 'exhausted' WHEN kind BETWEEN 970 AND 974 THEN 'cancelled' END,
    CASE WHEN n % 50 = 0 THEN json_array('tag_' || (n % 300)) END,
    CASE WHEN kind > 995 THEN 'it waits for a person' END,
    CASE WHEN kind BETWEEN 985 AND 994 THEN 4000000000000000 + n END
FROM made
"""


def lay(app: Windlass, database: Path) -> None:
    """A million jobs as years of work leave them, and a day of figures of twenty keys in each minute."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_LAY.format(jobs=JOBS, keys=KEYS, queues=QUEUES, text="x" * 78))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    from windlass.store.activity import Figures
    from windlass.store.sketch import BUCKETS, bucket, to_bytes

    chance = random.Random(1)
    counts = [0] * BUCKETS
    for _ in range(500):
        counts[bucket(chance.lognormvariate(9, 1))] += 1
    sketch = to_bytes(counts)
    now = int(time.time() // 60)
    for minute in range(now - DAY_MINUTES, now):
        rows = [
            Figures(minute, 1, f"queue_{n % QUEUES}", f"key_{n}", 480, 5, 10, 2, 2, 1, 0, sketch, sketch)
            for n in range(KEYS)
        ]
        app.store.seal(rows)
    app.store.checkpoint(force=True)


def _of_jobs(chance: random.Random) -> str:
    key, queue = f"key_{chance.randrange(KEYS)}", f"queue_{chance.randrange(QUEUES)}"
    return "jobs?" + chance.choice(
        [
            "",
            f"after=i0.{JOBS - 50 * 1000}",
            "status=failed",
            f"status=pending&key={key}",
            f"status=failed&queue={queue}&order=-finished_at",
            f"key={key}",
            f"queue={queue}&after=i0.{chance.randrange(JOBS)}",
            "status=completed&order=finished_at",
            f"status=cancelled,failed&key={key}",
            "held=true",
            f"tag=tag_{chance.randrange(6) * 50}",
        ]
    )


def _of_search(chance: random.Random) -> str:
    words = [f"thing {chance.randrange(7)}", "nothing+that+there+is", str(chance.randrange(JOBS))]
    filters = ["", "&status=failed", f"&key=key_{chance.randrange(KEYS)}", "&order=-finished_at"]
    return f"jobs?q={chance.choice(words)}{chance.choice(filters)}"


def _of_scroll(chance: random.Random) -> str:
    """A page that is hundreds of pages down, in one of the orders that the list has."""
    number = chance.randrange(JOBS // 10, JOBS)
    ended = f"f{(int(time.time()) - 100_000) * 10**6 + number * 10**5}.{number}"
    return "jobs?" + chance.choice(
        [
            f"after=i0.{number}",
            f"after=i0.{number}&order=id",
            f"after={ended}&order=-finished_at",
            f"after={ended}&order=finished_at&status=completed",
            f"after=i0.{number}&status=failed",
        ]
    )


def _of_preview(chance: random.Random) -> str:
    """What is asked before something is done to all that match."""
    where: Any = chance.choice(
        [
            {"all": True},
            {"status": ["FAILED"]},
            {"status": ["FAILED"], "key": f"key_{chance.randrange(KEYS)}"},
            {"queue": f"queue_{chance.randrange(QUEUES)}"},
            {"q": f"thing {chance.randrange(7)}"},
        ]
    )
    action = chance.choice(["retry", "cancel", "delete"])
    return "jobs/bulk " + json.dumps({"action": action, "filter": where, "preview": True})


PAGES: dict[str, Callable[[random.Random], str]] = {
    "overview": lambda chance: f"overview?range={chance.choice(['15m', '1h', '6h', '24h'])}",
    "jobs": _of_jobs,
    "search": _of_search,
    "scroll": _of_scroll,
    "preview": _of_preview,
    "job": lambda chance: f"jobs/{chance.randrange(1, JOBS)}",
    "suggest": lambda chance: f"jobs/suggest?field={chance.choice(['key', 'queue', 'tag'])}&prefix=key_1",
    "queues": lambda _: "queues",
    "schedules": lambda _: "schedules",
    "sync": lambda _: "sync",
    "workers": lambda _: "workers",
    "storage": lambda _: "storage",
    "service": lambda _: "service",
    "audit": lambda _: "audit",
}
"""For each page, what it asks first; with a space and a body where that is a POST."""


class Visitor:
    """Asks the application, as a server would."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._begin())

    def ask(self, path: str) -> float:
        """Milliseconds until all of the answer is there."""
        begin = time.perf_counter()
        self._loop.run_until_complete(self._ask(path))
        return (time.perf_counter() - begin) * 1e3

    async def _ask(self, path: str) -> None:
        path, _, body = path.partition(" ") if path.endswith("}") else (path, "", "")
        name, _, query = f"/api/{path}".partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
            "method": "POST" if body else "GET",
            "scheme": "http", "path": name, "raw_path": name.encode(),
            "query_string": query.replace(" ", "+").encode(), "root_path": "",
            "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
            "headers": [
                (b"host", b"127.0.0.1"), (b"authorization", b"Bearer " + TOKEN.encode()),
                (b"content-type", b"application/json"),
            ],
        }  # fmt: skip
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body.encode(), "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        await self._application(scope, receive, send)
        assert status == 200, (path, status)

    async def _begin(self) -> None:
        """As a server does before it lets anybody in."""
        messages = asyncio.Queue[dict[str, Any]]()
        began = asyncio.Event()

        async def send(_: dict[str, Any]) -> None:
            began.set()

        messages.put_nowait({"type": "lifespan.startup"})
        living = asyncio.ensure_future(self._application({"type": "lifespan"}, messages.get, send))
        await began.wait()
        living.cancel()

    def close(self) -> None:
        self._loop.close()


@contextmanager
def pages(room: Room) -> Iterator[Measure]:
    """Milliseconds, one for each page in turn, again and again."""
    try:
        from windlass.web.app import dashboard
    except ImportError as error:
        raise Unavailable(f"the dashboard's packages are not installed ({error})") from error
    from windlass import Windlass

    database = room.folder / "windlass.db"
    app = Windlass(database)
    app.store.migrate()
    lay(app, database)
    app.close()
    chance = random.Random(7)
    rounds = QUICK_ROUNDS if room.quick else ROUNDS

    def visit() -> Sample:
        app = Windlass(database)
        visitor = Visitor(dashboard(app, token=TOKEN, allowed_hosts=["127.0.0.1"]))
        try:
            first = [
                visitor.ask("overview?range=24h" if name == "overview" else path(chance))
                for name, path in PAGES.items()
            ]
            return first + [visitor.ask(path(chance)) for _ in range(rounds) for path in PAGES.values()]
        finally:
            visitor.close()
            app.close()

    yield visit


def of(place: int, samples: Sequence[Sample]) -> float:
    """The 95th percentile of one page's requests."""
    return percentile(0.95)([flat(samples)[place :: len(PAGES)]])


def slowest_first(samples: Sequence[Sample]) -> float:
    """Of the pages' first answers by a program that has just begun, the one that took longest."""
    return statistics.median(max(flat([sample])[: len(PAGES)]) for sample in samples)


BENCHMARKS = [
    Benchmark(
        (
            *(
                Figure(
                    f"dashboard_{name}_p95_ms",
                    "ms",
                    (value_at_most(PREVIEW_MS if name == "preview" else GOAL_MS),),
                    partial(of, place),
                )
                for place, name in enumerate(PAGES)
            ),
            Figure("dashboard_first_ms", "ms", (value_at_most(GOAL_MS),), slowest_first),
        ),
        {"windlass": pages},
    )
]
