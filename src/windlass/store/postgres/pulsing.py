"""Who dispatches on many machines: a pulse on the server's clock, a session that is kept, and a leader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from windlass.store.hosts import GONE_US, DispatcherRow, Standing
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.relational.hosting import Hosting

PULSE_S = 5.0
"""Three pulses in a row may be lost before anyone is taken for dead."""


class Pulsing(Hosting):
    """The verbs of ``windlass.store.hosts`` that go by the server's clock."""

    database: Database

    _kept: frozenset[int] = frozenset()
    """Whose sessions have been seen here. Who never had one (its pooler gives it none) misses none."""

    @property
    def pulse_every_s(self) -> float | None:
        return PULSE_S

    def register(self, *, job_keys: Sequence[str] | None, **how: Any) -> int:
        owner = super().register(job_keys=job_keys, **how)
        self.database.bells.keep(owner)
        # Fallbacks leave to it what it has handlers for.
        self.ring("work")
        return owner

    def unregister(self, owner: int) -> None:
        self.database.bells.keep_no_longer(owner)
        super().unregister(owner)

    def dispatchers(self) -> list[DispatcherRow]:
        if not self.database.location.hints:
            return super().dispatchers()
        # First the sessions: a pulse that comes after this look says more than they do.
        with self.database.read() as connection:
            there = {row[0] for row in connection.execute(SQL["kept_sessions"]).fetchall()}
        rows = super().dispatchers()
        self._kept = frozenset(row.id for row in rows if row.id in there or row.id in self._kept)
        return [replace(row, session=row.id in there) if row.id in self._kept else row for row in rows]

    def pulse(self, owner: int, host: str) -> Standing:
        # One statement, and no turn: who waits for one must be heard of, too.
        with self.database.alone() as connection:
            row = connection.execute(
                SQL["pulse"], {"owner": owner, "host": host, "silent": GONE_US}
            ).fetchone()
        known, leads, paused, draining, others, _ = row
        return Standing(bool(known), bool(leads), bool(paused), bool(draining), bool(others))
