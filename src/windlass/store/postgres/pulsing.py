"""Who dispatches on many machines: a pulse on the server's clock, and one of them that leads."""

from __future__ import annotations

from windlass.store.hosts import SILENT_US, Standing
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.relational.hosting import Hosting

PULSE_S = 10.0
"""Three pulses in a row may be lost before anyone is taken for dead."""


class Pulsing(Hosting):
    """The verbs of ``windlass.store.hosts`` that go by the server's clock."""

    database: Database

    @property
    def pulse_every_s(self) -> float | None:
        return PULSE_S

    def pulse(self, owner: int, host: str) -> Standing:
        # No turn: who waits for one must be heard of, too.
        with self.database.transaction(full=False, turn=None) as connection:
            row = connection.execute(
                SQL["pulse"], {"owner": owner, "host": host, "silent": SILENT_US}
            ).fetchone()
        known, leads, paused, draining = row
        return Standing(bool(known), bool(leads), bool(paused), bool(draining))
