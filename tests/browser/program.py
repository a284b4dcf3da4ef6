"""A program whose jobs do, at once and for certain, each of the things that the pages show.

Run as ``tests.browser.program:app``; ``HARBOUR_DB`` names its database, ``HARBOUR_URL`` the server that it
syncs with, if there is one, and ``HARBOUR_DAYS`` how many days ahead its clock is: a change of the clocks is
seldom near.
"""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import date
from typing import Any, Literal

from windlass import Backoff, Constraints, Context, Windlass
from windlass.clock import Clock, SystemClock
from windlass.sync import ETag, Field, Header, LinkHeader, RestRemote, Since

EVIL = '<img src=x onerror="pwned=1"><script>pwned=1</script>'
"""What a page must show, and never be."""
CANARY = "canary-9f3b7e61"
"""The value of what is called like a secret: no page may show it."""
log = logging.getLogger("harbour")
BERTHS = "CREATE TABLE berths (id TEXT PRIMARY KEY, name TEXT, ship TEXT, depth_m REAL, lit INTEGER)"


class Ahead(SystemClock):
    """The system's clock, some days ahead."""

    def __init__(self, days: int) -> None:
        self.ahead_us = days * 86_400_000_000

    def wall_us(self) -> int:
        return super().wall_us() + self.ahead_us


def make_app(database: str, url: str, clock: Clock | None = None) -> Windlass:
    """The app on one database; ``url`` is where its server listens: without one, nothing is synced."""
    app = Windlass(database, title="Harbour", isolates=1, grace=2.0, clock=clock)
    declare_jobs(app)
    if not url:
        return app
    remote = RestRemote(
        f"{url}/berths",
        rows="data",
        cursor=Since("_since", Header("Watermark")),
        page=LinkHeader(),
        limit_parameter="_limit",
        version=ETag(field="version"),
        deleted=Field("deleted"),
        create="PUT",
        dedupes=True,
    )
    app.sync.resource("berths", remote=remote, on_conflict="ask", every="1h")
    return app


def declare_jobs(app: Windlass) -> None:
    """All handlers, schedules and conditions."""

    @app.job(queue="scales", tags=["cargo"])
    def weigh(crate: int, note: str = "") -> dict[str, Any]:
        """Weighs a crate."""
        return {"crate": crate, "kg": crate * 10, "note": note}

    @app.job(queue="holds", max_attempts=1)
    def fumigate(hold: str) -> str:
        """Fumigates a hold."""
        log.warning("hatch of the %s hold is closed, code=%s", hold, EVIL)
        return measure(hold)

    @app.job(queue="office", max_attempts=5, backoff=Backoff.linear("2h", jitter="none"))
    def telegraph(port: str, password: str = "") -> None:
        """Sends a telegram, some hours later if need be."""
        raise ConnectionError(f"{port} does not answer")

    @app.job(queue="cranes", timeout="1h")
    async def hoist(ctx: Context, crates: int, message: str) -> None:
        """Hoists crates, until somebody calls it off."""
        ctx.progress(3, crates, message)
        await asyncio.Event().wait()

    @app.job(title="Clear a ship", queue="office")
    def clear(
        ship: str,
        tons: float,
        flag: Literal["Blue Peter", "Yellow Jack"] = "Blue Peter",
        inspect: bool = False,
        arrival: date | None = None,
        remarks: list[str] | None = None,
    ) -> dict[str, Any]:
        """Clears a ship through customs."""
        return {"ship": ship, "tons": tons, "flag": flag, "inspect": inspect, "remarks": remarks}

    @app.job(max_attempts=1)
    def haunt(text: str) -> None:
        """Fails with whatever it is given."""
        raise ValueError(text)

    @app.condition("flood")
    def is_flood() -> bool | str:
        return "it is ebb"

    @app.job(queue="quay", constraints=Constraints(when="flood"))
    def set_sail(ship: str) -> None:
        """Waits for the flood."""

    @app.periodic(cron="30 2 * * *", tz="Europe/Berlin")
    def night_watch() -> None:
        """Walks along the quay while everybody sleeps."""

    @app.periodic(every="6h", initial_delay="6h")
    def tide_table() -> int:
        """Fetches the tides."""
        return 4


def measure(hold: str) -> str:
    """Raises, two frames deep, what a traceback is to tell."""
    if hold == "sound":
        return "no rats"
    raise ValueError(f"hold {hold} leaks gas")


days_ahead = int(os.environ.get("HARBOUR_DAYS", "0"))
app = make_app(
    os.environ.get("HARBOUR_DB", "harbour.db"),
    os.environ.get("HARBOUR_URL", "http://127.0.0.1:9"),
    Ahead(days_ahead) if days_ahead else None,
)
