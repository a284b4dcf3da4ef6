"""Bugs to plant, so that the checker can be seen to catch them.

Each is a classic of this trade, done to Windlass from outside, in the processes of one storm only: the
storm's app calls ``plant`` where its environment says so.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from windlass import living
from windlass.clock import iso
from windlass.store.protocol import Inserted
from windlass.store.relational.dispatching import Dispatching
from windlass.store.relational.statements import SQL
from windlass.store.sqlite.producing import Producing
from windlass.worker import upkeep

FENCE = "attempts = ? AND lease_token = ? AND status = 'RUNNING'"
NO_FENCE = "? IS NOT NULL AND ? IS NOT NULL"


def settle_by_id_alone() -> None:
    """A stale attempt's late result overwrites the new one's."""
    for name in ("settle_completed", "settle_completed_alike", "settle_owned"):
        assert FENCE in SQL[name]
        SQL[name] = SQL[name].replace(FENCE, NO_FENCE)


def delete_on_claim() -> None:
    """A claimed job leaves the table and comes back when it is settled: a crash in between loses it."""
    taken: dict[int, tuple[Any, ...]] = {}
    settle_and_claim = Dispatching.settle_and_claim

    def put_back_settle_claim_and_delete(self: Any, settlements: Any, *how: Any, **more: Any) -> Any:
        with self.database.write(full=False) as connection:
            for settlement in settlements:
                row = taken.pop(settlement.job_id, None)
                if row is not None:
                    marks = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO background_service_jobs VALUES ({marks})", row)
        turn = settle_and_claim(self, settlements, *how, **more)
        with self.database.write(full=False) as connection:
            ids = json.dumps([claimed.job_id for claimed in turn.claimed])
            where = "FROM background_service_jobs WHERE id IN (SELECT value FROM json_each(?))"
            taken.update((row[0], row) for row in connection.execute(f"SELECT * {where}", (ids,)))
            connection.execute(f"DELETE {where}", (ids,))
        return turn

    Dispatching.settle_and_claim = put_back_settle_claim_and_delete


def no_reclaim() -> None:
    """Jobs of a dead dispatcher stay RUNNING for ever."""
    Dispatching.reclaim = lambda self, owner, limit=500, **how: 0


def reclaim_the_living() -> None:
    """Jobs of a dispatcher that is alive and well are taken for lost."""
    upkeep.state_of = lambda lock_file, clock: "frozen"


def ack_before_commit() -> None:
    """The producer is told before the job is on its way."""
    insert = Producing.insert

    def insert_later(self: Any, jobs: Any, *, connection: Any = None, **how: Any) -> list[Inserted]:
        if connection is not None:
            return insert(self, jobs, connection=connection, **how)
        threading.Timer(0.05, insert, (self, jobs), how).start()
        return [Inserted(None, True, iso(self.clock.wall_us())) for _ in jobs]

    Producing.insert = insert_later


def completion_apart_from_effects() -> None:
    """``ctx.transaction()`` commits the handler's writes first and the completion afterwards."""
    complete = Dispatching.complete_on

    def commit_then_complete(self: Any, connection: Any, settlement: Any) -> bool:
        connection.execute("COMMIT")
        threading.Event().wait(0.1)
        self.database.begin(connection)
        return complete(self, connection, settlement)

    Dispatching.complete_on = commit_then_complete


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        settle_by_id_alone,
        delete_on_claim,
        no_reclaim,
        reclaim_the_living,
        ack_before_commit,
        completion_apart_from_effects,
    )
}


def plant(name: str) -> None:
    """Puts one bug into this process."""
    BUGS[name]()


def shorten_lease(seconds: float) -> None:
    """No bug: a dispatcher that is stopped loses its jobs sooner, so that a test need not wait."""
    living.STALE_US = round(seconds * 1_000_000)
    upkeep.BEAT_S = seconds / 5
