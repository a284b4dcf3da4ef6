"""A program as people write them, with work of every kind, for the dashboard to show.

Run as ``tests.web.harbour:app``; the database is named by ``HARBOUR_DB``.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from datetime import date
from typing import Any, Literal

from tests.sync.replicas import Collection, Wire
from windlass import Backoff, Constraints, Context, PermanentError, Windlass, chain, group

BERTHS = "CREATE TABLE berths (id TEXT PRIMARY KEY, name TEXT, ship TEXT, depth_m REAL, lit INTEGER)"

app = Windlass(os.environ.get("HARBOUR_DB", "harbour.db"), title="Harbour")
remote = Collection()
berths = app.sync.resource("berths", remote=Wire(remote), every="1h")


@app.job(queue="mail", max_attempts=5, backoff=Backoff.exponential("20s"), tags=["customer"])
def send_receipt(order_id: int, email: str, copies: int = 1) -> dict[str, Any]:
    """Sends the receipt of an order by mail."""
    if email.endswith("@nowhere.example"):
        raise ConnectionError("the mail server of nowhere.example does not answer")
    return {"order_id": order_id, "copies": copies, "message_id": f"<{order_id}@harbour.example>"}


@app.job(
    queue="images", title="Resize a photo", max_attempts=2, backoff=Backoff.linear("100ms", jitter="none")
)
def resize_photo(
    path: str,
    width: int,
    format: Literal["jpeg", "webp", "avif"] = "webp",
    sharpen: bool = False,
    crop: list[str] | None = None,
) -> str:
    """Makes a smaller copy of a photo.

    What is smaller already is left alone.
    """
    if "torn" in path:
        raise PermanentError(f"{path} is no picture: its header is torn")
    if "odd" in path:
        raise ValueError(f"cannot make {width} columns of {path}: the width is odd")
    return f"{path}.{width}.{format}"


@app.job(timeout="10m")
async def count_cargo(ctx: Context, holds: int = 120) -> int:
    """Counts the cargo, hold by hold, and says how far it is."""
    for done in range(holds):
        ctx.progress(done, holds, f"hold {done}")
        await asyncio.sleep(0.5)
    return holds


@app.job
def load_ship(ship: str, tons: float = 1.0) -> str:
    """Loads a ship."""
    return f"{ship}: {tons} t"


@app.job
def close_day(day: date | None = None) -> str:
    """Closes the books of a day, when all ships are loaded."""
    return str(day)


@app.periodic(cron="30 3 * * *", tz="Europe/Berlin")
def nightly_report() -> None:
    """Writes last night's report."""


@app.periodic(every="15m", constraints=Constraints(network="connected"))
def tide_table() -> None:
    """Fetches the tides."""


def fill(quick: bool = False) -> None:
    """What the pages show: jobs in every state, a flow, conflicts and dead letters. No service runs yet."""
    with sqlite3.connect(app.settings.database) as db:
        db.execute(BERTHS)
    for order in range(12 if quick else 60):
        address = "anna@example.org" if order % 9 else "bert@nowhere.example"
        send_receipt.enqueue(order_id=4711 + order, email=address)
    for photo in range(8 if quick else 40):
        kind = "torn" if photo % 11 == 3 else "odd" if photo % 7 == 5 else "photo"
        resize_photo.enqueue(path=f"/photos/{kind}-{photo:03}.jpg", width=800)
    load_ship.using(delay="3h").enqueue(ship="Berta")
    load_ship.using(unique="Carla").enqueue(ship="Carla", tons=12.5)
    app.enqueue("paint_hull", {"ship": "Dora", "colour": "red"})
    ships = group(load_ship.step(ship=name) for name in ("Emma", "Frieda", "Greta"))
    chain(
        ships,
        resize_photo.step(path="/photos/torn-quay.jpg", width=640),
        close_day.step(),
        nightly_report.step(),
    ).enqueue()
    count_cargo.enqueue(holds=1_000)
    dispute()


def dispute() -> None:
    """Rows that were edited here and there, and one that the remote does not want."""
    for number, name in enumerate(("North quay", "South quay", "Pier 7"), start=1):
        remote.put(str(number), name=name, ship="Anna", depth_m=7.5, lit=1)
    berths.pull()
    with sqlite3.connect(app.settings.database) as db:
        db.execute("UPDATE berths SET ship = 'Berta', depth_m = 8.25 WHERE id IN ('1', '2')")
    remote.put("1", ship="Carla", lit=0)
    remote.put("2", ship="Dora")
    berths.push()
    berths.pull()
    remote.refuses = lambda change: "a berth needs a depth" if change.op == "insert" else None
    with sqlite3.connect(app.settings.database) as db:
        db.execute("INSERT INTO berths (id, name) VALUES ('9', 'New mole')")
    berths.push()
    berths.pause()
