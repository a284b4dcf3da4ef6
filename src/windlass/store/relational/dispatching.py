"""Claim, settle, and the upkeep between: everything a dispatcher asks of the file."""

from __future__ import annotations

import heapq
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from windlass.clock import Clock
from windlass.outcome import DEADLINE_MISSED, Completed, Quarantined, StopReason
from windlass.store.logbook import LogChunk
from windlass.store.protocol import (
    Claim,
    ClaimRequest,
    Lane,
    ProgressNote,
    Promotion,
    Settlement,
    Turn,
    WalState,
)
from windlass.store.relational import flowing, limiting, succession
from windlass.store.relational.engine import Connection, Engine
from windlass.store.relational.foreign import oddity, rewrite_created_at, unreadable
from windlass.store.relational.hosting import Hosting
from windlass.store.relational.keeping import keep_apart, keep_logs
from windlass.store.relational.recording import Recording, waited_us
from windlass.store.relational.settling import STOP_REASONS, Settler
from windlass.store.relational.statements import SQL

_FINISHED = ("COMPLETED", "FAILED", "CANCELLED")
_LAST_ID = 2**63 - 1


class _Refused(Exception):
    """Something of a turn cannot be stored, and nothing of it was."""


class Dispatching(Hosting, Recording):
    """The dispatchers' verbs."""

    def __init__(self, database: Engine, clock: Clock) -> None:
        super().__init__(database, clock)
        self._surpluses: dict[tuple[str, int], tuple[int, int]] = {}

    # ── claim and settle ───────────────────────────────────────────────────────────────────────
    def settle_and_claim(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None = None,
        progress: Sequence[ProgressNote] = (),
        logs: Sequence[LogChunk] = (),
    ) -> Turn:
        return self.despite_bad_text(lambda: self._safe_turn(settlements, request, progress, logs))

    def _safe_turn(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None,
        progress: Sequence[ProgressNote],
        logs: Sequence[LogChunk],
    ) -> Turn:
        try:
            return self._turn(settlements, request, progress, logs, one_by_one=False)
        except _Refused:
            # Again with a savepoint for each, so that only the offender fails. Progress has its next note.
            return self._turn(settlements, request, (), logs, one_by_one=True)

    def _turn(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None,
        progress: Sequence[ProgressNote],
        logs: Sequence[LogChunk],
        *,
        one_by_one: bool,
    ) -> Turn:
        turn = Turn([], [], [], more=False, waited_us=[])
        instant, now = self.moment()
        # A quarantine is a verdict that no re-run would repeat by itself: it must not vanish.
        full = any(type(settlement.outcome) is Quarantined for settlement in settlements)
        with self.turn(request, full=full) as connection:
            settler = Settler(connection, instant, now)
            if one_by_one:
                keep_apart(connection, logs, self.database.refusals)
                self._settle_apart(connection, settler, settlements, turn)
            else:
                try:
                    for note in progress:
                        self.progress_on(connection, note)
                    keep_logs(connection, logs)
                    self.settle(connection, settler, settlements, turn)
                except self.database.refusals as error:
                    raise _Refused from error
            not_settled = [*turn.stale, *(one for one, _ in turn.unsettled)]
            freed = flowing.follow(connection, settlements, not_settled, (instant, now)) > 0
            freed = succession.follow(connection, settlements, not_settled, now) or freed
            slot_in_us = None
            if request is not None and request.limit > 0 and request.caps:
                slot_in_us = self._claim(connection, request, (instant.wall_us, now), turn)
        more = request is not None and 0 < request.limit <= len(turn.claimed)
        return turn._replace(more=more, freed=freed, slot_in_us=slot_in_us)

    def _claim(
        self, connection: Connection, request: ClaimRequest, moment: tuple[int, str], turn: Turn
    ) -> int | None:
        now_us, now = moment
        ready_at, ready_us = "", None
        gate = limiting.gate(connection, self.instant, self.clock, request)
        mosts = {
            lane: min(cap, request.limit, room)
            for lane, cap in request.caps.items()
            if cap > 0 and (room := gate.room(lane.queue, lane.key) if gate else cap) > 0
        }
        best = self.best(connection, request, mosts, is_gated=gate is not None)
        token = secrets.randbits(62) + 1
        for row in self.until_bad_text(best, turn.claimed):
            (
                _, job_id, key, payload, attempts, allowed, timeout_us, queue, alone, crashes, priority,
                dated, constraints, since,
            ) = row  # fmt: skip
            if gate and gate.room(queue, key) <= 0:
                continue
            attempts = 0 if attempts is None else attempts
            allowed = 3 if allowed is None else allowed
            problem = unreadable(key, queue, payload, attempts, allowed, priority, timeout_us)
            if not dated:
                problem = problem or rewrite_created_at(connection, job_id)
            if problem:
                connection.execute(SQL["hold"], (problem, now, job_id))
                continue
            claim = Claim(
                job_id, key, payload, attempts + 1, allowed, token, timeout_us, queue, bool(alone), crashes,
                constraints, gate.start_by(queue, key) if gate else None,
            )  # fmt: skip
            if not request.accept(claim):
                if gate:
                    gate.decline(queue, key)
                continue
            turn.claimed.append(claim)
            # Jobs that came together share the text.
            if since != ready_at:
                ready_at, ready_us = since, waited_us(now_us, since)
            turn.waited_us.append(ready_us)
            if gate:
                gate.take(queue, key)
            if len(turn.claimed) >= request.limit:
                break
        if turn.claimed:
            ids = json.dumps([claim.job_id for claim in turn.claimed])
            connection.execute(SQL["claim"], (request.owner, token, now, ids))
        return gate.close(request.caps) if gate else None

    def turn(self, request: ClaimRequest | None, *, full: bool) -> AbstractContextManager[Connection]:
        """The transaction of one turn."""
        del request
        return self.database.write(full=full)

    def best(
        self, connection: Connection, request: ClaimRequest, mosts: Mapping[Lane, int], *, is_gated: bool
    ) -> Iterable[Any]:
        """The rows to claim, best first: at most so many of each lane. Not all of them may be taken."""
        del is_gated
        heads = [self.head(connection, lane, request.before.get(lane), most) for lane, most in mosts.items()]
        # Each cursor walks its own lane lazily; together they read the winners and one row of each loser.
        return heads[0] if len(heads) == 1 else heapq.merge(*heads)

    def settle(
        self, connection: Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn
    ) -> None:
        """Settles them in their order, and tells the turn which of them were stale."""
        _settle(connection, settler, settlements, turn)

    def _settle_apart(
        self, connection: Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn
    ) -> None:
        # Each under a savepoint: one that the database refuses leaves the others alone.
        for settlement in settlements:
            connection.execute("SAVEPOINT settle")
            try:
                self.settle(connection, settler, [settlement], turn)
            except self.database.refusals as error:
                connection.execute("ROLLBACK TO settle")
                turn.unsettled.append((settlement, error))
            connection.execute("RELEASE settle")

    # ── upkeep ─────────────────────────────────────────────────────────────────────────────────
    def promote(self, limit: int = 1000) -> Promotion:
        # Where rows go by no boot at all, every boot is another one.
        boot_id = self.instant().boot_id or ""
        with self.database.read() as connection:
            strange = connection.execute(SQL["other_boots"], (boot_id,)).fetchone()[0]
        forgotten = 0
        if strange:
            with self.database.write(full=False) as connection:
                forgotten = connection.execute(SQL["forget_boots"], (boot_id, limit)).rowcount
        # Where the limit was reached, more of them may be due already.
        wait_us = 0 if forgotten >= limit else self._next_due()
        if wait_us is None or wait_us > 0:
            return Promotion(0, wait_us)
        instant, now = self.moment()
        with self.database.write(full=False) as connection:
            promoted = connection.execute(SQL["promote_wall"], (now, instant.wall_us, limit)).rowcount
            if instant.boot_id is not None:
                promoted += connection.execute(
                    SQL["promote_boot"], (now, instant.boot_id, instant.boot_us, limit - promoted)
                ).rowcount
        return Promotion(promoted, 0 if forgotten >= limit else self._next_due())

    def _next_due(self) -> int | None:
        instant = self.instant()
        by_boot = None
        with self.database.read() as connection:
            by_wall = connection.execute(SQL["next_due_wall"]).fetchone()
            if instant.boot_id is not None:
                by_boot = connection.execute(SQL["next_due_boot"], (instant.boot_id,)).fetchone()
        waits: list[int] = []
        # What is no number is odd, and about to be held.
        if by_wall and isinstance(by_wall[0], int):
            waits.append(by_wall[0] - instant.wall_us)
        if by_boot and isinstance(by_boot[0], int):
            waits.append(by_boot[0] - instant.boot_us)
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
            taken = [row[0] for row in rows]
            values = {"now_us": now_us, "now": now, "missed": DEADLINE_MISSED, "ids": json.dumps(taken)}
            connection.execute(SQL["reclaim"], values)
            if flowing.any_flow(connection):
                flowing.lament(connection, taken, now)
            succession.ended(connection, taken, now)
        return len(rows)

    def cancellations(self, owner: int) -> dict[int, StopReason]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["cancellations"], (owner,)).fetchall()
        return {row[0]: STOP_REASONS.get(row[1], "cancelled") for row in rows}

    def hold_odd(self, limit: int = 100) -> int:
        return self.despite_bad_text(lambda: self._hold_odd(limit))

    def _hold_odd(self, limit: int) -> int:
        with self.database.read() as connection:
            if not connection.execute(SQL["odd"], (1,)).fetchone():
                return 0
        with self.database.write(full=True) as connection:
            now_us, now = self.now()
            rows = connection.execute(SQL["odd"], (limit,)).fetchall()
            for job_id, status, run_at, run_at_boot, owner in rows:
                if status in _FINISHED:
                    # It ended before anyone kept the time: from now on it counts as old.
                    connection.execute(SQL["date_finished"], (now_us, job_id))
                else:
                    reason = oddity(status, run_at, run_at_boot, owner)
                    connection.execute(SQL["hold_odd"], (reason, now, job_id))
        return len(rows)

    def prune(self, *, older_than_us: int, keep: int, limit: int = 500) -> int:
        horizon = (self.clock.wall_us() - older_than_us - 1, _LAST_ID)
        for status in _FINISHED:
            newest_doomed = max(horizon, self._surplus(status, keep))
            with self.database.read() as connection:
                rows = connection.execute(SQL["prune_doomed"], (status, *newest_doomed, limit)).fetchall()
            if rows:
                with self.database.write(full=False) as connection:
                    return len(flowing.remove(connection, [row[0] for row in rows]))
            self._surpluses.pop((status, keep), None)
        return 0

    def _surplus(self, status: str, keep: int) -> tuple[int, int]:
        """The newest one beyond the newest ``keep``. Walks that many, so once for all steps of a pruning."""
        found = self._surpluses.get((status, keep))
        if found is None:
            with self.database.read() as connection:
                row = connection.execute(SQL["prune_cutoff"], (status, keep)).fetchone()
            # An end that is no time is odd, and about to be dated.
            found = row if row and isinstance(row[0], int) else (0, 0)
            self._surpluses[status, keep] = found
        return found

    def checkpoint(self, *, force: bool = False) -> WalState:
        return self.database.checkpoint(force=force)

    def progress_on(self, connection: Any, note: ProgressNote) -> None:
        _, now = self.now()
        connection.execute(SQL["note_progress"], (note.progress, now, note.job_id, note.attempt, note.token))

    def complete_on(self, connection: Any, settlement: Settlement) -> bool:
        instant, now = self.moment()
        outcome = settlement.outcome
        result = outcome.result if isinstance(outcome, Completed) else None
        cursor = connection.execute(
            SQL["settle_completed"],
            (result, instant.wall_us, now, settlement.job_id, settlement.attempt, settlement.token),
        )
        owned = cursor.rowcount == 1
        if owned and flowing.any_flow(connection):
            flowing.release(connection, [settlement.job_id], (instant, now))
        if owned:
            succession.ended(connection, [settlement.job_id], now)
        return owned


def _settle(connection: Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn) -> None:
    alike: dict[int, Settlement] = {}
    lease: tuple[int, int] | None = None
    for settlement in settlements:
        job_id, attempt, token, outcome = settlement
        if type(outcome) is Completed and outcome.result is None:
            if lease != (attempt, token) or job_id in alike:
                _complete_alike(connection, settler, alike, turn)
                lease = attempt, token
            alike[job_id] = settlement
            continue
        _complete_alike(connection, settler, alike, turn)
        if type(outcome) is Completed:
            row = (outcome.result, settler.now_us, settler.now, job_id, attempt, token)
            owned = connection.execute(SQL["settle_completed"], row).rowcount == 1
        else:
            owned = settler.settle(settlement)
        if not owned:
            turn.stale.append(settlement)
    _complete_alike(connection, settler, alike, turn)


def _complete_alike(
    connection: Connection, settler: Settler, alike: dict[int, Settlement], turn: Turn
) -> None:
    """Jobs of one claim that ended without a result: they differ in their ids alone."""
    if not alike:
        return
    _, attempt, token, _ = next(iter(alike.values()))
    row = (settler.now_us, settler.now, json.dumps(list(alike)), attempt, token)
    # By name, not by number: a sum of counts would not say which one was stale.
    for (job_id,) in connection.execute(SQL["settle_completed_alike"], row).fetchall():
        del alike[job_id]
    turn.stale.extend(alike.values())
    alike.clear()
