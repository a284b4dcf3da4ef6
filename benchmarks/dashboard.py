"""How long the dashboard takes for what each of its pages shows first, with a million jobs in the table.

A request goes through the whole ASGI application in this process, from its first byte to its last: so what is
measured is the server's own time, without a network and without a browser. What is asked of a page changes
with each request, as filters and cursors do, and nothing is warmed up.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
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
ROUNDS, QUICK_ROUNDS = 20, 8
"""Requests of each page in one round."""
KEYS, QUEUES = 20, 5
DAY_MINUTES = 1440
GOAL_MS = 150
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
            "status=failed",
            f"status=pending&key={key}",
            f"status=failed&queue={queue}&order=-finished_at",
            f"key={key}",
            f"queue={queue}&after=i0.{chance.randrange(JOBS)}",
            "status=completed&order=finished_at",
            f"status=cancelled,failed&key={key}",
            "held=true",
            f"tag=tag_{chance.randrange(6) * 50}",
            f"q=thing {chance.randrange(7)}",
            "q=nothing+that+there+is",
            f"q={chance.randrange(JOBS)}",
        ]
    )


PAGES: dict[str, Callable[[random.Random], str]] = {
    "overview": lambda chance: f"overview?range={chance.choice(['15m', '1h', '6h', '24h'])}",
    "jobs": _of_jobs,
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
"""For each page, what it asks first."""


class Visitor:
    """Asks the application, as a server would."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._loop = asyncio.new_event_loop()

    def ask(self, path: str) -> float:
        """Milliseconds until all of the answer is there."""
        begin = time.perf_counter()
        self._loop.run_until_complete(self._ask(path))
        return (time.perf_counter() - begin) * 1e3

    async def _ask(self, path: str) -> None:
        name, _, query = f"/api/{path}".partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": name, "raw_path": name.encode(),
            "query_string": query.replace(" ", "+").encode(), "root_path": "",
            "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer " + TOKEN.encode())],
        }  # fmt: skip
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        await self._application(scope, receive, send)
        assert status == 200, (path, status)

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
    visitor = Visitor(dashboard(app, token=TOKEN, allowed_hosts=["127.0.0.1"]))
    chance = random.Random(7)
    rounds = QUICK_ROUNDS if room.quick else ROUNDS
    try:
        yield lambda: [visitor.ask(path(chance)) for _ in range(rounds) for path in PAGES.values()]
    finally:
        visitor.close()
        app.close()


def of(place: int) -> Callable[[Sequence[Sample]], float]:
    """The 95th percentile of one page's requests."""
    return lambda samples: percentile(0.95)([flat(samples)[place :: len(PAGES)]])


BENCHMARKS = [
    Benchmark(
        tuple(
            Figure(f"dashboard_{name}_p95_ms", "ms", (value_at_most(GOAL_MS),), of(place))
            for place, name in enumerate(PAGES)
        ),
        {"windlass": pages},
    )
]
