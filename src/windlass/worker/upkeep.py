"""What keeps the house: promote what is due, reclaim what was lost, prune, checkpoint, seal, beat."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from windlass.clock import Clock, monotonic, next_minute
from windlass.context import sweep_tempdirs, temp_root
from windlass.job import JobStatus
from windlass.living import BEAT_S, silence_left_us, state_of
from windlass.store.activity import Figures
from windlass.store.hosts import DispatcherRow
from windlass.store.protocol import JobFilter, Store, Turn
from windlass.worker.activity import Activity
from windlass.worker.lease import REST_S, Lease
from windlass.worker.membership import Membership

log = logging.getLogger("windlass.worker")

_SEAL_S = 0.5
_CHECKPOINT_S = 0.05
_RECLAIM_S = 1.0
_AFAR_S = 5.0
"""How often who leads looks at dispatchers of other hosts, or sooner where one is about to be lost."""
_FOLLOW_S = 1.0
"""What who leads does for all, the others do so much later, where it was not done."""
_DUE_LOOK_S = 0.005
_PRUNE_STEP_S = 0.02
_BLOCKED_ALARM_S = 60.0


class Upkeep:
    """Small steps, each at its own time, each bounded."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        member: Membership,
        clock: Clock,
        retention_us: int,
        retention_count: int,
    ) -> None:
        self._store = store
        self._lease = lease
        self._member = member
        self._clock = clock
        self._retention_us = retention_us
        self._retention_count = retention_count
        self.activity = Activity(store.clock)
        self.commits: int = 0
        self._due_at = 0.0
        self._reclaim_at = 0.0
        self._reclaimed_at = 0.0
        self._others_work = False
        self._led = self._had_others = False
        self._prune_at = monotonic() + 5.0
        self._orphans_at = 0.0
        self._odd_at = 0.0
        self._afar_s = _AFAR_S
        self._beat_at = 0.0
        self._rests = False
        self._commits_seen: int = 0
        self._settle_down_at: float | None = None
        self._checkpoint_at = 0.0
        self._blocked_since: float | None = None

    @property
    def next_run(self) -> float:
        """The moment (``clock.monotonic``) of the next step."""
        times = [self._due_at, self._reclaim_at, self._prune_at, self._beat_at]
        if self._settle_down_at is not None:
            times += [self._settle_down_at, self._checkpoint_at]
        return min(times)

    def committed(self, turn: Turn) -> None:
        """A turn was: it is to be made durable, and what it took is counted."""
        self.commits += 1
        if turn.claimed:
            self.activity.began(turn.claimed, turn.waited_us)

    def look_for_due(self, now: float) -> None:
        """Jobs may have been put off: the next one may be due before the one that was expected."""
        self._due_at = min(self._due_at, now + (_DUE_LOOK_S if self._leads else _FOLLOW_S))

    def heard(self, now: float) -> None:
        """Somebody has written: jobs may be due, and another dispatcher may hold some by now."""
        self.look_for_due(now)
        self._odd_at = now
        self._reclaim_at = min(self._reclaim_at, max(now, self._reclaimed_at + _RECLAIM_S))

    def beat(self, now: float, holds_jobs: Callable[[], bool] = lambda: True) -> None:
        """Says that the dispatcher lives, also while the database cannot be used."""
        if now >= self._beat_at:
            self._rests = not holds_jobs()
            self._beat_at = next_minute(now) if self._rests else now + BEAT_S
            self._lease.beat(REST_S if self._rests else BEAT_S)

    def wake(self, now: float) -> None:
        """Jobs are about to be taken: if it freezes with them, that must be seen soon."""
        if self._rests:
            self._beat_at = now
            self.beat(now)

    def run(self, now: float) -> bool:
        """Takes the steps that are due; True where jobs may have become ready."""
        found = False
        if now >= self._due_at:
            found = self._promote(now)
        others = self._leads and self._member.standing.others
        if now >= self._reclaim_at or (self._leads and not self._led) or (others and not self._had_others):
            # Who begins to lead looks at once: it leads because somebody fell silent a while ago.
            found = self.reclaim(now) or found
            # Who works is looked at again soon. One that rests takes no jobs without our hearing of it.
            self._reclaimed_at = now
            afar = now + self._afar_s if self._member.many_hosts and others else next_minute(now)
            self._reclaim_at = now + _RECLAIM_S if self._others_work else afar
        self._led, self._had_others = self._leads, others
        if now >= self._prune_at:
            pruned = self._leads and self._store.prune(
                older_than_us=self._retention_us, keep=self._retention_count
            )
            self._prune_at = now + _PRUNE_STEP_S if pruned else next_minute(now)
            if not pruned:
                sweep_tempdirs(temp_root(self._store), self._running_among)
        self._settle_down(now)
        if found and self._member.many_hosts:
            # What is ready now may be for others: this host may be full, or paused.
            self._store.ring()
        return found

    @property
    def _leads(self) -> bool:
        return self._member.standing.leads

    def reclaim(self, now: float) -> bool:
        """Takes back the jobs of dispatchers that died, froze or fell silent; True where there were any."""
        found = False
        if self._leads and now >= self._odd_at:
            self._odd_at = next_minute(now)
            found = self._store.hold_odd() > 0
        self._others_work, self._afar_s = False, _AFAR_S
        for row in self._store.dispatchers():
            if row.id == self._member.owner:
                continue
            state = state_of(row, self._clock)
            if row.silent_us is not None:
                self._afar_s = min(self._afar_s, max(silence_left_us(row) / 1_000_000, _RECLAIM_S))
            self._others_work = self._others_work or (state == "alive" and self._is_near(row))
            if state in ("alive", "resting") or (state == "lost" and not self._member.judges(now)):
                continue
            taken = self._take_back(row.id)
            if taken:
                log.warning(
                    "dispatcher %d (pid %d) is %s: %d running jobs are ready again",
                    row.id,
                    row.pid,
                    state,
                    taken,
                )
            if state != "frozen":
                self._store.unregister(row.id)
                # What it alone had a handler for may be a fallback's now.
                found = found or bool(row.own_keys)
                self._orphans_at = min(self._orphans_at, now + _AFAR_S)
            if state == "dead":
                self._lease.remove_dead(row.lock_file)
            found = found or taken > 0
        if self._leads and now >= self._orphans_at:
            # One that was taken for dead may have claimed before it knew; or an open transaction of its own,
            # which the server has not ended yet, kept us from a row.
            orphans = self._store.orphans()
            self._orphans_at = now + _AFAR_S if orphans else next_minute(now)
            found = sum(map(self._take_back, orphans)) > 0 or found
        return found

    def _take_back(self, owner: int) -> int:
        taken = 0
        while count := self._store.reclaim(owner):
            taken += count
        return taken

    def _is_near(self, row: DispatcherRow) -> bool:
        """Its death is seen here before its silence is."""
        return row.silent_us is None or row.boot_id == self._clock.boot_id()

    def _running_among(self, job_ids: Collection[int]) -> Collection[int]:
        where = JobFilter(ids=tuple(job_ids), status=(JobStatus.RUNNING,))
        return [job.id for job in self._store.select(where, limit=len(job_ids))]

    def _promote(self, now: float) -> bool:
        promotion, expiry = self._store.promote(), self._store.expire()
        if expiry.failed:
            log.warning("%d jobs have failed: they had not completed by their deadlines", expiry.failed)
        waits_us = [us for us in (promotion.next_due_us, expiry.next_due_us) if us is not None]
        # A jump of the wall clock wakes nobody: so never sleep for longer than a minute.
        later_s = 0.0 if self._leads else _FOLLOW_S
        self._due_at = min([now + us / 1_000_000 + later_s for us in waits_us] + [next_minute(now)])
        return promotion.promoted > 0 or expiry.failed > 0

    def _settle_down(self, now: float) -> None:
        if self.commits != self._commits_seen:
            self._commits_seen = self.commits
            if self._settle_down_at is None:
                self._settle_down_at = now + _SEAL_S
                self._checkpoint_at = now + _CHECKPOINT_S
        if self._settle_down_at is None:
            return
        if now >= self._checkpoint_at:
            self._checkpoint_at = now + _CHECKPOINT_S
            self._checkpoint(now)
        if now >= self._settle_down_at:
            self.seal(self.activity.due(self._member.owner, now), now)
            # What was written less than a second ago is written once more before this dispatcher rests.
            self._settle_down_at = None if self.activity.is_written else now + _SEAL_S

    def seal(self, figures: Sequence[Figures], now: float) -> None:
        """Makes all commits durable, and keeps the figures with them."""
        self._store.seal(figures)
        self.activity.written(len(figures), now)

    def _checkpoint(self, now: float) -> None:
        state = self._store.checkpoint()
        if not state.blocked:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = now
        elif now - self._blocked_since > _BLOCKED_ALARM_S:
            self._blocked_since = now
            log.warning(
                "a reader has kept %d pages in the write-ahead log for a minute: windlass doctor names it",
                state.pages,
            )
