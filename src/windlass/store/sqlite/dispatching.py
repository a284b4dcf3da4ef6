"""Claim, settle, and the upkeep between: everything a dispatcher asks of the file."""

from __future__ import annotations

import heapq
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from windlass.outcome import Completed, Quarantined
from windlass.store.protocol import (
    Claim,
    ClaimRequest,
    DispatcherRow,
    Lane,
    ProgressNote,
    Promotion,
    Settlement,
    Turn,
    WalState,
)
from windlass.store.sqlite.base import Role
from windlass.store.sqlite.mending import hold_undecodable, is_undecodable
from windlass.store.sqlite.settling import Settler
from windlass.store.sqlite.statements import SQL

_T = TypeVar("_T")
_FINISHED = ("COMPLETED", "FAILED", "CANCELLED")


class Dispatching(Role):
    """The dispatchers' verbs."""

    # ── who dispatches ─────────────────────────────────────────────────────────────────────────
    def register(
        self, *, host: str, pid: int, lock_file: str, version: str, mode: str, job_keys: Sequence[str] | None
    ) -> int:
        keys = None if job_keys is None else json.dumps(list(job_keys))
        with self.database.write(full=True) as connection:
            cursor = connection.execute(
                SQL["register"],
                (host, pid, self.clock.boot_id(), lock_file, self.clock.wall_us(), version, mode, keys),
            )
            return cursor.lastrowid or 0

    def unregister(self, owner: int) -> None:
        with self.database.write(full=False) as connection:
            connection.execute("DELETE FROM windlass_dispatchers WHERE id = ?", (owner,))

    def dispatchers(self) -> list[DispatcherRow]:
        with self.database.read() as connection:
            rows = connection.execute(
                "SELECT id, host, pid, boot_id, lock_file, started_at, version, mode, job_keys "
                "FROM windlass_dispatchers ORDER BY id"
            ).fetchall()
        return [
            DispatcherRow(
                id=row[0], host=row[1], pid=row[2], boot_id=row[3], lock_file=row[4], started_at_us=row[5],
                version=row[6], mode=row[7], job_keys=None if row[8] is None else tuple(json.loads(row[8])),
            )
            for row in rows
        ]  # fmt: skip

    # ── claim and settle ───────────────────────────────────────────────────────────────────────
    def lanes(self) -> list[Lane]:
        return self._despite_bad_text(self._lanes)

    def _lanes(self) -> list[Lane]:
        found: list[Lane] = []
        step: tuple[Any, ...] = (-1, "", "")
        with self.database.read() as connection:
            while row := connection.execute(SQL["first_lane"], step).fetchone():
                found.append(Lane(bool(row[0]), row[1], row[2]))
                step = row
        return found

    def settle_and_claim(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None = None,
        progress: Sequence[ProgressNote] = (),
    ) -> Turn:
        return self._despite_bad_text(lambda: self._safe_turn(settlements, request, progress))

    def _safe_turn(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None,
        progress: Sequence[ProgressNote],
    ) -> Turn:
        try:
            return self._turn(settlements, request, progress, one_by_one=False)
        except (sqlite3.Error, ValueError, OverflowError) as error:
            if isinstance(error, sqlite3.Error) and is_undecodable(error):
                raise
            # A value the driver refuses. Again with a savepoint for each, so that only the offender fails.
            return self._turn(settlements, request, progress, one_by_one=True)

    def _despite_bad_text(self, do: Callable[[], _T]) -> _T:
        try:
            return do()
        except sqlite3.OperationalError as error:
            if not is_undecodable(error):
                raise
        # Not above: the error's traceback keeps cursors open, and they an old view that nobody may write on.
        hold_undecodable(self.database, self.now()[1])
        return do()

    def _turn(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None,
        progress: Sequence[ProgressNote],
        *,
        one_by_one: bool,
    ) -> Turn:
        turn = Turn([], [], [], False)
        now_us, now = self.now()
        # A quarantine is a verdict that no re-run would repeat by itself: it must not vanish.
        full = any(type(settlement.outcome) is Quarantined for settlement in settlements)
        with self.database.write(full=full) as connection:
            settler = Settler(connection, self.clock, now_us, now)
            for note in progress:
                connection.execute(
                    SQL["note_progress"], (note.progress, now, note.job_id, note.attempt, note.token)
                )
            if one_by_one:
                _settle_apart(connection, settler, settlements, turn)
            else:
                _settle(connection, settler, settlements, turn)
            if request is not None and request.limit > 0 and request.caps:
                self._claim(connection, request, now, turn)
        return turn._replace(more=request is not None and 0 < request.limit <= len(turn.claimed))

    def _claim(self, connection: sqlite3.Connection, request: ClaimRequest, now: str, turn: Turn) -> None:
        statement = SQL["claim_lane"]
        room = _room(connection, request.queue_limits)
        heads: list[Iterable[Any]] = [
            connection.execute(statement, (lane.alone, lane.queue, lane.key, min(cap, request.limit)))
            for lane, cap in request.caps.items()
            if cap > 0 and room.get(lane.queue, 1) > 0
        ]
        # Each cursor walks its own lane lazily; together they read the winners and one row of each loser.
        best = heads[0] if len(heads) == 1 else heapq.merge(*heads)
        token = secrets.randbits(62) + 1
        for row in best:
            _, job_id, key, payload, attempts, allowed, timeout_us, queue, alone, crashes, priority = row
            if queue in room and room[queue] <= 0:
                continue
            attempts = 0 if attempts is None else attempts
            allowed = 3 if allowed is None else allowed
            problem = _unreadable(payload, attempts, allowed, priority, timeout_us)
            if problem:
                connection.execute(SQL["hold"], (problem, now, job_id))
                continue
            claim = Claim(
                job_id, key, payload, attempts + 1, allowed, token, timeout_us, queue, bool(alone), crashes
            )
            if not request.accept(claim):
                continue
            turn.claimed.append(claim)
            if queue in room:
                room[queue] -= 1
            if len(turn.claimed) >= request.limit:
                break
        if turn.claimed:
            ids = json.dumps([claim.job_id for claim in turn.claimed])
            connection.execute(SQL["claim"], (request.owner, token, now, ids))

    # ── upkeep ─────────────────────────────────────────────────────────────────────────────────
    def promote(self, limit: int = 1000) -> Promotion:
        boot_id = self.clock.boot_id()
        with self.database.read() as connection:
            strange = connection.execute(SQL["other_boots"], (boot_id,)).fetchone()[0]
        if strange:
            with self.database.write(full=False) as connection:
                connection.execute(SQL["forget_boots"], (boot_id, limit))
        wait_us = self._next_due(boot_id)
        if wait_us is None or wait_us > 0:
            return Promotion(0, wait_us)
        now_us, now = self.now()
        with self.database.write(full=False) as connection:
            promoted = connection.execute(SQL["promote_wall"], (now, now_us, limit)).rowcount
            promoted += connection.execute(
                SQL["promote_boot"], (now, boot_id, self.clock.boot_us(), limit - promoted)
            ).rowcount
        return Promotion(promoted, self._next_due(boot_id))

    def _next_due(self, boot_id: str) -> int | None:
        with self.database.read() as connection:
            by_wall = connection.execute(SQL["next_due_wall"]).fetchone()
            by_boot = connection.execute(SQL["next_due_boot"], (boot_id,)).fetchone()
        waits: list[int] = []
        if by_wall and isinstance(by_wall[0], int):
            waits.append(by_wall[0] - self.clock.wall_us())
        if by_boot:
            waits.append(by_boot[0] - self.clock.boot_us())
        return max(min(waits), 0) if waits else None

    def reclaim(self, owner: int, limit: int = 500, *, keep: Sequence[int] = ()) -> int:
        kept = json.dumps(list(keep))
        with self.database.read() as connection:
            if not connection.execute(SQL["reclaim_select"], (owner, kept, 1)).fetchone():
                return 0
        now_us, now = self.now()
        with self.database.write(full=False) as connection:
            rows = connection.execute(SQL["reclaim_select"], (owner, kept, limit)).fetchall()
            connection.executemany(
                SQL["record_attempt"],
                [(row[0], row[1], "lost", row[2], now_us, f"dispatcher {owner} died") for row in rows],
            )
            ids = json.dumps([row[0] for row in rows])
            connection.execute(SQL["reclaim"], {"now_us": now_us, "now": now, "ids": ids})
        return len(rows)

    def cancellations(self, owner: int) -> list[int]:
        with self.database.read() as connection:
            return [row[0] for row in connection.execute(SQL["cancellations"], (owner,))]

    def running_by_queue(self) -> dict[str, int]:
        with self.database.read() as connection:
            return dict(connection.execute(SQL["running_by_queue"]).fetchall())

    def hold_odd(self, limit: int = 100) -> int:
        return self._despite_bad_text(lambda: self._hold_odd(limit))

    def _hold_odd(self, limit: int) -> int:
        with self.database.read() as connection:
            if not connection.execute(SQL["odd"], (1,)).fetchone():
                return 0
        with self.database.write(full=True) as connection:
            _, now = self.now()
            rows = connection.execute(SQL["odd"], (limit,)).fetchall()
            for job_id, status, run_at, owner in rows:
                connection.execute(SQL["hold_odd"], (_oddity(status, run_at, owner), now, job_id))
        return len(rows)

    def prune(self, *, older_than_us: int, keep: int, limit: int = 500) -> int:
        horizon_us = self.clock.wall_us() - older_than_us
        for status in _FINISHED:
            with self.database.read() as connection:
                beyond = connection.execute(SQL["prune_cutoff"], (status, keep)).fetchone()
                # The job at the offset is the first one beyond the newest ``keep``: it goes, too.
                cutoff_us = max(horizon_us, beyond[0] + 1) if beyond else horizon_us
                doomed = [row[0] for row in connection.execute(SQL["prune_age"], (status, cutoff_us, limit))]
            if doomed:
                ids = json.dumps(doomed)
                with self.database.write(full=False) as connection:
                    connection.execute(SQL["delete_attempts"], (ids,))
                    connection.execute(SQL["delete_jobs"], (ids,))
                return len(doomed)
        return 0

    def seal(self) -> None:
        self.database.seal()

    def checkpoint(self, *, force: bool = False) -> WalState:
        return self.database.checkpoint(force=force)

    def progress_on(self, connection: Any, note: ProgressNote) -> None:
        _, now = self.now()
        connection.execute(SQL["note_progress"], (note.progress, now, note.job_id, note.attempt, note.token))

    def complete_on(self, connection: Any, settlement: Settlement) -> bool:
        now_us, now = self.now()
        outcome = settlement.outcome
        result = outcome.result if isinstance(outcome, Completed) else None
        cursor = connection.execute(
            SQL["settle_completed"],
            (result, now_us, now, settlement.job_id, settlement.attempt, settlement.token),
        )
        return cursor.rowcount == 1


def _settle(
    connection: sqlite3.Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn
) -> None:
    # Row by row: a sum of counts would not say which one was stale.
    execute, completed = connection.execute, SQL["settle_completed"]
    now_us, now = settler.now_us, settler.now
    for settlement in settlements:
        job_id, attempt, token, outcome = settlement
        if type(outcome) is Completed:
            row = (outcome.result, now_us, now, job_id, attempt, token)
            owned = execute(completed, row).rowcount == 1
        else:
            owned = settler.settle(settlement)
        if not owned:
            turn.stale.append(settlement)


def _settle_apart(
    connection: sqlite3.Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn
) -> None:
    # Each under a savepoint: one that the database refuses leaves the others alone.
    for settlement in settlements:
        connection.execute("SAVEPOINT settle")
        try:
            _settle(connection, settler, [settlement], turn)
        except (sqlite3.Error, ValueError, OverflowError) as error:
            connection.execute("ROLLBACK TO settle")
            turn.unsettled.append((settlement, error))
        connection.execute("RELEASE settle")


def _room(connection: sqlite3.Connection, limits: Mapping[str, int]) -> dict[str, int]:
    """How many more jobs of each limited queue may run."""
    if not limits:
        return {}
    running: dict[str, int] = dict(connection.execute(SQL["running_by_queue"]).fetchall())
    return {queue: limit - running.get(queue, 0) for queue, limit in limits.items()}


def _unreadable(
    payload: object, attempts: object, allowed: object, priority: object, timeout_us: object
) -> str | None:
    """Why a row that foreign hands wrote cannot be run, or None."""
    if type(payload) is not str and payload is not None:
        return f"payload is {type(payload).__name__}, expected JSON text"
    if type(attempts) is not int or attempts < 0:
        return f"attempts is {attempts!r}, expected a number of runs"
    if type(allowed) is not int or allowed < 1:
        return f"max_attempts is {allowed!r}, expected a positive number of runs"
    if type(priority) is not int and priority is not None:
        return f"priority is {priority!r}, expected a number"
    if type(timeout_us) is not int and timeout_us is not None:
        return f"timeout_us is {timeout_us!r}, expected microseconds"
    return None


def _oddity(status: object, run_at: object, owner: object) -> str:
    if type(run_at) is not int and run_at is not None:
        return f"run_at is {run_at!r}, expected microseconds since the epoch"
    if status == "RUNNING" and owner is None:
        return "status is RUNNING, but no dispatcher runs it: enqueue with PENDING"
    return f"status is {status!r}, expected PENDING"
