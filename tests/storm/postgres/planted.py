"""Bugs to plant on PostgreSQL, so that the checker catches them; as ``tests/storm/planted.py``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from windlass import living
from windlass.errors import StoreUnavailable
from windlass.store.hosts import GONE_US, SILENT_US, DispatcherRow
from windlass.store.postgres import dialect, pulsing, shelves, taking
from windlass.store.postgres.database import Database
from windlass.store.postgres.producing import Producing
from windlass.store.postgres.pulsing import Pulsing
from windlass.store.postgres.store import PostgresStore
from windlass.store.relational.statements import SQL
from windlass.worker import membership, upkeep

FENCE = "attempts = ? AND lease_token = ? AND status = 'RUNNING'"
NO_FENCE = "? IS NOT NULL AND ? IS NOT NULL"
FENCE_OF_MANY = (
    " AND job.attempts = given.attempt AND job.lease_token = given.token AND job.status || '' = 'RUNNING'"
)
FENCE_OF_ALIKE = "\n      AND attempts = %(attempt)s AND lease_token = %(token)s AND status || '' = 'RUNNING'"
LOCKED = "FOR UPDATE SKIP LOCKED"


def claim_what_others_claim() -> None:
    """Two dispatchers read the same rows as ready, and each makes them its own."""
    for name in ("claim_lane", "claim_conditioned_lane", "claim_lanes", "claim_part"):
        text = dialect.SQL[name]
        assert LOCKED in text
        dialect.SQL[name] = text.replace(LOCKED, "")
        if name in SQL:
            dialect._INSTEAD[SQL[name]] = dialect.SQL[name]
    # What was respelled before is known by heart.
    dialect.respelled.cache_clear()
    shelves._claim_text.cache_clear()
    taking._text.cache_clear()


def settle_by_id_alone() -> None:
    """A stale attempt's late result overwrites the new one's."""
    for name in ("settle_completed", "settle_completed_alike"):
        assert FENCE in SQL[name]
        SQL[name] = SQL[name].replace(FENCE, NO_FENCE)
    for name, fence in (("settle_many", FENCE_OF_MANY), ("settle_alike", FENCE_OF_ALIKE)):
        assert fence in dialect.SQL[name]
        dialect.SQL[name] = dialect.SQL[name].replace(fence, "")
    owned = dialect.SQL["settle_owned"]
    assert FENCE in owned
    dialect._INSTEAD[SQL["settle_owned"]] = owned.replace(FENCE, NO_FENCE)


def no_reclaim() -> None:
    """Jobs of a dead dispatcher stay RUNNING for ever."""
    PostgresStore.reclaim = lambda self, owner, limit=500, **how: 0


def reclaim_the_living() -> None:
    """Jobs of a dispatcher that is alive and well are taken for lost."""
    upkeep.state_of = lambda row, clock: "lost"


def silence_by_the_hosts_own_clock() -> None:
    """How long others have been silent is told by the clock of whoever asks, which is a minute ahead."""
    dispatchers = Pulsing.dispatchers

    def dispatchers_by_own_clock(self: Any) -> list[DispatcherRow]:
        return [replace(row, silent_us=(row.silent_us or 0) + 60_000_000) for row in dispatchers(self)]

    Pulsing.dispatchers = dispatchers_by_own_clock


def settled_means_kept() -> None:
    """What a dispatcher has settled is taken for settled, though a server that crashes may forget it."""
    reclaim = PostgresStore.reclaim

    def reclaim_of_others(self: Any, owner: int, limit: int = 500, *, keep: Any = ()) -> int:
        # Of its own, whatever it does not hold any more is what the server has forgotten.
        mine = any(row.id == owner and row.pid == os.getpid() for row in self.dispatchers())
        return 0 if keep or mine else reclaim(self, owner, limit)

    PostgresStore.reclaim = reclaim_of_others


def ack_before_disk() -> None:
    """The producer is told when the server knows of the job, and the disk and the standby do not."""
    insert = Producing.insert

    def insert_fast(self: Any, jobs: Any, *, durability: str = "full", connection: Any = None) -> Any:
        return insert(self, jobs, durability="fast", connection=connection)

    Producing.insert = insert_fast


def unknown_is_refused() -> None:
    """A connection that is lost while it commits is taken for a commit that was not made."""
    Database.unknown = lambda self, error: StoreUnavailable(f"nothing was written: {error}")


def completion_apart_from_effects() -> None:
    """``ctx.transaction()`` commits the handler's writes first and the completion afterwards."""
    complete = PostgresStore.complete_on

    def commit_then_complete(self: Any, connection: Any, settlement: Any) -> bool:
        connection.commit()
        threading.Event().wait(0.1)
        self.database.begin_on(connection, full=True)
        return complete(self, connection, settlement)

    PostgresStore.complete_on = commit_then_complete


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        claim_what_others_claim,
        settle_by_id_alone,
        no_reclaim,
        reclaim_the_living,
        silence_by_the_hosts_own_clock,
        settled_means_kept,
        ack_before_disk,
        unknown_is_refused,
        completion_apart_from_effects,
    )
}


def plant(name: str) -> None:
    """Puts one bug into this process."""
    BUGS[name]()


def shorten_lease(seconds: float) -> None:
    """No bug: whoever is silent loses its jobs sooner, so that a test need not wait."""
    share = seconds * 1_000_000 / SILENT_US
    living.SILENT_US = membership.SILENT_US = round(SILENT_US * share)
    living.GONE_US = pulsing.GONE_US = round(GONE_US * share)
    pulsing.PULSE_S *= share
    upkeep._AFAR_S *= share
