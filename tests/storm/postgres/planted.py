"""Bugs to plant on PostgreSQL, so that the checker catches them; as ``tests/storm/planted.py``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from windlass.errors import StoreUnavailable
from windlass.store.postgres import dialect
from windlass.store.postgres.database import Database
from windlass.store.postgres.producing import Producing
from windlass.store.postgres.store import PostgresStore
from windlass.store.relational.dispatching import Dispatching
from windlass.store.relational.statements import SQL
from windlass.worker import upkeep

FENCE = "attempts = ? AND lease_token = ? AND status = 'RUNNING'"
NO_FENCE = "? IS NOT NULL AND ? IS NOT NULL"
LOCKED = "FOR UPDATE SKIP LOCKED"


def claim_what_others_claim() -> None:
    """Two dispatchers read the same rows as ready, and each makes them its own."""
    for name in ("claim_lane", "claim_conditioned_lane"):
        text = dialect.SQL[name]
        assert LOCKED in text
        dialect._INSTEAD[SQL[name]] = dialect.SQL[name] = text.replace(LOCKED, "")


def settle_by_id_alone() -> None:
    """A stale attempt's late result overwrites the new one's."""
    for name in ("settle_completed", "settle_completed_alike"):
        assert FENCE in SQL[name]
        SQL[name] = SQL[name].replace(FENCE, NO_FENCE)
    owned = dialect.SQL["settle_owned"]
    assert FENCE in owned
    dialect._INSTEAD[SQL["settle_owned"]] = owned.replace(FENCE, NO_FENCE)


def no_reclaim() -> None:
    """Jobs of a dead dispatcher stay RUNNING for ever."""
    Dispatching.reclaim = lambda self, owner, limit=500, **how: 0


def reclaim_the_living() -> None:
    """Jobs of a dispatcher that is alive and well are taken for lost."""
    upkeep.state_of = lambda row, clock: "lost"


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
        ack_before_disk,
        unknown_is_refused,
        completion_apart_from_effects,
    )
}


def plant(name: str) -> None:
    """Puts one bug into this process."""
    BUGS[name]()
